//! The service: its use cases, and the background tasks.

use crate::admission::{Admission, Load};
use crate::command::{self, Bounds, ExecuteCommand, InvalidField};
use crate::context::RequestContext;
use crate::execution::{self, ExecuteError, Execution, Selected, Skipped};
use crate::health::{self, HealthReport, Probed};
use crate::observe::{CommandFacts, NoObserver, Observer};
use crate::phase::Phase;
use crate::recorder::{Recorder, Timed};
use crate::snapshot::{ExecutorSnapshot, ServiceSnapshot, StorageSnapshot};
use crate::ticket::Ticket;
use crate::validation::{Passed, ValidationPool};
use crate::{artifacts, client_reason, paths};
use access::{Denied, KeyRecord, Keyring, Limited, Limits, LimitsConfig};
use executor::{Chain, ChainError, Control, ExecRequest, ExecResult, ExecutorError, Hints};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use storage::Store;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use validator::Policy;

/// Timeout for cancelled programs to end and their files to be stored.
const CANCEL_TIME_MAX: Duration = Duration::from_secs(5);

/// Configuration of the service.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// Bounds of a request.
    pub bounds: Bounds,
    /// What the validator forbids.
    pub policy: Policy,
    /// Maximum number of running programs (`MAX_CONCURRENT`), at least one.
    pub running_max: u32,
    /// Maximum number of queued requests (`MAX_WAITING`); 0 refuses at once when all slots are taken.
    pub waiting_max: usize,
    /// Maximum time in the queue (`QUEUE_TIMEOUT`).
    pub queue_time_max: Duration,
    /// CPUs that a sandbox of any executor may use at once: a caller that goes away is charged all of them.
    pub sandbox_cpus: u32,
    /// Percentage of `running_max` that one caller leaves free while others are active (`FAIR_RESERVE`).
    pub reserve_percent: u8,
    /// The API keys.
    pub keyring: Arc<Keyring>,
    /// The limits of callers.
    pub limits: Arc<Limits>,
    /// Interval between probes of executors and store.
    pub health_interval: Duration,
    /// Interval between cleanings of the store.
    pub clean_interval: Duration,
    /// Learns of each execution.
    pub observer: Arc<dyn Observer>,
}

impl ServiceConfig {
    /// The contract's defaults with this policy: two running programs, 32 queued requests, no keys, no limits
    /// of callers, no observer.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            bounds: Bounds::default(),
            policy,
            running_max: 2,
            waiting_max: 32,
            queue_time_max: Duration::from_secs(30),
            sandbox_cpus: 1,
            reserve_percent: 50,
            keyring: Keyring::off(),
            limits: Limits::local(LimitsConfig::default()),
            health_interval: Duration::from_secs(5),
            clean_interval: Duration::from_secs(300),
            observer: Arc::new(NoObserver),
        }
    }
}

/// The use cases. Dropping it ends its background tasks; running programs are ended by their own futures.
#[derive(Debug)]
pub struct Service {
    bounds: Bounds,
    validate: ValidationPool,
    admission: Arc<Admission>,
    keyring: Arc<Keyring>,
    limits: Arc<Limits>,
    sandbox_cpus: u32,
    chain: Chain,
    store: Option<Arc<dyn Store>>,
    probed: watch::Receiver<Option<Arc<Probed>>>,
    /// Fires when a stop has waited long enough: ends every program.
    stop: CancellationToken,
    observer: Arc<dyn Observer>,
    observer_panics: AtomicU64,
    _background: DropGuard,
}

impl Service {
    /// Starts the service: `chain` runs programs, `store` keeps their files (`None`: storage is off).
    ///
    /// Starts background tasks, so it must be called within a tokio runtime: probes of executors and store,
    /// the monitoring of executors that may go down, and the cleaning of the store.
    #[must_use]
    pub fn start(config: ServiceConfig, chain: Chain, store: Option<Arc<dyn Store>>) -> Arc<Self> {
        let background = CancellationToken::new();
        let (sender, probed) = watch::channel(None);
        let prober = probe_for_ever(chain.clone(), store.clone(), config.health_interval, sender);
        tokio::spawn(until(background.clone(), prober));
        let watched = chain.clone();
        tokio::spawn(until(background.clone(), async move { watched.watch().await }));
        if let Some(store) = &store {
            let cleaner = clean_for_ever(Arc::clone(store), config.clean_interval);
            tokio::spawn(until(background.clone(), cleaner));
        }
        Arc::new(Self {
            bounds: config.bounds,
            validate: ValidationPool::new(config.policy),
            admission: Admission::new(
                config.running_max,
                config.waiting_max,
                config.queue_time_max,
                config.reserve_percent,
            ),
            keyring: config.keyring,
            limits: config.limits,
            sandbox_cpus: config.sandbox_cpus,
            chain,
            store,
            probed,
            stop: CancellationToken::new(),
            observer: config.observer,
            observer_panics: AtomicU64::new(0),
            _background: background.drop_guard(),
        })
    }

