//! The host side of the agent protocol, over any byte stream.
//!
//! Everything read here is hostile: the agent is ours, but a program that took it over writes to the same
//! stream. So each quantity is bounded by what the host asked for, each path is checked, and a peer that
//! violates the order of messages is cut off.

use crate::control::Control;
use crate::ending::StepTimes;
use crate::files::FileReceiver;
use crate::guest_error::GuestError;
use crate::{Event, EventSink, ExecLimits, ExecRequest, SkippedFile};
use protocol::{
    Begin, CHUNK_BYTES_MAX, DENIED_CALLS_MAX, Decoder, EndReason, ExecHeader, GuestMessage, HostMessage,
    InputRefusal, InterpreterOrigin, Mode, NOTE_BYTES_MAX, OutputStream, PATH_BYTES_MAX, PROTOCOL_VERSION,
    Report, append, encode,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// Time from the last byte of input to the program's first instruction. A cold interpreter on a busy host
/// takes a second; more than this is a broken sandbox.
pub const START_TIME_MAX: Duration = Duration::from_secs(30);
/// Time beyond the program's own after which the host stops trusting the agent's clock.
pub const OVERTIME_MAX: Duration = Duration::from_secs(5);
/// Time for the output files after the program's end.
pub const COLLECT_TIME_MAX: Duration = Duration::from_secs(60);
/// Entries of `skipped_files` that are kept; the others are counted.
pub const SKIPPED_MAX: usize = 100;

const READ_BYTES: usize = 64 * 1024;
/// Maximum length of a system call's name in bytes: the longest has 23.
const CALL_NAME_BYTES_MAX: usize = 64;

/// How far an execution got.
#[derive(Debug, Default)]
pub struct Progress {
    /// The whole input and the order to start were written, or may have been.
    pub sent: bool,
    /// The agent has the whole input: from now on the program can run.
    pub accepted: bool,
    /// The program's first instruction may have run.
    pub started: bool,
    /// How it ended; `None` if the guest was lost before.
    pub report: Option<Report>,
    /// When it reached its steps.
    pub times: StepTimes,
}

impl Progress {
    /// Whether the program may have run, after an execution that ended with `error`. `is_lossless` as in
    /// [`crate::Backing::is_lossless`].
    #[must_use]
    pub fn may_have_run(&self, error: &GuestError, is_lossless: bool) -> bool {
        match error {
            _ if self.started || self.report.is_some() => true,
            _ if !self.sent => false,
            // The agent checks for a start before it reports a failure.
            GuestError::Fault { .. } | GuestError::InputRefused(_) => false,
            // An agent that is only slow may still start it.
            GuestError::TooLate { .. } => true,
            _ => self.accepted || !is_lossless,
        }
    }
}

/// A connection to the agent of one sandbox.
#[derive(Debug)]
pub struct Guest<S> {
    stream: S,
    decoder: Decoder,
}

/// An execution to send.
#[derive(Debug, Clone, Copy)]
pub struct Execution<'a> {
    /// Its number, higher than the one before in this sandbox.
    pub id: u64,
    /// Whether another execution may follow.
    pub keep: bool,
    /// The program.
    pub request: &'a ExecRequest,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Guest<S> {
    /// Takes over `stream`, on which the agent has sent nothing yet or only its `Ready`.
    pub fn new(stream: S) -> Self {
        Self { stream, decoder: Decoder::new() }
    }

    /// The stream, to write to.
    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Reads until a message is complete. Dropped in the middle, it loses nothing.
    pub(crate) async fn fill(&mut self) -> Result<(), GuestError> {
        fill(&mut self.stream, &mut self.decoder).await
    }

    /// The next message, if a whole one has arrived. Bulk data in it borrows from the buffer.
    pub(crate) fn message(&mut self) -> Result<Option<GuestMessage<'_>>, GuestError> {
        Ok(self.decoder.next_message()?)
    }

    /// Whether nothing has arrived that was not taken.
    pub(crate) fn is_quiet(&self) -> bool {
        self.decoder.is_empty()
    }

    /// Waits until the agent reports that the sandbox is set up and its interpreter is idle.
    ///
    /// # Errors
    /// [`GuestError`]; a `Fault` names the step of the set-up that failed.
    pub async fn ready(&mut self, time_max: Duration) -> Result<InterpreterOrigin, GuestError> {
        tokio::time::timeout(time_max, fill(&mut self.stream, &mut self.decoder))
            .await
            .map_err(|_| GuestError::TooLate { step: "get ready", waited_ms: time_max.as_millis() })??;
        match self.decoder.next_message()? {
            Some(GuestMessage::Ready { version: PROTOCOL_VERSION, interpreter }) => Ok(match interpreter {
                InterpreterOrigin::StartedInstead { reason } => {
                    InterpreterOrigin::StartedInstead { reason: bounded_text(reason) }
                }
                other => other,
            }),
            Some(GuestMessage::Ready { version, .. }) => {
                Err(GuestError::Version { theirs: version, ours: PROTOCOL_VERSION })
            }
            Some(GuestMessage::Fault { step, detail }) => {
                Err(GuestError::Fault { step: bounded_text(step), detail: bounded_text(detail) })
            }
            _ => Err(GuestError::Violation("a message before `Ready`")),
        }
    }

    /// Runs one program. Its events go to `events`, the first is its start: an execution that did not start
    /// sends none.
    pub async fn execute(
        &mut self,
        execution: Execution<'_>,
        control: &Control,
        events: &mut dyn EventSink,
    ) -> (Progress, Result<(), GuestError>) {
        let mut progress = Progress::default();
        if !self.is_quiet() {
            return (progress, Err(GuestError::Violation("a message between two executions")));
        }
        let sent = AtomicBool::new(false);
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let write = async {
            // The agent may end the program, or fail, while input is still being sent: a write that fails
            // then carries no information, the reader knows better.
            let _ = send_request(&mut writer, execution, &sent).await;
            loop {
                let id = execution.id;
                let message = tokio::select! {
                    () = control.cancelled() => HostMessage::Cancel { id },
                    () = control.interrupted() => HostMessage::Interrupt { id },
                };
                let _ = send(&mut writer, &message).await;
                if matches!(message, HostMessage::Cancel { .. }) {
                    std::future::pending::<()>().await;
                }
            }
        };
        let mut receiver = Receiver::new(execution.id, &execution.request.limits, &mut progress, events);
        let read = receiver.receive(&mut reader, &mut self.decoder);
        let result = tokio::select! {
            result = read => result,
            () = write => Ok(()),
        };
        progress.sent = sent.load(Ordering::Relaxed);
        (progress, result)
    }
}

