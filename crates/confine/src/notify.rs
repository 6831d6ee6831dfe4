//! The seccomp filter at work: hearing of refused calls.
//!
//! A refused call is not simply answered with EPERM by the filter: the kernel hands it to the agent
//! (SECCOMP_RET_USER_NOTIF, seccomp_unotify(2)), which notes its name and answers EPERM itself. So a verdict can
//! name the call, and the program cannot tell the difference.

#![allow(unsafe_code, reason = "seccomp(2) and its ioctls have no safe wrapper")]

use crate::seccomp::{Arch, syscall_name};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

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
    /// Its first three arguments.
    args: [u64; 3],
}

/// What a call wants that the policy asks about (`ask` in `data/seccomp.policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To set or remove a record lock (fcntl(2), F_SETLK and F_SETLKW).
    Lock,
    /// To make a socket: socket(2), socketpair(2), connect(2).
    Socket,
}

// fcntl(2): the same on every machine with 64-bit pointers.
const F_SETLK: u32 = 6;
const F_SETLKW: u32 = 7;
// socket(2): the same on x86_64 and aarch64.
const AF_UNIX: u32 = 1;
const SOCK_STREAM: u32 = 1;
const SOCK_SEQPACKET: u32 = 5;
/// The kind of socket without its flags, linux/net.h.
const SOCK_TYPE_MASK: u32 = 0xF;

impl Notification {
    /// The call's name; a number that has none is shown as such.
    #[must_use]
    pub fn name(&self) -> String {
        syscall_name(Arch::native(), self.number)
            .map_or_else(|| format!("system call {}", self.number), str::to_owned)
    }

    /// What the call wants, where the policy asks about it; a test holds this to what the policy says. `None`: it is
    /// refused.
    #[must_use]
    pub fn asks(&self) -> Option<Asked> {
        let [first, second, third] = self.args.map(low_half);
        let kind = second & SOCK_TYPE_MASK;
        match syscall_name(Arch::native(), self.number)? {
            "fcntl" => matches!(second, F_SETLK | F_SETLKW).then_some(Asked::Lock),
            "socket" => (first == AF_UNIX && kind == SOCK_STREAM && third == 0).then_some(Asked::Socket),
            "socketpair" => {
                (first == AF_UNIX && matches!(kind, SOCK_STREAM | SOCK_SEQPACKET)).then_some(Asked::Socket)
            }
            "connect" => Some(Asked::Socket),
            _ => None,
        }
    }

    /// The process that the call would kill, as kill(2) names it, where the call is one that the policy lets run after
    /// it was told: all of those send SIGKILL.
    #[must_use]
    pub fn kills(&self) -> Option<i32> {
        const TOLD: [&str; 3] = ["kill", "tkill", "tgkill"];
        // Whom a descriptor means is not seen: as if all were meant.
        if syscall_name(Arch::native(), self.number) == Some("pidfd_send_signal") {
            return Some(0);
        }
        let is_told = syscall_name(Arch::native(), self.number).is_some_and(|name| TOLD.contains(&name));
        // The kernel takes the low half for a pid_t.
        is_told.then_some(low_half(self.args[0]).cast_signed())
    }
}

/// The half of a register that the kernel looks at where a call takes an int.
fn low_half(register: u64) -> u32 {
    let [a, b, c, d, ..] = register.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
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

    /// Has the kernel run whoever is woken by a call or its answer at once and on the same processor (Linux 6.6): a call
    /// that is asked about then takes a few microseconds. An older kernel does without.
    fn answer_on_the_same_processor(&self) {
        const SYNC_WAKE_UP: libc::c_ulong = 1;
        // SAFETY: the request takes its flags as a number and touches no memory.
        unsafe { libc::ioctl(self.descriptor.as_raw_fd(), SECCOMP_IOCTL_NOTIF_SET_FLAGS as _, SYNC_WAKE_UP) };
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
        let [first, second, third, ..] = notification.data.args;
        let args = [first, second, third];
        Some(Notification { id: notification.id, number: number.unwrap_or(u32::MAX), args })
    }

    /// Answers a refused call with EPERM. A process that died meanwhile needs no answer.
    pub fn refuse(&self, notification: Notification) {
        self.answer(notification, -libc::EPERM, 0);
    }

    /// Answers a call that asks for a lock with ENOLCK: there are too many.
    pub fn refuse_lock(&self, notification: Notification) {
        self.answer(notification, -libc::ENOLCK, 0);
    }

    /// Lets a call run that was told or asked about (Linux 5.5; an older kernel refuses it). What was judged of it is in
    /// registers, which nobody can change meanwhile. False where it does not run: mostly its process is gone.
    pub fn let_run(&self, notification: Notification) -> bool {
        const CONTINUE: u32 = 1;
        let runs = self.answer(notification, 0, CONTINUE);
        if !runs {
            self.refuse(notification);
        }
        runs
    }

    /// False where the kernel does not take the answer.
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

/// Whether the kernel can hand refused calls to us (seccomp(2), SECCOMP_GET_ACTION_AVAIL; Linux 5.0).
#[must_use]
pub fn probe_user_notification() -> bool {
    let action: u32 = libc::SECCOMP_RET_USER_NOTIF;
    // SAFETY: the call reads one u32, which lives through it, and changes nothing.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    result == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::{Action, Policy, SeccompData, syscall_number};
    use proptest::prelude::*;

    fn any_args() -> impl Strategy<Value = [u64; 6]> {
        let half = prop_oneof![0u32..12, (0u32..12).prop_map(|kind| kind | 0x8_0000), any::<u32>()];
        let arg = (half, prop_oneof![Just(0u32), any::<u32>()]);
        prop::array::uniform6(arg.prop_map(|(low, high)| u64::from(high) << 32 | u64::from(low)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// What the agent lets run is what the policy asks about, and nothing that it refuses.
        #[test]
        fn asked_is_what_the_policy_asks_about(
            name in prop::sample::select(vec!["fcntl", "socket", "socketpair", "connect", "bind", "mount", "ioctl"]),
            args in any_args(),
        ) {
            thread_local!(static POLICY: Policy = Policy::builtin());
            let number = syscall_number(Arch::native(), name).unwrap();
            let data = SeccompData::new(Arch::native(), number, &args);
            let action = POLICY.with(|policy| policy.decide(Arch::native(), &data));
            let asks = Notification { id: 0, number, args: [args[0], args[1], args[2]] }.asks();
            prop_assert_eq!(matches!(action, Action::Ask(_)), asks.is_some(), "{}({:x?}): {:?}", name, args, action);
        }
    }
}
