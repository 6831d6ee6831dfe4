//! The sandboxes' network namespaces: one per running sandbox, and those of dead sandboxes for reuse.
//!
//! The kernel needs half a millisecond to create an empty one, and as long to destroy it. A sandbox leaves
//! nothing behind in its own: its privileges over it are dropped before any program arrives, and it can
//! create only local sockets. A namespace that still holds a socket after the last process of its sandbox has
//! died is not reused: a program can leave one, with an abstract name, to the kernel's garbage collector. Two
//! running sandboxes never share one.

use confine::{LocalSockets, enter_network, new_network};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Most unused namespaces kept.
const SPARE_MAX: usize = 32;

/// The network namespaces of one launcher.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    spare: Vec<OwnedFd>,
    used: Vec<Used>,
    /// To check that a namespace is empty.
    sockets: Option<LocalSockets>,
    /// The kernel, or a lack of privileges, allows no descriptor of a namespace or no view of its sockets:
    /// each sandbox creates its own.
    refused: bool,
}

#[derive(Debug)]
struct Used {
    /// The sandbox's first process, which is dead only when the whole sandbox is (pid_namespaces(7)).
    process: OwnedFd,
    network: OwnedFd,
}

impl Networks {
    pub(crate) fn new() -> Self {
        let sockets = LocalSockets::view();
        Self { refused: sockets.is_none(), sockets, ..Self::default() }
    }

    /// Moves this process into an unused namespace, which the next sandbox inherits. `None` when the sandbox
    /// must create its own.
    pub(crate) fn enter_unused(&mut self) -> Option<OwnedFd> {
        if self.refused {
            return None;
        }
        if self.spare.is_empty() {
            self.take_back();
        }
        while let Some(network) = self.spare.pop() {
            let is_empty = || self.sockets.as_ref().is_some_and(LocalSockets::are_none);
            if enter_network(network.as_fd()).is_ok() && is_empty() {
                return Some(network);
            }
        }
        let network = new_network();
        let never = [Errno::PERM, Errno::NOTTY, Errno::INVAL, Errno::NOSYS].map(Errno::raw_os_error);
        self.refused = network
            .as_ref()
            .is_err_and(|refused| refused.source.raw_os_error().is_some_and(|errno| never.contains(&errno)));
        network.ok()
    }

    /// Records that a sandbox uses the namespace. Without a descriptor of the sandbox's process its end would
    /// go unnoticed, so the namespace is not reused.
    pub(crate) fn lend(&mut self, network: Option<OwnedFd>, process: BorrowedFd<'_>) {
        if let (Some(network), Ok(process)) = (network, process.try_clone_to_owned()) {
            self.used.push(Used { process, network });
        }
    }

    /// Reclaims the namespaces of dead sandboxes.
    fn take_back(&mut self) {
        let mut polled: Vec<_> =
            self.used.iter().map(|used| PollFd::new(&used.process, PollFlags::IN)).collect();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut polled, Some(&now)).is_err() {
            return;
        }
        let dead: Vec<bool> = polled.iter().map(|fd| fd.revents().contains(PollFlags::IN)).collect();
        let mut dead = dead.into_iter();
        let free = self.used.extract_if(.., |_| dead.next().unwrap_or(false)).map(|used| used.network);
        self.spare.extend(free);
        self.spare.truncate(SPARE_MAX);
    }
}
