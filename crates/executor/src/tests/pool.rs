//! The warm pool under random schedules: who takes, gives up and runs next, and when the making of a sandbox
//! succeeds or fails, is decided by the test, at each await.
//!
//! A simulation and no model checker: between two awaits the pool does one thing in one lock, so schedules of
//! those things are all that can happen; the wakeup between them is tokio's `Notify`, which loom checks in
//! tokio's own tests. loom and shuttle would need their own types in the place of tokio's, in the code that
//! is served. Who takes is polled only when woken, so a lost wakeup is found.

use crate::{ExecutorError, Freshness, Maker, Pool, PoolSize, TemplateId};
use async_trait::async_trait;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use testkit::{Polled, pick};
use tokio::sync::oneshot;

const TEMPLATES: usize = 2;
/// Longer than the filler pauses after a take or a failure, and shorter than it waits without a wakeup.
const LONG_ENOUGH: Duration = Duration::from_secs(2);

/// Sandboxes made one after the other until nothing is lacking: far more than any schedule can need.
const ROUNDS_MAX: usize = 1000;

/// What happens next. A number selects one of those that it can happen to.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A caller wants a sandbox of this template, an idle one or one made now, for a program that may yield.
    Take(usize, Freshness, bool),
    /// One who was woken runs.
    Run(usize),
    /// One who waits gives up.
    GiveUp(usize),
    /// The making of a sandbox ends, well or not.
    Made(usize, bool),
    /// A sandbox, idle or not, becomes unusable.
    Spoil(usize),
    /// One that was taken has been used.
    Used(usize),
    /// Milliseconds pass.
    Pass(u64),
    /// The filler runs.
    Fill,
    /// The pool closes.
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let any = any::<usize>;
    let freshness = prop_oneof![4 => Just(Freshness::Any), 1 => Just(Freshness::MadeNow)];
    prop_oneof![
        6 => (0..TEMPLATES, freshness, prop::bool::ANY)
            .prop_map(|(template, freshness, yields)| Step::Take(template, freshness, yields)),
        4 => any().prop_map(Step::Run),
        2 => any().prop_map(Step::GiveUp),
        8 => (any(), prop::bool::weighted(0.8)).prop_map(|(choice, is_good)| Step::Made(choice, is_good)),
        1 => any().prop_map(Step::Spoil),
        2 => any().prop_map(Step::Used),
        3 => (1..1500u64).prop_map(Step::Pass),
        8 => Just(Step::Fill),
    ]
}

fn schedule() -> impl Strategy<Value = Vec<Step>> {
    let steps = || prop::collection::vec(step(), 0..60);
    let end = prop_oneof![2 => Just(vec![]), 1 => Just(vec![Step::Close])];
    (steps(), end, steps()).prop_map(|(before, end, after)| [before, end, after].concat())
}

/// What exists, by the number of the sandbox.
#[derive(Debug, Default)]
struct World {
    made: usize,
    /// All that are not dropped, with their templates.
    alive: BTreeMap<usize, usize>,
    spoiled: BTreeSet<usize>,
    /// Those being made.
    making: Vec<(usize, oneshot::Sender<bool>)>,
}

type Shared = Arc<Mutex<World>>;

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Scripted(Shared);

/// A sandbox.
#[derive(Debug)]
struct Item {
    number: usize,
    world: Shared,
}

impl Drop for Item {
    fn drop(&mut self) {
        assert!(lock(&self.world).alive.remove(&self.number).is_some(), "dropped twice");
    }
}

#[async_trait]
impl Maker for Scripted {
    type Item = Item;

    async fn make(&self, template: TemplateId) -> Result<Item, ExecutorError> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.0).making.push((template.index(), sender));
        if receiver.await != Ok(true) {
            return Err(ExecutorError::before_start("scripted", "make", "told to fail"));
        }
        let mut world = lock(&self.0);
        world.made += 1;
        let number = world.made;
        world.alive.insert(number, template.index());
        Ok(Item { number, world: Arc::clone(&self.0) })
    }

    fn is_usable(&self, item: &Item) -> bool {
        !lock(&self.0).spoiled.contains(&item.number)
    }
}

/// One who waits for a sandbox.
struct Taker {
    template: usize,
    freshness: Freshness,
    /// Sandboxes that had been made when it came.
    made_before: usize,
    future: Polled<Result<Item, ExecutorError>>,
}

struct Simulation {
    pool: Arc<Pool<Scripted>>,
    world: Shared,
    size: PoolSize,
    takers: Vec<Taker>,
    taken: Vec<Item>,
    handed_out: BTreeSet<usize>,
    is_closed: bool,
}