/// Reads until a message is complete.
async fn fill<R: AsyncRead + Unpin>(reader: &mut R, decoder: &mut Decoder) -> Result<(), GuestError> {
    while !decoder.is_ready()? {
        if reader.read_buf(decoder.reserve(READ_BYTES)).await? == 0 {
            return Err(GuestError::Gone);
        }
    }
    Ok(())
}

async fn send<W: AsyncWrite + Unpin>(writer: &mut W, message: &HostMessage<'_>) -> Result<(), GuestError> {
    writer.write_all(&encode(message)?).await?;
    writer.flush().await?;
    Ok(())
}

/// Sends everything of an execution; a small program goes out in one write. `sent` is set before the order to
/// start is written.
async fn send_request<W: AsyncWrite + Unpin>(
    writer: &mut W,
    Execution { id, keep, request }: Execution<'_>,
    sent: &AtomicBool,
) -> Result<(), GuestError> {
    let mut batch = Vec::new();
    let begin = Begin { id, mode: Mode::Script, keep, header: header(request) };
    append(&mut batch, &HostMessage::Begin(begin))?;
    for data in request.code.as_bytes().chunks(CHUNK_BYTES_MAX) {
        append(&mut batch, &HostMessage::Code { data })?;
    }
    for data in request.stdin.chunks(CHUNK_BYTES_MAX) {
        append(&mut batch, &HostMessage::Stdin { data })?;
    }
    for file in &request.files {
        let size_bytes = file.content.len() as u64;
        append(&mut batch, &HostMessage::InputFile { path: &file.path, size_bytes })?;
        for data in file.content.chunks(CHUNK_BYTES_MAX) {
            append(&mut batch, &HostMessage::InputData { data })?;
            if batch.len() >= 4 * CHUNK_BYTES_MAX {
                writer.write_all(&batch).await?;
                batch.clear();
            }
        }
    }
    append(&mut batch, &HostMessage::Start)?;
    sent.store(true, Ordering::Relaxed);
    if let Err(error) = writer.write_all(&batch).await {
        // The order to start is the last part, so it did not arrive whole.
        sent.store(false, Ordering::Relaxed);
        return Err(error.into());
    }
    writer.flush().await?;
    Ok(())
}

