//! A placeholder in the chain for an executor that could not be started; it reports why.
//!
//! On a host that does not meet the requirements `/health` must still report that: the service starts,
//! answers 503 with the reason, and runs nothing.

use async_trait::async_trait;
use executor::{Executor, ExecutorError, Freshness, Health, Hints, Sandbox};

/// See the module.
#[derive(Debug)]
pub(crate) struct UnavailableExecutor {
    name: &'static str,
    reason: String,
}

impl UnavailableExecutor {
    /// The executor `name`, which is unusable for this reason (with its fix).
    pub(crate) fn new(name: &'static str, reason: impl Into<String>) -> Self {
        Self { name, reason: reason.into() }
    }
}

#[async_trait]
impl Executor for UnavailableExecutor {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn health(&self) -> Health {
        Health::unhealthy(self.reason.clone())
    }

    async fn create(&self, _: &Hints, _: Freshness) -> Result<Sandbox, ExecutorError> {
        Err(ExecutorError::before_start(self.name, "start", self.reason.clone()))
    }

    async fn shut_down(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_unhealthy_and_runs_nothing() {
        let executor = UnavailableExecutor::new("native", "namespaces are refused");
        assert_eq!(executor.health().await, Health::unhealthy("namespaces are refused"));
        let error =
            executor.create(&Hints::default(), Freshness::Any).await.expect_err("nothing can be made");
        assert!(!error.program_may_have_run && error.chain().contains("namespaces are refused"));
    }
}
