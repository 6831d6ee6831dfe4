//! Makes the control groups of our own container writable.
//!
//! A container engine mounts a container's own groups into it, but read-only. With the right to mount, the container may
//! change that for itself: it then makes groups below its own, and what the engine allows the container as a whole still
//! bounds them all. The alternatives, the host's whole tree in the container or `--privileged`, give far more.

use std::io;
use std::path::PathBuf;

use rustix::mount::MountFlags;

use crate::mountinfo::cgroup_mounts;

/// Why a mount could not be made writable.
#[derive(Debug, thiserror::Error)]
#[error(
    "make the control groups at {path} writable (hint: give the container CAP_SYS_ADMIN and no AppArmor profile)"
)]
pub struct RemountError {
    /// Where it is mounted, or the table of mounts.
    pub path: PathBuf,
    /// The kernel's reason.
    #[source]
    pub source: io::Error,
}

/// Makes every mount of control groups in this mount namespace writable. Gives those that were not.
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
        // With BIND only this mount changes, and not the hierarchy that the host has, too (mount(2)).
        let flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        match rustix::mount::mount_remount(&mount.point, flags, "") {
            Ok(()) => done.push(mount.point),
            Err(errno) => return Err(RemountError { path: mount.point, source: errno.into() }),
        }
    }
    Ok(done)
}
