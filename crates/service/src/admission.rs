//! Admission control in front of the executors: a limit on running programs, a limit on queued requests, the
//! rest refused.
//!
//! ```text
//! request -> full? -> refused (busy)                    closed -> refused (shutting down)
//!               |
//! +-> position in the queue -> slot to run -> program runs -> slot dropped, next in the queue (fair.rs)
//!          |             | queue time over -> refused (busy)
//!          +-- taken by a share with fewer -> refused (busy)
//! ```
//!
//! A collapse under load starts with an unbounded queue: every request then waits until its client has gone
//! away, and its work is wasted. [`crate::fair`] decides whose request is next.

use crate::context::Share;
use crate::fair::Fair;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// Maximum `Retry-After`, in seconds: past a minute a client should ask `/health` instead.
const RETRY_AFTER_S_MAX: u64 = 60;

/// Assumed duration of an execution before one was measured.
const HELD_GUESS: Duration = Duration::from_secs(1);

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
    running_max: u32,
    waiting_max: usize,
    queue_time_max: Duration,
    epoch: Instant,
    state: Mutex<State>,
    /// Notified when nothing runs or waits any more.
    emptied: Notify,
}

#[derive(Debug)]
struct State {
    fair: Fair<oneshot::Sender<Answer>>,
    closed: bool,
    refused: u64,
    /// Moving average of the time a slot was held; `None` before the first was returned.
    held: Option<Duration>,
}

/// Permission to run one program. Dropping it admits the next one.
#[derive(Debug)]
pub(crate) struct Slot {
    admission: Arc<Admission>,
    share: Share,
    since: Instant,
    charge: Duration,
    yields: bool,
}

/// A position in the queue. Dropping it, also because the client went away, leaves the queue.
struct Position<'a> {
    admission: &'a Admission,
    share: Share,
    number: u64,
}

/// What a waiting request is told.
type Answer = Result<Slot, Refusal>;

/// What becomes of a new request.
enum Arrival {
    Runs(Slot),
    Waits(u64, oneshot::Receiver<Answer>),
}

/// Messages to waiting requests, sent when the state is unlocked: a slot that nobody takes locks it again.
#[derive(Default)]
#[must_use = "a slot that is not delivered is lost"]
struct Messages(Vec<(oneshot::Sender<Answer>, Answer)>);

impl Messages {
    fn deliver(self) {
        for (waiter, message) in self.0 {
            // The request left in this moment: its slot is returned by dropping it.
            drop(waiter.send(message));
        }
    }
}

impl Admission {
    /// Admission control for at most `running_max` running programs (at least one), of which
    /// `reserve_percent` are kept free of one caller while others are active, and `waiting_max` queued
    /// requests.
    pub(crate) fn new(
        running_max: u32,
        waiting_max: usize,
        queue_time_max: Duration,
        reserve_percent: u8,
    ) -> Arc<Self> {
        let running_max = running_max.clamp(1, 100_000);
        let fair = Fair::new(running_max, waiting_max, reserve_percent);
        Arc::new(Self {
            running_max,
            waiting_max,
            queue_time_max,
            epoch: Instant::now(),
            state: Mutex::new(State { fair, closed: false, refused: 0, held: None }),
            emptied: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        support::lock(&self.state)
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Whether a request of this share would be refused now; asked before any work is done for it.
    pub(crate) fn check(&self, share: Share) -> Result<(), Refusal> {
        let now = self.now();
        let mut state = self.state();
        if state.closed {
            return Err(Refusal::ShuttingDown);
        }
        if state.fair.has_room(share, now) {
            return Ok(());
        }
        // A client that is refused wants a part, too.
        state.fair.note(share, now);
        Err(self.busy(&mut state, share))
    }

    /// Waits for a slot to run, at most until `deadline`.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        share: Share,
        deadline: Option<Instant>,
    ) -> Result<Slot, Refusal> {
        let (number, mut turn) = match self.arrive(share)? {
            Arrival::Runs(slot) => return Ok(slot),
            Arrival::Waits(number, turn) => (number, turn),
        };
        let _position = Position { admission: self, share, number };
        let queue_end = Instant::now() + self.queue_time_max;
        let end = deadline.map_or(queue_end, |deadline| deadline.min(queue_end));
        loop {
            let look_again = self.epoch + self.state().fair.look_again_at(share, self.now());
            match tokio::time::timeout_at(look_again.min(end), &mut turn).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(_gone)) => return Err(Refusal::ShuttingDown),
                Err(_elapsed) if look_again < end => self.dispatch(),
                Err(_elapsed) => return Err(self.busy(&mut self.state(), share)),
            }
        }
    }

    fn arrive(self: &Arc<Self>, share: Share) -> Result<Arrival, Refusal> {
        let mut messages = Messages::default();
        let arrival = self.arrive_locked(share, &mut self.state(), &mut messages);
        messages.deliver();
        arrival
    }

