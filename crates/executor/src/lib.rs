//! The executor interface: the trait, its input, its output.
//!
//! An executor makes *sandboxes*; every sandbox talks to the same guest agent over the same protocol.
//! Executors differ only in their [`Backing`]: a byte stream to the agent, and the kernel's counters for the
//! sandbox. Everything above that is written once, here: [`Sandbox`] runs executions and classifies their
//! ends ([`verdict`]) over the host side of the protocol ([`guest`]), the [`Chain`] fails over between
//! executors through circuit breakers, the warm [`Pool`] pre-creates sandboxes. The executor in [`scripted`]
//! is for tests; every executor passes the [`conformance`] suite.

mod backing;
mod breaker;
mod chain;
pub mod conformance;
mod conformance_files;
mod control;
mod counts;
mod ending;
mod events;
mod file_access;
mod files;
pub mod guest;
mod guest_error;
mod health;
mod limits;
pub mod note;
mod pool;
mod refusal;
mod request;
mod result;
mod sandbox;
pub mod scripted;
mod scripted_files;
mod stats;
mod templates;
#[cfg(test)]
mod tests;
pub mod verdict;

pub use backing::{Backing, FreezeError, LossCause, Stream};
pub use chain::{Chain, ChainError, ChainStatus, ProviderStatus};
pub use control::Control;
pub use counts::{KernelCounts, PeakScope, SharedMemory};
pub use ending::{Ending, StepTimes};
pub use events::{Collected, Event, EventSink};
pub use file_access::{FILE_STEP_TIME_MAX, FileEntry, FileListing};
pub use guest_error::GuestError;
pub use health::{Health, Protection};
pub use limits::{ExecLimits, SandboxLimits};
pub use pool::{Maker, Pool, PoolSize, Taken};
pub use protocol::{EntryKind, FileCause, is_plain_path};
pub use request::{ExecRequest, Freshness, Hints, InputFile};
pub use result::{Captured, ExecResult, OutputFile, SkippedFile, Usage};
pub use sandbox::{FileError, FileReader, Sandbox};
pub use stats::{
    Counted, ExecutorStats, FailureStats, InterpreterStats, LinkStats, LiveCount, PoolStats, SandboxOrigin,
    TemplateStats,
};
pub use templates::{COMMON, LEAN, TemplateId, TemplateSpec, Templates};
pub use verdict::{Cause, Limit, LimitHit, OutcomeKind, Verdict};

use async_trait::async_trait;
use std::fmt;

/// A back end that makes sandboxes.
#[async_trait]
pub trait Executor: fmt::Debug + Send + Sync {
    /// The provider's name as in settings and responses: `native`, `docker`, ...
    fn name(&self) -> &'static str;

    /// Whether sandboxes can be made now, and with which protections. Cheap enough to call every few seconds.
    async fn health(&self) -> Health;

    /// Whether the executor is up, as far as it can tell within a fraction of a second. Called several times
    /// a second. An executor that can fail as a whole, such as one behind a daemon, overrides it.
    async fn is_alive(&self) -> bool {
        true
    }

    /// Makes a sandbox, or takes a pre-created one; it was never used before. `hints` only choose among
    /// equivalent sandboxes: a wrong hint costs time, nothing else.
    ///
    /// # Errors
    /// An error of the executor. No program was sent yet, so another executor may run it.
    async fn create(&self, hints: &Hints, freshness: Freshness) -> Result<Sandbox, ExecutorError>;

    /// Counts and sizes now, for metrics. Cheap; must not wait.
    fn stats(&self) -> ExecutorStats {
        ExecutorStats::default()
    }

    /// Stops making sandboxes and removes the idle ones. Idempotent.
    async fn shut_down(&self);
}

/// What caused an error. It decides what becomes of the request and of the executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunErrorKind {
    /// The request: it fails in a sandbox of any executor, and is not retried.
    Request,
    /// This sandbox: another one may succeed. It says nothing about the executor.
    Sandbox,
    /// The executor: it cannot make sandboxes now. Only this opens its breaker.
    Provider,
}

/// Why an executor failed. Never caused by the program.
#[derive(Debug, thiserror::Error)]
#[error("executor `{executor}` failed to {step}")]
pub struct ExecutorError {
    /// The executor's name.
    pub executor: &'static str,
    /// The step that failed, in the infinitive.
    pub step: String,
    /// What caused it.
    pub kind: RunErrorKind,
    /// True when the program's first instruction may have run: it must not be sent to another executor then.
    pub program_may_have_run: bool,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl ExecutorError {
    /// An error of the executor itself, before the program's first instruction.
    pub fn before_start(
        executor: &'static str,
        step: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let kind = RunErrorKind::Provider;
        Self { executor, step: step.into(), kind, program_may_have_run: false, source: source.into() }
    }

    /// An error of one sandbox. `program_may_have_run` says whether the program's first instruction may have
    /// run.
    pub fn in_sandbox(
        executor: &'static str,
        step: impl Into<String>,
        program_may_have_run: bool,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let kind = RunErrorKind::Sandbox;
        Self { executor, step: step.into(), kind, program_may_have_run, source: source.into() }
    }

    /// The error and all its causes in one line, for the log.
    #[must_use]
    pub fn chain(&self) -> String {
        support::error_chain(self)
    }
}
