//! Freezing: every process of a sandbox stops, uses no CPU time, and continues later.
//!
//! | the sandbox's groups | freezes | state | since |
//! |---|---|---|---|
//! | at least one is v2 | that group, by `cgroup.freeze` | `cgroup.events`, `frozen 1` | Linux 5.2 |
//! | all are v1 | a group of its own in the `freezer` hierarchy | `freezer.state`, `FROZEN` | |
//!
//! The v1 group is made when the sandbox is frozen for the first time, and the sandbox's tasks are moved into
//! it then: another hierarchy would cost every sandbox a group to create, to join and to remove, and most are
//! never frozen. A task that is moved while it forks has a child outside, so tasks are moved until none is
//! outside.
//!
//! On v1 SIGKILL has no effect on a frozen process until it is thawed, so the freezer's group is the first to
//! be removed (`remove::kill_all` kills, then thaws). On v2 a frozen process can be killed (cgroup-v2.rst,
//! "cgroup.freeze").

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use rustix::fs::CWD;
use rustix::io::Errno;

use crate::error::{CgroupError, FreezeError};
use crate::group::{Group, path_of};
use crate::instance::{HierarchyPart, Instance, Location, OWNER_ONLY_MODE};
use crate::layout::Hierarchy;
use crate::parent::is_errno;
use crate::remove::{FREEZER_STATE, Patience, THAWED, remove_tree};

const FROZEN: &str = "FROZEN";

/// The frozen state of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Freezer {
    /// The sandbox's group in the v1 hierarchy of the freezer, once made.
    v1: Option<OwnedFd>,
    /// All, some or none of its processes may be frozen.
    is_frozen: bool,
}

impl Freezer {
    /// Freezes the sandbox `name` with these groups, one per place of the instance. After an error it runs,
    /// unless [`Self::thaw`] fails too.
    pub(crate) fn freeze(
        &mut self,
        instance: &Instance,
        name: &str,
        groups: &[OwnedFd],
    ) -> Result<(), FreezeError> {
        self.is_frozen = true;
        let result = match v2_group(instance, groups) {
            Some(group) => freeze_v2(group, &mut instance.patience()),
            None => self.freeze_v1(instance, name, groups),
        };
        if result.is_err() {
            let _the_first_error_matters_more = self.thaw(instance, groups);
        }
        result
    }

    /// Lets the sandbox continue; does nothing if it is not frozen.
    pub(crate) fn thaw(&mut self, instance: &Instance, groups: &[OwnedFd]) -> Result<(), FreezeError> {
        if !self.is_frozen {
            return Ok(());
        }
        let mut patience = instance.patience();
        if let Some(group) = v2_group(instance, groups) {
            match group.write("cgroup.freeze", "0") {
                Err(error) if is_errno(&error, Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
                Ok(()) => wait_until(group, &mut patience, || is_frozen_v2(group).map(|frozen| !frozen))?,
            }
        } else if let Some(group) = self.v1_group(instance) {
            group.write(FREEZER_STATE, THAWED)?;
            wait_until(group, &mut patience, || state_is(group, THAWED))?;
        }
        self.is_frozen = false;
        Ok(())
    }

    /// The group in the v1 hierarchy of the freezer, if there is one. Its processes die only after the thaw
    /// that is part of killing them there.
    pub(crate) fn v1_group<'a>(&'a self, instance: &'a Instance) -> Option<Group<'a>> {
        self.v1.as_ref().map(|dir| Group { ops: &*instance.ops, dir: dir.as_fd() })
    }

    /// Kills what is in the v1 group and removes it; returns and records the path on failure.
    pub(crate) fn remove(&mut self, instance: &Instance, name: &str) -> Option<PathBuf> {
        self.v1.take()?;
        let part = instance.freezing.get()?;
        let dir = part.instance.as_fd();
        let removed = remove_tree(&*instance.ops, dir, name, &mut instance.patience(), &mut 0);
        removed.err().map(|_| {
            instance.note_leftover(Location::Freezer, name);
            part.hierarchy.parent.join(&instance.name).join(name)
        })
    }

    fn freeze_v1(&mut self, instance: &Instance, name: &str, groups: &[OwnedFd]) -> Result<(), FreezeError> {
        let hierarchy =
            instance.freezer.as_ref().map_err(|problem| FreezeError::Unusable(problem.clone()))?;
        if self.v1.is_none() {
            self.v1 = Some(make_v1(instance, name)?);
        }
        let (Some(freezer), Some(dir)) = (self.v1_group(instance), groups.first()) else { return Ok(()) };
        let sandbox = Group { ops: &*instance.ops, dir: dir.as_fd() };
        let mut patience = instance.patience();
        gather(sandbox, freezer, hierarchy, &mut patience)?;
        freezer.write(FREEZER_STATE, FROZEN)?;
        // Reading the file is what updates it from FREEZING (freezer-subsystem.rst).
        wait_until(freezer, &mut patience, || state_is(freezer, FROZEN))
    }
}

/// The first of a sandbox's groups that is v2. All of its processes are in each of its groups.
fn v2_group<'a>(instance: &'a Instance, groups: &'a [OwnedFd]) -> Option<Group<'a>> {
    let dir = groups.get(instance.part_on_v2()?)?;
    Some(Group { ops: &*instance.ops, dir: dir.as_fd() })
}

fn freeze_v2(group: Group<'_>, patience: &mut Patience) -> Result<(), FreezeError> {
    match group.write("cgroup.freeze", "1") {
        Err(CgroupError::Step { path, source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(FreezeError::KernelTooOld { path })
        }
        Err(error) => Err(error.into()),
        Ok(()) => wait_until(group, patience, || is_frozen_v2(group)),
    }
}

fn is_frozen_v2(group: Group<'_>) -> Result<bool, CgroupError> {
    Ok(group.keyed("cgroup.events", "frozen")? == Some(1))
}

fn state_is(group: Group<'_>, state: &str) -> Result<bool, CgroupError> {
    Ok(group.read(FREEZER_STATE)?.trim() == state)
}

fn wait_until(
    group: Group<'_>,
    patience: &mut Patience,
    is_true: impl Fn() -> Result<bool, CgroupError>,
) -> Result<(), FreezeError> {
    while !is_true()? {
        if !patience.wait() {
            return Err(FreezeError::TooSlow { path: path_of(group.dir) });
        }
    }
    Ok(())
}

/// Creates the sandbox's group in the freezer's hierarchy.
fn make_v1(instance: &Instance, name: &str) -> Result<OwnedFd, FreezeError> {
    let hierarchy = instance.freezer.as_ref().map_err(|problem| FreezeError::Unusable(problem.clone()))?;
    let part = part_v1(instance, hierarchy)?;
    let path = hierarchy.parent.join(&instance.name).join(name);
    let failed = |step, source| CgroupError::Step { step, path: path.clone(), source };
    let (ops, at) = (&*instance.ops, part.instance.as_fd());
    ops.make_dir(at, name, OWNER_ONLY_MODE).map_err(|source| failed("make group", source))?;
    ops.open_dir(at, Path::new(name)).map_err(|source| {
        if ops.remove_dir(at, name).is_err() {
            instance.note_leftover(Location::Freezer, name);
        }
        failed("open group", source).into()
    })
}

/// The instance's group in the freezer's hierarchy, made once.
fn part_v1<'a>(instance: &'a Instance, hierarchy: &Hierarchy) -> Result<&'a HierarchyPart, FreezeError> {
    let _one_at_a_time = instance.freezing_setup.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(part) = instance.freezing.get() {
        return Ok(part);
    }
    let part = instance.make_late_part(hierarchy)?;
    Ok(instance.freezing.get_or_init(|| part))
}

