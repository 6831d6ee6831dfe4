//! The limits of all callers: what admits a request and charges what it has cost.

use crate::limits::levels::{Answer, Levels};
use crate::limits::running::{Place, Running};
use crate::limits::shared::Shared;
use crate::limits::table::Table;
use crate::limits::terms::{Caller, Limit, Limited, LimitsConfig, Over, Standing, Terms};
use crate::record::OwnLimits;
use crate::secret::KeyId;
use crate::store::KEYS_MAX;
use redis_link::RedisConfig;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::Subscriber;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Addresses whose levels are kept apart in memory.
const ADDRESSES_MAX: usize = 65_536;

/// `Retry-After` for concurrency, in seconds: nobody knows when a program ends.
const RETRY_AFTER_CONCURRENT_S: u64 = 1;

/// `Retry-After` while limits cannot be counted, in seconds: Redis is tried again twice a second.
const RETRY_AFTER_UNAVAILABLE_S: u64 = 2;

/// What happens while Redis does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutRedis {
    /// This process counts alone.
    Local,
    /// Requests with a limit that is counted in Redis are refused.
    Refuse,
}

/// The limits. Dropping them ends their task.
#[derive(Debug)]
pub struct Limits {
    config: LimitsConfig,
    without_redis: WithoutRedis,
    shared: Option<Arc<Shared>>,
    follower: Option<AbortHandle>,
    epoch: Instant,
    local: Mutex<Local>,
    running: Running,
    refused: [AtomicU64; Limit::NAMES.len()],
    unavailable: AtomicU64,
}

#[derive(Debug)]
struct Local {
    keys: Table<KeyId>,
    addresses: Table<Subscriber>,
}

impl Local {
    fn of(&mut self, caller: Caller, now: u64) -> &mut Levels {
        match caller {
            Caller::Key(id) => self.keys.of(id, now),
            Caller::Subscriber(subscriber) => self.addresses.of(subscriber, now),
        }
    }
}

/// What limits count themselves, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitsSnapshot {
    /// Requests refused since the start, by the limit that they reached, in the sequence of [`Limit::NAMES`].
    pub refused: [u64; Limit::NAMES.len()],
    /// Requests refused since the start because limits could not be counted.
    pub unavailable: u64,
    /// Whether they are counted in Redis now; `None` if they are counted in this process alone.
    pub shared_up: Option<bool>,
    /// Callers whose levels are in memory.
    pub callers: u64,
}

/// A request that was admitted. Its place is free when it is dropped.
#[derive(Debug)]
pub struct Entered {
    limits: Arc<Limits>,
    caller: Caller,
    terms: Terms,
    standing: Option<Standing>,
    _place: Option<Place>,
}

impl Entered {
    /// What is left of the caller's rate; `None` without a rate.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// Charges what the request's program has cost: here at once, in Redis without waiting for it.
    pub fn charge(&self, cpu_time: Duration, stored_bytes: u64) {
        let (cpu_us, stored_us) = (self.terms.cpu_us(cpu_time), self.terms.stored_us(stored_bytes));
        if (cpu_us, stored_us) == (0, 0) {
            return;
        }
        let limits = &self.limits;
        let now = limits.now();
        support::lock(&limits.local).of(self.caller, now).charge(cpu_us, stored_us, now);
        if let (Some(shared), Ok(runtime)) = (limits.shared.clone(), Handle::try_current()) {
            let caller = self.caller;
            runtime.spawn(async move { shared.charge(caller, cpu_us, stored_us).await });
        }
    }
}

impl Limits {
    /// Limits that are counted in this process.
    #[must_use]
    pub fn local(config: LimitsConfig) -> Arc<Self> {
        Arc::new(Self::new(config))
    }

    /// Limits that are counted in Redis, with names that begin with `prefix`. Waits for the first connection, as long
    /// as one call of Redis may take; without one it tries again by itself.
    pub async fn shared(
        config: LimitsConfig,
        redis: RedisConfig,
        prefix: &str,
        without_redis: WithoutRedis,
    ) -> Arc<Self> {
        let meanwhile = match without_redis {
            WithoutRedis::Local => "each service counts alone",
            WithoutRedis::Refuse => "requests with a rate or a quota are refused",
        };
        let shared = Arc::new(Shared::new(redis, prefix, meanwhile));
        shared.connect().await;
        let follower = Some(tokio::spawn(Arc::clone(&shared).follow()).abort_handle());
        let mut limits = Self::new(config);
        (limits.without_redis, limits.shared, limits.follower) = (without_redis, Some(shared), follower);
        Arc::new(limits)
    }

