//! Memory of processes and of the machine, as the kernel counts it.

use cgroup::{host_memory_bytes, memory_bytes_in};
use std::fs;

/// Proportional memory (PSS) of a process in bytes: its own pages, and its share of pages that it shares with
/// others. `None` if it is gone or may not be inspected.
#[must_use]
pub fn pss_bytes(pid: u32) -> Option<u64> {
    memory_bytes_in(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, "Pss")
}

/// Resident memory (RSS) of a process in bytes. `None` if it is gone.
#[must_use]
pub fn rss_bytes(pid: u32) -> Option<u64> {
    memory_bytes_in(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS")
}

/// Available memory of the machine in bytes.
#[must_use]
pub fn available_bytes() -> Option<u64> {
    host_memory_bytes("MemAvailable")
}

/// Memory of the machine in bytes.
#[must_use]
pub fn total_bytes() -> Option<u64> {
    host_memory_bytes("MemTotal")
}

/// Bytes as MiB, for display.
#[must_use]
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_and_machine_have_memory() {
        assert!(rss_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
        assert!(pss_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
        assert!(available_bytes().is_some_and(|bytes| bytes > 0 && Some(bytes) <= total_bytes()));
        assert_eq!(rss_bytes(0), None);
    }
}
