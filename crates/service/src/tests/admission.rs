//! Admission control under random schedules: who comes, leaves, ends and runs next is decided by the test, at
//! each await.
//!
//! A simulation and no model checker: what is concurrent in `Admission` is one lock, and tokio's channels and
//! timer, which loom checks in tokio's own tests. loom and shuttle would need their own types in their place,
//! in the code that is served. Futures are polled only when they were woken, so a lost wakeup is found.

use crate::admission::{Admission, Load, Refusal, Slot};
use crate::context::Share;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use support::Subscriber;
use testkit::{Polled, pick};
use tokio::time::Instant;

/// Time that a request may be in the queue.
const QUEUE_TIME_MAX: Duration = Duration::from_secs(10);

/// Part of the slots that one share leaves free while another is active.
const RESERVE_PERCENT: u8 = 50;

/// What happens next. A number selects one of those that it can happen to.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A request of this share comes; with a deadline of its own, in seconds.
    Arrive(u8, Option<u64>),
    /// A request that was woken runs.
    Run(usize),
    /// The client of a request in the queue goes away.
    Leave(usize),
    /// A program ends.
    End(usize),
    /// Seconds pass.
    Pass(u64),
    /// No new requests.
    Close,
    /// No queued requests either.
    TurnAway,
}

fn step(shares: u8) -> impl Strategy<Value = Step> {
    let deadline = prop_oneof![Just(None), (0..20u64).prop_map(Some)];
    prop_oneof![
        8 => (0..shares, deadline).prop_map(|(share, deadline)| Step::Arrive(share, deadline)),
        4 => any::<usize>().prop_map(Step::Run),
        3 => any::<usize>().prop_map(Step::Leave),
        6 => any::<usize>().prop_map(Step::End),
        2 => (1..6u64).prop_map(Step::Pass),
    ]
}

/// Schedules that may end with a shutdown.
fn schedule(shares: u8) -> impl Strategy<Value = Vec<Step>> {
    let end = prop_oneof![Just(vec![]), Just(vec![Step::Close]), Just(vec![Step::Close, Step::TurnAway])];
    let steps = move || prop::collection::vec(step(shares), 0..40);
    (steps(), end, steps()).prop_map(|(before, end, after)| [before, end, after].concat())
}

/// A request that has neither a slot nor a refusal.
struct Waiting {
    number: usize,
    share: Share,
    end: Instant,
    future: Polled<Result<Slot, Refusal>>,
}

struct Simulation {
    admission: Arc<Admission>,
    running_max: usize,
    waiting_max: usize,
    arrived: usize,
    waiting: Vec<Waiting>,
    slots: Vec<(Share, Slot)>,
    refused: u64,
    is_closed: bool,
    is_turned_away: bool,
    /// Slots that one share may hold while another is active.
    cap: usize,
    /// Several shares take part: then the queue is not first come, first served.
    is_shared: bool,
}

impl Simulation {
    fn new(running_max: u32, waiting_max: usize, is_shared: bool) -> Self {
        Self {
            admission: Admission::new(running_max, waiting_max, QUEUE_TIME_MAX, RESERVE_PERCENT),
            cap: (running_max as usize * (100 - usize::from(RESERVE_PERCENT))).div_ceil(100),
            is_shared,
            running_max: running_max as usize,
            waiting_max,
            arrived: 0,
            waiting: Vec::new(),
            slots: Vec::new(),
            refused: 0,
            is_closed: false,
            is_turned_away: false,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Arrive(share, deadline_s) => self.arrive(share, deadline_s),
            Step::Run(choice) => {
                let woken = self.woken();
                if let Some(index) = pick(woken.len(), choice) {
                    self.run(woken[index]);
                }
            }
            Step::Leave(choice) => {
                if let Some(index) = pick(self.waiting.len(), choice) {
                    drop(self.waiting.remove(index));
                }
            }
            Step::End(choice) => {
                if let Some(index) = pick(self.slots.len(), choice) {
                    drop(self.slots.swap_remove(index));
                }
            }
            Step::Pass(seconds) => {
                tokio::time::advance(Duration::from_secs(seconds)).await;
            }
            Step::Close => {
                self.admission.close();
                self.is_closed = true;
            }
            Step::TurnAway => {
                self.admission.turn_away();
                self.is_turned_away = true;
            }
        }
        let Load { running, waiting, refused, .. } = self.admission.load();
        assert!(self.slots.len() <= running && running <= self.running_max, "{running} are running");
        assert!(waiting <= self.waiting_max, "{waiting} are waiting");
        // A request that was given a slot or displaced does not wait any more, but may not have run since.
        let known = waiting + running - self.slots.len();
        if self.is_shared {
            assert!(known <= self.waiting.len() && refused >= self.refused, "{waiting} wait, {running} run");
        } else {
            assert_eq!(refused, self.refused);
            assert!(known == self.waiting.len() || self.is_turned_away, "{waiting} wait, {running} run");
        }
    }

