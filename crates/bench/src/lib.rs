//! `bench`: the cost of a sandbox, compared with the same program without one, in one run.
//!
//! ```text
//! Parts (interpreter, peers, executors, service) -> suite: Entry per case -> measure: turns ─┐
//! idle: memory of idle sandboxes; sleepers; soak; overload ────────────────────────────────────────────┴─> targets -> report
//! ```
//! A new case is one [`suite::Entry`]; a new way to take a sample is one `impl` of [`case::Case`], or of
//! [`case::Worker`] if it blocks. Every figure is compared with a floor of the same run, because times of two
//! runs on a shared machine are hardly comparable.

mod case;
mod client;
mod contained;
mod docker_run;
mod error;
mod floor;
mod host;
mod idle;
mod installed;
mod load;
mod machine;
mod measure;
mod overload;
mod peers;
mod plot;
mod report;
mod sandboxed;
mod service;
mod sleepers;
mod soak;
mod stats;
mod suite;
mod table;
mod targets;

use client::{Address, Client};
use contained::{CONTAINERS, Contained, Containers};
use error::CaseError;
use executor::{Chain, Executor, PoolSize};
use host::HostPython;
use host_traces::Snapshot;
use machine::Machine;
use overload::Overload;
use report::{Extras, Method, Report, Versions};
use runtime::{LoadError, Runtime};
use service::ServiceProcess;
use settings::Settings;
use sleepers::Sleepers;
use soak::Soak;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use suite::{Candidate, Parts};
use terminal::exit;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Names that `--only` accepts besides those of cases.
const IDLE_MEMORY: &str = "idle-memory";
const SLEEPERS: &str = "sleepers";
const SOAK: &str = "soak";
const OVERLOAD: &str = "overload";
/// Length of the service's queue: more than there are clients, so that none is refused.
const WAITING_MAX: usize = 1024;

/// What to measure, and where to write the report.
#[derive(Debug, Clone)]
pub struct Options {
    /// Samples of each case. Slow cases take fewer, throughput cases more.
    pub samples: usize,
    /// Cases to measure, with those that they are compared with; empty for all.
    pub only: Vec<String>,
    /// A file for the report as JSON; `-` prints it instead of the tables.
    pub json: Option<PathBuf>,
    /// An SVG file for a plot of the cases.
    pub plot: Option<PathBuf>,
    /// The service to measure, `http://HOST:PORT`; `None` starts one.
    pub url: Option<String>,
    /// Programs that sleep concurrently in a separate service; 0 for none.
    pub sleepers: u32,
    /// Ordinary and hostile programs that are sent to a separate service; 0 for none.
    pub soak: u32,
    /// Seconds for which many more clients than it admits flood a separate service; 0 for none.
    pub overload: u32,
}

