//! An executor in memory, for the tests of everything above executors. It runs no Python: it plays a script.

use crate::{
    Captured, ExecRequest, ExecResult, Executor, ExecutorError, Health, Hints, Outcome, OutcomeKind,
    OutputFile, Protection, RunErrorKind, Sandbox, Usage, verdict,
};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What every sandbox of a [`MemoryExecutor`] does.
#[derive(Debug, Clone)]
pub enum Script {
    /// Answers with the program's source as stdout and its input files as output files.
    Echo,
    /// Answers with this result.
    Answer(Box<ExecResult>),
    /// Runs until its wall-clock time is over or it is cancelled.
    Sleep,
    /// Fails to make a sandbox.
    FailToCreate,
    /// Never says how it is.
    HangInHealth,
    /// Makes sandboxes, each of which fails before its program starts.
    FailBeforeStart(RunErrorKind),
    /// Fails while the program runs.
    FailAfterStart,
}

/// An executor that plays a script and counts what it made.
#[derive(Debug)]
pub struct MemoryExecutor {
    name: &'static str,
    script: Script,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    created: AtomicUsize,
    destroyed: AtomicUsize,
}

impl MemoryExecutor {
    /// Makes one that goes by `name`.
    #[must_use]
    pub fn named(name: &'static str, script: Script) -> Self {
        Self { name, script, counters: Arc::default() }
    }

    /// Sandboxes made so far.
    #[must_use]
    pub fn created(&self) -> usize {
        self.counters.created.load(Ordering::SeqCst)
    }

    /// Sandboxes destroyed so far.
    #[must_use]
    pub fn destroyed(&self) -> usize {
        self.counters.destroyed.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Executor for MemoryExecutor {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn health(&self) -> Health {
        if matches!(self.script, Script::FailToCreate) {
            return Health::unhealthy("scripted to fail");
        }
        if matches!(self.script, Script::HangInHealth) {
            std::future::pending::<()>().await;
        }
        let detail = "nothing is run".to_owned();
        let protections = BTreeMap::from([("memory_only", Protection { enforced: true, detail })]);
        Health { healthy: true, reason: None, protections, warm: 0 }
    }

    async fn create(&self, _: &Hints) -> Result<Box<dyn Sandbox>, ExecutorError> {
        if matches!(self.script, Script::FailToCreate) {
            return Err(ExecutorError::before_start(self.name, "create a sandbox", "scripted to fail"));
        }
        self.counters.created.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(MemorySandbox {
            name: self.name,
            script: self.script.clone(),
            _destroyed: CountOnDrop(Arc::clone(&self.counters)),
        }))
    }

    async fn shut_down(&self) {}
}

#[derive(Debug)]
struct MemorySandbox {
    name: &'static str,
    script: Script,
    _destroyed: CountOnDrop,
}

#[derive(Debug)]
struct CountOnDrop(Arc<Counters>);

impl Drop for CountOnDrop {
    fn drop(&mut self) {
        self.0.destroyed.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Sandbox for MemorySandbox {
    async fn exec(
        &mut self,
        request: ExecRequest,
        cancel: CancellationToken,
    ) -> Result<ExecResult, ExecutorError> {
        match &self.script {
            Script::Echo | Script::FailToCreate | Script::HangInHealth => Ok(echo(&request)),
            Script::Answer(result) => Ok((**result).clone()),
            Script::Sleep => {
                let limits = request.limits;
                tokio::select! {
                    () = tokio::time::sleep(limits.wall_time) => {
                        let used_us = u64::try_from(limits.wall_time.as_micros()).unwrap_or(u64::MAX);
                        Ok(ended(verdict::timed_out(&limits, used_us), verdict::EXIT_CODE_TIMEOUT))
                    }
                    () = cancel.cancelled() => Ok(ended(verdict::cancelled(), 137)),
                }
            }
            Script::FailBeforeStart(kind) => Err(ExecutorError {
                kind: *kind,
                ..ExecutorError::before_start(self.name, "run the program", "scripted to fail")
            }),
            Script::FailAfterStart => {
                Err(ExecutorError::in_sandbox(self.name, "run the program", true, "scripted to fail"))
            }
        }
    }

    async fn destroy(self: Box<Self>) {}
}

fn echo(request: &ExecRequest) -> ExecResult {
    let outcome = Outcome::of(OutcomeKind::Exited);
    let mut files: Vec<_> = request
        .files
        .iter()
        .map(|file| OutputFile { path: file.path.clone(), content: file.content.clone() })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let stdout = Captured { bytes: request.code.len() as u64, text: request.code.clone(), truncated: false };
    ExecResult { stdout, files, ..ended(outcome, 0) }
}

/// A result that carries nothing but a verdict.
#[must_use]
pub fn ended(outcome: Outcome, exit_code: i32) -> ExecResult {
    let usage = Usage { wall_time: Duration::from_millis(1), ..Usage::default() };
    ExecResult { usage, ..ExecResult::ended(outcome, exit_code) }
}
