//! Kills the processes of a group and removes it, from any state, with a bounded wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::error::CgroupError;
use crate::group::{Group, path_of};
use crate::ops::Ops;
use crate::parent::is_errno;

/// A killed process needs some ten microseconds to leave its group on an idle host.
const PAUSE_MIN: Duration = Duration::from_micros(50);
/// Long enough to leave the CPU to the dying processes.
const PAUSE_MAX: Duration = Duration::from_millis(10);
/// A program that still has processes after this number of rounds forks faster than we kill.
const ROUNDS_BEFORE_FORK_STOP: u32 = 3;
/// Errors other than "busy" are retried this often, as they are unlikely to go away.
const HARD_ERRORS_MAX: u32 = 3;
/// Sandboxes' groups have no children, so instances are two levels deep; deeper trees are not ours, but
/// finite.
const DEPTH_MAX: u32 = 8;

/// v1, in the hierarchy of the freezer alone.
pub(crate) const FREEZER_STATE: &str = "freezer.state";
pub(crate) const THAWED: &str = "THAWED";

/// The deadline for waiting, and the pause between two checks.
#[derive(Debug)]
pub(crate) struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    pub(crate) fn new(wait: Duration) -> Self {
        Self { deadline: Instant::now() + wait, pause: PAUSE_MIN }
    }

    /// Sleeps a little longer than the last time; false after the deadline.
    pub(crate) fn wait(&mut self) -> bool {
        if Instant::now() >= self.deadline {
            return false;
        }
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        true
    }

    /// The same deadline, but starting with short pauses again.
    fn fresh(&self) -> Self {
        Self { deadline: self.deadline, pause: PAUSE_MIN }
    }
}

/// Kills every process in the group and its children, and waits until the group itself is empty. Returns the
/// number of processes found.
pub(crate) fn kill_all(group: Group<'_>, patience: &mut Patience) -> Result<usize, CgroupError> {
    let mut killed = 0;
    let mut round = 0;
    let mut pids_max_before = None;
    let result = loop {
        let pids = match group.pids() {
            Ok(pids) => pids,
            // The group was removed meanwhile; its open directory remains, its files do not.
            Err(error) if is_errno(&error, Errno::NOENT) || is_errno(&error, Errno::NODEV) => {
                break Ok(killed);
            }
            Err(error) => break Err(error),
        };
        if pids.is_empty() {
            break Ok(killed);
        }
        if round == 0 {
            killed = pids.len();
        }
        if let Err(error) = kill(group, &pids) {
            break Err(error);
        }
        round += 1;
        if round == ROUNDS_BEFORE_FORK_STOP {
            // Not sooner: a fork that fails here would count as the program reaching its process limit.
            pids_max_before = group.ops.read(group.dir, "pids.max").ok();
            let _no_pids_controller_here = group.ops.write(group.dir, "pids.max", "0");
        }
        if !patience.wait() {
            break Err(CgroupError::NotKilled { path: path_of(group.dir) });
        }
    };
    if let Some(pids_max) = pids_max_before {
        let _group_may_be_gone = group.ops.write(group.dir, "pids.max", pids_max.trim());
    }
    result
}

/// Kills what is in the children of the group `name`, and thaws them, without waiting. What fails is left to
/// their removal.
pub(crate) fn kill_children(ops: &dyn Ops, at: BorrowedFd<'_>, name: &str) {
    let Ok(dir) = ops.open_dir(at, Path::new(name)) else { return };
    for child in ops.child_dirs(dir.as_fd()).unwrap_or_default() {
        let Ok(dir) = ops.open_dir(dir.as_fd(), Path::new(&child)) else { continue };
        let group = Group { ops, dir: dir.as_fd() };
        if let Ok(pids) = group.pids() {
            let _removal_tries_again = kill(group, &pids);
        }
    }
}

/// Kills the members, `pids` when they were last listed, and thaws them.
fn kill(group: Group<'_>, pids: &[i32]) -> Result<(), CgroupError> {
    // One write kills all at once, forks included (v2 from kernel 5.14 on).
    if group.ops.write(group.dir, "cgroup.kill", "1").is_err() {
        kill_listed(group, pids)?;
    }
    // A process frozen by v1 dies only when it is thawed; killed before, it runs nothing in between.
    let _not_the_freezers_hierarchy = group.ops.write(group.dir, FREEZER_STATE, THAWED);
    Ok(())
}

/// Kills the listed processes that are provably still members. A pid can be reused between listing and
/// killing, so get a pidfd first and use it only if the pid is listed again afterwards.
fn kill_listed(group: Group<'_>, pids: &[i32]) -> Result<(), CgroupError> {
    let failed = |source| group.failed("kill member of", "cgroup.procs", source);
    let mut handles = Vec::with_capacity(pids.len());
    for &pid in pids {
        if let Some(handle) = group.ops.pidfd(pid).map_err(failed)? {
            handles.push((pid, handle));
        }
    }
    let still_listed = group.pids()?;
    for (pid, handle) in handles {
        if still_listed.contains(&pid) {
            group.ops.kill(handle.as_fd()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Removes the group `name` and all below it, killing what runs there. A missing group is not an error. Adds
/// the number of processes found to `killed`.
pub(crate) fn remove_tree(
    ops: &dyn Ops,
    at: BorrowedFd<'_>,
    name: &str,
    patience: &mut Patience,
    killed: &mut usize,
) -> Result<(), CgroupError> {
    remove_level(ops, at, name, patience, killed, DEPTH_MAX)
}

fn remove_level(
    ops: &dyn Ops,
    at: BorrowedFd<'_>,
    name: &str,
    patience: &mut Patience,
    killed: &mut usize,
    depth_left: u32,
) -> Result<(), CgroupError> {
    // The usual case: all its processes have ended.
    if removed(ops.remove_dir(at, name)).is_ok() {
        return Ok(());
    }
    let failed = |step, source| CgroupError::Step { step, path: path_of(at).join(name), source };
    let dir = match ops.open_dir(at, Path::new(name)) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed("open group", source)),
    };
    let group = Group { ops, dir: dir.as_fd() };
    let mut patience = patience.fresh();
    let mut hard_errors = 0;
    loop {
        // Errors below appear as a failure to remove this group, which is the one to report.
        let deeper = clear(group, &mut patience, killed, depth_left);
        let refusal = match removed(ops.remove_dir(at, name)) {
            Ok(()) => return Ok(()),
            Err(refusal) => refusal,
        };
        if !matches!(Errno::from_io_error(&refusal), Some(Errno::BUSY | Errno::NOTEMPTY)) {
            hard_errors += 1;
        }
        if hard_errors >= HARD_ERRORS_MAX || !patience.wait() {
            return deeper.and(Err(failed("remove group", refusal)));
        }
    }
}

/// Kills the members of a group and removes its children. One that cannot be removed does not keep the
/// others; the first error is returned.
fn clear(
    group: Group<'_>,
    patience: &mut Patience,
    killed: &mut usize,
    depth_left: u32,
) -> Result<(), CgroupError> {
    *killed += kill_all(group, &mut patience.fresh())?;
    let children =
        group.ops.child_dirs(group.dir).map_err(|source| group.failed("list children of", "", source))?;
    if depth_left == 0 {
        return Ok(());
    }
    let mut cleared = Ok(());
    for child in &children {
        let removed = remove_level(group.ops, group.dir, child, patience, killed, depth_left - 1);
        cleared = cleared.and(removed);
    }
    cleared
}

fn removed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
