//! Capabilities, ids and other privileges of our own processes.

use super::clone::die_with_parent;
use super::refused::Refused;
use super::user_namespace::is_host_root;
use crate::child::exit_now;
use crate::privileges::{AGENT_CAPABILITIES, TEMPLATE_CAPABILITIES, bound_capabilities, clear_ambient_set};
use rustix::process::DumpableBehavior;
use rustix::thread::{CapabilitySet, CapabilitySets};

/// The launcher's capabilities once its root is complete. Except for the network's, none is for the launcher
/// alone.
pub const LAUNCHER_CAPABILITIES: CapabilitySet = TEMPLATE_CAPABILITIES
    .union(AGENT_CAPABILITIES)
    // To hold a network namespace by a descriptor (SIOCGSKNS, `network`).
    .union(CapabilitySet::NET_ADMIN)
    // So that what it starts can irrevocably remove the protection from the out-of-memory killer (`oom`).
    .union(CapabilitySet::SYS_RESOURCE);

/// The capabilities that the service uses itself.
pub const SERVICE_CAPABILITIES: CapabilitySet = CapabilitySet::empty()
    // As root, access to files and sockets of others: a user's data directory or store, a rootless engine's
    // socket.
    .union(CapabilitySet::DAC_OVERRIDE)
    // A PORT below 1024.
    .union(CapabilitySet::NET_BIND_SERVICE);

/// The capabilities that a service as the host's root keeps for the native executor.
pub const ROOT_SERVICE_CAPABILITIES: CapabilitySet = SERVICE_CAPABILITIES
    // The service itself uses KILL, to end what a killed predecessor left, and SYS_ADMIN if a container's
    // cgroups are mounted read-only (NATIVE_CGROUP_REMOUNT).
    .union(LAUNCHER_CAPABILITIES)
    // For the launcher, until its /dev is complete (`stage`).
    .union(CapabilitySet::MKNOD);

/// The capabilities that a service as root of another user namespace keeps for the native executor: the
/// launcher has every capability in a user namespace of its own.
pub const NESTED_SERVICE_CAPABILITIES: CapabilitySet = SERVICE_CAPABILITIES
    // For the cgroups of a container, as above.
    .union(CapabilitySet::SYS_ADMIN)
    // To map its uid 0 into that namespace (user_namespaces(7), since Linux 5.12).
    .union(CapabilitySet::SETFCAP);

/// Keeps only `kept` in every capability set of this process. Removing from the bounding set needs
/// CAP_SETPCAP, so call this while it is held.
///
/// # Errors
/// capset(2), prctl(2).
pub fn keep_only(kept: CapabilitySet) -> Result<(), Refused> {
    bound_capabilities(kept).map_err(Refused::at("bound the capabilities"))?;
    let effective = held()?.intersection(kept);
    set_capabilities(effective).map_err(Refused::at("drop capabilities"))
}

/// Irrevocably drops, in this single-threaded process and everything it starts, the privileges that neither
/// the service nor what it starts uses. `makes_sandboxes` if the native executor is in use. No exec regains
/// any of them, not even of a file with a set-user-id bit or capabilities.
///
/// Each step is tried even if an earlier one failed; returns the steps that the kernel refused: capset(2),
/// prctl(2).
#[must_use]
pub fn keep_service_capabilities(makes_sandboxes: bool) -> Vec<Refused> {
    let used = if !makes_sandboxes {
        SERVICE_CAPABILITIES
    } else if is_host_root() {
        ROOT_SERVICE_CAPABILITIES
    } else if rustix::process::geteuid().is_root() {
        NESTED_SERVICE_CAPABILITIES
    } else {
        // Whatever it was given: the launcher of an unprivileged service works in a user namespace.
        SERVICE_CAPABILITIES
    };
    // Without CAP_SETPCAP the bounding set remains, but has no effect: with no_new_privs an exec adds no
    // capability.
    let bound = || {
        if !held()?.contains(CapabilitySet::SETPCAP) {
            return Ok(());
        }
        bound_capabilities(used).map_err(Refused::at("bound the capabilities"))
    };
    let drop_rest = || set_capabilities(held()?.intersection(used)).map_err(Refused::at("drop capabilities"));
    [
        refuse_new_privileges(),
        bound(),
        clear_ambient_set().map_err(Refused::at("clear the ambient capabilities")),
        drop_rest(),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect()
}

/// Irrevocably drops CAP_SYS_ADMIN and keeps the agent's capabilities, as far as they are held. Like
/// [`keep_only`], but without `/proc`, which may be covered by then.
///
/// # Errors
/// capset(2), prctl(2).
pub fn keep_agent_capabilities() -> Result<(), Refused> {
    rustix::thread::remove_capability_from_bounding_set(CapabilitySet::SYS_ADMIN)
        .map_err(Refused::at("bound the capabilities"))?;
    set_capabilities(held()?.intersection(AGENT_CAPABILITIES)).map_err(Refused::at("drop capabilities"))
}

fn held() -> Result<CapabilitySet, Refused> {
    let sets = rustix::thread::capabilities(None).map_err(Refused::at("read the capabilities"))?;
    Ok(sets.permitted)
}

/// Sets the permitted and effective sets and clears the inheritable set; async-signal-safe.
pub(crate) fn set_capabilities(kept: CapabilitySet) -> rustix::io::Result<()> {
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )
}

