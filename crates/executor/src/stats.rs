//! Counts and sizes of executors, for metrics. Plain numbers, read when somebody asks; an executor names no metric.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where a sandbox came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxOrigin {
    /// Name of its template.
    pub template: Arc<str>,
    /// It was made ahead of the request and waited in the pool.
    pub was_idle: bool,
}

/// Counts and sizes of one executor. Counts are those since it was started, and never decrease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutorStats {
    /// One entry per template; none for an executor without a pool.
    pub templates: Vec<TemplateStats>,
    /// Sandboxes that exist, idle or in use; `None` if the executor does not count them.
    pub sandboxes: Option<u64>,
    /// Sandboxes that are being removed; `None` if the executor does not count them.
    pub removing: Option<u64>,
    /// Memory in bytes that all sandboxes use together with the templates, as the kernel counts it.
    pub memory_bytes: Option<u64>,
    /// The limit on that; `None` without a limit.
    pub memory_bytes_max: Option<u64>,
}

/// Counts of one template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateStats {
    /// Its name, as in the settings; `fresh` where there are no templates.
    pub name: Arc<str>,
    /// Its sandboxes in the pool.
    pub pool: PoolStats,
    /// Where the interpreters of its sandboxes came from; `None` if the executor does not count them.
    pub interpreters: Option<InterpreterStats>,
    /// How often it was replaced because it provided no interpreters.
    pub replaced: u64,
}

/// Counts of the pool for one template.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Idle sandboxes now.
    pub idle: u64,
    /// The number of idle sandboxes that the pool keeps ready now.
    pub target: u64,
    /// Requests that got an idle sandbox.
    pub taken_idle: u64,
    /// Requests for which one was made.
    pub taken_made: u64,
    /// Idle sandboxes that were no longer usable when they were taken.
    pub unusable: u64,
    /// Sandboxes made, ahead of requests and for them.
    pub made: u64,
    /// Sandboxes that could not be made.
    pub failed: u64,
    /// Time that it took to make those that were made, in total.
    pub make_time: Duration,
}

/// Where interpreters came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InterpreterStats {
    /// Forked from the template.
    pub forked: u64,
    /// Started, as there are no templates.
    pub started: u64,
    /// Started, although they should have been forked.
    pub started_instead: u64,
}

/// Counts of one executor in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStats {
    /// The executor's name.
    pub name: &'static str,
    /// Its circuit breaker is open: it is down.
    pub is_down: bool,
    /// How often it went down.
    pub downs: u64,
    /// Attempts to run a program that failed.
    pub failures: FailureStats,
    /// Programs that were sent to a second sandbox, as the first did not start them.
    pub second_attempts: u64,
    /// Programs that were sent to the next executor, as this one did not start them.
    pub failovers: u64,
    /// What the executor itself counts.
    pub executor: ExecutorStats,
}

/// Failed attempts by what caused them ([`crate::RunErrorKind`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailureStats {
    /// The request.
    pub request: u64,
    /// One sandbox.
    pub sandbox: u64,
    /// The executor.
    pub provider: u64,
}

/// Counts things that exist now. Clones count the same things.
#[derive(Debug, Clone, Default)]
pub struct LiveCount(Arc<AtomicU64>);

/// One counted thing: counted until this is dropped.
#[derive(Debug)]
pub struct Counted(LiveCount);

impl LiveCount {
    /// Counts one more, until what is returned is dropped.
    #[must_use]
    pub fn enter(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }

    /// How many there are now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_dropped_is_not_counted() {
        let count = LiveCount::default();
        let (first, second) = (count.enter(), count.clone().enter());
        assert_eq!(count.get(), 2);
        drop(first);
        assert_eq!(count.get(), 1);
        drop(second);
        assert_eq!(count.get(), 0);
    }
}
