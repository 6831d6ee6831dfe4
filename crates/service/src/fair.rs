//! Which request gets the next slot: fairness between shares. Pure: the caller passes the time.
//!
//! ```text
//! next       of the shares that wait and are below their cap, the one with the least virtual time
//! in a share first come, first served
//! cap        while another share was seen in the last RESERVE_TIME, a part of the slots stays free for it
//! full       a newcomer whose share waits with fewer requests takes the position of the newest of the largest
//! ```
//! The virtual time of a share is the time that its slots were held (start-time fair queueing: Goyal, Vin and
//! Cheng, "Start-time Fair Queueing", SIGCOMM 1996). The length of a program is known only when it has ended,
//! so a slot is charged with the average first and corrected then. A share that was away starts at the
//! virtual time of those that were served meanwhile: it has saved up nothing.

use crate::context::Share;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

/// How long a share counts as active after its last request or the end of its last program. A client that
/// sends one request after the other is active all the time.
pub(crate) const RESERVE_TIME: Duration = Duration::from_secs(10);

/// Largest virtual time by which a share that comes back can be behind the others: it has had more than its
/// part once, and must not wait for ever because of that.
const DEBT_MAX: Duration = Duration::from_secs(60);

/// Shares that are remembered although they neither run nor wait; their virtual time is forgotten beyond
/// that. A client with many addresses must not take memory without bound.
const SHARES_MAX: usize = 4096;

/// The shares, their slots and their waiting requests. `W` is what wakes a waiting request.
#[derive(Debug)]
pub(crate) struct Fair<W> {
    running_max: u32,
    waiting_max: usize,
    /// Slots that one share may hold while another is active.
    cap: u32,
    running: u32,
    waiting: usize,
    /// Number of the next request that waits.
    arrivals: u64,
    /// The virtual time at which the last slot was given.
    floor: Duration,
    lines: HashMap<Share, Line<W>>,
    /// Shares with waiting requests, the next one first: virtual time, number of the oldest request.
    order: BTreeSet<(Duration, u64, Share)>,
    /// Shares with waiting requests, by their number of these.
    sizes: BTreeSet<(usize, Share)>,
    /// The two shares that were seen last, and when. Two, so that there is one other than any given share.
    seen: [Option<(Share, Duration)>; 2],
}

/// One share.
#[derive(Debug)]
struct Line<W> {
    waiting: VecDeque<(u64, W)>,
    running: u32,
    virtual_time: Duration,
}

impl<W> Line<W> {
    fn is_active(&self) -> bool {
        self.running > 0 || !self.waiting.is_empty()
    }
}

impl<W> Fair<W> {
    /// For `running_max` slots, of which `reserve_percent` stay free of one share while another is active,
    /// and `waiting_max` waiting requests.
    pub(crate) fn new(running_max: u32, waiting_max: usize, reserve_percent: u8) -> Self {
        let part = u64::from(running_max) * u64::from(100 - reserve_percent.min(100));
        let cap = u32::try_from(part.div_ceil(100)).unwrap_or(u32::MAX).clamp(1, running_max.max(1));
        Self {
            running_max,
            waiting_max,
            cap,
            running: 0,
            waiting: 0,
            arrivals: 0,
            floor: Duration::ZERO,
            lines: HashMap::new(),
            order: BTreeSet::new(),
            sizes: BTreeSet::new(),
            seen: [None; 2],
        }
    }

    /// Slots that are held.
    pub(crate) fn running(&self) -> u32 {
        self.running
    }

    /// Requests that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Requests of this share that wait.
    pub(crate) fn waiting_of(&self, share: Share) -> usize {
        self.lines.get(&share).map_or(0, |line| line.waiting.len())
    }

    /// Shares with waiting requests.
    pub(crate) fn shares_waiting(&self) -> usize {
        self.order.len()
    }

