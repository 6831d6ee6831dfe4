//! A total limit on what all groups of one service read from one disk.
//!
//! For a runtime on a disk: a program that reads more of it than fits the page cache would saturate the disk
//! for all others. Nothing is created until requested, so a service whose runtime is in memory is not
//! affected.
//!
//! | the controller is in | the limit is on | it applies to |
//! |---|---|---|
//! | the v2 hierarchy of our groups, `io` | the instance | sandboxes, launcher and templates, which are below it |
//! | a hierarchy of its own: v1 `blkio` | a group with the instance's name there | processes that join it, and their children |
//!
//! With a group per sandbox the kernel would account each disk in each sandbox, and a sandbox would have one
//! more group to create, join and remove. The limit protects the host and may be missing: the caller reports
//! that.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, MutexGuard, PoisonError};

use crate::disk::Disk;
use crate::error::{CgroupError, ControllerProblem};
use crate::group::Group;
use crate::instance::{HierarchyPart, Instance};
use crate::layout::Version;
use crate::parent::{LastGroup, open_parent};

/// Bytes per second for which one read per second is allowed. The kernel reads ahead 128 KiB, and small files
/// in one piece: with half of that, imports from a cold disk reach about the limit of bytes, and a program
/// that reads scattered single pages is limited.
const BYTES_PER_READ: u64 = 64 << 10;
/// Below this, the file system's own small reads would dominate.
const READS_MIN: u64 = 16;

/// Why reads are not limited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadLimitError {
    /// The controller cannot be used here.
    #[error("use cgroup controller {}: {} (hint: {})", .0.controller, .0.reason, .0.fix)]
    Unusable(ControllerProblem),
    /// The kernel refused a step.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
}

/// Limits reads from disks for one service. Created by [`crate::Manager::reads`].
#[derive(Debug, Clone)]
pub struct Reads {
    pub(crate) instance: Arc<Instance>,
}

impl Reads {
    /// Creates the missing groups. Returns a write-only, close-on-exec file to join them, as
    /// [`crate::SandboxGroup::join_files`] does: what a process starts afterwards is limited too. `None` if
    /// all groups of the service are already limited.
    ///
    /// # Errors
    /// [`ReadLimitError`].
    pub fn join_file(&self) -> Result<Option<OwnedFd>, ReadLimitError> {
        let instance = &*self.instance;
        let part = self.part()?;
        let made = part.as_ref().map(|part| {
            let file = match part.hierarchy.version {
                Version::V1 => "tasks",
                Version::V2 => "cgroup.procs",
            };
            let group = Group { ops: &*instance.ops, dir: part.instance.as_fd() };
            group.ops.open_for_write(group.dir, file).map_err(|source| group.failed("open", file, source))
        });
        Ok(made.transpose()?)
    }

    /// Limits the service's groups to this many bytes per second from a disk, and to one read per 64 KiB of
    /// that. May be called again, for another disk or another limit.
    ///
    /// # Errors
    /// [`ReadLimitError`].
    pub fn limit(&self, disk: Disk, bytes_per_second: u64) -> Result<(), ReadLimitError> {
        let instance = &*self.instance;
        let reads_per_second = (bytes_per_second / BYTES_PER_READ).max(READS_MIN);
        let part = self.part()?;
        let (version, group) = match (&*part, instance.part_of_reads()) {
            (Some(part), _) => {
                (part.hierarchy.version, Group { ops: &*instance.ops, dir: part.instance.as_fd() })
            }
            (None, shared) => {
                let index = shared.unwrap_or(0);
                (instance.parts[index].hierarchy.version, instance.group(index))
            }
        };
        set(version, group, disk, bytes_per_second, reads_per_second)?;
        Ok(())
    }

    /// Our own group in the controller's hierarchy, created on first use; `None` inside if the instance's
    /// group is used.
    fn part(&self) -> Result<MutexGuard<'_, Option<HierarchyPart>>, ReadLimitError> {
        let instance = &*self.instance;
        let hierarchy = instance.io.as_ref().map_err(|problem| ReadLimitError::Unusable(problem.clone()))?;
        let mut part = instance.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if instance.part_of_reads().is_some() {
            // The path to the parent has handed the other controllers down; now this one as well.
            open_parent(&*instance.ops, hierarchy, LastGroup::HandsDown)?;
        } else if part.is_none() {
            *part = Some(instance.make_late_part(hierarchy)?);
        }
        Ok(part)
    }
}

/// One line per disk, of which we have one (cgroup-v2.rst, "io.max"; blkio-controller.rst, "Throttling/Upper
/// limit policy files").
fn set(version: Version, group: Group<'_>, disk: Disk, bytes: u64, reads: u64) -> Result<(), CgroupError> {
    match version {
        Version::V1 => {
            group.write_exact("blkio.throttle.read_bps_device", &format!("{disk} {bytes}"))?;
            group.write_exact("blkio.throttle.read_iops_device", &format!("{disk} {reads}"))
        }
        Version::V2 => group.write_kept("io.max", &format!("{disk} rbps={bytes} riops={reads}"), |kept| {
            kept.lines().any(|line| holds(line, disk, bytes, reads))
        }),
    }
}

/// `8:16 rbps=2097152 wbps=max riops=max wiops=120`
fn holds(line: &str, disk: Disk, bytes: u64, reads: u64) -> bool {
    let mut words = line.split(' ');
    let is_of_disk = words.next().is_some_and(|word| word == disk.to_string());
    let words: Vec<_> = words.collect();
    is_of_disk
        && [format!("rbps={bytes}"), format!("riops={reads}")]
            .iter()
            .all(|word| words.contains(&word.as_str()))
}
