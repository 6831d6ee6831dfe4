//! How the agent opens what a program may have shaped: through no link, and nothing that is there in place of
//! what it makes.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::path::Arg;
use std::os::fd::{AsFd, OwnedFd};

/// A directory whose path no program could change. Others are opened with [`open_beneath`].
pub(crate) const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// A file that is not there yet.
pub(crate) const NEW_FILE: OFlags =
    OFlags::CREATE.union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::WRONLY);

/// Names that are tried for a temporary file. A program can make as many where the limit of inodes was
/// raised; then nothing can be put beside them.
const TEMPORARY_TRIES_MAX: u64 = 100_000;

/// Creates a file named `prefix` and a number, with the first number from `first` on that is not in use, for
/// whatever a program has made.
pub(crate) fn create_temporary(
    directory: impl AsFd,
    prefix: &str,
    first: u64,
) -> rustix::io::Result<(OwnedFd, String)> {
    for number in first..first.saturating_add(TEMPORARY_TRIES_MAX) {
        let name = format!("{prefix}{number}");
        match rustix::fs::openat(&directory, name.as_str(), NEW_FILE, Mode::from_raw_mode(0o644)) {
            Err(Errno::EXIST) => {}
            opened => return Ok((opened?, name)),
        }
    }
    Err(Errno::EXIST)
}

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
        Err(Errno::NOSYS) => open_without_openat2(directory, path, flags),
        other => other,
    }
}

/// Opens the directory with this path below another one, part by part; an empty path is that one itself.
pub(crate) fn open_directory(above: OwnedFd, path: &str) -> rustix::io::Result<OwnedFd> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.into_iter().try_fold(above, |parent, part| open_beneath(&parent, part, DIRECTORY))
}

/// For guest kernels without openat2(2), such as gVisor's: every parent was checked to be a directory, and
/// everything that could change it is dead. gVisor follows a link in spite of `O_NOFOLLOW` if `O_DIRECTORY`
/// is set as well, so what should be a directory is looked at first.
fn open_without_openat2(
    directory: impl AsFd,
    path: impl Arg + Copy,
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    if flags.contains(OFlags::DIRECTORY) {
        let status = rustix::fs::statat(&directory, path, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::Directory {
            return Err(Errno::NOTDIR);
        }
    }
    rustix::fs::openat(&directory, path, flags.difference(OFlags::DIRECTORY), Mode::empty())
}
