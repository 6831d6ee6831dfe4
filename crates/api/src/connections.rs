//! The open connections, and which one is closed when the limit is reached.
//!
//! ```text
//! state of a connection     waits for        may be closed for a new one
//! idle                      its client       first: between requests, or before a head is complete, however it trickles
//! receiving,                its client       where no idle one is left, and only of a peer that holds more than the newcomer
//!   sending, flushing
//! refused                   its refusal      last, only of another peer that holds more than the newcomer
//! working                   the service      never: its program is running or queued
//! ```
//!
//! Refusals are delayed ([`crate::pace`]). A refused connection is not closed for one more of its own peer:
//! clients that connect again at once would then be refused as often as they can connect. Behind a proxy all clients are
//! one peer, so its refusals are delayed on half of all connections at most.
//!
//! An answer is over when its last byte is in the socket (`flushing` before that), so a client that reads it
//! slowly gets it whole; one that reads nothing for a time is cut by [`crate::stall`].
//!
//! With HTTP/2 a connection has several requests; its state is that of the busiest ([`crate::progress`]).
//!
//! There are no fixed shares: one peer, such as a reverse proxy, may hold every connection while no other
//! peer wants one. When all are taken, the peer that holds the most loses one, the one that has waited
//! longest, as long as it holds at least as many as the newcomer; so each ends with an equal share. A peer is a
//! [`Subscriber`].
//!
//! Loopback always gets in, so that the health check of the host or the container works whatever others do:
//! it has additional connections of its own, and takes one from any peer, itself included.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use support::Subscriber;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The state of a connection: what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum State {
    /// A request.
    Idle = 0,
    /// The rest of a request's body.
    Receiving = 1,
    /// The answer, which the service makes.
    Working = 2,
    /// The client, which takes the answer.
    Sending = 3,
    /// The client, too: the answer is complete, but not all of it is in the socket.
    Flushing = 4,
    /// The time at which its refusal is sent.
    Refused = 5,
}

/// States in which the client delays a request that has begun.
const IN_REQUEST: [State; 3] = [State::Receiving, State::Sending, State::Flushing];

/// The bits that hold a state, beside its time.
const STATE_BITS: u32 = 3;

/// One connection.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    peer: Subscriber,
    /// Of the peer: a newcomer looks at every slot, and looking each one up would take most of the time.
    counts: Arc<PeerCounts>,
    /// Connections of one peer that may have delayed refusals at the same time: half of all.
    delayed_max: usize,
    epoch: Instant,
    /// Milliseconds since `epoch` at which the state began, and the state in the lowest bits.
    now: AtomicU64,
    /// `now` when this connection was chosen to be closed.
    chosen: AtomicU64,
    closing: CancellationToken,
}

/// Counts of one peer.
#[derive(Debug, Default)]
struct PeerCounts {
    /// Open connections.
    open: AtomicUsize,
    /// Connections with delayed refusals.
    delayed: AtomicUsize,
}

impl ConnectionSlot {
    /// Counts a connection that has delayed refusals from now on, or none any more.
    pub(crate) fn count_delayed(&self, is_delayed: bool) {
        if is_delayed {
            self.counts.delayed.fetch_add(1, Ordering::Relaxed);
        } else {
            self.counts.delayed.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether no further connection of this peer may have delayed refusals.
    pub(crate) fn has_delayed_max(&self) -> bool {
        self.counts.delayed.load(Ordering::Relaxed) >= self.delayed_max
    }

    /// Records what the connection waits for from now on.
    pub(crate) fn set(&self, state: State) {
        self.now.store(self.begins(state), Ordering::Release);
    }

    /// The same, unless it waits for that already.
    pub(crate) fn change(&self, state: State) {
        if !self.is(&[state]) {
            self.set(state);
        }
    }

    /// How long the connection has been idle; `None` if it is not.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let now = self.now.load(Ordering::Acquire);
        let since = Duration::from_millis(now >> STATE_BITS);
        (state_of(now) == State::Idle as u64).then(|| self.epoch.elapsed().saturating_sub(since))
    }

    /// Records that all bytes handed over so far are in the socket. That ends an answer, unless its body
    /// still produces more, or the next request was sent without waiting for it.
    pub(crate) fn flushed(&self) {
        let now = self.now.load(Ordering::Acquire);
        if state_of(now) == State::Flushing as u64 {
            let idle = self.begins(State::Idle);
            let _ = self.now.compare_exchange(now, idle, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    fn begins(&self, state: State) -> u64 {
        let since = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX >> STATE_BITS);
        (since << STATE_BITS) | state as u64
    }

    /// Ready when the connection was chosen to be closed.
    pub(crate) async fn chosen(&self) {
        self.closing.cancelled().await;
    }

    /// Whether nothing has arrived since it was chosen. A request that arrived at that very moment is still
    /// answered.
    pub(crate) fn is_waiting(&self) -> bool {
        self.now.load(Ordering::Acquire) == self.chosen.load(Ordering::Acquire)
    }

    pub(crate) fn is(&self, states: &[State]) -> bool {
        let state = state_of(self.now.load(Ordering::Acquire));
        states.iter().any(|one| *one as u64 == state)
    }

    fn since(&self) -> u64 {
        self.now.load(Ordering::Acquire) >> STATE_BITS
    }

    fn close(&self) {
        self.chosen.store(self.now.load(Ordering::Acquire), Ordering::Release);
        self.closing.cancel();
    }
}

fn state_of(now: u64) -> u64 {
    now & ((1 << STATE_BITS) - 1)
}

/// All open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    /// Connections beyond `most`, reserved for loopback.
    reserve: usize,
    epoch: Instant,
    table: Mutex<Table>,
    /// Notified for each connection that ends.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Arc<ConnectionSlot>>,
    held: HashMap<Subscriber, Arc<PeerCounts>>,
}

/// A slot for a connection, returned on drop.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) slot: Arc<ConnectionSlot>,
    number: u64,
    connections: Arc<Connections>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.connections.table().remove(self.number);
        self.connections.freed.notify_one();
    }
}

