//! Bounds the record locks of a sandbox.
//!
//! A record lock (fcntl(2), F_SETLK) takes some 200 bytes of kernel memory that no cgroup counts and no
//! resource limit bounds (RLIMIT_LOCKS has had no effect since Linux 2.4.25). So the seccomp filter asks the
//! agent about each one (`ask` in `seccomp/data/seccomp.policy`). The agent cannot see what a call does, only
//! that it is made: it assumes the worst, and counts the locks actually held when that assumption reaches the
//! bound.
//!
//! Where locks are visible: a record lock belongs to a descriptor table and is released when the first
//! descriptor of its file is closed there. So while a lock is held, its process has a descriptor that shows
//! it (proc_pid_fdinfo(5), "lock"). The filter blocks threads with a descriptor table of their own, which
//! would be visible nowhere, and processes that share a table, to which the lock could be passed during the
//! count.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Record locks that the processes of a sandbox may hold together: sqlite3 holds five per database, and 1,024
/// cost the host 0.2 MB.
const LOCKS_MAX: u64 = 1024;
/// Most locks that one call can add: a lock in the middle of another splits it into three.
const ADDED_BY_A_CALL_MAX: u64 = 2;
/// After a count that reached the bound, every call is refused for this multiple of the time the count took,
/// so a program that keeps asking cannot keep the agent counting.
const PAUSE_FACTOR: u32 = 4;

/// The record locks of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    /// Upper bound of the locks held.
    held_at_most: u64,
    /// Until then every call is refused.
    full_until: Option<Instant>,
}

impl Locks {
    /// Whether one more call may run. `count` returns the number of locks held, `None` if unknown.
    pub(crate) fn allow(&mut self, count: impl FnOnce() -> Option<u64>) -> bool {
        if self.held_at_most + ADDED_BY_A_CALL_MAX <= LOCKS_MAX {
            self.held_at_most += ADDED_BY_A_CALL_MAX;
            return true;
        }
        let begun = Instant::now();
        if self.full_until.is_some_and(|until| begun < until) {
            return false;
        }
        match count() {
            Some(held) if held + ADDED_BY_A_CALL_MAX <= LOCKS_MAX => {
                self.held_at_most = held + ADDED_BY_A_CALL_MAX;
                self.full_until = None;
                true
            }
            _ => {
                self.full_until = Some(begun + pause(begun.elapsed()));
                false
            }
        }
    }
}

fn pause(count_took: Duration) -> Duration {
    count_took * PAUSE_FACTOR
}

/// Longest count: enough for some 30,000 descriptors. The program's deadline is not checked meanwhile.
const COUNT_TIME_MAX: Duration = Duration::from_millis(100);

/// Record locks of all visible processes except this one, plus those that allowed calls may still add. `None`
/// if unknown: a process does not show its descriptors, as when it executes an unreadable file, or there are
/// too many. Call it as the program's user (`confine::with_file_access_of`).
pub(crate) fn held() -> Option<u64> {
    let until = Instant::now() + COUNT_TIME_MAX;
    let own = std::process::id().to_string();
    let (mut held, mut tasks) = (0, 0);
    for entry in fs::read_dir("/proc").ok()? {
        let Ok(name) = entry.ok()?.file_name().into_string() else { continue };
        if name == own || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let of_process = of_process(&format!("/proc/{name}/task"), until)?;
        held += of_process.locks;
        tasks += of_process.tasks;
        if held > LOCKS_MAX {
            break;
        }
    }
    Some(held + (ADDED_BY_A_CALL_MAX * tasks).min(LOCKS_MAX / 2))
}

/// Counts of one process.
#[derive(Default)]
struct OfProcess {
    locks: u64,
    tasks: u64,
}

