//! An in-memory executor, for the tests of everything above executors. It runs no Python: a task at the other
//! end of the stream plays the guest agent from a script. Between executions it serves file operations like
//! the agent.

use crate::scripted_files::ScriptedFiles;
use crate::{
    Backing, Executor, ExecutorError, FreezeError, Freshness, Health, Hints, KernelCounts, OutputFile,
    Protection, RunErrorKind, Sandbox, SandboxLimits, SandboxOrigin,
};
use async_trait::async_trait;
use bytes::Bytes;
use protocol::{
    Begin, CHUNK_BYTES_MAX, Counters, Decoder, DiskState, EndReason, GuestMessage, HostMessage, InputCause,
    InputRefusal, InterpreterOrigin, OutputStream, PROTOCOL_VERSION, Report, SkipReason, WaitStatus, encode,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

/// The behavior of every sandbox of a [`ScriptedExecutor`].
#[derive(Debug, Clone)]
pub enum Script {
    /// Prints the program's source and returns its input files.
    Echo,
    /// Answers with this.
    Answer(Box<ScriptedReport>),
    /// Runs until its wall-clock time is over or it is cancelled.
    Sleep,
    /// Fails to make a sandbox.
    FailToCreate,
    /// Its health check hangs.
    HangInHealth,
    /// Fails before the program starts, with an error of this kind.
    FailBeforeStart(RunErrorKind),
    /// Fails while the program runs.
    FailAfterStart,
}

/// The scripted agent's report on a program.
#[derive(Debug, Clone)]
pub struct ScriptedReport {
    /// The program's output.
    pub stdout: Vec<u8>,
    /// How it ended. The number of the execution and the byte counts are filled in.
    pub report: Report,
    /// Its output files.
    pub files: Vec<OutputFile>,
    /// Its entries that are not returned.
    pub skipped: Vec<(String, SkipReason)>,
    /// The number of further such entries.
    pub skipped_more: u64,
}

impl ScriptedReport {
    /// A program that printed nothing and exited with this code after a millisecond.
    #[must_use]
    pub fn exited(code: u8) -> Self {
        Self::ended(WaitStatus::Exited(code), EndReason::Itself)
    }

    /// A program that ended like this.
    #[must_use]
    pub fn ended(status: WaitStatus, reason: EndReason) -> Self {
        let report = Report {
            id: 0,
            status,
            reason,
            wall_time_us: 1000,
            cpu_time_us: 0,
            resident_bytes_peak: 0,
            stdout_bytes: 0,
            stderr_bytes: 0,
            note: Vec::new(),
            waited: false,
            killed_itself: false,
            denied: Vec::new(),
            disk: DiskState::default(),
            counters: None,
        };
        let (stdout, files, skipped) = (Vec::new(), Vec::new(), Vec::new());
        Self { stdout, report, files, skipped, skipped_more: 0 }
    }
}

/// An executor that plays a script and counts its sandboxes.
#[derive(Debug)]
pub struct ScriptedExecutor {
    name: &'static str,
    script: Script,
    counters: Arc<Created>,
}

#[derive(Debug, Default)]
struct Created {
    created: AtomicUsize,
    destroyed: AtomicUsize,
    frozen: AtomicUsize,
    yielding: AtomicUsize,
}

/// The limits that the double reports.
const LIMITS: SandboxLimits = SandboxLimits {
    memory_bytes: 128 << 20,
    cpu_quota_us: 100_000,
    cpu_period_us: 100_000,
    pids_max: 50,
    disk_bytes: 64 << 20,
    disk_inodes: 8192,
};

/// Bytes on their way to or from a scripted agent.
const STREAM_BYTES: usize = 64 * 1024;
/// The scripted agent is ready at once.
const READY_TIME_MAX: Duration = Duration::from_secs(1);

impl ScriptedExecutor {
    /// An executor with this name.
    #[must_use]
    pub fn named(name: &'static str, script: Script) -> Self {
        Self { name, script, counters: Arc::default() }
    }

    /// Sandboxes made so far.
    #[must_use]
    pub fn created(&self) -> usize {
        self.counters.created.load(Ordering::SeqCst)
    }

    /// Sandboxes that are frozen now.
    #[must_use]
    pub fn frozen(&self) -> usize {
        self.counters.frozen.load(Ordering::SeqCst)
    }

    /// Sandboxes so far whose program yields the CPU to others.
    #[must_use]
    pub fn yielding(&self) -> usize {
        self.counters.yielding.load(Ordering::SeqCst)
    }

    /// Sandboxes destroyed so far.
    #[must_use]
    pub fn destroyed(&self) -> usize {
        self.counters.destroyed.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Executor for ScriptedExecutor {
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

    async fn create(&self, hints: &Hints, _: Freshness) -> Result<Sandbox, ExecutorError> {
        if matches!(self.script, Script::FailToCreate | Script::FailBeforeStart(RunErrorKind::Provider)) {
            return Err(ExecutorError::before_start(self.name, "create a sandbox", "scripted to fail"));
        }
        self.counters.created.fetch_add(1, Ordering::SeqCst);
        let (host, guest) = tokio::io::duplex(STREAM_BYTES);
        let files = ScriptedFiles::new(LIMITS.disk_bytes);
        let (freezer, frozen) = watch::channel(false);
        let (decoder, script) = (Decoder::new(), self.script.clone());
        let agent = Agent { stream: guest, decoder, script, files, frozen };
        tokio::spawn(agent.serve());
        let backing = MemoryBacking { counters: Arc::clone(&self.counters), freezer };
        let opened = Sandbox::open(self.name, LIMITS, host, backing, READY_TIME_MAX).await;
        let origin = SandboxOrigin { template: "scripted".into(), was_idle: false };
        opened.map(|(sandbox, _)| sandbox.with_origin(origin).yielding_cpu(hints.yields))
    }

    async fn shut_down(&self) {}
}

#[derive(Debug)]
struct MemoryBacking {
    counters: Arc<Created>,
    /// Whether the agent must stand still.
    freezer: watch::Sender<bool>,
}

impl MemoryBacking {
    fn set_frozen(&self, frozen: bool) {
        match (self.freezer.send_replace(frozen), frozen) {
            (false, true) => self.counters.frozen.fetch_add(1, Ordering::SeqCst),
            (true, false) => self.counters.frozen.fetch_sub(1, Ordering::SeqCst),
            _ => return,
        };
    }
}

#[async_trait]
impl Backing for MemoryBacking {
    fn is_alive(&self) -> bool {
        true
    }

    fn counts(&self, reported: Option<&Counters>) -> KernelCounts {
        KernelCounts::reported(reported)
    }

    fn yield_cpu(&self) {
        self.counters.yielding.fetch_add(1, Ordering::SeqCst);
    }

    fn is_lossless(&self) -> bool {
        true
    }

    async fn freeze(&mut self) -> Result<(), FreezeError> {
        self.set_frozen(true);
        Ok(())
    }

    async fn thaw(&mut self) -> Result<(), FreezeError> {
        self.set_frozen(false);
        Ok(())
    }
}

impl Drop for MemoryBacking {
    fn drop(&mut self) {
        self.set_frozen(false);
        self.counters.destroyed.fetch_add(1, Ordering::SeqCst);
    }
}

/// The scripted agent of one sandbox.
struct Agent {
    stream: DuplexStream,
    decoder: Decoder,
    script: Script,
    /// What was put, and the input files of executions.
    files: ScriptedFiles,
    frozen: watch::Receiver<bool>,
}

/// A received execution.
#[derive(Default)]
struct Received {
    id: u64,
    keep: bool,
    wall_time: Duration,
    code: Vec<u8>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Agent {
    /// Serves executions until the host is gone or the script ends.
    async fn serve(mut self) {
        let ready =
            GuestMessage::Ready { version: PROTOCOL_VERSION, interpreter: InterpreterOrigin::Started };
        if self.send(&ready).await.is_err() {
            return;
        }
        while let Ok(true) = self.execute().await {}
    }

    /// Plays one execution; true where another may follow.
    async fn execute(&mut self) -> io::Result<bool> {
        let Received { id, keep, wall_time, code, files } = self.receive().await?;
        for (path, content) in &files {
            self.files.insert(path, content.clone());
        }
        match &self.script {
            Script::FailBeforeStart(RunErrorKind::Request) => {
                let (cause, disk) = (InputCause::Path, DiskState::default());
                let refusal = InputRefusal { cause, path: "a".to_owned(), disk };
                self.send(&GuestMessage::InputRefused(refusal)).await?;
                return Ok(keep);
            }
            Script::FailBeforeStart(_) => {
                let (step, detail) = ("run the program".to_owned(), "scripted to fail".to_owned());
                self.send(&GuestMessage::Fault { step, detail }).await?;
                return Ok(false);
            }
            _ => {}
        }
        self.send(&GuestMessage::Accepted { id }).await?;
        self.send(&GuestMessage::Started { id }).await?;
        let played = match &self.script {
            Script::FailAfterStart => return Ok(false),
            Script::Answer(played) => (**played).clone(),
            Script::Sleep => {
                let cancelled = self.is_cancelled_within(wall_time).await?;
                let reason = if cancelled { EndReason::Cancelled } else { EndReason::WallTime };
                ScriptedReport::ended(WaitStatus::Signaled(9), reason)
            }
            _ => {
                let file = |(path, content)| OutputFile { path, content: Bytes::from(content) };
                let files = files.into_iter().map(file).collect();
                ScriptedReport { stdout: code, files, ..ScriptedReport::exited(0) }
            }
        };
        self.play(id, played).await?;
        Ok(keep)
    }

    async fn play(&mut self, id: u64, played: ScriptedReport) -> io::Result<()> {
        let ScriptedReport { stdout, report, files, skipped, skipped_more } = played;
        for data in stdout.chunks(CHUNK_BYTES_MAX) {
            self.send(&GuestMessage::Output { stream: OutputStream::Stdout, data }).await?;
        }
        let stdout_bytes = report.stdout_bytes.max(stdout.len() as u64);
        self.send(&GuestMessage::Ended(Report { id, stdout_bytes, ..report })).await?;
        for OutputFile { path, content } in files {
            self.send(&GuestMessage::File { path, size_bytes: content.len() as u64 }).await?;
            for data in content.chunks(CHUNK_BYTES_MAX) {
                self.send(&GuestMessage::FileData { data }).await?;
            }
        }
        for (path, reason) in skipped {
            self.send(&GuestMessage::Skipped { path, reason }).await?;
        }
        self.send(&GuestMessage::Finished { id, skipped_more }).await
    }

    async fn receive(&mut self) -> io::Result<Received> {
        let mut received = Received::default();
        let mut open = String::new();
        loop {
            self.fill().await?;
            match self.decoder.next_message().map_err(io::Error::other)? {
                Some(HostMessage::Begin(Begin { id, keep, header, .. })) => {
                    let wall_time = Duration::from_millis(header.wall_time_ms_max);
                    received = Received { id, keep, wall_time, ..Received::default() };
                }
                Some(HostMessage::Code { data }) => received.code.extend_from_slice(data),
                Some(HostMessage::InputFile { path, .. }) => {
                    open = path.to_owned();
                    received.files.insert(open.clone(), Vec::new());
                }
                Some(HostMessage::InputData { data }) => {
                    received.files.entry(open.clone()).or_default().extend_from_slice(data);
                }
                Some(HostMessage::Start) => return Ok(received),
                Some(message) => {
                    let answer = self.files.answer(&message).map_err(io::Error::other)?;
                    self.stream.write_all(&answer).await?;
                }
                None => {}
            }
        }
    }

    async fn is_cancelled_within(&mut self, wall_time: Duration) -> io::Result<bool> {
        let cancelled = async {
            loop {
                self.fill().await?;
                if let Some(HostMessage::Cancel { .. }) =
                    self.decoder.next_message().map_err(io::Error::other)?
                {
                    return Ok(());
                }
            }
        };
        match tokio::time::timeout(wall_time, cancelled).await {
            Ok(cancelled) => cancelled.map(|()| true),
            Err(_elapsed) => Ok(false),
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        while !self.decoder.is_ready().map_err(io::Error::other)? {
            if self.stream.read_buf(self.decoder.reserve(STREAM_BYTES)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        // What arrives while it is frozen is read and waits, as in a socket's buffer.
        let thawed = self.frozen.wait_for(|frozen| !frozen).await;
        thawed.map(drop).map_err(|_| io::ErrorKind::UnexpectedEof.into())
    }

    async fn send(&mut self, message: &GuestMessage<'_>) -> io::Result<()> {
        self.stream.write_all(&encode(message).map_err(io::Error::other)?).await
    }
}
