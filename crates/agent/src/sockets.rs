//! Bounds how fast a sandbox makes sockets, and with that how often one can be closed.
//!
//! While sockets are on their way over sockets (SCM_RIGHTS), each one that is closed has a thread of the kernel look for
//! cycles among all of them (net/unix/garbage.c): 2 s of CPU time in 4, which no control group counts. So the filter of
//! system calls asks the agent for each call that makes a socket (`ask` in `confine/data/seccomp.policy`). The first
//! thousands run at once; after that calls wait for their turn, and none fails.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Calls that run at once: more than a test suite of sockets makes in a breath, and what they cost the kernel's thread is
/// some 20 ms.
const AT_ONCE_MAX: u32 = 2048;
/// Time in which one more call may run: 500 a second cost the kernel's thread about 1 % of a processor.
const INTERVAL: Duration = Duration::from_millis(2);
/// Calls that wait here. More stay with the kernel, and with them, for the time of an interval, whatever else is reported.
const WAITING_MAX: usize = 64;

/// The calls of one sandbox that make sockets, each a `T`.
#[derive(Debug)]
pub(crate) struct Sockets<T> {
    /// Calls that may run at once.
    left: u32,
    /// Until when what has come back is in `left`.
    refilled: Instant,
    waiting: VecDeque<T>,
}

impl<T> Sockets<T> {
    pub(crate) fn new() -> Self {
        Self { left: AT_ONCE_MAX, refilled: Instant::now(), waiting: VecDeque::new() }
    }

    /// A call that has to wait for [`Self::run`].
    pub(crate) fn add(&mut self, call: T) {
        self.waiting.push_back(call);
    }

    /// Whether no more calls should be taken from the kernel.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// Time until the next waiting call may run.
    pub(crate) fn pause(&self) -> Option<Duration> {
        (!self.waiting.is_empty()).then(|| INTERVAL.saturating_sub(self.refilled.elapsed()))
    }

    /// Has the calls run whose turn it is. `run` is false for one whose process is gone; it costs nothing.
    pub(crate) fn run(&mut self, run: impl FnMut(T) -> bool) {
        self.run_at(Instant::now(), run);
    }

    fn run_at(&mut self, now: Instant, mut run: impl FnMut(T) -> bool) {
        self.refill(now);
        while self.left > 0
            && let Some(call) = self.waiting.pop_front()
        {
            self.left -= u32::from(run(call));
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled);
        let intervals = u32::try_from(passed.as_nanos() / INTERVAL.as_nanos()).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(intervals);
        if self.left >= AT_ONCE_MAX {
            (self.left, self.refilled) = (AT_ONCE_MAX, now);
        } else {
            self.refilled += INTERVAL * intervals;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls that run when `calls` are asked for at `after` the start.
    fn ran(sockets: &mut Sockets<u32>, calls: u32, after: Duration) -> u32 {
        let now = sockets.refilled.max(Instant::now()) + after;
        (0..calls).for_each(|call| sockets.add(call));
        let mut ran = 0;
        sockets.run_at(now, |_| {
            ran += 1;
            true
        });
        ran
    }

    #[test]
    fn the_first_run_at_once_and_the_rest_in_turn() {
        let mut sockets = Sockets::new();
        let start = sockets.refilled;
        for call in 0..AT_ONCE_MAX + 100 {
            sockets.add(call);
        }
        let mut order = Vec::new();
        sockets.run_at(start, |call| {
            order.push(call);
            true
        });
        assert_eq!(order.len(), AT_ONCE_MAX as usize);
        assert!(sockets.is_full() && sockets.pause().is_some());
        sockets.run_at(start + INTERVAL * 10, |call| {
            order.push(call);
            true
        });
        assert_eq!(order, (0..AT_ONCE_MAX + 10).collect::<Vec<_>>());
        sockets.run_at(start + INTERVAL * 10, |_| panic!("no time has passed"));
        sockets.run_at(start + INTERVAL * 100, |_| true);
        assert!(!sockets.is_full() && sockets.pause().is_none());
    }

    #[test]
    fn what_was_not_used_is_not_saved_up() {
        let mut sockets = Sockets::new();
        assert_eq!(ran(&mut sockets, AT_ONCE_MAX, Duration::ZERO), AT_ONCE_MAX);
        assert_eq!(ran(&mut sockets, 2 * AT_ONCE_MAX, Duration::from_secs(3600)), AT_ONCE_MAX);
    }

    #[test]
    fn calls_of_dead_processes_cost_nothing() {
        let mut sockets = Sockets::new();
        (0..10 * AT_ONCE_MAX).for_each(|call| sockets.add(call));
        sockets.run(|_| false);
        assert_eq!((sockets.left, sockets.waiting.len()), (AT_ONCE_MAX, 0));
    }
}
