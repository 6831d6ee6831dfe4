//! Which output files are returned, which are left out, and why.

use super::{alone, connected, header};
use crate::collect::{collect, present, send_content};
use crate::input::Inputs;
use protocol::{CHUNK_BYTES_MAX, ExecHeader, GuestMessage, PATH_BYTES_MAX, SkipReason};
use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;

/// An id that owns nothing on any host.
const OTHER: u32 = 65_534;

/// A directory that stands for `/tmp`, with an output directory in it.
struct Tmp(tempfile::TempDir);

/// What the host received.
#[derive(Debug, Default, PartialEq, Eq)]
struct Received {
    files: Vec<(String, Vec<u8>)>,
    skipped: Vec<(String, SkipReason)>,
    skipped_more: u64,
}

impl Received {
    fn names(&self) -> Vec<&str> {
        self.files.iter().map(|(path, _)| path.as_str()).collect()
    }

    fn skipped(&self) -> Vec<(&str, SkipReason)> {
        self.skipped.iter().map(|(path, reason)| (path.as_str(), *reason)).collect()
    }
}

impl Tmp {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("output")).unwrap();
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn output(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join("output").join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.output(name), content).unwrap();
    }

    fn open_output(&self) -> OwnedFd {
        File::open(self.output("")).unwrap().into()
    }

    fn collect(&self) -> Received {
        self.collect_with(&header(), &Inputs::new())
    }

    fn collect_with(&self, header: &ExecHeader, inputs: &Inputs) -> Received {
        let (mut channel, mut host) = connected();
        thread::scope(|scope| {
            let reader = scope.spawn(move || {
                let mut received = Received::default();
                let mut announced = Vec::new();
                while host
                    .next(|message| match message {
                        GuestMessage::File { path, size_bytes } => {
                            announced.push(size_bytes);
                            received.files.push((path, Vec::new()));
                        }
                        GuestMessage::FileData { data } => {
                            assert!(!data.is_empty() && data.len() <= CHUNK_BYTES_MAX);
                            received.files.last_mut().unwrap().1.extend_from_slice(data);
                        }
                        GuestMessage::Skipped { path, reason } => received.skipped.push((path, reason)),
                        other => panic!("{other:?}"),
                    })
                    .is_some()
                {}
                let sizes: Vec<u64> =
                    received.files.iter().map(|(_, content)| content.len() as u64).collect();
                assert_eq!(sizes, announced);
                received
            });
            let skipped_more = collect(self.path(), &mut channel, header, inputs).unwrap();
            drop(channel);
            Received { skipped_more, ..reader.join().unwrap() }
        })
    }
}

/// A directory of these names below `directory`, made one by one: the whole path may be longer than a path
/// can be.
fn nested(directory: OwnedFd, names: impl IntoIterator<Item = String>) -> OwnedFd {
    names.into_iter().fold(directory, |parent, name| {
        rustix::fs::mkdirat(&parent, name.as_str(), Mode::from_raw_mode(0o755)).unwrap();
        rustix::fs::openat(&parent, name.as_str(), OFlags::DIRECTORY, Mode::empty()).unwrap()
    })
}

fn empty_file(directory: &OwnedFd, name: &str) {
    let flags = OFlags::CREATE | OFlags::WRONLY;
    rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o644)).unwrap();
}

#[test]
fn files_come_whole_and_in_the_order_of_their_paths() {
    let tmp = Tmp::new();
    let large: Vec<u8> = (0..200_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    fs::create_dir(tmp.output("b")).unwrap();
    tmp.write("c", "");
    tmp.write("b/z", &large);
    tmp.write("a", "1");
    let expected = [("a", b"1".to_vec()), ("b/z", large), ("c", vec![])];
    let expected = expected.map(|(path, content)| (path.to_owned(), content)).to_vec();
    assert_eq!(tmp.collect(), Received { files: expected, ..Received::default() });
}

#[test]
fn each_limit_leaves_out_what_exceeds_it_and_nothing_after_it() {
    let tmp = Tmp::new();
    for (name, size) in [("a", 10), ("b", 11), ("c", 10), ("d", 10), ("e", 5), ("f", 0)] {
        tmp.write(name, vec![0; size]);
    }
    let limits = ExecHeader { file_bytes_max: 10, files_total_bytes_max: 25, file_count_max: 3, ..header() };
    let received = tmp.collect_with(&limits, &Inputs::new());
    assert_eq!(received.names(), ["a", "c", "e"]);
    let reasons = [("b", SkipReason::TooLarge), ("d", SkipReason::TotalTooLarge), ("f", SkipReason::TooMany)];
    assert_eq!(received.skipped(), reasons);
}

#[test]
fn a_hundred_skipped_entries_are_listed_and_the_others_counted() {
    let tmp = Tmp::new();
    for number in 0..150 {
        symlink("/", tmp.output(format!("{number:03}"))).unwrap();
    }
    let received = tmp.collect();
    assert_eq!((received.skipped.len(), received.skipped_more), (100, 50));
    assert_eq!(received.skipped[99], ("099".to_owned(), SkipReason::Symlink));
}

#[test]
fn only_regular_files_are_opened() {
    let tmp = Tmp::new();
    tmp.write("file", "1");
    fs::write(tmp.path().join(".secret"), "not the program's").unwrap();
    symlink("../.secret", tmp.output("link")).unwrap();
    symlink("..", tmp.output("link_to_directory")).unwrap();
    symlink("nowhere", tmp.output("link_to_nothing")).unwrap();
    let mode = Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, tmp.output("pipe"), FileType::Fifo, mode, 0).unwrap();
    let _socket = UnixListener::bind(tmp.output("socket")).unwrap();
    let received = tmp.collect();
    assert_eq!(received.names(), ["file"]);
    let reasons = [
        ("link", SkipReason::Symlink),
        ("link_to_directory", SkipReason::Symlink),
        ("link_to_nothing", SkipReason::Symlink),
        ("pipe", SkipReason::Fifo),
        ("socket", SkipReason::Socket),
    ];
    assert_eq!(received.skipped(), reasons);
}

