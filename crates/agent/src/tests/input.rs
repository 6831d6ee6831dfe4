//! The input of an execution: what is accepted, what is the request's fault, and what ends the sandbox.

use super::{connected, header};
use crate::files::Files;
use crate::input::{ExecutionInput, InputError, Inputs, receive};
use crate::serve::next_execution;
use protocol::{Begin, CHUNK_BYTES_MAX, HostMessage, InputCause, Mode};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

/// The execution's number.
const ID: u64 = 5;

/// A directory for input files, inside another one that must stay as it is.
struct Directory(tempfile::TempDir);

/// File operations that all fail.
fn no_files() -> Files<impl Fn() -> io::Result<OwnedFd>> {
    Files::new(|| Err(ErrorKind::NotFound.into()), None)
}

/// Why no input was accepted.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// The request's fault.
    Input(InputCause, String),
    /// The sandbox ends.
    Broken(ErrorKind),
}

impl Directory {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("output")).unwrap();
        Self(outer)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("output").join(name)
    }

    fn receive(&self, messages: &[HostMessage<'_>]) -> Result<ExecutionInput, Refused> {
        receive_in(&self.path(""), messages, None)
    }

    fn receive_later(&self, messages: &[HostMessage<'_>]) -> Result<ExecutionInput, Refused> {
        receive_in(&self.path(""), messages, Some(Inputs::new()))
    }

    /// Whether nothing was written beside the directory.
    fn is_kept(&self) -> bool {
        fs::read_dir(self.0.path()).unwrap().count() == 1
    }
}

fn begin(id: u64) -> Begin {
    Begin { id, mode: Mode::Script, keep: false, header: header() }
}

/// Receives messages of a host that closes its end after the last one.
fn receive_in(
    directory: &Path,
    messages: &[HostMessage<'_>],
    found: Option<Inputs>,
) -> Result<ExecutionInput, Refused> {
    let (mut channel, mut host) = connected();
    let directory: OwnedFd = File::open(directory).unwrap().into();
    thread::scope(|scope| {
        scope.spawn(move || messages.iter().for_each(|message| host.send(message)));
        // By value: it closes our end, so that a host whose message was refused does not wait.
        let mut receive = move || receive(&mut channel, begin(ID), &directory, None, found.clone());
        receive().map_err(|refused| match refused {
            InputError::Refused(refusal) => Refused::Input(refusal.cause, refusal.path),
            InputError::Broken(error) => Refused::Broken(error.kind()),
        })
    })
}

fn file(path: &str, size_bytes: u64) -> HostMessage<'_> {
    HostMessage::InputFile { path, size_bytes }
}

fn data(data: &[u8]) -> HostMessage<'_> {
    HostMessage::InputData { data }
}

fn violation() -> Refused {
    Refused::Broken(ErrorKind::InvalidData)
}

#[test]
fn a_whole_input_is_received() {
    let directory = Directory::new();
    let messages = [
        HostMessage::Code { data: b"x = " },
        HostMessage::Stdin { data: b"in" },
        file("a/b/c", 5),
        data(b"con"),
        data(b"tent"[..2].as_ref()),
        file("empty", 0),
        HostMessage::Code { data: b"1" },
        HostMessage::Start,
    ];
    let input = directory.receive(&messages).unwrap();
    assert_eq!((input.id, input.keep, input.header), (ID, false, header()));
    assert_eq!((input.code.as_slice(), input.stdin.as_slice()), (&b"x = 1"[..], &b"in"[..]));
    assert_eq!(fs::read(directory.path("a/b/c")).unwrap(), b"conte");
    assert_eq!(fs::read(directory.path("empty")).unwrap(), b"");
    let mut names: Vec<_> = input.inputs.keys().collect();
    names.sort();
    assert_eq!(names, ["a/b/c", "empty"]);
    let status = fs::metadata(directory.path("a/b/c")).unwrap();
    assert_eq!(status.permissions().mode() & 0o7777, 0o644);
    let newest = SystemTime::now() - Duration::from_secs(5);
    assert!(status.modified().unwrap() < newest, "whatever a program writes must be newer");
}

