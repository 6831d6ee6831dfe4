//! New processes, with or without new namespaces.
//!
//! A child created here runs our own code for a while, so it must not inherit a lock held by another thread:
//! only a process proven to be single-threaded may clone.

#![allow(unsafe_code, reason = "clone(2) and signal dispositions have no safe wrapper")]

use super::refused::Refused;
use crate::clone_args::CloneArgs;
use rustix::process::{Pid, Signal};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

/// The namespaces that a clone does not share with its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespaces {
    /// None: an ordinary fork.
    Shared,
    /// Mount, pid, ipc and uts. The cgroup namespace comes later, when the child is in its cgroup; the user
    /// namespace, if any, belongs to the launcher.
    Sandbox {
        /// Also a network namespace; otherwise the child shares this process's.
        network: bool,
    },
}

impl Namespaces {
    fn flags(self) -> libc::c_int {
        match self {
            Self::Shared => 0,
            Self::Sandbox { network } => {
                let own = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
                if network { own | libc::CLONE_NEWNET } else { own }
            }
        }
    }
}

/// Proof that this process has one thread. It cannot be sent to another thread, and nothing in the agent
/// creates threads.
#[derive(Debug)]
pub struct SingleThreaded(PhantomData<*const ()>);

impl SingleThreaded {
    /// Counts the threads of this process.
    ///
    /// # Errors
    /// When there is more than one, or `/proc` cannot be read.
    pub fn prove() -> Result<Self, Refused> {
        let step = "prove to be single-threaded";
        let threads = std::fs::read_dir("/proc/self/task").map_err(Refused::at(step))?.count();
        if threads != 1 {
            return Err(Refused { step, source: io::Error::other(format!("there are {threads} threads")) });
        }
        Ok(Self(PhantomData))
    }

    /// Creates a child directly in a v2 cgroup (clone3(2), CLONE_INTO_CGROUP, Linux 5.7): moving a process
    /// into a cgroup waits for an RCU grace period, 13 ms on a quiet host. Returns in both processes.
    ///
    /// # Errors
    /// From clone3(2): as [`Self::clone`]; ENOSYS or EPERM where a container's seccomp filter blocks clone3,
    /// EACCES without write permission on the cgroup. No child was created then.
    pub fn clone_into(&self, namespaces: Namespaces, group: BorrowedFd<'_>) -> io::Result<Cloned> {
        let mut pidfd: libc::c_int = -1;
        let flags = u64::try_from(namespaces.flags() | libc::CLONE_PIDFD)
            .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        let args = CloneArgs::into_group(flags, (&raw mut pidfd).expose_provenance() as u64, group)?;
        // SAFETY: as in `clone`: without CLONE_VM the child gets a copy of this memory and goes on with its
        // own copy of this stack (no stack is given), and `self` proves that no other thread exists. The
        // kernel reads `size_of::<CloneArgs>()` bytes at `args` and writes an int to `pidfd`; both live
        // through the call.
        let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
        cloned(pid, pidfd)
    }

    /// Creates a child. Returns in both processes.
    ///
    /// # Errors
    /// From clone(2): EPERM without the privilege to create namespaces, ENOSPC at the limit of nested ones,
    /// EAGAIN at a process limit.
    pub fn clone(&self, namespaces: Namespaces) -> io::Result<Cloned> {
        let mut pidfd: libc::c_int = -1;
        let flags = libc::c_ulong::try_from(namespaces.flags() | libc::CLONE_PIDFD | libc::SIGCHLD)
            .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        // SAFETY: without CLONE_VM the child gets a copy of this memory and goes on with its own copy of this
        // stack (a null stack asks for that, clone(2)). `self` proves that no other thread exists whose lock
        // would stay held in the child. The third argument points to `pidfd`, which lives through the call
        // and is an int as CLONE_PIDFD wants; the others are ignored without their flags.
        let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, &raw mut pidfd, 0usize, 0usize) };
        cloned(pid, pidfd)
    }
}

/// The result of clone(2) or clone3(2) with CLONE_PIDFD.
fn cloned(pid: libc::c_long, pidfd: libc::c_int) -> io::Result<Cloned> {
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: the kernel has just opened this descriptor for us (CLONE_PIDFD) and nobody else
            // knows its number. A kernel that ignores the flag, as gVisor's does, left the -1.
            let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let pid = pid.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
            Ok(Cloned::Parent { pid, pidfd })
        }
    }
}

/// On which side of a clone we are.
#[derive(Debug)]
pub enum Cloned {
    /// In the new process.
    Child,
    /// In the old one.
    Parent {
        /// The child's pid in this process's pid namespace.
        pid: Pid,
        /// The child's pidfd, which no later process can take over; `None` where the kernel has no pidfds
        /// (gVisor).
        pidfd: Option<OwnedFd>,
    },
}

/// Requests SIGKILL when the parent dies. The parent must be single-threaded: the kernel watches the thread
/// that forked.
///
/// # Errors
/// prctl(2); none in practice.
pub fn die_with_parent() -> Result<(), Refused> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(Refused::at("ask to die with the parent"))
}

/// Lets the kernel reap the children of this process (sigaction(2), SA_NOCLDWAIT by SIG_IGN).
pub fn unreaped_children() {
    set_child_signal(libc::SIG_IGN);
}

/// Undoes [`unreaped_children`], in a child that waits for its own children.
pub fn reset_child_signal() {
    set_child_signal(libc::SIG_DFL);
}

fn set_child_signal(disposition: libc::sighandler_t) {
    // SAFETY: SIG_IGN and SIG_DFL install no code of ours, and SIGCHLD may have either.
    unsafe { libc::signal(libc::SIGCHLD, disposition) };
}
