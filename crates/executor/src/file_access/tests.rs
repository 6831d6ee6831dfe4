//! The host side against guests that answer from a list, and against the in-memory executor.

use super::*;
use crate::scripted::{Script, ScriptedExecutor};
use crate::{Control, ExecRequest, Executor, FileError, Freshness, Hints, InputFile, RunErrorKind, Sandbox};
use bytes::Bytes;
use protocol::{Decoder, encode};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{ReadBuf, duplex};

fn failure(id: u64, cause: FileCause) -> GuestMessage<'static> {
    GuestMessage::FileFailed(FileFailure { id, cause, detail: "x\n\u{1b}[2J".into() })
}

fn header(size_bytes: u64) -> GuestMessage<'static> {
    GuestMessage::FileHeader { id: 1, size_bytes, modified_us: 1 }
}

fn content(data: &[u8]) -> GuestMessage<'_> {
    GuestMessage::FileContent { data }
}

fn entry(name: &str) -> GuestMessage<'static> {
    let entry = DirectoryEntry { name: name.into(), kind: EntryKind::File, size_bytes: 1, modified_us: 0 };
    GuestMessage::Entry(entry)
}

fn listed() -> GuestMessage<'static> {
    GuestMessage::Listed { id: 1, more: 0, names_not_utf8: 0 }
}

fn done() -> GuestMessage<'static> {
    GuestMessage::FileDone { id: 1 }
}

/// Every operation that a hostile guest can be asked for.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Put,
    Get,
    List,
    Remove,
}

