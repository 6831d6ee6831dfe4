//! The directory of the file, opened so that no symbolic link is followed that another user could have made: root opens the
//! file below directories of the service's user, who must not lead it elsewhere.

use ownership::Found;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

/// For names below it alone.
const FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens the directory of a file. Returns the file's name in it, too.
pub(crate) fn open_above(path: &Path) -> io::Result<(OwnedFd, OsString)> {
    let path = std::path::absolute(path)?;
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    // Links count only as far as nobody else can change the path, as where /var/log is one.
    let is_ours = |dir: &&Path| matches!(ownership::check(dir), Ok(Found::There));
    let ours = above.ancestors().find(is_ours).unwrap_or(Path::new("/"));
    let mut dir = rustix::fs::open(ours, FLAGS, Mode::empty())?;
    for step in above.strip_prefix(ours).map_err(io::Error::other)?.components() {
        let Component::Normal(step) = step else {
            return Err(io::Error::other("it has `..` below a directory that another user can change"));
        };
        dir = enter(&dir, step)?;
    }
    Ok((dir, name.to_owned()))
}

fn enter(dir: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    match rustix::fs::openat(dir, name, FLAGS | OFlags::NOFOLLOW, Mode::empty()) {
        Err(Errno::NOTDIR) => Err(io::Error::other(format!(
            "`{}` in its path is not a directory, or a symbolic link that another user can change (hint: set the path without \
             links)",
            name.display()
        ))),
        opened => Ok(opened?),
    }
}
