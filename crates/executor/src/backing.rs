//! What an executor provides for each sandbox: everything that depends on the kind of isolation, and nothing
//! else.

use crate::KernelCounts;
use async_trait::async_trait;
use protocol::Counters;
use std::fmt;
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream to the guest agent.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Stream for T {}

/// An isolated environment with a guest agent, as its executor implements it. [`crate::Sandbox`] runs
/// executions over it. Dropping it removes the environment and everything in it, in the background if that
/// takes time.
#[async_trait]
pub trait Backing: fmt::Debug + Send + Sync {
    /// Whether the agent is running, as far as can be told without blocking.
    fn is_alive(&self) -> bool;

    /// The kernel's counters since the environment was made. `reported` is what the agent read from its own
    /// cgroup at the end of the last execution, for executors that cannot read the counters from outside.
    fn counts(&self, reported: Option<&Counters>) -> KernelCounts;

    /// Resets the kernel's peak of memory. False where it cannot be reset.
    fn reset_memory_peak(&mut self) -> bool {
        false
    }

    /// Gives the environment less of a busy CPU than others have, for good. Does nothing where that is not possible.
    fn yield_cpu(&self) {}

    /// Whether everything the agent wrote arrives even if it is killed right after: true for a kernel socket,
    /// false for a stream that another process relays.
    fn is_lossless(&self) -> bool;

    /// Why the agent was lost, where the executor can find out more than [`Backing::counts`] tells.
    async fn post_mortem(&mut self) -> Option<LossCause> {
        None
    }

    /// Stops every process in the environment, so that it uses no CPU time, and returns when the kernel or
    /// the engine reports that all have stopped: in bounded time. Memory and files stay. The environment can
    /// be dropped while it is frozen.
    ///
    /// # Errors
    /// [`FreezeError::Unsupported`] leaves the environment as it was. After [`FreezeError::Failed`] it may be
    /// frozen in part, and [`Backing::thaw`] is called.
    async fn freeze(&mut self) -> Result<(), FreezeError> {
        Err(FreezeError::unsupported("this executor cannot freeze sandboxes"))
    }

    /// Lets the processes continue. Called only after [`Backing::freeze`], whether that succeeded or failed.
    ///
    /// # Errors
    /// The environment is not used again after an error.
    async fn thaw(&mut self) -> Result<(), FreezeError> {
        Err(FreezeError::unsupported("this executor cannot freeze sandboxes"))
    }

    /// Output of the agent, or of the process that starts it, outside the stream; for messages.
    fn stderr(&self) -> String {
        String::new()
    }
}

/// Why a sandbox was not frozen or thawed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FreezeError {
    /// The executor cannot do it on this host; another try is useless.
    #[error("sandboxes cannot be frozen: {reason}")]
    Unsupported {
        /// Why, and what would help.
        reason: String,
    },
    /// A step failed.
    #[error("failed to {step} the sandbox")]
    Failed {
        /// `freeze` or `thaw`.
        step: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl FreezeError {
    /// An executor or a host that cannot do it.
    pub fn unsupported(reason: impl Into<String>) -> Self {
        Self::Unsupported { reason: reason.into() }
    }

    /// A step that failed; `step` is `freeze` or `thaw`.
    pub fn failed(step: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed { step, source: source.into() }
    }
}

/// Why an agent was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossCause {
    /// The kernel killed it (out of memory).
    OutOfMemory,
    /// The guest kernel beneath it exited.
    Kernel,
    /// Any other reason.
    Other,
}
