//! What observers learn of each execution: metrics, traces and an audit log are made from it, and the use cases know
//! of none of them.

use crate::command::ExecuteCommand;
use crate::context::RequestContext;
use crate::execution::{ExecuteError, Execution};
use crate::phase::PhaseTime;
use executor::SandboxOrigin;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// Is called exactly once for every call of [`crate::Service::execute`], however that ends, also when its future is
/// dropped. It runs on the request's task: it must not wait. A panic in it is caught, counted and logged.
pub trait Observer: fmt::Debug + Send + Sync {
    /// An execution has ended.
    fn execution(&self, record: &ExecutionRecord<'_>);

    /// What it cannot do now, for `/health`, which then says `degraded`. Everybody may read it: no path, no address.
    fn problem(&self) -> Option<&'static str> {
        None
    }
}

/// Several observers. Each is told, also if one before it panics.
#[derive(Debug)]
pub struct Observers(pub Vec<Arc<dyn Observer>>);

impl Observer for Observers {
    fn execution(&self, record: &ExecutionRecord<'_>) {
        let mut panicked = None;
        for observer in &self.0 {
            // Whatever state it is left in: it only observes.
            let told = catch_unwind(AssertUnwindSafe(|| observer.execution(record)));
            panicked = panicked.or(told.err());
        }
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    }

    fn problem(&self) -> Option<&'static str> {
        self.0.iter().find_map(|observer| observer.problem())
    }
}

/// Observes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn execution(&self, _: &ExecutionRecord<'_>) {}
}

/// Everything that there is to know about one execution. Borrowed: an observer copies what it keeps.
#[derive(Debug)]
pub struct ExecutionRecord<'a> {
    /// The context of the request.
    pub context: &'a RequestContext,
    /// What was sent.
    pub command: &'a CommandFacts,
    /// How it ended.
    pub end: RecordEnd<'a>,
    /// The executor that the program was sent to last.
    pub executor: Option<&'static str>,
    /// Where its sandbox came from; only if the program has an answer.
    pub sandbox: Option<&'a SandboxOrigin>,
    /// Sandboxes that were tried; 0 if `Setup` was not reached.
    pub attempts: u32,
    /// The phases that were reached, in sequence.
    pub phases: &'a [PhaseTime],
}

/// How an execution ended, for observers.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecordEnd<'a> {
    /// The program has an answer, however it ended.
    Ended(&'a Execution),
    /// It was not run, or its answer was lost.
    Refused(&'a ExecuteError),
    /// The caller went away: the future was dropped.
    Abandoned,
}

/// The program and what came with it. It is for observers that may see it: neither a metric nor a span has any of
/// the text.
#[derive(Debug, Clone, Default)]
pub struct CommandFacts {
    /// The source text; `None` if a field of the request is out of bounds.
    pub code: Option<Arc<str>>,
    /// Bytes of standard input.
    pub stdin_bytes: u64,
    /// Number of input files.
    pub input_files: u64,
    /// Bytes of all input files together.
    pub input_bytes: u64,
    /// The executor that the request names.
    pub executor: Option<String>,
}

impl CommandFacts {
    pub(crate) fn of(command: &ExecuteCommand) -> Self {
        Self {
            code: None,
            stdin_bytes: command.stdin.len() as u64,
            input_files: command.files.len() as u64,
            input_bytes: command.files.iter().map(|file| file.content.len() as u64).sum(),
            executor: command.executor.clone(),
        }
    }
}
