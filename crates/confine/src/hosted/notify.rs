//! Notifications of blocked system calls by the seccomp filter.
//!
//! The filter does not simply fail a blocked call with EPERM: the kernel notifies the agent
//! (SECCOMP_RET_USER_NOTIF, seccomp_unotify(2)), which records the call's name and replies EPERM itself. So a
//! verdict can name the call, and the program cannot tell the difference.

#![allow(unsafe_code, reason = "seccomp(2) and its ioctls have no safe wrapper")]

use seccomp::{Arch, syscall_name};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The agent's end, which receives the notifications.
#[derive(Debug)]
pub struct Listener {
    descriptor: OwnedFd,
}

/// One system call that waits for a reply.
#[derive(Debug, Clone, Copy)]
pub struct Notification {
    id: u64,
    /// The system call's number on this machine's architecture.
    pub number: u32,
    /// Its first argument.
    first: u64,
    /// The lower half of its second argument.
    second: u32,
}

// fcntl(2): the same on every machine with 64-bit pointers.
const F_SETLK: u32 = 6;
const F_SETLKW: u32 = 7;

impl Notification {
    /// The call's name, or its number if it has none.
    #[must_use]
    pub fn name(&self) -> String {
        syscall_name(Arch::native(), self.number)
            .map_or_else(|| format!("system call {}", self.number), str::to_owned)
    }

    /// Whether the call sets or removes a record lock (fcntl(2), F_SETLK and F_SETLKW): the policy asks about
    /// no other use of fcntl.
    #[must_use]
    pub fn locks(&self) -> bool {
        syscall_name(Arch::native(), self.number) == Some("fcntl")
            && matches!(self.second, F_SETLK | F_SETLKW)
    }

    /// The process that the call would kill, in the form of kill(2), if the call is one that the policy
    /// allows after a notification: all of those send SIGKILL.
    #[must_use]
    pub fn kills(&self) -> Option<i32> {
        const TOLD: [&str; 3] = ["kill", "tkill", "tgkill"];
        // The target of a descriptor is not visible: treated as if all processes were meant.
        if syscall_name(Arch::native(), self.number) == Some("pidfd_send_signal") {
            return Some(0);
        }
        let is_told = syscall_name(Arch::native(), self.number).is_some_and(|name| TOLD.contains(&name));
        // The kernel uses the lower half as a pid_t.
        let [a, b, c, d, ..] = self.first.to_le_bytes();
        is_told.then_some(i32::from_le_bytes([a, b, c, d]))
    }
}

const SECCOMP_IOCTL_NOTIF_RECV: libc::c_ulong = 0xc050_2100;
const SECCOMP_IOCTL_NOTIF_SEND: libc::c_ulong = 0xc018_2101;
const SECCOMP_IOCTL_NOTIF_SET_FLAGS: libc::c_ulong = 0x4008_2104;

impl Listener {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        let listener = Self { descriptor };
        listener.answer_on_the_same_processor();
        listener
    }

    /// Has the kernel run the process woken by a call or its reply immediately and on the same processor
    /// (Linux 6.6): a notification then takes a few microseconds. Older kernels do without.
    fn answer_on_the_same_processor(&self) {
        const SYNC_WAKE_UP: libc::c_ulong = 1;
        // SAFETY: the request takes its flags as a number and touches no memory.
        unsafe { libc::ioctl(self.descriptor.as_raw_fd(), SECCOMP_IOCTL_NOTIF_SET_FLAGS as _, SYNC_WAKE_UP) };
    }

    /// Receives one notification. Call it when the descriptor is readable; `None` if the process is gone.
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
        let (id, first) = (notification.id, notification.data.args[0]);
        let [a, b, c, d, ..] = notification.data.args[1].to_le_bytes();
        let second = u32::from_le_bytes([a, b, c, d]);
        Some(Notification { id, number: number.unwrap_or(u32::MAX), first, second })
    }

    /// Replies EPERM to a blocked call. A process that died meanwhile needs no reply.
    pub fn refuse(&self, notification: Notification) {
        self.answer(notification, -libc::EPERM, 0);
    }

    /// Replies ENOLCK to a call that requests a lock: there are too many.
    pub fn refuse_lock(&self, notification: Notification) {
        self.answer(notification, -libc::ENOLCK, 0);
    }

    /// Lets the call of a notification run (Linux 5.5; older kernels refuse it). The decision is based on
    /// registers, which cannot change meanwhile. False if the call does not run, mostly because a signal or a
    /// kill came first.
    pub fn let_run(&self, notification: Notification) -> bool {
        const CONTINUE: u32 = 1;
        let runs = self.answer(notification, 0, CONTINUE);
        if !runs {
            self.refuse(notification);
        }
        runs
    }

    /// False if the kernel does not accept the reply.
    fn answer(&self, notification: Notification, error: i32, flags: u32) -> bool {
        let mut answer = libc::seccomp_notif_resp { id: notification.id, val: 0, error, flags };
        // SAFETY: the request number encodes the size of struct seccomp_notif_resp, which `answer` is.
        let result = unsafe {
            libc::ioctl(self.descriptor.as_raw_fd(), SECCOMP_IOCTL_NOTIF_SEND as _, &raw mut answer)
        };
        result == 0
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Whether the kernel can notify us of blocked calls (seccomp(2), SECCOMP_GET_ACTION_AVAIL; Linux 5.0).
#[must_use]
pub fn probe_user_notification() -> bool {
    let action: u32 = libc::SECCOMP_RET_USER_NOTIF;
    // SAFETY: the call reads one u32, which lives through it, and changes nothing.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    result == 0
}
