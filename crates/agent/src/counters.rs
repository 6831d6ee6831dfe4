//! What the sandbox's own control group counted.
//!
//! A container shows its group below `/sys/fs/cgroup`, read-only; a cell of the native executor has no `/sys` and its
//! host counts itself. Version 2 has all files in one directory, version 1 a directory for each controller.

use protocol::Counters;
use std::fs;

const ROOT: &str = "/sys/fs/cgroup";

/// Reads them; `None` where there is no control group to be seen.
pub(crate) fn read() -> Option<Counters> {
    if let Some(events) = text("memory.events") {
        let stat = text("memory.stat").unwrap_or_default();
        return Some(Counters {
            oom_kills: field(&events, "oom_kill ").unwrap_or(0),
            memory_bytes_peak: number("memory.peak"),
            file_cache_bytes: file_cache(&stat),
            pids_limit_hits: text("pids.events").and_then(|events| field(&events, "max ")).unwrap_or(0),
            pids_peak: number("pids.peak"),
        });
    }
    let control = text("memory/memory.oom_control")?;
    let stat = text("memory/memory.stat").unwrap_or_default();
    Some(Counters {
        oom_kills: field(&control, "oom_kill ").unwrap_or(0),
        memory_bytes_peak: number("memory/memory.max_usage_in_bytes"),
        file_cache_bytes: file_cache(&stat),
        pids_limit_hits: text("pids/pids.events").and_then(|events| field(&events, "max ")).unwrap_or(0),
        pids_peak: number("pids/pids.peak"),
    })
}

/// Not `cache` or `file`: those count files of tmpfs as well, and they are the program's.
fn file_cache(stat: &str) -> u64 {
    field(stat, "inactive_file ").unwrap_or(0) + field(stat, "active_file ").unwrap_or(0)
}

fn text(file: &str) -> Option<String> {
    fs::read_to_string(format!("{ROOT}/{file}")).ok()
}

fn number(file: &str) -> Option<u64> {
    text(file)?.trim().parse().ok()
}

/// The number behind a name at the beginning of a line.
fn field(lines: &str, name: &str) -> Option<u64> {
    lines.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let events = "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n";
        assert_eq!(field(events, "oom_kill "), Some(2));
        assert_eq!(field(events, "max "), Some(7));
        assert_eq!(field(events, "kill "), None);
    }
}
