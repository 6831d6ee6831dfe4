//! Runs one program in a container and judges its end.

use crate::config::{Flavour, SETTINGS};
use crate::container::{Container, End};
use crate::wire::{State, Wire};
use async_trait::async_trait;
use executor::guest::{Answer, Guest, GuestError};
use executor::refusal::{self, InputNeeds, Unstarted};
use executor::verdict::{self, Evidence, Facts};
use executor::{ExecRequest, ExecResult, ExecutorError, Outcome, OutcomeKind, Sandbox, SandboxLimits};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A container whose agent is ready for one program.
#[derive(Debug)]
pub(crate) struct DockerSandbox {
    pub(crate) guest: Guest<Wire>,
    pub(crate) state: Arc<State>,
    pub(crate) container: Container,
    pub(crate) limits: SandboxLimits,
    pub(crate) flavour: Flavour,
    /// What it was made from: another image may have taken its name since.
    pub(crate) image_id: String,
}

#[async_trait]
impl Sandbox for DockerSandbox {
    async fn exec(
        &mut self,
        request: ExecRequest,
        cancel: CancellationToken,
    ) -> Result<ExecResult, ExecutorError> {
        let begun = Instant::now();
        let waited_dead = self.state.is_ended();
        let limits = request.limits;
        let needs = InputNeeds::of(&request);
        let (answer, result) = self.guest.exec(request, cancel).await;
        let evidence = evidence(&answer);
        let failed = |step: &str, started: bool, error: GuestError| {
            let words = self.state.words();
            let kind = refusal::kind_of(&error);
            let source: Box<dyn std::error::Error + Send + Sync> =
                if words.is_empty() { error.into() } else { format!("{error}: {words}").into() };
            ExecutorError { kind, ..ExecutorError::in_sandbox(self.flavour.name(), step, started, source) }
        };
        let judged = match (&answer.report, result) {
            (Some(report), Ok(())) => {
                let sandbox = &self.limits;
                verdict::judge(&Facts { report, evidence, exec: &limits, sandbox, settings: SETTINGS })
            }
            (report, Err(error)) => {
                let lost = matches!(error, GuestError::Gone | GuestError::Io(_));
                let late = matches!(error, GuestError::TooLate { .. });
                // One that lived when its request came and died of it may have died of the files in it, or its
                // interpreter did.
                let unstarted =
                    !answer.started && !waited_dead && (lost || matches!(error, GuestError::Fault { .. }));
                let end =
                    if (lost && answer.started) || unstarted { self.container.end().await } else { None };
                let refused = refusal::judge(&Unstarted {
                    error: &error,
                    killed_for_memory: unstarted && end == Some(End::OutOfMemory),
                    evidence,
                    needs,
                    sandbox: &self.limits,
                    settings: SETTINGS,
                });
                if let Some(refused) = refused.filter(|_| !answer.started) {
                    refused
                } else if end == Some(End::OutOfMemory) {
                    // It took so much that the kernel killed the agent, or gVisor's whole kernel, too.
                    (
                        verdict::memory_exceeded(&self.limits, evidence, SETTINGS),
                        verdict::EXIT_CODE_OUT_OF_MEMORY,
                    )
                } else if end.is_some() && answer.started && !self.flavour.is_linux() {
                    (kernel_ended(), EXIT_CODE_KILLED)
                } else if late && answer.started && report.is_none() {
                    let used_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                    (verdict::timed_out(&limits, used_us), verdict::EXIT_CODE_TIMEOUT)
                } else {
                    let step = if report.is_some() { "collect the output files" } else { "run the program" };
                    // An agent that is only slow may still start it.
                    return Err(failed(step, answer.started || late, error));
                }
            }
            (None, Ok(())) => {
                return Err(failed(
                    "run the program",
                    true,
                    GuestError::Violation("an end without a report"),
                ));
            }
        };
        Ok(answer.into_result(judged, evidence, begun.elapsed(), Duration::ZERO))
    }

    async fn destroy(self: Box<Self>) {}
}

/// Exit code of a program that was killed: 128 + SIGKILL.
const EXIT_CODE_KILLED: i32 = 137;

/// The verdict on a program under which gVisor's kernel ended. It is a process with limits itself, and a program that
/// starts more threads than the host gives it brings it down.
fn kernel_ended() -> Outcome {
    Outcome {
        signal: Some(9),
        message: Some("the program was killed because the kernel of its sandbox ended".to_owned()),
        hint: Some(format!("use fewer threads and processes, or raise {}", SETTINGS.pids)),
        ..Outcome::of(OutcomeKind::Signal)
    }
}

/// What the container's own group counted, by the agent's report.
fn evidence(answer: &Answer) -> Evidence {
    let counters = answer.report.as_ref().and_then(|report| report.counters).unwrap_or_default();
    Evidence {
        oom_kills: counters.oom_kills,
        memory_shared: None,
        memory_bytes_peak: counters.memory_bytes_peak,
        file_cache_bytes: counters.file_cache_bytes,
        pids_limit_hits: counters.pids_limit_hits,
        // The agent is not the program's.
        pids_peak: counters.pids_peak.map(|peak| peak.saturating_sub(1)),
    }
}
