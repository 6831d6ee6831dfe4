//! The error of the last system call.

#![allow(unsafe_code, reason = "errno is behind a pointer of the C library")]

use rustix::io::Errno;

/// The error of this thread's last failed call through libc.
pub(crate) fn last_errno() -> Errno {
    // SAFETY: the function has no preconditions.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: it points to this thread's own errno, which is always there to be read.
    Errno::from_raw_os_error(unsafe { errno.read() })
}
