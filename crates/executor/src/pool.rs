//! A warm pool: pre-created sandboxes, each used once.
//!
//! ```text
//! take(template) ── an idle one, still usable ──> it
//! └─ none ──> one made now: slower, never an error of its own
//! filler: the queue that lacks most of its target gets one more, in the background
//! ```
//! Each template has a queue of idle sandboxes. Its target follows the demand: a queue that had none to give
//! doubles its target, one that had sandboxes to spare for a while lets half of them go.

use crate::stats::PoolStats;
use crate::{ExecutorError, Freshness, TemplateId};
use async_trait::async_trait;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Time after which a queue that always had sandboxes to spare shrinks.
const SHRINK_AFTER: Duration = Duration::from_secs(10);
/// Pause of the filler after a sandbox was taken, as long as enough are idle: the program that it was taken
/// for has the cores for itself meanwhile.
const REFILL_DELAY: Duration = Duration::from_millis(3);
/// Pause of the filler after a failure to make a sandbox: the host may need it.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Makes the sandboxes of a pool.
#[async_trait]
pub trait Maker: fmt::Debug + Send + Sync + 'static {
    /// An unused sandbox.
    type Item: fmt::Debug + Send + 'static;

    /// Makes one with an interpreter from this template.
    ///
    /// # Errors
    /// Why none could be made.
    async fn make(&self, template: TemplateId) -> Result<Self::Item, ExecutorError>;

    /// Whether an idle sandbox is still usable. Must not block.
    fn is_usable(&self, item: &Self::Item) -> bool;
}

/// Size of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSize {
    /// Minimum number of idle sandboxes for each template.
    pub min: usize,
    /// Maximum number of idle sandboxes for each template; 0 for no pool: every sandbox is made on demand.
    pub max: usize,
}

/// A sandbox taken from a pool.
#[derive(Debug)]
pub struct Taken<T> {
    /// The sandbox.
    pub item: T,
    /// It was idle before, not made for this request.
    pub was_idle: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Pool<M: Maker> {
    inner: Arc<Inner<M>>,
    filler: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Inner<M: Maker> {
    maker: M,
    size: PoolSize,
    queues: Mutex<Vec<Queue<M::Item>>>,
    /// One per queue; beside them, as most of what is counted happens outside their lock.
    counts: Vec<Counts>,
    changed: Notify,
    closed: AtomicBool,
}

/// See [`PoolStats`].
#[derive(Debug, Default)]
struct Counts {
    taken_idle: AtomicU64,
    taken_made: AtomicU64,
    unusable: AtomicU64,
    made: AtomicU64,
    failed: AtomicU64,
    make_us: AtomicU64,
}

struct Queue<T> {
    idle: VecDeque<T>,
    target: usize,
    /// The fewest idle sandboxes since `since`.
    fewest: usize,
    since: Instant,
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (idle, target) = (self.idle.len(), self.target);
        formatter.debug_struct("Queue").field("idle", &idle).field("target", &target).finish()
    }
}

impl<T> Queue<T> {
    fn take(&mut self, max: usize, yields: bool) -> Option<T> {
        let kept = if yields { self.target / 2 } else { 0 };
        let item = if self.idle.len() > kept { self.idle.pop_front() } else { None };
        if item.is_none() {
            self.target = (self.target * 2).clamp(1, max.max(1));
        }
        self.fewest = self.fewest.min(self.idle.len());
        item
    }

    /// The surplus, if there has been one for long enough.
    fn shrink(&mut self, min: usize, now: Instant) -> Vec<T> {
        if now.duration_since(self.since) < SHRINK_AFTER {
            return Vec::new();
        }
        self.target = self.target.saturating_sub(self.fewest / 2).max(min);
        self.since = now;
        self.fewest = self.idle.len().min(self.target);
        let surplus = self.idle.len().saturating_sub(self.target);
        self.idle.drain(..surplus).collect()
    }

    fn lacks(&self) -> usize {
        self.target.saturating_sub(self.idle.len())
    }

    /// Whether enough are idle for the next takes, too.
    fn has_enough(&self) -> bool {
        self.idle.len() >= self.target.div_ceil(2)
    }
}

impl<M: Maker> Pool<M> {
    /// A pool for the first `templates` templates, which starts to fill at once. Requires a tokio runtime.
    pub fn new(maker: M, templates: usize, size: PoolSize) -> Self {
        let queue = || Queue {
            idle: VecDeque::new(),
            target: size.min.min(size.max),
            fewest: 0,
            since: Instant::now(),
        };
        let inner = Arc::new(Inner {
            maker,
            size,
            queues: Mutex::new((0..templates).map(|_| queue()).collect()),
            counts: (0..templates).map(|_| Counts::default()).collect(),
            changed: Notify::new(),
            closed: AtomicBool::new(false),
        });
        let filler = (size.max > 0).then(|| tokio::spawn(fill(Arc::clone(&inner))));
        Self { inner, filler: Mutex::new(filler) }
    }

