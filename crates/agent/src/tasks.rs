//! The process limit where no control group counts the program alone: in gVisor, whose own kernel counts.
//!
//! Nobody refuses the one too many there, so the program is ended when it has it. It is seen a moment late; until then
//! the limits around gVisor's kernel hold.

use std::time::{Duration, Instant};

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// The agent is no process of the program's.
const OWN_TASKS: u64 = 1;

/// How many processes and threads a program may have and has had.
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

    /// Time until the next look.
    pub(crate) fn pause(&self) -> Duration {
        self.next_look.saturating_duration_since(Instant::now())
    }

    /// Looks when it is time to: whether there are too many.
    pub(crate) fn is_exceeded(&mut self) -> bool {
        if self.pause().is_zero() {
            self.next_look = Instant::now() + LOOK_INTERVAL;
            self.note(rustix::system::sysinfo().procs.into());
        }
        self.peak > self.max
    }

    /// Notes how many tasks the sandbox has.
    fn note(&mut self, tasks: u64) {
        self.peak = self.peak.max(tasks.saturating_sub(OWN_TASKS));
    }

    /// Most at once that were seen, the agent included, as a control group counts.
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
