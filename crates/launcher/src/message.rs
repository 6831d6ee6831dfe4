//! Messages between the native executor and its launcher.
//!
//! They travel over a `SOCK_SEQPACKET` socket pair, one postcard-encoded message per packet, with descriptors
//! attached. Both ends are ours and of the same build, and the launcher never reads anything from a program,
//! so this is not a trust boundary.

use agent::ProgramConfig;
use serde::{Deserialize, Serialize};

/// Longest packet in bytes: many times a configuration with a large environment.
pub(crate) const PACKET_BYTES_MAX: usize = 64 * 1024;

/// Most descriptors in one packet: the sandbox's stream, or the templates' shared object, and one file to
/// join the cgroup of each hierarchy.
pub(crate) const PACKET_DESCRIPTORS_MAX: usize = 8;

/// First packet to the launcher: what all its sandboxes have in common. Attached: the shared object that
/// templates load, and a file to join each of the launcher's own cgroups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LauncherConfig {
    /// Absolute path of the runtime's root file system.
    pub rootfs: String,
    /// Memory limit for the runtime's copy, in bytes; `None` to leave the runtime on disk.
    pub runtime_memory_bytes: Option<u64>,
    /// CPUs that a program sees.
    pub cpu_count: u32,
    /// Ids of an unprivileged service; `None` when the launcher is root.
    pub user_map: Option<UserIds>,
    /// How programs are started.
    pub program: ProgramConfig,
    /// RunningTemplates, which fork interpreters into sandboxes.
    pub templates: Vec<TemplateConfig>,
    /// Number of attached files to join cgroups: one lost on the way would mean a missing limit.
    pub cgroups: u32,
    /// For tests: the name of the step of starting the launcher, or creating a sandbox, that fails.
    pub fail_at: Option<String>,
}

/// Configuration of one template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateConfig {
    /// Its name, for messages.
    pub name: String,
    /// Modules to import; those missing from the runtime are skipped.
    pub preload: Vec<String>,
}

/// The unprivileged user as whom everything runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIds {
    /// The uid outside the user namespace.
    pub uid: u32,
    /// The gid outside the user namespace.
    pub gid: u32,
}

/// A request to create a sandbox. Attached descriptors: the sandbox's end of the stream, then a file to join
/// each cgroup, then the v2 cgroup if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSandbox {
    /// The program's uid and gid in the sandbox; `None` where the user namespace has only one.
    pub user: Option<u32>,
    /// Size of `/tmp` in bytes.
    pub tmp_bytes: u64,
    /// Inodes of `/tmp`.
    pub tmp_inodes: u64,
    /// CPUs the program runs on; empty for all.
    pub cpus: Vec<u32>,
    /// Number of attached files to join cgroups: one lost on the way would mean a missing limit.
    pub cgroups: u32,
    /// The v2 cgroup itself follows them, and the first of them joins it.
    pub unified: bool,
    /// Index of the template to fork the interpreter from; `None` to start one.
    pub template: Option<u32>,
    /// Restart that template first: it failed to provide an interpreter.
    pub renew_template: bool,
}

/// The launcher's reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LauncherReply {
    /// The stage is complete; sandboxes can be created.
    Ready {
        /// Bytes of the runtime's copy in memory; `None` if it is on disk.
        runtime_memory_bytes: Option<u64>,
        /// Each sandbox has device nodes of its own, not the host's.
        own_devices: bool,
    },
    /// The sandbox's first process runs; its pidfd is attached. Whether its set-up succeeds is reported on
    /// its stream.
    Created,
    /// The kernel refused a step.
    Refused {
        /// The step.
        step: String,
        /// errno.
        errno: i32,
    },
}
