//! Executors in the order in which they are tried.

use crate::{ExecRequest, ExecResult, Executor, ExecutorError, Health};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The configured executor and its fallbacks.
#[derive(Debug, Clone)]
pub struct Chain {
    executors: Vec<Arc<dyn Executor>>,
}

/// Why the chain gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The request names an executor that is not active.
    #[error("executor `{name}` is not active")]
    Unknown {
        /// As requested.
        name: String,
    },
    /// No executor could make a sandbox; the program surely did not run.
    #[error("no executor is usable: {}", reasons.iter().map(ExecutorError::chain).collect::<Vec<_>>().join("; "))]
    Unavailable {
        /// One per executor that was tried.
        reasons: Vec<ExecutorError>,
    },
    /// An executor failed after the program may have started: it is never run twice.
    #[error("the executor failed while the program ran")]
    Failed(#[source] ExecutorError),
}

/// The chain's state.
#[derive(Debug, Clone)]
pub struct ChainStatus {
    /// The executor that takes the next program: the first healthy one.
    pub in_use: Option<&'static str>,
    /// All, in order.
    pub providers: Vec<ProviderStatus>,
}

/// One executor's state.
#[derive(Debug, Clone)]
pub struct ProviderStatus {
    /// Its name.
    pub name: &'static str,
    /// What it says of itself.
    pub health: Health,
}

impl Chain {
    /// Makes a chain that tries `executors` in this order.
    #[must_use]
    pub fn new(executors: Vec<Arc<dyn Executor>>) -> Self {
        Self { executors }
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.executors.iter().map(|executor| executor.name()).collect()
    }

    /// Runs one program: on `selected` alone, or on the first executor that can make a sandbox. Returns the
    /// name of the executor that ran it.
    ///
    /// # Errors
    /// See [`ChainError`]. Only a program that surely did not start is sent to the next executor.
    pub async fn exec(
        &self,
        selected: Option<&str>,
        request: ExecRequest,
        cancel: CancellationToken,
    ) -> Result<(&'static str, ExecResult), ChainError> {
        let candidates: Vec<_> = self
            .executors
            .iter()
            .filter(|executor| selected.is_none_or(|name| name == executor.name()))
            .collect();
        if let (Some(name), true) = (selected, candidates.is_empty()) {
            return Err(ChainError::Unknown { name: name.to_owned() });
        }
        let mut reasons = Vec::new();
        for executor in candidates {
            match run_on(executor.as_ref(), request.clone(), cancel.clone()).await {
                Ok(result) => return Ok((executor.name(), result)),
                Err(error) if error.program_started => return Err(ChainError::Failed(error)),
                Err(error) => {
                    tracing::warn!(executor = error.executor, error = %error.chain(), "executor handed the program over");
                    reasons.push(error);
                }
            }
        }
        Err(ChainError::Unavailable { reasons })
    }

    /// Asks every executor how it is. May be slow: do not call it for each request.
    pub async fn status(&self) -> ChainStatus {
        let mut providers = Vec::new();
        for executor in &self.executors {
            providers.push(ProviderStatus { name: executor.name(), health: executor.health().await });
        }
        let in_use = providers.iter().find(|provider| provider.health.healthy).map(|provider| provider.name);
        ChainStatus { in_use, providers }
    }

    /// Shuts every executor down.
    pub async fn shut_down(&self) {
        for executor in &self.executors {
            executor.shut_down().await;
        }
    }
}

async fn run_on(
    executor: &dyn Executor,
    request: ExecRequest,
    cancel: CancellationToken,
) -> Result<ExecResult, ExecutorError> {
    let hints = request.hints();
    let mut sandbox = executor.create(&hints).await?;
    // The first may have waited in a pool and died there unseen. That costs a second one, not the request.
    let spare = request.clone();
    let result = sandbox.exec(request, cancel.clone()).await;
    // The sandbox is used up. Its removal must not delay the answer.
    tokio::spawn(sandbox.destroy());
    match result {
        Err(error) if !error.program_started && !cancel.is_cancelled() => {
            tracing::warn!(executor = error.executor, error = %error.chain(), "trying a second sandbox");
            let hints = crate::Hints { made_anew: true, ..hints };
            let mut sandbox = executor.create(&hints).await?;
            let result = sandbox.exec(spare, cancel).await;
            tokio::spawn(sandbox.destroy());
            result
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryExecutor, Script};

    async fn names_of_run(chain: &Chain, selected: Option<&str>) -> Result<&'static str, ChainError> {
        let request = ExecRequest { code: "print(1)".into(), ..ExecRequest::default() };
        chain.exec(selected, request, CancellationToken::new()).await.map(|(name, _)| name)
    }

    #[tokio::test]
    async fn a_program_that_did_not_start_goes_to_the_next_executor() {
        let broken = Arc::new(MemoryExecutor::named("first", Script::FailToCreate));
        let working = Arc::new(MemoryExecutor::named("second", Script::Echo));
        let chain = Chain::new(vec![broken, working]);
        assert_eq!(names_of_run(&chain, None).await.unwrap(), "second");
        assert_eq!(chain.status().await.in_use, Some("second"));
    }

    #[tokio::test]
    async fn a_program_that_may_have_started_is_never_run_twice() {
        let broken = Arc::new(MemoryExecutor::named("first", Script::FailAfterStart));
        let working = Arc::new(MemoryExecutor::named("second", Script::Echo));
        let chain = Chain::new(vec![broken, working.clone()]);
        assert!(matches!(names_of_run(&chain, None).await, Err(ChainError::Failed(_))));
        assert_eq!(working.created(), 0);
    }

    #[tokio::test]
    async fn a_selected_executor_is_the_only_one_tried() {
        let first = Arc::new(MemoryExecutor::named("first", Script::Echo));
        let second = Arc::new(MemoryExecutor::named("second", Script::FailToCreate));
        let chain = Chain::new(vec![first, second]);
        assert!(matches!(names_of_run(&chain, Some("second")).await, Err(ChainError::Unavailable { .. })));
        assert!(matches!(names_of_run(&chain, Some("third")).await, Err(ChainError::Unknown { .. })));
    }
}
