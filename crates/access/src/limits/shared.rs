//! The levels in Redis, for services that share their limits.
//!
//! - One script and one round trip for each request, with the time of Redis: services need no common clock.
//! - One connection for all requests. When it fails, no request asks Redis any more until a task has connected again
//!   and seen the script work: a Redis that hangs costs the requests that are under way its time-out, once. The task
//!   also asks once a second while nobody else does, so that the metric is true.
//! - A clock of Redis that is set back neither gives a fresh budget nor makes anybody wait until it is where it was
//!   (clock.lua). One that is set forward frees what would be free then.
//! - Keys expire when nothing is used. What is lost with a Redis that keeps nothing is used budget.

use crate::limits::levels::{DEBT_US_MAX, Owed};
use crate::limits::terms::{Allowance, Caller, Terms};
use redis_link::{Connection, Failed, RedisConfig, Script};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

const ADMIT_TEXT: &str = concat!(include_str!("clock.lua"), include_str!("admit.lua"));
const CHARGE_TEXT: &str = concat!(include_str!("clock.lua"), include_str!("charge.lua"));
static ADMIT: Script = Script::new(ADMIT_TEXT);
static CHARGE: Script = Script::new(CHARGE_TEXT);

/// Time between two attempts to connect.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Time between two checks of a connection.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The link to Redis.
pub(crate) struct Shared {
    config: RedisConfig,
    prefix: String,
    /// What happens meanwhile, for the log.
    meanwhile: &'static str,
    link: Mutex<Option<Arc<Connection>>>,
    /// The connection failed.
    lost: Notify,
    /// The last change was reported as an outage.
    is_away: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What Redis says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) is_admitted: bool,
    pub(crate) owed: Owed,
}

impl Shared {
    /// A link that is not connected yet.
    pub(crate) fn new(config: RedisConfig, prefix: &str, meanwhile: &'static str) -> Self {
        Self {
            config,
            prefix: prefix.to_owned(),
            meanwhile,
            link: Mutex::new(None),
            lost: Notify::new(),
            is_away: AtomicBool::new(false),
        }
    }

    /// Whether Redis is asked now.
    pub(crate) fn is_up(&self) -> bool {
        support::lock(&self.link).is_some()
    }

    /// Asks for one request; `None` if Redis does not answer.
    pub(crate) async fn admit(&self, caller: Caller, terms: &Terms) -> Option<Told> {
        let link = self.link()?;
        let told = admit(&link, &ADMIT, &self.name(&caller.to_string()), terms).await;
        told.inspect_err(|failed| self.lose(&link, failed)).ok()
    }

    /// Adds what a program has cost; lost if Redis does not answer.
    pub(crate) async fn charge(&self, caller: Caller, cpu_us: u64, stored_us: u64) {
        let Some(link) = self.link() else { return };
        let costs = [cpu_us, stored_us, DEBT_US_MAX].map(|number| number.min(DEBT_US_MAX).to_string());
        let name = self.name(&caller.to_string());
        let done = link.run(&CHARGE, &[&name], &costs.each_ref().map(String::as_str)).await;
        if let Err(failed) = done {
            self.lose(&link, &failed);
        }
    }

    fn link(&self) -> Option<Arc<Connection>> {
        support::lock(&self.link).clone()
    }

    /// The part in braces is that of all names, so that they are on one node of a cluster.
    fn name(&self, rest: &str) -> String {
        format!("{{{}}}:limits:{rest}", self.prefix)
    }

    /// Stops to use a connection.
    fn lose(&self, link: &Arc<Connection>, failed: &Failed) {
        let mut current = support::lock(&self.link);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, link)) {
            *current = None;
            drop(current);
            self.report_away(failed);
            self.lost.notify_one();
        }
    }

    fn report_away(&self, failed: &Failed) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            let reason = support::one_line(&failed.detail());
            tracing::warn!(reason, meanwhile = self.meanwhile, "limits cannot be counted in Redis");
        }
    }

    /// Connects if it can.
    pub(crate) async fn connect(&self) {
        match self.try_connect().await {
            Ok(link) => {
                *support::lock(&self.link) = Some(Arc::new(link));
                if self.is_away.swap(false, Ordering::Relaxed) {
                    tracing::info!("limits are counted in Redis again");
                }
            }
            Err(failed) => self.report_away(&failed),
        }
    }

    async fn try_connect(&self) -> Result<Connection, Failed> {
        let link = Connection::open(&self.config).await?;
        // A Redis that answers may still refuse to write.
        self.check(&link).await?;
        Ok(link)
    }

    async fn check(&self, link: &Connection) -> Result<(), Failed> {
        let often = Allowance { rate_per_minute: crate::limits::terms::RATE_MAX, ..Allowance::default() };
        admit(link, &ADMIT, &self.name("check"), &Terms::new(often, Duration::from_secs(60))).await.map(drop)
    }

    /// Keeps the connection, for ever.
    pub(crate) async fn follow(self: Arc<Self>) {
        loop {
            if let Some(link) = self.link() {
                let _ = tokio::time::timeout(CHECK_INTERVAL, self.lost.notified()).await;
                if self.is_up()
                    && let Err(failed) = self.check(&link).await
                {
                    self.lose(&link, &failed);
                }
            } else {
                tokio::time::sleep(RETRY_INTERVAL).await;
                self.connect().await;
            }
        }
    }
}

