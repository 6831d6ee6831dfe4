//! The controllers that the groups use.

use std::fmt;

/// A resource that the kernel limits or accounts for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Controller {
    /// Memory, with tmpfs and page cache.
    Memory,
    /// Number of processes and threads.
    Pids,
    /// CPU bandwidth.
    Cpu,
    /// CPU time used. A separate controller only on v1; v2 always accounts it.
    Cpuacct,
    /// Reads from disks. Not needed for a sandbox: see [`crate::Reads`].
    Io,
    /// Freezing on v1. Not needed for a sandbox: see [`crate::SandboxGroup::freeze`].
    Freezer,
}

impl Controller {
    /// All that a sandbox needs. Memory comes first: its hierarchy carries the lock.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Pids, Self::Cpu, Self::Cpuacct];

    /// The kernel's name of the controller.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Io => "io",
            Self::Freezer => "freezer",
        }
    }

    /// The kernel's name on v1.
    pub(crate) fn name_on_v1(self) -> &'static str {
        match self {
            Self::Io => "blkio",
            other => other.name(),
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