#[test]
fn a_path_that_no_file_below_the_directory_has_is_refused() {
    for path in ["", "/", "/a", "a/", "a//b", ".", "./a", "a/./b", "..", "../a", "a/../../b", "a/..", "a\0b"]
    {
        let directory = Directory::new();
        let refused = directory.receive(&[file(path, 1), data(b"1"), HostMessage::Start]).unwrap_err();
        assert_eq!(refused, Refused::Input(InputCause::Path, path.to_owned()));
        assert!(directory.is_kept(), "{path:?}");
        assert_eq!(fs::read_dir(directory.path("")).unwrap().count(), 0, "{path:?}");
    }
}

#[test]
fn a_path_that_another_file_rules_out_is_refused() {
    let name = "n".repeat(256);
    let cases =
        [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b", "a/b/c"), ("a", name.as_str()), ("a", "b\u{0}")];
    for (first, second) in cases {
        let directory = Directory::new();
        let messages = [file(first, 0), file(second, 0), HostMessage::Start];
        let refused = directory.receive(&messages).unwrap_err();
        assert_eq!(refused, Refused::Input(InputCause::Path, second.to_owned()), "after {first}");
    }
}

#[test]
fn what_an_earlier_program_left_leads_nowhere() {
    let directory = Directory::new();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), directory.path("link")).unwrap();
    fs::write(outside.path().join("target"), "kept").unwrap();
    symlink(outside.path().join("target"), directory.path("file")).unwrap();
    let refused = directory.receive_later(&[file("link/a", 0), HostMessage::Start]).unwrap_err();
    assert_eq!(refused, Refused::Input(InputCause::Path, "link/a".to_owned()));
    // The link is replaced, its target is not touched.
    directory.receive_later(&[file("file", 3), data(b"new"), HostMessage::Start]).unwrap();
    assert_eq!(fs::read(directory.path("file")).unwrap(), b"new");
    assert!(!directory.path("file").is_symlink());
    assert_eq!(fs::read(outside.path().join("target")).unwrap(), b"kept");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn a_later_execution_replaces_files_and_the_first_one_does_not() {
    let directory = Directory::new();
    fs::write(directory.path("a"), "old").unwrap();
    fs::create_dir(directory.path("d")).unwrap();
    let path = |name: &str| Refused::Input(InputCause::Path, name.to_owned());
    assert_eq!(directory.receive(&[file("a", 0)]).unwrap_err(), path("a"));
    assert_eq!(directory.receive_later(&[file("d", 0)]).unwrap_err(), path("d"));
    let twice = [file("a", 1), data(b"1"), file("a", 0)];
    assert_eq!(directory.receive_later(&twice).unwrap_err(), path("a"), "a name that was given twice");
    directory.receive_later(&[file("a", 1), data(b"2"), HostMessage::Start]).unwrap();
    assert_eq!(fs::read(directory.path("a")).unwrap(), b"2");
}

