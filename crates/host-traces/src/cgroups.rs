//! Cgroups of sandboxes, in every hierarchy.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where cgroup file systems are mounted.
const TOP: &str = "/sys/fs/cgroup";

/// Cgroups of sandboxes (`c-*`) below any parent of ours, whoever created them, including those of tests.
pub(crate) fn of_sandboxes() -> BTreeSet<PathBuf> {
    let is_cell =
        |group: &PathBuf| group.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"c-"));
    below(Path::new(TOP), |name| name.starts_with("python-sandbox")).into_iter().filter(is_cell).collect()
}

/// Cgroups below the parents of instances, except those of running services and of other users: those may
/// work at the same time, and what they create is not a leftover of ours.
pub(crate) fn of_nobody_else() -> BTreeSet<PathBuf> {
    of_nobody_else_below(Path::new(TOP))
}

fn of_nobody_else_below(top: &Path) -> BTreeSet<PathBuf> {
    let found = below(top, is_parent_name);
    // A service's cgroup is called `i-` and a unique name; it is locked in one hierarchy only.
    let others: BTreeSet<OsString> = found
        .iter()
        .filter_map(|group| Some((group, group.file_name()?)))
        .filter(|(group, name)| name.as_encoded_bytes().starts_with(b"i-") && is_anothers(group))
        .map(|(_, name)| name.to_owned())
        .collect();
    found.into_iter().filter(|group| !group.iter().any(|part| others.contains(part))).collect()
}

/// Every cgroup below one whose name is marked.
fn below(top: &Path, is_mark: fn(&str) -> bool) -> BTreeSet<PathBuf> {
    /// Deeper than systemd nests slices: a user's scope is at level six, our sandboxes two levels below.
    const DEPTH_MAX: usize = 16;
    fn walk(
        directory: &Path,
        depth: usize,
        marked: bool,
        is_mark: fn(&str) -> bool,
        found: &mut BTreeSet<PathBuf>,
    ) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if depth == DEPTH_MAX || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let ours = marked || is_mark(&entry.file_name().to_string_lossy());
            if marked {
                found.insert(entry.path());
            }
            walk(&entry.path(), depth + 1, ours, is_mark, found);
        }
    }
    let mut found = BTreeSet::new();
    walk(top, 0, false, is_mark, &mut found);
    found
}

/// Whether a directory has the name of a parent of instances (`cgroup`). A unit `python-sandbox.service`, or
/// the cgroup of the service's own processes beside the parent, does not: what appears there is not a
/// leftover.
fn is_parent_name(name: &str) -> bool {
    let rest = name.strip_prefix("python-sandbox");
    let is_of_user = |uid: &str| !uid.is_empty() && uid.bytes().all(|byte| byte.is_ascii_digit());
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix("-u").is_some_and(is_of_user))
}

/// Whether the cgroup belongs to someone else: to another user, then it cannot even be opened, or to a
/// running service, which holds a lock on it (`cgroup`).
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
        let sandbox = "i-0123456789abcdef0123456789abcdef/c-1";
        let slices =
            "user.slice/user-1000.slice/user@1000.service/app.slice/app-a.slice/app-b.slice/run-r7.scope";
        let ours = [
            format!("memory/python-sandbox-u1000/{sandbox}"),
            format!("system.slice/python-sandbox.service/python-sandbox/{sandbox}"),
            format!("{slices}/python-sandbox/{sandbox}"),
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
        let found = of_nobody_else_below(top.path());
        for group in ours {
            let group = top.path().join(group);
            assert!(found.contains(&group), "{group:?} is not in {found:#?}");
        }
        assert_eq!(found.len(), 6, "three instances with a sandbox each: {found:#?}");
    }
}
