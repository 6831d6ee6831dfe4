//! What every executor is: the trait, what goes in, what comes out.
//!
//! An executor makes *sandboxes*; every sandbox talks to the same guest agent over the same protocol. What differs from one
//! executor to the next is a [`Backing`]: a stream to the agent, and what the kernel counts outside. Everything above it is here
//! and written once: [`Sandbox`] runs executions and judges their ends ([`verdict`]) over the host side of the protocol
//! ([`guest`]), the [`Chain`] has the fallbacks with their circuit breakers, the warm [`Pool`] has sandboxes made ahead. The
//! executor in [`memory`] is for tests; the [`conformance`] suite is what each executor passes.

mod backing;
mod breaker;
mod chain;
pub mod conformance;
mod control;
mod counts;
mod ending;
mod events;
mod files;
pub mod guest;
mod guest_error;
mod health;
mod limits;
pub mod memory;
pub mod note;
mod pool;
mod refusal;
mod request;
mod result;
mod sandbox;
mod templates;
pub mod verdict;

pub use backing::{Backing, Death, Stream};
pub use chain::{Chain, ChainError, ChainStatus, ProviderStatus};
pub use control::Control;
pub use counts::{Counts, PeakScope, SharedMemory};
pub use ending::Ending;
pub use events::{Collected, Event, EventSink};
pub use files::is_plain_path;
pub use guest_error::GuestError;
pub use health::{Health, Protection};
pub use limits::{ExecLimits, SandboxLimits};
pub use pool::{Maker, Pool, PoolSize};
pub use request::{ExecRequest, Freshness, Hints, InputFile};
pub use result::{Captured, ExecResult, OutputFile, SkippedFile, Usage};
pub use sandbox::Sandbox;
pub use templates::{COMMON, LEAN, TemplateSpec, Templates};
pub use verdict::{Cause, Limit, LimitHit, OutcomeKind, Verdict};

use async_trait::async_trait;
use std::fmt;

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

    /// Makes one sandbox, or hands out one that was made ahead. It was never used before. `hints` choose among those that
    /// would all do: a wrong one costs time, nothing else.
    ///
    /// # Errors
    /// The executor's own; no program was there yet, so another executor may take it.
    async fn create(&self, hints: &Hints, freshness: Freshness) -> Result<Sandbox, ExecutorError>;

    /// Stops making sandboxes and removes everything that waits. Idempotent.
    async fn shut_down(&self);
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
