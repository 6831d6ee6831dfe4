//! The launcher's parent: stays outside of the pid namespace whose first process the launcher is.
//!
//! A pid namespace holds what a process forks, never the process itself (pid_namespaces(7)), so whoever makes one stays
//! behind. What stays has no right, no file and no work but to see to it that the launcher, and with it every process of
//! its namespace, ends when the service does, even if the launcher is stopped or stuck.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use seccomp::Insn;
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Time that the launcher has for its end after the service's.
const END_TIME: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Waits for the end of the launcher or of the service, then ends the launcher, and this process.
///
/// # Errors
/// A right that could not be given up. The launcher dies with this process.
pub(crate) fn watch(control: &OwnedFd, launcher: &OwnedFd, filter: &[Insn]) -> io::Result<Infallible> {
    // Another name than the launcher's, and short enough for the kernel to keep whole.
    let _ = rustix::thread::set_name(c"sandbox-monitor");
    let null = confine::null_device()?;
    for number in 0..=2 {
        confine::replace_stream(number, null.as_fd())?;
    }
    drop(null);
    rustix::process::chdir("/")?;
    // The launcher has the same user, or is of a user namespace of ours: to kill it takes no right.
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
