//! The process limit where no cgroup counts the program alone: in gVisor, which counts in its own kernel.
//!
//! Nothing blocks the fork that exceeds the limit there, so the agent polls and ends the program. It notices
//! a moment late; until then the limits on gVisor itself hold.

use std::time::{Duration, Instant};

/// Time between two polls.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// The agent is not one of the program's processes.
const OWN_TASKS: u64 = 1;

/// The limit on a program's processes and threads, and the most seen.
#[derive(Debug)]
pub(crate) struct TaskLimit {
    max: u64,
    peak: u64,
    next_look: Instant,
}

impl TaskLimit {
    pub(crate) fn new(max: u32) -> Self {
        Self { max: max.into(), peak: 0, next_look: Instant::now() }
    }

    /// Time until the next poll.
    pub(crate) fn pause(&self) -> Duration {
        self.next_look.saturating_duration_since(Instant::now())
    }

    /// Polls if a poll is due; whether the limit is exceeded.
    pub(crate) fn is_exceeded(&mut self) -> bool {
        if self.pause().is_zero() {
            self.next_look = Instant::now() + LOOK_INTERVAL;
            self.note(rustix::system::sysinfo().procs.into());
        }
        self.peak > self.max
    }

    /// Records how many tasks the sandbox has.
    fn note(&mut self, tasks: u64) {
        self.peak = self.peak.max(tasks.saturating_sub(OWN_TASKS));
    }

    /// Most tasks seen at once, including the agent, as a cgroup counts.
    pub(crate) fn peak(&self) -> u64 {
        self.peak + OWN_TASKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed_and_one_more_is_remembered() {
        let mut limit = TaskLimit::new(3);
        limit.next_look += Duration::from_secs(3600);
        limit.note(4);
        assert!(!limit.is_exceeded());
        limit.note(5);
        limit.note(2);
        assert!(limit.is_exceeded(), "also when it is over");
        assert_eq!(limit.peak(), 5);
    }
}
