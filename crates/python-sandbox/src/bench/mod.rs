//! `bench`: what a sandbox costs, beside what the same program costs without one, in one run.
//!
//! ```text
//! Parts (interpreter, bubblewrap, executors, service) -> suite: Entry per case -> measure: turns -> report
//! ```
//! A new case is one [`suite::Entry`]; a new way to take a sample is one `impl` of [`case::Case`], or of
//! [`case::Worker`] where it blocks. Every figure stands beside a floor of the same run, because times of two runs on
//! a shared machine say little about each other.

mod case;
mod host;
mod http;
mod machine;
mod measure;
mod report;
mod sandboxed;
mod stats;
mod suite;

use crate::cli::BenchArgs;
use crate::compose;
use crate::settings::Settings;
use crate::{exit, term};
use case::CaseError;
use executor::{Chain, Executor};
use host::{Bubblewrap, HostPython};
use http::{Client, ServiceProcess};
use machine::Machine;
use report::{Method, Report, Versions};
use runtime::{LoadError, Runtime};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use suite::{Candidate, Parts};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Measures everything and shows it. `flags` are the settings of the command line, for the service's own.
pub(crate) async fn run(args: &BenchArgs, flags: &[OsString], settings: &Settings) -> ExitCode {
    match try_run(args, flags, settings).await {
        Ok(report) => show(&report, args.json.as_deref()),
        Err(error) => {
            term::message(&format!("python-sandbox: {}", executor::error_chain(&error)));
            exit::our_fault()
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    /// There is no runtime.
    #[error("{}", compose::no_runtime(.0))]
    NoRuntime(LoadError),
    /// There is nothing to compare with.
    #[error("failed to find an interpreter to compare with")]
    NoFloor(#[source] CaseError),
    /// No directory for the programs' files.
    #[error("failed to make a temporary directory")]
    Directory(#[source] io::Error),
    /// Signals cannot be watched, so the run could not be stopped cleanly.
    #[error("failed to watch for signals")]
    Signals(#[source] io::Error),
    /// A name that no case has.
    #[error("{0}")]
    UnknownCase(String),
    /// A signal.
    #[error("stopped by a signal; what was measured is not shown")]
    Stopped,
}

/// The service that HTTP cases ask.
struct Service {
    base: String,
    version: String,
    /// Ours, unless `--url` named another.
    _process: Option<ServiceProcess>,
}

async fn try_run(args: &BenchArgs, flags: &[OsString], settings: &Settings) -> Result<Report, BenchError> {
    let stop = stop_on_signal().map_err(BenchError::Signals)?;
    let load_before = machine::load_average();
    let runtime = compose::load_runtime(settings).map_err(BenchError::NoRuntime)?;
    let python = HostPython::find(&runtime).map_err(BenchError::NoFloor)?;
    let bubblewrap = Bubblewrap::find(&runtime).map_err(|error| executor::error_chain(&error));
    let directory = Arc::new(tempfile::tempdir().map_err(BenchError::Directory)?);
    let service =
        find_service(args, flags, settings, &runtime).map_err(|error| format!("no service: {error}"));
    let executors = compose::start_executors(settings, &runtime).await;

    let versions = Versions {
        python_sandbox: env!("CARGO_PKG_VERSION").to_owned(),
        build: if cfg!(debug_assertions) { "debug" } else { "release" },
        python: python_version(&runtime),
        python_floor: python.which.clone(),
        bubblewrap: bubblewrap.as_ref().ok().map(|bubblewrap| bubblewrap.version.clone()),
        service: service.as_ref().ok().map(|service| describe(service, args)),
    };
    let parts = Parts {
        python,
        bubblewrap,
        executors: candidates(&executors).await,
        service: service.as_ref().map(|service| service.base.clone()).map_err(Clone::clone),
        directory,
        limits: settings.exec_limits_max,
        policy: compose::service_config(settings, &runtime).policy,
    };
    if versions.build == "debug" {
        term::message("this is a debug build: its figures say nothing about a release");
    }
    let date = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let measured = match suite::only(suite::entries(&parts, args.samples), &args.only) {
        Ok(entries) => measure::measure(entries, &stop).await.ok_or(BenchError::Stopped),
        Err(unknown) => Err(BenchError::UnknownCase(unknown)),
    };
    compose::stop_executors(&Chain::new(executors)).await;
    let method = Method {
        samples: args.samples,
        warm_up_turns: measure::WARM_UP_TURNS,
        pause_ms: u64::try_from(measure::PAUSE.as_millis()).unwrap_or(u64::MAX),
        clock: "times of the monotonic clock",
        order: "cases take turns",
        load_before,
        load_after: machine::load_average(),
    };
    Ok(Report::new(date, Machine::detect(), versions, method, measured?))
}

/// A token that fires at SIGINT and SIGTERM: the run then ends after the turn under way and cleans up.
fn stop_on_signal() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let (mut signals, stop) = (signal(kind)?, stop.clone());
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(stop)
}

/// The service of `--url`, or one of our own.
fn find_service(
    args: &BenchArgs,
    flags: &[OsString],
    settings: &Settings,
    runtime: &Runtime,
) -> Result<Service, String> {
    let (base, process) = match &args.url {
        Some(url) => (url.clone(), None),
        None => {
            let started = ServiceProcess::start(flags, settings, runtime);
            let process = started.map_err(|error| executor::error_chain(&error))?;
            (process.base.clone(), Some(process))
        }
    };
    let version = Client::new(&base).version().map_err(|error| executor::error_chain(&error))?;
    Ok(Service { base, version, _process: process })
}

fn describe(service: &Service, args: &BenchArgs) -> String {
    let whose = if args.url.is_some() { "as --url named it" } else { "a process of its own" };
    format!("{}, {whose}", service.version)
}

fn python_version(runtime: &Runtime) -> String {
    let (major, minor, micro) = runtime.python_version;
    format!("{major}.{minor}.{micro} (runtime {})", runtime.id)
}

/// Each active executor, or why it cannot be measured.
async fn candidates(executors: &[Arc<dyn Executor>]) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for executor in executors {
        let health = executor.health().await;
        let able = if health.healthy {
            Ok(Arc::clone(executor))
        } else {
            Err(health.reason.unwrap_or_else(|| "unhealthy".to_owned()))
        };
        candidates.push(Candidate { name: executor.name(), executor: able });
    }
    candidates
}

/// The table to standard output, or the JSON alone where `-` asks for it there.
fn show(report: &Report, json: Option<&Path>) -> ExitCode {
    let failed = |text: String| {
        term::message(&format!("python-sandbox: {text}"));
        exit::our_fault()
    };
    let to_stdout = json == Some(Path::new("-"));
    if !to_stdout {
        term::result(&report.text());
    }
    if let Some(path) = json {
        let text = match report.json() {
            Ok(text) => text,
            Err(error) => return failed(format!("failed to write the report: {error}")),
        };
        if to_stdout {
            term::result(&text);
        } else if let Err(error) = std::fs::write(path, text) {
            return failed(format!("failed to write `{}`: {error}", path.display()));
        }
    }
    if report.has_failures() { exit::program_failed() } else { exit::good() }
}
