//! What sandboxes could leave on the host: processes, mounts, control groups.

use crate::processes::descendants;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What is there now that could be ours.
pub(super) struct Snapshot {
    processes: BTreeSet<String>,
    mounts: BTreeSet<String>,
    groups: BTreeSet<String>,
}

impl Snapshot {
    /// Looks. `rootfs` is the runtime's tree, which sandboxes mount on.
    pub(super) fn take(rootfs: &Path) -> Self {
        Self { processes: processes(), mounts: mounts(rootfs), groups: groups() }
    }

    /// What is there now and was not before, in words; empty when the host is clean.
    pub(super) fn new_since(&self, before: &Self) -> Vec<String> {
        let pairs = [
            ("process", &self.processes, &before.processes),
            ("mount", &self.mounts, &before.mounts),
            ("control group", &self.groups, &before.groups),
        ];
        let new = |(kind, now, before): (&str, &BTreeSet<String>, &BTreeSet<String>)| {
            now.difference(before).map(|item| format!("{kind} {item}")).collect::<Vec<_>>()
        };
        pairs.into_iter().flat_map(new).collect()
    }
}

/// Descendants of this process.
fn processes() -> BTreeSet<String> {
    descendants(std::process::id()).iter().map(|process| process.pid.to_string()).collect()
}

/// Mounts where sandboxes make theirs. Others come and go on a host with users and container engines.
fn mounts(rootfs: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|point| is_of_sandbox(Path::new(point), rootfs)).map(str::to_owned).collect()
}

fn is_of_sandbox(point: &Path, rootfs: &Path) -> bool {
    /// What a cell mounts once it has moved into the runtime's tree.
    const INSIDE: [&str; 5] = ["/", "/dev", "/proc", "/sys", "/tmp"];
    point.starts_with(rootfs) || INSIDE.iter().any(|inside| point == Path::new(inside))
}

/// Directories below our parent groups, where cgroup file systems are mounted, without those of a service
/// that lives and of other users: they may work beside the doctor, and what they make is no leftover of ours.
fn groups() -> BTreeSet<String> {
    groups_below(Path::new("/sys/fs/cgroup"))
}

/// Whether a directory has the name of a parent of instances (`cgroup`). A unit `python-sandbox.service`, or the
/// group beside the parent that takes the service's own processes, has not: what appears there is no leftover.
fn is_parent_name(name: &str) -> bool {
    let rest = name.strip_prefix("python-sandbox");
    let is_of_user = |uid: &str| !uid.is_empty() && uid.bytes().all(|byte| byte.is_ascii_digit());
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix("-u").is_some_and(is_of_user))
}

fn groups_below(top: &Path) -> BTreeSet<String> {
    /// Deeper than systemd nests slices: a user's scope is at six, our cells two below.
    const DEPTH_MAX: usize = 16;
    fn walk(directory: &Path, depth: usize, marked: bool, found: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if depth == DEPTH_MAX || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let ours = marked || is_parent_name(&entry.file_name().to_string_lossy());
            if marked {
                found.insert(entry.path());
            }
            walk(&entry.path(), depth + 1, ours, found);
        }
    }
    let mut found = BTreeSet::new();
    walk(top, 0, false, &mut found);
    // A service's group is called `i-` and a name that no other has; it is locked in one hierarchy only.
    let others: BTreeSet<OsString> = found
        .iter()
        .filter_map(|group| Some((group, group.file_name()?)))
        .filter(|(group, name)| name.as_encoded_bytes().starts_with(b"i-") && is_anothers(group))
        .map(|(_, name)| name.to_owned())
        .collect();
    let is_left = |group: &&PathBuf| !group.iter().any(|part| others.contains(part));
    found.iter().filter(is_left).map(|group| group.display().to_string()).collect()
}

/// Whether the group is none of ours: another user's, which cannot even be opened, or that of a service that lives,
/// which keeps a lock on it (`cgroup`).
fn is_anothers(group: &Path) -> bool {
    match File::open(group) {
        Ok(dir) => matches!(dir.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_an_owner_as_long_as_somebody_holds_its_lock() {
        let group = tempfile::tempdir().expect("a temporary directory");
        assert!(!is_anothers(group.path()));
        let owner = File::open(group.path()).expect("it is there");
        owner.try_lock().expect("nobody else has it");
        assert!(is_anothers(group.path()));
        drop(owner);
        assert!(!is_anothers(group.path()));
        assert!(!is_anothers(Path::new("/nowhere")));
    }

    #[test]
    fn only_what_lies_below_a_parent_of_instances_is_a_leftover() {
        let top = tempfile::tempdir().expect("a temporary directory");
        let cell = "i-0123456789abcdef0123456789abcdef/c-1";
        let slices =
            "user.slice/user-1000.slice/user@1000.service/app.slice/app-a.slice/app-b.slice/run-r7.scope";
        let ours = [
            format!("memory/python-sandbox-u1000/{cell}"),
            format!("system.slice/python-sandbox.service/python-sandbox/{cell}"),
            format!("{slices}/python-sandbox/{cell}"),
        ];
        let others = [
            "system.slice/python-sandbox.service/python-sandbox-service",
            "system.slice/python-sandbox-user.service/python-sandbox-service",
            "python-sandbox-us/x",
            "python-sandbox-u/x",
            "python-sandbox.slice/x",
        ];
        for group in ours.iter().map(String::as_str).chain(others) {
            std::fs::create_dir_all(top.path().join(group)).expect("new directories");
        }
        let found = groups_below(top.path());
        for group in ours {
            let group = top.path().join(group);
            assert!(found.contains(&*group.to_string_lossy()), "{group:?} is not in {found:#?}");
        }
        assert_eq!(found.len(), 6, "three instances with a cell each: {found:#?}");
    }

    #[test]
    fn only_mounts_where_sandboxes_mount_are_theirs() {
        let is = |point: &str| is_of_sandbox(Path::new(point), Path::new("/data/rootfs"));
        assert!(is("/tmp") && is("/data/rootfs") && is("/data/rootfs/proc"));
        assert!(!is("/tmp/other") && !is("/data/rootfs2") && !is("/var/lib/engine/overlay/1/merged"));
    }

    #[test]
    fn a_new_child_is_seen_and_its_end_too() {
        let before = Snapshot::take(Path::new("/nowhere"));
        let mut child = std::process::Command::new("sleep").arg("30").spawn().expect("sleep is everywhere");
        let new = Snapshot::take(Path::new("/nowhere")).new_since(&before);
        assert!(new.contains(&format!("process {}", child.id())), "{new:?}");
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        assert!(
            !Snapshot::take(Path::new("/nowhere"))
                .new_since(&before)
                .contains(&format!("process {}", child.id()))
        );
    }
}
