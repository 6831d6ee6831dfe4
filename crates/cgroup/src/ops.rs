//! The few operations on a cgroup file system on which this crate is built, so that tests can fail each of
//! them in turn, or run on plain directories.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, Signal};

/// No file that we read is longer, except `cgroup.procs` of a group with more than 100,000 processes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Operations relative to open directories. All names are single path components, except where `Path` is
/// taken.
pub(crate) trait Ops: Send + Sync + fmt::Debug {
    /// Opens a directory, close-on-exec.
    fn open_dir(&self, at: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd>;
    /// Creates a group; `mode` is the access mode of its directory.
    fn make_dir(&self, at: BorrowedFd<'_>, name: &str, mode: u32) -> io::Result<()>;
    /// Removes a group without processes and children.
    fn remove_dir(&self, at: BorrowedFd<'_>, name: &str) -> io::Result<()>;
    /// Names of the child groups.
    fn child_dirs(&self, dir: BorrowedFd<'_>) -> io::Result<Vec<String>>;
    /// The whole text of a file.
    fn read(&self, dir: BorrowedFd<'_>, file: &str) -> io::Result<String>;
    /// Writes with a single `write`, as the kernel requires.
    fn write(&self, dir: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<()>;
    /// Writes and reads back through one descriptor.
    fn write_then_read(&self, dir: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<String>;
    /// Opens a file for reading and writing, close-on-exec, and writes with a single `write`.
    fn open_and_write(&self, dir: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<OwnedFd>;
    /// The text of an open file, from its beginning: one line.
    fn read_open(&self, file: BorrowedFd<'_>) -> io::Result<String>;
    /// Opens a file for writing only, close-on-exec.
    fn open_for_write(&self, dir: BorrowedFd<'_>, file: &str) -> io::Result<OwnedFd>;
    /// Tries to take the exclusive lock on a directory; false if another process holds it.
    fn try_lock(&self, dir: BorrowedFd<'_>) -> io::Result<bool>;
    /// A pidfd of a process; `None` if there is none with that pid.
    fn pidfd(&self, pid: i32) -> io::Result<Option<OwnedFd>>;
    /// Sends SIGKILL; a process that no longer exists is not an error.
    fn kill(&self, pidfd: BorrowedFd<'_>) -> io::Result<()>;
}

/// The real operations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostOps;

impl Ops for HostOps {
    fn open_dir(&self, at: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(retry_on_intr(|| rustix::fs::openat(at, path, flags, Mode::empty()))?)
    }

    fn make_dir(&self, at: BorrowedFd<'_>, name: &str, mode: u32) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::mkdirat(at, name, Mode::from_raw_mode(mode)))?)
    }

    fn remove_dir(&self, at: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::unlinkat(at, name, AtFlags::REMOVEDIR))?)
    }

    fn child_dirs(&self, dir: BorrowedFd<'_>) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            // cgroup file systems always set the type (kernfs).
            if entry.file_type() == FileType::Directory && name != "." && name != ".." {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    fn read(&self, dir: BorrowedFd<'_>, file: &str) -> io::Result<String> {
        let fd = open_file(dir, file, OFlags::RDONLY)?;
        let mut bytes = Vec::new();
        let mut chunk = [0_u8; 4096];
        loop {
            let count = retry_on_intr(|| rustix::io::read(&fd, &mut chunk))?;
            bytes.extend_from_slice(&chunk[..count]);
            if count == 0 {
                return text(bytes);
            }
            if bytes.len() > FILE_BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
    }

    fn write(&self, dir: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<()> {
        write_once(&open_file(dir, file, OFlags::WRONLY)?, value)
    }

    fn write_then_read(&self, dir: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<String> {
        let fd = self.open_and_write(dir, file, value)?;
        self.read_open(fd.as_fd())
    }

    fn open_and_write(&self, dir: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<OwnedFd> {
        let fd = open_file(dir, file, OFlags::RDWR)?;
        write_once(&fd, value)?;
        Ok(fd)
    }

    fn read_open(&self, file: BorrowedFd<'_>) -> io::Result<String> {
        // One line of numbers, so one read returns it all.
        let mut chunk = [0_u8; 256];
        let count = retry_on_intr(|| rustix::io::pread(file, &mut chunk, 0))?;
        text(chunk[..count].to_vec())
    }

    fn open_for_write(&self, dir: BorrowedFd<'_>, file: &str) -> io::Result<OwnedFd> {
        open_file(dir, file, OFlags::WRONLY)
    }

    fn try_lock(&self, dir: BorrowedFd<'_>) -> io::Result<bool> {
        match retry_on_intr(|| rustix::fs::flock(dir, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn pidfd(&self, pid: i32) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(pid) else { return Ok(None) };
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(fd)),
            // EINVAL: the id is of a thread whose leader has ended; the next listing shows another id.
            Err(Errno::SRCH | Errno::INVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn kill(&self, pidfd: BorrowedFd<'_>) -> io::Result<()> {
        match rustix::process::pidfd_send_signal(pidfd, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn open_file(dir: BorrowedFd<'_>, file: &str, mode: OFlags) -> io::Result<OwnedFd> {
    let flags = mode | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| rustix::fs::openat(dir, file, flags, Mode::empty()))?)
}

fn write_once(fd: &OwnedFd, value: &str) -> io::Result<()> {
    let count = retry_on_intr(|| rustix::io::write(fd, value.as_bytes()))?;
    if count == value.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
