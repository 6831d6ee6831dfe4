//! What a Docker executor is told.

use executor::{PoolSize, SandboxLimits, TemplateSpec};
use std::path::PathBuf;
use std::time::Duration;

/// Which walls the engine's runtime makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// The engine's default: containers on the host's kernel.
    Docker,
    /// gVisor: a kernel of its own, in user space.
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

    /// Whether the agent needs another user than the program. gVisor's kernel shields a first process neither from
    /// signals nor from a look at its descriptors, so there the user must. Root of gVisor's kernel is nobody outside.
    pub(crate) fn agent_is_root(self) -> bool {
        self == Self::Gvisor
    }

    /// Whether the program's kernel is a real Linux, which has landlock and can report refused calls.
    pub(crate) fn is_linux(self) -> bool {
        self != Self::Gvisor
    }
}

/// Where the engine is.
#[derive(Debug, Clone, Default)]
pub struct EngineAddress {
    /// Such as `unix:///var/run/docker.sock`; `None` to look where engines usually listen.
    pub host: Option<String>,
    /// For `tcp://`, the directory with ca.pem, cert.pem and key.pem; `None` to speak without TLS.
    pub certificates: Option<PathBuf>,
}

/// How a Docker executor works.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    /// Which walls.
    pub flavour: Flavour,
    /// Where the engine is.
    pub engine: EngineAddress,
    /// The runtime's name in the engine; `None` for the engine's default.
    pub runtime: Option<String>,
    /// The sandbox image.
    pub image: String,
    /// Longest wait for an answer of the engine.
    pub timeout: Duration,
    /// What each sandbox may use.
    pub limits: SandboxLimits,
    /// Memory and swap together, in bytes.
    pub memory_swap_bytes: u64,
    /// What interpreters have imported ahead, besides the lean one.
    pub templates: Vec<TemplateSpec>,
    /// Containers that wait, for each template.
    pub pool: PoolSize,
    /// A directory of the service's own, where it notes that it lives: see the module `owner`.
    pub state_dir: PathBuf,
}