    /// A new request runs up to its first await.
    fn arrive(&mut self, share: u8, deadline_s: Option<u64>) {
        let admission = Arc::clone(&self.admission);
        let share = Share::Subscriber(Subscriber::V4([192, 0, 2, share]));
        let deadline = deadline_s.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let queue_end = Instant::now() + QUEUE_TIME_MAX;
        let end = deadline.map_or(queue_end, |deadline| deadline.min(queue_end));
        let load = self.admission.load();
        let is_full = load.running == self.running_max;
        let is_queue_full = load.waiting >= self.waiting_max;
        let refusal = self.admission.check(share).err();
        // A check counts its refusal, too.
        self.refused += u64::from(matches!(refusal, Some(Refusal::Busy { .. })));
        let future = Polled::new(async move { admission.admit(share, deadline).await });
        let number = self.arrived;
        self.arrived += 1;
        self.waiting.push(Waiting { number, share, end, future });
        let before = self.slots.len();
        let outcome = self.run(self.waiting.len() - 1);
        let is_late = end <= Instant::now();
        if self.is_closed {
            assert_eq!(outcome, Some(Err(Refusal::ShuttingDown)));
        } else if refusal.is_some() {
            assert!(matches!(outcome, Some(Err(Refusal::Busy { .. }))), "{outcome:?}");
        } else if is_full {
            assert!(outcome.is_none() || is_late, "{outcome:?}");
        } else if !self.is_shared {
            assert_eq!((outcome, self.slots.len()), (Some(Ok(())), before + 1));
        }
        if !self.is_shared {
            assert_eq!(refusal.is_some(), self.is_closed || is_full && is_queue_full);
        }
    }

    /// The requests for which a poll is due, by index.
    fn woken(&self) -> Vec<usize> {
        self.waiting
            .iter()
            .enumerate()
            .filter(|(_, waiting)| waiting.future.is_woken())
            .map(|(index, _)| index)
            .collect()
    }

    /// Polls one request; its outcome, if it has one.
    fn run(&mut self, index: usize) -> Option<Result<(), Refusal>> {
        let outcome = self.waiting[index].future.poll()?;
        let share = self.waiting.remove(index).share;
        let outcome = outcome.map(|slot| self.slots.push((share, slot)));
        self.refused += u64::from(matches!(outcome, Err(Refusal::Busy { .. })));
        assert!(outcome != Err(Refusal::ShuttingDown) || self.is_closed || self.is_turned_away);
        Some(outcome)
    }

    /// Runs whatever was woken. Then no request waits for a free slot, past its time, or after it was turned
    /// away, and none was overtaken.
    fn settle(&mut self) {
        let mut admitted = Vec::new();
        while let Some(index) = self.woken().first().copied() {
            let number = self.waiting[index].number;
            if self.run(index) == Some(Ok(())) {
                admitted.push(number);
            }
        }
        let running = self.admission.load().running;
        assert_eq!(running, self.slots.len(), "a slot belongs to nobody");
        if self.waiting.is_empty() {
            return;
        }
        assert!(!self.is_turned_away);
        assert!(self.waiting.iter().all(|waiting| waiting.end > Instant::now()), "past its time");
        if self.is_shared {
            // Only what is reserved for others stays free.
            let holds = |share| self.slots.iter().filter(|(holder, _)| *holder == share).count();
            let is_capped = |waiting: &Waiting| holds(waiting.share) >= self.cap;
            assert!(running == self.running_max || self.waiting.iter().all(is_capped), "a free slot");
            return;
        }
        assert_eq!(running, self.running_max, "{} wait for a free slot", self.waiting.len());
        let first_waiting = self.waiting[0].number;
        assert!(
            admitted.iter().all(|number| *number < first_waiting),
            "{admitted:?} overtook {first_waiting}"
        );
    }

    /// Ends everything: each request in the queue gets its turn, and only then the service is idle.
    fn finish(mut self) {
        self.admission.close();
        self.is_closed = true;
        let admission = Arc::clone(&self.admission);
        let mut idle = Polled::new(async move { admission.idle().await });
        let mut is_idle = idle.poll().is_some();
        loop {
            self.settle();
            if !is_idle && idle.is_woken() {
                is_idle = idle.poll().is_some();
            }
            let is_empty = self.slots.is_empty() && self.waiting.is_empty();
            assert!(is_empty || !is_idle || self.is_turned_away, "idle too early");
            assert!(
                is_empty || !self.slots.is_empty(),
                "{} wait for a slot that never comes",
                self.waiting.len()
            );
            if is_empty {
                break;
            }
            drop(self.slots.pop());
        }
        assert!(is_idle, "idle was not noticed");
    }
}

/// Runs one schedule, with paused time: it passes only where the schedule says so.
fn simulate(running_max: u32, waiting_max: usize, is_shared: bool, schedule: &[Step], settles: &[bool]) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    // Unconstrained: tokio's budget for one task would end, as all futures are polled by this one.
    runtime.block_on(tokio::task::unconstrained(async {
        let mut simulation = Simulation::new(running_max, waiting_max, is_shared);
        for (step, settle) in schedule.iter().zip(settles.iter().cycle()) {
            simulation.take(*step).await;
            if *settle {
                simulation.settle();
            }
        }
        simulation.settle();
        simulation.finish();
    }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_schedule_loses_a_slot_or_a_request(
        running_max in 1..4u32,
        waiting_max in 0..5usize,
        schedule in schedule(1),
        settles in prop::collection::vec(any::<bool>(), 1..8),
    ) {
        simulate(running_max, waiting_max, false, &schedule, &settles);
    }

    #[test]
    fn no_schedule_of_several_shares_loses_a_slot_or_a_request(
        running_max in 1..5u32,
        waiting_max in 0..7usize,
        schedule in schedule(3),
        settles in prop::collection::vec(any::<bool>(), 1..8),
    ) {
        simulate(running_max, waiting_max, true, &schedule, &settles);
    }
}
