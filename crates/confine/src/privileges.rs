//! Capabilities and ids of a process that becomes a program: every call here is async-signal-safe.

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets, Gid, Uid};

/// The agent's capabilities as first process of a sandbox: to become the program's user, to give it its
/// files, to kill it and to read its output files. Not CAP_DAC_READ_SEARCH: CAP_DAC_OVERRIDE allows reading
/// as well, and with the former open_by_handle_at(2) would open any file of the disk that holds the runtime,
/// whatever is mounted.
pub const AGENT_CAPABILITIES: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::DAC_OVERRIDE);

/// A template's capabilities: to enter a sandbox's namespaces (setns(2)), and to become its user there
/// without any capability.
pub const TEMPLATE_CAPABILITIES: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP);

/// Highest capability tried when the bounding set is emptied: above every kernel's CAP_LAST_CAP, which could
/// only be read from a full `/proc`.
const CAPABILITY_LAST: u32 = 63;

/// Keeps `kept` and no other capability, also across exec of any file (capabilities(7), ambient set);
/// async-signal-safe.
pub(crate) fn keep_over_exec(kept: CapabilitySet) -> rustix::io::Result<()> {
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: kept };
    rustix::thread::set_capabilities(None, sets)?;
    for capability in kept.iter() {
        rustix::thread::configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

/// Removes everything but `kept` from the bounding set and clears the ambient set; async-signal-safe.
pub(crate) fn bound_capabilities(kept: CapabilitySet) -> rustix::io::Result<()> {
    for number in 0..=CAPABILITY_LAST {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(capability) {
            continue;
        }
        match rustix::thread::capability_is_in_bounding_set(capability) {
            // Removing what a container engine has already removed needs no capability.
            Ok(false) => {}
            Ok(true) => rustix::thread::remove_capability_from_bounding_set(capability)?,
            // EINVAL: this kernel knows neither the number nor any higher one.
            Err(Errno::INVAL) if number > 0 => break,
            // Or it cannot be queried, as in gVisor: then the bounding set in `/proc` decides.
            Err(Errno::INVAL) if bounding_set()? & !kept.bits() == 0 => break,
            Err(Errno::INVAL) => rustix::thread::remove_capability_from_bounding_set(capability)?,
            Err(errno) => return Err(errno),
        }
    }
    clear_ambient_set()
}

/// Clears the ambient set; async-signal-safe.
pub(crate) fn clear_ambient_set() -> rustix::io::Result<()> {
    match rustix::thread::clear_ambient_capability_set() {
        // A kernel without the set, such as gVisor's.
        Err(Errno::INVAL) => Ok(()),
        other => other,
    }
}

/// The bounding set as `/proc` shows it; async-signal-safe.
fn bounding_set() -> rustix::io::Result<u64> {
    const NAME: &[u8] = b"CapBnd:\t";
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(c"/proc/self/status", flags, Mode::empty())?;
    let mut text = [0u8; 4096];
    let length = rustix::io::read(&file, &mut text)?;
    let mut lines = text[..length].split(|byte| *byte == b'\n');
    let number = lines.find_map(|line| line.strip_prefix(NAME)).ok_or(Errno::NOTSUP)?;
    let digits = core::str::from_utf8(number).map_err(|_| Errno::NOTSUP)?;
    u64::from_str_radix(digits.trim(), 16).map_err(|_| Errno::NOTSUP)
}

/// Becomes `uid` and `gid` with no other group; async-signal-safe.
pub(crate) fn become_user(uid: u32, gid: u32) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

/// Makes the loss of capabilities permanent across exec and changes of ids (capabilities(7), securebits);
/// async-signal-safe.
pub(crate) fn lock_capabilities() -> rustix::io::Result<()> {
    rustix::thread::set_capabilities_secure_bits(
        CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounding_set_in_proc_is_the_kernels() {
        let shown = bounding_set().unwrap();
        for number in 0..=40 {
            let capability = CapabilitySet::from_bits_retain(1 << number);
            let held = rustix::thread::capability_is_in_bounding_set(capability).unwrap();
            assert_eq!(shown & capability.bits() != 0, held, "capability {number}");
        }
    }
}
