//! The directories of the store, held open: everything below the root is reached from these
//! descriptors, one component at a time and never through a symlink.

use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Dir, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::config::OpenError;
use crate::object_name::ObjectName;

/// The mode of files: only their owner may read content and key.
pub(super) const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The permission bits of a file mode.
const PERMISSION_BITS: u32 = 0o7777;

const OBJECTS: &str = "objects";
const TEMP: &str = "tmp";
const WAITING: &str = "waiting";

/// What the name of a record ends in that cannot be read.
pub(super) const DAMAGED: &str = ".bad";
const LOCK: &str = "lock";

/// The open directories of a store.
#[derive(Debug)]
pub(super) struct Layout {
    root: OwnedFd,
    objects: OwnedFd,
    temp: OwnedFd,
}

impl Layout {
    /// Opens the directories of the store in `root` and creates missing ones. The root may be
    /// reached through symlinks, the operator's own path; nothing below it may.
    pub(super) fn open(root: &Path) -> Result<Self, OpenError> {
        let failed = |path: PathBuf| move |source| OpenError::Directory { path, source };
        // Before it is made: below the directory of another user it would lock that user out.
        check_place(root)?;
        DirBuilder::new()
            .recursive(true)
            .mode(Mode::RWXU.bits())
            .create(root)
            .map_err(failed(root.to_owned()))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root_dir = rustix::fs::openat(CWD, root, flags, Mode::empty())
            .map_err(|e| failed(root.to_owned())(e.into()))?;
        refuse_shared(&root_dir, root)?;
        // After it was created: another process may have been faster, and the path to it may belong to
        // another user.
        ownership::check(root).map(drop).map_err(|source| OpenError::Untrusted { source })?;

        let below = |name: &str| {
            let path = root.join(name);
            let dir = make_directory(root_dir.as_fd(), name).map_err(failed(path.clone()))?;
            refuse_shared(&dir, &path)?;
            Ok(dir)
        };
        let objects = below(OBJECTS)?;
        let temp = below(TEMP)?;
        // Made when it is needed: most stores never need it.
        let waiting = open_if_there(root_dir.as_fd(), WAITING).map_err(failed(root.join(WAITING)))?;
        if let Some(waiting) = waiting {
            refuse_shared(&waiting, &root.join(WAITING))?;
        }
        Ok(Self { root: root_dir, objects, temp })
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(super) fn objects(&self) -> BorrowedFd<'_> {
        self.objects.as_fd()
    }

    pub(super) fn temp(&self) -> BorrowedFd<'_> {
        self.temp.as_fd()
    }

    /// The directory of the records of the objects in `shard`; `None` if there are none.
    pub(super) fn waiting(&self, shard: &str) -> io::Result<Option<OwnedFd>> {
        match open_if_there(self.root(), WAITING)? {
            Some(waiting) => open_if_there(waiting.as_fd(), shard),
            None => Ok(None),
        }
    }

    /// The directory of all records and, in it, that of the objects in `shard`; makes those that are missing.
    pub(super) fn make_waiting(&self, shard: &str) -> io::Result<(OwnedFd, OwnedFd)> {
        let waiting = make_directory(self.root(), WAITING)?;
        let dir = make_directory(waiting.as_fd(), shard)?;
        Ok((waiting, dir))
    }

    /// Waits for the store's lock. Holders keep it for a few system calls only.
    pub(super) fn lock(&self) -> io::Result<StoreLock> {
        // A new open file description for each holder: flock excludes descriptions, not threads.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.root, LOCK, flags, FILE_MODE)?;
        retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
        Ok(StoreLock { file })
    }
}

/// The store's lock, held until dropped.
#[derive(Debug)]
pub(super) struct StoreLock {
    file: OwnedFd,
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        // Closing would be enough if the descriptor were ours alone: a process forked just now has a copy
        // until it calls exec, and the lock is held until the last copy is closed.
        if let Err(error) = retry_on_intr(|| rustix::fs::flock(&self.file, FlockOperation::Unlock)) {
            tracing::warn!(%error, "failed to unlock the store");
        }
    }
}

