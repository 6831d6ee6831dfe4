//! The cells' network namespaces: one for each living cell, and those of dead ones for the next.
//!
//! The kernel needs half a millisecond to make an empty one, and as much to take it down. A cell leaves no trace in
//! its own: its rights over it are gone before any program comes, the only sockets that it can make are local ones, and
//! one that holds a socket still, though the last process of its cell is dead, is not used again: a program can leave
//! one, with an abstract name, to the kernel's garbage collector. No two living cells ever share one.

use confine::{LocalSockets, enter_network, new_network};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Unused ones that are kept.
const SPARE_MAX: usize = 32;

/// All of one launcher.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    spare: Vec<OwnedFd>,
    used: Vec<Used>,
    /// To see that one is empty.
    sockets: Option<LocalSockets>,
    /// This kernel, or our rights, give no descriptor of one, or no sight of its sockets: each cell makes its own.
    refused: bool,
}

#[derive(Debug)]
struct Used {
    /// The cell's first process. It is dead only when all of its cell is (pid_namespaces(7)).
    process: OwnedFd,
    network: OwnedFd,
}

impl Networks {
    pub(crate) fn new() -> Self {
        let sockets = LocalSockets::view();
        Self { refused: sockets.is_none(), sockets, ..Self::default() }
    }

    /// Moves this process into a namespace that nothing uses, which the next cell then inherits. `None` when the cell
    /// has to make its own.
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

    /// Notes that a cell has it. Without a descriptor of the cell's process nobody would know when that ends, and the
    /// namespace is not used again.
    pub(crate) fn lend(&mut self, network: Option<OwnedFd>, process: BorrowedFd<'_>) {
        if let (Some(network), Ok(process)) = (network, process.try_clone_to_owned()) {
            self.used.push(Used { process, network });
        }
    }

    /// Takes those of dead cells back.
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