impl Connections {
    pub(crate) fn new(most: usize, reserve: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            reserve,
            epoch: Instant::now(),
            table: Mutex::default(),
            freed: Notify::new(),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        support::lock(&self.table)
    }

    /// Takes a slot for a connection from `address`, if need be that of another connection, which is told to
    /// close. `None` if no connection may be closed.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Taken> {
        let peer = Subscriber::of(address);
        let mut table = self.table();
        if table.open.len() >= self.most && !self.make_room(&mut table, peer) {
            return None;
        }
        let number = table.next;
        table.next += 1;
        let counts = Arc::clone(table.held.entry(peer).or_default());
        counts.open.fetch_add(1, Ordering::Relaxed);
        let slot = Arc::new(ConnectionSlot {
            peer,
            counts,
            delayed_max: (self.most / 2).max(1),
            epoch: self.epoch,
            now: AtomicU64::new(0),
            chosen: AtomicU64::new(0),
            closing: CancellationToken::new(),
        });
        slot.set(State::Idle);
        table.open.insert(number, Arc::clone(&slot));
        drop(table);
        Some(Taken { slot, number, connections: Arc::clone(self) })
    }

    /// Ready when a connection has ended; each wakes the one that has waited longest. So does
    /// [`Connections::retry`].
    pub(crate) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Lets the one that has waited longest try again: connections that have become idle do not report it.
    pub(crate) fn retry(&self) {
        self.freed.notify_one();
    }

    /// Closes the idle connection that has waited longest of the peer that holds the most: there are no
    /// descriptors left.
    pub(crate) fn close_one(&self) -> bool {
        let mut table = self.table();
        table.close_longest(&[State::Idle], |_, _| true)
    }

    fn make_room(&self, table: &mut Table, newcomer: Subscriber) -> bool {
        let is_loopback = newcomer == Subscriber::Loopback;
        let holds = table.held.get(&newcomer).map_or(0, |counts| counts.open.load(Ordering::Relaxed));
        if table.close_longest(&[State::Idle], |peer, held| peer == newcomer || is_loopback || held >= holds)
        {
            return true;
        }
        if is_loopback && table.open.len() < self.most + self.reserve {
            return true;
        }
        // A peer that sends or reads a byte now and then could hold every slot for as long as a body may
        // take.
        table.close_longest(&IN_REQUEST, |peer, held| is_loopback || (peer != newcomer && held > holds + 1))
            || table.close_longest(&[State::Refused], |peer, held| {
                peer != newcomer && (is_loopback || held > holds + 1)
            })
    }
}

