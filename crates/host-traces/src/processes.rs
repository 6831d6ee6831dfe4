//! Processes: who is below whom (proc_pid_stat(5)), and which of a host are sandboxes'.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// The least user id that only programs in sandboxes have.
const SANDBOX_UID_MIN: u32 = 0x7000_0000;

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
}

/// All processes below one, at any depth, as far as they live; in no order.
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
        // Taken out: ids that change hands while we look can then make no ring.
        for child in children.remove(&parent).unwrap_or_default() {
            waiting.push(child.pid);
            found.push(child);
        }
    }
    found
}

/// The parent in a process's `stat`. Its name in brackets may hold anything; the fields go on after the last bracket.
fn parent_in(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// All processes of the host that are a sandbox's or a helper's, as `PID NAME`: by a user id that only programs have, or by
/// the name of the guest agent or the monitor.
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
            // The agent runs from memory; the link to its executable is unreadable for others, its name is not.
            let is_one = uid >= SANDBOX_UID_MIN || ["sandbox-agent", "sandbox-monitor"].contains(&name);
            is_one.then(|| format!("{pid} {name}"))
        })
        .collect()
}

/// Network namespaces that processes of the host are in, as far as they may be looked at.
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
