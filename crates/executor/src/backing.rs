//! What an executor gives to a sandbox: everything that depends on how it is isolated, and nothing else.

use crate::Counts;
use async_trait::async_trait;
use protocol::Counters;
use std::fmt;
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream to the guest agent.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Stream for T {}

/// An isolated environment with a guest agent in it, as its executor sees it. [`crate::Sandbox`] runs executions over it.
/// Dropping it removes the environment and everything in it, in the background if that takes time.
#[async_trait]
pub trait Backing: fmt::Debug + Send + Sync {
    /// Whether the agent lives, as far as can be told without waiting.
    fn is_alive(&self) -> bool;

    /// What the kernel has counted since the environment was made. `reported` is what the agent read of its own cgroup at the
    /// end of the last execution, for executors that cannot look from outside.
    fn counts(&self, reported: Option<&Counters>) -> Counts;

    /// Makes the kernel measure the peak of memory from now on. False where it cannot.
    fn reset_memory_peak(&mut self) -> bool {
        false
    }

    /// Whether everything that the agent wrote arrives, even if it is killed right after: true for a socket of the kernel, false
    /// for a stream that another process passes on.
    fn is_lossless(&self) -> bool;

    /// Why the agent is gone, where the executor can find out more than [`Backing::counts`] tells.
    async fn post_mortem(&mut self) -> Option<Death> {
        None
    }

    /// What the agent, or whatever starts it, wrote beside the stream; for messages.
    fn stderr(&self) -> String {
        String::new()
    }
}

/// Why an agent is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The kernel killed it for memory.
    OutOfMemory,
    /// The guest kernel under it ended.
    Kernel,
    /// Otherwise.
    Other,
}
