//! A sandbox and the executions in it: the one implementation, for every executor, of running a program and
//! classifying its end.

use crate::GuestError;
use crate::backing::{Backing, FreezeError, LossCause, Stream};
use crate::control::Control;
use crate::counts::{KernelCounts, PeakScope};
use crate::ending::Ending;
use crate::events::{Collected, EventSink};
use crate::file_access::FileAccess;
use crate::guest::{Execution, Guest, Progress};
use crate::refusal::{self, InputNeeds, Unstarted};
use crate::stats::SandboxOrigin;
use crate::verdict::{self, Facts, Verdict};
use crate::{ExecRequest, ExecResult, ExecutorError, SandboxLimits, Usage};
use protocol::InterpreterOrigin;
use std::time::{Duration, Instant};

mod files;

pub use files::{FileError, FileReader};

/// Why nothing is done in a sandbox any more.
const UNUSABLE: &str = "an earlier error, or a future that was dropped, has made the sandbox unusable";

/// An isolated environment whose guest agent is ready. It serves executions one after the other, as long as
/// its agent runs. Dropping it removes it and everything in it.
#[derive(Debug)]
pub struct Sandbox {
    executor: &'static str,
    guest: Guest<Box<dyn Stream>>,
    files: FileAccess,
    backing: Box<dyn Backing>,
    limits: SandboxLimits,
    /// Number of executions so far.
    executions: u64,
    /// The counts at the end of the last execution.
    before: KernelCounts,
    /// No error so far, and the last execution left the agent ready for another.
    is_usable: bool,
    is_frozen: bool,
    origin: Option<SandboxOrigin>,
}

impl Sandbox {
    /// Waits until the agent at the other end of `stream` is ready. Returns the sandbox, and where its
    /// interpreter came from.
    ///
    /// # Errors
    /// An error of the executor: no program was sent yet.
    pub async fn open(
        executor: &'static str,
        limits: SandboxLimits,
        stream: impl Stream + 'static,
        backing: impl Backing + 'static,
        ready_time_max: Duration,
    ) -> Result<(Self, InterpreterOrigin), ExecutorError> {
        let stream: Box<dyn Stream> = Box::new(stream);
        let mut guest = Guest::new(stream);
        match guest.ready(ready_time_max).await {
            Ok(origin) => {
                let backing = Box::new(backing);
                let (files, before) = (FileAccess::default(), KernelCounts::default());
                let (executions, is_usable, is_frozen) = (0, true, false);
                let sandbox = Self {
                    executor,
                    guest,
                    files,
                    backing,
                    limits,
                    executions,
                    before,
                    is_usable,
                    is_frozen,
                    origin: None,
                };
                Ok((sandbox, origin))
            }
            Err(error) => {
                let source = with_stderr(error, &backing.stderr());
                Err(ExecutorError::before_start(executor, "set a sandbox up", source))
            }
        }
    }

    /// Records where it came from, for [`Ending::origin`].
    #[must_use]
    pub fn with_origin(mut self, origin: SandboxOrigin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// If `yields`, gives it less of a busy CPU than others have, for good, where the executor can do that.
    #[must_use]
    pub fn yielding_cpu(self, yields: bool) -> Self {
        if yields {
            self.backing.yield_cpu();
        }
        self
    }

    /// Whether it can serve an execution, as far as can be told without blocking.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.is_usable && self.backing.is_alive()
    }

    /// Stops everything in it between two executions, so that it uses no CPU time; its memory and files stay.
    /// It lasts until [`Sandbox::thaw`] or the next execution, which thaws it first. Does nothing if it is
    /// frozen. A frozen sandbox can be dropped. Dropping the future makes the sandbox unusable.
    ///
    /// # Errors
    /// [`FreezeError::Unsupported`] leaves it running and usable, as does [`FreezeError::Failed`] unless it
    /// could not be thawed again: [`Sandbox::is_alive`] tells.
    pub async fn freeze(&mut self) -> Result<(), FreezeError> {
        if self.is_frozen {
            return Ok(());
        }
        if !std::mem::take(&mut self.is_usable) {
            return Err(FreezeError::failed("freeze", UNUSABLE));
        }
        let frozen = self.backing.freeze().await;
        self.is_frozen = frozen.is_ok();
        self.is_usable = match &frozen {
            Ok(()) | Err(FreezeError::Unsupported { .. }) => true,
            Err(FreezeError::Failed { .. }) => self.backing.thaw().await.is_ok(),
        };
        frozen
    }

