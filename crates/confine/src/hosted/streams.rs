//! Standard streams of helper processes, separate from the service's.

#![allow(unsafe_code, reason = "dup2(2) onto the number of a standard stream")]

use super::refused::Refused;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// Opens the null device in this process's root.
///
/// # Errors
/// open(2).
pub fn null_device() -> Result<OwnedFd, Refused> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open("/dev/null", flags, Mode::empty()).map_err(Refused::at("open the null device"))
}

/// Replaces a standard stream, 0 to 2, of this process with `descriptor`.
///
/// # Errors
/// dup2(2); EBADF for another number.
pub fn replace_stream(number: i32, descriptor: BorrowedFd<'_>) -> Result<(), Refused> {
    let step = "replace a standard stream";
    if !(0..=2).contains(&number) {
        return Err(Refused { step, source: io::Error::from_raw_os_error(libc::EBADF) });
    }
    // SAFETY: dup2(2) reads no memory. Nothing owns the number of a standard stream: the standard library
    // takes it for open at all times, which it stays.
    if unsafe { libc::dup2(descriptor.as_raw_fd(), number) } < 0 {
        return Err(Refused { step, source: io::Error::last_os_error() });
    }
    Ok(())
}
