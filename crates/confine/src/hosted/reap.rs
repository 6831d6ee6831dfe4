//! The duties of a first process: to notice and reap dead children, and to kill everything.

#![allow(unsafe_code, reason = "wait4(2), signalfd(2) and kill(-1) have no safe wrapper")]

use super::refused::Refused;
use rustix::process::Pid;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Becomes readable when a child dies.
#[derive(Debug)]
pub struct ChildSignal {
    descriptor: OwnedFd,
}

impl ChildSignal {
    /// Blocks SIGCHLD and reads it from a descriptor instead (signalfd(2)).
    ///
    /// # Errors
    /// From signalfd(2): at a limit of descriptors.
    pub fn new() -> Result<Self, Refused> {
        let step = "watch for dead children";
        // SAFETY: an all-zero sigset_t is valid memory for sigemptyset to fill.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: `set` is a local that lives through the call.
        unsafe { libc::sigemptyset(&raw mut set) };
        // SAFETY: `set` was initialised by sigemptyset, SIGCHLD is a valid signal.
        unsafe { libc::sigaddset(&raw mut set, libc::SIGCHLD) };
        // SAFETY: `set` is initialised; a null old set is allowed.
        let blocked = unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        if blocked != 0 {
            return Err(Refused { step, source: io::Error::last_os_error() });
        }
        // SAFETY: -1 asks for a new descriptor; `set` is initialised.
        let descriptor =
            unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if descriptor < 0 {
            return Err(Refused { step, source: io::Error::last_os_error() });
        }
        // SAFETY: the kernel has just opened it for us alone.
        Ok(Self { descriptor: unsafe { OwnedFd::from_raw_fd(descriptor) } })
    }

    /// Discards the signals so far. Call [`reap`] afterwards until it finds no more.
    pub fn clear(&self) {
        let mut buffer = [0u8; 512];
        while rustix::io::read(&self.descriptor, &mut buffer).is_ok_and(|length| length > 0) {}
    }
}

impl AsFd for ChildSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// A child that was reaped.
#[derive(Debug, Clone, Copy)]
pub struct Reaped {
    /// Its pid.
    pub pid: Pid,
    /// Its exit code, if it exited.
    pub exit_code: Option<u8>,
    /// The signal that killed it, if one did.
    pub signal: Option<u8>,
    /// User and system time of the child and of its own reaped children.
    pub cpu_time: Duration,
    /// `ru_maxrss` in bytes.
    pub resident_bytes_peak: u64,
}

/// The result of [`reap`].
#[derive(Debug, Clone, Copy)]
pub enum Children {
    /// One was dead.
    Dead(Reaped),
    /// There are children, but none is dead.
    Living,
    /// There are no children.
    None,
}

/// Reaps one dead child, without blocking (wait4(2)).
#[must_use]
pub fn reap() -> Children {
    let mut status = 0;
    // SAFETY: rusage is plain integers, for which zero is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let options = libc::WNOHANG | libc::__WALL;
    let pid = loop {
        // SAFETY: both pointers are to locals that live through the call.
        let pid = unsafe { libc::wait4(-1, &raw mut status, options, &raw mut usage) };
        // An interrupted call is no result: taken for "no child is left" it would end the wait for those
        // still dying.
        if pid >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break pid;
        }
    };
    let pid = match pid {
        0 => return Children::Living,
        pid if pid < 0 => return Children::None,
        pid => pid,
    };
    let Some(pid) = Pid::from_raw(pid) else { return Children::None };
    let time = |value: libc::timeval| {
        Duration::from_secs(u64::try_from(value.tv_sec).unwrap_or(0))
            + Duration::from_micros(u64::try_from(value.tv_usec).unwrap_or(0))
    };
    Children::Dead(Reaped {
        pid,
        exit_code: libc::WIFEXITED(status)
            .then(|| u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX)),
        signal: libc::WIFSIGNALED(status).then(|| u8::try_from(libc::WTERMSIG(status)).unwrap_or(u8::MAX)),
        cpu_time: time(usage.ru_utime) + time(usage.ru_stime),
        // getrusage(2): kilobytes on Linux.
        resident_bytes_peak: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    })
}

/// Sends SIGKILL to every process that this one may signal, except itself and the first process of the pid
/// namespace (kill(2), pid -1). Only for the first process of a pid namespace: anywhere else it would kill
/// the machine's processes, so there it does nothing.
pub fn kill_all() {
    if rustix::process::getpid().as_raw_nonzero().get() != 1 {
        return;
    }
    // SAFETY: kill(2) reads no memory. As pid 1 "every process" is every process of our own pid namespace.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}
