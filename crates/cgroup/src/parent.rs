//! Creates the path from the top of our tree to the parent of the instances, in one hierarchy.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;

use crate::error::CgroupError;
use crate::group::Group;
use crate::layout::{Hierarchy, SERVICE_LEAF, Version};
use crate::ops::Ops;
use crate::v2;

/// Parents can be listed by everyone, for `doctor` and for a person who looks.
const PARENT_MODE: u32 = 0o755;

/// How often processes may appear in our own group between emptying it and handing controllers down.
const EVACUATION_ROUNDS_MAX: u32 = 16;

/// What to do with the last group of the path on v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastGroup {
    /// Hand the controllers down to the instances below.
    HandsDown,
    /// Leave it, as its future owner will start processes in it.
    Untouched,
}

/// Opens the parent of the instances; creates missing groups on the path to it.
pub(crate) fn open_parent(
    ops: &dyn Ops,
    hierarchy: &Hierarchy,
    last: LastGroup,
) -> Result<OwnedFd, CgroupError> {
    let chain = hierarchy.chain();
    let mut dir = ops.open_dir(CWD, &hierarchy.top).map_err(|source| CgroupError::Step {
        step: "open group",
        path: hierarchy.top.clone(),
        source,
    })?;
    for (index, path) in chain.iter().enumerate() {
        if index > 0 {
            dir = enter(ops, dir.as_fd(), path)?;
        }
        let hands_down = index + 1 < chain.len() || last == LastGroup::HandsDown;
        if hierarchy.version == Version::V2 && hands_down {
            let group = Group { ops, dir: dir.as_fd() };
            if hierarchy.own.as_deref() == Some(*path) {
                evacuate_and_hand_down(group, hierarchy)?;
            } else {
                v2::delegate_controllers(group, hierarchy)?;
            }
        }
    }
    Ok(dir)
}

/// Opens the child group at the end of `path`; creates it if it is missing.
fn enter(ops: &dyn Ops, at: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, CgroupError> {
    let failed = |step, source| CgroupError::Step { step, path: path.to_owned(), source };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match ops.open_dir(at, Path::new(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened.map_err(|source| failed("open group", source)),
    }
    match ops.make_dir(at, name, PARENT_MODE) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("make group", error)),
        _ => ops.open_dir(at, Path::new(name)).map_err(|source| failed("open group", source)),
    }
}

/// Moves the processes of our own group into a leaf beside the parent of the instances, because a group with
/// processes may not hand controllers down (cgroup-v2.rst, "No Internal Process Constraint").
fn evacuate_and_hand_down(own: Group<'_>, hierarchy: &Hierarchy) -> Result<(), CgroupError> {
    // Once the controllers are handed down, the kernel keeps processes out itself.
    if v2::missing(own, v2::SUBTREE_CONTROL, hierarchy)?.is_empty() {
        return Ok(());
    }
    let leaf = enter(own.ops, own.dir, Path::new(SERVICE_LEAF))?;
    let leaf = Group { ops: own.ops, dir: leaf.as_fd() };
    let mut round = 0;
    loop {
        // Pid 0 is a process of an outer pid namespace, which can only be moved from there.
        for pid in own.pids()?.into_iter().filter(|pid| *pid != 0) {
            match leaf.write("cgroup.procs", &pid.to_string()) {
                Err(error) if !is_errno(&error, Errno::SRCH) => return Err(error),
                _ => {}
            }
        }
        round += 1;
        match v2::delegate_controllers(own, hierarchy) {
            Err(error) if is_errno(&error, Errno::BUSY) && round < EVACUATION_ROUNDS_MAX => {}
            done => return done,
        }
    }
}

/// Whether the step failed with this error number.
pub(crate) fn is_errno(error: &CgroupError, errno: Errno) -> bool {
    matches!(error, CgroupError::Step { source, .. } if Errno::from_io_error(source) == Some(errno))
}
