//! The host side of the agent protocol, over any byte stream.
//!
//! Everything read here is hostile: the agent is ours, but a program that broke it writes to the same stream.
//! So each quantity is bounded by what the host asked for, each path is checked, and a peer that leaves the
//! order of messages is cut off.

use crate::verdict::Evidence;
use crate::{Captured, ExecRequest, ExecResult, Outcome, OutputFile, SkippedFile, Usage};
use bytes::Bytes;
use protocol::{
    CHUNK_BYTES_MAX, DENIED_CALLS_MAX, Decoder, ExecHeader, FrameError, GuestMessage, HostMessage,
    InputRefusal, InterpreterOrigin, NOTE_BYTES_MAX, OutputStream, PATH_BYTES_MAX, PROTOCOL_VERSION, Report,
    encode, head_bytes,
};
use serde::Serialize;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Time from the last byte of input to the program's first instruction. A cold interpreter on a busy host
/// takes a second; more than this is a broken sandbox.
pub const START_TIME_MAX: Duration = Duration::from_secs(30);
/// Time past the program's own after which the host no longer trusts the agent's clock.
pub const OVERTIME_MAX: Duration = Duration::from_secs(5);
/// Time for the output files after the program's end.
pub const COLLECT_TIME_MAX: Duration = Duration::from_secs(60);
/// Entries of `skipped_files` that are kept; the others are counted.
pub const SKIPPED_MAX: usize = 100;

const READ_BYTES: usize = 64 * 1024;
/// Bytes of the name of a system call: the longest has 23.
const CALL_NAME_BYTES_MAX: usize = 64;

/// Why a guest gave no complete answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// The stream broke.
    #[error("failed to talk to the guest agent")]
    Io(#[from] io::Error),
    /// Bytes that are no message.
    #[error("the guest agent sent an invalid frame")]
    Frame(#[from] FrameError),
    /// A message out of order or out of bounds.
    #[error("the guest agent broke the protocol: {0}")]
    Violation(&'static str),
    /// The stream ended early.
    #[error("the guest agent went away")]
    Gone,
    /// Nothing came in time.
    #[error("the guest agent did not {step} within {waited_ms} ms")]
    TooLate {
        /// What was waited for, in the infinitive.
        step: &'static str,
        /// How long, in milliseconds.
        waited_ms: u128,
    },
    /// The agent speaks another protocol.
    #[error(
        "the guest agent speaks protocol {theirs}, this is {ours} (hint: prepare the sandbox image again)"
    )]
    Version {
        /// The agent's.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// The agent failed at one of its own steps.
    #[error("the guest agent failed to {step}: {detail}")]
    Fault {
        /// The step.
        step: String,
        /// The operating system's words.
        detail: String,
    },
    /// An input file could not be put into the sandbox, for what it is.
    #[error("the guest agent refused an input file: {:?}", .0.cause)]
    InputRefused(InputRefusal),
}

/// What a guest returned.
#[derive(Debug, Default)]
pub struct Answer {
    /// True once the program's first instruction may have run.
    pub started: bool,
    /// How it ended; `None` when the guest was lost before.
    pub report: Option<Report>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Files in the order in which they came, which is by path.
    pub files: Vec<OutputFile>,
    /// Entries that were not returned.
    pub skipped: Vec<SkippedFile>,
    /// How many more there are.
    pub skipped_more: u64,
    /// How much of each stream was asked for.
    output_bytes_max: u64,
}

impl Answer {
    /// Both streams as text.
    #[must_use]
    pub fn captured(&self) -> (Captured, Captured) {
        let total = |kept: &[u8], pick: fn(&Report) -> u64| {
            let kept = kept.len() as u64;
            self.report.as_ref().map_or(kept, |report| pick(report).max(kept))
        };
        let head = usize::try_from(head_bytes(self.output_bytes_max)).unwrap_or(usize::MAX);
        (
            capture(&self.stdout, total(&self.stdout, |report| report.stdout_bytes), head),
            capture(&self.stderr, total(&self.stderr, |report| report.stderr_bytes), head),
        )
    }

    /// The result of an execution that was judged. `elapsed` and `cpu_time` are what the host saw: they stand in where
    /// the agent was lost before its report.
    #[must_use]
    pub fn into_result(
        self,
        (outcome, exit_code): (Outcome, i32),
        evidence: Evidence,
        elapsed: Duration,
        cpu_time: Duration,
    ) -> ExecResult {
        let (stdout, stderr) = self.captured();
        let report = self.report.as_ref();
        let usage = Usage {
            wall_time: report.map_or(elapsed, |report| Duration::from_micros(report.wall_time_us)),
            cpu_time: report.map_or(cpu_time, |report| Duration::from_micros(report.cpu_time_us)),
            // Cached pages of the runtime are no need of the program: the first run after a boot would seem to need
            // all that it may have.
            memory_bytes_peak: evidence
                .memory_bytes_peak
                .map(|peak| peak.saturating_sub(evidence.file_cache_bytes))
                .or(report.map(|report| report.resident_bytes_peak))
                .unwrap_or(0),
            pids_peak: evidence.pids_peak,
        };
        ExecResult {
            outcome,
            exit_code,
            stdout,
            stderr,
            usage,
            files: self.files,
            skipped: self.skipped,
            skipped_more: self.skipped_more,
        }
    }
}

/// Turns kept bytes into text. `bytes` is what the program wrote in all; where that is more, the first `head` bytes are
/// its beginning and the rest its end, and a line between them says how much is missing.
fn capture(kept: &[u8], bytes: u64, head: usize) -> Captured {
    if bytes <= kept.len() as u64 {
        return Captured { text: String::from_utf8_lossy(kept).into_owned(), bytes, truncated: false };
    }
    let (head, tail) = kept.split_at(head.min(kept.len()));
    let (head, tail) = (without_cut_character(head), without_rest_of_character(tail));
    let missing = bytes - (head.len() + tail.len()) as u64;
    let mut text = String::from_utf8_lossy(head).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&format!("[... {missing} bytes omitted ...]\n"));
    text.push_str(&String::from_utf8_lossy(tail));
    Captured { text, bytes, truncated: true }
}