    /// Records that a share is active.
    pub(crate) fn note(&mut self, share: Share, now: Duration) {
        if self.seen[0].is_none_or(|(last, _)| last != share) {
            self.seen[1] = self.seen[0];
        }
        self.seen[0] = Some((share, now));
    }

    /// Until when a share other than this one counts as active; `None` if none does.
    fn reserved_until(&self, share: Share, now: Duration) -> Option<Duration> {
        let other = self.seen.iter().flatten().find(|(seen, _)| *seen != share);
        other.map(|(_, at)| *at + RESERVE_TIME).filter(|until| *until > now)
    }

    /// When to call [`Fair::next`] for the requests of this share even if no slot was returned: the others
    /// may have gone.
    pub(crate) fn look_again_at(&self, share: Share, now: Duration) -> Duration {
        self.reserved_until(share, now).unwrap_or(now + RESERVE_TIME)
    }

    fn may_run(&self, share: Share, running: u32, now: Duration) -> bool {
        let cap = if self.reserved_until(share, now).is_some() { self.cap } else { self.running_max };
        self.running < self.running_max && running < cap
    }

    /// Whether this share runs more than one program while another is active: its newest yields.
    pub(crate) fn yields(&self, share: Share, now: Duration) -> bool {
        self.lines.get(&share).is_some_and(|line| line.running > 1)
            && self.reserved_until(share, now).is_some()
    }

    /// Whether a new request of this share would run or wait, and not be refused.
    pub(crate) fn has_room(&self, share: Share, now: Duration) -> bool {
        let (running, waiting) =
            self.lines.get(&share).map_or((0, 0), |line| (line.running, line.waiting.len()));
        (waiting == 0 && self.may_run(share, running, now)) || self.can_wait(waiting)
    }

    /// Whether a share with `waiting` waiting requests may have one more.
    fn can_wait(&self, waiting: usize) -> bool {
        // Two more: with one the two shares would take the position from each other for ever.
        self.waiting < self.waiting_max
            || self.sizes.last().is_some_and(|(largest, _)| *largest >= waiting + 2)
    }

    /// Gives a new request of this share a slot, charged with `charge`, if one is free for it. Call
    /// [`Fair::next`] first: requests that wait come before.
    pub(crate) fn start(&mut self, share: Share, now: Duration, charge: Duration) -> bool {
        let (running, waiting) =
            self.lines.get(&share).map_or((0, 0), |line| (line.running, line.waiting.len()));
        if waiting > 0 || !self.may_run(share, running, now) {
            return false;
        }
        self.give(share, charge);
        true
    }

    /// Lets a request of this share wait: its number, and the request that loses its position to it. The
    /// waiter comes back if there is no position for it.
    pub(crate) fn wait(&mut self, share: Share, waiter: W) -> Result<(u64, Option<(Share, W)>), W> {
        if !self.can_wait(self.waiting_of(share)) {
            return Err(waiter);
        }
        let displaced = if self.waiting < self.waiting_max { None } else { self.displace() };
        self.wake_up(share);
        self.unlist(share);
        let number = self.arrivals;
        self.arrivals += 1;
        if let Some(line) = self.lines.get_mut(&share) {
            line.waiting.push_back((number, waiter));
            self.waiting += 1;
        }
        self.list(share);
        Ok((number, displaced))
    }

    /// Removes the newest waiting request of the share that has the most.
    fn displace(&mut self) -> Option<(Share, W)> {
        let (_, share) = *self.sizes.last()?;
        self.unlist(share);
        let newest = self.lines.get_mut(&share).and_then(|line| line.waiting.pop_back());
        self.waiting -= usize::from(newest.is_some());
        self.list(share);
        newest.map(|(_, waiter)| (share, waiter))
    }

    /// Removes a waiting request. False if it does not wait any more.
    pub(crate) fn leave(&mut self, share: Share, number: u64) -> bool {
        let Some(index) = self
            .lines
            .get(&share)
            .and_then(|line| line.waiting.binary_search_by_key(&number, |(number, _)| *number).ok())
        else {
            return false;
        };
        self.unlist(share);
        let left = self.lines.get_mut(&share).and_then(|line| line.waiting.remove(index));
        self.waiting -= usize::from(left.is_some());
        self.list(share);
        true
    }