fn header(request: &ExecRequest) -> ExecHeader {
    let limits = &request.limits;
    ExecHeader {
        wall_time_ms_max: u64::try_from(limits.wall_time.as_millis()).unwrap_or(u64::MAX),
        output_bytes_max: limits.output_bytes_max,
        output_total_bytes_max: limits.output_total_bytes_max,
        file_bytes_max: limits.file_bytes_max,
        files_total_bytes_max: limits.files_total_bytes_max,
        file_count_max: limits.file_count_max,
        env: request.env.clone(),
    }
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Sending,
    Starting,
    Running,
    Collecting,
    Finished,
}

/// Reads the messages of one execution and bounds everything in them.
struct Receiver<'a> {
    id: u64,
    limits: &'a ExecLimits,
    progress: &'a mut Progress,
    events: &'a mut dyn EventSink,
    phase: Phase,
    files: FileReceiver,
    /// Bytes of stdout and stderr.
    output_bytes: [u64; 2],
    /// Output of the interpreter before the program began.
    held: [Vec<u8>; 2],
    skipped: usize,
    skipped_more: u64,
}

impl<'a> Receiver<'a> {
    fn new(
        id: u64,
        limits: &'a ExecLimits,
        progress: &'a mut Progress,
        events: &'a mut dyn EventSink,
    ) -> Self {
        Self {
            id,
            limits,
            progress,
            events,
            phase: Phase::Sending,
            files: FileReceiver::new(limits),
            output_bytes: [0; 2],
            held: [Vec::new(), Vec::new()],
            skipped: 0,
            skipped_more: 0,
        }
    }

    /// Reads until the agent has finished.
    async fn receive<R: AsyncRead + Unpin>(
        &mut self,
        reader: &mut R,
        decoder: &mut Decoder,
    ) -> Result<(), GuestError> {
        let mut step = self.step();
        let mut deadline = Instant::now() + step.1;
        while self.phase != Phase::Finished {
            tokio::time::timeout_at(deadline, fill(reader, decoder))
                .await
                .map_err(|_| GuestError::TooLate { step: step.0, waited_ms: step.1.as_millis() })??;
            let before = self.phase;
            if let Some(message) = decoder.next_message()? {
                self.take(message)?;
            }
            if self.phase != before {
                step = self.step();
                deadline = Instant::now() + step.1;
            }
        }
        Ok(())
    }

    /// The awaited step, and its timeout.
    fn step(&self) -> (&'static str, Duration) {
        match self.phase {
            // Input of the maximum size is sent first, hence the collecting time on top.
            Phase::Sending => ("take the program", START_TIME_MAX + COLLECT_TIME_MAX),
            Phase::Starting => ("start the program", START_TIME_MAX),
            Phase::Running => ("end the program", self.limits.wall_time + OVERTIME_MAX),
            Phase::Collecting | Phase::Finished => ("send the output files", COLLECT_TIME_MAX),
        }
    }

