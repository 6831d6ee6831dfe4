//! As an ordinary user, over a socket pair and a temporary directory.

use super::*;
use proptest::prelude::*;
use protocol::{Decoder, append};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use tempfile::TempDir;

/// An answer of the agent, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Done(u64),
    Failed(u64, FileCause),
    Header(u64),
    Content(Vec<u8>),
    Entry(String, EntryKind, u64),
    Listed { more: u64, names_not_utf8: u64 },
}

fn answers(bytes: &[u8]) -> Vec<Answer> {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    let mut answers = Vec::new();
    while let Some(message) = decoder.next_message::<GuestMessage<'_>>().unwrap() {
        let answer = match message {
            GuestMessage::FileDone { id } => Answer::Done(id),
            GuestMessage::FileFailed(FileFailure { id, cause, .. }) => Answer::Failed(id, cause),
            GuestMessage::FileHeader { size_bytes, .. } => Answer::Header(size_bytes),
            GuestMessage::FileContent { data } => match answers.last_mut() {
                Some(Answer::Content(content)) => {
                    content.extend_from_slice(data);
                    continue;
                }
                _ => Answer::Content(data.to_vec()),
            },
            GuestMessage::Entry(entry) => Answer::Entry(entry.name, entry.kind, entry.size_bytes),
            GuestMessage::Listed { more, names_not_utf8, .. } => Answer::Listed { more, names_not_utf8 },
            other => panic!("{other:?}"),
        };
        answers.push(answer);
    }
    answers
}

/// What a host hears that sends these messages and then goes away, and how serving it ended.
fn hear(
    messages: &[HostMessage<'_>],
    serve: impl FnOnce(&mut Channel) -> io::Error,
) -> (Vec<Answer>, io::ErrorKind) {
    let (host, guest) = UnixStream::pair().unwrap();
    let mut batch = Vec::new();
    for message in messages {
        append(&mut batch, message).unwrap();
    }
    let guest = OwnedFd::from(guest);
    let mut channel = Channel::new(guest.try_clone().unwrap(), guest).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            // The agent stops reading when the protocol is violated.
            let _ = (&host).write_all(&batch);
            let _ = host.shutdown(std::net::Shutdown::Write);
        });
        let reader = scope.spawn(|| {
            let mut heard = Vec::new();
            (&host).read_to_end(&mut heard).unwrap();
            heard
        });
        let ended = serve(&mut channel).kind();
        drop(channel);
        writer.join().unwrap();
        (answers(&reader.join().unwrap()), ended)
    })
}

fn talk(root: &Path, messages: &[HostMessage<'_>]) -> (Vec<Answer>, io::ErrorKind) {
    let mut files = Files::new(|| Ok(rustix::fs::open(root, DIRECTORY, Mode::empty())?), None);
    hear(messages, |channel| {
        loop {
            let request = match channel.receive() {
                Ok(HostMessage::PutAbort { .. }) => continue,
                Ok(message) => Request::of(&message).unwrap(),
                Err(error) => return error,
            };
            if let Err(error) = files.serve(channel, request) {
                return error;
            }
        }
    })
}

/// The answers to a host that keeps to the protocol.
fn ask(root: &Path, messages: &[HostMessage<'_>]) -> Vec<Answer> {
    let (answers, ended) = talk(root, messages);
    assert_eq!(ended, io::ErrorKind::UnexpectedEof, "{answers:?}");
    answers
}

fn put(id: u64, path: &str, size_bytes: u64) -> HostMessage<'_> {
    HostMessage::PutFile { id, path, size_bytes }
}

fn data(data: &[u8]) -> HostMessage<'_> {
    HostMessage::PutData { data }
}

fn get(id: u64, path: &str) -> HostMessage<'_> {
    HostMessage::GetFile { id, path, size_bytes_max: 1 << 30 }
}

fn list<'a>(id: u64, path: &'a str, after: &'a str, entries_max: u32) -> HostMessage<'a> {
    HostMessage::ListDirectory { id, path, after, entries_max }
}

fn remove(id: u64, path: &str) -> HostMessage<'_> {
    HostMessage::RemoveFile { id, path }
}

/// Every path below `root`, in order.
fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            found.extend(tree(&entry.path()).into_iter().map(|path| format!("{name}/{path}")));
        }
        found.push(name);
    }
    found.sort();
    found
}