    /// Whether callers need an API key now.
    #[must_use]
    pub fn requires_keys(&self) -> bool {
        self.keyring.is_required()
    }

    /// The key with this text; `None` if keys are not required.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn authenticate(&self, presented: Option<&[u8]>) -> Result<Option<Arc<KeyRecord>>, Denied> {
        self.keyring.authenticate(presented).await
    }

    /// Lets a request of this caller in if its limits allow it; counts it once. Call it before the body is read, and
    /// [`Service::execute`] with the same context while the ticket is there.
    ///
    /// # Errors
    /// [`Limited`].
    pub async fn enter(&self, context: &RequestContext) -> Result<Ticket, Limited> {
        let Some((caller, own)) = context.principal.limited() else { return Ok(Ticket::unlimited()) };
        let entered = self.limits.enter(caller, own).await?;
        Ok(Ticket::new(entered, context.summary.clone(), self.sandbox_cpus))
    }

    /// Asks whether a request of this caller would be refused now, before its body is read. Reserves nothing: a
    /// body that arrives slowly must hold no position. So [`Service::execute`] may still refuse it.
    ///
    /// # Errors
    /// [`ExecuteError::Busy`] and [`ExecuteError::ShuttingDown`].
    pub fn check_room(&self, context: &RequestContext) -> Result<(), ExecuteError> {
        Ok(self.admission.check(context.principal.share())?)
    }

    /// Checks, admits and runs one program and stores its files.
    ///
    /// When the context's `cancel` fires the program is ended and the outcome is `cancelled`; if it is still
    /// queued, its slot in the queue is freed. Dropping the future does the same without an answer.
    ///
    /// # Errors
    /// See [`ExecuteError`]. A program's own failure or a limit is never an error.
    pub async fn execute(
        &self,
        context: &RequestContext,
        command: ExecuteCommand,
    ) -> Result<Execution, ExecuteError> {
        let facts = CommandFacts::of(&command);
        let mut recorder = Recorder::new(self.observer.as_ref(), &self.observer_panics, context, facts);
        let result = self.try_execute(&mut recorder, context, command).await;
        recorder.finish(&result);
        result
    }

    async fn try_execute(
        &self,
        recorder: &mut Recorder<'_>,
        context: &RequestContext,
        command: ExecuteCommand,
    ) -> Result<Execution, ExecuteError> {
        // Bounds first: a request that can never run is rejected as such, however full the service is.
        let checked = command::check(command, &self.bounds, &self.chain.names())?;
        recorder.checked(&checked.request.code);
        let allowed = context.principal.executors();
        if let (Some(name), Some(allowed)) = (&checked.executor, allowed)
            && !allowed.contains(name)
        {
            return Err(ExecuteError::ExecutorForbidden { name: name.clone(), allowed: allowed.to_vec() });
        }
        let share = context.principal.share();
        self.admission.check(share)?;
        let request = checked.request;
        recorder.begin(Phase::Validate);
        let Passed { warnings, imports, last_expression } = self.validate.validate(&request.code).await?;
        recorder.begin(Phase::Queue);
        let mut hints = Hints::of(&request, imports);

        // Held until the files are stored: it bounds the memory that results take while the store is slow.
        let slot = self.admission.admit(share, context.deadline).await?;
        hints.yields = slot.yields();
        recorder.begin(Phase::Setup);
        let (executor, mut result) =
            self.run(context, checked.executor.as_deref(), &request, &hints, recorder).await?;
        let unseen_expression = execution::unseen_expression(&result, last_expression);
        let files = std::mem::take(&mut result.files);
        if self.store.is_some() && !files.is_empty() {
            recorder.begin(Phase::Upload);
        }
        let kept =
            artifacts::store_outputs(self.store.as_ref(), &context.request_id, &context.summary, files).await;
        recorder.end();
        let mut skipped = kept.skipped;
        let others = std::mem::take(&mut result.skipped).into_iter();
        skipped.extend(others.map(|entry| Skipped { path: entry.path, reason: entry.reason.as_str() }));
        skipped.sort_by(|a, b| a.path.cmp(&b.path));
        let mut artifacts = kept.artifacts;
        artifacts.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Execution {
            request_id: context.request_id.clone(),
            executor,
            verdict: result.verdict,
            stdout: result.stdout,
            stderr: result.stderr,
            usage: result.usage,
            artifacts,
            skipped,
            skipped_more: result.skipped_more,
            warnings,
            unseen_expression,
        })
    }

    /// The state as of the last probes; waits for the first round after the start.
    pub async fn health(&self) -> HealthReport {
        let mut probed = self.probed.clone();
        let probed = match probed.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(probed)) => Arc::clone(probed),
            // The prober is gone only when the runtime is shutting down too.
            _ => Arc::new(Probed { in_use: None, providers: Vec::new(), storage: None }),
        };
        let keys = self.keyring.health();
        let problem = self.observer.problem();
        HealthReport::new(probed, keys, problem, self.admission.load(), self.admission.is_closed())
    }

    /// The state now, without waiting: for a page of metrics.
    #[must_use]
    pub fn snapshot(&self) -> ServiceSnapshot {
        let probed = self.probed.borrow().clone();
        let (load, shutting_down) = (self.admission.load(), self.admission.is_closed());
        let snapshot = |stats| ExecutorSnapshot::new(stats, probed.as_deref());
        let executors = self.chain.stats().into_iter().map(snapshot).collect();
        let storage = probed.as_ref().and_then(|probed| probed.storage.as_ref());
        let storage = storage.map(|store| StorageSnapshot {
            provider: store.provider,
            is_up: store.health.healthy,
            object_store: self.store.as_ref().and_then(|store| store.object_store()),
        });
        let keys = self.keyring.health();
        // A problem of the observer leaves it ready.
        let is_ready = |probed| HealthReport::new(probed, keys.clone(), None, load, shutting_down).ready();
        let ready = probed.is_some_and(is_ready);
        let observer_panics = self.observer_panics.load(Ordering::Relaxed);
        let limits = self.limits.snapshot();
        ServiceSnapshot { load, ready, shutting_down, executors, storage, keys, limits, observer_panics }
    }

    /// The current load.
    #[must_use]
    pub fn load(&self) -> Load {
        self.admission.load()
    }

    /// Names of the active executors in the order in which they are tried.
    #[must_use]
    pub fn executors(&self) -> Vec<&'static str> {
        self.chain.names()
    }

    /// Bounds of a request.
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Stops the service: new work is refused from now on, running and queued work may end within `grace`,
    /// then it is cancelled and its clients get their answers. Idempotent. The executors are left to their
    /// owner.
    pub async fn shut_down(&self, grace: Duration) {
        self.admission.close();
        if tokio::time::timeout(grace, self.admission.idle()).await.is_ok() {
            return;
        }
        let load = self.admission.load();
        tracing::warn!(
            running = load.running,
            waiting = load.waiting,
            "stopping: killing the remaining programs"
        );
        self.admission.turn_away();
        self.stop.cancel();
        // The cancelled programs' answers are being made now; they need a moment.
        let answered = async {
            while self.admission.load().running > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(CANCEL_TIME_MAX, answered).await.is_err() {
            tracing::error!(running = self.admission.load().running, "programs did not end when cancelled");
        }
    }

    async fn run(
        &self,
        context: &RequestContext,
        executor: Option<&str>,
        request: &ExecRequest,
        hints: &Hints,
        recorder: &mut Recorder<'_>,
    ) -> Result<(&'static str, ExecResult), ExecuteError> {
        // Stopping the service ends every program; the caller can end this one alone.
        let control = Control::new(self.stop.child_token());
        let cancelled = async {
            context.cancel.cancelled().await;
            control.cancel();
            std::future::pending().await
        };
        let mut events = Timed::new(recorder);
        let chain = match context.principal.executors() {
            Some(allowed) => &self.chain.only(allowed),
            None => &self.chain,
        };
        let ran = tokio::select! {
            ran = chain.execute(executor, request, hints, &control, &mut events) => ran,
            never = cancelled => never,
        };
        let answered = ran.map(|(name, ending)| (name, events.into_result(ending, &request.limits)));
        answered.map_err(|error| match error {
            ChainError::Failed(source) => ExecuteError::Executor(source),
            ChainError::Refused(source) => {
                tracing::debug!(error = %source.chain(), "the sandbox refused an input file");
                let problem = "has a path that no file in the sandbox can have";
                ExecuteError::Invalid(InvalidField::new("files", problem, paths::ALLOWED))
            }
            ChainError::Unavailable { reasons, since } => self.unavailable(executor, reasons, since),
            // The name was checked before; a new kind of error means that nothing ran.
            other => ExecuteError::Internal { step: "choose an executor", source: Box::new(other) },
        })
    }
}

