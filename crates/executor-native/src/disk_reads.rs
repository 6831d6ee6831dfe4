//! The limit on the reads of all sandboxes together from the disk that holds the runtime. Only for a runtime
//! on its disk: one in memory reads from no disk, and then no cgroup is made or joined for this.
//!
//! The launcher joins the cgroup before it starts anything, so templates and sandboxes are in it without a
//! step of their own. The limit itself is set when the launcher is ready, so that it does not slow the start.
//! Where the limit cannot be set, `/health` says why and everything else works: it protects the host's disk,
//! and no other guarantee depends on it.

use cgroup::{Disk, Reads};
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use support::error_chain;

/// The setting.
pub(crate) const DISK_READ_MAX: &str = "NATIVE_DISK_READ_MAX";

/// What the limit applies to.
#[derive(Debug)]
pub(crate) struct DiskReads {
    pub(crate) reads: Reads,
    /// The runtime's root file system.
    pub(crate) rootfs: PathBuf,
    /// Bytes per second; `None` for no limit.
    pub(crate) bytes_max: Option<u64>,
}

/// A cgroup that is ready for the launcher, and the limit to set once the launcher is ready.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Joins the launcher to it, unless it is in it anyway.
    pub(crate) join: Option<OwnedFd>,
    disk: Disk,
    bytes_max: u64,
}

/// Whether reads are limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadLimit {
    /// To this many bytes per second.
    Set {
        /// The disk's device number.
        disk: Disk,
        /// The limit.
        bytes_max: u64,
    },
    /// Not limited.
    Missing {
        /// The reason.
        why: String,
    },
}

impl DiskReads {
    /// Called before a launcher is started. The error is the missing limit.
    pub(crate) fn prepare(&self) -> Result<Prepared, ReadLimit> {
        let bytes_max = self.bytes_max.ok_or_else(|| missing(format!("{DISK_READ_MAX} disables it")))?;
        let disk = Disk::of(&self.rootfs).map_err(|error| missing(error_chain(&error)))?;
        let join = self.reads.join_file().map_err(|error| missing(error_chain(&error)))?;
        Ok(Prepared { join, disk, bytes_max })
    }

    /// Called when that launcher is ready.
    pub(crate) fn set(&self, prepared: Result<Prepared, ReadLimit>) -> ReadLimit {
        match prepared {
            Ok(Prepared { disk, bytes_max, .. }) => match self.reads.limit(disk, bytes_max) {
                Ok(()) => ReadLimit::Set { disk, bytes_max },
                Err(error) => missing(error_chain(&error)),
            },
            Err(missing) => missing,
        }
    }
}

fn missing(why: String) -> ReadLimit {
    ReadLimit::Missing { why }
}

impl fmt::Display for ReadLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { disk, bytes_max } => write!(
                f,
                "all sandboxes together read at most {} MiB per second from disk {disk} (cgroup)",
                bytes_max >> 20
            ),
            Self::Missing { why } => write!(f, "no limit on reads from that disk: {why}"),
        }
    }
}
