//! Memory as the kernel counts it, from its files of lines `Name:  123 kB` (proc_meminfo(5), proc_pid_status(5)).

use std::fs;

/// Proportional memory of a process in bytes: its own pages, and its share of those that it has together with others.
/// `None` when it is gone or may not be looked at.
#[must_use]
pub fn pss_bytes(pid: u32) -> Option<u64> {
    bytes_in(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, "Pss")
}

/// Resident memory of a process in bytes. `None` when it is gone.
#[must_use]
pub fn rss_bytes(pid: u32) -> Option<u64> {
    bytes_in(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS")
}

/// Memory of the machine that programs could still have, in bytes.
#[must_use]
pub fn available_bytes() -> Option<u64> {
    of_host("MemAvailable")
}

/// Memory of the machine in bytes.
#[must_use]
pub fn total_bytes() -> Option<u64> {
    of_host("MemTotal")
}

/// Bytes as MiB, for people.
#[must_use]
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn of_host(name: &str) -> Option<u64> {
    bytes_in(&fs::read_to_string("/proc/meminfo").ok()?, name)
}

/// The amount of that name in bytes.
fn bytes_in(text: &str, name: &str) -> Option<u64> {
    let amount = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = amount.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_found_by_their_whole_name() {
        let text = "Rss:  9 kB\nPss_Dirty: 1 kB\nPss:               12 kB\nThreads:\t3\n";
        assert_eq!(bytes_in(text, "Pss"), Some(12 * 1024));
        assert_eq!(bytes_in(text, "Swap"), None);
        assert_eq!(bytes_in(text, "Threads"), None, "no amount of memory");
    }

    #[test]
    fn this_process_and_machine_have_memory() {
        assert!(rss_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
        assert!(pss_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
        assert!(available_bytes().is_some_and(|bytes| bytes > 0 && Some(bytes) <= total_bytes()));
        assert_eq!(rss_bytes(0), None);
    }
}