    /// Lets a frozen sandbox continue; does nothing if it is not frozen. Dropping the future makes the
    /// sandbox unusable.
    ///
    /// # Errors
    /// The sandbox is unusable then.
    pub async fn thaw(&mut self) -> Result<(), FreezeError> {
        if !self.is_frozen {
            return Ok(());
        }
        if !std::mem::take(&mut self.is_usable) {
            return Err(FreezeError::failed("thaw", UNUSABLE));
        }
        self.backing.thaw().await?;
        (self.is_frozen, self.is_usable) = (false, true);
        Ok(())
    }

    /// The connection to its agent, and its backing: for the check that writes to a frozen agent, which
    /// [`Sandbox::execute`] never does.
    pub(crate) fn parts(&mut self) -> (&mut Guest<Box<dyn Stream>>, &mut dyn Backing) {
        (&mut self.guest, &mut *self.backing)
    }

    /// Runs one program. If [`Sandbox::is_alive`] says so, another may follow, which finds the files of this
    /// one and nothing else. When `control` cancels, the program is ended and the verdict says so. Dropping
    /// the future makes the sandbox unusable; the program ends with the sandbox.
    ///
    /// # Errors
    /// Never caused by the program. [`ExecutorError::kind`] says what caused it, and
    /// [`ExecutorError::program_may_have_run`] whether the program may be sent elsewhere. The sandbox is
    /// unusable after an error, except for an input file that was refused: that leaves it as it was before.
    pub async fn execute(
        &mut self,
        request: &ExecRequest,
        control: &Control,
        events: &mut dyn EventSink,
    ) -> Result<Ending, ExecutorError> {
        self.run(request, true, control, events).await
    }

    /// As [`Sandbox::execute`], in a sandbox that serves no other execution after it.
    ///
    /// # Errors
    /// As [`Sandbox::execute`].
    pub async fn execute_once(
        mut self,
        request: &ExecRequest,
        control: &Control,
        events: &mut dyn EventSink,
    ) -> Result<Ending, ExecutorError> {
        self.run(request, false, control, events).await
    }

    /// As [`Sandbox::execute`], with the answer assembled.
    ///
    /// # Errors
    /// As [`Sandbox::execute`].
    pub async fn answer(
        &mut self,
        request: &ExecRequest,
        control: &Control,
    ) -> Result<ExecResult, ExecutorError> {
        let mut events = Collected::default();
        let ending = self.execute(request, control, &mut events).await?;
        Ok(events.into_result(ending, &request.limits))
    }

    /// As [`Sandbox::execute_once`], with the answer assembled.
    ///
    /// # Errors
    /// As [`Sandbox::execute`].
    pub async fn answer_once(
        self,
        request: &ExecRequest,
        control: &Control,
    ) -> Result<ExecResult, ExecutorError> {
        let mut events = Collected::default();
        let ending = self.execute_once(request, control, &mut events).await?;
        Ok(events.into_result(ending, &request.limits))
    }

    /// Thaws it if it is frozen, for this `step`.
    async fn make_ready(&mut self, step: &'static str) -> Result<(), ExecutorError> {
        if let Err(error) = self.thaw().await {
            return Err(ExecutorError::in_sandbox(self.executor, step, false, error));
        }
        if !self.is_usable {
            return Err(ExecutorError::in_sandbox(self.executor, step, false, UNUSABLE));
        }
        Ok(())
    }

    async fn run(
        &mut self,
        request: &ExecRequest,
        keep: bool,
        control: &Control,
        events: &mut dyn EventSink,
    ) -> Result<Ending, ExecutorError> {
        let begun = Instant::now();
        self.make_ready("run the program").await?;
        self.is_usable = false;
        // A sandbox that was dead before did not die of this request.
        let was_alive = self.backing.is_alive();
        if let Err(error) = self.files.settle(&mut self.guest).await {
            return Err(self.failed(&Progress::default(), error, was_alive));
        }
        self.executions += 1;
        // Files that were put have used memory before.
        let first = self.executions == 1 && !self.files.is_used();
        let scope =
            if first || self.backing.reset_memory_peak() { PeakScope::Execution } else { PeakScope::Sandbox };
        let execution = Execution { id: self.executions, keep, request };
        let (progress, result) = self.guest.execute(execution, control, events).await;
        let reported = progress.report.as_ref().and_then(|report| report.counters.as_ref());
        let counts = self.backing.counts(reported);
        let evidence = counts.since(&self.before);
        self.before = counts;
        let elapsed = begun.elapsed();
        let verdict = match (&progress.report, result) {
            (Some(report), Ok(())) => {
                self.is_usable = keep;
                let (exec, sandbox) = (&request.limits, &self.limits);
                verdict::classify(&Facts { report, evidence, exec, sandbox })
            }
            (_, Err(error)) => {
                // The agent has taken all of the input, and waits for the next execution with the interpreter
                // of this one.
                let waits = matches!(error, GuestError::InputRefused(_)) && progress.sent;
                let verdict =
                    self.classify_lost(request, &progress, error, evidence, elapsed, was_alive).await;
                self.is_usable = keep && waits && evidence.oom_kills == 0;
                verdict?
            }
            (None, Ok(())) => {
                let error = GuestError::Violation("an end without a report");
                return Err(self.failed(&progress, error, was_alive));
            }
        };
        let origin = self.origin.clone();
        Ok(Ending { origin, ..ending(verdict, &progress, evidence, scope, elapsed) })
    }

