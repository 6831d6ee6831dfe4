//! Admission control in front of the executors: a limit on running programs, a limit on queued requests, the
//! rest refused at once.
//!
//! ```text
//! request -> full? -> refused (busy)                    closed -> refused (shutting down)
//!               |
//! +-> slot in the queue -> slot to run -> program runs -> slot dropped, next in the queue
//!                        | queue time over -> refused (busy)
//! ```
//!
//! A collapse under load starts with an unbounded queue: every request then waits until its client has gone
//! away, and its work is wasted. The queue is first come, first served ([`Semaphore`] is fair).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Maximum `Retry-After`, in seconds: past a minute a client should ask `/health` instead.
const RETRY_AFTER_S_MAX: u64 = 60;

/// Assumed duration of an execution before one was measured, in milliseconds.
const HELD_MS_GUESS: u64 = 1000;

/// Why a request got no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Everything is taken: all slots, and the queue.
    Busy {
        /// When to retry, in seconds, 1 to [`RETRY_AFTER_S_MAX`].
        retry_after_s: u64,
    },
    /// The service takes no new work.
    ShuttingDown,
}

/// Current load of the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Running programs.
    pub running: usize,
    /// Maximum number of running programs.
    pub running_max: usize,
    /// Requests in the queue.
    pub waiting: usize,
    /// Maximum number of requests in the queue.
    pub waiting_max: usize,
    /// Requests refused since the start because everything was taken.
    pub refused: u64,
}

/// The admission control.
#[derive(Debug)]
pub(crate) struct Admission {
    slots: Arc<Semaphore>,
    running_max: u32,
    waiting_max: usize,
    queue_time_max: Duration,
    waiting: AtomicUsize,
    refused: AtomicU64,
    /// Moving average of the time a slot was held, in milliseconds; for `Retry-After`.
    held_ms: AtomicU64,
    closed: AtomicBool,
}

/// Permission to run one program. Dropping it admits the next one.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
    admission: Arc<Admission>,
    since: Instant,
}

/// A slot in the queue. Dropping it, also because the client went away, leaves the queue.
struct QueueSlot<'a>(&'a Admission);

impl Admission {
    /// Admission control for at most `running_max` running programs (at least one) and `waiting_max` queued
    /// requests.
    pub(crate) fn new(running_max: u32, waiting_max: usize, queue_time_max: Duration) -> Arc<Self> {
        let running_max = running_max.clamp(1, 100_000);
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(running_max as usize)),
            running_max,
            waiting_max,
            queue_time_max,
            waiting: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            held_ms: AtomicU64::new(HELD_MS_GUESS),
            closed: AtomicBool::new(false),
        })
    }

    /// Whether a request would be refused now; asked before any work is done for it.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Refusal::ShuttingDown);
        }
        let waiting = self.waiting.load(Ordering::SeqCst);
        if self.slots.available_permits() == 0 && waiting >= self.waiting_max {
            return Err(self.busy());
        }
        Ok(())
    }

    /// Waits for a slot to run, at most until `deadline`.
    pub(crate) async fn admit(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Slot, Refusal> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Refusal::ShuttingDown);
        }
        // No request is overtaken: a returned permit goes to the first in the queue, never to the pool.
        if let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(self.slot(permit));
        }
        let _queued = self.enter_queue()?;
        let queue_end = Instant::now() + self.queue_time_max;
        let end = deadline.map_or(queue_end, |deadline| deadline.min(queue_end));
        match tokio::time::timeout_at(end, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(self.slot(permit)),
            Ok(Err(_closed)) => Err(Refusal::ShuttingDown),
            Err(_elapsed) => Err(self.busy()),
        }
    }

    /// Refuses new requests from now on. Queued ones stay in the queue.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whether [`Admission::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Waits until nothing is running or queued. Call it after [`Admission::close`].
    pub(crate) async fn idle(&self) {
        // The queue is fair, so all slots together are granted only after every earlier request. Closing then
        // refuses a request that passed the flag just before it was set. An error means it was closed
        // already.
        if let Ok(all) = self.slots.acquire_many(self.running_max).await {
            self.slots.close();
            drop(all);
        }
    }

    /// Refuses every queued request.
    pub(crate) fn turn_away(&self) {
        self.slots.close();
    }

    /// The current load.
    pub(crate) fn load(&self) -> Load {
        let running_max = self.running_max as usize;
        Load {
            running: running_max.saturating_sub(self.slots.available_permits()),
            running_max,
            waiting: self.waiting.load(Ordering::SeqCst),
            waiting_max: self.waiting_max,
            refused: self.refused.load(Ordering::SeqCst),
        }
    }

    /// Expected time until a slot is free for one more request, in seconds.
    pub(crate) fn retry_after_s(&self) -> u64 {
        let ahead = self.waiting.load(Ordering::SeqCst) as u64 + 1;
        let wait_ms =
            ahead.saturating_mul(self.held_ms.load(Ordering::Relaxed)) / u64::from(self.running_max);
        wait_ms.div_ceil(1000).clamp(1, RETRY_AFTER_S_MAX)
    }

    fn busy(&self) -> Refusal {
        self.refused.fetch_add(1, Ordering::SeqCst);
        Refusal::Busy { retry_after_s: self.retry_after_s() }
    }

    fn slot(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Slot {
        Slot { _permit: permit, admission: Arc::clone(self), since: Instant::now() }
    }

    fn enter_queue(&self) -> Result<QueueSlot<'_>, Refusal> {
        let taken = self.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |waiting| {
            (waiting < self.waiting_max).then_some(waiting + 1)
        });
        taken.map(|_| QueueSlot(self)).map_err(|_| self.busy())
    }
}

