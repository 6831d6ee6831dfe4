//! The launcher's parent, which stays outside the pid namespace whose first process is the launcher.
//!
//! A new pid namespace contains a process's children, never the process itself (pid_namespaces(7)), so the
//! process that creates one stays outside. It has no privileges, no files and a single task: to end the
//! launcher, and with it every process of its namespace, when the service ends, even if the launcher is
//! stopped or stuck.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use seccomp::Insn;
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Time for the launcher to end after the service has.
const END_TIME: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Waits for the launcher or the service to end, then ends the launcher and this process.
///
/// # Errors
/// A privilege that could not be dropped. The launcher dies with this process.
pub(crate) fn watch(control: &OwnedFd, launcher: &OwnedFd, filter: &[Insn]) -> io::Result<Infallible> {
    // Distinct from the launcher's name, and short enough not to be truncated by the kernel.
    let _ = rustix::thread::set_name(c"sandbox-monitor");
    let null = confine::null_device()?;
    for number in 0..=2 {
        confine::replace_stream(number, null.as_fd())?;
    }
    drop(null);
    rustix::process::chdir("/")?;
    // The launcher has the same user, or is in a child user namespace: killing it needs no capability.
    confine::keep_only(rustix::thread::CapabilitySet::empty())?;
    confine::refuse_new_privileges()?;
    confine::hide_from_others()?;
    confine::filter_this_process(filter)?;
    loop {
        let mut ends = [PollFd::new(control, PollFlags::empty()), PollFd::new(launcher, PollFlags::IN)];
        match poll(&mut ends, None) {
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
            Ok(_) => {}
        }
        if ends[1].revents().is_empty() {
            let mut ending = [PollFd::new(launcher, PollFlags::IN)];
            let _ = poll(&mut ending, Some(&END_TIME));
            let _ = pidfd_send_signal(launcher, Signal::KILL);
        }
        confine::exit_now(0);
    }
}
