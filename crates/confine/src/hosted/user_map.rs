//! A user namespace for an unprivileged service: full privileges over its own namespaces and mounts, none
//! over the host.

use super::refused::Refused;
use rustix::thread::UnshareFlags;
use std::fs;

/// How ids in the namespace map to ids outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserMap {
    /// The only uid and gid inside.
    pub inside: u32,
    /// The uid of the unprivileged user outside.
    pub outside_uid: u32,
    /// The gid of the unprivileged user outside.
    pub outside_gid: u32,
}

/// Moves this single-threaded process into a new user namespace with one id.
///
/// # Errors
/// EPERM or ENOSPC at the first step means that the host denies user namespaces to unprivileged users.
pub fn enter_user_namespace(map: UserMap) -> Result<(), Refused> {
    unshare(UnshareFlags::NEWUSER).map_err(Refused::at("make a user namespace"))?;
    // user_namespaces(7): setgroups must be denied before an unprivileged process may write the gid map.
    fs::write("/proc/self/setgroups", "deny").map_err(Refused::at("deny setgroups"))?;
    fs::write("/proc/self/uid_map", format!("{} {} 1", map.inside, map.outside_uid))
        .map_err(Refused::at("map the user id"))?;
    fs::write("/proc/self/gid_map", format!("{} {} 1", map.inside, map.outside_gid))
        .map_err(Refused::at("map the group id"))?;
    Ok(())
}

/// Moves this process into new namespaces.
///
/// # Errors
/// EPERM without the privilege to create them.
pub fn unshare_namespaces(flags: UnshareFlags) -> Result<(), Refused> {
    unshare(flags.difference(UnshareFlags::FILES)).map_err(Refused::at("make a namespace"))
}

/// unshare(2) for flags that concern namespaces only.
#[allow(unsafe_code, reason = "rustix marks unshare unsafe for the sake of CLONE_FILES")]
pub(crate) fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: only CLONE_FILES would make descriptors of other threads diverge; no caller passes it, and
    // namespaces of a single-threaded process concern no other code.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}
