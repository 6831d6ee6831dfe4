//! The cells' network namespaces: one for each living cell, and those of dead ones for the next.
//!
//! The kernel needs half a millisecond to make an empty one, and as much to take it down. A cell leaves no trace in
//! its own: its rights over it are gone before any program comes, sockets that could have a name or an address are
//! refused, and the last process is dead before another cell gets it. No two living cells ever share one.

use confine::{enter_network, new_network};
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
    /// This kernel, or our rights, give no descriptor of one: each cell makes its own.
    refused: bool,
}

#[derive(Debug)]
struct Used {
    /// The cell's first process. It is dead only when all of its cell is (pid_namespaces(7)).
    process: OwnedFd,
    network: OwnedFd,
}

impl Networks {
    /// Moves this process into a namespace that nothing uses, which the next cell then inherits. `None` when the cell
    /// has to make its own.
    pub(crate) fn enter_unused(&mut self) -> Option<OwnedFd> {
        if self.refused {
            return None;
        }
        if self.spare.is_empty() {
            self.take_back();
        }
        let network = match self.spare.pop() {
            Some(network) => enter_network(network.as_fd()).map(|()| network),
            None => new_network(),
        };
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