    /// The maker of the sandboxes.
    pub fn maker(&self) -> &M {
        &self.inner.maker
    }

    /// An idle sandbox if that will do, else a new one. One for a program that yields ([`crate::Hints::yields`])
    /// leaves half of the target idle.
    ///
    /// # Errors
    /// As [`Maker::make`].
    pub async fn take(
        &self,
        template: TemplateId,
        freshness: Freshness,
        yields: bool,
    ) -> Result<Taken<M::Item>, ExecutorError> {
        let count = |pick: fn(&Counts) -> &AtomicU64| self.inner.count(template, pick, 1);
        while freshness == Freshness::Any
            && let Some(item) = self.take_idle(template, yields)
        {
            if self.inner.maker.is_usable(&item) {
                count(|counts| &counts.taken_idle);
                return Ok(Taken { item, was_idle: true });
            }
            count(|counts| &counts.unusable);
            // Dropped: whatever made it unusable, it is not used.
            tracing::debug!(template = template.index(), "an idle sandbox was no longer usable");
        }
        let item = self.inner.make(template).await?;
        count(|counts| &counts.taken_made);
        Ok(Taken { item, was_idle: false })
    }

    fn take_idle(&self, template: TemplateId, yields: bool) -> Option<M::Item> {
        let max = self.inner.size.max;
        if max == 0 {
            return None;
        }
        let idle = self.inner.queues().get_mut(template.index()).and_then(|queue| queue.take(max, yields));
        self.inner.changed.notify_one();
        idle
    }

    /// Number of idle sandboxes, of all templates.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.inner.queues().iter().map(|queue| queue.idle.len()).sum()
    }

    /// Counts and sizes of each queue.
    #[must_use]
    pub fn stats(&self) -> Vec<PoolStats> {
        let sizes = |queue: &Queue<M::Item>| (queue.idle.len() as u64, queue.target as u64);
        let sizes: Vec<_> = self.inner.queues().iter().map(sizes).collect();
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let stats = |((idle, target), counts): ((u64, u64), &Counts)| PoolStats {
            idle,
            target,
            taken_idle: get(&counts.taken_idle),
            taken_made: get(&counts.taken_made),
            unusable: get(&counts.unusable),
            made: get(&counts.made),
            failed: get(&counts.failed),
            make_time: Duration::from_micros(get(&counts.make_us)),
        };
        sizes.into_iter().zip(&self.inner.counts).map(stats).collect()
    }

    /// Drops the idle sandboxes and stops pre-creating. Idempotent.
    pub fn close(&self) {
        self.inner.closed.store(true, Ordering::SeqCst);
        self.inner.changed.notify_one();
        let dropped: Vec<_> = self.inner.queues().iter_mut().flat_map(|s| s.idle.drain(..)).collect();
        drop(dropped);
    }

    /// Closes the pool, and waits for the sandbox that is being made, so that it is dropped while what
    /// removes it still exists. Gives up after `time_max`.
    pub async fn finish(&self, time_max: Duration) {
        self.close();
        let filler = self.filler.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(filler) = filler
            && tokio::time::timeout(time_max, filler).await.is_err()
        {
            tracing::warn!("a sandbox that was being pre-created was not ready before shutdown");
        }
    }
}

