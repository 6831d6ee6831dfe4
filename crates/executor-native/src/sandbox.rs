//! Runs one program in a cell and judges its end.

use crate::cell::{Cell, CellError, CellFactory, Remover};
use crate::start::{MEMORY_TOTAL, PROVIDER, SETTINGS};
use async_trait::async_trait;
use confine::cgroup::{CellUsage, TotalLimits};
use executor::guest::{Answer, Guest, GuestError};
use executor::refusal::{self, InputNeeds, Unstarted};
use executor::verdict::{self, Evidence, Facts, SharedMemory};
use executor::{ExecLimits, ExecRequest, ExecResult, ExecutorError, Outcome, Sandbox, SandboxLimits};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

/// Time for a cell to set itself up: a millisecond, or seconds on a host that is badly overloaded.
const READY_TIME_MAX: Duration = Duration::from_secs(20);

/// A cell with its agent, ready for one program.
#[derive(Debug)]
pub(crate) struct NativeSandbox {
    guest: Guest<UnixStream>,
    cell: CellHandle,
    limits: SandboxLimits,
    totals: TotalLimits,
}

/// Hands the cell to the remover whenever and however it is dropped.
#[derive(Debug)]
struct CellHandle {
    cell: Option<Cell>,
    remover: Arc<Remover>,
}

impl Drop for CellHandle {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            self.remover.remove(cell);
        }
    }
}

fn failed(step: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ExecutorError {
    ExecutorError::before_start(PROVIDER, step, source)
}

impl NativeSandbox {
    /// Makes one of a sort and waits until it is ready.
    pub(crate) async fn create(
        factory: Arc<CellFactory>,
        remover: Arc<Remover>,
        sort: usize,
    ) -> Result<Self, ExecutorError> {
        let (limits, totals) = (factory.limits, factory.totals);
        let maker = Arc::clone(&factory);
        let made = tokio::task::spawn_blocking(move || {
            let (cell, stream) = maker.create(sort)?;
            // From here on nothing of the cell can be forgotten, even if nobody waits for it any more.
            Ok::<_, CellError>((CellHandle { cell: Some(cell), remover }, stream))
        });
        let (cell, stream) = made
            .await
            .map_err(|error| failed("create a sandbox", error))?
            .map_err(|error| failed("create a sandbox", error))?;
        let stream = UnixStream::from_std(stream).map_err(|error| failed("create a sandbox", error))?;
        let mut guest = Guest::new(stream);
        let ready = guest.ready(READY_TIME_MAX).await;
        factory.note_origin(sort, ready.as_ref().ok());
        ready.map_err(|error| failed("set a sandbox up", error))?;
        Ok(Self { guest, cell, limits, totals })
    }

    /// Whether its first process still lives.
    pub(crate) fn is_alive(&self) -> bool {
        self.cell.cell.as_ref().is_some_and(Cell::is_alive)
    }

    /// Reads the kernel's counters. Small files of a pseudo file system, so it does not block in any real sense.
    fn usage(&self) -> CellUsage {
        let usage = self.cell.cell.as_ref().map(|cell| cell.group.usage());
        match usage {
            Some(Ok(usage)) => usage,
            Some(Err(error)) => {
                tracing::warn!(%error, "failed to read a sandbox's counters");
                CellUsage::default()
            }
            None => CellUsage::default(),
        }
    }
}

#[async_trait]
impl Sandbox for NativeSandbox {
    async fn exec(
        &mut self,
        request: ExecRequest,
        cancel: CancellationToken,
    ) -> Result<ExecResult, ExecutorError> {
        let begun = Instant::now();
        let limits = request.limits;
        let needs = InputNeeds::of(&request);
        // What died while it waited did not die of this request.
        let waited_alive = self.is_alive();
        let (answer, result) = self.guest.exec(request, cancel).await;
        let counters = self.usage();
        let evidence = Evidence {
            oom_kills: counters.oom_kills,
            memory_shared: counters
                .oom_from_outside
                .then_some(SharedMemory { bytes_max: self.totals.memory_bytes, setting: MEMORY_TOTAL }),
            memory_bytes_peak: counters.memory_peak_bytes,
            file_cache_bytes: counters.file_cache_bytes,
            pids_limit_hits: counters.pids_limit_hits,
            pids_peak: counters.pids_peak.map(|peak| peak.saturating_sub(1)),
        };
        let judged = match (&answer.report, result) {
            (Some(report), Ok(())) => {
                let sandbox = &self.limits;
                verdict::judge(&Facts { report, evidence, exec: &limits, sandbox, settings: SETTINGS })
            }
            (report, Err(error)) => {
                let killed_for_memory = waited_alive && evidence.oom_kills > 0;
                let (sandbox, settings) = (&self.limits, SETTINGS);
                let unstarted =
                    Unstarted { error: &error, killed_for_memory, evidence, needs, sandbox, settings };
                let judged = if answer.started {
                    self.judge_lost(&answer, &error, evidence, &limits, begun.elapsed())
                } else {
                    refusal::judge(&unstarted)
                };
                judged.ok_or_else(|| {
                    let step = if report.is_some() { "collect the output files" } else { "run the program" };
                    // An agent that is only slow may still start it.
                    let program_started = answer.started || matches!(error, GuestError::TooLate { .. });
                    ExecutorError::of_guest(PROVIDER, step, program_started, error)
                })?
            }
            (None, Ok(())) => {
                let error = GuestError::Violation("an end without a report");
                return Err(ExecutorError::in_sandbox(PROVIDER, "run the program", true, error));
            }
        };
        let cpu_time = Duration::from_micros(counters.cpu_time_us);
        Ok(answer.into_result(judged, evidence, begun.elapsed(), cpu_time))
    }

    async fn destroy(self: Box<Self>) {}
}

impl NativeSandbox {
    /// The agent is gone after the program started. Two causes are the program's: it used so much memory that the kernel killed the agent
    /// too, or it outlived even the agent's clock.
    fn judge_lost(
        &self,
        answer: &Answer,
        error: &GuestError,
        evidence: Evidence,
        limits: &ExecLimits,
        elapsed: Duration,
    ) -> Option<(Outcome, i32)> {
        let lost = matches!(error, GuestError::Gone | GuestError::Io(_));
        if lost && evidence.oom_kills > 0 {
            let outcome = verdict::memory_exceeded(&self.limits, evidence, SETTINGS);
            return Some((outcome, verdict::EXIT_CODE_OUT_OF_MEMORY));
        }
        if matches!(error, GuestError::TooLate { .. }) && answer.report.is_none() {
            let used_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
            return Some((verdict::timed_out(limits, used_us), verdict::EXIT_CODE_TIMEOUT));
        }
        None
    }
}
