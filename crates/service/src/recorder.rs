//! Notes what becomes of one execution, and reports it once, however it ends.

use crate::context::RequestContext;
use crate::execution::{ExecuteError, Execution};
use crate::observe::{CommandFacts, ExecutionRecord, Observer, RecordEnd};
use crate::phase::{Phase, PhaseTime};
use crate::summary::Summary;
use executor::{Collected, Ending, Event, EventSink, ExecLimits, ExecResult, SandboxOrigin};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

/// The record of one execution. Dropping it without [`Recorder::finish`] reports that the caller went away.
#[derive(Debug)]
pub(crate) struct Recorder<'a> {
    observer: &'a dyn Observer,
    /// Counts the observer's panics.
    panics: &'a AtomicU64,
    context: &'a RequestContext,
    command: CommandFacts,
    executor: Option<&'static str>,
    sandbox: Option<SandboxOrigin>,
    attempts: u32,
    phases: [Option<PhaseTime>; Phase::COUNT],
    open: Option<Phase>,
    is_reported: bool,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(
        observer: &'a dyn Observer,
        panics: &'a AtomicU64,
        context: &'a RequestContext,
        command: CommandFacts,
    ) -> Self {
        Self {
            observer,
            panics,
            context,
            command,
            executor: None,
            sandbox: None,
            attempts: 0,
            phases: [None; Phase::COUNT],
            open: None,
            is_reported: false,
        }
    }

    /// Every field is within its bounds.
    pub(crate) fn checked(&mut self, code: &Arc<str>) {
        self.command.code = Some(Arc::clone(code));
    }

    /// A phase begins, and the one before it ends.
    pub(crate) fn begin(&mut self, phase: Phase) {
        self.begin_at(phase, Instant::now());
    }

    /// The current phase ends.
    pub(crate) fn end(&mut self) {
        self.end_at(Instant::now());
    }

    /// Takes over what the executor noted of an execution that has ended.
    fn ended(&mut self, ending: &Ending) {
        self.sandbox.clone_from(&ending.origin);
        if let Some(ended) = ending.times.ended {
            self.begin_at(Phase::Collect, ended);
        }
        self.end_at(ending.times.finished.unwrap_or_else(Instant::now));
    }

    fn begin_at(&mut self, phase: Phase, at: Instant) {
        self.end_at(at);
        self.phases[phase.index()] = Some(PhaseTime { phase, began: at, ended: at });
        self.open = Some(phase);
    }

    fn end_at(&mut self, at: Instant) {
        if let Some(phase) = self.open.take()
            && let Some(time) = &mut self.phases[phase.index()]
        {
            time.ended = at.max(time.began);
        }
    }

    /// Reports the end.
    pub(crate) fn finish(mut self, result: &Result<Execution, ExecuteError>) {
        self.report(match result {
            Ok(execution) => RecordEnd::Ended(execution),
            Err(error) => RecordEnd::Refused(error),
        });
    }

    fn report(&mut self, end: RecordEnd<'_>) {
        self.is_reported = true;
        self.end();
        let times = self.phases.map(|phase| phase.map(|time| time.duration()));
        self.context.summary.set(Summary { executor: self.executor, times });
        // One after the other, without those that were not reached.
        let now = Instant::now();
        let mut phases = [PhaseTime { phase: Phase::Validate, began: now, ended: now }; Phase::COUNT];
        let reached = self.phases.iter().flatten();
        let count = reached.clone().count();
        for (entry, phase) in phases.iter_mut().zip(reached) {
            *entry = *phase;
        }
        let record = ExecutionRecord {
            context: self.context,
            command: &self.command,
            end,
            executor: self.executor,
            sandbox: self.sandbox.as_ref(),
            attempts: self.attempts,
            phases: &phases[..count],
        };
        // Whatever state the observer is left in: it only observes.
        if catch_unwind(AssertUnwindSafe(|| self.observer.execution(&record))).is_err()
            && self.panics.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::error!("an observer panicked; its next panics are only counted");
        }
    }
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        if !self.is_reported {
            self.report(RecordEnd::Abandoned);
        }
    }
}

/// Collects the events of an execution, and notes how far it has come.
pub(crate) struct Timed<'a, 'b> {
    collected: Collected,
    recorder: &'a mut Recorder<'b>,
}

impl<'a, 'b> Timed<'a, 'b> {
    pub(crate) fn new(recorder: &'a mut Recorder<'b>) -> Self {
        Self { collected: Collected::default(), recorder }
    }

    /// The answer of the execution, which has ended.
    pub(crate) fn into_result(self, ending: Ending, limits: &ExecLimits) -> ExecResult {
        self.recorder.ended(&ending);
        self.collected.into_result(ending, limits)
    }
}

impl EventSink for Timed<'_, '_> {
    fn take(&mut self, event: Event<'_>) {
        if matches!(event, Event::Started) {
            self.recorder.begin(Phase::Run);
        }
        self.collected.take(event);
    }

    fn attempt(&mut self, executor: &'static str) {
        self.recorder.executor = Some(executor);
        self.recorder.attempts = self.recorder.attempts.saturating_add(1);
    }
}