/// Moves every task of the sandbox into the freezer's group, until none is outside.
///
/// By `tasks`, one thread at a time: `cgroup.procs` waits for an RCU grace period (see
/// `SandboxGroup::join_files`). An id is all that the kernel accepts, and it may belong to another process of
/// the host by the time it is written. All in the group is frozen, and killed with the sandbox, so such a
/// process is moved out again, also where gathering fails.
pub(crate) fn gather(
    sandbox: Group<'_>,
    freezer: Group<'_>,
    hierarchy: &Hierarchy,
    patience: &mut Patience,
) -> Result<(), FreezeError> {
    let gathered = loop {
        match gather_once(sandbox, freezer, hierarchy) {
            Ok(true) => break Ok(()),
            Ok(false) if patience.wait() => {}
            Ok(false) => break Err(FreezeError::TooSlow { path: path_of(freezer.dir) }),
            Err(error) => break Err(error),
        }
    };
    if gathered.is_err() {
        let _the_first_error_matters_more = evict(sandbox, freezer, hierarchy);
    }
    gathered
}

/// Whether no task is outside, and none in the freezer's group is foreign.
fn gather_once(sandbox: Group<'_>, freezer: Group<'_>, hierarchy: &Hierarchy) -> Result<bool, FreezeError> {
    // In this order: a task that is born between two of the listings counts neither as outside nor as
    // foreign, since it is in the same groups as its parent.
    let before = sandbox.tasks()?;
    let inside = freezer.tasks()?;
    let outside: Vec<i32> = before.into_iter().filter(|id| !inside.contains(id)).collect();
    // Written to `tasks`, 0 is the writing thread; listed there, it is one of an outer pid namespace.
    if outside.contains(&0) {
        return Err(FreezeError::TooSlow { path: path_of(freezer.dir) });
    }
    outside.iter().try_for_each(|id| move_task(freezer, *id))?;
    Ok(evict(sandbox, freezer, hierarchy)? == 0 && outside.is_empty())
}

/// Moves foreign tasks out of the freezer's group: to the hierarchy's root, or, where only the parent of the
/// instances is the user's, there. Returns their number.
fn evict(sandbox: Group<'_>, freezer: Group<'_>, hierarchy: &Hierarchy) -> Result<usize, CgroupError> {
    let inside = freezer.tasks()?;
    let members = sandbox.tasks()?;
    let candidates: Vec<i32> = inside.into_iter().filter(|id| !members.contains(id)).collect();
    if candidates.is_empty() {
        return Ok(0);
    }
    // One that ended between the two listings is not foreign, and its id may already be another's.
    let still_inside = freezer.tasks()?;
    let foreign = || candidates.iter().filter(|id| still_inside.contains(id));
    for id in foreign() {
        move_out(freezer, &hierarchy.top, *id).or_else(|_| move_out(freezer, &hierarchy.parent, *id))?;
    }
    Ok(foreign().count())
}

fn move_out(freezer: Group<'_>, to: &Path, id: i32) -> Result<(), CgroupError> {
    let dir = freezer.ops.open_dir(CWD, to).map_err(|source| CgroupError::Step {
        step: "open group",
        path: to.to_owned(),
        source,
    })?;
    move_task(Group { ops: freezer.ops, dir: dir.as_fd() }, id)
}

/// Moves a task, if it has not ended.
fn move_task(to: Group<'_>, id: i32) -> Result<(), CgroupError> {
    match to.write("tasks", &id.to_string()) {
        Err(error) if is_errno(&error, Errno::SRCH) => Ok(()),
        moved => moved,
    }
}
