//! The seccomp filter at work: putting it on, and hearing of refused calls.
//!
//! A refused call is not simply answered with EPERM by the filter: the kernel hands it to the agent
//! (SECCOMP_RET_USER_NOTIF, seccomp_unotify(2)), which notes its name and answers EPERM itself. So a verdict can
//! name the call, and the program cannot tell the difference.

#![allow(unsafe_code, reason = "seccomp(2) and its ioctls have no safe wrapper")]

use crate::seccomp::{Arch, Insn, syscall_name};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Puts a filter on the calling thread for good; async-signal-safe. Needs no_new_privs. With `notify` the result
/// is the descriptor on which refused calls are heard.
pub(crate) fn install(program: &[Insn], notify: bool) -> io::Result<Option<OwnedFd>> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    const { assert!(size_of::<Insn>() == size_of::<libc::sock_filter>()) };
    const { assert!(align_of::<Insn>() == align_of::<libc::sock_filter>()) };
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    let flags = if notify { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    // SAFETY: `filter` points to `length` instructions of the layout of struct sock_filter (Insn is repr(C), its
    // size and alignment are asserted above), and the kernel copies them before it returns; it does not write.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) };
    match i32::try_from(result) {
        Ok(descriptor) if descriptor >= 0 && notify => {
            // SAFETY: with NEW_LISTENER a non-negative result is a descriptor opened for us alone.
            Ok(Some(unsafe { OwnedFd::from_raw_fd(descriptor) }))
        }
        Ok(0) => Ok(None),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The agent's end: refused calls come in here.
#[derive(Debug)]
pub struct Listener {
    descriptor: OwnedFd,
}

/// One refused call, waiting for its answer.
#[derive(Debug, Clone, Copy)]
pub struct Notification {
    id: u64,
    /// The system call's number on this machine's architecture.
    pub number: u32,
}

impl Notification {
    /// The call's name; a number that has none is shown as such.
    #[must_use]
    pub fn name(&self) -> String {
        syscall_name(Arch::native(), self.number)
            .map_or_else(|| format!("system call {}", self.number), str::to_owned)
    }
}

const SECCOMP_IOCTL_NOTIF_RECV: libc::c_ulong = 0xc050_2100;
const SECCOMP_IOCTL_NOTIF_SEND: libc::c_ulong = 0xc018_2101;

impl Listener {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        Self { descriptor }
    }

    /// Takes one refused call. Call it when the descriptor is readable; `None` when its process is gone.
    #[must_use]
    pub fn receive(&self) -> Option<Notification> {
        // SAFETY: plain integers, for which zero is valid; the kernel demands a zeroed struct.
        let mut notification: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the request number encodes the size of struct seccomp_notif, which `notification` is.
        let result = unsafe {
            libc::ioctl(self.descriptor.as_raw_fd(), SECCOMP_IOCTL_NOTIF_RECV as _, &raw mut notification)
        };
        let number = u32::try_from(notification.data.nr).ok();
        (result == 0).then_some(())?;
        Some(Notification { id: notification.id, number: number.unwrap_or(u32::MAX) })
    }

    /// Answers a refused call with EPERM. A process that died meanwhile needs no answer.
    pub fn refuse(&self, notification: Notification) {
        let mut answer =
            libc::seccomp_notif_resp { id: notification.id, val: 0, error: -libc::EPERM, flags: 0 };
        // SAFETY: the request number encodes the size of struct seccomp_notif_resp, which `answer` is.
        unsafe { libc::ioctl(self.descriptor.as_raw_fd(), SECCOMP_IOCTL_NOTIF_SEND as _, &raw mut answer) };
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Whether the kernel can hand refused calls to us (seccomp(2), SECCOMP_GET_ACTION_AVAIL; Linux 5.0).
#[must_use]
pub fn probe_user_notification() -> bool {
    let action: u32 = libc::SECCOMP_RET_USER_NOTIF;
    // SAFETY: the call reads one u32, which lives through it, and changes nothing.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    result == 0
}