fn root() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_file_is_put_read_listed_and_removed() {
    let root = root();
    let content: Vec<u8> = (0..200_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let mut messages = vec![put(1, "a/b/c", content.len() as u64)];
    messages.extend(content.chunks(CHUNK_BYTES_MAX).map(data));
    messages.extend([
        put(2, "empty", 0),
        get(3, "a/b/c"),
        get(4, "empty"),
        list(5, "", "", 10),
        list(6, "a/b", "", 10),
    ]);
    messages.extend([
        remove(7, "a/b"),
        remove(8, "a/b/c"),
        remove(9, "a/b"),
        remove(10, "a/b/c"),
        get(11, "x"),
    ]);
    let entry = |name: &str, kind, size| Answer::Entry(name.to_owned(), kind, size);
    let listed = Answer::Listed { more: 0, names_not_utf8: 0 };
    let wanted = [
        Answer::Done(1),
        Answer::Done(2),
        Answer::Header(content.len() as u64),
        Answer::Content(content.clone()),
        Answer::Done(3),
        Answer::Header(0),
        Answer::Done(4),
        entry("a", EntryKind::Directory, 0),
        entry("empty", EntryKind::File, 0),
        listed.clone(),
        entry("c", EntryKind::File, content.len() as u64),
        listed,
        Answer::Failed(7, FileCause::NotEmpty),
        Answer::Done(8),
        Answer::Done(9),
        Answer::Failed(10, FileCause::NotFound),
        Answer::Failed(11, FileCause::NotFound),
    ];
    assert_eq!(ask(root.path(), &messages), wanted);
    assert_eq!(tree(root.path()), ["a", "empty"]);
}

#[test]
fn a_put_replaces_a_file_only_when_it_is_complete() {
    let root = root();
    fs::write(root.path().join("a"), "old").unwrap();
    let messages = [put(1, "a", 6), data(b"new"), HostMessage::PutAbort { id: 1 }];
    assert_eq!(ask(root.path(), &messages), [Answer::Failed(1, FileCause::Aborted)]);
    // The host goes away in the middle.
    assert_eq!(ask(root.path(), &[put(1, "a", 6), data(b"new")]), []);
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"old");
    assert_eq!(tree(root.path()), ["a"]);
    assert_eq!(ask(root.path(), &[put(1, "a", 6), data(b"new"), data(b"er!")]), [Answer::Done(1)]);
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"newer!");
    assert_eq!(tree(root.path()), ["a"]);
}

#[test]
fn a_put_that_fails_leaves_no_directory_and_takes_the_rest_of_its_content() {
    let root = root();
    fs::create_dir(root.path().join("kept")).unwrap();
    let content = [0; 100];
    let messages = [
        put(1, "kept/made/too", 200),
        data(&content),
        HostMessage::PutAbort { id: 1 },
        put(2, "kept", 200),
        data(&content),
        data(&content),
        put(3, "kept", 200),
        data(&content),
        HostMessage::PutAbort { id: 3 },
        // It was over already.
        HostMessage::PutAbort { id: 3 },
        put(4, "x", u64::MAX),
        HostMessage::PutAbort { id: 4 },
        list(5, "", "", 10),
    ];
    let wanted = [
        Answer::Failed(1, FileCause::Aborted),
        Answer::Failed(2, FileCause::IsDirectory),
        Answer::Failed(3, FileCause::IsDirectory),
        Answer::Failed(4, FileCause::NoRoom),
        Answer::Entry("kept".into(), EntryKind::Directory, 0),
        Answer::Listed { more: 0, names_not_utf8: 0 },
    ];
    assert_eq!(ask(root.path(), &messages), wanted);
    assert_eq!(tree(root.path()), ["kept"]);
}

/// `/dev/full` (full(4)) is a disk that is full at the first byte.
#[test]
fn a_disk_that_is_full_in_the_middle_is_an_answer() {
    let root = root();
    let parent = rustix::fs::open(root.path(), DIRECTORY, Mode::empty()).unwrap();
    fs::create_dir(root.path().join("made")).unwrap();
    fs::write(root.path().join("made/temporary"), "").unwrap();
    let made = Made(vec![(parent.try_clone().unwrap(), "made".into())]);
    let put = Put {
        file: rustix::fs::open("/dev/full", OFlags::WRONLY, Mode::empty()).unwrap(),
        parent: enter(&parent, "made").unwrap(),
        temporary: "temporary".into(),
        name: "a".into(),
        is_kept: false,
        made,
    };
    let (answers, ended) = hear(&[data(b"abc"), data(b"def"), data(b"g")], |channel| {
        receive_content(channel, 1, 6, Ok(put)).unwrap();
        channel.try_receive().map(|_| ()).err().unwrap_or_else(|| io::ErrorKind::Other.into())
    });
    assert_eq!(answers, [Answer::Failed(1, FileCause::NoRoom)]);
    assert_eq!(ended, io::ErrorKind::Other, "the message after the content is still there");
    assert!(tree(root.path()).is_empty());
}