impl Table {
    fn remove(&mut self, number: u64) -> Option<Arc<ConnectionSlot>> {
        let slot = self.open.remove(&number)?;
        // Every change is made under the lock of the table.
        if slot.counts.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.held.remove(&slot.peer);
        }
        Some(slot)
    }

    /// Of the connections in one of `states` whose peer `may` lose one: closes the one that has waited
    /// longest of the peer that holds the most. False if there is none.
    fn close_longest(&mut self, states: &[State], may: impl Fn(Subscriber, usize) -> bool) -> bool {
        let held = |slot: &ConnectionSlot| slot.counts.open.load(Ordering::Relaxed);
        let candidates = self.open.iter().filter(|(_, slot)| slot.is(states) && may(slot.peer, held(slot)));
        let longest =
            candidates.max_by_key(|(number, slot)| (held(slot), std::cmp::Reverse((slot.since(), **number))));
        let Some(number) = longest.map(|(number, _)| *number) else { return false };
        if let Some(slot) = self.remove(number) {
            slot.close();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 8;

    fn connections() -> Arc<Connections> {
        Connections::new(MOST, 2)
    }

    fn from(connections: &Arc<Connections>, address: &str) -> Option<Taken> {
        connections.take(address.parse().unwrap())
    }

    fn fill(connections: &Arc<Connections>, address: &str, state: State) -> Vec<Taken> {
        let taken: Vec<_> = (0..MOST).map(|_| from(connections, address).unwrap()).collect();
        taken.iter().for_each(|taken| taken.slot.set(state));
        taken
    }

    fn closed(taken: &[Taken]) -> usize {
        taken.iter().filter(|taken| taken.slot.closing.is_cancelled()).count()
    }

    #[test]
    fn one_peer_may_hold_everything_until_another_comes() {
        let connections = connections();
        let proxy = fill(&connections, "192.0.2.1", State::Idle);
        assert_eq!(closed(&proxy), 0);
        let other: Vec<_> = (0..MOST).map(|_| from(&connections, "192.0.2.2").unwrap()).collect();
        // Equal shares, give or take the one that came last.
        assert!((MOST / 2..=MOST / 2 + 1).contains(&closed(&proxy)), "{}", closed(&proxy));
        assert_eq!(closed(&proxy) + closed(&other), MOST);
    }

    #[test]
    fn the_longest_idle_goes_first_and_a_request_in_progress_never() {
        let connections = connections();
        let peer = fill(&connections, "192.0.2.1", State::Working);
        peer[3].slot.now.store(5 << STATE_BITS, Ordering::Release);
        peer[5].slot.now.store(4 << STATE_BITS, Ordering::Release);
        let _first = from(&connections, "192.0.2.2").unwrap();
        assert!(peer[5].slot.closing.is_cancelled() && closed(&peer) == 1);
        let _second = from(&connections, "192.0.2.3").unwrap();
        assert!(peer[3].slot.closing.is_cancelled() && closed(&peer) == 2);
        // The two new ones are idle: the next takes one of them, not one that works.
        let _third = from(&connections, "192.0.2.4").unwrap();
        assert_eq!(closed(&peer), 2);
        assert!(fill_all_working(&connections) && from(&connections, "192.0.2.9").is_none());
    }

    #[test]
    fn the_peer_with_the_most_loses_its_longest_and_not_the_longest_of_all() {
        for (state, newcomer) in
            [(State::Idle, 3), (State::Sending, 3), (State::Refused, 3), (State::Idle, 2)]
        {
            let connections = connections();
            let small: Vec<_> = (0..3).map(|_| from(&connections, "192.0.2.2").unwrap()).collect();
            let large: Vec<_> = (3..MOST).map(|_| from(&connections, "192.0.2.1").unwrap()).collect();
            for (since, taken) in small.iter().chain(&large).enumerate() {
                taken.slot.now.store(((since as u64) << STATE_BITS) | state as u64, Ordering::Release);
            }
            // The last of its connections, but the one that waits longest.
            large[4].slot.now.store((3 << STATE_BITS) | state as u64, Ordering::Release);
            large[0].slot.now.store((7 << STATE_BITS) | state as u64, Ordering::Release);
            let _new = from(&connections, &format!("192.0.2.{newcomer}")).unwrap();
            let chosen: Vec<_> =
                small.iter().chain(&large).map(|taken| taken.slot.closing.is_cancelled()).collect();
            assert_eq!(chosen, [false, false, false, false, false, false, false, true], "{state:?}");
        }
    }

    /// Sets every open connection to work.
    fn fill_all_working(connections: &Connections) -> bool {
        connections.table().open.values().for_each(|slot| slot.set(State::Working));
        true
    }

    #[test]
    fn a_peer_with_few_loses_nothing_to_one_with_many() {
        let connections = connections();
        let small = from(&connections, "192.0.2.1").unwrap();
        let large: Vec<_> = (1..MOST).map(|_| from(&connections, "192.0.2.2").unwrap()).collect();
        large.iter().for_each(|taken| taken.slot.set(State::Working));
        assert!(from(&connections, "192.0.2.2").is_none());
        assert!(!small.slot.closing.is_cancelled());
        large[0].slot.set(State::Idle);
        assert!(from(&connections, "192.0.2.2").is_some());
        assert!(large[0].slot.closing.is_cancelled() && !small.slot.closing.is_cancelled());
    }

    #[test]
    fn trickled_bodies_and_answers_hold_no_place_against_others() {
        for state in IN_REQUEST {
            let connections = connections();
            let hog = fill(&connections, "192.0.2.1", state);
            // Not for one more of its own.
            assert!(from(&connections, "192.0.2.1").is_none());
            let other = from(&connections, "192.0.2.2").unwrap();
            assert_eq!(closed(&hog), 1);
            other.slot.set(State::Working);
            // Equal shares, and no further.
            let taken: Vec<_> = (0..MOST)
                .map_while(|_| from(&connections, "192.0.2.2"))
                .inspect(|t| t.slot.set(State::Working))
                .collect();
            assert!(taken.len() < MOST / 2, "{}", taken.len());
            assert_eq!(closed(&[other]), 0);
        }
    }

    #[test]
    fn loopback_always_gets_in() {
        for state in [State::Idle, State::Receiving, State::Sending, State::Flushing, State::Working] {
            let connections = connections();
            let _others = fill(&connections, "192.0.2.1", state);
            for _ in 0..2 {
                assert!(from(&connections, "127.0.0.1").is_some(), "{state:?}");
            }
        }
        // Also from itself, from any of its addresses.
        for state in [State::Idle, State::Receiving, State::Sending, State::Flushing] {
            let connections = connections();
            let mut hog = Vec::new();
            for n in 0..MOST * 3 {
                let taken = from(&connections, &format!("127.0.0.{}", n + 1)).unwrap();
                taken.slot.set(state);
                hog.push(taken);
            }
            assert!(from(&connections, "::1").is_some(), "{state:?}");
        }
    }

    #[test]
    fn peers_are_what_one_subscriber_has() {
        let of = |text: &str| Subscriber::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:127.0.0.1"), of("::1"));
    }

    #[test]
    fn a_place_comes_back_once() {
        let connections = connections();
        let first = fill(&connections, "192.0.2.1", State::Idle);
        let second = fill(&connections, "192.0.2.1", State::Idle);
        // One lock at a time: what `table` returns lives to the end of its statement.
        let counts = || {
            let table = connections.table();
            (table.open.len(), table.held.len())
        };
        assert_eq!((closed(&first), counts()), (MOST, (MOST, 1)));
        drop(first);
        assert_eq!(counts(), (MOST, 1));
        drop(second);
        assert_eq!(counts(), (0, 0));
        assert!(!connections.close_one());
    }

    #[test]
    fn a_flush_ends_a_whole_answer_and_nothing_else() {
        let connections = connections();
        let taken = from(&connections, "192.0.2.1").unwrap();
        for state in [State::Receiving, State::Working, State::Sending] {
            taken.slot.set(state);
            taken.slot.flushed();
            assert!(taken.slot.is(&[state]), "{state:?}");
        }
        taken.slot.set(State::Flushing);
        assert!(!taken.slot.is(&[State::Idle]));
        taken.slot.flushed();
        assert!(taken.slot.is(&[State::Idle]));
    }

    #[test]
    fn what_arrives_in_the_last_moment_is_seen() {
        let connections = connections();
        let taken = from(&connections, "192.0.2.1").unwrap();
        assert!(connections.close_one() && taken.slot.is_waiting());
        taken.slot.set(State::Working);
        assert!(!taken.slot.is_waiting());
    }

    #[test]
    fn a_refusal_that_waits_gives_way_to_smaller_peers_alone() {
        let connections = connections();
        let flood = fill(&connections, "192.0.2.1", State::Refused);
        assert!(from(&connections, "192.0.2.1").is_none());
        let other = from(&connections, "192.0.2.2").unwrap();
        assert_eq!((closed(&flood), closed(&[other])), (1, 0));
        // Nor for more of loopback, beyond its reserve.
        let connections = super::tests::connections();
        let mut flood = fill(&connections, "127.0.0.1", State::Refused);
        for _ in 0..2 {
            let taken = from(&connections, "127.0.0.1").unwrap();
            taken.slot.set(State::Refused);
            flood.push(taken);
        }
        assert!(from(&connections, "127.0.0.1").is_none());
        assert_eq!(closed(&flood), 0);
    }

    #[test]
    fn only_an_idle_connection_is_closed_for_lack_of_descriptors() {
        let connections = connections();
        for state in [State::Receiving, State::Working, State::Sending, State::Flushing, State::Refused] {
            let taken = fill(&connections, "192.0.2.1", state);
            assert!(!connections.close_one() && closed(&taken) == 0, "{state:?}");
        }
        let taken = fill(&connections, "192.0.2.1", State::Idle);
        assert!(connections.close_one() && closed(&taken) == 1);
    }
}