    /// Gives a free slot, charged with `charge`, to the next request. `None` if no slot is free for any.
    pub(crate) fn next(&mut self, now: Duration, charge: Duration) -> Option<(Share, W)> {
        if self.waiting == 0 || self.running >= self.running_max {
            return None;
        }
        let may =
            |share: &Share| self.lines.get(share).is_some_and(|line| self.may_run(*share, line.running, now));
        let share = self.order.iter().map(|(_, _, share)| *share).find(may)?;
        self.unlist(share);
        let next = self.lines.get_mut(&share).and_then(|line| line.waiting.pop_front());
        if next.is_some() {
            self.waiting -= 1;
            self.give(share, charge);
        }
        self.list(share);
        next.map(|(_, waiter)| (share, waiter))
    }

    /// Takes a slot of this share back, which was charged with `charge` and held for `held`.
    pub(crate) fn end(&mut self, share: Share, now: Duration, charge: Duration, held: Duration) {
        self.note(share, now);
        self.unlist(share);
        if let Some(line) = self.lines.get_mut(&share) {
            line.running = line.running.saturating_sub(1);
            line.virtual_time = (line.virtual_time + held).saturating_sub(charge);
            self.running = self.running.saturating_sub(1);
        }
        self.list(share);
    }

    /// Removes every waiting request.
    pub(crate) fn drain(&mut self) -> Vec<W> {
        self.order.clear();
        self.sizes.clear();
        self.waiting = 0;
        self.lines.values_mut().flat_map(|line| line.waiting.drain(..)).map(|(_, waiter)| waiter).collect()
    }

    /// The share holds one slot more. Not to be called while it is listed.
    fn give(&mut self, share: Share, charge: Duration) {
        self.wake_up(share);
        if let Some(line) = self.lines.get_mut(&share) {
            self.floor = self.floor.max(line.virtual_time);
            line.virtual_time += charge;
            line.running += 1;
            self.running += 1;
        }
    }

    /// Brings the virtual time of a share that neither runs nor waits up to that of the others.
    fn wake_up(&mut self, share: Share) {
        let floor = self.floor;
        if let Some(line) = self.lines.get_mut(&share) {
            if !line.is_active() {
                line.virtual_time = line.virtual_time.clamp(floor, floor + DEBT_MAX);
            }
            return;
        }
        if self.lines.len() >= SHARES_MAX {
            // Debts within the bound are lost, too: rare, and less harm than memory without a bound.
            self.lines.retain(|_, line| line.is_active());
        }
        self.lines.insert(share, Line { waiting: VecDeque::new(), running: 0, virtual_time: floor });
    }

    fn unlist(&mut self, share: Share) {
        if let Some((position, size)) = self.listing(share) {
            self.order.remove(&position);
            self.sizes.remove(&size);
        }
    }

    fn list(&mut self, share: Share) {
        if let Some((position, size)) = self.listing(share) {
            self.order.insert(position);
            self.sizes.insert(size);
        }
    }