#[test]
fn no_link_is_followed() {
    let (root, outside) = (root(), root());
    fs::write(outside.path().join("secret"), "secret").unwrap();
    fs::create_dir(root.path().join("real")).unwrap();
    symlink(outside.path(), root.path().join("out")).unwrap();
    symlink(outside.path().join("secret"), root.path().join("file")).unwrap();
    symlink("real", root.path().join("inside")).unwrap();
    symlink("..", root.path().join("up")).unwrap();
    let failed = Answer::Failed;
    let messages = [
        get(1, "out/secret"),
        get(2, "file"),
        list(3, "out", "", 10),
        list(4, "up", "", 10),
        remove(5, "out/secret"),
        put(6, "out/new", 0),
        put(7, "out/deep/new", 0),
        put(8, "inside/new", 0),
        get(9, "up/x"),
        get(10, "out"),
    ];
    let wanted = [
        failed(1, FileCause::NotDirectory),
        failed(2, FileCause::NotRegular),
        failed(3, FileCause::NotDirectory),
        failed(4, FileCause::NotDirectory),
        failed(5, FileCause::NotDirectory),
        failed(6, FileCause::NotDirectory),
        failed(7, FileCause::NotDirectory),
        failed(8, FileCause::NotDirectory),
        failed(9, FileCause::NotDirectory),
        failed(10, FileCause::NotRegular),
    ];
    assert_eq!(ask(root.path(), &messages), wanted);
    // The link itself is replaced, or removed.
    let messages = [put(1, "file", 1), data(b"x"), remove(2, "out")];
    assert_eq!(ask(root.path(), &messages), [Answer::Done(1), Answer::Done(2)]);
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert_eq!(tree(outside.path()), ["secret"]);
    assert_eq!(tree(root.path()), ["file", "inside", "real", "up"]);
}

#[test]
fn only_regular_files_are_opened() {
    let root = root();
    let fifo = |name: &str| {
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, root.path().join(name), FileType::Fifo, mode, 0).unwrap();
    };
    fifo("fifo");
    fifo("other");
    let _listener = UnixListener::bind(root.path().join("socket")).unwrap();
    let entry = |name: &str, kind| Answer::Entry(name.to_owned(), kind, 0);
    let messages = [
        get(1, "fifo"),
        get(2, "socket"),
        get(3, "fifo/x"),
        list(4, "", "", 10),
        put(5, "fifo", 1),
        data(b"x"),
        remove(6, "other"),
    ];
    let wanted = [
        Answer::Failed(1, FileCause::NotRegular),
        Answer::Failed(2, FileCause::NotRegular),
        Answer::Failed(3, FileCause::NotDirectory),
        entry("fifo", EntryKind::Fifo),
        entry("other", EntryKind::Fifo),
        entry("socket", EntryKind::Socket),
        Answer::Listed { more: 0, names_not_utf8: 0 },
        Answer::Done(5),
        Answer::Done(6),
    ];
    assert_eq!(ask(root.path(), &messages), wanted);
    assert_eq!(fs::read(root.path().join("fifo")).unwrap(), b"x");
}

