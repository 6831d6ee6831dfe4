//! What each request of a connection waits for, and so what its connection waits for: with HTTP/2 several requests share
//! one, and the busiest counts.

use crate::connections::{ConnectionSlot, State};
use crate::delivery::{Delivery, Sending};
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The states of requests, the busiest first: one program that runs keeps its connection open.
const BUSIEST: [State; 4] = [State::Working, State::Refused, State::Receiving, State::Sending];

/// Requests of one connection that end without an answer, at once; one more a second. Such a request waits for no refusal and
/// counts for no limit on programs. A proxy whose clients go away more often opens connections more often.
const UNANSWERED_MAX: u32 = 20;
const UNANSWERED_INTERVAL: Duration = Duration::from_secs(1);

/// The requests of one connection.
#[derive(Debug)]
pub(crate) struct Requests {
    slot: Arc<ConnectionSlot>,
    /// How many requests are in each state of [`BUSIEST`].
    counts: Mutex<[usize; BUSIEST.len()]>,
    /// When all requests so far that had no answer would have ended at their rate (GCRA).
    unanswered: Mutex<Option<Instant>>,
    sending: Arc<Sending>,
    /// Cancelled when too many had none: no further request is served.
    cut: CancellationToken,
    /// Ends the connection when its answers are complete.
    ending: CancellationToken,
}

impl Requests {
    pub(crate) fn new(slot: Arc<ConnectionSlot>, ending: CancellationToken) -> Arc<Self> {
        let (unanswered, cut) = (Mutex::default(), CancellationToken::new());
        let (counts, sending) = (Mutex::default(), Arc::default());
        Arc::new(Self { slot, counts, unanswered, sending, cut, ending })
    }

    /// Counts a request that ended without an answer.
    fn count_unanswered(&self) {
        let now = Instant::now();
        let mut unanswered = support::lock(&self.unanswered);
        let end = unanswered.map_or(now, |end| end.max(now)) + UNANSWERED_INTERVAL;
        *unanswered = Some(end);
        if end > now + UNANSWERED_INTERVAL * UNANSWERED_MAX {
            self.cut.cancel();
            self.ending.cancel();
        }
    }

    /// A request has arrived. It is over when its answer is, or when the last owner of this is gone. `abort` ends it whatever
    /// it waits for.
    pub(crate) fn begin(self: &Arc<Self>, abort: CancellationToken) -> Arc<Progress> {
        let now = Mutex::new(Now { state: None, taken_since: None });
        let delivery = Delivery::new(Arc::clone(&self.sending));
        Arc::new(Progress { requests: Arc::clone(self), now, delivery, abort })
    }

    /// Moves a request from one state to another. Without any the connection is in state `rest`.
    fn change(&self, from: Option<State>, to: Option<State>, rest: State) {
        let index = |state| BUSIEST.iter().position(|known| *known == state);
        let refused = |counts: &[usize; BUSIEST.len()]| {
            counts.iter().zip(BUSIEST).any(|(count, state)| *count > 0 && state == State::Refused)
        };
        let mut counts = support::lock(&self.counts);
        let was_refused = refused(&counts);
        if let Some(from) = from.and_then(index) {
            counts[from] = counts[from].saturating_sub(1);
        }
        if let Some(to) = to.and_then(index) {
            counts[to] += 1;
        }
        let is_refused = refused(&counts);
        if is_refused != was_refused {
            self.slot.count_delayed(is_refused);
        }
        let busiest = counts.iter().position(|count| *count > 0).map_or(rest, |index| BUSIEST[index]);
        // Under the lock: another request must not report an older state after this.
        self.slot.change(busiest);
    }
}

/// One request.
#[derive(Debug)]
pub(crate) struct Progress {
    requests: Arc<Requests>,
    now: Mutex<Now>,
    delivery: Arc<Delivery>,
    abort: CancellationToken,
}

#[derive(Debug)]
struct Now {
    state: Option<State>,
    /// When the part of the answer was made that the client has not begun to take.
    taken_since: Option<Instant>,
}

impl Progress {
    /// Records what the request waits for from now on: one of [`BUSIEST`].
    pub(crate) fn set(&self, state: State) {
        let mut now = support::lock(&self.now);
        if now.state != Some(state) {
            let before = now.state.replace(state);
            self.requests.change(before, Some(state), State::Idle);
        }
    }

    /// The answer is complete, but not all of it is in the socket.
    pub(crate) fn end(&self) {
        let mut now = support::lock(&self.now);
        now.taken_since = None;
        if let Some(before) = now.state.take() {
            self.requests.change(Some(before), None, State::Flushing);
        }
    }