/// Measures everything and prints the report. `flags` are the settings of the command line, for the services
/// that are started: this same program with the command `serve`. Exit code 0: every case has a figure; 1: one
/// has none; 2: there is no report.
pub async fn run(args: &Options, flags: &[OsString], settings: &Settings) -> ExitCode {
    match try_run(args, flags, settings).await {
        Ok(report) => show(&report, args),
        Err(error) => {
            terminal::message(&format!("python-sandbox: {}", support::error_chain(&error)));
            exit::internal_error()
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    /// There is no runtime.
    #[error("{}", compose::no_runtime(.0))]
    NoRuntime(LoadError),
    /// There is no interpreter to compare with.
    #[error("failed to find an interpreter to compare with")]
    NoFloor(#[source] CaseError),
    /// There is no directory for the programs' files.
    #[error("failed to create a temporary directory")]
    Directory(#[source] io::Error),
    /// Signals cannot be watched, so the run could not be stopped cleanly.
    #[error("failed to watch for signals")]
    Signals(#[source] io::Error),
    /// An unknown case.
    #[error("{0}")]
    UnknownCase(String),
    /// A signal.
    #[error("stopped by a signal; no report")]
    Stopped,
}

/// The context of a run.
struct Bench<'a> {
    args: &'a Options,
    /// The settings of the command line, for services.
    flags: &'a [OsString],
    settings: &'a Settings,
    runtime: &'a Runtime,
    stop: &'a CancellationToken,
}

/// The service of the HTTP cases.
struct Service {
    address: Address,
    version: String,
    /// Our own, unless `--url` names another.
    _process: Option<ServiceProcess>,
}

async fn try_run(args: &Options, flags: &[OsString], settings: &Settings) -> Result<Report, BenchError> {
    let stop = stop_on_signal().map_err(BenchError::Signals)?;
    let load_before = machine::load_average();
    let date = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let runtime = compose::load_runtime(settings).map_err(BenchError::NoRuntime)?;
    let bench = Bench { args, flags, settings, runtime: &runtime, stop: &stop };
    let directory = Arc::new(tempfile::tempdir().map_err(BenchError::Directory)?);
    let service = bench.find_service().await.map_err(|error| format!("no service: {error}"));
    let (container_services, contained) = bench.start_container_services().await;
    let (executors, candidates) = bench.start_executors().await;
    let parts = Parts {
        python: HostPython::find(&runtime).map_err(BenchError::NoFloor)?,
        peers: peers::find(&runtime, &settings.docker),
        runtime: runtime.clone(),
        executors: candidates,
        service: service.as_ref().map(|service| service.address.clone()).map_err(Clone::clone),
        contained,
        containers_max: settings.docker.pool.max,
        directory,
        limits: settings.exec_limits_max,
        policy: compose::service_config(settings, Some(&runtime)).policy,
    };
    let versions = versions(&parts, service.as_ref().ok(), args);
    if versions.build == "debug" {
        terminal::message("this is a debug build: its figures are not those of a release");
    }
    let entries = suite::entries(&parts, args.samples);
    let measured = match suite::only(entries, &args.only, &[IDLE_MEMORY, SLEEPERS, SOAK, OVERLOAD]) {
        Ok(entries) => measure::measure(entries, &stop).await.ok_or(BenchError::Stopped),
        Err(unknown) => Err(BenchError::UnknownCase(unknown)),
    };
    let mut besides = Extras::default();
    if measured.is_ok() && bench.wants(IDLE_MEMORY) {
        besides.idle = bench.idle(&parts.executors).await;
    }
    compose::stop_executors(&Chain::new(executors)).await;
    drop((service, container_services));
    let measured = measured?;
    if bench.wants(SLEEPERS) && args.sleepers > 0 {
        besides.sleepers = Some(bench.sleepers(args.sleepers as usize).await);
    }
    if bench.wants(SOAK) && args.soak > 0 {
        besides.soak = Some(bench.soak(args.soak as usize).await);
    }
    if bench.wants(OVERLOAD) && args.overload > 0 {
        besides.overload = Some(bench.overload(args.overload).await);
    }
    if stop.is_cancelled() {
        return Err(BenchError::Stopped);
    }
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let method = Method {
        samples: args.samples,
        warm_up_turns: measure::WARM_UP_TURNS,
        pause_ms: ms(measure::PAUSE),
        pause_ms_max: ms(measure::PAUSE_MAX),
        clock: "times of the monotonic clock",
        order: "cases take turns",
        load_before,
        load_after: machine::load_average(),
    };
    Ok(Report::new(date, Machine::detect(), versions, method, measured, besides))
}

fn versions(parts: &Parts, service: Option<&Service>, args: &Options) -> Versions {
    let peers = parts.peers.iter();
    Versions {
        python_sandbox: env!("CARGO_PKG_VERSION").to_owned(),
        build: if cfg!(debug_assertions) { "debug" } else { "release" },
        python: python_version(&parts.runtime),
        python_floor: parts.python.which.clone(),
        peers: peers
            .filter_map(|peer| Some((peer.name, peer.found.as_ref().ok()?.version.clone())))
            .collect(),
        service: service.map(|service| describe(service, args)),
    }
}

impl Bench<'_> {
    /// Whether a part is selected: everything is, without `--only`.
    fn wants(&self, part: &str) -> bool {
        self.args.only.is_empty() || self.args.only.iter().any(|name| name == part)
    }

    /// Whether `--only` selects nothing that needs the service and executors of the cases.
    fn has_cases(&self) -> bool {
        let only = &self.args.only;
        only.is_empty() || only.iter().any(|name| name != SLEEPERS && name != SOAK && name != OVERLOAD)
    }

    fn start_service(&self, more: &[(&str, String)]) -> Result<(ServiceProcess, Address), String> {
        let started = ServiceProcess::start(self.flags, self.settings, self.runtime, more);
        let process = started.map_err(|error| support::error_chain(&error))?;
        let address = Address::parse(&process.base).map_err(|error| error.to_string())?;
        Ok((process, address))
    }

    /// The service of `--url`, or one of our own.
    async fn find_service(&self) -> Result<Service, String> {
        if !self.has_cases() {
            return Err("no case is measured".to_owned());
        }
        let (address, process) = match &self.args.url {
            Some(url) => (Address::parse(url).map_err(|error| error.to_string())?, None),
            None => {
                let waiting = self.settings.load.waiting_max.max(WAITING_MAX);
                let more = [("MAX_WAITING", waiting.to_string()), ("QUEUE_TIMEOUT", "60".to_owned())];
                let (process, address) = self.start_service(&more)?;
                (address, Some(process))
            }
        };
        let version = version(&address).await.map_err(|error| support::error_chain(&error))?;
        Ok(Service { address, version, _process: process })
    }

    /// A service for each container executor that a selected case uses, with its address. They run until
    /// their processes are dropped.
    async fn start_container_services(&self) -> (Vec<ServiceProcess>, Vec<Contained>) {
        let (mut processes, mut contained) = (Vec::new(), Vec::new());
        for containers in &CONTAINERS {
            let service = self.start_container_service(containers).await.map(|(process, address)| {
                processes.push(process);
                address
            });
            contained.push(Contained { containers, service });
        }
        (processes, contained)
    }

    async fn start_container_service(
        &self,
        containers: &Containers,
    ) -> Result<(ServiceProcess, Address), String> {
        let only = &self.args.only;
        if !only.is_empty() && !only.iter().any(|case| containers.has(case)) {
            return Err("no case of it is measured".to_owned());
        }
        let (process, address) = self.start_service(&containers.settings())?;
        containers.check(&address).await?;
        Ok((process, address))
    }

    /// Every active executor as configured, except container executors, which have separate cases over HTTP;
    /// the native one also without a pool, and also without templates.
    async fn start_executors(&self) -> (Vec<Arc<dyn Executor>>, Vec<Candidate>) {
        if !self.has_cases() {
            return (Vec::new(), Vec::new());
        }
        let settings = self.settings;
        let how = match (settings.native_pool.max, &settings.native_templates) {
            (1.., _) => suite::WAITING,
            (0, Some(_)) => suite::FORKED,
            (0, None) => suite::FRESH,
        };
        let is_own = |name: &str| CONTAINERS.iter().all(|containers| containers.provider != name);
        let active = settings.active_providers().into_iter().filter(|name| is_own(name)).map(str::to_owned);
        let active: Vec<String> = active.collect();
        let mut ways = Vec::new();
        if let Some((provider, fallbacks)) = active.split_first() {
            let (provider, fallback_providers) = (provider.clone(), fallbacks.to_vec());
            ways.push(("", how, Settings { provider, fallback_providers, ..settings.clone() }));
        }
        if compose::uses_native(settings) {
            let native = |templates| Settings {
                provider: compose::NATIVE.to_owned(),
                fallback_providers: Vec::new(),
                native_pool: PoolSize { min: 0, max: 0 },
                native_templates: templates,
                ..settings.clone()
            };
            if settings.native_templates.is_some() {
                ways.push(("-nopool", suite::FORKED, native(settings.native_templates.clone())));
            }
            ways.push(("-cold", suite::FRESH, native(None)));
        }
        let (mut all, mut candidates) = (Vec::new(), Vec::new());
        for (way, how, settings) in ways {
            for executor in compose::start_executors(&settings, Some(self.runtime), "bench").await {
                let name = format!("{}{way}", executor.name());
                candidates.push(Candidate { name, how, executor: measurable(&executor).await });
                all.push(executor);
            }
        }
        (all, candidates)
    }

    /// Memory of idle sandboxes, of the native executor without a pool.
    async fn idle(&self, executors: &[Candidate]) -> Vec<Result<idle::IdleMemory, String>> {
        let Some(candidate) = executors.iter().find(|candidate| candidate.how == suite::FORKED) else {
            return vec![Err("no executor forks its interpreters".to_owned())];
        };
        match &candidate.executor {
            Ok(executor) => idle::measure(executor.as_ref()).await,
            Err(reason) => vec![Err(reason.clone())],
        }
    }

    async fn sleepers(&self, count: usize) -> Result<Sleepers, String> {
        terminal::message(&format!("{count} sleeping programs"));
        sleepers::raise_file_limit();
        let (process, address) = self.start_service(&sleepers::settings(count))?;
        tokio::select! {
            found = sleepers::run(&address, process.pid(), count) => Ok(found),
            () = self.stop.cancelled() => Err("stopped by a signal".to_owned()),
        }
    }

    async fn overload(&self, seconds: u32) -> Result<Overload, String> {
        terminal::message(&format!("floods of {seconds} s each"));
        sleepers::raise_file_limit();
        let (process, address) = self.start_service(&[])?;
        let load = &self.settings.load;
        let plan = overload::Plan {
            pid: process.pid(),
            capacity: usize::try_from(load.concurrent_max).unwrap_or(usize::MAX) + load.waiting_max,
            queue_timeout: load.queue_timeout,
            flood: Duration::from_secs(seconds.into()),
        };
        let mut found = self.unless_stopped(move || overload::run(&address, plan)).await?;
        drop(process);
        // Keys are required as soon as there is one, so this is another service.
        let (process, address) = self.start_service(&[])?;
        let key = |name| process.create_key(name).map_err(|error| support::error_chain(&error));
        let keys = [key("flood")?, key("light")?];
        found.callers = Some(self.unless_stopped(move || overload::run_callers(&address, &keys)).await?);
        Ok(found)
    }

    /// Runs clients on a thread of their own, which is left behind if the run is stopped. Not a thread of the
    /// runtime, which would wait for it.
    async fn unless_stopped<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, CaseError> + Send + 'static,
    ) -> Result<T, String> {
        let (sender, done) = tokio::sync::oneshot::channel();
        let started = std::thread::Builder::new().name("load".to_owned()).spawn(move || {
            // The receiver is gone if the run was stopped.
            let _ = sender.send(work());
        });
        started.map_err(|error| format!("failed to start a thread: {error}"))?;
        tokio::select! {
            found = done => found
                .map_err(|_gone| "the clients failed".to_owned())?
                .map_err(|error| support::error_chain(&error)),
            () = self.stop.cancelled() => Err("stopped by a signal".to_owned()),
        }
    }

    async fn soak(&self, count: usize) -> Result<Soak, String> {
        terminal::message(&format!("{count} mixed executions"));
        let before = Snapshot::own(&self.runtime.rootfs);
        let (process, address) = self.start_service(&soak::settings())?;
        let mut found = soak::run(&address, process.pid(), count, self.stop).await;
        let instance = soak::instance(process.pid());
        drop(process);
        found.leftovers = soak::own(before.left(), instance.as_deref());
        Ok(found)
    }
}

/// The version of a service that can run programs.
async fn version(address: &Address) -> Result<String, CaseError> {
    let answer = Client::new(address).send(&address.get("/health")).await?;
    let health: serde_json::Value =
        serde_json::from_slice(answer.good()?).map_err(|_| answer.unexpected())?;
    Ok(health["version"].as_str().unwrap_or("unknown").to_owned())
}

/// A token that is cancelled on SIGINT, SIGTERM and SIGHUP: the run then ends after the current turn and
/// cleans up. The processes that it started are in their own process groups, so nothing else ends them.
fn stop_on_signal() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let (mut signals, stop) = (signal(kind)?, stop.clone());
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(stop)
}

fn describe(service: &Service, args: &Options) -> String {
    let whose = if args.url.is_some() { "named by --url" } else { "a separate process" };
    format!("{}, {whose}", service.version)
}

fn python_version(runtime: &Runtime) -> String {
    let (major, minor, micro) = runtime.python_version;
    format!("{major}.{minor}.{micro} (runtime {})", runtime.id)
}

/// An executor, or why it cannot be measured.
async fn measurable(executor: &Arc<dyn Executor>) -> Result<Arc<dyn Executor>, String> {
    let health = executor.health().await;
    match health.healthy {
        true => Ok(Arc::clone(executor)),
        false => Err(health.reason.unwrap_or_else(|| "unhealthy".to_owned())),
    }
}

/// Prints the tables, or only the JSON if the file is `-`, and writes the requested files.
fn show(report: &Report, args: &Options) -> ExitCode {
    match try_show(report, args) {
        Ok(()) if report.has_failures() => exit::program_failed(),
        Ok(()) => exit::success(),
        Err(text) => {
            terminal::message(&format!("python-sandbox: {text}"));
            exit::internal_error()
        }
    }
}

fn try_show(report: &Report, args: &Options) -> Result<(), String> {
    let json = || report.json().map_err(|error| format!("failed to write the report: {error}"));
    let write = |path: &Path, text: String| {
        std::fs::write(path, text).map_err(|error| format!("failed to write `{}`: {error}", path.display()))
    };
    match &args.json {
        Some(path) if path == Path::new("-") => terminal::result(&json()?),
        Some(path) => {
            terminal::result(&report.text());
            write(path, json()?)?;
        }
        None => terminal::result(&report.text()),
    }
    args.plot.as_ref().map_or(Ok(()), |path| write(path, report.svg()))
}
