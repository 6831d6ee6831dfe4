//! The agent's configuration, from the options of `init` or from the launcher.

use serde::{Deserialize, Serialize};

/// How the guest agent starts programs. The same for every program of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramConfig {
    /// Absolute path of the interpreter inside the sandbox.
    pub interpreter: String,
    /// The runtime's environment.
    pub env: Vec<(String, String)>,
    /// CPUs that the program may use: sets the thread counts of numeric libraries.
    pub cpu_count: u32,
    /// Largest file in bytes (RLIMIT_FSIZE).
    pub file_bytes_max: u64,
    /// Filter system calls here, with the agent as supervisor.
    pub seccomp: bool,
    /// Be notified of blocked system calls, to name them; where the kernel cannot do that (gVisor), the
    /// filter alone blocks them.
    pub notify: bool,
    /// Use Landlock here, if the kernel has it.
    pub landlock: bool,
    /// Number of processes and threads at which the agent ends the program, where no cgroup limits the
    /// program alone.
    pub tasks_max: Option<u32>,
    /// For tests: the number of the start step that is made to fail.
    pub fail_at: Option<u8>,
}