impl Service {
    /// The error for clients if nothing could run the program. `since` says how long that has been so.
    fn unavailable(
        &self,
        executor: Option<&str>,
        reasons: Vec<ExecutorError>,
        since: Duration,
    ) -> ExecuteError {
        let wait_s = since
            .as_secs()
            .clamp(crate::RETRY_AFTER_UNAVAILABLE_S, crate::RETRY_AFTER_UNAVAILABLE_S_MAX)
            .max(self.admission.retry_after_s());
        let selected = executor.map(|name| {
            let probed = self.probed.borrow().clone();
            let health_of = |name: &str| {
                let provider = probed.iter().flat_map(|probed| &probed.providers).find(|p| p.name == name);
                provider.map(|provider| &provider.health)
            };
            let reason = health_of(name).and_then(|health| health.reason.as_deref());
            let is_well = |other: &&str| health_of(other).is_none_or(|health| health.healthy);
            let usable = self.chain.usable().into_iter().filter(|other| *other != name).filter(is_well);
            Selected {
                name: name.to_owned(),
                reason: reason.map_or_else(|| "it has just failed".to_owned(), client_reason::for_clients),
                usable: usable.collect(),
            }
        });
        ExecuteError::Unavailable { retry_after_s: wait_s, selected, reasons }
    }
}