/// Drops the bytes of a character that the cut left at the end.
fn without_cut_character(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        // Invalid bytes before the end say nothing about the end: look at the last three alone.
        Err(_) => {
            let tail_start = bytes.len().saturating_sub(3);
            let lead = bytes[tail_start..].iter().rposition(|byte| byte & 0xC0 != 0x80);
            match lead {
                Some(offset) if is_cut(&bytes[tail_start + offset..]) => &bytes[..tail_start + offset],
                _ => bytes,
            }
        }
        Ok(_) => bytes,
    }
}

fn is_cut(tail: &[u8]) -> bool {
    std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none())
}

/// Drops the bytes of a character that the cut left at the beginning: at most three that continue one.
fn without_rest_of_character(bytes: &[u8]) -> &[u8] {
    let rest = bytes.iter().take(3).take_while(|&byte| byte & 0xC0 == 0x80).count();
    &bytes[rest..]
}

/// A connection to the agent of one sandbox.
#[derive(Debug)]
pub struct Guest<S> {
    stream: S,
    decoder: Decoder,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guest<S> {
    /// Takes over `stream`, on which the agent has sent nothing yet or only its `Ready`.
    pub fn new(stream: S) -> Self {
        Self { stream, decoder: Decoder::new() }
    }

    /// Waits until the agent says that the sandbox stands and its interpreter waits.
    ///
    /// # Errors
    /// [`GuestError`]; a `Fault` says which step of the set-up failed.
    pub async fn ready(&mut self, time_max: Duration) -> Result<InterpreterOrigin, GuestError> {
        let message = tokio::time::timeout(time_max, next(&mut self.stream, &mut self.decoder))
            .await
            .map_err(|_| GuestError::TooLate { step: "get ready", waited_ms: time_max.as_millis() })??;
        match message {
            GuestMessage::Ready { version: PROTOCOL_VERSION, interpreter } => Ok(match interpreter {
                InterpreterOrigin::StartedInstead { reason } => {
                    InterpreterOrigin::StartedInstead { reason: bounded_text(reason) }
                }
                other => other,
            }),
            GuestMessage::Ready { version, .. } => {
                Err(GuestError::Version { theirs: version, ours: PROTOCOL_VERSION })
            }
            GuestMessage::Fault { step, detail } => {
                Err(GuestError::Fault { step: bounded_text(step), detail: bounded_text(detail) })
            }
            _ => Err(GuestError::Violation("a message before `Ready`")),
        }
    }

    /// Runs one program. The answer holds all that came, also beside an error.
    pub async fn exec(
        &mut self,
        request: ExecRequest,
        cancel: CancellationToken,
    ) -> (Answer, Result<(), GuestError>)
    where
        S: Send,
    {
        let limits = request.limits;
        let mut answer = Answer { output_bytes_max: limits.output_bytes_max, ..Answer::default() };
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let decoder = &mut self.decoder;
        let write = async {
            // The agent may end the program, or fail, while input still flows: a write that fails then is no
            // news, the reader knows better.
            let _ = send_request(&mut writer, request).await;
            cancel.cancelled().await;
            let _ = send(&mut writer, &HostMessage::Cancel).await;
            std::future::pending::<()>().await;
        };
        let read = receive(&mut reader, decoder, &limits, &mut answer);
        let result = tokio::select! {
            result = read => result,
            () = write => Ok(()),
        };
        (answer, result)
    }
}

async fn next<R: AsyncRead + Unpin>(
    reader: &mut R,
    decoder: &mut Decoder,
) -> Result<GuestMessage, GuestError> {
    loop {
        if let Some(message) = decoder.next_message()? {
            return Ok(message);
        }
        if reader.read_buf(decoder.room(READ_BYTES)).await? == 0 {
            return Err(GuestError::Gone);
        }
    }
}

async fn send<W: AsyncWrite + Unpin, T: Serialize>(writer: &mut W, message: &T) -> Result<(), GuestError> {
    let frame = encode(message)?;
    writer.write_all(&frame).await?;
    writer.flush().await?;
    Ok(())
}

/// Appends a frame to `batch`, so that a small program goes out in one write.
fn append<T: Serialize>(batch: &mut Vec<u8>, message: &T) -> Result<(), GuestError> {
    batch.extend_from_slice(&encode(message)?);
    Ok(())
}

async fn send_request<W: AsyncWrite + Unpin>(writer: &mut W, request: ExecRequest) -> Result<(), GuestError> {
    let mut batch = Vec::new();
    append(&mut batch, &HostMessage::Exec(header(&request)))?;
    for piece in request.code.as_bytes().chunks(CHUNK_BYTES_MAX) {
        append(&mut batch, &HostMessage::Code { data: piece.to_vec() })?;
    }
    for piece in request.stdin.chunks(CHUNK_BYTES_MAX) {
        append(&mut batch, &HostMessage::Stdin { data: piece.to_vec() })?;
    }
    for file in &request.files {
        let size_bytes = file.content.len() as u64;
        append(&mut batch, &HostMessage::InputFile { path: file.path.clone(), size_bytes })?;
        for piece in file.content.chunks(CHUNK_BYTES_MAX) {
            append(&mut batch, &HostMessage::InputData { data: piece.to_vec() })?;
            if batch.len() >= 4 * CHUNK_BYTES_MAX {
                writer.write_all(&batch).await?;
                batch.clear();
            }
        }
    }
    append(&mut batch, &HostMessage::Start)?;
    writer.write_all(&batch).await?;
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
    Starting,
    Running,
    Collecting,
}

/// Reads messages until the agent has finished, and bounds everything it says.
async fn receive<R: AsyncRead + Unpin>(
    reader: &mut R,
    decoder: &mut Decoder,
    limits: &crate::ExecLimits,
    answer: &mut Answer,
) -> Result<(), GuestError> {
    let mut phase = Phase::Starting;
    // Input of the largest size travels before the start, hence the collecting time on top.
    let mut step = ("start the program", START_TIME_MAX + COLLECT_TIME_MAX);
    let mut deadline = Instant::now() + step.1;
    let mut files = FileReceiver::new(limits);
    loop {
        let message = tokio::time::timeout_at(deadline, next(reader, decoder))
            .await
            .map_err(|_| GuestError::TooLate { step: step.0, waited_ms: step.1.as_millis() })??;
        match (phase, message) {
            (Phase::Starting, GuestMessage::Started) => {
                answer.started = true;
                phase = Phase::Running;
                step = ("end the program", limits.wall_time + OVERTIME_MAX);
                deadline = Instant::now() + step.1;
            }
            // The interpreter's own complaints, before the program's first instruction.
            (Phase::Starting | Phase::Running, GuestMessage::Output { stream, data }) => {
                keep(answer, limits, stream, &data)?;
            }
            (Phase::Starting | Phase::Running, GuestMessage::Ended(report)) => {
                if !is_bounded(&report) {
                    return Err(GuestError::Violation("a report with more than it may hold"));
                }
                answer.report = Some(report);
                phase = Phase::Collecting;
                step = ("send the output files", COLLECT_TIME_MAX);
                deadline = Instant::now() + step.1;
            }
            (Phase::Collecting, GuestMessage::File { path, size_bytes }) => files.open(path, size_bytes)?,
            (Phase::Collecting, GuestMessage::FileData { data }) => files.add(&data)?,
            (Phase::Collecting, GuestMessage::Skipped { path, reason }) => {
                if answer.skipped.len() < SKIPPED_MAX {
                    answer.skipped.push(SkippedFile { path: bounded_text(path), reason });
                } else {
                    answer.skipped_more = answer.skipped_more.saturating_add(1);
                }
            }
            (Phase::Collecting, GuestMessage::Finished { skipped_more }) => {
                answer.skipped_more = answer.skipped_more.saturating_add(skipped_more);
                answer.files = files.finish()?;
                answer.skipped.sort_by(|a, b| a.path.cmp(&b.path));
                return Ok(());
            }
            (Phase::Starting, GuestMessage::InputRefused(refusal)) => {
                let path = bounded_text(refusal.path);
                return Err(GuestError::InputRefused(InputRefusal { path, ..refusal }));
            }
            (_, GuestMessage::Fault { step, detail }) => {
                return Err(GuestError::Fault { step: bounded_text(step), detail: bounded_text(detail) });
            }
            _ => return Err(GuestError::Violation("a message out of order")),
        }
    }
}

fn keep(
    answer: &mut Answer,
    limits: &crate::ExecLimits,
    stream: OutputStream,
    data: &[u8],
) -> Result<(), GuestError> {
    let kept = match stream {
        OutputStream::Stdout => &mut answer.stdout,
        OutputStream::Stderr => &mut answer.stderr,
    };
    if (kept.len() + data.len()) as u64 > limits.output_bytes_max {
        return Err(GuestError::Violation("more output than asked for"));
    }
    kept.extend_from_slice(data);
    Ok(())
}

/// What a report may hold: its words come into the answer.
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

/// A path, or the words of a fault: they go into answers and logs.
fn bounded_text(mut text: String) -> String {
    if text.len() > PATH_BYTES_MAX {
        let end = (0..=PATH_BYTES_MAX).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// Takes output files within the limits that the host asked for.
struct FileReceiver {
    limits: crate::ExecLimits,
    done: Vec<OutputFile>,
    total_bytes: u64,
    open: Option<(String, u64, Vec<u8>)>,
}

impl FileReceiver {
    fn new(limits: &crate::ExecLimits) -> Self {
        Self { limits: *limits, done: Vec::new(), total_bytes: 0, open: None }
    }

    fn open(&mut self, path: String, size_bytes: u64) -> Result<(), GuestError> {
        self.close()?;
        if !is_plain_path(&path) {
            return Err(GuestError::Violation("a file path that leaves the output directory"));
        }
        self.total_bytes = self.total_bytes.saturating_add(size_bytes);
        if size_bytes > self.limits.file_bytes_max
            || self.total_bytes > self.limits.files_total_bytes_max
            || self.done.len() >= self.limits.file_count_max as usize
        {
            return Err(GuestError::Violation("more files than asked for"));
        }
        // Grows with what really arrives, not with what was announced.
        self.open = Some((path, size_bytes, Vec::new()));
        Ok(())
    }

    fn add(&mut self, data: &[u8]) -> Result<(), GuestError> {
        match &mut self.open {
            Some((_, size, content)) if (content.len() + data.len()) as u64 <= *size => {
                content.extend_from_slice(data);
                Ok(())
            }
            _ => Err(GuestError::Violation("file content that was not announced")),
        }
    }

    fn close(&mut self) -> Result<(), GuestError> {
        match self.open.take() {
            Some((path, size, content)) if content.len() as u64 == size => {
                self.done.push(OutputFile { path, content: Bytes::from(content) });
                Ok(())
            }
            Some(_) => Err(GuestError::Violation("a file shorter than announced")),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Vec<OutputFile>, GuestError> {
        self.close()?;
        self.done.sort_by(|a, b| a.path.cmp(&b.path));
        if self.done.windows(2).any(|pair| pair[0].path == pair[1].path) {
            return Err(GuestError::Violation("two files of one name"));
        }
        Ok(self.done)
    }
}

/// True for a relative path without empty, `.` or `..` parts and without NUL.
#[must_use]
pub fn is_plain_path(path: &str) -> bool {
    path.len() <= PATH_BYTES_MAX
        && !path.contains('\0')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExecLimits;
    use protocol::{DeniedCall, DiskState, EndReason, InputCause, SkipReason, WaitStatus};
    use tokio::io::duplex;

    fn report() -> Report {
        Report {
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

    /// Plays a guest that sends `messages` whatever the host says.
    async fn against(messages: Vec<GuestMessage>, limits: ExecLimits) -> (Answer, Result<(), GuestError>) {
        let (host, mut guest) = duplex(1 << 20);
        for message in messages {
            guest.write_all(&encode(&message).unwrap()).await.unwrap();
        }
        let (mut sink, mut source) = tokio::io::split(guest);
        let drain = tokio::spawn(async move { tokio::io::copy(&mut sink, &mut tokio::io::sink()).await });
        source.shutdown().await.unwrap();
        let mut host = Guest::new(host);
        let request = ExecRequest { code: "x".into(), limits, ..ExecRequest::default() };
        let outcome = host.exec(request, CancellationToken::new()).await;
        drain.abort();
        outcome
    }

    fn file(path: &str, size_bytes: u64) -> GuestMessage {
        GuestMessage::File { path: path.into(), size_bytes }
    }

    #[tokio::test]
    async fn a_whole_answer_is_assembled() {
        let messages = vec![
            GuestMessage::Started,
            GuestMessage::Output { stream: OutputStream::Stdout, data: b"hi".to_vec() },
            GuestMessage::Ended(report()),
            file("b", 1),
            GuestMessage::FileData { data: vec![7] },
            file("a/c", 0),
            GuestMessage::Skipped { path: "l".into(), reason: SkipReason::Symlink },
            GuestMessage::Finished { skipped_more: 0 },
        ];
        let (answer, result) = against(messages, ExecLimits::default()).await;
        result.unwrap();
        assert_eq!(answer.captured().0.text, "hi");
        let paths: Vec<_> = answer.files.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["a/c", "b"]);
        assert_eq!((answer.skipped.len(), answer.skipped_more), (1, 0));
    }

    #[tokio::test]
    async fn skipped_entries_over_the_bound_are_counted() {
        let skipped =
            |n: usize| GuestMessage::Skipped { path: format!("{n:04}"), reason: SkipReason::Symlink };
        let mut messages = vec![GuestMessage::Started, GuestMessage::Ended(report())];
        messages.extend((0..SKIPPED_MAX + 7).map(skipped));
        messages.push(GuestMessage::Finished { skipped_more: 3 });
        let (answer, result) = against(messages, ExecLimits::default()).await;
        result.unwrap();
        assert_eq!((answer.skipped.len(), answer.skipped_more), (SKIPPED_MAX, 10));
    }

    #[tokio::test]
    async fn a_refused_input_file_is_told_apart_and_only_before_the_start() {
        let refusal =
            InputRefusal { cause: InputCause::NoRoom, path: "a".into(), disk: DiskState::default() };
        let refused = GuestMessage::InputRefused(refusal.clone());
        let (answer, result) = against(vec![refused.clone()], ExecLimits::default()).await;
        assert!(
            matches!(result, Err(GuestError::InputRefused(found)) if found == refusal) && !answer.started
        );
        let (_, result) = against(vec![GuestMessage::Started, refused], ExecLimits::default()).await;
        assert!(matches!(result, Err(GuestError::Violation(_))));
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
        let ended = || vec![GuestMessage::Started, GuestMessage::Ended(report())];
        let with = |more: Vec<GuestMessage>| ended().into_iter().chain(more).collect::<Vec<_>>();
        let data = |n: usize| GuestMessage::FileData { data: vec![0; n] };
        let denied = |name: &str| DeniedCall { name: name.to_owned(), count: 1 };
        let ended_with = |change: &dyn Fn(&mut Report)| {
            let mut report = report();
            change(&mut report);
            vec![GuestMessage::Started, GuestMessage::Ended(report)]
        };
        let cases = [
            vec![GuestMessage::Finished { skipped_more: 0 }],
            vec![GuestMessage::Ready { version: 1, interpreter: InterpreterOrigin::Started }],
            vec![GuestMessage::Started, GuestMessage::Started],
            vec![
                GuestMessage::Started,
                GuestMessage::Output { stream: OutputStream::Stdout, data: vec![0; 5] },
            ],
            with(vec![file("../x", 1)]),
            with(vec![file("/etc/passwd", 1)]),
            with(vec![file("a//b", 1)]),
            with(vec![file("", 0)]),
            with(vec![file("a\0b", 0)]),
            with(vec![file("a", 5)]),
            with(vec![file("a", 4), data(4), file("b", 4)]),
            with(vec![file("a", 0), file("b", 0), file("c", 0)]),
            with(vec![file("a", 1), data(2)]),
            with(vec![file("a", 2), data(1), GuestMessage::Finished { skipped_more: 0 }]),
            with(vec![file("a", 0), file("a", 0), GuestMessage::Finished { skipped_more: 0 }]),
            with(vec![data(1)]),
            with(vec![GuestMessage::Output { stream: OutputStream::Stdout, data: vec![1] }]),
            with(vec![GuestMessage::Ended(report())]),
            ended_with(&|report| report.note = vec![b'x'; NOTE_BYTES_MAX + 1]),
            ended_with(&|report| report.denied = vec![denied("bpf"); DENIED_CALLS_MAX + 1]),
            ended_with(&|report| report.denied = vec![denied(&"x".repeat(CALL_NAME_BYTES_MAX + 1))]),
            ended_with(&|report| report.denied = vec![denied("\u{1b}[2J")]),
        ];
        for (index, messages) in cases.into_iter().enumerate() {
            let (_, result) = against(messages, small).await;
            assert!(matches!(result, Err(GuestError::Violation(_))), "case {index}: {result:?}");
        }
    }

    #[tokio::test]
    async fn a_guest_that_goes_away_leaves_what_it_sent() {
        let messages = vec![
            GuestMessage::Started,
            GuestMessage::Output { stream: OutputStream::Stderr, data: b"partial".to_vec() },
        ];
        let (answer, result) = against(messages, ExecLimits::default()).await;
        assert!(matches!(result, Err(GuestError::Gone)));
        assert!(answer.started && answer.report.is_none());
        assert_eq!(answer.captured().1.text, "partial");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_guest_is_given_up_after_the_programs_time_and_the_overtime() {
        let (host, mut guest) = duplex(1 << 20);
        guest.write_all(&encode(&GuestMessage::Started).unwrap()).await.unwrap();
        let begun = Instant::now();
        let (_, result) = Guest::new(host)
            .exec(ExecRequest { code: "x".into(), ..Default::default() }, CancellationToken::new())
            .await;
        assert!(matches!(result, Err(GuestError::TooLate { step: "end the program", .. })));
        assert_eq!(begun.elapsed().as_secs(), 15);
        drop(guest);
    }

    #[test]
    fn text_is_cut_at_a_character() {
        let whole = "aé日😀".as_bytes();
        for end in 0..whole.len() {
            let captured = capture(&whole[..end], whole.len() as u64, end);
            assert!(captured.truncated && !captured.text.contains('\u{FFFD}'), "{end}: {}", captured.text);
            let captured = capture(&whole[end..], 1 + whole.len() as u64, 0);
            assert!(captured.truncated && !captured.text.contains('\u{FFFD}'), "{end}: {}", captured.text);
        }
        // Invalid bytes in the middle stay visible, a cut character at the end does not.
        assert_eq!(capture(b"\xffa\xe6\x97", 99, 4).text, "\u{FFFD}a\n[... 97 bytes omitted ...]\n");
        assert_eq!(capture(b"\xffa", 2, 1).text, "\u{FFFD}a");
    }

    #[test]
    fn the_beginning_and_the_end_stay_and_a_line_says_how_much_is_missing() {
        let both = capture(b"first\nlast\n", 1011, 6);
        assert_eq!(both.text, "first\n[... 1000 bytes omitted ...]\nlast\n");
        assert_eq!((both.bytes, both.truncated), (1011, true));
        assert_eq!(capture(b"firstlast", 9, 5).text, "firstlast", "nothing is missing");
        assert_eq!(capture(b"", 7, 0).text, "[... 7 bytes omitted ...]\n");
        assert_eq!(head_bytes(10) + 10 / 2, 10);
        assert_eq!((head_bytes(5), head_bytes(1), head_bytes(0)), (3, 1, 0));
    }
}