    fn arrive_locked(
        self: &Arc<Self>,
        share: Share,
        state: &mut State,
        messages: &mut Messages,
    ) -> Result<Arrival, Refusal> {
        let now = self.now();
        if state.closed {
            return Err(Refusal::ShuttingDown);
        }
        state.fair.note(share, now);
        // No request is overtaken: those that wait get what became free for them meanwhile.
        self.give_slots(state, messages);
        let charge = state.held.unwrap_or_default();
        if state.fair.start(share, now, charge) {
            return Ok(Arrival::Runs(self.slot(share, charge, state.fair.yields(share, now))));
        }
        let (waiter, turn) = oneshot::channel();
        let Ok((number, displaced)) = state.fair.wait(share, waiter) else {
            return Err(self.busy(state, share));
        };
        if let Some((share, waiter)) = displaced {
            messages.0.push((waiter, Err(self.busy(state, share))));
        }
        Ok(Arrival::Waits(number, turn))
    }

    /// Gives free slots to waiting requests.
    fn dispatch(self: &Arc<Self>) {
        let mut messages = Messages::default();
        self.give_slots(&mut self.state(), &mut messages);
        messages.deliver();
    }

    fn give_slots(self: &Arc<Self>, state: &mut State, messages: &mut Messages) {
        let (now, charge) = (self.now(), state.held.unwrap_or_default());
        while let Some((share, waiter)) = state.fair.next(now, charge) {
            messages.0.push((waiter, Ok(self.slot(share, charge, state.fair.yields(share, now)))));
        }
    }

    fn slot(self: &Arc<Self>, share: Share, charge: Duration, yields: bool) -> Slot {
        Slot { admission: Arc::clone(self), share, since: Instant::now(), charge, yields }
    }

    /// Refuses new requests from now on. Queued ones stay in the queue.
    pub(crate) fn close(&self) {
        self.state().closed = true;
    }

    /// Whether [`Admission::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Waits until nothing is running or queued. Call it after [`Admission::close`].
    pub(crate) async fn idle(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            // Before the look: what ends between look and wait is noticed.
            emptied.as_mut().enable();
            if self.state().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Refuses every queued request, and new ones.
    pub(crate) fn turn_away(&self) {
        let mut state = self.state();
        state.closed = true;
        let waiters = state.fair.drain();
        self.note_empty(&state);
        drop(state);
        Messages(waiters.into_iter().map(|waiter| (waiter, Err(Refusal::ShuttingDown))).collect()).deliver();
    }

    /// The current load.
    pub(crate) fn load(&self) -> Load {
        let state = self.state();
        Load {
            running: state.fair.running() as usize,
            running_max: self.running_max as usize,
            waiting: state.fair.waiting(),
            waiting_max: self.waiting_max,
            refused: state.refused,
        }
    }

    /// Expected time until a slot is free for one more request, in seconds.
    pub(crate) fn retry_after_s(&self) -> u64 {
        let state = self.state();
        self.expected_wait_s(&state, state.fair.waiting())
    }

    /// Expected time until `ahead` requests and one more have run, in seconds.
    fn expected_wait_s(&self, state: &State, ahead: usize) -> u64 {
        let held_ms = u64::try_from(state.held.unwrap_or(HELD_GUESS).as_millis()).unwrap_or(u64::MAX);
        let wait_ms = (ahead as u64 + 1).saturating_mul(held_ms.max(1)) / u64::from(self.running_max);
        wait_ms.div_ceil(1000).clamp(1, RETRY_AFTER_S_MAX)
    }

    /// Counts a refusal of this share. The shares that wait take turns, so it waits for its own requests as
    /// often as there are shares.
    fn busy(&self, state: &mut State, share: Share) -> Refusal {
        state.refused += 1;
        let own = state.fair.waiting_of(share).saturating_mul(state.fair.shares_waiting().max(1));
        let ahead = own.min(state.fair.waiting());
        Refusal::Busy { retry_after_s: self.expected_wait_s(state, ahead) }
    }

    fn note_empty(&self, state: &State) {
        if state.is_empty() {
            self.emptied.notify_waiters();
        }
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.fair.running() == 0 && self.fair.waiting() == 0
    }
}

impl Drop for Position<'_> {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        if state.fair.leave(self.share, self.number) {
            self.admission.note_empty(&state);
        }
    }
}