    /// Whether the peer has delayed refusals on as many connections as it may.
    pub(crate) fn has_delayed_max(&self) -> bool {
        self.requests.slot.has_delayed_max()
    }

    /// A part of the answer was made and has not been taken.
    pub(crate) fn made(&self) {
        support::lock(&self.now).taken_since = Some(Instant::now());
    }

    /// The next part is asked for.
    pub(crate) fn taken(&self) {
        support::lock(&self.now).taken_since = None;
    }

    /// A copy of a part of the answer, counted until it is in the socket.
    pub(crate) fn part(&self, bytes: &[u8]) -> Bytes {
        self.delivery.part(bytes)
    }

    /// Waits until every such part is in the socket. False if none has got there for this long, or
    /// longer while other answers of the connection are sent, too ([`Sending::time_max`]).
    pub(crate) async fn delivered_within(&self, time_max: Duration) -> bool {
        self.delivery.complete_within(time_max).await
    }

    /// Whether requests of this connection are not served any more.
    pub(crate) fn is_cut(&self) -> bool {
        self.requests.cut.is_cancelled()
    }

    /// Ends the request when it is cancelled, without the rest of its answer; with HTTP/1 its connection, too.
    pub(crate) fn abort(&self) -> &CancellationToken {
        &self.abort
    }

    /// Ready when the client has not taken a part of the answer for this long, or longer as for a delivery.
    pub(crate) async fn stalled(&self, time_max: Duration) {
        loop {
            let since = support::lock(&self.now).taken_since;
            let end = since.unwrap_or_else(Instant::now) + self.requests.sending.time_max(time_max);
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}

impl Drop for Progress {
    /// The request ended without a complete answer.
    fn drop(&mut self) {
        let now = self.now.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(before) = now.state.take() {
            self.requests.change(Some(before), None, State::Idle);
            self.requests.count_unanswered();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::Connections;

    fn begin(requests: &Arc<Requests>) -> Arc<Progress> {
        requests.begin(CancellationToken::new())
    }

    #[test]
    fn a_connection_is_as_busy_as_its_busiest_request() {
        let taken = Connections::new(1, 0).take("192.0.2.1".parse().unwrap()).unwrap();
        let is = |state| taken.slot.is(&[state]);
        let requests = Requests::new(Arc::clone(&taken.slot), CancellationToken::new());
        let (first, second) = (begin(&requests), begin(&requests));
        assert!(is(State::Idle));
        first.set(State::Receiving);
        second.set(State::Working);
        assert!(is(State::Working));
        first.set(State::Sending);
        assert!(is(State::Working));
        second.set(State::Refused);
        assert!(is(State::Refused));
        drop(second);
        assert!(is(State::Sending));
        first.end();
        assert!(is(State::Flushing));
        first.set(State::Working);
        first.end();
        drop(first);
        assert!(is(State::Flushing));
        taken.slot.flushed();
        assert!(is(State::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_without_answer_beyond_a_rate_end_their_connection() {
        let taken = Connections::new(1, 0).take("192.0.2.1".parse().unwrap()).unwrap();
        let ending = CancellationToken::new();
        let requests = Requests::new(Arc::clone(&taken.slot), ending.clone());
        let reset = || begin(&requests).set(State::Working);
        for _ in 0..100 {
            let answered = begin(&requests);
            answered.set(State::Sending);
            answered.end();
        }
        (0..UNANSWERED_MAX).for_each(|_| reset());
        for _ in 0..100 {
            tokio::time::advance(UNANSWERED_INTERVAL).await;
            reset();
        }
        assert!(!begin(&requests).is_cut() && !ending.is_cancelled());
        reset();
        assert!(begin(&requests).is_cut() && ending.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_part_that_nobody_takes_is_a_stall() {
        let taken = Connections::new(1, 0).take("192.0.2.1".parse().unwrap()).unwrap();
        let progress =
            Requests::new(Arc::clone(&taken.slot), CancellationToken::new()).begin(CancellationToken::new());
        let max = Duration::from_secs(30);
        let stalled = |time| tokio::time::timeout(time, progress.stalled(max));
        progress.set(State::Working);
        assert!(stalled(max * 10).await.is_err(), "the service works");
        progress.set(State::Sending);
        progress.made();
        assert!(stalled(max / 2).await.is_err());
        progress.taken();
        progress.made();
        assert!(stalled(max - Duration::from_secs(1)).await.is_err());
        let others = [begin(&progress.requests), begin(&progress.requests)];
        let parts = others.each_ref().map(|other| other.part(b"a"));
        assert!(stalled(max).await.is_err(), "two others are sent, too");
        drop(parts);
        assert!(stalled(Duration::from_secs(2)).await.is_ok());
    }
}
