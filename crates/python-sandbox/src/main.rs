//! The binary: reads the command line and the settings, and runs one command.
//!
//! The commands are implemented in other crates (`compose`, `doctor`, `bench`). Standard output is for
//! results only; messages and log lines go to standard error.

mod cli;
mod health;
mod image;
mod keys;
mod link_key;
mod local_request;
mod log_counts;
mod logging;
mod metrics;
mod observe;
mod own_scope;
mod protect;
mod run;
mod serve;
mod setup;
mod storage;
mod trusted_files;

use clap::Parser;
use cli::{CheckConfigArgs, Cli, Command};
use settings::{Host, Problems, Resolved, Settings};
use std::process::ExitCode;
use std::time::Duration;
use terminal::exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let inputs = cli.inputs();
    let resolved = match settings::resolve(&inputs, &Host::detect()) {
        Ok(resolved) => resolved,
        Err(problems) => return wrong_settings(&problems),
    };
    for warning in &resolved.warnings {
        terminal::message(&format!("python-sandbox: warning: {warning}"));
    }
    let settings = Settings::from_resolved(&resolved);
    let flags = cli.settings_flags();
    if let Err(refused) = trusted_files::check(cli.command.as_ref(), &settings) {
        terminal::message(&format!("python-sandbox: {refused}"));
        return exit::internal_error();
    }
    trusted_files::tighten_umask(cli.command.as_ref());
    let command = cli.command.unwrap_or_default();
    if let Some(failed) = own_scope::enter(&command, &settings) {
        return failed;
    }
    match command {
        Command::Serve(_) => {
            let log_counts = logging::start(&settings.log);
            protect::this_process(&settings);
            with_runtime(serve::serve(settings, log_counts))
        }
        Command::Run(args) => {
            logging::start_quiet(&settings.log);
            with_runtime(run::run(args, settings))
        }
        Command::Doctor(args) => {
            logging::start_quiet(&settings.log);
            doctor::with_canary(|| with_runtime(doctor::run(args.json, &settings)))
        }
        Command::Bench(args) => {
            logging::start_quiet(&settings.log);
            with_runtime(bench::run(&args.into_options(), &flags, &settings))
        }
        Command::Image(command) => {
            logging::start_quiet(&settings.log);
            with_runtime(image::run(command, settings))
        }
        Command::Setup(args) => setup::run(&args, &settings),
        Command::Health => health::run(&settings),
        Command::Metrics => metrics::run(&settings),
        Command::Keys(command) => keys::run(command, &settings),
        Command::Storage(command) => {
            logging::start_quiet(&settings.log);
            with_runtime(storage::run(command, settings))
        }
        Command::RotateLinkKey(args) => link_key::rotate(&args, &settings),
        Command::CheckConfig(args) => check_config(&args, &resolved),
    }
}

fn wrong_settings(problems: &Problems) -> ExitCode {
    terminal::message(&problems.to_string());
    exit::internal_error()
}

fn check_config(args: &CheckConfigArgs, resolved: &Resolved) -> ExitCode {
    terminal::result(&if args.example { settings::env_example() } else { settings::report(resolved) });
    exit::success()
}

/// Stack of each thread in bytes; only touched pages cost memory. Large enough for the validator to check
/// programs of ordinary length without allocating another stack.
const THREAD_STACK_BYTES: usize = 8 << 20;

/// How long an ended command waits for blocked threads, such as one that reads a file of a hanging mount.
const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(10);

/// Runs a command on all cores.
fn with_runtime(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(THREAD_STACK_BYTES)
        .build()
    {
        Ok(runtime) => {
            let code = runtime.block_on(command);
            runtime.shutdown_timeout(SHUTDOWN_TIME_MAX);
            code
        }
        Err(error) => {
            terminal::message(&format!("failed to start the threads: {error}"));
            exit::internal_error()
        }
    }
}