    /// The entries of a share in `order` and `sizes`; `None` if it does not wait.
    #[allow(clippy::type_complexity, reason = "the two entries, in the types of their sets")]
    fn listing(&self, share: Share) -> Option<((Duration, u64, Share), (usize, Share))> {
        let line = self.lines.get(&share)?;
        let (first, _) = line.waiting.front()?;
        Some(((line.virtual_time, *first, share), (line.waiting.len(), share)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use support::Subscriber;

    const SECOND: Duration = Duration::from_secs(1);

    fn share(number: u8) -> Share {
        Share::Subscriber(Subscriber::V4([192, 0, 2, number]))
    }

    /// The numbers of the requests that run, after as many slots were given as are free.
    fn served(fair: &mut Fair<u32>, now: Duration) -> Vec<(Share, u32)> {
        std::iter::from_fn(|| fair.next(now, SECOND)).collect()
    }

    #[test]
    fn a_share_alone_gets_everything_and_is_served_in_sequence() {
        let mut fair = Fair::new(2, 8, 50);
        for number in 0..6 {
            fair.note(share(1), Duration::ZERO);
            if !fair.start(share(1), Duration::ZERO, SECOND) {
                fair.wait(share(1), number).unwrap();
            }
        }
        assert_eq!((fair.running(), fair.waiting()), (2, 4));
        for number in 2..6 {
            fair.end(share(1), Duration::ZERO, SECOND, SECOND);
            assert_eq!(served(&mut fair, Duration::ZERO), [(share(1), number)]);
        }
    }

    #[test]
    fn slots_are_reserved_while_another_share_is_active() {
        let mut fair = Fair::new(4, 8, 50);
        fair.note(share(2), Duration::ZERO);
        for number in 0..4 {
            fair.note(share(1), SECOND);
            if !fair.start(share(1), SECOND, SECOND) {
                fair.wait(share(1), number).unwrap();
            }
        }
        assert_eq!((fair.running(), fair.waiting()), (2, 2), "half is reserved");
        assert!(fair.start(share(2), SECOND, SECOND), "for this one");
        fair.end(share(2), SECOND, SECOND, SECOND);
        assert_eq!(served(&mut fair, SECOND), []);
        let until = fair.look_again_at(share(1), SECOND);
        assert_eq!(until, SECOND + RESERVE_TIME);
        assert_eq!(served(&mut fair, until), [(share(1), 2), (share(1), 3)]);
    }

    #[test]
    fn a_newcomer_is_served_before_a_flood_and_a_long_program_costs_its_share() {
        let mut fair = Fair::new(1, 100, 0);
        assert!(fair.start(share(1), Duration::ZERO, SECOND));
        for number in 0..50 {
            fair.wait(share(1), number).unwrap();
        }
        fair.wait(share(2), 100).unwrap();
        fair.wait(share(2), 101).unwrap();
        // The program of the first took ten times the average.
        fair.end(share(1), SECOND, SECOND, 10 * SECOND);
        assert_eq!(fair.next(SECOND, SECOND), Some((share(2), 100)));
        fair.end(share(2), SECOND, SECOND, SECOND);
        assert_eq!(fair.next(SECOND, SECOND), Some((share(2), 101)));
        fair.end(share(2), SECOND, SECOND, SECOND);
        assert_eq!(fair.next(SECOND, SECOND), Some((share(1), 0)));
    }

    #[test]
    fn a_full_queue_takes_from_the_largest_share_alone() {
        let mut fair = Fair::new(1, 4, 0);
        assert!(fair.start(share(9), Duration::ZERO, SECOND));
        for number in 0..4 {
            fair.wait(share(1), number).unwrap();
        }
        assert_eq!(fair.wait(share(1), 4), Err(4), "not from itself");
        assert_eq!(fair.wait(share(2), 10).unwrap().1, Some((share(1), 3)), "the newest");
        assert_eq!(fair.wait(share(2), 11).unwrap().1, Some((share(1), 2)));
        assert_eq!(fair.wait(share(2), 12), Err(12), "both have two");
        assert!(!fair.has_room(share(2), Duration::ZERO) && fair.has_room(share(3), Duration::ZERO));
        assert_eq!(fair.waiting(), 4);
    }

    #[test]
    fn a_second_program_of_a_share_yields_while_another_is_active() {
        let mut fair: Fair<u32> = Fair::new(4, 8, 0);
        let start = |fair: &mut Fair<u32>, number, now| {
            fair.note(share(number), now);
            assert!(fair.start(share(number), now, SECOND));
            fair.yields(share(number), now)
        };
        assert!(!start(&mut fair, 1, Duration::ZERO) && !start(&mut fair, 1, Duration::ZERO), "alone");
        assert!(!start(&mut fair, 2, SECOND), "its only one");
        assert!(start(&mut fair, 1, SECOND));
        assert!(!fair.yields(share(1), SECOND + RESERVE_TIME), "the other one has gone");
    }

    #[test]
    fn who_leaves_does_not_run_and_who_was_away_has_saved_up_nothing() {
        let mut fair = Fair::new(1, 8, 0);
        assert!(fair.start(share(1), Duration::ZERO, SECOND));
        let (number, _) = fair.wait(share(1), 1).unwrap();
        fair.wait(share(1), 2).unwrap();
        assert!(fair.leave(share(1), number) && !fair.leave(share(1), number));
        for _ in 0..100 {
            fair.end(share(1), Duration::ZERO, SECOND, SECOND);
            assert!(
                fair.start(share(1), Duration::ZERO, SECOND) || fair.next(Duration::ZERO, SECOND).is_some()
            );
        }
        // One request of the newcomer comes first, not a hundred.
        fair.wait(share(1), 3).unwrap();
        fair.wait(share(2), 10).unwrap();
        fair.wait(share(2), 11).unwrap();
        let mut shares = Vec::new();
        for _ in 0..3 {
            fair.end(shares.last().copied().unwrap_or(share(1)), Duration::ZERO, SECOND, SECOND);
            shares.extend(fair.next(Duration::ZERO, SECOND).map(|(share, _)| share));
        }
        assert_eq!(shares, [share(2), share(1), share(2)]);
    }

    #[test]
    fn shares_that_are_gone_take_no_memory() {
        let mut fair: Fair<u32> = Fair::new(1, 1, 0);
        for number in 0..u64::try_from(3 * SHARES_MAX).unwrap() {
            let share = Share::Subscriber(Subscriber::V6Network(number.to_be_bytes()));
            assert!(fair.start(share, Duration::ZERO, SECOND));
            fair.end(share, Duration::ZERO, SECOND, SECOND);
        }
        assert!(fair.lines.len() <= SHARES_MAX, "{}", fair.lines.len());
    }

    #[test]
    fn a_share_that_had_very_much_waits_a_bounded_time() {
        let mut fair = Fair::new(1, 8, 0);
        assert!(fair.start(share(1), Duration::ZERO, SECOND));
        fair.end(share(1), Duration::ZERO, SECOND, Duration::from_secs(3600));
        assert!(fair.start(share(2), Duration::ZERO, SECOND));
        fair.wait(share(1), 0).unwrap();
        let turns = (1..100).position(|number| {
            fair.wait(share(2), number).unwrap();
            fair.end(share(2), Duration::ZERO, SECOND, SECOND);
            fair.next(Duration::ZERO, SECOND) == Some((share(1), 0))
        });
        assert!(turns.is_some_and(|turns| (50..=61).contains(&turns)), "{turns:?}");
    }

    #[test]
    fn the_average_is_charged_only_until_the_time_is_known() {
        let mut fair = Fair::new(1, 8, 0);
        for (number, charge_s, held_s) in [(1, 10, 1), (2, 1, 2)] {
            let (share, charge) = (share(number), SECOND * charge_s);
            assert!(fair.start(share, Duration::ZERO, charge));
            fair.wait(share, number).unwrap();
            fair.end(share, Duration::ZERO, charge, SECOND * held_s);
        }
        assert_eq!(fair.next(Duration::ZERO, SECOND), Some((share(1), 1)));
    }

    #[test]
    fn a_reserve_of_everything_leaves_each_share_one_slot() {
        let mut fair: Fair<u32> = Fair::new(4, 8, 100);
        fair.note(share(2), Duration::ZERO);
        assert!(fair.start(share(1), Duration::ZERO, SECOND));
        assert!(!fair.start(share(1), Duration::ZERO, SECOND));
    }
}