    fn new(config: LimitsConfig) -> Self {
        let local = Local { keys: Table::new(KEYS_MAX), addresses: Table::new(ADDRESSES_MAX) };
        Self {
            config,
            without_redis: WithoutRedis::Local,
            shared: None,
            follower: None,
            epoch: Instant::now(),
            local: Mutex::new(local),
            running: Running::default(),
            refused: Default::default(),
            unavailable: AtomicU64::new(0),
        }
    }

    /// Admits a request of this caller, whose key may have limits of its own. Concurrency is checked first: a request
    /// that is refused takes nothing of the rate.
    ///
    /// # Errors
    /// [`Limited`].
    pub async fn enter(self: &Arc<Self>, caller: Caller, own: Option<OwnLimits>) -> Result<Entered, Limited> {
        let terms = Terms::new(self.config.allowance(own), self.config.period);
        let max = terms.allowance.concurrent;
        let place = match max {
            0 => None,
            max => match self.running.enter(caller, max) {
                Some(place) => Some(place),
                None => {
                    let limit = Limit::Concurrent { max };
                    return Err(self.over(caller, limit, RETRY_AFTER_CONCURRENT_S, None));
                }
            },
        };
        let mut standing = None;
        if terms.need_levels() {
            let Answer { refused, owed } = self.ask(caller, &terms).await?;
            standing = Standing::of(&terms, owed.rate);
            if let Some((limit, wait_us)) = refused {
                return Err(self.over(caller, limit, wait_us.div_ceil(1_000_000).max(1), standing));
            }
        }
        Ok(Entered { limits: Arc::clone(self), caller, terms, standing, _place: place })
    }

    async fn ask(&self, caller: Caller, terms: &Terms) -> Result<Answer, Limited> {
        let Some(shared) = &self.shared else { return Ok(self.ask_here(caller, terms)) };
        match (shared.admit(caller, terms).await, self.without_redis) {
            (Some(told), _) => {
                let now = self.now();
                // If Redis goes away, this process goes on from here.
                *support::lock(&self.local).of(caller, now) = Levels::ahead(told.owed, now);
                let refused = if told.is_admitted { None } else { terms.refuses(&told.owed) };
                Ok(Answer { refused, owed: told.owed })
            }
            (None, WithoutRedis::Local) => Ok(self.ask_here(caller, terms)),
            (None, WithoutRedis::Refuse) => {
                self.unavailable.fetch_add(1, Ordering::Relaxed);
                Err(Limited::Unavailable { retry_after_s: RETRY_AFTER_UNAVAILABLE_S })
            }
        }
    }

    fn ask_here(&self, caller: Caller, terms: &Terms) -> Answer {
        let now = self.now();
        support::lock(&self.local).of(caller, now).admit(terms, now)
    }

