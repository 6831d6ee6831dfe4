//! Installs the seccomp filter.

#![allow(unsafe_code, reason = "seccomp(2) has no safe wrapper")]

use crate::errno::last_errno;
use rustix::fd::{FromRawFd, OwnedFd};
use rustix::io::Errno;
use seccomp::Insn;

/// Installs a filter on the calling thread, irrevocably; async-signal-safe. Needs no_new_privs. With `notify`
/// it returns the descriptor that reports blocked system calls.
pub(crate) fn install(program: &[Insn], notify: bool) -> rustix::io::Result<Option<OwnedFd>> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    const { assert!(size_of::<Insn>() == size_of::<libc::sock_filter>()) };
    const { assert!(align_of::<Insn>() == align_of::<libc::sock_filter>()) };
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    let flags = if notify { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    // SAFETY: `filter` points to `length` instructions of the layout of struct sock_filter (Insn is repr(C),
    // its size and alignment are asserted above), and the kernel copies them before it returns; it does not
    // write.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) };
    match i32::try_from(result) {
        Ok(descriptor) if descriptor >= 0 && notify => {
            // SAFETY: with NEW_LISTENER a non-negative result is a descriptor opened for us alone.
            Ok(Some(unsafe { OwnedFd::from_raw_fd(descriptor) }))
        }
        Ok(0) => Ok(None),
        _ => Err(last_errno()),
    }
}
