//! The arguments of clone3(2), for a child created in a cgroup.

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

/// `struct clone_args` of linux/sched.h, with the length of Linux 5.7.
#[repr(C)]
pub(crate) struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// SIGCHLD, asm-generic/signal.h: the same on every supported architecture.
const EXIT_SIGNAL: u64 = 17;

impl CloneArgs {
    /// For a child in the cgroup `group`. `pidfd` is the address of an int for the child's pidfd, if `flags`
    /// request one.
    pub(crate) fn into_group(flags: u64, pidfd: u64, group: BorrowedFd<'_>) -> Result<Self, Errno> {
        Ok(Self {
            flags: flags | CLONE_INTO_CGROUP,
            pidfd,
            child_tid: 0,
            parent_tid: 0,
            exit_signal: EXIT_SIGNAL,
            stack: 0,
            stack_size: 0,
            tls: 0,
            set_tid: 0,
            set_tid_size: 0,
            cgroup: u64::try_from(group.as_raw_fd()).map_err(|_| Errno::BADF)?,
        })
    }
}
