//! Processes and their memory as the kernel counts it (proc(5)).

use cgroup::{host_memory_bytes, memory_bytes_in};
use std::collections::BTreeMap;
use std::fs;

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) pid: u32,
    /// Its parent's.
    pub(crate) parent: u32,
}

/// All processes below one, at any depth.
pub(crate) fn descendants(of: u32) -> Vec<Process> {
    below(&all(), of)
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let parent = parent_in(&fs::read_to_string(entry.path().join("stat")).ok()?)?;
            Some(Process { pid, parent })
        })
        .collect()
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

/// Proportional memory of a process in bytes: its own pages, and its share of those that it has together with others.
/// `None` when it is gone or may not be looked at.
pub(crate) fn pss_bytes(pid: u32) -> Option<u64> {
    memory_bytes_in(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, "Pss")
}

/// Resident memory of a process in bytes.
pub(crate) fn rss_bytes(pid: u32) -> Option<u64> {
    memory_bytes_in(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS")
}

/// Memory of the machine that programs could still have, in bytes.
pub(crate) fn available_bytes() -> Option<u64> {
    host_memory_bytes("MemAvailable")
}

/// Bytes as MiB, for people.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
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
        assert!(rss_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
        assert!(pss_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
        assert!(available_bytes().is_some_and(|bytes| bytes > 0));
        assert_eq!(rss_bytes(0), None);
    }
}