impl Simulation {
    fn new(size: PoolSize) -> Self {
        let world = Shared::default();
        let pool = Arc::new(Pool::new(Scripted(Arc::clone(&world)), TEMPLATES, size));
        let (takers, taken, handed_out) = (Vec::new(), Vec::new(), BTreeSet::new());
        Self { pool, world, size, takers, taken, handed_out, is_closed: false }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Take(template, freshness, yields) => self.take(template, freshness, yields),
            Step::Run(choice) => {
                let woken = self.woken();
                if let Some(index) = pick(woken.len(), choice) {
                    self.run(woken[index]);
                }
            }
            Step::GiveUp(choice) => {
                if let Some(index) = pick(self.takers.len(), choice) {
                    drop(self.takers.swap_remove(index));
                }
            }
            Step::Made(choice, is_good) => self.made(choice, is_good),
            Step::Spoil(choice) => {
                let numbers: Vec<usize> = lock(&self.world).alive.keys().copied().collect();
                if let Some(index) = pick(numbers.len(), choice) {
                    lock(&self.world).spoiled.insert(numbers[index]);
                }
            }
            Step::Used(choice) => {
                if let Some(index) = pick(self.taken.len(), choice) {
                    drop(self.taken.swap_remove(index));
                }
            }
            Step::Pass(milliseconds) => tokio::time::advance(Duration::from_millis(milliseconds)).await,
            Step::Fill => fill().await,
            Step::Close => {
                self.pool.close();
                self.is_closed = true;
            }
        }
        self.check();
    }

    fn take(&mut self, template: usize, freshness: Freshness, yields: bool) {
        let (pool, made_before) = (Arc::clone(&self.pool), lock(&self.world).made);
        let id = TemplateId::first(TEMPLATES).nth(template).unwrap();
        let future =
            Polled::new(async move { pool.take(id, freshness, yields).await.map(|taken| taken.item) });
        self.takers.push(Taker { template, freshness, made_before, future });
        self.run(self.takers.len() - 1);
    }

    fn woken(&self) -> Vec<usize> {
        self.takers
            .iter()
            .enumerate()
            .filter(|(_, taker)| taker.future.is_woken())
            .map(|(index, _)| index)
            .collect()
    }

    /// Polls one who waits, and checks what it gets.
    fn run(&mut self, index: usize) {
        let Some(outcome) = self.takers[index].future.poll() else { return };
        let taker = self.takers.swap_remove(index);
        let Ok(item) = outcome else { return };
        assert!(self.handed_out.insert(item.number), "{item:?} was handed out twice");
        let world = lock(&self.world);
        assert_eq!(world.alive.get(&item.number), Some(&taker.template));
        assert!(
            !world.spoiled.contains(&item.number) || item.number > taker.made_before,
            "{item:?} is unusable"
        );
        assert!(taker.freshness == Freshness::Any || item.number > taker.made_before, "{item:?} is old");
        drop(world);
        self.taken.push(item);
    }

    /// The making of one sandbox ends.
    fn made(&mut self, choice: usize, is_good: bool) {
        let mut world = lock(&self.world);
        world.making.retain(|(_, sender)| !sender.is_closed());
        if let Some(index) = pick(world.making.len(), choice) {
            let (_, sender) = world.making.swap_remove(index);
            drop(world);
            let _ = sender.send(is_good);
        }
    }

    /// What holds at any time.
    fn check(&self) {
        let world = lock(&self.world);
        let idle = self.pool.idle();
        assert_eq!(world.alive.len(), idle + self.taken.len(), "each sandbox is idle or taken");
        assert!(idle <= TEMPLATES * self.size.max, "{idle} are idle");
        assert!(!self.is_closed || idle == 0, "{idle} are idle in a closed pool");
        let making = world.making.iter().filter(|(_, sender)| !sender.is_closed()).count();
        assert!(making <= self.takers.len() + 1, "the filler makes more than one at once");
    }

    /// Everything goes well from now on: who waits gets a sandbox, and the queues fill up again without
    /// another take.
    async fn settle(&mut self) {
        let before = tokio::time::Instant::now();
        let mut rounds = 0;
        while before.elapsed() < LONG_ENOUGH {
            fill().await;
            while !lock(&self.world).making.is_empty() {
                rounds += 1;
                assert!(rounds < ROUNDS_MAX, "the filler makes sandboxes for ever");
                self.made(0, true);
                fill().await;
            }
            while let Some(index) = self.woken().first().copied() {
                self.run(index);
            }
            self.check();
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert!(self.takers.is_empty(), "{} wait for ever", self.takers.len());
        let mut idle = [0; TEMPLATES];
        let taken: BTreeSet<usize> = self.taken.iter().map(|item| item.number).collect();
        for (number, template) in &lock(&self.world).alive {
            idle[*template] += usize::from(!taken.contains(number));
        }
        let idle_min = if self.is_closed { 0 } else { self.size.min.min(self.size.max) };
        assert!(idle.iter().all(|count| (idle_min..=self.size.max).contains(count)), "{idle:?}");
    }

    /// Ends everything: nothing is left, and nothing more is made.
    async fn finish(mut self) {
        let pool = Arc::clone(&self.pool);
        let mut finish = Polled::new(async move { pool.finish(Duration::from_secs(3600)).await });
        let mut is_finished = finish.poll().is_some();
        self.is_closed = true;
        self.settle().await;
        is_finished = is_finished || finish.is_woken() && finish.poll().is_some();
        assert!(is_finished, "the filler does not end");
        assert_eq!(lock(&self.world).making.len(), 0);
        self.taken.clear();
        assert_eq!(lock(&self.world).alive.len(), 0);
    }
}

/// Lets the filler run until it waits.
async fn fill() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// Runs one schedule, with paused time: it passes only where the schedule says so.
fn simulate(size: PoolSize, schedule: &[Step]) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    // Unconstrained: tokio's budget for one task would end, as all who wait are polled by this one.
    runtime.block_on(tokio::task::unconstrained(async {
        let mut simulation = Simulation::new(size);
        for step in schedule {
            simulation.step(*step).await;
        }
        simulation.settle().await;
        simulation.finish().await;
    }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn no_schedule_hands_a_sandbox_out_twice_or_loses_one(
        min in 0..4usize,
        max in 0..6usize,
        schedule in schedule(),
    ) {
        simulate(PoolSize { min, max }, &schedule);
    }
}
