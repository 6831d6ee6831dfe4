//! The user namespace of this process: whether it is the host's root, or only root of a namespace.
//!
//! Uid 0 of a user namespace other than the initial one (an unprivileged LXC container, `PrivateUsers=yes` of
//! a unit, `unshare --map-root-user`) has privileges over what belongs to that namespace and none over the
//! host: it cannot mount procfs where the container's own is covered, and has no ids except those mapped for
//! it.

use std::fs;

/// The mapping of the initial user namespace: every id to itself (user_namespaces(7)).
const INITIAL: (u32, u32, u32) = (0, 0, u32::MAX);

/// Whether this process is root in the initial user namespace.
#[must_use]
pub fn is_host_root() -> bool {
    rustix::process::geteuid().is_root() && is_initial(&map())
}

/// The effective uid of this process in the parent of its user namespace.
#[must_use]
pub fn euid_outside() -> u32 {
    outside(&map(), rustix::process::geteuid().as_raw())
}

/// Empty without procfs or user namespaces in the kernel: then there is only the initial one.
fn map() -> String {
    fs::read_to_string("/proc/self/uid_map").unwrap_or_default()
}

/// Lines of first id inside, first id outside and count (proc_pid_uid_map(5)).
fn lines(map: &str) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
    map.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map_while(|number| number.parse().ok());
        Some((numbers.next()?, numbers.next()?, numbers.next()?))
    })
}

fn is_initial(map: &str) -> bool {
    lines(map).next().is_none_or(|first| first == INITIAL)
}

/// The id itself if it is not mapped.
fn outside(map: &str, id: u32) -> u32 {
    let found = lines(map).find(|(inside, _, count)| id >= *inside && id - inside < *count);
    found.map_or(id, |(inside, outside, _)| outside.saturating_add(id - inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_map_is_the_initial_namespace() {
        assert!(is_initial("         0          0 4294967295\n") && is_initial(""));
        // unshare -r; PrivateUsers=yes; LXC.
        for map in ["0 1000 1\n", "0 0 1\n65534 65534 1\n", "0 100000 65536\n", "1000 0 1\n"] {
            assert!(!is_initial(map), "{map}");
        }
    }

    #[test]
    fn ids_outside_follow_the_map() {
        assert_eq!(outside("0 0 4294967295\n", 1000), 1000);
        assert_eq!(outside("0 1000 1\n", 0), 1000);
        assert_eq!(outside("0 100000 1000\n1000 1000 1\n1001 101001 64535\n", 1000), 1000);
        assert_eq!(outside("0 100000 1000\n1000 1000 1\n1001 101001 64535\n", 1002), 101_002);
        assert_eq!(outside("0 1000 1\n", 65534), 65534);
    }
}