#[test]
fn names_that_are_not_utf_8_are_reported_as_well_as_they_can_be() {
    let tmp = Tmp::new();
    fs::write(tmp.output(OsStr::from_bytes(b"a\xff")), "").unwrap();
    let directory = tmp.output(OsStr::from_bytes(b"b\xfe"));
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("inside"), "").unwrap();
    let received = tmp.collect();
    assert_eq!(received.names(), [""; 0]);
    let reason = SkipReason::NameNotUtf8;
    assert_eq!(received.skipped(), [("a\u{fffd}", reason), ("b\u{fffd}", reason)]);
}

#[test]
fn a_file_with_a_name_outside_is_left_out_and_one_with_two_names_inside_is_not() {
    let tmp = Tmp::new();
    fs::write(tmp.path().join("outside"), "1").unwrap();
    fs::hard_link(tmp.path().join("outside"), tmp.output("a")).unwrap();
    tmp.write("b", "2");
    fs::create_dir(tmp.output("d")).unwrap();
    fs::hard_link(tmp.output("b"), tmp.output("d/c")).unwrap();
    let received = tmp.collect();
    assert_eq!(received.names(), ["b", "d/c"]);
    let outside = ("/tmp/outside", SkipReason::NotInOutput);
    assert_eq!(received.skipped(), [("a", SkipReason::HardLink), outside]);
}

#[test]
fn directories_are_walked_to_a_depth() {
    let tmp = Tmp::new();
    let mut directory = tmp.open_output();
    for _ in 0..40 {
        directory = nested(directory, ["d".to_owned()]);
        empty_file(&directory, "f");
    }
    let received = tmp.collect();
    assert_eq!(received.names().len(), 31);
    let too_deep = vec!["d"; 32].join("/");
    assert_eq!(received.skipped(), [(too_deep.as_str(), SkipReason::TooDeep)]);
}

#[test]
fn paths_are_bounded_each_and_together() {
    let tmp = Tmp::new();
    let name = |letter: &str| letter.repeat(250);
    let parent = nested(tmp.open_output(), (0..15).map(|_| name("d")));
    // 1,113 paths of 3,768 bytes fit into 4 MiB.
    let file = |number: usize| format!("{number:03}");
    (0..1200).for_each(|number| empty_file(&parent, &file(number)));
    let deeper = nested(parent, [name("e")]);
    empty_file(&deeper, &"f".repeat(100));
    let received = tmp.collect();
    let bytes = |paths: &[&str]| paths.iter().map(|path| path.len()).sum::<usize>();
    assert!((4_190_000..=4 << 20).contains(&bytes(&received.names())), "{}", bytes(&received.names()));
    assert!(received.names().iter().all(|path| path.len() <= PATH_BYTES_MAX));
    let reasons = |reason| received.skipped.iter().filter(|(_, other)| *other == reason).count() as u64;
    let left_out = reasons(SkipReason::TooMany) + reasons(SkipReason::TooDeep) + received.skipped_more;
    assert_eq!(received.names().len() as u64 + left_out, 1201);
    assert!(reasons(SkipReason::TooMany) > 0);
}

#[test]
fn a_path_that_is_too_long_is_left_out() {
    let tmp = Tmp::new();
    let parent = nested(tmp.open_output(), (0..16).map(|_| "d".repeat(250)));
    // 16 * 251 bytes and the name; the kernel's own bound counts a NUL at the end.
    let longest = PATH_BYTES_MAX - 1 - 16 * 251;
    for (letter, length) in [("f", longest), ("g", longest + 1), ("h", longest + 2)] {
        empty_file(&parent, &letter.repeat(length));
    }
    let received = tmp.collect();
    assert_eq!(received.names().iter().map(|path| path.len()).collect::<Vec<_>>(), [PATH_BYTES_MAX - 1]);
    let mut skipped: Vec<_> = received.skipped.iter().map(|(path, reason)| (path.len(), *reason)).collect();
    skipped.sort_by_key(|(length, _)| *length);
    let reasons = [(PATH_BYTES_MAX, SkipReason::Unreadable), (PATH_BYTES_MAX + 1, SkipReason::TooDeep)];
    assert_eq!(skipped, reasons);
}