impl Slot {
    /// Whether its share held another slot, and another share was active, when it was given.
    pub(crate) fn yields(&self) -> bool {
        self.yields
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut messages = Messages::default();
        let held = self.since.elapsed();
        let mut state = self.admission.state();
        state.fair.end(self.share, self.admission.now(), self.charge, held);
        // An eighth of the new value: recent programs count, one odd one does not.
        state.held = Some(state.held.map_or(held, |average| (average * 7 + held) / 8));
        self.admission.give_slots(&mut state, &mut messages);
        self.admission.note_empty(&state);
        drop(state);
        messages.deliver();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Share = Share::Operator;
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_number_runs_a_number_waits_and_the_next_is_refused_at_once() {
        let gate = Admission::new(2, 1, LONG, 50);
        let first = gate.admit(ONE, None).await.unwrap();
        let _second = gate.admit(ONE, None).await.unwrap();
        let waiter = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.admit(ONE, None).await }
        });
        tokio::task::yield_now().await;
        assert_eq!((gate.load().running, gate.load().waiting), (2, 1));
        assert!(matches!(gate.check(ONE), Err(Refusal::Busy { retry_after_s: 1.. })));
        assert!(matches!(gate.admit(ONE, None).await, Err(Refusal::Busy { .. })));
        drop(first);
        let _third = waiter.await.unwrap().unwrap();
        assert_eq!((gate.load().running, gate.load().waiting, gate.load().refused), (2, 0, 2));
    }

    #[tokio::test]
    async fn a_waiter_that_goes_away_leaves_its_place() {
        let gate = Admission::new(1, 1, LONG, 50);
        let _slot = gate.admit(ONE, None).await.unwrap();
        let waiter = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.admit(ONE, None).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.load().waiting, 1);
        waiter.abort();
        assert!(waiter.await.unwrap_err().is_cancelled());
        assert_eq!(gate.load().waiting, 0);
    }

    #[tokio::test]
    async fn the_line_is_first_come_first_served() {
        let gate = Admission::new(1, 8, LONG, 50);
        let slot = gate.admit(ONE, None).await.unwrap();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..5 {
            let (gate, sender) = (Arc::clone(&gate), sender.clone());
            tokio::spawn(async move {
                let _slot = gate.admit(ONE, None).await.unwrap();
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
        let gate = Admission::new(1, 8, Duration::from_secs(3), 50);
        let _slot = gate.admit(ONE, None).await.unwrap();
        let before = Instant::now();
        assert!(matches!(gate.admit(ONE, None).await, Err(Refusal::Busy { .. })));
        assert_eq!(before.elapsed().as_secs(), 3);
        assert_eq!(gate.load().waiting, 0);
    }

    #[tokio::test]
    async fn after_closing_those_in_line_still_get_in_and_new_ones_do_not() {
        let gate = Admission::new(1, 8, LONG, 50);
        let slot = gate.admit(ONE, None).await.unwrap();
        let waiter = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.admit(ONE, None).await.is_ok() }
        });
        tokio::task::yield_now().await;
        gate.close();
        assert_eq!(gate.admit(ONE, None).await.unwrap_err(), Refusal::ShuttingDown);
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

    fn other(number: u8) -> Share {
        Share::Subscriber(support::Subscriber::V4([192, 0, 2, number]))
    }

    #[tokio::test(start_paused = true)]
    async fn slots_kept_for_others_are_given_out_when_these_have_gone() {
        let gate = Admission::new(2, 8, LONG, 50);
        drop(gate.admit(other(1), None).await.unwrap());
        let _first = gate.admit(ONE, None).await.unwrap();
        let before = Instant::now();
        let waiter = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.admit(ONE, None).await }
        });
        tokio::task::yield_now().await;
        assert_eq!((gate.load().running, gate.load().waiting), (1, 1), "one slot is kept for the other");
        let _second = waiter.await.unwrap().unwrap();
        assert_eq!(before.elapsed().as_secs(), crate::fair::RESERVE_TIME.as_secs());
    }

    #[tokio::test]
    async fn a_flood_loses_positions_to_a_newcomer_and_never_a_slot() {
        let gate = Admission::new(1, 4, LONG, 0);
        let slot = gate.admit(ONE, None).await.unwrap();
        let wait = |share| {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move { gate.admit(share, None).await })
        };
        let mut flood: Vec<_> = (0..4).map(|_| wait(ONE)).collect();
        tokio::task::yield_now().await;
        assert!(matches!(gate.check(ONE), Err(Refusal::Busy { .. })));
        assert!(gate.check(other(1)).is_ok());
        let light = wait(other(1));
        let displaced = flood.pop().unwrap().await.unwrap();
        assert!(matches!(displaced, Err(Refusal::Busy { .. })), "{displaced:?}");
        assert_eq!((gate.load().waiting, gate.load().refused), (4, 2));
        drop(slot);
        // Its slot comes before those of the flood, which had more.
        drop(light.await.unwrap().unwrap());
        for waiter in flood {
            drop(waiter.await.unwrap().unwrap());
        }
        assert_eq!((gate.load().running, gate.load().waiting), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_no_longer_than_its_own_deadline() {
        let gate = Admission::new(1, 8, LONG, 50);
        let _slot = gate.admit(ONE, None).await.unwrap();
        let before = Instant::now();
        let refused = gate.admit(ONE, Some(before + Duration::from_secs(2))).await;
        assert!(matches!(refused, Err(Refusal::Busy { .. })), "{refused:?}");
        assert_eq!((before.elapsed().as_secs(), gate.load().waiting), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn when_to_retry_is_what_recent_programs_took_within_bounds() {
        let gate = Admission::new(1, 8, LONG, 50);
        assert_eq!(gate.retry_after_s(), HELD_GUESS.as_secs());
        for (held_s, expected_s) in [(8, 8), (16, 9), (0, 8), (10_000, RETRY_AFTER_S_MAX)] {
            let slot = gate.admit(ONE, None).await.unwrap();
            tokio::time::advance(Duration::from_secs(held_s)).await;
            drop(slot);
            assert_eq!(gate.retry_after_s(), expected_s, "{held_s}");
        }
    }
}
