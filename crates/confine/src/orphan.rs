//! Forks a process that is nobody's child: the first process of its pid namespace takes it over.
//!
//! A template forks interpreters into cells, but each must be a child of its cell's agent: only a parent learns how
//! a process ended and what it used (wait4(2)). So the fork goes by way of a go-between, made with
//! `CLONE_VM | CLONE_VFORK` for the price of a thread. It forks, which copies the memory once, and ends. The kernel
//! then gives its child to the first process of the go-between's pid namespace (`find_new_reaper`,
//! kernel/exit.c), and that is the cell's.

#![allow(unsafe_code, reason = "clone(2) on the caller's own stack has no safe wrapper")]

use core::arch::asm;
use core::ffi::{c_int, c_void};
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

/// Forks. New processes go to the pid namespace that was chosen for children (setns(2)).
///
/// # Errors
/// clone(2) or fork(2): ENOMEM where the namespace's first process is dead, EAGAIN at a limit of processes.
///
/// The caller must be the only thread of its process, and is stopped until the fork is done.
pub(crate) fn fork_orphan() -> Result<Side, Errno> {
    // What the go-between leaves in the memory that it shares: 0, or the errno of its fork.
    let mut fork_errno: c_int = 0;
    // SAFETY: `go_between` fits its declared type and gets a pointer to `fork_errno`, which outlives the call:
    // this thread sleeps until the go-between is gone.
    let result = unsafe { vfork_and_call(go_between, (&raw mut fork_errno).cast()) };
    match i32::try_from(result) {
        Ok(0) => Ok(Side::Orphan),
        Ok(errno) if errno < 0 => Err(Errno::from_raw_os_error(-errno)),
        Ok(pid) => {
            // It is dead already; this takes its remains. Nothing but a wrong pid could fail here.
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

/// The go-between shares our memory, and we sleep until it ends.
const FLAGS: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;

/// The go-between's whole life. Returns in its child alone.
extern "C" fn go_between(fork_errno: *mut c_void) {
    // SAFETY: the C library's fork takes care of its own locks and of the thread's id in the child. The process
    // that shares this memory sleeps.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        return;
    }
    if pid < 0 {
        let errno = crate::child::last_errno().raw_os_error();
        // SAFETY: `fork_orphan` passes a pointer to its local, which is alive while it sleeps.
        unsafe { core::ptr::write_volatile(fork_errno.cast::<c_int>(), errno) };
    }
    crate::child::exit_now(0)
}

/// Makes a process that shares this memory and runs `function(argument)` below this stack frame, while this one
/// sleeps. Returns its pid or a negative errno here; 0 in every process in which `function` returns.
///
/// # Safety
/// `function` must leave the process that shares this memory by `_exit`, never by returning. It may return in a
/// process that it forked, which has memory and stack of its own.
#[cfg(target_arch = "x86_64")]
unsafe fn vfork_and_call(function: extern "C" fn(*mut c_void), argument: *mut c_void) -> i64 {
    let mut result: i64 = libc::SYS_clone;
    // SAFETY: clone(2) with a null stack goes on with this one. The child uses only what lies below the red zone,
    // where nothing of the sleeping parent is, and restores the stack pointer before it falls through, in a
    // process of its own. So to the compiler this block is one call that clobbers what a C function may.
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
            in("rdi") i64::from(FLAGS),
            in("rsi") 0usize,
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
unsafe fn vfork_and_call(function: extern "C" fn(*mut c_void), argument: *mut c_void) -> i64 {
    let mut result = i64::from(FLAGS);
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
            in("x1") 0usize,
            in("x2") 0usize,
            in("x3") 0usize,
            in("x4") 0usize,
            in("x8") libc::SYS_clone,
            in("x20") function,
            in("x21") argument,
            out("x22") _,
            clobber_abi("C"),
        );
    }
    result
}
