//! What every executor is: the trait, what goes in, what comes out.
//!
//! An executor makes *sandboxes*; every sandbox talks to the same guest agent over the same protocol. So this
//! crate holds everything that does not depend on how a sandbox is walled in: the host side of the protocol
//! ([`guest`]), the judgement of an execution's end ([`verdict`]), the chain of executors with its fallback
//! ([`Chain`]), the warm [`Pool`], an executor in memory for tests ([`memory`]) and the [`conformance`] suite that each one passes.

mod breaker;
mod chain;
pub mod conformance;
pub mod guest;
mod health;
mod hints;
mod limits;
pub mod memory;
pub mod note;
mod outcome;
mod pool;
pub mod refusal;
mod request;
mod templates;
pub mod verdict;

pub use chain::{Chain, ChainError, ChainStatus, ProviderStatus};
pub use health::{Health, Protection};
pub use limits::{ExecLimits, SandboxLimits};
pub use outcome::{
    Captured, Exception, ExecResult, LimitHit, Outcome, OutcomeKind, OutputFile, SkippedFile, Usage,
};
pub use pool::{Maker, Pool, PoolSize};
pub use request::{ExecRequest, Hints, InputFile};
pub use templates::{COMMON, LEAN, TemplateSpec, Templates};

use async_trait::async_trait;
use std::fmt;
use tokio_util::sync::CancellationToken;

/// A back end that makes sandboxes.
#[async_trait]
pub trait Executor: fmt::Debug + Send + Sync {
    /// The provider's name as settings and answers use it: `native`, `docker`, ...
    fn name(&self) -> &'static str;

    /// Whether sandboxes can be made now, with which protections. Cheap enough to ask every few seconds.
    async fn health(&self) -> Health;

    /// Whether it still lives, as far as a fraction of a second can tell. Asked several times a second; an executor
    /// that can fail as a whole, such as one behind a daemon, answers for that.
    async fn is_alive(&self) -> bool {
        true
    }

    /// Makes one sandbox, or hands out one that waits. It was never used before. `hints` choose among those that
    /// would all do.
    ///
    /// # Errors
    /// Always our fault; the program surely did not start, so another executor may take it.
    async fn create(&self, hints: &Hints) -> Result<Box<dyn Sandbox>, ExecutorError>;

    /// Stops making sandboxes and removes everything that waits. Idempotent.
    async fn shut_down(&self);
}

/// One isolated place to run, made by one executor.
#[async_trait]
pub trait Sandbox: fmt::Debug + Send {
    /// Runs one program and returns how it ended. When `cancel` fires the program is ended and the result says
    /// `cancelled`. Dropping the future also ends the program.
    ///
    /// # Errors
    /// Never the program's fault. [`ExecutorError::kind`] says whose it is, and [`ExecutorError::program_started`] whether
    /// the program may be sent elsewhere.
    async fn exec(
        &mut self,
        request: ExecRequest,
        cancel: CancellationToken,
    ) -> Result<ExecResult, ExecutorError>;

    /// Removes the sandbox and everything in it. Dropping it does the same, in the background.
    async fn destroy(self: Box<Self>);
}

/// Whose an error is. What becomes of the request, and of the executor, depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunErrorKind {
    /// The request's: no sandbox of any executor would do it. It is tried nowhere else.
    Request,
    /// This sandbox's: another one may do. It says nothing about the executor.
    Sandbox,
    /// The executor's: it makes no sandboxes now. Only this opens its breaker.
    Provider,
}

/// Why an executor failed. Never the program's doing.
#[derive(Debug, thiserror::Error)]
#[error("executor `{executor}` failed to {step}")]
pub struct ExecutorError {
    /// The executor's name.
    pub executor: &'static str,
    /// What it tried, in the infinitive.
    pub step: String,
    /// Whose it is.
    pub kind: RunErrorKind,
    /// True when the program's first instruction may have run: then it must not be sent to another executor.
    pub program_started: bool,
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
        Self { executor, step: step.into(), kind, program_started: false, source: source.into() }
    }

    /// An error of one sandbox. `program_started` says whether the program's first instruction may have run.
    pub fn in_sandbox(
        executor: &'static str,
        step: impl Into<String>,
        program_started: bool,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let kind = RunErrorKind::Sandbox;
        Self { executor, step: step.into(), kind, program_started, source: source.into() }
    }

    /// What a guest failed with, when no verdict was found for it ([`refusal::judge`]).
    #[must_use]
    pub fn of_guest(
        executor: &'static str,
        step: impl Into<String>,
        program_started: bool,
        error: guest::GuestError,
    ) -> Self {
        let kind = refusal::kind_of(&error);
        Self { kind, ..Self::in_sandbox(executor, step, program_started, error) }
    }

    /// The error with all its causes in one line, for the log.
    #[must_use]
    pub fn chain(&self) -> String {
        error_chain(self)
    }
}

/// An error with all its causes in one line.
#[must_use]
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
