//! Forks a process that becomes a child of the first process of its pid namespace.
//!
//! A template forks interpreters into sandboxes, but each must be a child of its sandbox's agent: only a
//! parent learns how a process ended and what it used (wait4(2)). So the fork goes through an intermediate
//! process, created with `CLONE_VM | CLONE_VFORK` at the cost of a thread. That process forks, which copies
//! the memory once, and ends. The kernel then reparents its child to the first process of the intermediate's
//! pid namespace (`find_new_reaper`, kernel/exit.c), which is the sandbox's agent.

#![allow(unsafe_code, reason = "clone(2) on the caller's own stack has no safe wrapper")]

use crate::clone_args::CloneArgs;
use core::arch::asm;
use core::ffi::{c_int, c_void};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};

/// On which side of the fork we are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// In the new process.
    Orphan,
    /// In the old one.
    Template,
}

/// Forks. New processes go to the pid namespace chosen for children (setns(2)). With a v2 cgroup the new
/// process is created in it, and the second value is true, if the kernel allows it: moving it there later
/// would wait for an RCU grace period.
///
/// # Errors
/// From clone(2) or fork(2): ENOMEM if the namespace's first process is dead, EAGAIN at a process limit.
///
/// The caller must be the only thread of its process, and is stopped until the fork is done.
pub(crate) fn fork_orphan(group: Option<BorrowedFd<'_>>) -> Result<(Side, bool), Errno> {
    if let Some(group) = group {
        let args = CloneArgs::into_group(FLAGS, 0, group)?;
        let how = How {
            number: libc::SYS_clone3,
            first: (&raw const args).expose_provenance(),
            second: size_of::<CloneArgs>(),
        };
        // On an error no process was created: continue as without a cgroup.
        if let Ok(side) = fork_by(&how) {
            return Ok((side, true));
        }
    }
    // A null stack means to continue on this one (clone(2)).
    let how = How { number: libc::SYS_clone, first: CLONE_FLAGS, second: 0 };
    fork_by(&how).map(|side| (side, false))
}

/// A system call that creates the intermediate process, with the two arguments that matter.
struct How {
    number: i64,
    first: usize,
    second: usize,
}

fn fork_by(how: &How) -> Result<Side, Errno> {
    // Written by the intermediate process through shared memory: 0, or the errno of its fork.
    let mut fork_errno: c_int = 0;
    // SAFETY: `go_between` fits its declared type and gets a pointer to `fork_errno`, which outlives the
    // call: this thread sleeps until the go-between is gone.
    let result = unsafe { vfork_and_call(how, go_between, (&raw mut fork_errno).cast()) };
    match i32::try_from(result) {
        Ok(0) => Ok(Side::Orphan),
        Ok(errno) if errno < 0 => Err(Errno::from_raw_os_error(-errno)),
        Ok(pid) => {
            // It is dead already; this reaps it. Only a wrong pid could make it fail.
            let _ = rustix::process::waitpid(Pid::from_raw(pid), WaitOptions::empty());
            // SAFETY: a live local. Read as volatile: the go-between wrote to it behind the compiler.
            match unsafe { core::ptr::read_volatile(&raw const fork_errno) } {
                0 => Ok(Side::Template),
                errno => Err(Errno::from_raw_os_error(errno)),
            }
        }
        Err(_) => Err(Errno::INVAL),
    }
}

/// The intermediate process shares our memory, and we sleep until it ends: CLONE_VM and CLONE_VFORK of
/// linux/sched.h.
const FLAGS: u64 = 0x100 | 0x4000;
/// The same for clone(2), which also takes the signal of the child's end, SIGCHLD.
const CLONE_FLAGS: usize = 0x100 | 0x4000 | 17;

/// Everything the intermediate process does. Returns only in its child.
extern "C" fn go_between(fork_errno: *mut c_void) {
    // SAFETY: the C library's fork takes care of its own locks and of the thread's id in the child. The
    // process that shares this memory sleeps.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        return;
    }
    if pid < 0 {
        let errno = crate::errno::last_errno().raw_os_error();
        // SAFETY: `fork_orphan` passes a pointer to its local, which is alive while it sleeps.
        unsafe { core::ptr::write_volatile(fork_errno.cast::<c_int>(), errno) };
    }
    crate::child::exit_now(0)
}

/// Creates a process that shares this memory and runs `function(argument)` below this stack frame, while this
/// one sleeps. Returns its pid or a negative errno here; 0 in every process in which `function` returns.
///
/// # Safety
/// `function` must leave the process that shares this memory by `_exit`, never by returning. It may return in
/// a process that it forked, which has memory and stack of its own.
#[cfg(target_arch = "x86_64")]
unsafe fn vfork_and_call(how: &How, function: extern "C" fn(*mut c_void), argument: *mut c_void) -> i64 {
    let mut result: i64 = how.number;
    // SAFETY: `How` is clone(2) with a null stack or clone3(2) without one: both go on with this one. The
    // child uses only what lies below the red zone, where nothing of the sleeping parent is, and restores the
    // stack pointer before it falls through, in a process of its own. So to the compiler this block is one
    // call that clobbers what a C function may.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov r14, rsp",
            "sub rsp, 256",
            "and rsp, -16",
            "mov rdi, r13",
            "call r12",
            "mov rsp, r14",
            "xor eax, eax",
            "2:",
            inout("rax") result,
            in("rdi") how.first,
            in("rsi") how.second,
            in("rdx") 0usize,
            in("r10") 0usize,
            in("r8") 0usize,
            in("r12") function,
            in("r13") argument,
            out("r14") _,
            clobber_abi("C"),
        );
    }
    result
}

/// As above.
#[cfg(target_arch = "aarch64")]
unsafe fn vfork_and_call(how: &How, function: extern "C" fn(*mut c_void), argument: *mut c_void) -> i64 {
    let mut result = how.first;
    // SAFETY: as above; this machine has no red zone.
    unsafe {
        asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x22, sp",
            "sub sp, sp, #256",
            "mov x0, x21",
            "blr x20",
            "mov sp, x22",
            "mov x0, #0",
            "2:",
            inout("x0") result,
            in("x1") how.second,
            in("x2") 0usize,
            in("x3") 0usize,
            in("x4") 0usize,
            in("x8") how.number,
            in("x20") function,
            in("x21") argument,
            out("x22") _,
            clobber_abi("C"),
        );
    }
    i64::try_from(result.cast_signed()).unwrap_or(-1)
}