#[test]
fn content_is_as_long_as_announced() {
    let cases: [&[HostMessage<'_>]; 8] = [
        &[file("a", 1), data(b"12"), HostMessage::Start],
        &[file("a", 1), data(b"1"), data(b"2"), HostMessage::Start],
        &[file("a", u64::MAX), data(b"1"), HostMessage::Start],
        &[file("a", 2), data(b"1"), HostMessage::Start],
        &[file("a", 1), HostMessage::Start],
        &[file("a", 2), data(b"1"), file("b", 0), HostMessage::Start],
        &[data(b"1"), HostMessage::Start],
        &[data(b""), HostMessage::Start],
    ];
    for messages in cases {
        assert_eq!(Directory::new().receive(messages).unwrap_err(), violation(), "{messages:?}");
    }
}

#[test]
fn messages_out_of_order_end_the_sandbox() {
    let interrupt = HostMessage::Interrupt { id: ID };
    for message in [HostMessage::Begin(begin(ID + 1)), HostMessage::Cancel { id: ID + 1 }, interrupt] {
        let refused = Directory::new().receive(&[message.clone(), HostMessage::Start]).unwrap_err();
        assert_eq!(refused, violation(), "{message:?}");
    }
    let late = [HostMessage::Cancel { id: ID - 1 }, HostMessage::Interrupt { id: 0 }, HostMessage::Start];
    assert_eq!(Directory::new().receive(&late).unwrap().id, ID, "for an execution that has ended");
}

#[test]
fn a_host_that_is_gone_or_cancels_ends_the_sandbox() {
    let gone = Refused::Broken(ErrorKind::UnexpectedEof);
    assert_eq!(Directory::new().receive(&[]).unwrap_err(), gone);
    assert_eq!(Directory::new().receive(&[file("a", 2), data(b"1")]).unwrap_err(), gone);
    let cancelled = [HostMessage::Cancel { id: ID }, HostMessage::Start];
    assert_eq!(Directory::new().receive(&cancelled).unwrap_err(), gone);
}

#[test]
fn a_program_is_bounded() {
    let chunk = vec![b'#'; CHUNK_BYTES_MAX];
    let mut messages = vec![HostMessage::Code { data: &chunk }; (16 << 20) / CHUNK_BYTES_MAX];
    messages.push(HostMessage::Start);
    assert_eq!(Directory::new().receive(&messages).unwrap().code.len(), 16 << 20);
    messages.insert(0, HostMessage::Code { data: b"#" });
    assert_eq!(Directory::new().receive(&messages).unwrap_err(), violation());
}

#[test]
fn only_a_beginning_begins() {
    let next = |messages: &[HostMessage<'_>]| {
        let (mut channel, mut host) = connected();
        messages.iter().for_each(|message| host.send(message));
        drop(host);
        next_execution(&mut channel, &mut no_files()).map(|begin| begin.id).map_err(|error| error.kind())
    };
    let late = [HostMessage::Cancel { id: 1 }, HostMessage::Interrupt { id: 1 }];
    assert_eq!(next(&[&late[..], &[HostMessage::Begin(begin(ID))]].concat()), Ok(ID));
    assert_eq!(next(&late), Err(ErrorKind::UnexpectedEof));
    for message in [HostMessage::Start, HostMessage::Code { data: b"1" }, file("a", 0), data(b"1")] {
        assert_eq!(next(&[message, HostMessage::Begin(begin(ID))]), Err(ErrorKind::InvalidData));
    }
}

#[test]
fn bytes_that_are_no_message_end_the_sandbox() {
    for bytes in [&b"\xff\xff\xff\xff"[..], b"\x01\0\0\0\xff", b"\x02\0\0\0\x05\0"] {
        let (mut channel, mut host) = connected();
        host.stream.write_all(bytes).unwrap();
        let error = next_execution(&mut channel, &mut no_files()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{bytes:?}");
    }
}

#[test]
fn a_full_file_system_is_the_requests_fault() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
    let directory = tempfile::tempdir().unwrap();
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    if let Err(error) = mount("tmpfs", directory.path(), "tmpfs", flags, c"size=64k,nr_inodes=4") {
        return testkit::skip(format_args!("cannot mount a small tmpfs ({error}); run as root"));
    }
    let large = vec![0; 65_537];
    let pieces = [file("a", 65_537), data(&large[..CHUNK_BYTES_MAX]), data(&large[CHUNK_BYTES_MAX..])];
    let bytes = receive_in(directory.path(), &pieces, None);
    fs::remove_file(directory.path().join("a")).unwrap();
    let many = [file("b/c/d", 0), file("e", 0)];
    let inodes = receive_in(directory.path(), &many, None);
    unmount(directory.path(), UnmountFlags::DETACH).unwrap();
    assert_eq!(bytes.unwrap_err(), Refused::Input(InputCause::NoRoom, "a".to_owned()));
    assert_eq!(inodes.unwrap_err(), Refused::Input(InputCause::NoRoom, "e".to_owned()));
}
