//! An executor that could not be started: it takes its place in the chain and says why.
//!
//! A host that cannot hold the promises must not stop `/health` from telling so: the service starts, answers 503
//! and names the reason, and nothing ever runs.

use async_trait::async_trait;
use executor::{Executor, ExecutorError, Freshness, Health, Hints, Sandbox};

/// See the module.
#[derive(Debug)]
pub(crate) struct Unusable {
    name: &'static str,
    reason: String,
}

impl Unusable {
    /// The executor `name`, which cannot work for this reason (with what fixes it).
    pub(crate) fn new(name: &'static str, reason: impl Into<String>) -> Self {
        Self { name, reason: reason.into() }
    }
}

#[async_trait]
impl Executor for Unusable {
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
        let executor = Unusable::new("native", "namespaces are refused");
        assert_eq!(executor.health().await, Health::unhealthy("namespaces are refused"));
        let error =
            executor.create(&Hints::default(), Freshness::Any).await.expect_err("nothing can be made");
        assert!(!error.program_started && error.chain().contains("namespaces are refused"));
    }
}
