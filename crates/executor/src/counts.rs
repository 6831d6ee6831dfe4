//! What the kernel counts of a sandbox, and of one execution in it.

use protocol::Counters;
use std::time::Duration;

/// What the kernel has counted in a sandbox since it was made, or of one execution in it
/// ([`KernelCounts::since`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelCounts {
    /// User and system time of everything in it; zero where the executor cannot tell.
    pub cpu_time: Duration,
    /// Processes that were killed for memory.
    pub oom_kills: u64,
    /// Where none of them was killed for the sandbox's own limit: what it shares with others ran out.
    pub memory_shared: Option<SharedMemory>,
    /// Most memory held at once, in bytes.
    pub memory_bytes_peak: Option<u64>,
    /// Cached pages of files, in bytes: in the peak, but no need of the program.
    pub file_cache_bytes: u64,
    /// Times that a fork or clone failed for the process limit.
    pub pids_limit_hits: u64,
    /// Most processes and threads at once, without the agent.
    pub pids_peak: Option<u64>,
}

impl KernelCounts {
    /// What the agent read of its sandbox's own cgroup.
    #[must_use]
    pub fn reported(counters: Option<&Counters>) -> Self {
        let counters = counters.copied().unwrap_or_default();
        Self {
            cpu_time: Duration::ZERO,
            oom_kills: counters.oom_kills,
            memory_shared: None,
            memory_bytes_peak: counters.memory_bytes_peak,
            file_cache_bytes: counters.file_cache_bytes,
            pids_limit_hits: counters.pids_limit_hits,
            pids_peak: counters.pids_peak.map(|peak| peak.saturating_sub(1)),
        }
    }

    /// What happened since `before`. A peak has no difference: it stays as it is.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let oom_kills = self.oom_kills.saturating_sub(before.oom_kills);
        Self {
            cpu_time: self.cpu_time.saturating_sub(before.cpu_time),
            oom_kills,
            memory_shared: self.memory_shared.filter(|_| oom_kills > 0),
            pids_limit_hits: self.pids_limit_hits.saturating_sub(before.pids_limit_hits),
            ..*self
        }
    }
}

/// Memory that sandboxes have together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedMemory {
    /// Most that they have together, in bytes; `None` for no limit but what the host has.
    pub bytes_max: Option<u64>,
}

/// What a peak of memory was measured over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum PeakScope {
    /// This execution.
    #[default]
    Execution,
    /// The sandbox up to the end of this execution: the kernel could not reset the peak after the execution
    /// before.
    Sandbox,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_answers_for_what_was_counted_since_the_one_before() {
        let shared = Some(SharedMemory { bytes_max: None });
        let before = KernelCounts {
            oom_kills: 1,
            pids_limit_hits: 4,
            memory_shared: shared,
            ..KernelCounts::default()
        };
        let after = KernelCounts { pids_limit_hits: 6, cpu_time: Duration::from_secs(1), ..before };
        let evidence = after.since(&before);
        assert_eq!((evidence.oom_kills, evidence.memory_shared, evidence.pids_limit_hits), (0, None, 2));
        assert_eq!(evidence.cpu_time, Duration::from_secs(1));
        let killed = KernelCounts { oom_kills: 2, ..after };
        assert_eq!(killed.since(&after).memory_shared, shared);
    }

    #[test]
    fn the_agent_is_not_counted_as_the_programs() {
        let counters = Counters { oom_kills: 1, pids_peak: Some(3), ..Counters::default() };
        let counts = KernelCounts::reported(Some(&counters));
        assert_eq!((counts.oom_kills, counts.pids_peak), (1, Some(2)));
        assert_eq!(KernelCounts::reported(None), KernelCounts::default());
    }
}
