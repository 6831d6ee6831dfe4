//! Amounts of memory in the kernel's files of lines `Name:  123 kB` (proc_meminfo(5), proc_pid_status(5)).

/// Memory of the host in bytes, by its name in `/proc/meminfo`, such as `MemTotal`.
#[must_use]
pub fn host_memory_bytes(name: &str) -> Option<u64> {
    memory_bytes_in(&std::fs::read_to_string("/proc/meminfo").ok()?, name)
}

/// The amount with that name in such a text, in bytes.
#[must_use]
pub fn memory_bytes_in(text: &str, name: &str) -> Option<u64> {
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
        assert_eq!(memory_bytes_in(text, "Pss"), Some(12 * 1024));
        assert_eq!(memory_bytes_in(text, "Swap"), None);
        assert_eq!(memory_bytes_in(text, "Threads"), None, "no amount of memory");
        assert!(host_memory_bytes("MemAvailable").unwrap() <= host_memory_bytes("MemTotal").unwrap());
    }
}
