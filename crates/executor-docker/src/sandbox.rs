//! A container as the backing of a sandbox.

use crate::attached_stream::State;
use crate::config::Flavour;
use crate::container::{Container, End};
use async_trait::async_trait;
use executor::{Backing, KernelCounts, LossCause, Sandbox};
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
            // gVisor's kernel is a process with limits itself, and a program that starts more threads than it may have on the host
            // brings it down.
            End::Other if !self.flavour.is_linux() => LossCause::Kernel,
            End::Other => LossCause::Other,
        })
    }

    fn stderr(&self) -> String {
        self.state.words()
    }
}