/// Sends these messages once the host has begun to ask, and then goes away.
async fn ask(ask: Ask, messages: &[GuestMessage<'_>]) -> Result<u64, AccessError> {
    let (host, mut other) = duplex(1 << 20);
    let (mut guest, mut access) = (Guest::new(host), FileAccess::default());
    let answers: Vec<u8> = messages.iter().flat_map(|message| encode(message).unwrap()).collect();
    let played = async {
        let mut begun = [0; 1];
        other.read_exact(&mut begun).await.unwrap();
        other.write_all(&answers).await.unwrap();
        other.shutdown().await.unwrap();
        // Takes what is sent, until the host has its answer.
        let mut rest = Vec::new();
        other.read_to_end(&mut rest).await.unwrap();
    };
    let asked = async {
        match ask {
            Ask::Put => access.put(&mut guest, "a", 3, &mut &b"abc"[..]).await.map(|()| 0),
            Ask::Remove => access.remove(&mut guest, "a").await.map(|()| 0),
            Ask::List => {
                access.list(&mut guest, "", "a", 2).await.map(|listing| listing.entries.len() as u64)
            }
            Ask::Get => {
                let header = access.get(&mut guest, "a", 3).await?;
                let mut bytes = 0;
                while let Some(piece) = access.piece(&mut guest).await? {
                    bytes += piece.len() as u64;
                }
                assert_eq!(bytes, header.size_bytes);
                Ok(bytes)
            }
        }
    };
    tokio::select! {
        answer = asked => answer,
        () = async { played.await; std::future::pending().await } => unreachable!(),
    }
}

#[tokio::test]
async fn answers_within_their_bounds_are_taken() {
    assert_eq!(ask(Ask::Put, &[done()]).await.unwrap(), 0);
    assert_eq!(ask(Ask::Remove, &[done()]).await.unwrap(), 0);
    assert_eq!(ask(Ask::Get, &[header(3), content(b"ab"), content(b"c"), done()]).await.unwrap(), 3);
    assert_eq!(ask(Ask::Get, &[header(0), done()]).await.unwrap(), 0);
    assert_eq!(ask(Ask::List, &[entry("b"), entry("c"), listed()]).await.unwrap(), 2);
    for asked in [Ask::Put, Ask::Get, Ask::List, Ask::Remove] {
        match ask(asked, &[failure(1, FileCause::NotFound)]).await.unwrap_err() {
            AccessError::Failed { cause: FileCause::NotFound, detail } => {
                assert!(!detail.contains(char::is_control), "{detail:?}");
            }
            other => panic!("{asked:?} {other:?}"),
        }
    }
    let changed = ask(Ask::Get, &[header(3), content(b"ab"), failure(1, FileCause::Changed)]).await;
    assert!(matches!(changed, Err(AccessError::Failed { cause: FileCause::Changed, .. })));
}

#[tokio::test]
async fn a_hostile_guest_is_cut_off() {
    let late = |modified_us| GuestMessage::FileHeader { id: 1, size_bytes: 0, modified_us };
    let long = "x".repeat(ENTRY_NAME_BYTES_MAX + 1);
    let mut late_entry =
        DirectoryEntry { name: "b".into(), kind: EntryKind::File, size_bytes: 0, modified_us: 0 };
    late_entry.modified_us = MODIFIED_US_MAX + 1;
    let cases: Vec<(Ask, Vec<GuestMessage<'_>>)> = vec![
        (Ask::Put, vec![GuestMessage::FileDone { id: 2 }]),
        (Ask::Put, vec![failure(2, FileCause::Io)]),
        (Ask::Put, vec![header(1)]),
        (Ask::Put, vec![content(b"x")]),
        (Ask::Put, vec![listed()]),
        (Ask::Put, vec![GuestMessage::Accepted { id: 1 }]),
        (Ask::Remove, vec![GuestMessage::FileDone { id: 0 }]),
        (Ask::Remove, vec![entry("b")]),
        (Ask::Get, vec![done()]),
        (Ask::Get, vec![content(b"x")]),
        (Ask::Get, vec![header(4)]),
        (Ask::Get, vec![late(MODIFIED_US_MAX + 1)]),
        (Ask::Get, vec![GuestMessage::FileHeader { id: 2, size_bytes: 0, modified_us: 0 }]),
        (Ask::Get, vec![header(3), header(3)]),
        (Ask::Get, vec![header(3), content(b"")]),
        (Ask::Get, vec![header(3), content(b"abcd")]),
        (Ask::Get, vec![header(3), content(b"abc"), content(b"d")]),
        (Ask::Get, vec![header(3), content(b"ab"), done()]),
        (Ask::Get, vec![header(3), content(b"abc"), listed()]),
        (Ask::Get, vec![header(3), GuestMessage::FileData { data: b"abc" }]),
        (Ask::List, vec![done()]),
        (Ask::List, vec![entry("b"), entry("b")]),
        (Ask::List, vec![entry("c"), entry("b")]),
        (Ask::List, vec![entry("a")]),
        (Ask::List, vec![entry("b"), entry("c"), entry("d")]),
        (Ask::List, vec![entry("")]),
        (Ask::List, vec![entry("b/c")]),
        (Ask::List, vec![entry("..")]),
        (Ask::List, vec![entry("b\0")]),
        (Ask::List, vec![entry(&long)]),
        (Ask::List, vec![GuestMessage::Entry(late_entry)]),
        (Ask::List, vec![GuestMessage::Listed { id: 2, more: 0, names_not_utf8: 0 }]),
    ];
    for (index, (asked, messages)) in cases.into_iter().enumerate() {
        let answer = ask(asked, &messages).await;
        assert!(
            matches!(answer, Err(AccessError::Guest(GuestError::Violation(_)))),
            "case {index}: {answer:?}"
        );
    }
    let fault = GuestMessage::Fault { step: "x".into(), detail: "y".into() };
    let answer = ask(Ask::Get, &[header(3), fault]).await;
    assert!(matches!(answer, Err(AccessError::Guest(GuestError::Fault { .. }))));
    assert!(matches!(ask(Ask::Get, &[header(3)]).await, Err(AccessError::Guest(GuestError::Gone))));
}

/// The end of a put before its content is one that nobody wrote.
#[tokio::test]
async fn a_put_that_is_done_before_its_content_is_a_violation() {
    let mut open = Open { id: 1, awaits: Awaits::Done { unsent: 1 } };
    assert!(matches!(open.take(done()), Err(GuestError::Violation(_))));
    let mut open = Open { id: 1, awaits: Awaits::Aborted };
    assert!(matches!(open.take(done()), Err(GuestError::Violation(_))));
    assert!(open.take(failure(1, FileCause::Aborted)).is_ok());
    // A message before the request is one that nobody asked for.
    let (host, mut other) = duplex(1 << 20);
    other.write_all(&encode(&done()).unwrap()).await.unwrap();
    let mut guest = Guest::new(host);
    guest.fill().await.unwrap();
    let early = FileAccess::default().remove(&mut guest, "a").await;
    assert!(matches!(early, Err(AccessError::Guest(GuestError::Violation(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_silent_guest_is_given_up() {
    let (host, _other) = duplex(1 << 10);
    let mut guest = Guest::new(host);
    let late = FileAccess::default().remove(&mut guest, "a").await;
    assert!(matches!(late, Err(AccessError::Guest(GuestError::TooLate { step: "remove a file", .. }))));
    // It does not take the content: nothing is held beyond one piece.
    let (host, _other) = duplex(1 << 10);
    let late =
        FileAccess::default().put(&mut Guest::new(host), "a", 1 << 40, &mut tokio::io::repeat(0)).await;
    assert!(matches!(late, Err(AccessError::Guest(GuestError::TooLate { .. }))));
}

async fn sandbox(script: Script) -> Sandbox {
    let executor = ScriptedExecutor::named("memory", script);
    executor.create(&Hints::default(), Freshness::Any).await.unwrap()
}

async fn read(sandbox: &mut Sandbox, path: &str) -> Result<Vec<u8>, FileError> {
    let mut reader = sandbox.get_file(path, u64::MAX).await?;
    let mut content = Vec::new();
    while let Some(piece) = reader.next().await? {
        content.extend_from_slice(&piece);
    }
    assert_eq!(content.len() as u64, reader.size_bytes());
    Ok(content)
}

fn cause<T: std::fmt::Debug>(result: Result<T, FileError>) -> FileCause {
    match result {
        Err(FileError::Failed { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

/// A source that gives some bytes and then an error, or nothing ever again.
struct Breaks {
    bytes: usize,
    then_hangs: bool,
}

impl AsyncRead for Breaks {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.bytes.min(buffer.remaining());
        self.bytes -= length;
        match (length, self.then_hangs) {
            (0, true) => Poll::Pending,
            (0, false) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            _ => {
                buffer.put_slice(&vec![b'x'; length]);
                Poll::Ready(Ok(()))
            }
        }
    }
}

#[tokio::test]
async fn files_go_in_and_out_between_executions() {
    let mut sandbox = sandbox(Script::Echo).await;
    let content: Vec<u8> = (0..300_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    sandbox.put_file("d/a", 300_000, &mut &content[..]).await.unwrap();
    assert_eq!(read(&mut sandbox, "d/a").await.unwrap(), content);
    let files = vec![InputFile { path: "b".into(), content: Bytes::from_static(b"in") }];
    let request = ExecRequest { code: "x".into(), files, ..Default::default() };
    assert!(sandbox.answer(&request, &Control::default()).await.is_ok());
    assert_eq!(read(&mut sandbox, "b").await.unwrap(), b"in");
    let listing = sandbox.list_files("", "", 10).await.unwrap();
    let names: Vec<_> = listing.entries.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
    assert_eq!((names, listing.more), (vec![("b", EntryKind::File), ("d", EntryKind::Directory)], 0));
    assert_eq!(sandbox.list_files("", "b", 10).await.unwrap().entries.len(), 1);
    assert_eq!(sandbox.list_files("", "", 1).await.unwrap().more, 1);
    assert_eq!(cause(sandbox.remove_file("d").await), FileCause::NotEmpty);
    sandbox.remove_file("d/a").await.unwrap();
    assert_eq!(cause(sandbox.remove_file("d/a").await), FileCause::NotFound);
    assert_eq!(cause(sandbox.get_file("b", 1).await.map(|_| ())), FileCause::TooLarge);
    for path in ["", "..", "/a", "a//b", "a/../b"] {
        assert_eq!(cause(sandbox.put_file(path, 0, &mut &b""[..]).await), FileCause::PathInvalid, "{path:?}");
        assert_eq!(cause(sandbox.get_file(path, 1).await.map(|_| ())), FileCause::PathInvalid, "{path:?}");
        assert_eq!(cause(sandbox.remove_file(path).await), FileCause::PathInvalid, "{path:?}");
    }
    assert!(sandbox.answer(&request, &Control::default()).await.is_ok());
}

#[tokio::test]
async fn a_put_that_is_refused_stops_reading_its_source() {
    let mut sandbox = sandbox(Script::Echo).await;
    let mut source = tokio::io::repeat(0);
    assert_eq!(cause(sandbox.put_file("a", 1 << 40, &mut source).await), FileCause::NoRoom);
    assert_eq!(cause(sandbox.get_file("a", 1).await.map(|_| ())), FileCause::NotFound);
}

#[tokio::test]
async fn a_source_that_fails_costs_only_the_put() {
    let mut sandbox = sandbox(Script::Echo).await;
    sandbox.put_file("a", 3, &mut &b"old"[..]).await.unwrap();
    let short = sandbox.put_file("a", 100, &mut &b"short"[..]).await;
    assert!(matches!(short, Err(FileError::Source(error)) if error.kind() == io::ErrorKind::UnexpectedEof));
    let mut breaks = Breaks { bytes: 200_000, then_hangs: false };
    let broken = sandbox.put_file("a", 300_000, &mut breaks).await;
    assert!(
        matches!(broken, Err(FileError::Source(error)) if error.kind() == io::ErrorKind::ConnectionReset)
    );
    assert_eq!(read(&mut sandbox, "a").await.unwrap(), b"old");
    assert!(sandbox.is_alive());
}

/// As when a client goes away in the middle of a transfer.
#[tokio::test]
async fn a_dropped_operation_costs_nothing_else() {
    let mut sandbox = sandbox(Script::Echo).await;
    let request = ExecRequest { code: "x".into(), ..Default::default() };
    for bytes in [0, 1, 200_000] {
        let mut hangs = Breaks { bytes, then_hangs: true };
        let hung = sandbox.put_file("a", 300_000, &mut hangs);
        assert!(tokio::time::timeout(Duration::from_millis(20), hung).await.is_err());
        assert!(sandbox.answer(&request, &Control::default()).await.is_ok(), "{bytes}");
        assert_eq!(cause(sandbox.get_file("a", 1).await.map(|_| ())), FileCause::NotFound);
    }
    sandbox.put_file("b", 1 << 20, &mut tokio::io::repeat(1)).await.unwrap();
    drop(sandbox.get_file("b", u64::MAX).await.unwrap());
    assert!(sandbox.answer(&request, &Control::default()).await.is_ok());
    let mut reader = sandbox.get_file("b", u64::MAX).await.unwrap();
    assert!(reader.next().await.unwrap().is_some());
    drop(reader);
    assert_eq!(read(&mut sandbox, "b").await.unwrap().len(), 1 << 20);
    assert!(sandbox.answer(&request, &Control::default()).await.is_ok());
}

/// Wherever a put is dropped, also in the middle of a frame.
#[tokio::test]
async fn an_operation_dropped_at_any_point_leaves_whole_frames() {
    for polls in 1..100 {
        let (host, mut other) = duplex(7);
        let (mut guest, mut access) = (Guest::new(host), FileAccess::default());
        let mut decoder = Decoder::new();
        {
            let source = &mut &[1u8; 40][..];
            let mut put = std::pin::pin!(access.put(&mut guest, "a", 50, source));
            for _ in 0..polls {
                let polled = std::future::poll_fn(|context| Poll::Ready(put.as_mut().poll(context))).await;
                assert!(polled.is_pending(), "nobody answers");
                // One byte at a time, if there is one.
                let mut some = [0; 1];
                let mut read = std::pin::pin!(other.read(&mut some));
                let length = std::future::poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await;
                if let Poll::Ready(Ok(length)) = length {
                    decoder.push(&some[..length]);
                }
            }
        }
        let played = async {
            let mut content = 0;
            loop {
                while let Some(message) = decoder.next_message::<HostMessage<'_>>().unwrap() {
                    match message {
                        HostMessage::PutFile { id: 1, path: "a", size_bytes: 50 } => {}
                        HostMessage::PutData { data } => content += data.len(),
                        HostMessage::PutAbort { id: 1 } => {
                            let answer = encode(&failure(1, FileCause::Aborted)).unwrap();
                            other.write_all(&answer).await.unwrap();
                            return content;
                        }
                        other => panic!("{other:?}"),
                    }
                }
                assert!(other.read_buf(decoder.reserve(64)).await.unwrap() > 0);
            }
        };
        let (settled, content) = tokio::join!(access.settle(&mut guest), played);
        settled.unwrap();
        assert!(content <= 40 && access.open.is_none() && access.outgoing.is_empty(), "{polls}");
    }
}

#[tokio::test]
async fn a_lost_sandbox_is_told_from_a_failed_operation() {
    let mut sandbox = sandbox(Script::FailAfterStart).await;
    let request = ExecRequest { code: "x".into(), ..Default::default() };
    assert!(sandbox.answer(&request, &Control::default()).await.is_err());
    match sandbox.remove_file("a").await {
        Err(FileError::Sandbox(error)) => {
            assert_eq!((error.kind, error.program_may_have_run), (RunErrorKind::Sandbox, false));
        }
        other => panic!("{other:?}"),
    }
}