async fn until(end: CancellationToken, work: impl Future<Output = ()> + Send) {
    tokio::select! {
        () = end.cancelled() => {}
        () = work => {}
    }
}

async fn probe_for_ever(
    chain: Chain,
    store: Option<Arc<dyn Store>>,
    interval: Duration,
    sender: watch::Sender<Option<Arc<Probed>>>,
) {
    loop {
        let probed = health::probe(&chain, store.as_ref()).await;
        report_change(sender.borrow().as_deref(), &probed);
        if sender.send(Some(Arc::new(probed))).is_err() {
            return;
        }
        tokio::time::sleep(interval).await;
    }
}

/// Logs each change of an executor or a store to usable or unusable, once.
fn report_change(before: Option<&Probed>, now: &Probed) {
    for (number, provider) in now.providers.iter().enumerate() {
        let was = before
            .and_then(|b| b.providers.iter().find(|p| p.name == provider.name))
            .map(|p| p.health.healthy);
        let reason = provider.health.reason.as_deref().unwrap_or("no reason given");
        match (was, provider.health.healthy) {
            // A fallback that was never set up is not missed.
            (None, false) if number > 0 => {
                tracing::debug!(executor = provider.name, reason, "fallback is not usable");
            }
            (Some(true) | None, false) => {
                tracing::error!(executor = provider.name, reason, "executor is not usable")
            }
            (Some(false), true) => tracing::info!(executor = provider.name, "executor is usable again"),
            _ => {}
        }
    }
    if let Some(storage) = &now.storage {
        let was = before.and_then(|b| b.storage.as_ref()).map(|s| s.health.healthy);
        let reason = storage.health.reason.as_deref().unwrap_or("no reason given");
        match (was, storage.health.healthy) {
            (Some(true) | None, false) => {
                tracing::error!(store = storage.provider, reason, "store is not usable")
            }
            (Some(false), true) => tracing::info!(store = storage.provider, "store is usable again"),
            _ => {}
        }
    }
}

async fn clean_for_ever(store: Arc<dyn Store>, interval: Duration) {
    loop {
        match store.clean().await {
            Ok(cleaned) => tracing::debug!(?cleaned, "cleaned the store"),
            Err(error) => tracing::warn!(%error, "failed to clean the store"),
        }
        tokio::time::sleep(interval).await;
    }
}
