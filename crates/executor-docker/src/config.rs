//! Configuration of a Docker executor.

use executor::{PoolSize, SandboxLimits, TemplateSpec};
use std::path::PathBuf;
use std::time::Duration;

/// Which isolation the engine's runtime provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// The engine's default: containers on the host's kernel.
    Docker,
    /// gVisor: a separate kernel in user space.
    Gvisor,
    /// Kata: a virtual machine around each container.
    Kata,
}

impl Flavour {
    /// The provider's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Gvisor => "gvisor",
            Self::Kata => "kata",
        }
    }

    /// Whether the agent needs another user than the program. gVisor's kernel protects a first process
    /// neither from signals nor from inspection of its descriptors, so there the user must. Root of gVisor's
    /// kernel is an ordinary user outside.
    pub(crate) fn agent_is_root(self) -> bool {
        self == Self::Gvisor
    }

    /// Whether the program's kernel is a real Linux, which has Landlock and can report blocked system calls.
    pub(crate) fn is_linux(self) -> bool {
        self != Self::Gvisor
    }
}

/// The engine's address.
#[derive(Debug, Clone, Default)]
pub struct EngineAddress {
    /// Such as `unix:///var/run/docker.sock`; `None` to try the usual addresses.
    pub host: Option<String>,
    /// For `tcp://`, the directory with ca.pem, cert.pem and key.pem; `None` for no TLS.
    pub certificates: Option<PathBuf>,
}

/// Configuration of the executor.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    /// The isolation.
    pub flavour: Flavour,
    /// Where the engine is.
    pub engine: EngineAddress,
    /// The runtime's name in the engine; `None` for the engine's default.
    pub runtime: Option<String>,
    /// The sandbox image.
    pub image: String,
    /// Timeout of an answer of the engine.
    pub timeout: Duration,
    /// Limits of each sandbox.
    pub limits: SandboxLimits,
    /// Memory and swap together, in bytes.
    pub memory_swap_bytes: u64,
    /// Templates besides the lean one.
    pub templates: Vec<TemplateSpec>,
    /// Idle containers for each template.
    pub pool: PoolSize,
    /// A directory of the service's own, where it records that it is running: see the module
    /// `container_lease`.
    pub state_dir: PathBuf,
}
