//! A disk that is really full: a file system of 64 KiB. Needs permission to mount.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use audit::{AuditLog, Config, Target};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use service::{CommandFacts, ExecutionRecord, Observer, Principal, RecordEnd, RequestContext};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const TIME_MAX: Duration = Duration::from_secs(30);

/// A small tmpfs, unmounted on drop, even if the test fails.
struct SmallDisk<'a>(&'a Path);

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Nothing is left to do about a failure: the directory below cannot be removed then, and says so.
        let _ = unmount(self.0, UnmountFlags::DETACH);
    }
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIME_MAX;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never became so");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn execution(log: &AuditLog, id: &str) {
    let context = RequestContext::new(id, Principal::Operator);
    let command = CommandFacts::default();
    let end = RecordEnd::Abandoned;
    let (executor, sandbox) = (None, None);
    let record = ExecutionRecord {
        context: &context,
        command: &command,
        end,
        executor,
        sandbox,
        attempts: 0,
        phases: &[],
    };
    log.execution(&record);
}

#[test]
fn a_full_disk_costs_lines_that_are_counted_and_a_torn_one_ruins_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mounted =
        mount("tmpfs", dir.path(), "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"size=64k,mode=0700");
    if let Err(error) = mounted {
        return testkit::skip(format_args!("cannot mount a small tmpfs ({error}); run as root"));
    }
    let _disk = SmallDisk(dir.path());
    let (path, ballast) = (dir.path().join("audit.log"), dir.path().join("ballast"));
    let target = Target::File(path.clone());
    let log = AuditLog::start(Config { target, programs: false, version: "1" }).unwrap();
    // All but one page, so that a line is torn.
    fs::write(&ballast, vec![0; 56 << 10]).unwrap();
    let sent = 100;
    for number in 0..sent {
        execution(&log, &format!("request-{number}"));
    }
    wait_until(|| log.counts().written + log.counts().lost == sent + 1);
    let counts = log.counts();
    assert!(counts.lost > 0 && counts.written > 1 && counts.is_failing, "{counts:?}");
    assert!(log.problem().is_some());

    // Space for the line that stands in the gap, and not for the next one: both tell of a gap once.
    fs::File::options().write(true).open(&ballast).unwrap().set_len(52 << 10).unwrap();
    execution(&log, &"x".repeat(16 << 10));
    wait_until(|| log.counts().lost == counts.lost + 1);

    fs::remove_file(&ballast).unwrap();
    wait_until(|| log.problem().is_none());
    execution(&log, "after");
    assert!(log.finish(TIME_MAX));
    let text = fs::read_to_string(&path).unwrap();
    let read: Vec<Result<serde_json::Value, _>> = text.lines().map(serde_json::from_str).collect();
    let whole: Vec<_> = read.iter().flatten().collect();
    // Those that the disk had no space for.
    assert!(read.len() - whole.len() <= 2, "{text}");
    let of = |event: &str| whole.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let gaps: u64 = of("lost").iter().filter_map(|line| line["lines"].as_u64()).sum();
    assert_eq!(gaps, log.counts().lost, "{text}");
    assert_eq!(of("execution").len() as u64 + gaps, sent + 2, "{text}");
    assert!(of("execution").iter().all(|line| line["outcome"] == "client_gone"), "{text}");
    assert_eq!(of("execution").last().unwrap()["request_id"], "after");
}
