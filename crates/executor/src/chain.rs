//! Executors in the order in which they are tried.

use crate::breaker::Breaker;
use crate::events::{Collected, EventSink};
use crate::{
    Control, Ending, ExecRequest, ExecResult, Executor, ExecutorError, FailureStats, Freshness, Health,
    Hints, LinkStats, RunErrorKind, Sandbox, StepTimes, Usage, verdict,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// Timeout of one executor's health: less than the timeout of a caller that asks for all of them.
const STATUS_TIME_MAX: Duration = Duration::from_secs(15);

/// The configured executor and its fallbacks.
#[derive(Debug, Clone)]
pub struct Chain {
    links: Vec<Link>,
}

/// One executor with its breaker.
#[derive(Debug, Clone)]
struct Link {
    executor: Arc<dyn Executor>,
    breaker: Arc<Breaker>,
    counts: Arc<Counts>,
}

/// See [`LinkStats`].
#[derive(Debug, Default)]
struct Counts {
    request_failures: AtomicU64,
    sandbox_failures: AtomicU64,
    provider_failures: AtomicU64,
    second_attempts: AtomicU64,
    failovers: AtomicU64,
}

impl Counts {
    fn failed(&self, kind: RunErrorKind) {
        let counter = match kind {
            RunErrorKind::Request => &self.request_failures,
            RunErrorKind::Sandbox => &self.sandbox_failures,
            RunErrorKind::Provider => &self.provider_failures,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Why the chain has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The request names an executor that is not active.
    #[error("executor `{name}` is not active")]
    Unknown {
        /// The requested name.
        name: String,
    },
    /// No executor could make a sandbox; the program provably did not start.
    #[error("no executor is usable: {}", reasons.iter().map(ExecutorError::chain).collect::<Vec<_>>().join("; "))]
    Unavailable {
        /// One per executor that was tried.
        reasons: Vec<ExecutorError>,
        /// How long all of them have been down.
        since: Duration,
    },
    /// No sandbox can serve the request; the program provably did not start.
    #[error("the sandbox refused the request")]
    Refused(#[source] ExecutorError),
    /// An executor failed after the program may have started: it is never run twice.
    #[error("the executor failed while the program ran")]
    Failed(#[source] ExecutorError),
}

/// The chain's state.
#[derive(Debug, Clone)]
pub struct ChainStatus {
    /// The executor of the next program: the first healthy one.
    pub in_use: Option<&'static str>,
    /// All, in order.
    pub providers: Vec<ProviderStatus>,
}

/// One executor's state.
#[derive(Debug, Clone)]
pub struct ProviderStatus {
    /// Its name.
    pub name: &'static str,
    /// The health that it reports.
    pub health: Health,
}

impl Chain {
    /// A chain that tries `executors` in this order.
    #[must_use]
    pub fn new(executors: Vec<Arc<dyn Executor>>) -> Self {
        let link = |executor| Link { executor, breaker: Arc::new(Breaker::new()), counts: Arc::default() };
        Self { links: executors.into_iter().map(link).collect() }
    }

    /// The part of this chain with these executors. They share their breakers with it.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Self {
        let is_named = |link: &&Link| names.iter().any(|name| name == link.executor.name());
        Self { links: self.links.iter().filter(is_named).cloned().collect() }
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.links.iter().map(|link| link.executor.name()).collect()
    }

    /// The executors that are not down, in order: where a program can be sent now.
    #[must_use]
    pub fn usable(&self) -> Vec<&'static str> {
        let usable = self.links.iter().filter(|link| !link.breaker.is_open());
        usable.map(|link| link.executor.name()).collect()
    }

    /// Counts of each executor, in order. Cheap.
    #[must_use]
    pub fn stats(&self) -> Vec<LinkStats> {
        self.links.iter().map(Link::stats).collect()
    }

    /// Runs one program on `selected`, or on the first executor that can make a sandbox. Returns the name of
    /// the executor that ran it. An attempt that did not start the program sends nothing to `events`.
    ///
    /// # Errors
    /// See [`ChainError`]. Only a program that provably did not start is sent to the next executor, and only
    /// an error of the executor itself ([`RunErrorKind::Provider`]) opens its breaker.
    pub async fn execute(
        &self,
        selected: Option<&str>,
        request: &ExecRequest,
        hints: &Hints,
        control: &Control,
        events: &mut dyn EventSink,
    ) -> Result<(&'static str, Ending), ChainError> {
        let mut candidates: Vec<_> = self
            .links
            .iter()
            .filter(|link| selected.is_none_or(|name| name == link.executor.name()))
            .collect();
        if let (Some(name), true) = (selected, candidates.is_empty()) {
            return Err(ChainError::Unknown { name: name.to_owned() });
        }
        let mut reasons = Vec::new();
        let mut since = Duration::MAX;
        // Those that are down are the last resort: their errors are better than no reason at all.
        candidates.sort_by_key(|link| link.breaker.is_open());
        let last = candidates.len().saturating_sub(1);
        for (number, link) in candidates.into_iter().enumerate() {
            let name = link.executor.name();
            let ran = link.run(number == last, request, hints, control, events).await;
            if let Err(error) = &ran
                && (error.program_may_have_run || !control.is_cancelled())
            {
                link.counts.failed(error.kind);
            }
            match ran {
                Ok(ending) => return Ok((name, ending)),
                Err(error) if error.program_may_have_run => return Err(ChainError::Failed(error)),
                Err(error) if error.kind == RunErrorKind::Request => return Err(ChainError::Refused(error)),
                // The caller is gone and the program did not start: no other executor needs to run it.
                Err(_) if control.is_cancelled() => {
                    let verdict = verdict::cancelled(&request.limits);
                    let (usage, stdout_bytes, stderr_bytes) = (Usage::default(), None, None);
                    let (times, origin) = (StepTimes::default(), None);
                    let ending = Ending { verdict, usage, stdout_bytes, stderr_bytes, times, origin };
                    return Ok((name, ending));
                }
                Err(error) => {
                    if error.kind == RunErrorKind::Provider {
                        link.breaker.open();
                    }
                    since = since.min(link.breaker.open_for());
                    tracing::warn!(executor = error.executor, error = %error.chain(), "executor failed before the program started");
                    link.counts.failovers.fetch_add(u64::from(number < last), Ordering::Relaxed);
                    reasons.push(error);
                }
            }
        }
        // No executor at all: nothing is known of its past.
        let since = if reasons.is_empty() { Duration::ZERO } else { since };
        Err(ChainError::Unavailable { reasons, since })
    }

    /// As [`Chain::execute`], with the answer assembled.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn answer(
        &self,
        selected: Option<&str>,
        request: &ExecRequest,
        hints: &Hints,
        control: &Control,
    ) -> Result<(&'static str, ExecResult), ChainError> {
        let mut events = Collected::default();
        let (name, ending) = self.execute(selected, request, hints, control, &mut events).await?;
        Ok((name, events.into_result(ending, &request.limits)))
    }

    /// Asks every executor for its health, concurrently: one that hangs must not hide the others. May be
    /// slow: do not call it for each request.
    pub async fn status(&self) -> ChainStatus {
        let mut asked = Vec::new();
        for link in self.links.clone() {
            asked.push(AbortOnDropHandle::new(tokio::spawn(async move { link.ask().await })));
        }
        let mut providers = Vec::new();
        for (link, status) in self.links.iter().zip(asked) {
            let name = link.executor.name();
            let failed = |error| ProviderStatus {
                name,
                health: Health::unhealthy(format!("the health check failed: {error}")),
            };
            providers.push(status.await.unwrap_or_else(failed));
        }
        let in_use = providers.iter().find(|provider| provider.health.healthy).map(|provider| provider.name);
        ChainStatus { in_use, providers }
    }

    /// Shuts every executor down.
    pub async fn shut_down(&self) {
        for link in &self.links {
            link.executor.shut_down().await;
        }
    }

    /// Monitors the executors, for ever: one that goes down is marked down within a second, and used again
    /// when it has recovered.
    pub async fn watch(&self) {
        let mut watchers = tokio::task::JoinSet::new();
        for Link { executor, breaker, .. } in self.links.clone() {
            watchers.spawn(async move { breaker.watch(executor.as_ref()).await });
        }
        while watchers.join_next().await.is_some() {}
    }
}

impl Link {
    /// Runs a program in a sandbox, or in a second one if the first did not start it: a pre-created sandbox
    /// may have died unnoticed, which must not cost the request.
    async fn run(
        &self,
        is_last: bool,
        request: &ExecRequest,
        hints: &Hints,
        control: &Control,
        events: &mut dyn EventSink,
    ) -> Result<Ending, ExecutorError> {
        events.attempt(self.executor.name());
        let sandbox = self.create(is_last, hints, Freshness::Any).await?;
        match sandbox.execute_once(request, control, events).await {
            Err(error)
                if !error.program_may_have_run
                    && error.kind != RunErrorKind::Request
                    && !control.is_cancelled() =>
            {
                tracing::warn!(executor = error.executor, error = %error.chain(), "trying a second sandbox");
                self.counts.second_attempts.fetch_add(1, Ordering::Relaxed);
                self.counts.failed(error.kind);
                events.attempt(self.executor.name());
                let sandbox = self.create(is_last, hints, Freshness::MadeNow).await?;
                sandbox.execute_once(request, control, events).await
            }
            result => result,
        }
    }

    /// Makes a sandbox, unless the executor goes down meanwhile. The last executor of a chain is given as
    /// long as it takes.
    async fn create(
        &self,
        is_last: bool,
        hints: &Hints,
        freshness: Freshness,
    ) -> Result<Sandbox, ExecutorError> {
        let give_up = async {
            if is_last {
                std::future::pending::<()>().await;
            }
            self.breaker.opened().await;
        };
        tokio::select! {
            // The executor's own reason, if available at once, is better than that it went down meanwhile.
            biased;
            sandbox = self.executor.create(hints, freshness) => sandbox,
            () = give_up => {
                let name = self.executor.name();
                Err(ExecutorError::before_start(name, "create a sandbox", "the executor went down meanwhile"))
            }
        }
    }

    fn stats(&self) -> LinkStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LinkStats {
            name: self.executor.name(),
            is_down: self.breaker.is_open(),
            downs: self.breaker.openings(),
            failures: FailureStats {
                request: get(&self.counts.request_failures),
                sandbox: get(&self.counts.sandbox_failures),
                provider: get(&self.counts.provider_failures),
            },
            second_attempts: get(&self.counts.second_attempts),
            failovers: get(&self.counts.failovers),
            executor: self.executor.stats(),
        }
    }

    async fn ask(&self) -> ProviderStatus {
        let health = match tokio::time::timeout(STATUS_TIME_MAX, self.executor.health()).await {
            Ok(health) => health,
            Err(_elapsed) => {
                Health::unhealthy(format!("did not answer within {} seconds", STATUS_TIME_MAX.as_secs()))
            }
        };
        if health.healthy {
            self.breaker.close();
        } else {
            self.breaker.open();
        }
        ProviderStatus { name: self.executor.name(), health }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OutcomeKind;
    use crate::scripted::{Script, ScriptedExecutor};
    use tokio::sync::watch;

    async fn names_of_run(chain: &Chain, selected: Option<&str>) -> Result<&'static str, ChainError> {
        let request = ExecRequest { code: "print(1)".into(), ..ExecRequest::default() };
        let answer = chain.answer(selected, &request, &Hints::default(), &Control::default()).await;
        answer.map(|(name, _)| name)
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_does_not_speak_for_the_others() {
        let hanging = Arc::new(ScriptedExecutor::named("first", Script::HangInHealth));
        let working = Arc::new(ScriptedExecutor::named("second", Script::Echo));
        let chain = Chain::new(vec![hanging, working]);
        let begun = tokio::time::Instant::now();
        let status = chain.status().await;
        assert_eq!(status.in_use, Some("second"));
        let reason = status.providers[0].health.reason.clone().unwrap();
        assert!(reason.contains("15 seconds") && begun.elapsed() < Duration::from_secs(16), "{reason}");
    }

    #[tokio::test]
    async fn a_program_that_did_not_start_goes_to_the_next_executor() {
        let broken = Arc::new(ScriptedExecutor::named("first", Script::FailToCreate));
        let working = Arc::new(ScriptedExecutor::named("second", Script::Echo));
        let chain = Chain::new(vec![broken, working]);
        assert_eq!(names_of_run(&chain, None).await.unwrap(), "second");
        assert_eq!(chain.status().await.in_use, Some("second"));
    }

    #[tokio::test]
    async fn one_that_was_left_still_gives_its_own_reason() {
        let broken = |name| Arc::new(ScriptedExecutor::named(name, Script::FailToCreate));
        let chain = Chain::new(vec![broken("first"), broken("second")]);
        // From the second time on both are already down; which of two simultaneous facts is seen first must
        // not be chance.
        for _ in 0..32 {
            let Err(ChainError::Unavailable { reasons, .. }) = names_of_run(&chain, None).await else {
                panic!("nothing can run");
            };
            let reasons: Vec<_> = reasons.iter().map(ExecutorError::chain).collect();
            assert!(reasons.iter().all(|reason| !reason.contains("meanwhile")), "{reasons:?}");
        }
    }

    #[tokio::test]
    async fn a_program_that_may_have_started_is_never_run_twice() {
        let broken = Arc::new(ScriptedExecutor::named("first", Script::FailAfterStart));
        let working = Arc::new(ScriptedExecutor::named("second", Script::Echo));
        let chain = Chain::new(vec![broken, working.clone()]);
        assert!(matches!(names_of_run(&chain, None).await, Err(ChainError::Failed(_))));
        assert_eq!(working.created(), 0);
    }

    /// An executor that is up or down, as the test sets; it makes sandboxes only while it is up.
    #[derive(Debug)]
    struct FailingExecutor {
        alive: watch::Sender<bool>,
        inner: ScriptedExecutor,
    }

    #[async_trait::async_trait]
    impl Executor for FailingExecutor {
        fn name(&self) -> &'static str {
            self.inner.name()
        }

        async fn health(&self) -> Health {
            if *self.alive.borrow() { self.inner.health().await } else { Health::unhealthy("dead") }
        }

        async fn is_alive(&self) -> bool {
            *self.alive.borrow()
        }

        async fn create(&self, hints: &Hints, freshness: Freshness) -> Result<Sandbox, ExecutorError> {
            // A stuck daemon gives no answer at all.
            let _ = self.alive.subscribe().wait_for(|alive| *alive).await;
            self.inner.create(hints, freshness).await
        }

        async fn shut_down(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn an_executor_that_stops_living_is_left_within_a_second_and_taken_back() {
        let mortal = Arc::new(FailingExecutor {
            alive: watch::Sender::new(true),
            inner: ScriptedExecutor::named("first", Script::Echo),
        });
        let second = Arc::new(ScriptedExecutor::named("second", Script::Echo));
        let chain = Chain::new(vec![mortal.clone(), second]);
        let watcher = tokio::spawn({
            let chain = chain.clone();
            async move { chain.watch().await }
        });
        assert_eq!(names_of_run(&chain, None).await.unwrap(), "first");
        mortal.alive.send_replace(false);
        let begun = tokio::time::Instant::now();
        assert_eq!(names_of_run(&chain, None).await.unwrap(), "second");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let begun = tokio::time::Instant::now();
        assert_eq!(names_of_run(&chain, None).await.unwrap(), "second");
        assert!(begun.elapsed() < Duration::from_millis(1), "nothing waits for an executor that is down");
        mortal.alive.send_replace(true);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(names_of_run(&chain, None).await.unwrap(), "first");
        watcher.abort();
    }

    /// Its first sandbox fails before the start; then it goes down, and hangs when asked for a second.
    #[derive(Debug)]
    struct HangsOnRetry(ScriptedExecutor);

    #[async_trait::async_trait]
    impl Executor for HangsOnRetry {
        fn name(&self) -> &'static str {
            self.0.name()
        }

        async fn health(&self) -> Health {
            Health::unhealthy("down")
        }

        async fn is_alive(&self) -> bool {
            self.0.created() == 0
        }

        async fn create(&self, hints: &Hints, freshness: Freshness) -> Result<Sandbox, ExecutorError> {
            if freshness == Freshness::MadeNow {
                std::future::pending::<()>().await;
            }
            self.0.create(hints, freshness).await
        }

        async fn shut_down(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_try_is_left_as_fast_as_a_first_one() {
        let script = Script::FailBeforeStart(RunErrorKind::Sandbox);
        let first = Arc::new(HangsOnRetry(ScriptedExecutor::named("first", script)));
        let second = Arc::new(ScriptedExecutor::named("second", Script::Echo));
        let chain = Chain::new(vec![first, second]);
        let watcher = tokio::spawn({
            let chain = chain.clone();
            async move { chain.watch().await }
        });
        let begun = tokio::time::Instant::now();
        assert_eq!(names_of_run(&chain, None).await.unwrap(), "second");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        watcher.abort();
    }

    #[tokio::test]
    async fn only_an_error_of_the_executor_opens_its_breaker() {
        // A failure that another sandbox may not have is tried in a second one.
        for (kind, opens, goes_on, sandboxes) in [
            (RunErrorKind::Provider, true, true, 0),
            (RunErrorKind::Sandbox, false, true, 2),
            (RunErrorKind::Request, false, false, 1),
        ] {
            let first = Arc::new(ScriptedExecutor::named("first", Script::FailBeforeStart(kind)));
            let second = Arc::new(ScriptedExecutor::named("second", Script::Echo));
            let chain = Chain::new(vec![first.clone(), second.clone()]);
            let answer = names_of_run(&chain, None).await;
            match goes_on {
                true => assert_eq!(answer.unwrap(), "second", "{kind:?}"),
                false => assert!(matches!(answer, Err(ChainError::Refused(_))), "{kind:?}"),
            }
            assert_eq!(second.created(), usize::from(goes_on), "{kind:?}");
            assert_eq!(first.created(), sandboxes, "{kind:?}");
            let usable: &[&str] = if opens { &["second"] } else { &["first", "second"] };
            assert_eq!(chain.usable(), usable, "{kind:?}");
        }
    }

    /// Counts attempts.
    #[derive(Default)]
    struct Attempts(Vec<&'static str>);

    impl EventSink for Attempts {
        fn take(&mut self, _: crate::Event<'_>) {}

        fn attempt(&mut self, executor: &'static str) {
            self.0.push(executor);
        }
    }

    #[tokio::test]
    async fn each_attempt_is_announced_and_each_failure_counted_by_its_cause() {
        let (request, hints, control) = (ExecRequest::default(), Hints::default(), Control::default());
        for (kind, attempts, failures, failovers) in [
            (RunErrorKind::Provider, vec!["first", "second"], [0, 0, 1], 1),
            (RunErrorKind::Sandbox, vec!["first", "first", "second"], [0, 2, 0], 1),
            (RunErrorKind::Request, vec!["first"], [1, 0, 0], 0),
        ] {
            let first = Arc::new(ScriptedExecutor::named("first", Script::FailBeforeStart(kind)));
            let second = Arc::new(ScriptedExecutor::named("second", Script::Echo));
            let chain = Chain::new(vec![first, second]);
            let mut events = Attempts::default();
            let _ = chain.execute(None, &request, &hints, &control, &mut events).await;
            assert_eq!(events.0, attempts, "{kind:?}");
            let [first, second] = chain.stats().try_into().unwrap();
            let FailureStats { request, sandbox, provider } = first.failures;
            assert_eq!(([request, sandbox, provider], first.failovers), (failures, failovers), "{kind:?}");
            assert_eq!(first.second_attempts, u64::from(kind == RunErrorKind::Sandbox), "{kind:?}");
            let went_down = kind == RunErrorKind::Provider;
            assert_eq!((first.is_down, first.downs), (went_down, u64::from(went_down)), "{kind:?}");
            assert_eq!((second.failures, second.downs), (FailureStats::default(), 0), "{kind:?}");
        }
        let alone = Arc::new(ScriptedExecutor::named("alone", Script::FailToCreate));
        let chain = Chain::new(vec![alone]);
        for _ in 0..2 {
            let _ = chain.execute(None, &request, &hints, &control, &mut Attempts::default()).await;
        }
        let [stats] = chain.stats().try_into().unwrap();
        assert_eq!((stats.failures.provider, stats.failovers, stats.downs), (2, 0, 1), "there is no other");
    }

    #[tokio::test]
    async fn a_cancelled_request_is_an_answer_and_opens_no_breaker() {
        let script = Script::FailBeforeStart(RunErrorKind::Sandbox);
        let first = Arc::new(ScriptedExecutor::named("first", script));
        let second = Arc::new(ScriptedExecutor::named("second", Script::Echo));
        let chain = Chain::new(vec![first.clone(), second.clone()]);
        let control = Control::default();
        control.cancel();
        let (request, hints) = (ExecRequest::default(), Hints::default());
        let (name, result) = chain.answer(None, &request, &hints, &control).await.unwrap();
        assert_eq!((name, result.kind(), result.success()), ("first", OutcomeKind::Cancelled, false));
        assert_eq!((first.created(), second.created()), (1, 0));
        assert_eq!(chain.usable(), ["first", "second"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unusable_says_for_how_long() {
        let chain = Chain::new(vec![Arc::new(ScriptedExecutor::named("first", Script::FailToCreate))]);
        let unusable_for = async || match names_of_run(&chain, None).await {
            Err(ChainError::Unavailable { since, .. }) => since,
            other => panic!("{other:?}"),
        };
        assert_eq!(unusable_for().await, Duration::ZERO);
        tokio::time::sleep(Duration::from_secs(40)).await;
        assert_eq!(unusable_for().await, Duration::from_secs(40));
    }

    #[tokio::test]
    async fn a_selected_executor_is_the_only_one_tried() {
        let first = Arc::new(ScriptedExecutor::named("first", Script::Echo));
        let second = Arc::new(ScriptedExecutor::named("second", Script::FailToCreate));
        let chain = Chain::new(vec![first, second]);
        assert!(matches!(names_of_run(&chain, Some("second")).await, Err(ChainError::Unavailable { .. })));
        assert!(matches!(names_of_run(&chain, Some("third")).await, Err(ChainError::Unknown { .. })));
    }
}
