//! Limits: those of a sandbox, fixed when it is made, and those of one execution.

use std::time::Duration;

/// Limits of a sandbox. Fixed when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Memory of everything in the sandbox together, files in `/tmp` included, in bytes. No swap beyond it.
    pub memory_bytes: u64,
    /// CPU time per period in microseconds; at a period of 100,000 it is the number of cores times 100,000.
    pub cpu_quota_us: u64,
    /// The period in microseconds, 1,000 to 1,000,000 (cgroups(7), `cpu.cfs_period_us`).
    pub cpu_period_us: u64,
    /// Processes and threads at a time, the agent not counted.
    pub pids_max: u32,
    /// Size of the writable file system (`/tmp`) in bytes.
    pub disk_bytes: u64,
    /// Maximum number of files and directories in it.
    pub disk_inodes: u64,
}

impl SandboxLimits {
    /// For verdicts without a sandbox.
    pub(crate) const UNKNOWN: Self = Self {
        memory_bytes: 0,
        cpu_quota_us: 0,
        cpu_period_us: 0,
        pids_max: 0,
        disk_bytes: 0,
        disk_inodes: 0,
    };

    /// The quota in CPUs, rounded up, at least one: the value of `os.cpu_count()` inside.
    #[must_use]
    pub fn cpu_count(&self) -> u32 {
        let cpus = self.cpu_quota_us.div_ceil(self.cpu_period_us.max(1)).max(1);
        u32::try_from(cpus).unwrap_or(u32::MAX)
    }
}

/// Limits of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecLimits {
    /// Wall-clock time for the program alone, from its first instruction.
    pub wall_time: Duration,
    /// Bytes kept of each of stdout and stderr; the rest is counted and dropped.
    pub output_bytes_max: u64,
    /// Bytes that both streams together may write before the program is ended; 0 = no limit.
    pub output_total_bytes_max: u64,
    /// Bytes of one output file.
    pub file_bytes_max: u64,
    /// Bytes of all output files together.
    pub files_total_bytes_max: u64,
    /// Number of output files.
    pub file_count_max: u32,
}

impl Default for ExecLimits {
    /// The contract's defaults.
    fn default() -> Self {
        Self {
            wall_time: Duration::from_secs(10),
            output_bytes_max: 10_240,
            output_total_bytes_max: 0,
            file_bytes_max: 10 * 1024 * 1024,
            files_total_bytes_max: 50 * 1024 * 1024,
            file_count_max: 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_count_is_the_quota_rounded_up_and_never_zero() {
        let limits = |cpu_quota_us| SandboxLimits {
            memory_bytes: 1,
            cpu_quota_us,
            cpu_period_us: 100_000,
            pids_max: 1,
            disk_bytes: 1,
            disk_inodes: 1,
        };
        assert_eq!(limits(50_000).cpu_count(), 1);
        assert_eq!(limits(100_000).cpu_count(), 1);
        assert_eq!(limits(150_000).cpu_count(), 2);
        assert_eq!(limits(0).cpu_count(), 1);
    }
}
