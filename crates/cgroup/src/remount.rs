//! Makes the cgroups of our own container writable.
//!
//! A container engine mounts a container's own cgroups into it, but read-only. With the privilege to mount,
//! the container may change that for itself: it then creates groups below its own, and the engine's limits on
//! the whole container still apply. The alternatives, the host's whole tree in the container or
//! `--privileged`, grant far more.

use std::io;
use std::path::PathBuf;

use rustix::mount::MountFlags;

use crate::mountinfo::cgroup_mounts;

/// Why a mount could not be made writable.
#[derive(Debug, thiserror::Error)]
#[error(
    "make the cgroups at {path} writable (hint: give the container CAP_SYS_ADMIN and no AppArmor profile)"
)]
pub struct RemountError {
    /// The mount point, or the mount table.
    pub path: PathBuf,
    /// The kernel's error.
    #[source]
    pub source: io::Error,
}

/// Makes every mount of cgroups in this mount namespace writable. Returns those that were not.
///
/// # Errors
/// [`RemountError`]; the mounts before it are writable then.
pub fn make_writable() -> Result<Vec<PathBuf>, RemountError> {
    let table = PathBuf::from("/proc/self/mountinfo");
    let text = match std::fs::read_to_string(&table) {
        Ok(text) => text,
        Err(source) => return Err(RemountError { path: table, source }),
    };
    let mut done = Vec::new();
    for mount in cgroup_mounts(&text).into_iter().filter(|mount| mount.read_only) {
        // With BIND only this mount changes, not the hierarchy, which the host uses too (mount(2)).
        let flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        match rustix::mount::mount_remount(&mount.point, flags, "") {
            Ok(()) => done.push(mount.point),
            Err(errno) => return Err(RemountError { path: mount.point, source: errno.into() }),
        }
    }
    Ok(done)
}
