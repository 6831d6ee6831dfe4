//! What root does once so that an ordinary user can make cells: `setup --delegate-cgroups <user>`.
//!
//! On v1 that is all it takes. On v2 the kernel lets a user move processes only inside of a group that the user
//! owns, so the service must also be started in the delegated group; systemd does both with
//! `systemd-run --user --scope -p Delegate=yes`, and is the better way wherever it runs.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, Gid, Uid};

use super::error::{CgroupError, DetectError};
use super::layout::{Layout, Version, user_parent_name};
use super::ops::HostOps;
use super::place::{LastGroup, open_parent};

/// Why a user could not be given groups.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DelegateError {
    /// Root needs no delegation.
    #[error("delegate cgroups to root: it needs none")]
    ToRoot,
    /// No usable place on this host, or the caller is not root.
    #[error("find the place for delegated cgroups")]
    Detect(#[from] DetectError),
    /// A directory could not be made or given away.
    #[error("delegate cgroups")]
    Cgroup(#[from] CgroupError),
}

/// Makes `python-sandbox-u<uid>` in the hierarchy of every controller and gives it to the user: the directory and
/// the files that move processes, and on v2 the one that hands controllers down, but not the limits of the
/// directory itself. May be repeated. Gives the directories.
///
/// # Errors
/// [`DelegateError`]; what was made before stays, and the next call goes on from there.
pub fn delegate(uid: u32, gid: u32) -> Result<Vec<PathBuf>, DelegateError> {
    if uid == 0 {
        return Err(DelegateError::ToRoot);
    }
    let layout = Layout::detect_host(Some(&user_parent_name(uid)))?;
    let mut made = Vec::new();
    for hierarchy in layout.hierarchies() {
        let dir = open_parent(&HostOps, hierarchy, LastGroup::Untouched)?;
        let files: &[&str] = match hierarchy.version {
            Version::V1 => &["cgroup.procs", "tasks"],
            // The list of cgroup-v2.rst, "Model of Delegation".
            Version::V2 => &["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"],
        };
        give(&dir, files, Uid::from_raw(uid), Gid::from_raw(gid)).map_err(|source| CgroupError::Step {
            step: "give away",
            path: hierarchy.parent.clone(),
            source,
        })?;
        made.push(hierarchy.parent.clone());
    }
    Ok(made)
}

fn give(dir: &OwnedFd, files: &[&str], uid: Uid, gid: Gid) -> std::io::Result<()> {
    for file in files {
        rustix::fs::chownat(dir.as_fd(), *file, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    // Last, so that the directory belongs to the user only when it is complete.
    Ok(rustix::fs::fchown(dir.as_fd(), Some(uid), Some(gid))?)
}
