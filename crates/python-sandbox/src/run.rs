//! `run`: runs one program through the same service as over HTTP.

use crate::cli::RunArgs;
use contract::{ErrorCode, OutcomeKind};
use executor::{Chain, PoolSize};
use explain::Refusal;
use serde::Serialize;
use service::{ExecuteCommand, ExecuteError, Execution, Principal, RequestContext, Service};
use settings::Settings;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use terminal::exit;

/// The execution's id, in place of a request id.
const REQUEST_ID: &str = "run";

/// Runs the program and passes on its output and exit code.
pub(crate) async fn run(args: RunArgs, settings: Settings) -> ExitCode {
    match try_run(&args, &settings).await {
        Ok(execution) => show(execution, args.json),
        Err(RunError::Refused(error)) => refused(error, args.json),
        Err(error) => {
            terminal::message(&format!("python-sandbox: {}", support::error_chain(&error)));
            exit::internal_error()
        }
    }
}

/// Why there is no execution to show.
#[derive(Debug, thiserror::Error)]
enum RunError {
    /// The input cannot be read.
    #[error("failed to read `{}`", path.display())]
    Input {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The directory for output files cannot be used.
    #[error("failed to use `{}` for output files", path.display())]
    Out {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// There is no runtime.
    #[error("{0}")]
    NoRuntime(String),
    /// The service did not run it.
    #[error(transparent)]
    Refused(ExecuteError),
}

/// Without pool, templates and runtime in memory: importing a template's packages or copying the runtime
/// takes longer than one program.
fn for_one_program(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    let nothing = PoolSize { min: 0, max: 0 };
    settings.native_templates = None;
    settings.native_runtime_memory = 0;
    settings.native_pool = nothing;
    settings.docker.pool = nothing;
    settings
}

async fn try_run(args: &RunArgs, settings: &Settings) -> Result<Execution, RunError> {
    let code = match (&args.code, &args.file) {
        (Some(code), _) => code.clone(),
        (None, Some(file)) => read(file)?,
        // clap requires one of the two.
        (None, None) => String::new(),
    };
    let command = ExecuteCommand {
        code,
        timeout_s: args.timeout,
        stdin: args.stdin.as_deref().map(read).transpose()?.unwrap_or_default(),
        ..ExecuteCommand::default()
    };
    let store = match &args.out {
        Some(directory) => {
            let opened = compose::open_directory(directory);
            Some(opened.map_err(|source| RunError::Out { path: directory.clone(), source })?)
        }
        None => None,
    };
    let runtime = compose::load_runtime_if_needed(settings)
        .map_err(|error| RunError::NoRuntime(compose::no_runtime(&error)))?;
    let settings = &for_one_program(settings);
    let chain = Chain::new(compose::start_executors(settings, runtime.as_ref(), "run").await);
    let service = Service::start(compose::service_config(settings, runtime.as_ref()), chain.clone(), store);

    let context = RequestContext::new(REQUEST_ID, Principal::Operator);
    let on_signal = tokio::spawn({
        let cancel = context.cancel.clone();
        async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                cancel.cancel();
            }
        }
    });
    let executed = service.execute(&context, command).await;
    on_signal.abort();
    // Stop the probes first: they would find executors that are shut down.
    drop(service);
    compose::stop_executors(&chain).await;
    executed.map_err(RunError::Refused)
}

/// A file's text, or standard input's for `-`.
fn read(path: &Path) -> Result<String, RunError> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|source| RunError::Input { path: path.to_owned(), source })
}

fn show(execution: Execution, json: bool) -> ExitCode {
    let code = exit::of_program(execution.verdict.exit_code);
    if json {
        return show_json(&explain::answer(execution, ""), code);
    }
    terminal::result(&execution.stdout.text);
    terminal::program_stderr(&execution.stderr.text);
    for (name, stream) in [("stdout", &execution.stdout), ("stderr", &execution.stderr)] {
        if stream.truncated {
            let kept = stream.text.len();
            terminal::message(&format!(
                "python-sandbox: {name} was truncated: {kept} of {} bytes are shown (MAX_OUTPUT_SIZE)",
                stream.bytes
            ));
        }
    }
    for warning in &execution.warnings {
        terminal::message(&format!(
            "python-sandbox: line {}: {} ({})",
            warning.line, warning.message, warning.code
        ));
    }
    for skipped in &execution.skipped {
        let hint = match skipped.reason {
            "storage_disabled" => "use --out DIR to keep output files",
            "storage_failed" => {
                "it could not be written to --out, see above; existing files are not replaced"
            }
            reason => reason,
        };
        terminal::message(&format!("python-sandbox: not saved: {:?} ({hint})", skipped.path));
    }
    if execution.skipped_more > 0 {
        terminal::message(&format!("python-sandbox: not saved: {} more", execution.skipped_more));
    }
    for artifact in &execution.artifacts {
        terminal::message(&format!(
            "python-sandbox: saved {:?} ({})",
            artifact.path,
            support::counted(artifact.stored.size_bytes, "byte")
        ));
    }
    // The program's own exit code needs no message, and its traceback is already printed.
    let explained = explain::outcome(&execution.verdict, execution.executor, execution.unseen_expression);
    if let (false, Some(error)) = (explained.outcome.kind == OutcomeKind::Exited, &explained.error) {
        terminal::message(&format!("python-sandbox: {error}"));
    }
    code
}

/// The program was not run: the validator rejected it, the input was invalid, or an internal error prevented
/// it.
fn refused(error: ExecuteError, json: bool) -> ExitCode {
    let exit_code = match &error {
        ExecuteError::Rejected { .. } => exit::program_failed(),
        _ => exit::internal_error(),
    };
    // With causes: the user of this command is the operator.
    let causes = match &error {
        ExecuteError::Rejected { .. } | ExecuteError::Invalid(_) => None,
        error => Some((error.to_string(), unavailable(error))),
    };
    let mut refusal = Refusal::from(error);
    if let Some((error, causes)) = causes {
        refusal = refusal.reworded(&error, &causes);
    }
    let body = refusal.into_body(REQUEST_ID);
    if json {
        return show_json(&body, exit_code);
    }
    // The findings are in the message. An invalid field is one sentence; a failure has causes.
    let text = if body.code == ErrorCode::ValidationFailed { "Validation failed" } else { &body.error };
    let more = if body.message == text { String::new() } else { format!("\n{}", body.message) };
    terminal::message(&format!("python-sandbox: {text}{more}"));
    exit_code
}

/// Prints an answer as over HTTP, indented.
fn show_json(answer: &impl Serialize, code: ExitCode) -> ExitCode {
    match serde_json::to_string_pretty(answer) {
        Ok(text) => {
            terminal::result(&format!("{text}\n"));
            code
        }
        Err(error) => {
            terminal::message(&format!("python-sandbox: failed to write the answer: {error}"));
            exit::internal_error()
        }
    }
}

fn unavailable(error: &ExecuteError) -> String {
    match error {
        ExecuteError::Unavailable { reasons, .. } => {
            let reasons: Vec<_> = reasons.iter().map(executor::ExecutorError::chain).collect();
            format!("{} (`python-sandbox doctor` shows what is missing)", reasons.join("; "))
        }
        error => support::error_chain(error),
    }
}
