//! What an agent is told before it serves: by the options of `init`, or by the launcher.

use serde::{Deserialize, Serialize};

/// How the guest agent starts programs. The same for every program of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramConfig {
    /// The interpreter, absolute path inside the sandbox.
    pub interpreter: String,
    /// The runtime's environment.
    pub env: Vec<(String, String)>,
    /// CPUs that the program may count on: the thread settings of numeric libraries.
    pub cpu_count: u32,
    /// Largest file in bytes (RLIMIT_FSIZE).
    pub file_bytes_max: u64,
    /// Filter system calls here, with the agent as supervisor.
    pub seccomp: bool,
    /// Hear of refused calls, to name them; where the kernel cannot do that (gVisor), the filter refuses alone.
    pub notify: bool,
    /// Use landlock here, where the kernel has it.
    pub landlock: bool,
    /// Processes and threads at which the agent ends the program, where no control group limits the program's alone.
    pub tasks_max: Option<u32>,
    /// For tests: the number of the step of starting a program that fails.
    pub fail_at: Option<u8>,
}
