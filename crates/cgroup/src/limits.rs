//! A sandbox's limits and usage.

use crate::error::CgroupError;

/// Less than this does not fit the page tables and the stack of one process.
const MEMORY_BYTES_MIN: u64 = 1 << 20;
/// Far above any host; keeps sums of limits below the kernel's own maximum.
const MEMORY_BYTES_MAX: u64 = 1 << 50;
/// `PID_MAX_LIMIT` of 64-bit kernels; the pids controller refuses more.
const PIDS_MAX: u64 = 4 << 20;
/// The scheduler accepts no period and no quota below 1 ms (kernel/sched/core.c, `min_cfs_quota_period`).
const CPU_US_MIN: u64 = 1_000;
/// The scheduler accepts no period above 1 s.
const CPU_PERIOD_US_MAX: u64 = 1_000_000;
/// A quota above this multiple of the period would exceed any host's CPUs.
const CPUS_MAX: u64 = 8_192;

/// The limits of one sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// Memory with tmpfs and page cache, and no swap beyond it, in bytes: 1 MiB to 1 PiB. The kernel rounds
    /// down to pages.
    pub memory_bytes: u64,
    /// Processes and threads at once: 1 to 4,194,304.
    pub pids_max: u64,
    /// CPU time per period, in microseconds: at least 1,000; `None` is unlimited. More than the period means
    /// more than one CPU.
    pub cpu_quota_us: Option<u64>,
    /// The period of the quota, in microseconds: 1,000 to 1,000,000.
    pub cpu_period_us: u64,
}

impl GroupLimits {
    /// Rejects values that the kernel would reject or interpret differently, before anything is changed.
    pub(crate) fn validate(&self) -> Result<(), CgroupError> {
        let bad = |field, value, allowed| Err(CgroupError::BadLimit { field, value, allowed });
        if !(MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX).contains(&self.memory_bytes) {
            return bad("memory_bytes", self.memory_bytes, "1 MiB to 1 PiB");
        }
        if !(1..=PIDS_MAX).contains(&self.pids_max) {
            return bad("pids_max", self.pids_max, "1 to 4,194,304 processes");
        }
        if !(CPU_US_MIN..=CPU_PERIOD_US_MAX).contains(&self.cpu_period_us) {
            return bad("cpu_period_us", self.cpu_period_us, "1,000 to 1,000,000 microseconds");
        }
        match self.cpu_quota_us {
            Some(quota) if !(CPU_US_MIN..=self.cpu_period_us * CPUS_MAX).contains(&quota) => {
                bad("cpu_quota_us", quota, "1,000 microseconds to 8,192 periods")
            }
            _ => Ok(()),
        }
    }
}

/// What a sandbox has used since it was created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupUsage {
    /// The most memory at one time since the last [`crate::SandboxGroup::reset_memory_peak`], in bytes.
    /// `None` before kernel 5.19 on v2.
    pub memory_peak_bytes: Option<u64>,
    /// Page cache of files on disk currently charged to the sandbox, in bytes: pages of the runtime that it
    /// was the first to touch. The kernel reclaims them before it kills. Not files in a tmpfs.
    pub file_cache_bytes: u64,
    /// Processes killed by the kernel because the memory limit was reached. v1 counts them since kernel 4.13;
    /// before, this stays 0.
    pub oom_kills: u64,
    /// Such a kill, although the sandbox's own limit was never reached: a limit above it was, or the host had
    /// no memory left.
    pub oom_from_outside: bool,
    /// The most processes and threads at one time. `None` before kernel 6.1.
    pub pids_peak: Option<u64>,
    /// How often a fork failed at the process limit.
    pub pids_limit_hits: u64,
    /// CPU time of all processes, user and system, in microseconds.
    pub cpu_time_us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: GroupLimits = GroupLimits {
        memory_bytes: 32 << 20,
        pids_max: 10,
        cpu_quota_us: Some(50_000),
        cpu_period_us: 100_000,
    };

    #[test]
    fn bounds_are_inclusive_and_named() {
        let cases: &[(GroupLimits, Option<&str>)] = &[
            (GOOD, None),
            (GroupLimits { memory_bytes: 1 << 20, ..GOOD }, None),
            (GroupLimits { memory_bytes: (1 << 20) - 1, ..GOOD }, Some("memory_bytes")),
            (GroupLimits { memory_bytes: u64::MAX, ..GOOD }, Some("memory_bytes")),
            (GroupLimits { pids_max: 1, ..GOOD }, None),
            (GroupLimits { pids_max: 0, ..GOOD }, Some("pids_max")),
            (GroupLimits { pids_max: (4 << 20) + 1, ..GOOD }, Some("pids_max")),
            (GroupLimits { cpu_quota_us: None, ..GOOD }, None),
            (GroupLimits { cpu_quota_us: Some(999), ..GOOD }, Some("cpu_quota_us")),
            (GroupLimits { cpu_quota_us: Some(u64::MAX), ..GOOD }, Some("cpu_quota_us")),
            (GroupLimits { cpu_period_us: 999, ..GOOD }, Some("cpu_period_us")),
            (GroupLimits { cpu_period_us: 1_000_001, ..GOOD }, Some("cpu_period_us")),
        ];
        for (limits, wrong) in cases {
            match (limits.validate(), wrong) {
                (Ok(()), None) => {}
                (Err(CgroupError::BadLimit { field, .. }), Some(wrong)) => assert_eq!(field, *wrong),
                (got, _) => panic!("{limits:?}: {got:?}"),
            }
        }
    }
}