/// Opens the directory `name` in `parent`, not through a symlink; creates it if it is missing.
pub(super) fn make_directory(parent: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    match open_directory(parent, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
                // Another put, perhaps of another process, was faster.
                Ok(()) | Err(Errno::EXIST) => open_directory(parent, name),
                Err(error) => Err(error.into()),
            }
        }
        result => result,
    }
}

/// Opens the directory `name` in `parent`, not through a symlink.
pub(super) fn open_directory(parent: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

/// Opens the directory `name` in `parent`, not through a symlink; `None` if it is missing.
pub(super) fn open_if_there(parent: BorrowedFd<'_>, name: &str) -> io::Result<Option<OwnedFd>> {
    match open_directory(parent, name) {
        Ok(dir) => Ok(Some(dir)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The object whose record in the directory `shard` has this name, damaged or not.
pub(super) fn record_of(shard: &str, mut name: String) -> Option<ObjectName> {
    if let Some(rest) = name.strip_suffix(DAMAGED) {
        name.truncate(rest.len());
    }
    ObjectName::parse(shard, name)
}

/// Makes the entries of a directory survive a power failure.
pub(super) fn sync_directory(dir: BorrowedFd<'_>) -> io::Result<()> {
    Ok(retry_on_intr(|| rustix::fs::fsync(dir))?)
}

/// Opens the regular file `name` in `parent` for reading, not through a symlink; `None` if it is missing.
pub(super) fn open_file(parent: BorrowedFd<'_>, name: &str) -> io::Result<Option<(File, Metadata)>> {
    // NONBLOCK: opening a planted FIFO must not block. Regular files ignore it.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(not_a_regular_file()),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok(Some((file, metadata))) } else { Err(not_a_regular_file()) }
}

/// The metadata of `name` in `parent`, without following a symlink or needing read permission; `None` if it
/// is missing.
pub(super) fn inspect(parent: BorrowedFd<'_>, name: &str) -> io::Result<Option<Metadata>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(fd) => File::from(fd).metadata().map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes the file `name` in `parent`; true if it was there.
pub(super) fn remove_file(parent: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The names in `dir` that are UTF-8. All of ours are.
pub(super) fn names(dir: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        if let Ok(name) = entry?.file_name().to_str() {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The permission bits of a file.
pub(super) fn permissions(metadata: &Metadata) -> u32 {
    metadata.mode() & PERMISSION_BITS
}

fn not_a_regular_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a regular file")
}

/// Refuses a root that is missing if another user could replace what is made there.
fn check_place(root: &Path) -> Result<(), OpenError> {
    match std::fs::metadata(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            ownership::check(root).map(drop).map_err(|source| OpenError::Untrusted { source })
        }
        // Whatever it is: opening it says so.
        _ => Ok(()),
    }
}

/// Whether this user could make a store in `root`, which is missing or empty. Makes nothing.
pub(super) fn check_can_be_made(root: &Path) -> Result<(), OpenError> {
    check_place(root)?;
    let there = root.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| OpenError::Directory { path: there.to_owned(), source: error.into() })
}

/// The owner of a directory, and any user with write permission, can put another key or other content in it.
fn refuse_shared(dir: &OwnedFd, path: &Path) -> Result<(), OpenError> {
    let stat = rustix::fs::fstat(dir)
        .map_err(|e| OpenError::Directory { path: path.to_owned(), source: e.into() })?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::WGRP | Mode::WOTH) {
        return Err(OpenError::DirectoryShared { path: path.to_owned(), mode: mode.bits() });
    }
    let file = dir.try_clone().map(File::from);
    let metadata = file
        .and_then(|file| file.metadata())
        .map_err(|source| OpenError::Directory { path: path.to_owned(), source })?;
    ownership::check_open(path, &metadata).map_err(|source| OpenError::Untrusted { source })
}
