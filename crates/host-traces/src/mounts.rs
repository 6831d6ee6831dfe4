//! Mounts of this process's mount namespace (proc_pid_mountinfo(5)).

use std::collections::BTreeSet;
use std::path::Path;

/// All of them, as `MOUNT-POINT TYPE`.
pub(crate) fn all() -> BTreeSet<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (mount, source) = line.split_once(" - ")?;
            Some(format!("{} {}", mount.split(' ').nth(4)?, source.split(' ').next()?))
        })
        .collect()
}

/// Those at the mount points that sandboxes use. Others come and go on a host with users and container
/// engines.
pub(crate) fn where_sandboxes_mount(rootfs: &Path) -> BTreeSet<String> {
    let point = |mount: &str| mount.split(' ').next().map(str::to_owned).unwrap_or_default();
    all().into_iter().filter(|mount| is_of_sandbox(Path::new(&point(mount)), rootfs)).collect()
}

fn is_of_sandbox(point: &Path, rootfs: &Path) -> bool {
    /// The mount points of a sandbox after it has moved into the runtime's tree.
    const INSIDE: [&str; 5] = ["/", "/dev", "/proc", "/sys", "/tmp"];
    point.starts_with(rootfs) || INSIDE.iter().any(|inside| point == Path::new(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_where_sandboxes_mount_are_theirs() {
        let is = |point: &str| is_of_sandbox(Path::new(point), Path::new("/data/rootfs"));
        assert!(is("/tmp") && is("/data/rootfs") && is("/data/rootfs/proc"));
        assert!(!is("/tmp/other") && !is("/data/rootfs2") && !is("/var/lib/engine/overlay/1/merged"));
    }

    #[test]
    fn a_mount_is_its_point_and_type() {
        assert!(all().iter().any(|mount| mount.starts_with("/proc proc")), "{:?}", all());
        assert!(where_sandboxes_mount(Path::new("/nowhere")).iter().any(|mount| mount.starts_with("/proc ")));
    }
}