#[test]
fn a_listing_is_bounded_ordered_and_goes_on() {
    let root = root();
    for number in 0..50 {
        fs::write(root.path().join(format!("{number:02}")), "").unwrap();
    }
    fs::write(root.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    let names = |answers: &[Answer]| -> Vec<String> {
        let name = |answer: &Answer| match answer {
            Answer::Entry(name, ..) => Some(name.clone()),
            _ => None,
        };
        answers.iter().filter_map(name).collect()
    };
    let first = ask(root.path(), &[list(1, "", "", 3)]);
    assert_eq!(names(&first), ["00", "01", "02"]);
    assert_eq!(first.last(), Some(&Answer::Listed { more: 47, names_not_utf8: 1 }));
    let next = ask(root.path(), &[list(1, "", "02", 3)]);
    assert_eq!(names(&next), ["03", "04", "05"]);
    assert_eq!(next.last(), Some(&Answer::Listed { more: 44, names_not_utf8: 1 }));
    let none = ask(root.path(), &[list(1, "", "", 0)]);
    assert_eq!(none, [Answer::Listed { more: 50, names_not_utf8: 1 }]);
}

#[test]
fn a_file_larger_than_asked_for_is_not_sent() {
    let root = root();
    let sparse = fs::File::create(root.path().join("sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert_eq!(ask(root.path(), &[get(1, "sparse")]), [Answer::Failed(1, FileCause::TooLarge)]);
}

#[test]
fn a_file_that_became_shorter_is_told() {
    let root = root();
    let path = root.path().join("a");
    fs::write(&path, "abc").unwrap();
    let file = OwnedFd::from(fs::File::open(&path).unwrap());
    let status = rustix::fs::fstat(&file).unwrap();
    fs::write(&path, "a").unwrap();
    let (answers, _) = hear(&[], |channel| {
        send_file(channel, 1, &file, &status).unwrap();
        io::ErrorKind::Other.into()
    });
    let wanted = [Answer::Header(3), Answer::Content(b"a".to_vec()), Answer::Failed(1, FileCause::Changed)];
    assert_eq!(answers, wanted);
}

/// The file is older than anything that is written after it, so that a program's change shows.
#[test]
fn a_file_that_was_put_is_older_than_a_change_of_it() {
    let root = root();
    assert_eq!(ask(root.path(), &[put(1, "a", 1), data(b"x")]), [Answer::Done(1)]);
    let modified = || fs::metadata(root.path().join("a")).unwrap().modified().unwrap();
    let before = modified();
    fs::write(root.path().join("a"), "y").unwrap();
    assert!(before < modified());
}

#[test]
fn times_out_of_range_are_sent_as_the_nearest() {
    let mut status = rustix::fs::stat("/").unwrap();
    (status.st_mtime, status.st_mtime_nsec) = (-1, 0);
    assert_eq!(modified_us(&status), 0);
    (status.st_mtime, status.st_mtime_nsec) = (i64::MAX, 999_999_999);
    assert_eq!(modified_us(&status), MODIFIED_US_MAX);
    (status.st_mtime, status.st_mtime_nsec) = (1, 999_999_999);
    assert_eq!(modified_us(&status), 1_999_999);
}

#[test]
fn a_host_that_breaks_the_protocol_is_not_served() {
    let root = root();
    let cases: [&[HostMessage<'_>]; 6] = [
        &[get(2, "a"), get(2, "a")],
        &[get(2, "a"), get(1, "a")],
        &[get(0, "a")],
        &[put(1, "a", 1), data(b"xy")],
        &[put(1, "a", 1), data(b"")],
        &[put(1, "a", 1), get(2, "a")],
    ];
    for (index, messages) in cases.into_iter().enumerate() {
        assert_eq!(talk(root.path(), messages).1, io::ErrorKind::InvalidData, "case {index}");
        assert!(tree(root.path()).is_empty());
    }
}

#[test]
fn a_path_that_is_none_is_refused_in_every_operation() {
    let root = root();
    let deep = vec!["d"; DEPTH_MAX + 1].join("/");
    let long = "x".repeat(256);
    for path in ["", "..", "a/..", "../a", "/etc/passwd", "a//b", "a/", ".", "./a", "a\0b", &long] {
        let invalid = |id| Answer::Failed(id, FileCause::PathInvalid);
        let answers = ask(root.path(), &[put(1, path, 0), get(2, path), remove(3, path)]);
        assert_eq!(answers, [invalid(1), invalid(2), invalid(3)], "{path:?}");
        if !path.is_empty() {
            assert_eq!(ask(root.path(), &[list(1, path, "", 1)]), [invalid(1)], "{path:?}");
        }
    }
    assert_eq!(ask(root.path(), &[put(1, &deep, 0)]), [Answer::Failed(1, FileCause::PathInvalid)]);
    assert!(tree(root.path()).is_empty());
}

/// Parts that a path is made of, many of them hostile.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just(".".to_owned()),
        Just("..".to_owned()),
        Just("link".to_owned()),
        Just("file".to_owned()),
        Just("dir".to_owned()),
        "[a-c]{1,2}",
        ".{0,8}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the path: nothing outside the directory is read, written or removed, and a file that was put
    /// is there.
    #[test]
    fn no_path_leads_out(parts in proptest::collection::vec(part(), 1..6)) {
        let both = root();
        let (inside, outside) = (both.path().join("inside"), both.path().join("file"));
        fs::create_dir_all(inside.join("dir")).unwrap();
        fs::write(&outside, "outside").unwrap();
        fs::write(inside.join("file"), "old").unwrap();
        symlink(both.path(), inside.join("link")).unwrap();
        let path = parts.join("/");
        let messages = [put(1, &path, 3), data(b"new"), get(2, &path), list(3, &path, "", 9), remove(4, &path)];
        let answers = ask(&inside, &messages);
        prop_assert_eq!(fs::read(&outside).unwrap(), b"outside");
        let is_out = |answer: &Answer| matches!(answer, Answer::Entry(name, ..) if name == "inside");
        prop_assert!(!answers.iter().any(is_out), "{:?}", answers);
        for answer in &answers {
            if let Answer::Content(content) = answer {
                prop_assert_eq!(content, b"new");
            }
        }
        prop_assert_eq!(answers.contains(&Answer::Done(1)), answers.contains(&Answer::Done(4)) && answers.contains(&Answer::Done(2)));
        prop_assert!(both.path().read_dir().unwrap().count() == 2);
    }
}
