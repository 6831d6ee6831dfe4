//! What root does once so that an unprivileged user can create sandboxes: `setup --delegate-cgroups <user>`.
//!
//! Only for v1. On v2 the kernel lets a user move processes only within a group that the user owns
//! (cgroup-v2.rst, "Delegation Containment"), so a group beside the login session would be unusable: there
//! the service is started in a group of the user's own systemd.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, Gid, Uid};

use crate::delegate_limits::{DelegatedLimits, InForce};
use crate::detect::{HostView, OwnProc};
use crate::error::{CgroupError, DetectError};
use crate::group::Group;
use crate::layout::{Layout, Version, user_parent_name};
use crate::ops::HostOps;
use crate::parent::{LastGroup, open_parent};

/// Why groups could not be delegated to a user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DelegateError {
    /// Root needs no delegation.
    #[error("delegate cgroups to root: it needs none")]
    ToRoot,
    /// On v2 no group created by root helps a user.
    #[error(
        "delegate cgroup v2 groups: a user can only use groups below the one it was started in (hint: in a \
         login session of that user `python-sandbox serve`, `run`, `doctor` and `bench` start themselves below \
         its systemd; elsewhere as that user: systemd-run --user --scope -p Delegate=yes python-sandbox serve)"
    )]
    OnV2,
    /// The caller is not root.
    #[error("delegate cgroups: only root can create those of a user (hint: run this command as root)")]
    NotRoot,
    /// No usable location on this host.
    #[error("find the location for delegated cgroups")]
    Detect(#[from] DetectError),
    /// Limits were requested where systemd sets them.
    #[error(
        "set limits on a user's cgroups: on cgroup v2 use those of the user's slice (hint: `systemctl \
         set-property user-{uid}.slice MemoryMax=1G TasksMax=500 CPUQuota=100%`)"
    )]
    LimitsOnV2 {
        /// The user's id.
        uid: u32,
    },
    /// A directory could not be created or given to the user.
    #[error("delegate cgroups")]
    Cgroup(#[from] CgroupError),
}

/// Groups delegated to a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delegated {
    /// One directory per hierarchy.
    pub directories: Vec<PathBuf>,
    /// Memory limit for all programs in them together, in bytes; `None` if unlimited.
    pub memory_bytes: Option<u64>,
    /// Limit on their processes and threads.
    pub pids_max: Option<u64>,
    /// Limit on their CPU time in microseconds per 100,000 microseconds.
    pub cpu_quota_us: Option<u64>,
}

/// Creates `python-sandbox-u<uid>` in the hierarchy of every controller and gives it to the user: the
/// directory and the files that move processes, but not the limits of the directory itself, which are set as
/// requested: a process in there is outside the user's other limits. May be repeated. Returns the
/// directories, and the limits in effect.
///
/// # Errors
/// [`DelegateError`]; what was created remains, and the next call continues from there.
pub fn delegate(
    view: &HostView,
    uid: u32,
    gid: u32,
    limits: &DelegatedLimits,
) -> Result<Delegated, DelegateError> {
    if uid == 0 {
        return Err(DelegateError::ToRoot);
    }
    if OwnProc::read()?.is_v2() {
        return Err(if limits.is_empty() { DelegateError::OnV2 } else { DelegateError::LimitsOnV2 { uid } });
    }
    if !rustix::process::geteuid().is_root() {
        return Err(DelegateError::NotRoot);
    }
    let layout = Layout::detect_host(view, Some(&user_parent_name(uid)))?;
    if layout.hierarchies().iter().any(|hierarchy| hierarchy.version == Version::V2) {
        return Err(DelegateError::OnV2);
    }
    let (mut directories, mut in_force) = (Vec::new(), InForce::default());
    // The controller that limits reads from a disk may be missing, and the one that freezes.
    let io = layout.io.as_ref().ok().filter(|io| io.version == Version::V1);
    for hierarchy in layout.hierarchies().iter().chain(io).chain(&layout.freezer) {
        let dir = open_parent(&HostOps, hierarchy, LastGroup::Untouched)?;
        let group = Group { ops: &HostOps, dir: dir.as_fd() };
        limits.apply(group, hierarchy)?;
        in_force.read(group, hierarchy)?;
        give(&dir, &["cgroup.procs", "tasks"], Uid::from_raw(uid), Gid::from_raw(gid)).map_err(|source| {
            CgroupError::Step { step: "change the owner of", path: hierarchy.parent.clone(), source }
        })?;
        directories.push(hierarchy.parent.clone());
    }
    let InForce { memory_bytes, pids_max, cpu_quota_us } = in_force;
    Ok(Delegated { directories, memory_bytes, pids_max, cpu_quota_us })
}

fn give(dir: &OwnedFd, files: &[&str], uid: Uid, gid: Gid) -> std::io::Result<()> {
    for file in files {
        rustix::fs::chownat(dir.as_fd(), *file, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    // Last, so that the directory belongs to the user only when it is complete.
    Ok(rustix::fs::fchown(dir.as_fd(), Some(uid), Some(gid))?)
}