#[test]
fn what_cannot_be_read_is_reported() {
    alone("tests::collect::what_cannot_be_read_is_reported", || {
        let tmp = Tmp::new();
        let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        for name in ["closed", "listed"] {
            fs::create_dir(tmp.output(name)).unwrap();
            tmp.write(&format!("{name}/file"), "1");
        }
        tmp.write("good", "1");
        tmp.write("unreadable", "1");
        mode(&tmp.output("unreadable"), 0);
        mode(&tmp.output("closed"), 0);
        mode(&tmp.output("listed"), 0o444);
        mode(tmp.path(), 0o755);
        // Root reads everything.
        let user = rustix::process::geteuid().is_root().then_some(OTHER);
        let received = confine::with_file_access_of(user, || tmp.collect()).unwrap();
        mode(&tmp.output("closed"), 0o755);
        mode(&tmp.output("listed"), 0o755);
        assert_eq!(received.names(), ["good"]);
        let names = ["closed", "listed", "unreadable"];
        assert_eq!(received.skipped(), names.map(|name| (name, SkipReason::Unreadable)));
    });
}

#[test]
fn without_an_output_directory_nothing_is_returned() {
    let tmp = Tmp::new();
    let output = tmp.output("");
    let reported = |reason| Received { skipped: vec![("output".to_owned(), reason)], ..Received::default() };
    fs::remove_dir(&output).unwrap();
    assert_eq!(tmp.collect(), reported(SkipReason::Unreadable));
    symlink("/etc", tmp.path().join("output")).unwrap();
    assert_eq!(tmp.collect(), reported(SkipReason::Symlink));
    fs::remove_file(tmp.path().join("output")).unwrap();
    fs::write(tmp.path().join("output"), "a file").unwrap();
    assert_eq!(tmp.collect(), reported(SkipReason::Unreadable));
}

#[test]
fn files_that_were_there_before_are_returned_only_if_written_since() {
    let tmp = Tmp::new();
    for name in ["same", "longer", "replaced"] {
        tmp.write(name, "1");
    }
    let before = present(&tmp.open_output());
    assert_eq!(before.len(), 3);
    tmp.write("longer", "12");
    tmp.write("other", "1");
    fs::rename(tmp.output("other"), tmp.output("replaced")).unwrap();
    assert_eq!(tmp.collect_with(&header(), &before).names(), ["longer", "replaced"]);
}

#[test]
fn files_beside_the_output_directory_are_named_but_not_those_that_python_leaves() {
    let tmp = Tmp::new();
    for name in [".hidden", "tmpabcd1234", "pymp-abcd1234", "sem.x", "__pycache__", "result.csv"] {
        fs::write(tmp.path().join(name), "").unwrap();
    }
    fs::create_dir_all(tmp.path().join("a/b/c")).unwrap();
    for name in ["a/1", "a/b/2", "a/b/c/3"] {
        fs::write(tmp.path().join(name), "").unwrap();
    }
    let reason = SkipReason::NotInOutput;
    let named = [("/tmp/a/1", reason), ("/tmp/a/b/2", reason), ("/tmp/result.csv", reason)];
    assert_eq!(tmp.collect().skipped(), named);
    for number in 0..20 {
        fs::write(tmp.path().join(format!("x{number}")), "").unwrap();
    }
    assert_eq!(tmp.collect().skipped().len(), 10);
}

#[test]
fn a_file_that_changed_its_size_is_never_sent_with_another_one() {
    let tmp = Tmp::new();
    tmp.write("file", "1234567890");
    let send = |announced: u64| {
        let (mut channel, mut host) = connected();
        let file: OwnedFd = File::open(tmp.output("file")).unwrap().into();
        let result = send_content(&mut channel, &file, announced);
        drop(channel);
        let mut sent = Vec::new();
        let mut take = |message: GuestMessage<'_>| match message {
            GuestMessage::FileData { data } => sent.extend_from_slice(data),
            other => panic!("{other:?}"),
        };
        while host.next(&mut take).is_some() {}
        (result.map_err(|error| error.kind()), sent)
    };
    assert_eq!(send(4), (Ok(()), b"1234".to_vec()), "it grew");
    assert_eq!(send(11), (Err(ErrorKind::UnexpectedEof), b"1234567890".to_vec()), "it shrank");
}

#[test]
fn a_host_that_is_gone_ends_it() {
    let tmp = Tmp::new();
    tmp.write("file", vec![0; 1 << 20]);
    let (mut channel, host) = connected();
    drop(host);
    let error = collect(tmp.path(), &mut channel, &header(), &Inputs::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}
