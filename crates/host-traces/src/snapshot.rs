//! A snapshot of the sandboxes' traces on this host, and the difference between two.

use crate::{cgroups, mounts, processes};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Pause between two looks while waiting for a clean host.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// At what this process may have created, with the root file system that its sandboxes mount on. Other
    /// services are ignored.
    Own {
        /// The runtime's tree; empty if there is none.
        rootfs: PathBuf,
    },
    /// At the whole host: every sandbox of every user, every mount of this mount namespace, every network
    /// namespace.
    Host,
}

/// Snapshot of sandboxes on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    scope: Scope,
    /// Ids, in the scope [`Scope::Host`] with their names.
    processes: BTreeSet<String>,
    /// Mount points with their types.
    mounts: BTreeSet<String>,
    groups: BTreeSet<PathBuf>,
    /// Their number; always 0 in the scope [`Scope::Own`].
    network_namespaces: usize,
}

impl Snapshot {
    /// Takes a snapshot.
    #[must_use]
    pub fn now(scope: Scope) -> Self {
        match &scope {
            Scope::Own { rootfs } => Self {
                processes: processes::pids_below(std::process::id()).iter().map(u32::to_string).collect(),
                mounts: mounts::where_sandboxes_mount(rootfs),
                groups: cgroups::of_nobody_else(),
                network_namespaces: 0,
                scope,
            },
            Scope::Host => Self {
                processes: processes::of_sandboxes(),
                mounts: mounts::all(),
                groups: cgroups::of_sandboxes(),
                network_namespaces: processes::network_namespaces().len(),
                scope,
            },
        }
    }

    /// [`Snapshot::now`] of this process, whose sandboxes mount on `rootfs`.
    #[must_use]
    pub fn own(rootfs: &Path) -> Self {
        Self::now(Scope::Own { rootfs: rootfs.to_owned() })
    }

    /// [`Snapshot::now`] of the whole host.
    #[must_use]
    pub fn of_host() -> Self {
        Self::now(Scope::Host)
    }

    /// What exists now and did not when this was taken, as text that begins with its kind: `process`,
    /// `mount`, `cgroup`. Empty if the host is clean.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        self.left_after(Duration::ZERO)
    }

    /// [`Snapshot::left`], after waiting up to `time_max` for it to become empty.
    #[must_use]
    pub fn left_after(&self, time_max: Duration) -> Vec<String> {
        let deadline = Instant::now() + time_max;
        loop {
            let left = Self::now(self.scope.clone()).beyond(self);
            if left.is_empty() || Instant::now() >= deadline {
                return left;
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn beyond(&self, before: &Self) -> Vec<String> {
        let mut left = Vec::new();
        left.extend(self.processes.difference(&before.processes).map(|process| format!("process {process}")));
        left.extend(self.mounts.difference(&before.mounts).map(|mount| format!("mount {mount}")));
        let groups = self.groups.difference(&before.groups);
        left.extend(groups.map(|group| format!("cgroup {}", group.display())));
        if let Some(more @ 1..) = self.network_namespaces.checked_sub(before.network_namespaces) {
            left.push(format!("{more} more network namespaces"));
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_child_is_seen_and_its_end_too() {
        let before = Snapshot::own(Path::new("/nowhere"));
        let mut child = std::process::Command::new("sleep").arg("30").spawn().expect("sleep is everywhere");
        let seen = format!("process {}", child.id());
        assert!(before.left().contains(&seen), "{:?}", before.left());
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        assert!(!before.left().contains(&seen));
    }

    #[test]
    fn whatever_is_new_is_named_with_its_kind() {
        let before = Snapshot {
            scope: Scope::Host,
            processes: BTreeSet::new(),
            mounts: ["/tmp tmpfs".to_owned()].into(),
            groups: BTreeSet::new(),
            network_namespaces: 2,
        };
        let now = Snapshot {
            processes: ["7 sandbox-agent".to_owned()].into(),
            mounts: ["/tmp tmpfs".to_owned(), "/dev devtmpfs".to_owned()].into(),
            groups: [PathBuf::from("/sys/fs/cgroup/python-sandbox/i-1/c-1")].into(),
            network_namespaces: 3,
            ..before.clone()
        };
        let left = [
            "process 7 sandbox-agent",
            "mount /dev devtmpfs",
            "cgroup /sys/fs/cgroup/python-sandbox/i-1/c-1",
            "1 more network namespaces",
        ];
        assert_eq!(now.beyond(&before), left);
        assert_eq!(before.beyond(&now), [""; 0]);
    }
}