    fn over(&self, caller: Caller, limit: Limit, retry_after_s: u64, standing: Option<Standing>) -> Limited {
        self.refused[limit.index()].fetch_add(1, Ordering::Relaxed);
        Limited::Over(Over { limit, is_key: matches!(caller, Caller::Key(_)), retry_after_s, standing })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The counts.
    #[must_use]
    pub fn snapshot(&self) -> LimitsSnapshot {
        let local = support::lock(&self.local);
        LimitsSnapshot {
            refused: self.refused.each_ref().map(|count| count.load(Ordering::Relaxed)),
            unavailable: self.unavailable.load(Ordering::Relaxed),
            shared_up: self.shared.as_ref().map(|shared| shared.is_up()),
            callers: (local.keys.len() + local.addresses.len()) as u64,
        }
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        if let Some(follower) = &self.follower {
            follower.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::terms::Allowance;
    use testkit::{Keeps, RedisServer};

    const CALLER: Caller = Caller::Subscriber(Subscriber::V4([192, 0, 2, 1]));

    fn config(default: Allowance) -> LimitsConfig {
        LimitsConfig { default, ..LimitsConfig::default() }
    }

    fn over(entered: Result<Entered, Limited>) -> Over {
        match entered {
            Err(Limited::Over(over)) => over,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn each_limit_refuses_and_is_counted() {
        let default =
            Allowance { rate_per_minute: 1, burst: 3, concurrent: 1, cpu_seconds: 5, stored_bytes: 10 };
        let limits = Limits::local(config(default));
        let first = limits.enter(CALLER, None).await.unwrap();
        assert_eq!(first.standing().map(|standing| (standing.quota, standing.remaining)), Some((3, 2)));
        let second = over(limits.enter(CALLER, None).await);
        assert_eq!((second.limit, second.retry_after_s), (Limit::Concurrent { max: 1 }, 1));
        first.charge(Duration::from_secs(6), 9);
        drop(first);
        let second = over(limits.enter(CALLER, None).await);
        let period = Duration::from_secs(24 * 3600);
        assert_eq!((second.limit, second.is_key), (Limit::Cpu { seconds: 5, period }, false));
        assert_eq!(
            second.standing.map(|standing| standing.remaining),
            Some(2),
            "it took nothing of the rate"
        );
        // Another caller, and one without that quota.
        let other = Caller::Subscriber(Subscriber::Loopback);
        drop(limits.enter(other, None).await.unwrap());
        let own = OwnLimits { cpu_seconds: Some(0), ..OwnLimits::default() };
        limits.enter(CALLER, Some(own)).await.unwrap().charge(Duration::ZERO, 2);
        let third = over(limits.enter(CALLER, Some(own)).await);
        assert_eq!(third.limit, Limit::Stored { bytes: 10, period });
        let own = OwnLimits { stored_bytes: Some(0), ..own };
        drop(limits.enter(CALLER, Some(own)).await.unwrap());
        let last = over(limits.enter(CALLER, Some(own)).await);
        assert_eq!((last.limit, last.retry_after_s), (Limit::Rate { per_minute: 1, burst: 3 }, 60));
        let unlimited = OwnLimits { rate_per_minute: Some(0), ..own };
        assert!(limits.enter(CALLER, Some(unlimited)).await.unwrap().standing().is_none());
        let snapshot = LimitsSnapshot { refused: [1; 4], callers: 2, ..LimitsSnapshot::default() };
        assert_eq!(limits.snapshot(), snapshot);
    }

    #[tokio::test]
    async fn a_service_without_limits_keeps_nothing() {
        let limits = Limits::local(LimitsConfig::default());
        limits.enter(CALLER, None).await.unwrap().charge(Duration::from_secs(1), 1);
        assert_eq!(limits.snapshot(), LimitsSnapshot::default());
    }

    #[tokio::test]
    async fn what_one_service_charges_another_refuses() {
        let Some(server) = RedisServer::start(Keeps::Nothing) else { return };
        let redis = || RedisConfig {
            address: server.url().parse().unwrap(),
            ca_file: None,
            time_max: Duration::from_secs(5),
        };
        let limited = config(Allowance { cpu_seconds: 5, ..Allowance::default() });
        let one = Limits::shared(limited, redis(), "a", WithoutRedis::Refuse).await;
        let other = Limits::shared(limited, redis(), "a", WithoutRedis::Refuse).await;
        one.enter(CALLER, None).await.unwrap().charge(Duration::from_secs(6), 0);
        // Nobody waits for the charge.
        let begun = Instant::now();
        let refused = loop {
            let entered = other.enter(CALLER, None).await;
            if entered.is_err() {
                break over(entered);
            }
            assert!(begun.elapsed() < Duration::from_secs(30));
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert!(matches!(refused.limit, Limit::Cpu { seconds: 5, .. }), "{refused:?}");
    }

    #[tokio::test]
    async fn while_redis_is_away_limits_go_on_here_or_refuse() {
        let Some(mut server) = RedisServer::start(Keeps::Nothing) else { return };
        let redis = || RedisConfig {
            address: server.url().parse().unwrap(),
            ca_file: None,
            time_max: Duration::from_secs(5),
        };
        let limited = config(Allowance { rate_per_minute: 1, burst: 3, ..Allowance::default() });
        let local = Limits::shared(limited, redis(), "a", WithoutRedis::Local).await;
        let refusing = Limits::shared(limited, redis(), "a", WithoutRedis::Refuse).await;
        drop(local.enter(CALLER, None).await.unwrap());
        drop(refusing.enter(CALLER, None).await.unwrap());
        assert_eq!(local.enter(CALLER, None).await.unwrap().standing().unwrap().remaining, 0);
        server.kill();
        // It goes on from what Redis said last.
        let refused = over(local.enter(CALLER, None).await);
        assert_eq!(refused.limit, Limit::Rate { per_minute: 1, burst: 3 });
        let other = Caller::Subscriber(Subscriber::Loopback);
        drop(local.enter(other, None).await.unwrap());
        let away = refusing.enter(other, None).await.unwrap_err();
        assert_eq!(away, Limited::Unavailable { retry_after_s: RETRY_AFTER_UNAVAILABLE_S });
        let free = OwnLimits { rate_per_minute: Some(0), ..OwnLimits::default() };
        drop(refusing.enter(other, Some(free)).await.unwrap());
        let snapshot = refusing.snapshot();
        assert_eq!((snapshot.unavailable, snapshot.shared_up), (1, Some(false)));
        assert_eq!(local.snapshot().shared_up, Some(false));
        // This Redis has kept nothing: the budget is fresh.
        server.restart();
        let begun = Instant::now();
        while refusing.enter(CALLER, None).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(refusing.snapshot().shared_up, Some(true));
    }
}
