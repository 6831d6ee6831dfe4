//! How the agent opens what a program may have shaped: through no link, and nothing that is there in place of what it makes.

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::path::Arg;
use std::os::fd::{AsFd, OwnedFd};

/// A directory.
pub(crate) const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// A file that is not there yet.
pub(crate) const NEW_FILE: OFlags =
    OFlags::CREATE.union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::WRONLY);

/// Opens an entry beneath a directory: follows no link anywhere in the path, crosses no mount, never blocks.
pub(crate) fn open_beneath(
    directory: impl AsFd,
    path: impl Arg + Copy,
    extra: OFlags,
) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | extra;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    match rustix::fs::openat2(&directory, path, flags, Mode::empty(), resolve) {
        // A guest kernel without openat2(2): every parent was checked to be a directory, and everything that could
        // change it is dead.
        Err(rustix::io::Errno::NOSYS) => rustix::fs::openat(&directory, path, flags, Mode::empty()),
        other => other,
    }
}
