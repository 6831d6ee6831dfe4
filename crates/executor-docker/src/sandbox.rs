//! A container as the backing of a sandbox.

use crate::attached_stream::State;
use crate::config::Flavour;
use crate::container::{Container, End};
use async_trait::async_trait;
use executor::{Backing, Counted, FreezeError, KernelCounts, LossCause, Sandbox};
use protocol::Counters;
use std::sync::Arc;

/// A sandbox, and the image it was made from: another image may have taken the name since.
#[derive(Debug)]
pub(crate) struct DockerSandbox {
    pub(crate) sandbox: Sandbox,
    pub(crate) image_id: String,
}

/// A container, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct ContainerBacking {
    pub(crate) state: Arc<State>,
    pub(crate) container: Container,
    pub(crate) flavour: Flavour,
    /// The engine did not answer a request to pause it, and may still do so.
    pub(crate) pause_in_doubt: bool,
    /// Counted as one that exists.
    pub(crate) _living: Counted,
}

#[async_trait]
impl Backing for ContainerBacking {
    fn is_alive(&self) -> bool {
        !self.state.is_ended()
    }

    fn counts(&self, reported: Option<&Counters>) -> KernelCounts {
        KernelCounts::reported(reported)
    }

    /// The engine relays the stream, and what it has buffered is lost with it.
    fn is_lossless(&self) -> bool {
        false
    }

    async fn post_mortem(&mut self) -> Option<LossCause> {
        Some(match self.container.end().await? {
            // The kernel killed the agent, or gVisor's whole kernel.
            End::OutOfMemory => LossCause::OutOfMemory,
            // gVisor's kernel is a process with limits itself, and a program that starts more threads than it
            // may have on the host brings it down.
            End::Other if !self.flavour.is_linux() => LossCause::Kernel,
            End::Other => LossCause::Other,
        })
    }

    async fn freeze(&mut self) -> Result<(), FreezeError> {
        let Err(error) = self.container.pause().await else { return Ok(()) };
        if let Some(reason) = error.no_support() {
            return Err(FreezeError::unsupported(reason));
        }
        self.pause_in_doubt = !error.is_answer();
        Err(FreezeError::failed("freeze", error))
    }

    async fn thaw(&mut self) -> Result<(), FreezeError> {
        if self.pause_in_doubt {
            return Err(FreezeError::failed("thaw", "the engine may still pause it"));
        }
        self.container.unpause().await.map_err(|error| FreezeError::failed("thaw", error))
    }

    fn stderr(&self) -> String {
        self.state.words()
    }
}