async fn admit(link: &Connection, script: &Script, name: &str, terms: &Terms) -> Result<Told, Failed> {
    let flag = |number: u64| u64::from(number > 0);
    let allowance = &terms.allowance;
    let numbers = [
        terms.interval_us,
        terms.window_us,
        terms.period_us,
        flag(allowance.cpu_seconds),
        flag(allowance.stored_bytes),
        DEBT_US_MAX,
    ]
    .map(|number| number.to_string());
    let answer = link.run(script, &[name], &numbers.each_ref().map(String::as_str)).await?;
    parse(&answer).ok_or_else(|| Failed::Refused("not the answer of the script".to_owned()))
}

fn parse(answer: &[String]) -> Option<Told> {
    let [admitted, rate, cpu, stored] = answer else { return None };
    let is_admitted = match admitted.as_str() {
        "1" => true,
        "0" => false,
        _ => return None,
    };
    let owed = Owed { rate: rate.parse().ok()?, cpu: cpu.parse().ok()?, stored: stored.parse().ok()? };
    Some(Told { is_admitted, owed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::levels::Levels;
    use crate::limits::terms::LimitsConfig;
    use support::Subscriber;
    use testkit::{Keeps, RedisServer};

    static COUNT: Script = Script::new("return {tostring(redis.call('EXISTS', KEYS[1]))}");

    const CALLER: Caller = Caller::Subscriber(Subscriber::V4([192, 0, 2, 1]));

    async fn connected(server: &RedisServer, prefix: &str) -> Shared {
        let address = server.url().parse().unwrap();
        let config = RedisConfig { address, ca_file: None, time_max: Duration::from_secs(5) };
        let shared = Shared::new(config, prefix, "");
        shared.connect().await;
        assert!(shared.is_up());
        shared
    }

    fn terms(default: Allowance) -> Terms {
        Terms::new(
            LimitsConfig { default, ..LimitsConfig::default() }.allowance(None),
            Duration::from_secs(60),
        )
    }

    #[tokio::test]
    async fn two_services_let_a_volley_of_the_burst_through_together() {
        let Some(server) = RedisServer::start(Keeps::Nothing) else { return };
        // So slow that nothing is free again during the test.
        let terms = terms(Allowance { rate_per_minute: 1, burst: 100, ..Allowance::default() });
        let services = [connected(&server, "a").await, connected(&server, "a").await];
        let asked = (0..300).map(|number| services[number % 2].admit(CALLER, &terms));
        let told = futures_util::future::join_all(asked).await;
        assert_eq!(told.iter().flatten().filter(|told| told.is_admitted).count(), 100);
        let last = services[0].admit(CALLER, &terms).await.unwrap();
        assert!(!last.is_admitted && last.owed.rate > 99 * 60_000_000, "{last:?}");
        // Another prefix shares nothing.
        assert!(connected(&server, "b").await.admit(CALLER, &terms).await.unwrap().is_admitted);
    }

    #[tokio::test]
    async fn the_script_is_the_formula() {
        let Some(server) = RedisServer::start(Keeps::Nothing) else { return };
        let shared = connected(&server, "a").await;
        let allowance = Allowance {
            rate_per_minute: 1,
            burst: 4,
            cpu_seconds: 10,
            stored_bytes: 1000,
            ..Allowance::default()
        };
        let several = terms(allowance);
        let mut levels = Levels::default();
        for (cpu_s, bytes) in [(0, 0), (4, 0), (5, 999), (3, 0), (0, 2), (0, 0), (u64::MAX, u64::MAX), (0, 0)]
        {
            let (cpu_us, stored_us) = (several.cpu_us(Duration::from_secs(cpu_s)), several.stored_us(bytes));
            levels.charge(cpu_us, stored_us, 0);
            shared.charge(CALLER, cpu_us, stored_us).await;
            let here = levels.admit(&several, 0);
            let there = shared.admit(CALLER, &several).await.unwrap();
            assert_eq!(there.is_admitted, here.refused.is_none());
            // The clock of Redis went on meanwhile.
            for (here, there) in [
                (here.owed.rate, there.owed.rate),
                (here.owed.cpu, there.owed.cpu),
                (here.owed.stored, there.owed.stored),
            ] {
                assert!(there <= here && here - there < 30_000_000, "{here} {there}");
            }
        }
        // A rate that was made smaller.
        let small = terms(Allowance { rate_per_minute: 60, burst: 1, ..Allowance::default() });
        let (here, there) = (levels.admit(&small, 0), shared.admit(CALLER, &small).await.unwrap());
        assert!(here.refused.is_some() && !there.is_admitted);
        assert_eq!((here.owed.rate, there.owed.rate), (small.window_us, small.window_us));
    }

    /// A script whose clock is a list in Redis that the test sets.
    fn with_clock(text: &'static str) -> Script {
        let text = text.replace("redis.call('TIME')", "redis.call('LRANGE', 'clock', 0, 1)");
        assert!(text.contains("LRANGE"));
        Script::new(Box::leak(text.into_boxed_str()))
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_gives_no_budget_and_takes_none() {
        let Some(server) = RedisServer::start(Keeps::Nothing) else { return };
        let link = connected(&server, "a").await.link().unwrap();
        let (admits, charges) = (with_clock(ADMIT_TEXT), with_clock(CHARGE_TEXT));
        let set_clock = |second: u64| {
            server.ask(&["DEL", "clock"]);
            server.ask(&["RPUSH", "clock", &second.to_string(), "0"]);
        };
        let allowance =
            Allowance { rate_per_minute: 60, burst: 10, cpu_seconds: 1000, ..Allowance::default() };
        let terms = terms(allowance);
        let admitted = async || {
            let mut count = 0;
            for _ in 0..20 {
                count += usize::from(admit(&link, &admits, "caller", &terms).await.unwrap().is_admitted);
            }
            count
        };
        let owed_cpu = async || admit(&link, &admits, "caller", &terms).await.unwrap().owed.cpu;
        set_clock(1_000_000);
        let cost = 40_000_000.to_string();
        link.run(&charges, &["caller"], &[&cost, "0", &DEBT_US_MAX.to_string()]).await.unwrap();
        assert_eq!(admitted().await, 10);
        // By an hour, while requests are refused, and again by a year.
        for (second, back_to) in [(1_000_003, 996_400), (996_402, 30)] {
            set_clock(second);
            let passed = usize::try_from(if second == 1_000_003 { 3 } else { 2 }).unwrap();
            assert_eq!(admitted().await, passed);
            let before = owed_cpu().await;
            set_clock(back_to);
            assert_eq!(admitted().await, 0, "nothing is free because of the clock");
            assert_eq!(owed_cpu().await, before);
        }
        set_clock(31);
        assert_eq!(admitted().await, 1, "it goes on from there");
        // What is charged first after the step.
        set_clock(5);
        link.run(&charges, &["caller"], &["1000000", "0", &DEBT_US_MAX.to_string()]).await.unwrap();
        assert_eq!(owed_cpu().await, 40_000_000 - 6_000_000 + 1_000_000);
    }

    /// With a clock that stands still.
    #[tokio::test]
    async fn quotas_and_debts_end_where_the_formula_says() {
        let Some(server) = RedisServer::start(Keeps::Nothing) else { return };
        let link = connected(&server, "a").await.link().unwrap();
        let (admits, charges) = (with_clock(ADMIT_TEXT), with_clock(CHARGE_TEXT));
        let set_clock = |us: u64| {
            server.ask(&["DEL", "clock"]);
            server.ask(&["RPUSH", "clock", &(us / 1_000_000).to_string(), &(us % 1_000_000).to_string()]);
        };
        let quota = |cpu_seconds, stored_bytes| {
            terms(Allowance { cpu_seconds, stored_bytes, ..Allowance::default() })
        };
        let (none, cpu, stored) = (quota(0, 0), quota(1, 0), quota(0, 1));
        let charge = async |caller: &str, cpu_us: u64, stored_us: u64| {
            let costs = [cpu_us, stored_us, DEBT_US_MAX].map(|number| number.to_string());
            link.run(&charges, &[caller], &costs.each_ref().map(String::as_str)).await.unwrap();
        };
        let ask = async |caller: &str, terms: &Terms| admit(&link, &admits, caller, terms).await.unwrap();
        let (begun, period) = (1_000_000_000_000, cpu.period_us);
        set_clock(begun);
        for (caller, cpu_us, stored_us, used) in [
            ("a", period - 1, period - 1, [false, false]),
            ("b", period, 0, [true, false]),
            ("c", 0, period, [false, true]),
            ("d", DEBT_US_MAX, DEBT_US_MAX, [true, true]),
        ] {
            charge(caller, cpu_us, stored_us).await;
            let told = [ask(caller, &cpu).await, ask(caller, &stored).await];
            assert_eq!(told.map(|told| !told.is_admitted), used, "{caller}");
            assert!(ask(caller, &none).await.is_admitted, "{caller}: another's quota");
        }
        // A debt is a year at most, however it came about, and is kept as long.
        charge("d", DEBT_US_MAX, DEBT_US_MAX).await;
        let kept_ms: u64 = server.ask(&["PTTL", "d"]).parse().unwrap();
        assert!((DEBT_US_MAX / 1000 - 600_000..=DEBT_US_MAX / 1000 + 1).contains(&kept_ms), "{kept_ms}");
        let far = (begun + 2 * DEBT_US_MAX).to_string();
        server.ask(&["HSET", "e", "rate", "0", "cpu", &far, "stored", &far, "seen", &begun.to_string()]);
        for caller in ["d", "e"] {
            let owed = ask(caller, &cpu).await.owed;
            assert_eq!((owed.cpu, owed.stored), (DEBT_US_MAX, DEBT_US_MAX), "{caller}");
        }
        // The time of a refused request is kept, too: what became free by then stays free when the clock is set back.
        for now in [begun + period, begun] {
            set_clock(now);
            assert_eq!(ask("d", &cpu).await.owed.cpu, DEBT_US_MAX - period);
        }
        set_clock(begun + DEBT_US_MAX);
        assert_eq!(ask("d", &cpu).await, Told { is_admitted: true, owed: Owed::default() });
    }

    #[tokio::test]
    async fn a_caller_that_used_nothing_is_not_kept() {
        let Some(server) = RedisServer::start(Keeps::Nothing) else { return };
        let shared = connected(&server, "a").await;
        // Everything is free again after 10 milliseconds.
        let fast = terms(Allowance { rate_per_minute: 6000, burst: 1, ..Allowance::default() });
        assert!(shared.admit(CALLER, &fast).await.unwrap().is_admitted);
        let link = shared.link().unwrap();
        let name = shared.name(&CALLER.to_string());
        assert_eq!(name, "{a}:limits:address:192.0.2.1");
        let begun = std::time::Instant::now();
        while link.run(&COUNT, &[&name], &[]).await.unwrap() != ["0"] {
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
    }

    #[tokio::test]
    async fn a_redis_that_went_away_is_not_asked_until_it_works_again() {
        let Some(mut server) = RedisServer::start(Keeps::Nothing) else { return };
        let shared = Arc::new(connected(&server, "a").await);
        let follower = tokio::spawn(Arc::clone(&shared).follow());
        let terms = terms(Allowance { rate_per_minute: 1, ..Allowance::default() });
        server.kill();
        assert_eq!(shared.admit(CALLER, &terms).await, None);
        assert!(!shared.is_up());
        let begun = std::time::Instant::now();
        for _ in 0..1000 {
            assert_eq!(shared.admit(CALLER, &terms).await, None);
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        server.restart();
        let begun = std::time::Instant::now();
        while shared.admit(CALLER, &terms).await.is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        follower.abort();
    }

    #[test]
    fn an_answer_of_something_else_is_none() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let owed = Owed { rate: 1, cpu: 2, stored: 3 };
        assert_eq!(parse(&texts(&["1", "1", "2", "3"])), Some(Told { is_admitted: true, owed }));
        for wrong in [&[][..], &["1"], &["2", "1", "2", "3"], &["1", "-1", "2", "3"], &["1", "1e9", "2", "3"]]
        {
            assert_eq!(parse(&texts(wrong)), None);
        }
    }
}
