//! Empty network namespaces, to be entered again.

#![allow(unsafe_code, reason = "ioctl(2) with SIOCGSKNS has no safe wrapper")]

use crate::Refused;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// include/uapi/linux/sockios.h, since Linux 4.9; the C library's headers lack it.
const SIOCGSKNS: libc::Ioctl = 0x894C;

/// Moves this process into a new network namespace, with no interface but a loopback that is down, and gives a
/// descriptor of it. Needs no `/proc`.
///
/// # Errors
/// unshare(2); EPERM without CAP_NET_ADMIN, which the descriptor wants. This process may have moved then.
pub fn new_network() -> Result<OwnedFd, Refused> {
    let step = "make a network namespace";
    crate::user_map::unshare(UnshareFlags::NEWNET).map_err(Refused::at(step))?;
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

/// Moves this process into a network namespace that [`new_network`] made.
///
/// # Errors
/// setns(2).
pub fn enter_network(network: BorrowedFd<'_>) -> Result<(), Refused> {
    move_into_link_name_space(network, Some(LinkNameSpaceType::Network))
        .map_err(Refused::at("enter a network namespace"))
}
