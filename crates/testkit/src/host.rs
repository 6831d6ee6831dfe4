//! What a sandbox could leave on the host.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Traces of sandboxes on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// Processes that run as one of the ids that only sandboxes have, or that are an agent: `pid name`.
    pub processes: BTreeSet<String>,
    /// Mounts of this process's namespace, `mount point type`.
    pub mounts: BTreeSet<String>,
    /// Cgroups of sandboxes, in every hierarchy.
    pub cgroups: BTreeSet<PathBuf>,
    /// Number of distinct network namespaces that processes are in.
    pub network_namespaces: usize,
    /// Entries of `/tmp`, `/dev/shm` and `/var/tmp`.
    pub files: BTreeSet<PathBuf>,
}

impl Traces {
    /// Looks at the host now.
    #[must_use]
    pub fn now() -> Self {
        let mut traces = Self::default();
        let mut namespaces = BTreeSet::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let field = |name: &str| {
                let line = status.lines().find(|line| line.starts_with(name));
                line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default().to_owned()
            };
            if let Ok(namespace) = fs::read_link(entry.path().join("ns/net")) {
                namespaces.insert(namespace);
            }
            let uid: u32 = field("Uid:").parse().unwrap_or(0);
            let name = field("Name:");
            // The agent runs from memory; its link is unreadable for others, its name is not.
            if uid >= 0x7000_0000 || ["sandbox-agent", "sandbox-monitor"].contains(&name.as_str()) {
                traces.processes.insert(format!("{pid} {name}"));
            }
        }
        traces.network_namespaces = namespaces.len();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        traces.mounts = mounts
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(' ').skip(1);
                Some(format!("{} {}", fields.next()?, fields.next()?))
            })
            .collect();
        collect_cgroups(Path::new("/sys/fs/cgroup"), 0, &mut traces.cgroups);
        for directory in ["/tmp", "/dev/shm", "/var/tmp"] {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            traces.files.extend(entries.map(|entry| entry.path()));
        }
        traces
    }

    /// What is there now and was not there in `before`, after waiting up to `time_max` for it to go away. Empty
    /// when the host is clean.
    #[must_use]
    pub fn left_since(before: &Self, time_max: Duration) -> Vec<String> {
        let deadline = Instant::now() + time_max;
        loop {
            let left = Self::now().beyond(before);
            if left.is_empty() || Instant::now() >= deadline {
                return left;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn beyond(&self, before: &Self) -> Vec<String> {
        let mut left = Vec::new();
        left.extend(self.processes.difference(&before.processes).map(|text| format!("process {text}")));
        left.extend(self.mounts.difference(&before.mounts).map(|text| format!("mount {text}")));
        left.extend(
            self.cgroups.difference(&before.cgroups).map(|path| format!("cgroup {}", path.display())),
        );
        if self.network_namespaces > before.network_namespaces {
            left.push(format!(
                "{} more network namespaces",
                self.network_namespaces - before.network_namespaces
            ));
        }
        left
    }

    /// Files that appeared in the world-writable directories. Apart from [`Traces::left_since`], because other
    /// programs of the host write there too.
    #[must_use]
    pub fn new_files(&self, before: &Self) -> Vec<PathBuf> {
        self.files.difference(&before.files).cloned().collect()
    }
}

/// Everything that `pid` started, and that those started, as far as it lives: pids, in no order.
#[must_use]
pub fn descendants(pid: u32) -> BTreeSet<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(child) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        // proc_pid_stat(5): the name is in parentheses and may hold anything; state and parent follow it.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (child, parent)));
    }
    let mut found = BTreeSet::from([pid]);
    loop {
        let more: Vec<u32> = parents
            .iter()
            .filter(|(child, parent)| found.contains(parent) && !found.contains(child))
            .map(|(child, _)| *child)
            .collect();
        if more.is_empty() {
            found.remove(&pid);
            return found;
        }
        found.extend(more);
    }
}

/// Cells of the native executor: directories `c-*` below `python-sandbox*`.
fn collect_cgroups(directory: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) {
    if depth > 8 {
        return;
    }
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        let below_ours = path.ancestors().any(|part| {
            part.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python-sandbox"))
        });
        if below_ours && entry.file_name().to_string_lossy().starts_with("c-") {
            found.insert(path.clone());
        }
        collect_cgroups(&path, depth + 1, found);
    }
}
