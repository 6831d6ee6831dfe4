//! Fuzzes the host's side of the protocol with a guest that says anything: a byte for how far the execution
//! got, then frames, each as its length in one byte and its content.

#![no_main]

use executor::guest::{Guest, Execution, SKIPPED_MAX};
use executor::{Control, Event, EventSink, ExecLimits, ExecRequest, GuestError, is_plain_path};
use protocol::{
    DiskState, EndReason, GuestMessage, NOTE_BYTES_MAX, OutputStream, PATH_BYTES_MAX, Report, WaitStatus,
    append,
};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const ID: u64 = 1;

const LIMITS: ExecLimits = ExecLimits {
    wall_time: Duration::from_secs(1),
    output_bytes_max: 100,
    output_total_bytes_max: 0,
    file_bytes_max: 100,
    files_total_bytes_max: 150,
    file_count_max: 3,
};

// Time that passes only while everything waits: a host that waits for ever gets an error of its own at once.
thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
}

/// Checks the bounds of what the host passes on.
#[derive(Default)]
struct Bounded {
    is_started: bool,
    /// Something came before the start.
    is_early: bool,
    output_bytes: [u64; 2],
    files: usize,
    file_bytes: usize,
    skipped: usize,
}

impl EventSink for Bounded {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Started => assert!(!std::mem::replace(&mut self.is_started, true), "started twice"),
            Event::Output { stream, data } => {
                let bytes = &mut self.output_bytes[usize::from(stream == OutputStream::Stderr)];
                *bytes += data.len() as u64;
                assert!(*bytes <= LIMITS.output_bytes_max);
            }
            Event::File(file) => {
                self.files += 1;
                self.file_bytes += file.content.len();
                assert!(self.files <= 3 && file.content.len() <= 100 && self.file_bytes <= 150);
                assert!(is_plain_path(&file.path), "{:?}", file.path);
            }
            Event::Skipped(file) => {
                self.skipped += 1;
                assert!(self.skipped <= SKIPPED_MAX && file.path.len() <= PATH_BYTES_MAX);
            }
            _ => {}
        }
        self.is_early |= !self.is_started;
    }
}

fn report() -> Report {
    Report {
        id: ID,
        status: WaitStatus::Exited(0),
        reason: EndReason::Itself,
        wall_time_us: 1,
        cpu_time_us: 1,
        resident_bytes_peak: 1,
        stdout_bytes: 0,
        stderr_bytes: 0,
        note: Vec::new(),
        waited: false,
        killed_itself: false,
        denied: Vec::new(),
        disk: DiskState::default(),
        counters: None,
    }
}

/// A whole execution up to a point, and what follows it as frames.
fn stream(data: &[u8]) -> Vec<u8> {
    let Some((progress, mut rest)) = data.split_first() else { return Vec::new() };
    let valid =
        [GuestMessage::Accepted { id: ID }, GuestMessage::Started { id: ID }, GuestMessage::Ended(report())];
    let mut stream = Vec::new();
    for message in valid.iter().take(usize::from(progress % 4)) {
        append(&mut stream, message).expect("a short message");
    }
    while let Some((length, after)) = rest.split_first() {
        let (body, after) = after.split_at(usize::from(*length).min(after.len()));
        stream.extend_from_slice(&u32::from(*length).to_le_bytes());
        stream.extend_from_slice(body);
        rest = after;
    }
    stream
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let stream = stream(data);
    let request = ExecRequest { code: "x".into(), limits: LIMITS, ..ExecRequest::default() };
    let mut events = Bounded::default();
    let (progress, result) = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let mut guest = Guest::new(tokio::io::join(stream.as_slice(), tokio::io::sink()));
            let input = Execution { id: ID, keep: false, request: &request };
            guest.execute(input, &Control::default(), &mut events).await
        })
    });
    assert_eq!(progress.started, events.is_started);
    assert!(!progress.started || progress.accepted);
    // Only of an execution that was cancelled before its program started.
    let is_cancelled = |report: &Report| report.reason == EndReason::Cancelled;
    assert!(
        !events.is_early || progress.report.as_ref().is_some_and(is_cancelled),
        "the first event is the start"
    );
    if let Some(report) = &progress.report {
        assert!(report.id == ID && report.note.len() <= NOTE_BYTES_MAX);
        assert!(report.denied.iter().all(|call| !call.name.contains(char::is_control)));
    }
    match result {
        Ok(()) => assert!(progress.report.is_some(), "finished without a report"),
        Err(GuestError::TooLate { step, .. }) => panic!("waited for a guest that is gone: {step}"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() <= 3 * PATH_BYTES_MAX && !text.contains(char::is_control), "{text:?}");
        }
    }
});