    /// The guest gave no complete answer. Where a limit of the sandbox is the cause, that is the verdict.
    async fn classify_lost(
        &mut self,
        request: &ExecRequest,
        progress: &Progress,
        error: GuestError,
        evidence: KernelCounts,
        elapsed: Duration,
        was_alive: bool,
    ) -> Result<Verdict, ExecutorError> {
        let lost = matches!(error, GuestError::Gone | GuestError::Io(_));
        // One that lived when its request came and died before the start may have died of the files in it, or
        // its interpreter did.
        let unstarted = !progress.started && was_alive && (lost || matches!(error, GuestError::Fault { .. }));
        let death = match evidence.oom_kills {
            0 if (lost && progress.started) || unstarted => self.backing.post_mortem().await,
            0 => None,
            _ => Some(LossCause::OutOfMemory),
        };
        let (exec, sandbox) = (&request.limits, &self.limits);
        if !progress.started {
            let needs = InputNeeds::of(request);
            let killed_for_memory = was_alive && death == Some(LossCause::OutOfMemory);
            let unstarted = Unstarted { error: &error, killed_for_memory, evidence, needs, exec, sandbox };
            if let Some(verdict) = refusal::classify(&unstarted) {
                return Ok(verdict);
            }
            // Files of earlier executions, or files that were put, are in the way: not an error of the
            // sandbox.
            if killed_for_memory && (self.executions > 1 || self.files.is_used()) {
                return Ok(verdict::memory_exceeded(verdict::Killed::Program, evidence, exec, sandbox));
            }
        }
        match death {
            // It took so much that the kernel killed the agent too.
            Some(LossCause::OutOfMemory) if lost && self.may_have_run(progress, &error, was_alive) => {
                Ok(verdict::memory_exceeded(verdict::Killed::Program, evidence, exec, sandbox))
            }
            Some(LossCause::Kernel) if progress.started => Ok(verdict::kernel_ended(evidence, exec, sandbox)),
            // It outlasted even the agent's clock.
            _ if matches!(error, GuestError::TooLate { .. })
                && progress.started
                && progress.report.is_none() =>
            {
                Ok(verdict::timed_out(elapsed, evidence, exec, sandbox))
            }
            _ => Err(self.failed(progress, error, was_alive)),
        }
    }

    /// Whether the kernel killed the agent, which is lost, for lack of memory since the last execution.
    async fn died_for_memory(&mut self) -> bool {
        let counted = self.backing.counts(None).since(&self.before).oom_kills > 0;
        counted || self.backing.post_mortem().await == Some(LossCause::OutOfMemory)
    }

    fn may_have_run(&self, progress: &Progress, error: &GuestError, was_alive: bool) -> bool {
        progress.started || (was_alive && progress.may_have_run(error, self.backing.is_lossless()))
    }

    fn failed(&self, progress: &Progress, error: GuestError, was_alive: bool) -> ExecutorError {
        let step = if progress.report.is_some() { "collect the output files" } else { "run the program" };
        let started = self.may_have_run(progress, &error, was_alive);
        let kind = refusal::kind_of(&error);
        let source = with_stderr(error, &self.backing.stderr());
        ExecutorError { kind, ..ExecutorError::in_sandbox(self.executor, step, started, source) }
    }
}

/// The error, with the stderr of the other end.
fn with_stderr(error: GuestError, stderr: &str) -> Box<dyn std::error::Error + Send + Sync> {
    if stderr.is_empty() {
        error.into()
    } else {
        format!("{}: {stderr}", support::error_chain(&error)).into()
    }
}

