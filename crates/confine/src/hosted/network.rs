//! Empty network namespaces that can be entered again, and how to check that one is empty.

#![allow(unsafe_code, reason = "ioctl(2) with SIOCGSKNS has no safe wrapper")]

use super::mounts::unattached_proc;
use super::refused::Refused;
use super::user_map;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// include/uapi/linux/sockios.h, since Linux 4.9; the C library's headers lack it.
const SIOCGSKNS: libc::Ioctl = 0x894C;

/// Moves this process into a new network namespace, whose only interface is a loopback that is down, and
/// returns a descriptor of it. Needs no `/proc`.
///
/// # Errors
/// From unshare(2); EPERM without CAP_NET_ADMIN, which the descriptor needs. This process may have moved
/// then.
pub fn new_network() -> Result<OwnedFd, Refused> {
    let step = "make a network namespace";
    user_map::unshare(UnshareFlags::NEWNET).map_err(Refused::at(step))?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(Refused::at(step))?;
    // SAFETY: this request takes no argument, so the kernel reads and writes no memory of ours.
    let descriptor = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSKNS) };
    if descriptor < 0 {
        return Err(Refused { step, source: io::Error::last_os_error() });
    }
    // SAFETY: the kernel has just opened it for us, close-on-exec, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Moves this process into a network namespace created by [`new_network`].
///
/// # Errors
/// setns(2).
pub fn enter_network(network: BorrowedFd<'_>) -> Result<(), Refused> {
    move_into_link_name_space(network, Some(LinkNameSpaceType::Network))
        .map_err(Refused::at("enter a network namespace"))
}

/// A view of the local sockets of this process's current network namespace (proc_net(5), `unix`).
#[derive(Debug)]
pub struct LocalSockets {
    proc: OwnedFd,
}

impl LocalSockets {
    /// `None` if there is no `/proc` and none can be mounted.
    #[must_use]
    pub fn view() -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let visible = || rustix::fs::open("/proc", flags, Mode::empty());
        // The launcher of a user namespace still has the host's `/proc`, from before its own pid namespace.
        let proc = unattached_proc().or_else(|_| visible()).ok()?;
        rustix::fs::statat(&proc, "thread-self/net/unix", AtFlags::empty()).ok()?;
        Some(Self { proc })
    }

    /// Whether the namespace holds no sockets. This includes sockets without a descriptor: one that was in
    /// transit in a message (`SCM_RIGHTS`) when its last process died exists until the kernel's garbage
    /// collector runs.
    #[must_use]
    pub fn are_none(&self) -> bool {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let Ok(table) = rustix::fs::openat(&self.proc, "thread-self/net/unix", flags, Mode::empty()) else {
            return false;
        };
        // A heading line, then a line per socket.
        let mut buffer = [0; 256];
        let Ok(length) = rustix::io::read(&table, &mut buffer) else { return false };
        let Some((&last, rest)) = buffer.get(..length).and_then(<[u8]>::split_last) else { return false };
        last == b'\n' && !rest.contains(&b'\n')
    }
}
