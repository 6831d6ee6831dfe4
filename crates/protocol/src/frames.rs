//! A frame of each message, as bytes: the wire format is append-only, and this test detects a change.

use crate::*;

/// Golden file: a line per frame, its name and its bytes in hexadecimal.
const FRAMES: &str = include_str!("../frames.txt");

fn header() -> ExecHeader {
    ExecHeader {
        wall_time_ms_max: 10_000,
        output_bytes_max: 10_240,
        output_total_bytes_max: 0,
        file_bytes_max: 1 << 20,
        files_total_bytes_max: 1 << 21,
        file_count_max: 10,
        env: vec![("A".into(), "b".into())],
    }
}

fn report() -> Report {
    Report {
        id: 1,
        status: WaitStatus::Signaled(9),
        reason: EndReason::WallTime,
        wall_time_us: 300,
        cpu_time_us: 200,
        resident_bytes_peak: 100,
        stdout_bytes: 2,
        stderr_bytes: 3,
        note: b"note".to_vec(),
        waited: true,
        killed_itself: false,
        denied: vec![DeniedCall { name: "socket".into(), count: 2 }],
        disk: DiskState { bytes_max: 4, bytes_used: 3, inodes_max: 2, inodes_used: 1 },
        counters: Some(Counters {
            oom_kills: 1,
            memory_bytes_peak: Some(2),
            file_cache_bytes: 3,
            pids_limit_hits: 4,
            pids_peak: None,
        }),
    }
}

fn of_host() -> Vec<(&'static str, HostMessage<'static>)> {
    let begin = Begin { id: 1, mode: Mode::Script, keep: true, header: header() };
    vec![
        ("host begin", HostMessage::Begin(begin)),
        ("host code", HostMessage::Code { data: b"x = 1" }),
        ("host stdin", HostMessage::Stdin { data: b"in" }),
        ("host input_file", HostMessage::InputFile { path: "a/b", size_bytes: 300 }),
        ("host input_data", HostMessage::InputData { data: &[0, 255] }),
        ("host start", HostMessage::Start),
        ("host cancel", HostMessage::Cancel { id: 1 }),
        ("host interrupt", HostMessage::Interrupt { id: 300 }),
        ("host put_file", HostMessage::PutFile { id: 1, path: "a/b", size_bytes: 300 }),
        ("host put_data", HostMessage::PutData { data: &[0, 255] }),
        ("host put_abort", HostMessage::PutAbort { id: 300 }),
        ("host get_file", HostMessage::GetFile { id: 2, path: "a/b", size_bytes_max: 300 }),
        (
            "host list_directory",
            HostMessage::ListDirectory { id: 3, path: "a", after: "b", entries_max: 300 },
        ),
        ("host remove_file", HostMessage::RemoveFile { id: 4, path: "a/b" }),
    ]
}

fn of_guest() -> Vec<(&'static str, GuestMessage<'static>)> {
    let started = InterpreterOrigin::StartedInstead { reason: "why".into() };
    let disk = DiskState::default();
    let refusal = InputRefusal { cause: InputCause::Path, path: "a".into(), disk };
    let stream = OutputStream::Stderr;
    let failure = FileFailure { id: 1, cause: FileCause::Io, detail: "EIO".into() };
    let entry = DirectoryEntry { name: "a".into(), kind: EntryKind::Device, size_bytes: 300, modified_us: 2 };
    vec![
        ("guest ready", GuestMessage::Ready { version: 7, interpreter: InterpreterOrigin::Forked }),
        ("guest ready_started_instead", GuestMessage::Ready { version: 7, interpreter: started }),
        ("guest accepted", GuestMessage::Accepted { id: 1 }),
        ("guest input_refused", GuestMessage::InputRefused(refusal)),
        ("guest started", GuestMessage::Started { id: 1 }),
        ("guest output", GuestMessage::Output { stream, data: b"out" }),
        ("guest ended", GuestMessage::Ended(report())),
        ("guest file", GuestMessage::File { path: "a".into(), size_bytes: 2 }),
        ("guest file_data", GuestMessage::FileData { data: &[0, 255] }),
        ("guest skipped", GuestMessage::Skipped { path: "l".into(), reason: SkipReason::NotInOutput }),
        ("guest finished", GuestMessage::Finished { id: 1, skipped_more: 300 }),
        ("guest fault", GuestMessage::Fault { step: "mount".into(), detail: "EPERM".into() }),
        ("guest file_done", GuestMessage::FileDone { id: 300 }),
        ("guest file_failed", GuestMessage::FileFailed(failure)),
        ("guest file_header", GuestMessage::FileHeader { id: 2, size_bytes: 300, modified_us: 1 }),
        ("guest file_content", GuestMessage::FileContent { data: &[0, 255] }),
        ("guest entry", GuestMessage::Entry(entry)),
        ("guest listed", GuestMessage::Listed { id: 3, more: 300, names_not_utf8: 1 }),
    ]
}

fn bytes(digits: &str) -> Vec<u8> {
    let digit = |place: usize| u8::from_str_radix(&digits[place..place + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(digit).collect()
}

#[test]
fn frames_stay_as_they_are() {
    let hex = |frame: Vec<u8>| frame.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hosts = of_host().into_iter().map(|(name, message)| (name, encode(&message).unwrap()));
    let guests = of_guest().into_iter().map(|(name, message)| (name, encode(&message).unwrap()));
    let frames: Vec<_> = hosts.chain(guests).map(|(name, frame)| format!("{name} {}", hex(frame))).collect();
    let golden: Vec<_> = FRAMES.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(frames, golden, "{}", frames.join("\n"));
}

#[test]
fn every_frame_of_the_golden_file_is_read() {
    let mut read = 0;
    for line in FRAMES.lines().filter(|line| !line.starts_with('#')) {
        let (name, digits) = line.rsplit_once(' ').unwrap();
        let mut decoder = Decoder::new();
        decoder.push(&bytes(digits));
        if name.starts_with("host") {
            let message = decoder.next_message::<HostMessage>().unwrap();
            assert!(of_host().iter().any(|(n, m)| *n == name && Some(m) == message.as_ref()), "{name}");
        } else {
            let message = decoder.next_message::<GuestMessage>().unwrap();
            assert!(of_guest().iter().any(|(n, m)| *n == name && Some(m) == message.as_ref()), "{name}");
        }
        read += 1;
    }
    assert_eq!(read, of_host().len() + of_guest().len());
}
