//! Owners that this process's user namespace does not map: the kernel shows all of them as one id
//! (user_namespaces(7), "Unmapped user and group IDs"), so root of the host looks like any other user
//! outside.

use std::path::Path;
use std::sync::OnceLock;

/// Directories that only root of the host can have made: the root of the file system, and the directories
/// directly below it in the Filesystem Hierarchy Standard that hold data.
const OF_THE_SYSTEM: [&str; 15] = [
    "/",
    "/etc",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/run/user",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/local",
    "/var",
    "/var/lib",
];

/// Whether the id stands for owners outside this user namespace.
pub(crate) fn is_unmapped(uid: u32) -> bool {
    static OVERFLOW: OnceLock<Option<u32>> = OnceLock::new();
    let overflow = *OVERFLOW.get_or_init(|| {
        let id = std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?.trim().parse().ok()?;
        let map = std::fs::read_to_string("/proc/self/uid_map").ok()?;
        is_outside(&map, id).then_some(id)
    });
    overflow == Some(uid)
}

/// Whether a map of user ids (`inside outside count` on each line) lacks the id.
fn is_outside(map: &str, id: u32) -> bool {
    !map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return false;
        };
        (first..first.saturating_add(count)).contains(&u64::from(id))
    })
}

/// Whether an owner outside can only be root of the host.
pub(crate) fn is_of_the_system(directory: &Path) -> bool {
    OF_THE_SYSTEM.iter().any(|known| directory == Path::new(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_that_the_map_lacks_are_outside() {
        assert!(!is_outside("         0          0 4294967295\n", 65_534));
        assert!(is_outside("0 1000 1\n", 65_534));
        assert!(!is_outside("0 1000 1\n1 100000 65536\n", 65_534));
        assert!(is_of_the_system(Path::new("/home")) && !is_of_the_system(Path::new("/home/mallory")));
    }
}