/// Counts by the directory of its threads: all share one descriptor table, which the first thread no longer
/// shows if it ended before the others.
fn of_process(directory: &str, until: Instant) -> Option<OfProcess> {
    let mut found = OfProcess::default();
    let mut is_counted = false;
    let threads = match fs::read_dir(directory) {
        Err(error) if is_gone(&error) => return Some(found),
        other => other.ok()?,
    };
    for thread in threads {
        let path = match thread {
            Err(error) if is_gone(&error) => continue,
            other => other.ok()?.path(),
        };
        if is_dead(&path) {
            continue;
        }
        found.tasks += 1;
        if is_counted {
            continue;
        }
        let mut locks = HashSet::new();
        let descriptors = match fs::read_dir(path.join("fdinfo")) {
            Err(error) if is_gone(&error) || is_dead(&path) => continue,
            other => other.ok()?,
        };
        for descriptor in descriptors {
            if Instant::now() > until {
                return None;
            }
            match descriptor.and_then(|descriptor| fs::read_to_string(descriptor.path())) {
                Ok(text) => locks.extend(locks_of(&text).map(str::to_owned)),
                // Just closed, and its locks released with it.
                Err(error) if is_gone(&error) => {}
                Err(_) => return None,
            }
        }
        // It may have ended meanwhile, in which case it showed nothing.
        is_counted = !is_dead(&path);
        found.locks = found.locks.max(locks.len() as u64);
    }
    Some(found)
}

/// Whether the process or file no longer exists.
fn is_gone(error: &std::io::Error) -> bool {
    /// errno of a process that no longer exists, asm-generic/errno-base.h.
    const ESRCH: i32 = 3;
    error.kind() == std::io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH)
}

/// Whether a thread is a zombie: its descriptors are closed (proc_pid_stat(5), field 3).
fn is_dead(thread: &Path) -> bool {
    let Ok(stat) = fs::read(thread.join("stat")) else { return true };
    let stat = String::from_utf8_lossy(&stat);
    stat.rsplit_once(')')
        .is_none_or(|(_, fields)| matches!(fields.trim_start().as_bytes().first(), Some(b'Z' | b'X')))
}

/// The record locks of one descriptor's file, without their numbers: each descriptor of a file shows all of
/// them.
fn locks_of(fdinfo: &str) -> impl Iterator<Item = &str> {
    let lines = fdinfo.lines().filter_map(|line| line.strip_prefix("lock:"));
    lines.filter_map(|line| line.split_once("POSIX").map(|(_, lock)| lock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_record_locks_count() {
        let text = "pos:\t0\nflags:\t0100002\nmnt_id:\t30\nino:\t2\n\
                    lock:\t1: POSIX  ADVISORY  WRITE 7 00:1d:2 0 0\n\
                    lock:\t2: FLOCK  ADVISORY  WRITE 7 00:1d:2 0 EOF\n\
                    lock:\t3: POSIX  ADVISORY  READ 7 00:1d:2 4 4\n";
        assert_eq!(locks_of(text).collect::<HashSet<_>>().len(), 2);
        let twice = text.replace("lock:\t1:", "lock:\t9:");
        let both: HashSet<_> = locks_of(text).chain(locks_of(&twice)).collect();
        assert_eq!(both.len(), 2, "the same locks, seen by two descriptors");
    }

    #[test]
    fn calls_are_counted_only_when_they_could_reach_the_bound() {
        let mut locks = Locks::default();
        for _ in 0..LOCKS_MAX / ADDED_BY_A_CALL_MAX {
            assert!(locks.allow(|| panic!("too early")));
        }
        assert!(locks.allow(|| Some(0)), "a program that locks and unlocks may run forever");
        assert!(locks.allow(|| panic!("counted just now")));
    }

    #[test]
    fn at_the_bound_calls_are_refused_until_locks_are_gone() {
        let mut locks = Locks { held_at_most: LOCKS_MAX, full_until: None };
        assert!(!locks.allow(|| Some(LOCKS_MAX)));
        locks.full_until = Some(Instant::now() + Duration::from_secs(3600));
        assert!(!locks.allow(|| panic!("within the pause")));
        locks.full_until = None;
        assert!(!locks.allow(|| None), "an unknown count may be anything");
        locks.full_until = None;
        assert!(locks.allow(|| Some(1)));
    }
}