impl<M: Maker> Drop for Pool<M> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<M: Maker> Inner<M> {
    fn queues(&self) -> MutexGuard<'_, Vec<Queue<M::Item>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, template: TemplateId, pick: impl Fn(&Counts) -> &AtomicU64, by: u64) {
        if let Some(counts) = self.counts.get(template.index()) {
            pick(counts).fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Makes a sandbox, and counts it and its time.
    async fn make(&self, template: TemplateId) -> Result<M::Item, ExecutorError> {
        let begun = Instant::now();
        let made = self.maker.make(template).await;
        if made.is_ok() {
            let us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.count(template, |counts| &counts.made, 1);
            self.count(template, |counts| &counts.make_us, us);
        } else {
            self.count(template, |counts| &counts.failed, 1);
        }
        made
    }

    /// The template whose queue lacks the most, relative to its target.
    fn neediest(&self) -> Option<TemplateId> {
        let queues = self.queues();
        let ids = TemplateId::first(queues.len());
        let needy = ids.zip(queues.iter()).filter(|(_, queue)| queue.lacks() > 0);
        needy.max_by_key(|(_, queue)| queue.lacks() * 1000 / queue.target.max(1)).map(|(id, _)| id)
    }

    fn has_enough(&self) -> bool {
        self.queues().iter().all(Queue::has_enough)
    }

    /// Puts a sandbox into its template's queue, or returns it if the queue is full or the pool is closed.
    fn put(&self, template: TemplateId, item: M::Item) -> Option<M::Item> {
        let mut queues = self.queues();
        match queues.get_mut(template.index()) {
            Some(queue) if queue.lacks() > 0 && !self.closed.load(Ordering::SeqCst) => {
                queue.idle.push_back(item);
                None
            }
            _ => Some(item),
        }
    }

    fn shrink(&self) -> Vec<M::Item> {
        let (now, min) = (Instant::now(), self.size.min.min(self.size.max));
        self.queues().iter_mut().flat_map(|queue| queue.shrink(min, now)).collect()
    }
}

/// The filler: one sandbox at a time, so refilling never takes more than one core from the programs.
async fn fill<M: Maker>(inner: Arc<Inner<M>>) {
    let mut failed = false;
    while !inner.closed.load(Ordering::SeqCst) {
        drop(inner.shrink());
        let Some(template) = inner.neediest() else {
            // Every take wakes it; the timeout is for shrinking.
            if tokio::time::timeout(SHRINK_AFTER, inner.changed.notified()).await.is_ok()
                && inner.has_enough()
            {
                tokio::time::sleep(REFILL_DELAY).await;
            }
            continue;
        };
        match inner.make(template).await {
            Ok(item) => {
                failed = false;
                drop(inner.put(template, item));
            }
            Err(error) => {
                if !failed && !inner.closed.load(Ordering::SeqCst) {
                    tracing::warn!(error = %error.chain(), "failed to pre-create a sandbox; will retry");
                }
                failed = true;
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Debug, Default)]
    struct Counting {
        made: AtomicUsize,
        alive: Arc<AtomicUsize>,
        broken: AtomicBool,
        slow: bool,
    }

    const LEAN: TemplateId = TemplateId::at(0);
    const DATA: TemplateId = TemplateId::at(1);
    const SLOW: Duration = Duration::from_secs(4);

    #[derive(Debug)]
    struct Item {
        template: TemplateId,
        usable: bool,
        alive: Arc<AtomicUsize>,
    }

    impl Drop for Item {
        fn drop(&mut self) {
            self.alive.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[async_trait]
    impl Maker for Counting {
        type Item = Item;

        async fn make(&self, template: TemplateId) -> Result<Item, ExecutorError> {
            if self.broken.load(Ordering::SeqCst) {
                return Err(ExecutorError::before_start("counting", "make", "broken"));
            }
            self.alive.fetch_add(1, Ordering::SeqCst);
            // The first is unusable: that must be noticed when it is taken.
            let usable = self.made.fetch_add(1, Ordering::SeqCst) > 0;
            let item = Item { template, usable, alive: Arc::clone(&self.alive) };
            if self.slow {
                tokio::time::sleep(SLOW).await;
            }
            Ok(item)
        }

        fn is_usable(&self, item: &Item) -> bool {
            item.usable
        }
    }

    const SIZE: PoolSize = PoolSize { min: 2, max: 8 };

    async fn filled(pool: &Pool<Counting>, waiting: usize) {
        for _ in 0..1000 {
            if pool.idle() == waiting {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{} are idle, not {waiting}", pool.idle());
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_fit_used_once_and_replaced() {
        let pool = Pool::new(Counting::default(), 2, SIZE);
        filled(&pool, 4).await;
        let Taken { item: first, was_idle } = pool.take(LEAN, Freshness::Any, false).await.unwrap();
        assert!(was_idle && first.usable && first.template == LEAN, "the unusable one was skipped");
        assert_eq!(pool.take(DATA, Freshness::Any, false).await.unwrap().item.template, DATA);
        filled(&pool, 4).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_shelf_is_only_slower_and_grows() {
        let pool = Pool::new(Counting::default(), 1, SIZE);
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(pool.take(LEAN, Freshness::Any, false).await.unwrap());
        }
        filled(&pool, 8).await;
        assert_eq!(pool.idle(), 8, "never more than the maximum");
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_must_be_new_is_made_and_those_that_wait_stay() {
        let pool = Pool::new(Counting::default(), 1, SIZE);
        filled(&pool, 2).await;
        let taken = pool.take(LEAN, Freshness::MadeNow, false).await.unwrap();
        assert!(!taken.was_idle);
        assert_eq!(
            (taken.item.template, pool.idle(), pool.maker().made.load(Ordering::SeqCst)),
            (LEAN, 2, 3)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_made_at_the_end_is_waited_for_and_dropped() {
        let maker = Counting { slow: true, ..Counting::default() };
        let (alive, pool) = (Arc::clone(&maker.alive), Pool::new(maker, 1, SIZE));
        tokio::time::sleep(SLOW / 2).await;
        assert_eq!((alive.load(Ordering::SeqCst), pool.idle()), (1, 0), "one is being made");
        pool.finish(2 * SLOW).await;
        assert_eq!((alive.load(Ordering::SeqCst), pool.idle()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_never_needed_goes() {
        let pool = Pool::new(Counting::default(), 1, SIZE);
        for _ in 0..6 {
            drop(pool.take(LEAN, Freshness::Any, false).await.unwrap());
        }
        filled(&pool, 8).await;
        for _ in 0..8 {
            tokio::time::sleep(SHRINK_AFTER + Duration::from_secs(1)).await;
        }
        filled(&pool, 2).await;
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_size_nothing_is_made_ahead() {
        let pool = Pool::new(Counting::default(), 1, PoolSize { min: 0, max: 0 });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(pool.maker().made.load(Ordering::SeqCst), 0);
        assert_eq!(pool.take(LEAN, Freshness::Any, false).await.unwrap().item.template, LEAN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_maker_that_fails_is_asked_again_and_its_error_reaches_who_asks() {
        let pool = Pool::new(Counting::default(), 1, SIZE);
        pool.maker().broken.store(true, Ordering::SeqCst);
        assert!(pool.take(LEAN, Freshness::Any, false).await.is_err());
        pool.maker().broken.store(false, Ordering::SeqCst);
        tokio::time::sleep(PAUSE_AFTER_FAILURE * 3).await;
        assert!(pool.idle() >= 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_yields_leaves_half_of_the_idle_sandboxes_to_others() {
        let pool = Pool::new(Counting::default(), 1, PoolSize { min: 4, max: 4 });
        filled(&pool, 4).await;
        // Nothing refills the queue below: the filler does not run between two takes that need not wait.
        let mut taken = Vec::new();
        for yields in [true, true, false, false] {
            taken.push(pool.take(LEAN, Freshness::Any, yields).await.unwrap());
        }
        assert_eq!(taken.iter().map(|taken| taken.was_idle).collect::<Vec<_>>(), [true, false, true, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_made_and_spoiled_is_counted() {
        let pool = Pool::new(Counting { slow: true, ..Counting::default() }, 2, SIZE);
        tokio::time::sleep(SLOW * 10).await;
        for (template, freshness) in
            [(LEAN, Freshness::Any), (LEAN, Freshness::MadeNow), (DATA, Freshness::Any)]
        {
            drop(pool.take(template, freshness, false).await.unwrap());
        }
        let stats = pool.stats();
        let PoolStats { taken_idle, taken_made, failed, target, .. } = stats[0];
        assert_eq!((taken_idle, taken_made, failed, target), (1, 1, 0, 2));
        assert_eq!(stats.iter().map(|template| template.unusable).sum::<u64>(), 1, "the first that was made");
        assert_eq!(stats.iter().map(|template| template.idle).sum::<u64>(), pool.idle() as u64);
        for template in &stats {
            let time = SLOW * u32::try_from(template.made).unwrap();
            assert!(template.made >= 2 && template.make_time >= time, "{template:?}");
        }
        assert_eq!((stats[1].taken_idle, stats[1].taken_made), (1, 0), "each template has its own");
        pool.maker().broken.store(true, Ordering::SeqCst);
        assert!(pool.take(DATA, Freshness::MadeNow, false).await.is_err());
        let PoolStats { taken_made, failed, .. } = pool.stats()[1];
        assert_eq!((taken_made, failed), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn closing_drops_everything_also_what_comes_late() {
        let pool = Pool::new(Counting::default(), 1, SIZE);
        filled(&pool, 2).await;
        let alive = Arc::clone(&pool.maker().alive);
        pool.close();
        drop(pool);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
}
