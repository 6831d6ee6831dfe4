//! An executable, or a shared object, embedded in another one: run from memory, inheriting nothing.

#![allow(unsafe_code, reason = "Command::pre_exec runs between fork and exec")]

use super::refused::Refused;
use rustix::fs::{MemfdFlags, SealFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// An executable image in sealed memory.
#[derive(Debug)]
pub struct Image {
    name: String,
    memory: OwnedFd,
}

/// A process that runs an [`Image`].
#[derive(Debug)]
pub struct SpawnedImage {
    /// The process. Its standard input and output are the null device, its standard error is a pipe to us.
    pub child: Child,
}

/// The number of the only descriptor that an image's process inherits besides standard error.
pub const CONTROL_DESCRIPTOR: i32 = 3;

impl Image {
    /// Copies `bytes` into sealed memory, which cannot be changed any more (memfd_create(2)).
    ///
    /// # Errors
    /// memfd_create(2); EACCES where `vm.memfd_noexec` forbids executables in memory.
    pub fn new(name: &str, bytes: &[u8]) -> Result<Self, Refused> {
        let step = "keep the agent's image in memory";
        // EXEC requests it explicitly since Linux 6.3; older kernels do not know the flag and always allow
        // it.
        let sealing = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = rustix::fs::memfd_create(name, sealing | MemfdFlags::EXEC)
            .or_else(|_| rustix::fs::memfd_create(name, sealing))
            .map_err(Refused::at(step))?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = rustix::io::write(&memory, rest).map_err(Refused::at(step))?;
            rest = &rest[written..];
        }
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        rustix::fs::fcntl_add_seals(&memory, seals).map_err(Refused::at(step))?;
        Ok(Self { name: name.to_owned(), memory })
    }

    /// Runs the image with `arguments`, an empty environment and `control` as descriptor 3.
    ///
    /// # Errors
    /// fork(2), execve(2).
    pub fn spawn(&self, arguments: &[&str], control: OwnedFd) -> Result<SpawnedImage, Refused> {
        let step = "start the agent";
        let mut command = Command::new(format!("/proc/self/fd/{}", self.memory.as_raw_fd()));
        command
            .arg0(&self.name)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // SAFETY: the closure runs between fork and exec in a child of a threaded process. It calls only
        // dup2(2), fcntl(2) and close_range(2), which are async-signal-safe, and allocates nothing. `control`
        // is moved into the closure, so its number stays open until the child has run it.
        unsafe {
            command.pre_exec(move || {
                let source = control.as_raw_fd();
                if source == CONTROL_DESCRIPTOR {
                    // dup2 onto itself would leave close-on-exec set.
                    rustix::io::fcntl_setfd(control.as_fd(), rustix::io::FdFlags::empty())?;
                } else {
                    become_control(source)?;
                }
                // Descriptors that the service itself inherited (a supervisor's pipe, a shell's redirection)
                // may lack close-on-exec. Marked, not closed: one of them tells `Command` that exec failed.
                close_on_exec_from(CONTROL_DESCRIPTOR + 1)
            })
        };
        let child = command.spawn().map_err(Refused::at(step))?;
        Ok(SpawnedImage { child })
    }
}

impl AsFd for Image {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}

/// Makes `source` the control descriptor; async-signal-safe.
fn become_control(source: i32) -> io::Result<()> {
    // SAFETY: dup2(2) reads no memory. Between fork and exec nothing else uses the number that it replaces.
    if unsafe { libc::dup2(source, CONTROL_DESCRIPTOR) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Marks every descriptor from `first` on close-on-exec; async-signal-safe.
fn close_on_exec_from(first: i32) -> io::Result<()> {
    // SAFETY: close_range(2) reads no memory, and with this flag it closes nothing before exec.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, i32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes over the control descriptor in a process that [`Image::spawn`] started.
///
/// # Errors
/// EBADF when the process was started in another way.
pub fn control_descriptor() -> io::Result<OwnedFd> {
    // SAFETY: fcntl(2) F_GETFD reads no memory and only asks whether the number is open.
    if unsafe { libc::fcntl(CONTROL_DESCRIPTOR, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, `Image::spawn` put it there for this process, and only `main` calls this, once.
    Ok(unsafe { OwnedFd::from_raw_fd(CONTROL_DESCRIPTOR) })
}