    fn take(&mut self, message: GuestMessage<'_>) -> Result<(), GuestError> {
        match (self.phase, message) {
            (Phase::Sending, GuestMessage::Accepted { id }) if id == self.id => {
                self.progress.accepted = true;
                self.phase = Phase::Starting;
            }
            (Phase::Sending, GuestMessage::InputRefused(refusal)) => {
                let path = bounded_path(refusal.path);
                return Err(GuestError::InputRefused(InputRefusal { path, ..refusal }));
            }
            (Phase::Starting, GuestMessage::Started { id }) if id == self.id => {
                self.progress.started = true;
                self.progress.times.started = Some(Instant::now());
                self.phase = Phase::Running;
                self.events.take(Event::Started);
                self.let_go();
            }
            (Phase::Starting, GuestMessage::Output { stream, data }) => {
                self.count(stream, data)?;
                self.held[usize::from(stream == OutputStream::Stderr)].extend_from_slice(data);
            }
            (Phase::Running, GuestMessage::Output { stream, data }) => {
                self.count(stream, data)?;
                self.events.take(Event::Output { stream, data });
            }
            (Phase::Starting | Phase::Running, GuestMessage::Ended(report))
                // Only the caller cancels an execution before its start.
                if report.id == self.id
                    && (self.progress.started || report.reason == EndReason::Cancelled) =>
            {
                if !is_bounded(&report) {
                    return Err(GuestError::Violation("a report with more than it may hold"));
                }
                self.let_go();
                self.progress.report = Some(report);
                self.progress.times.ended = Some(Instant::now());
                self.phase = Phase::Collecting;
            }
            (Phase::Collecting, GuestMessage::File { path, size_bytes }) => {
                self.pass_file()?;
                self.files.open(path, size_bytes)?;
            }
            (Phase::Collecting, GuestMessage::FileData { data }) => self.files.add(data)?,
            (Phase::Collecting, GuestMessage::Skipped { path, reason }) => self.skip(path, reason),
            (Phase::Collecting, GuestMessage::Finished { id, skipped_more }) if id == self.id => {
                self.pass_file()?;
                let more = self.skipped_more.saturating_add(skipped_more);
                if more > 0 {
                    self.events.take(Event::SkippedMore(more));
                }
                self.progress.times.finished = Some(Instant::now());
                self.phase = Phase::Finished;
            }
            (_, GuestMessage::Fault { step, detail }) => {
                return Err(GuestError::Fault { step: bounded_text(step), detail: bounded_text(detail) });
            }
            _ => return Err(GuestError::Violation("a message out of order")),
        }
        Ok(())
    }

    fn count(&mut self, stream: OutputStream, data: &[u8]) -> Result<(), GuestError> {
        // The agent sends none, and nothing would bound the number of empty ones.
        if data.is_empty() {
            return Err(GuestError::Violation("output without content"));
        }
        let bytes = &mut self.output_bytes[usize::from(stream == OutputStream::Stderr)];
        *bytes += data.len() as u64;
        if *bytes > self.limits.output_bytes_max {
            return Err(GuestError::Violation("more output than asked for"));
        }
        Ok(())
    }

    /// Passes on the output of the interpreter from before the program began.
    fn let_go(&mut self) {
        let streams = [OutputStream::Stdout, OutputStream::Stderr];
        for (stream, data) in streams.into_iter().zip(std::mem::take(&mut self.held)) {
            if !data.is_empty() {
                self.events.take(Event::Output { stream, data: &data });
            }
        }
    }

    fn pass_file(&mut self) -> Result<(), GuestError> {
        if let Some(file) = self.files.close()? {
            self.events.take(Event::File(file));
        }
        Ok(())
    }

    fn skip(&mut self, path: String, reason: protocol::SkipReason) {
        if self.skipped < SKIPPED_MAX {
            self.skipped += 1;
            self.events.take(Event::Skipped(SkippedFile { path: bounded_path(path), reason }));
        } else {
            self.skipped_more = self.skipped_more.saturating_add(1);
        }
    }
}

/// The bounds of a report: its texts end up in the answer.
fn is_bounded(report: &Report) -> bool {
    let is_call = |name: &str| {
        !name.is_empty()
            && name.len() <= CALL_NAME_BYTES_MAX
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b' '))
    };
    report.note.len() <= NOTE_BYTES_MAX
        && report.denied.len() <= DENIED_CALLS_MAX
        && report.denied.iter().all(|call| is_call(&call.name))
}

/// A path from a guest, bounded.
fn bounded_path(mut text: String) -> String {
    let end = text.floor_char_boundary(PATH_BYTES_MAX);
    if end < text.len() {
        text.truncate(end);
        text.shrink_to_fit();
    }
    text
}

