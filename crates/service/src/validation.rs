//! Runs the validator off the async threads, in at most as many threads as there are processors.

use crate::execution::{ExecuteError, Finding};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Semaphore;
use validator::Policy;

/// The validator with its own small pool: a flood of large programs must not take every blocking thread of
/// the runtime, which files and name lookups need too.
#[derive(Debug)]
pub(crate) struct ValidationPool {
    policy: Arc<Policy>,
    places: Arc<Semaphore>,
}

/// A validated program.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) warnings: Vec<Finding>,
    pub(crate) imports: BTreeSet<String>,
    pub(crate) last_expression: Option<validator::LastExpression>,
}

impl ValidationPool {
    pub(crate) fn new(policy: Policy) -> Self {
        let places = std::thread::available_parallelism().map_or(1, usize::from);
        Self { policy: Arc::new(policy), places: Arc::new(Semaphore::new(places)) }
    }

    /// Validates `code`. Rejected programs are an [`ExecuteError::Rejected`].
    pub(crate) async fn validate(&self, code: &Arc<str>) -> Result<Passed, ExecuteError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ExecuteError::Internal {
            step: "validate the program",
            source,
        };
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|error| failed(error.into()))?;
        let (policy, code) = (Arc::clone(&self.policy), Arc::clone(code));
        let task = tokio::task::spawn_blocking(move || {
            // The slot belongs to the thread, not to the request: a client that goes away does not free it
            // early.
            let _place = place;
            validator::validate(&code, &policy)
        });
        let report = task.await.map_err(|error| failed(error.into()))?;
        if report.violations.is_empty() {
            let warnings = report.warnings.iter().map(finding).collect();
            let (imports, last_expression) = (report.imports, report.last_expression);
            return Ok(Passed { warnings, imports, last_expression });
        }
        let rendered = validator::render(&report.violations);
        Err(ExecuteError::Rejected { violations: report.violations.iter().map(finding).collect(), rendered })
    }
}

fn finding(found: &validator::Finding) -> Finding {
    Finding {
        line: found.line,
        column: found.column,
        code: found.code.as_str(),
        message: found.message.clone(),
    }
}