/// Calls `look` with the file permissions of `user` (setfsuid(2)): what the kernel shows of processes only to
/// their own user can then be read without CAP_SYS_PTRACE. `None` if the kernel does not accept the user's
/// ids. Without a user it is called with our own.
pub fn with_file_access_of<T>(user: Option<u32>, look: impl FnOnce() -> T) -> Option<T> {
    let Some(user) = user else { return Some(look()) };
    let (own_uid, own_gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let taken = set_file_ids(user, user);
    let result = taken.then(look);
    // Changing these ids also resets the dumpable flag (credentials(7), commit_creds() of kernel/cred.c).
    let is_restored =
        set_file_ids(own_uid, own_gid) && hide_from_others().is_ok() && die_with_parent().is_ok();
    if !is_restored {
        // A process in this state breaks every assumption made here.
        exit_now(70);
    }
    result
}

/// Whether both ids are in effect afterwards. These calls report no failure; called with the invalid id -1
/// they return the id in effect (setfsuid(2)).
fn set_file_ids(uid: u32, gid: u32) -> bool {
    const ASK: u32 = u32::MAX;
    set_file_gid(gid);
    set_file_uid(uid);
    (u32::try_from(set_file_uid(ASK)), u32::try_from(set_file_gid(ASK))) == (Ok(uid), Ok(gid))
}

/// Returns the previous id.
#[allow(unsafe_code, reason = "setfsuid(2) has no safe wrapper")]
fn set_file_uid(uid: u32) -> i32 {
    // SAFETY: the call takes a number and touches no memory. It acts on this thread alone, and the agent has
    // no other.
    unsafe { libc::setfsuid(uid) }
}

/// Like [`set_file_uid`], for the group.
#[allow(unsafe_code, reason = "setfsgid(2) has no safe wrapper")]
fn set_file_gid(gid: u32) -> i32 {
    // SAFETY: as above.
    unsafe { libc::setfsgid(gid) }
}

/// No exec gives this process, or what it starts, more privileges than it has (prctl(2),
/// PR_SET_NO_NEW_PRIVS).
///
/// # Errors
/// prctl(2); none in practice.
pub fn refuse_new_privileges() -> Result<(), Refused> {
    rustix::thread::set_no_new_privs(true).map_err(Refused::at("refuse new privileges"))
}

/// Makes this process's memory and descriptors unreadable to others of the same uid (PR_SET_DUMPABLE,
/// prctl(2)).
///
/// # Errors
/// prctl(2); none in practice.
pub fn hide_from_others() -> Result<(), Refused> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(Refused::at("become undumpable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel, the clock, raw packets, CAP_PERFMON and CAP_BPF.
    fn of_the_whole_machine() -> CapabilitySet {
        CapabilitySet::SYS_MODULE
            | CapabilitySet::SYS_BOOT
            | CapabilitySet::SYS_TIME
            | CapabilitySet::SYSLOG
            | CapabilitySet::NET_RAW
            | CapabilitySet::from_bits_retain(1 << 38 | 1 << 39)
    }

    #[test]
    fn the_service_keeps_nothing_that_it_and_its_launcher_do_not_use() {
        let reaching = CapabilitySet::DAC_READ_SEARCH
            | CapabilitySet::SYS_PTRACE
            | CapabilitySet::SYS_RAWIO
            | of_the_whole_machine();
        for kept in [SERVICE_CAPABILITIES, ROOT_SERVICE_CAPABILITIES, NESTED_SERVICE_CAPABILITIES] {
            assert!(kept.intersection(reaching).is_empty(), "{kept:?}");
        }
        assert_eq!(ROOT_SERVICE_CAPABILITIES.bits().count_ones(), 13, "ARCHITECTURE.md says thirteen");
        assert!(ROOT_SERVICE_CAPABILITIES.contains(LAUNCHER_CAPABILITIES));
        let on_a_host = SERVICE_CAPABILITIES.intersection(CapabilitySet::SYS_ADMIN | CapabilitySet::SETFCAP);
        assert!(on_a_host.is_empty(), "an executor of containers alone takes neither");
    }

    #[test]
    fn the_agent_keeps_nothing_that_reaches_beyond_its_mounts() {
        let reaching = CapabilitySet::DAC_READ_SEARCH
            | CapabilitySet::SYS_ADMIN
            | CapabilitySet::SYS_PTRACE
            | CapabilitySet::SYS_RAWIO
            | CapabilitySet::SYS_CHROOT
            | CapabilitySet::MKNOD
            | CapabilitySet::SETFCAP;
        assert!(AGENT_CAPABILITIES.intersection(reaching).is_empty());
        assert_eq!(AGENT_CAPABILITIES.bits().count_ones(), 7, "ARCHITECTURE.md says seven");
        let reaching = reaching.difference(CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_CHROOT)
            | of_the_whole_machine();
        assert!(LAUNCHER_CAPABILITIES.intersection(reaching).is_empty());
        assert_eq!(LAUNCHER_CAPABILITIES.bits().count_ones(), 11, "ARCHITECTURE.md says eleven");
    }
}