/// `elapsed` and what was counted stand in where the agent was lost before its report.
fn ending(
    verdict: Verdict,
    progress: &Progress,
    evidence: KernelCounts,
    memory_peak_scope: PeakScope,
    elapsed: Duration,
) -> Ending {
    let report = progress.report.as_ref();
    let usage = Usage {
        wall_time: report.map_or(elapsed, |report| Duration::from_micros(report.wall_time_us)),
        cpu_time: report.map_or(evidence.cpu_time, |report| Duration::from_micros(report.cpu_time_us)),
        // The page cache of the runtime is not counted as the program's: the first run after a boot would
        // otherwise seem to need all the memory it may have.
        memory_bytes_peak: evidence
            .memory_bytes_peak
            .map(|peak| peak.saturating_sub(evidence.file_cache_bytes))
            .or(report.map(|report| report.resident_bytes_peak))
            .unwrap_or(0),
        memory_peak_scope,
        pids_peak: evidence.pids_peak,
    };
    Ending {
        verdict,
        usage,
        stdout_bytes: report.map(|report| report.stdout_bytes),
        stderr_bytes: report.map(|report| report.stderr_bytes),
        times: progress.times,
        origin: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{Script, ScriptedExecutor};
    use crate::{Executor, Freshness, Hints, RunErrorKind};

    async fn sandbox(script: Script) -> Sandbox {
        let executor = ScriptedExecutor::named("memory", script);
        executor.create(&Hints::default(), Freshness::Any).await.unwrap()
    }

    #[tokio::test]
    async fn executions_follow_each_other_until_one_fails() {
        let (request, control) = (ExecRequest { code: "x".into(), ..Default::default() }, Control::default());
        let mut sound = sandbox(Script::Echo).await;
        for _ in 0..3 {
            let answer = sound.answer(&request, &control).await.unwrap();
            assert_eq!(answer.stdout.text, "x");
            assert!(sound.is_alive());
        }
        let mut broken = sandbox(Script::FailAfterStart).await;
        assert!(broken.answer(&request, &control).await.unwrap_err().program_may_have_run);
        assert!(!broken.is_alive(), "what is left on its stream is unknown");
        assert!(!broken.answer(&request, &control).await.unwrap_err().program_may_have_run);
    }

    #[tokio::test]
    async fn a_frozen_sandbox_answers_nothing_until_it_is_thawed() {
        let (request, control) = (ExecRequest { code: "x".into(), ..Default::default() }, Control::default());
        let executor = ScriptedExecutor::named("memory", Script::Echo);
        let mut sandbox = executor.create(&Hints::default(), Freshness::Any).await.unwrap();
        sandbox.answer(&request, &control).await.unwrap();
        sandbox.freeze().await.unwrap();
        let (guest, backing) = sandbox.parts();
        let execution = Execution { id: 2, keep: true, request: &request };
        let mut events = Collected::default();
        let mut execution = std::pin::pin!(guest.execute(execution, &control, &mut events));
        // The scripted agent runs whenever this task yields.
        for _ in 0..1_000 {
            tokio::select! {
                biased;
                _ = &mut execution => panic!("it is frozen"),
                () = tokio::task::yield_now() => {}
            }
        }
        backing.thaw().await.unwrap();
        assert!(execution.await.1.is_ok());
    }

    #[tokio::test]
    async fn a_sandbox_can_be_frozen_again_and_again_and_dropped_frozen() {
        let (request, control) = (ExecRequest { code: "x".into(), ..Default::default() }, Control::default());
        let executor = ScriptedExecutor::named("memory", Script::Echo);
        let mut sandbox = executor.create(&Hints::default(), Freshness::Any).await.unwrap();
        for frozen in [1, 0, 1, 0] {
            for _ in 0..2 {
                let changed = if frozen == 1 { sandbox.freeze().await } else { sandbox.thaw().await };
                changed.unwrap();
                assert_eq!((executor.frozen(), sandbox.is_alive()), (frozen, true));
            }
        }
        sandbox.freeze().await.unwrap();
        assert!(sandbox.answer(&request, &control).await.is_ok(), "an execution thaws first");
        assert_eq!(executor.frozen(), 0);
        sandbox.freeze().await.unwrap();
        drop(sandbox);
        assert_eq!((executor.frozen(), executor.destroyed()), (0, 1));
    }

    /// The kernel kills its agent, with this count and this cause; it was alive before, or not.
    #[derive(Debug)]
    struct Dying(u64, Option<LossCause>, bool);

    #[async_trait::async_trait]
    impl Backing for Dying {
        fn is_alive(&self) -> bool {
            self.2
        }
        fn counts(&self, _: Option<&protocol::Counters>) -> KernelCounts {
            KernelCounts { oom_kills: self.0, ..KernelCounts::default() }
        }
        fn is_lossless(&self) -> bool {
            true
        }
        async fn post_mortem(&mut self) -> Option<LossCause> {
            self.1
        }
    }

    #[tokio::test]
    async fn a_file_that_exhausts_the_memory_is_no_error_of_the_sandbox() {
        let memory = Some(LossCause::OutOfMemory);
        for (dying, is_memory) in [
            (Dying(1, None, true), true),
            (Dying(0, memory, true), true),
            (Dying(1, memory, false), false),
            (Dying(0, None, true), false),
            (Dying(0, Some(LossCause::Kernel), true), false),
        ] {
            let mut sandbox = sandbox(Script::Echo).await;
            let (ours, _) = tokio::io::duplex(1);
            sandbox.guest = Guest::new(Box::new(ours));
            sandbox.backing = Box::new(dying);
            let error = sandbox.put_file("a", 1, &mut &b"x"[..]).await.unwrap_err();
            assert_eq!(matches!(error, FileError::OutOfMemory { .. }), is_memory, "{error}");
            assert!(sandbox.list_files("", "", 1).await.is_err());
        }
    }

    /// Cannot be frozen, for a reason of its own.
    #[derive(Debug)]
    struct Restless {
        freeze: fn() -> Result<(), FreezeError>,
        thaw: fn() -> Result<(), FreezeError>,
    }

    #[async_trait::async_trait]
    impl Backing for Restless {
        fn is_alive(&self) -> bool {
            true
        }
        fn counts(&self, _: Option<&protocol::Counters>) -> KernelCounts {
            KernelCounts::default()
        }
        fn is_lossless(&self) -> bool {
            true
        }
        async fn freeze(&mut self) -> Result<(), FreezeError> {
            (self.freeze)()
        }
        async fn thaw(&mut self) -> Result<(), FreezeError> {
            (self.thaw)()
        }
    }

    #[tokio::test]
    async fn a_freeze_that_fails_leaves_the_sandbox_usable_if_it_could_be_undone() {
        let good = || Ok(());
        let unsupported = || Err(FreezeError::unsupported("no freezer"));
        let failed = || Err(FreezeError::failed("freeze", "x"));
        let cases: [(Restless, bool, bool); 4] = [
            (Restless { freeze: unsupported, thaw: failed }, false, true),
            (Restless { freeze: failed, thaw: good }, false, true),
            (Restless { freeze: failed, thaw: failed }, false, false),
            (Restless { freeze: good, thaw: failed }, true, true),
        ];
        for (index, (backing, is_frozen, is_usable)) in cases.into_iter().enumerate() {
            let mut sandbox = sandbox(Script::Echo).await;
            sandbox.backing = Box::new(backing);
            assert_eq!(sandbox.freeze().await.is_ok(), is_frozen, "{index}");
            assert_eq!(sandbox.is_alive(), is_usable, "{index}");
            let answer = sandbox.answer(&ExecRequest::default(), &Control::default()).await;
            assert_eq!(answer.is_ok(), is_usable && !is_frozen, "{index}: {answer:?}");
            if let Err(error) = answer {
                assert!(!error.program_may_have_run && !sandbox.is_alive(), "{index}");
            }
        }
    }

    #[tokio::test]
    async fn a_refused_input_file_ends_its_execution_and_not_the_sandbox() {
        let (request, control) = (ExecRequest::default(), Control::default());
        let mut sandbox = sandbox(Script::FailBeforeStart(RunErrorKind::Request)).await;
        for _ in 0..2 {
            let error = sandbox.answer(&request, &control).await.unwrap_err();
            assert_eq!(
                (error.kind, error.program_may_have_run, sandbox.is_alive()),
                (RunErrorKind::Request, false, true)
            );
        }
    }

    #[tokio::test]
    async fn a_sandbox_whose_execution_was_dropped_runs_nothing_more() {
        let (request, control) = (ExecRequest::default(), Control::default());
        let mut sandbox = sandbox(Script::Sleep).await;
        let dropped = tokio::time::timeout(Duration::from_millis(20), sandbox.answer(&request, &control));
        assert!(dropped.await.is_err());
        assert!(!sandbox.is_alive() && sandbox.answer(&request, &control).await.is_err());
    }
}
