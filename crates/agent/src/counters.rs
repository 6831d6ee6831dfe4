//! The counters of the sandbox's own cgroup.
//!
//! A container shows its cgroup below `/sys/fs/cgroup`, read-only; a native sandbox has no `/sys`, and its
//! host reads the counters. cgroup v2 has all files in one directory, v1 one directory per controller.

use protocol::Counters;
use std::fs;

const ROOT: &str = "/sys/fs/cgroup";

/// Reads them; `None` if no cgroup is visible.
pub(crate) fn read() -> Option<Counters> {
    read_by(|file| fs::read_to_string(format!("{ROOT}/{file}")).ok())
}

/// Reads them with a function that returns the text of a file below [`ROOT`].
fn read_by(text: impl Fn(&str) -> Option<String>) -> Option<Counters> {
    let number = |file: &str| text(file)?.trim().parse().ok();
    let refused = |file: &str| text(file).and_then(|events| field(&events, "max ")).unwrap_or(0);
    // Not in the root of the hierarchy, which a container without a cgroup namespace sees: those counters
    // would be the host's.
    if let Some(events) = text("memory.events") {
        let stat = text("memory.stat").unwrap_or_default();
        return Some(Counters {
            oom_kills: field(&events, "oom_kill ").unwrap_or(0),
            memory_bytes_peak: number("memory.peak"),
            file_cache_bytes: file_cache(&stat),
            pids_limit_hits: refused("pids.events"),
            pids_peak: number("pids.peak"),
        });
    }
    let control = text("memory/memory.oom_control")?;
    let stat = text("memory/memory.stat").unwrap_or_default();
    Some(Counters {
        oom_kills: field(&control, "oom_kill ").unwrap_or(0),
        memory_bytes_peak: number("memory/memory.max_usage_in_bytes"),
        file_cache_bytes: file_cache(&stat),
        pids_limit_hits: refused("pids/pids.events"),
        pids_peak: number("pids/pids.peak"),
    })
}

/// Not `cache` or `file`: those include files of tmpfs, which are the program's.
fn file_cache(stat: &str) -> u64 {
    field(stat, "inactive_file ").unwrap_or(0) + field(stat, "active_file ").unwrap_or(0)
}

/// The number after a name at the beginning of a line.
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

    fn read_files(files: &[(&str, &str)]) -> Option<Counters> {
        read_by(|file| files.iter().find(|(name, _)| *name == file).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn both_versions_are_read() {
        // As in Linux 6.12; the `max` of memory is not a failed fork.
        let version_2 = read_files(&[
            ("memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n"),
            ("memory.peak", "134217728\n"),
            ("memory.stat", "anon 1000\nfile 900\nshmem 800\ninactive_file 60\nactive_file 40\n"),
            ("pids.events", "max 5\n"),
            ("pids.peak", "51\n"),
        ]);
        let version_1 = read_files(&[
            ("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
            ("memory/memory.max_usage_in_bytes", "134217728\n"),
            ("memory/memory.stat", "cache 900\ninactive_file 60\nactive_file 40\ntotal_inactive_file 7\n"),
            ("pids/pids.events", "max 5\n"),
            ("pids/pids.peak", "51\n"),
        ]);
        let wanted = Counters {
            oom_kills: 2,
            memory_bytes_peak: Some(134_217_728),
            file_cache_bytes: 100,
            pids_limit_hits: 5,
            pids_peak: Some(51),
        };
        assert_eq!(version_2, Some(wanted));
        assert_eq!(version_1, Some(wanted));
    }

    #[test]
    fn an_older_kernel_lacks_peaks_and_a_foreign_root_all() {
        // Before Linux 5.19 and 6.7.
        let older = read_files(&[("memory.events", "oom_kill 1\n"), ("pids.events", "max 0\n")]);
        assert_eq!(older.map(|counters| (counters.oom_kills, counters.memory_bytes_peak)), Some((1, None)));
        assert_eq!(older.and_then(|counters| counters.pids_peak), None);
        assert_eq!(read_files(&[("memory.stat", "inactive_file 1\n"), ("cgroup.procs", "1\n")]), None);
    }
}