/// A message from a guest: bounded, and without control characters, since it is logged.
pub(crate) fn bounded_text(text: String) -> String {
    let text = bounded_path(text);
    if text.contains(char::is_control) { text.replace(char::is_control, " ") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Collected;
    use crate::{Captured, Ending, ExecLimits, ExecResult, Usage, verdict};
    use protocol::{DeniedCall, DiskState, InputCause, SkipReason, WaitStatus};
    use tokio::io::duplex;

    const STARTED: [GuestMessage<'static>; 2] =
        [GuestMessage::Accepted { id: 1 }, GuestMessage::Started { id: 1 }];

    fn finished(skipped_more: u64) -> GuestMessage<'static> {
        GuestMessage::Finished { id: 1, skipped_more }
    }

    fn stdout(data: &[u8]) -> GuestMessage<'_> {
        GuestMessage::Output { stream: OutputStream::Stdout, data }
    }

    fn ended() -> GuestMessage<'static> {
        GuestMessage::Ended(report())
    }

    /// The outcome of one execution.
    struct Answer {
        progress: Progress,
        result: Result<(), GuestError>,
        folded: ExecResult,
    }

    fn report() -> Report {
        Report {
            id: 1,
            status: WaitStatus::Exited(0),
            reason: EndReason::Itself,
            wall_time_us: 1,
            cpu_time_us: 1,
            resident_bytes_peak: 1,
            stdout_bytes: 2,
            stderr_bytes: 0,
            note: vec![],
            waited: false,
            killed_itself: false,
            denied: vec![],
            disk: DiskState::default(),
            counters: None,
        }
    }

    /// Plays a guest that sends `messages` whatever the host sends.
    async fn against(messages: Vec<GuestMessage<'_>>, limits: ExecLimits) -> Answer {
        let (host, mut guest) = duplex(1 << 20);
        for message in messages {
            guest.write_all(&encode(&message).unwrap()).await.unwrap();
        }
        let (mut sink, mut source) = tokio::io::split(guest);
        let drain = tokio::spawn(async move { tokio::io::copy(&mut sink, &mut tokio::io::sink()).await });
        source.shutdown().await.unwrap();
        let request = ExecRequest { code: "x".into(), limits, ..ExecRequest::default() };
        let mut collected = Collected::default();
        let execution = Execution { id: 1, keep: false, request: &request };
        let (progress, result) =
            Guest::new(host).execute(execution, &Control::default(), &mut collected).await;
        drain.abort();
        let written = |pick: fn(&Report) -> u64| progress.report.as_ref().map(pick);
        let ending = Ending {
            verdict: verdict::cancelled(&limits),
            usage: Usage::default(),
            stdout_bytes: written(|report| report.stdout_bytes),
            stderr_bytes: written(|report| report.stderr_bytes),
            times: progress.times,
            origin: None,
        };
        Answer { progress, result, folded: collected.into_result(ending, &limits) }
    }

    #[tokio::test]
    async fn a_step_has_a_time_once_it_is_reached_and_not_before_the_last() {
        let whole = [ended(), file("a", 1), GuestMessage::FileData { data: &[7] }, finished(0)];
        for reached in 0..=3 {
            let messages = match reached {
                0 => vec![GuestMessage::Accepted { id: 1 }],
                1 => with([]),
                2 => with([ended()]),
                _ => with(whole.clone()),
            };
            let times = against(messages, ExecLimits::default()).await.progress.times;
            let steps: Vec<_> = [times.started, times.ended, times.finished].into_iter().flatten().collect();
            assert_eq!(steps.len(), reached, "{times:?}");
            assert!(steps.is_sorted(), "{times:?}");
        }
    }

    fn with(messages: impl IntoIterator<Item = GuestMessage<'static>>) -> Vec<GuestMessage<'static>> {
        STARTED.into_iter().chain(messages).collect()
    }

    fn file(path: &str, size_bytes: u64) -> GuestMessage<'static> {
        GuestMessage::File { path: path.into(), size_bytes }
    }

    fn text(captured: &Captured) -> &str {
        captured.text.as_str()
    }

    #[tokio::test]
    async fn a_whole_answer_is_assembled() {
        let messages = with([
            stdout(b"hi"),
            ended(),
            file("b", 1),
            GuestMessage::FileData { data: &[7] },
            file("a/c", 0),
            GuestMessage::Skipped { path: "l".into(), reason: SkipReason::Symlink },
            finished(0),
        ]);
        let answer = against(messages, ExecLimits::default()).await;
        answer.result.unwrap();
        assert_eq!(text(&answer.folded.stdout), "hi");
        let paths: Vec<_> = answer.folded.files.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["a/c", "b"]);
        assert_eq!((answer.folded.skipped.len(), answer.folded.skipped_more), (1, 0));
    }

    #[tokio::test]
    async fn skipped_entries_over_the_bound_are_counted() {
        let skipped =
            |n: usize| GuestMessage::Skipped { path: format!("{n:04}"), reason: SkipReason::Symlink };
        let mut messages = with([ended()]);
        messages.extend((0..SKIPPED_MAX + 7).map(skipped));
        messages.push(finished(3));
        let answer = against(messages, ExecLimits::default()).await;
        answer.result.unwrap();
        assert_eq!((answer.folded.skipped.len(), answer.folded.skipped_more), (SKIPPED_MAX, 10));
    }

    #[tokio::test]
    async fn a_refused_input_file_is_told_apart_and_only_before_the_start() {
        let refusal =
            InputRefusal { cause: InputCause::NoRoom, path: "a".into(), disk: DiskState::default() };
        let refused = GuestMessage::InputRefused(refusal.clone());
        let answer = against(vec![refused.clone()], ExecLimits::default()).await;
        let Err(error) = answer.result else { panic!("it was refused") };
        assert!(matches!(&error, GuestError::InputRefused(found) if *found == refusal));
        assert!(!answer.progress.may_have_run(&error, false));
        let answer = against(with([refused]), ExecLimits::default()).await;
        assert!(matches!(answer.result, Err(GuestError::Violation(_))));
    }

    /// Output of the interpreter belongs to the program only once that has started.
    #[tokio::test]
    async fn nothing_of_an_execution_that_did_not_start_gets_to_the_events() {
        let fault = GuestMessage::Fault { step: "run\n\u{1b}[2Jthe program".into(), detail: "x".into() };
        let accepted = GuestMessage::Accepted { id: 1 };
        let answer = against(vec![accepted.clone(), stdout(b"bad"), fault], ExecLimits::default()).await;
        let Err(error) = answer.result else { panic!("it failed") };
        assert!(!error.to_string().contains(char::is_control), "{error}");
        assert_eq!(text(&answer.folded.stdout), "");
        assert!(!answer.progress.may_have_run(&error, true));
        let started = GuestMessage::Started { id: 1 };
        let messages = vec![accepted, stdout(b"hm"), started, stdout(b"."), ended(), finished(0)];
        let answer = against(messages, ExecLimits::default()).await;
        assert_eq!(text(&answer.folded.stdout), "hm.");
    }

    #[tokio::test]
    async fn a_program_that_may_have_run_is_told_from_one_that_cannot_have() {
        for messages in [vec![GuestMessage::Accepted { id: 1 }], with([])] {
            let count = messages.len();
            let Answer { mut progress, result, .. } = against(messages, ExecLimits::default()).await;
            let Err(error) = result else { panic!("the guest went away") };
            // It sent these whether or not it had received the program.
            progress.sent = true;
            assert!(progress.may_have_run(&error, true), "{count}");
        }
        let unsent = Progress::default();
        assert!(!unsent.may_have_run(&GuestError::Gone, false), "the input was not complete");
        let sent = Progress { sent: true, ..Progress::default() };
        assert!(!sent.may_have_run(&GuestError::Gone, true), "it was not accepted");
        assert!(sent.may_have_run(&GuestError::Gone, false), "the acknowledgement may be lost");
        assert!(sent.may_have_run(&GuestError::TooLate { step: "start", waited_ms: 1 }, true));
    }

    #[tokio::test]
    async fn a_hostile_guest_is_cut_off() {
        let small = ExecLimits {
            output_bytes_max: 4,
            file_bytes_max: 4,
            files_total_bytes_max: 6,
            file_count_max: 2,
            ..ExecLimits::default()
        };
        let with_end = |more: Vec<GuestMessage<'static>>| with([ended()].into_iter().chain(more));
        let data = |n: usize| GuestMessage::FileData { data: &[0; 8][..n] };
        let denied = |name: &str| DeniedCall { name: name.to_owned(), count: 1 };
        let ended_with = |change: &dyn Fn(&mut Report)| {
            let mut report = report();
            change(&mut report);
            with([GuestMessage::Ended(report)])
        };
        let cases = [
            vec![finished(0)],
            vec![GuestMessage::Ready { version: 1, interpreter: InterpreterOrigin::Started }],
            vec![GuestMessage::Started { id: 1 }],
            vec![GuestMessage::Accepted { id: 2 }],
            vec![stdout(b"x")],
            vec![ended()],
            vec![GuestMessage::Accepted { id: 1 }, ended()],
            vec![GuestMessage::Accepted { id: 1 }, stdout(b"")],
            with([stdout(b"")]),
            with_end(vec![file("a", 1), data(0)]),
            with([GuestMessage::Started { id: 1 }]),
            vec![GuestMessage::FileDone { id: 1 }],
            with([GuestMessage::FileDone { id: 1 }]),
            with([GuestMessage::FileContent { data: b"x" }]),
            with_end(vec![file("a", 1), GuestMessage::FileContent { data: b"x" }]),
            with([stdout(&[0; 5])]),
            with([stdout(&[0; 3]), stdout(&[0; 2])]),
            with_end(vec![file("../x", 1)]),
            with_end(vec![file("/etc/passwd", 1)]),
            with_end(vec![file("a//b", 1)]),
            with_end(vec![file("", 0)]),
            with_end(vec![file("a\0b", 0)]),
            with_end(vec![file("a", 5)]),
            with_end(vec![file("a", 4), data(4), file("b", 4)]),
            with_end(vec![file("a", 0), file("b", 0), file("c", 0)]),
            with_end(vec![file("a", 1), data(2)]),
            with_end(vec![file("a", 2), data(1), finished(0)]),
            with_end(vec![file("a", 0), file("a", 0), finished(0)]),
            with_end(vec![data(1)]),
            with_end(vec![stdout(&[1])]),
            with_end(vec![ended()]),
            with_end(vec![GuestMessage::Finished { id: 2, skipped_more: 0 }]),
            ended_with(&|report| report.id = 2),
            ended_with(&|report| report.note = vec![b'x'; NOTE_BYTES_MAX + 1]),
            ended_with(&|report| report.denied = vec![denied("bpf"); DENIED_CALLS_MAX + 1]),
            ended_with(&|report| report.denied = vec![denied(&"x".repeat(CALL_NAME_BYTES_MAX + 1))]),
            ended_with(&|report| report.denied = vec![denied("\u{1b}[2J")]),
        ];
        for (index, messages) in cases.into_iter().enumerate() {
            let result = against(messages, small).await.result;
            assert!(matches!(result, Err(GuestError::Violation(_))), "case {index}: {result:?}");
        }
    }

    #[tokio::test]
    async fn a_guest_that_goes_away_leaves_what_it_sent() {
        let partial = GuestMessage::Output { stream: OutputStream::Stderr, data: b"partial" };
        let answer = against(with([partial]), ExecLimits::default()).await;
        assert!(matches!(answer.result, Err(GuestError::Gone)));
        assert!(answer.progress.started && answer.progress.report.is_none());
        assert_eq!(text(&answer.folded.stderr), "partial");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_guest_is_given_up_after_the_programs_time_and_the_overtime() {
        let (host, mut guest) = duplex(1 << 20);
        for message in STARTED {
            guest.write_all(&encode(&message).unwrap()).await.unwrap();
        }
        let begun = Instant::now();
        let request = ExecRequest { code: "x".into(), ..Default::default() };
        let execution = Execution { id: 1, keep: false, request: &request };
        let mut events = Collected::default();
        let (_, result) = Guest::new(host).execute(execution, &Control::default(), &mut events).await;
        assert!(matches!(result, Err(GuestError::TooLate { step: "end the program", .. })));
        assert_eq!(begun.elapsed().as_secs(), 15);
        drop(guest);
    }
}
