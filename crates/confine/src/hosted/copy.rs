//! Copies the runtime's tree into a file system in memory.
//!
//! Files, directories and links, with their modes and times: CPython compares a source's time with the one
//! recorded in its compiled file. Devices, sockets and pipes are left out, and so are set-user-id bits and
//! extended attributes: a runtime needs none of them.

use super::refused::Refused;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RawMode, Timespec, Timestamps};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The name of this step.
pub(super) const COPY_RUNTIME: &str = "copy the runtime into memory";

/// Most nested directories: a runtime has ten.
const DEPTH_MAX: usize = 64;
/// Permission bits that are copied.
const PERMISSIONS: RawMode = 0o777;

/// Copies the contents of `from` into the empty directory `to`. Returns the bytes of all files.
///
/// # Errors
/// The first entry that could not be copied: ENOSPC when the file system in memory is full.
pub(crate) fn copy_tree(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<u64, Refused> {
    copy_directory(from, to, 0).map_err(Refused::at(COPY_RUNTIME))
}

fn copy_directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: usize) -> rustix::io::Result<u64> {
    if depth > DEPTH_MAX {
        return Err(Errno::NAMETOOLONG);
    }
    let mut bytes = 0;
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let status = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let times = Timestamps {
            last_access: time(status.st_atime, status.st_atime_nsec),
            last_modification: time(status.st_mtime, status.st_mtime_nsec),
        };
        let mode = Mode::from_raw_mode(status.st_mode & PERMISSIONS);
        match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => {
                let source = open_directory(from, name)?;
                rustix::fs::mkdirat(to, name, Mode::RWXU)?;
                let copy = open_directory(to, name)?;
                bytes += copy_directory(source.as_fd(), copy.as_fd(), depth + 1)?;
                rustix::fs::fchmod(&copy, mode)?;
                rustix::fs::futimens(&copy, &times)?;
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let source = rustix::fs::openat(from, name, flags, Mode::empty())?;
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                let copy = rustix::fs::openat(to, name, flags, Mode::RWXU)?;
                bytes += copy_bytes(&source, &copy)?;
                rustix::fs::fchmod(&copy, mode)?;
                rustix::fs::futimens(&copy, &times)?;
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, name, Vec::new())?;
                rustix::fs::symlinkat(&target, to, name)?;
            }
            _ => {}
        }
    }
    Ok(bytes)
}

fn copy_bytes(source: &OwnedFd, copy: &OwnedFd) -> rustix::io::Result<u64> {
    /// The most that one sendfile(2) transfers.
    const PIECE: usize = 0x7FFF_F000;
    let mut bytes = 0;
    // Set the size first: a tmpfs uses huge pages only within it (tmpfs(5), huge=within_size).
    rustix::fs::ftruncate(copy, u64::try_from(rustix::fs::fstat(source)?.st_size).unwrap_or(0))?;
    loop {
        match rustix::fs::sendfile(copy, source, None, PIECE) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes += length as u64,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn open_directory(at: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

fn time(seconds: i64, nanoseconds: impl TryInto<i64>) -> Timespec {
    Timespec { tv_sec: seconds, tv_nsec: nanoseconds.try_into().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::CWD;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;

    fn directory(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("confine-copy-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn copy(from: &Path, to: &Path) -> Result<u64, Refused> {
        let open = |path: &Path| {
            rustix::fs::openat(CWD, path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
        };
        copy_tree(open(from).as_fd(), open(to).as_fd())
    }

    #[test]
    fn a_copy_has_content_modes_times_and_links_and_nothing_else() {
        let (from, to) = (directory("from"), directory("to"));
        std::fs::create_dir_all(from.join("lib/deep")).unwrap();
        std::fs::write(from.join("lib/deep/a.py"), b"print(1)").unwrap();
        std::fs::set_permissions(from.join("lib/deep/a.py"), PermissionsExt::from_mode(0o4755)).unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_000_000, 5);
        std::fs::File::open(from.join("lib/deep/a.py")).unwrap().set_modified(old).unwrap();
        std::os::unix::fs::symlink("lib/deep", from.join("link")).unwrap();
        rustix::fs::mknodat(CWD, from.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(copy(&from, &to).unwrap(), 8);
        let copied = to.join("lib/deep/a.py");
        assert_eq!(std::fs::read(&copied).unwrap(), b"print(1)");
        let status = std::fs::metadata(&copied).unwrap();
        assert_eq!(status.mode() & 0o7777, 0o755, "without the set-user-id bit");
        assert_eq!((status.mtime(), status.mtime_nsec()), (1_000_000, 5));
        assert_eq!(std::fs::read_link(to.join("link")).unwrap(), Path::new("lib/deep"));
        assert!(!to.join("pipe").exists());
        for path in [from, to] {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
}
