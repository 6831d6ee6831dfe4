//! Messages between the native executor and its launcher.
//!
//! They travel over a `SOCK_SEQPACKET` socket pair, one postcard-encoded message a packet, descriptors beside it.
//! Both ends are ours and the launcher never reads anything of a program, so this is a contract between two
//! versions of the same build, not a hostile border.

use agent::ProgramConfig;
use serde::{Deserialize, Serialize};

/// Longest packet in bytes: the configuration with a large environment fits many times over.
pub(crate) const PACKET_BYTES_MAX: usize = 64 * 1024;

/// Most descriptors beside one packet: the cell's stream, or what templates load, and one file to join the group of each hierarchy.
pub(crate) const PACKET_DESCRIPTORS_MAX: usize = 8;

/// First packet to the launcher: everything that its cells have in common. Beside it: the shared object that templates
/// load, and a file to join each of the launcher's own control groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LauncherConfig {
    /// The runtime's root file system, absolute.
    pub rootfs: String,
    /// Bytes that the runtime may take in memory; `None` to leave it on its disk.
    pub runtime_memory_bytes: Option<u64>,
    /// CPUs that a program sees.
    pub cpu_count: u32,
    /// Ids of an ordinary user; `None` when the launcher is root.
    pub user_map: Option<UserIds>,
    /// How programs are started.
    pub program: ProgramConfig,
    /// Interpreters that wait to be forked into cells.
    pub templates: Vec<TemplateConfig>,
    /// Files to join control groups, beside the packet: one that got lost on the way would be a limit that is not there.
    pub cgroups: u32,
    /// For tests: the name of the step of making the launcher, or a cell, that fails.
    pub fail_at: Option<String>,
}

/// One template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateConfig {
    /// Its name, for messages.
    pub name: String,
    /// Modules that it imports before it waits; those that the runtime lacks are left out.
    pub preload: Vec<String>,
}

/// An ordinary user, as whom everything runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIds {
    /// The uid outside.
    pub uid: u32,
    /// The gid outside.
    pub gid: u32,
}

/// A request to the launcher. Its descriptors: the cell's end of the stream, then a file to join each cgroup, then the v2
/// group where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateCell {
    /// The program's uid and gid in the cell; `None` where the user namespace has only one.
    pub user: Option<u32>,
    /// Size of `/tmp` in bytes.
    pub tmp_bytes: u64,
    /// Inodes of `/tmp`.
    pub tmp_inodes: u64,
    /// CPUs the program runs on; empty for all.
    pub cpus: Vec<u32>,
    /// Files to join cgroups, beside the packet: one that got lost on the way would be a limit that is not there.
    pub cgroups: u32,
    /// The v2 group itself is behind them, and the first of them joins it.
    pub unified: bool,
    /// The template to fork the interpreter from, by its place in the configuration; `None` to start one.
    pub template: Option<u32>,
    /// Start that template again first: it was seen to give no interpreters.
    pub renew_template: bool,
}

/// The launcher's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LauncherReply {
    /// The stage stands; cells can be made.
    Ready {
        /// Bytes of the runtime's copy in memory; `None` where it is on its disk.
        runtime_memory_bytes: Option<u64>,
        /// Each cell has device nodes of its own; else the host's.
        own_devices: bool,
    },
    /// The cell's first process runs; its pidfd is beside. Whether its own set-up succeeds it says on its stream.
    Created,
    /// The kernel refused a step.
    Refused {
        /// The step.
        step: String,
        /// errno.
        errno: i32,
    },
}