impl Drop for QueueSlot<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let held_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        // An eighth of the new value: recent programs count, one odd one does not. A lost update does no
        // harm.
        let average = self.admission.held_ms.load(Ordering::Relaxed);
        let next = (average.saturating_mul(7).saturating_add(held_ms) / 8).max(1);
        self.admission.held_ms.store(next, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_number_runs_a_number_waits_and_the_next_is_refused_at_once() {
        let gate = Admission::new(2, 1, LONG);
        let first = gate.admit(None).await.unwrap();
        let _second = gate.admit(None).await.unwrap();
        let waiter = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.admit(None).await }
        });
        tokio::task::yield_now().await;
        assert_eq!((gate.load().running, gate.load().waiting), (2, 1));
        assert!(matches!(gate.check(), Err(Refusal::Busy { retry_after_s: 1.. })));
        assert!(matches!(gate.admit(None).await, Err(Refusal::Busy { .. })));
        drop(first);
        let _third = waiter.await.unwrap().unwrap();
        assert_eq!((gate.load().running, gate.load().waiting, gate.load().refused), (2, 0, 2));
    }

    #[tokio::test]
    async fn a_waiter_that_goes_away_leaves_its_place() {
        let gate = Admission::new(1, 1, LONG);
        let _slot = gate.admit(None).await.unwrap();
        let waiter = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.admit(None).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.load().waiting, 1);
        waiter.abort();
        assert!(waiter.await.unwrap_err().is_cancelled());
        assert_eq!(gate.load().waiting, 0);
    }

    #[tokio::test]
    async fn the_line_is_first_come_first_served() {
        let gate = Admission::new(1, 8, LONG);
        let slot = gate.admit(None).await.unwrap();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..5 {
            let (gate, sender) = (Arc::clone(&gate), sender.clone());
            tokio::spawn(async move {
                let _slot = gate.admit(None).await.unwrap();
                sender.send(number).unwrap();
                tokio::task::yield_now().await;
            });
            tokio::task::yield_now().await;
        }
        drop(slot);
        for expected in 0..5 {
            assert_eq!(receiver.recv().await, Some(expected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_time_is_bounded() {
        let gate = Admission::new(1, 8, Duration::from_secs(3));
        let _slot = gate.admit(None).await.unwrap();
        let before = Instant::now();
        assert!(matches!(gate.admit(None).await, Err(Refusal::Busy { .. })));
        assert_eq!(before.elapsed().as_secs(), 3);
        assert_eq!(gate.load().waiting, 0);
    }

    #[tokio::test]
    async fn after_closing_those_in_line_still_get_in_and_new_ones_do_not() {
        let gate = Admission::new(1, 8, LONG);
        let slot = gate.admit(None).await.unwrap();
        let waiter = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.admit(None).await.is_ok() }
        });
        tokio::task::yield_now().await;
        gate.close();
        assert_eq!(gate.admit(None).await.unwrap_err(), Refusal::ShuttingDown);
        let idle = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.idle().await }
        });
        tokio::task::yield_now().await;
        assert!(!idle.is_finished());
        drop(slot);
        assert!(waiter.await.unwrap());
        idle.await.unwrap();
        gate.idle().await;
    }
}
