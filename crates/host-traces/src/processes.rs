//! Processes: their tree (proc_pid_stat(5)), and which ones on a host belong to sandboxes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// The lowest user id that is reserved for programs in sandboxes.
const SANDBOX_UID_MIN: u32 = 0x7000_0000;

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
}

/// All living processes below one, at any depth, in no order.
#[must_use]
pub fn descendants(of: u32) -> Vec<Process> {
    below(&all(), of)
}

/// Ids of the processes below one, at any depth.
#[must_use]
pub fn pids_below(of: u32) -> BTreeSet<u32> {
    descendants(of).iter().map(|process| process.pid).collect()
}

/// Directories of all processes in `/proc`.
fn directories() -> impl Iterator<Item = (u32, PathBuf)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
}

fn all() -> Vec<Process> {
    let parent = |path: PathBuf| parent_in(&fs::read_to_string(path.join("stat")).ok()?);
    directories().filter_map(|(pid, path)| Some(Process { pid, parent: parent(path)? })).collect()
}

fn below(all: &[Process], of: u32) -> Vec<Process> {
    let mut children: BTreeMap<u32, Vec<Process>> = BTreeMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(*process);
    }
    let (mut found, mut waiting) = (Vec::new(), vec![of]);
    while let Some(parent) = waiting.pop() {
        // Removed, so that pids that are reused meanwhile cannot form a cycle.
        for child in children.remove(&parent).unwrap_or_default() {
            waiting.push(child.pid);
            found.push(child);
        }
    }
    found
}

/// The parent in a process's `stat`. The name in brackets may contain anything; the fields continue after the
/// last bracket.
fn parent_in(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// All processes of the host that belong to a sandbox or are helpers, as `PID NAME`: by a user id that is
/// reserved for programs, or by the name of the guest agent or the monitor.
pub(crate) fn of_sandboxes() -> BTreeSet<String> {
    directories()
        .filter_map(|(pid, path)| {
            let status = fs::read_to_string(path.join("status")).ok()?;
            let field = |name: &str| {
                status
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .and_then(|rest| rest.split_whitespace().next())
            };
            let uid: u32 = field("Uid:")?.parse().ok()?;
            let name = field("Name:")?;
            // The agent runs from memory; the link to its executable is not readable for other users, its
            // name is.
            let is_one = uid >= SANDBOX_UID_MIN || ["sandbox-agent", "sandbox-monitor"].contains(&name);
            is_one.then(|| format!("{pid} {name}"))
        })
        .collect()
}

/// Network namespaces of the host's processes, as far as they may be inspected.
pub(crate) fn network_namespaces() -> BTreeSet<PathBuf> {
    directories().filter_map(|(_, path)| fs::read_link(path.join("ns/net")).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_are_found_at_any_depth() {
        let process = |pid, parent| Process { pid, parent };
        let all = [process(2, 1), process(3, 2), process(9, 1), process(4, 3), process(2, 4)];
        let mut found: Vec<u32> = below(&all, 2).iter().map(|process| process.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [2, 3, 4], "a ring ends");
        assert!(below(&all, 77).is_empty());
    }

    #[test]
    fn the_kernels_files_are_read() {
        assert_eq!(parent_in("7 (a) b) S 5 7 0"), Some(5));
        assert!(network_namespaces().len() <= all().len());
    }
}
