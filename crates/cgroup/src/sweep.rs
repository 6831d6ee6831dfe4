//! Finds and removes what dead services left behind.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use rustix::fs::CWD;

use crate::error::CgroupError;
use crate::instance::{Instance, Location, is_instance_name, remove_parent};
use crate::remove::{kill_children, remove_tree};

/// What a sweep found and did.
#[derive(Debug, Default)]
pub struct SweepReport {
    /// Instances of dead services removed in all hierarchies.
    pub instances_removed: usize,
    /// Other instances with a live owner; not touched.
    pub instances_live: usize,
    /// Processes found in what was removed, and killed.
    pub processes_killed: usize,
    /// What could not be removed, and why.
    pub failures: Vec<SweepFailure>,
}

/// A group that could not be checked or removed.
#[derive(Debug)]
pub struct SweepFailure {
    /// The group.
    pub path: PathBuf,
    /// Why.
    pub error: CgroupError,
}

pub(crate) fn sweep(instance: &Instance) -> SweepReport {
    let mut report = SweepReport::default();
    sweep_marked(instance, &mut report);
    sweep_unmarked(instance, &mut report);
    sweep_late(instance, &mut report);
    retry_into(instance, &mut report, &|| true);
    report
}

/// Retries what this service could not remove, and nothing else.
pub(crate) fn retry_leftovers(instance: &Instance, goes_on: &dyn Fn() -> bool) -> SweepReport {
    let mut report = SweepReport::default();
    retry_into(instance, &mut report, goes_on);
    report
}

/// Locked instances, in the first place: removed if the lock can be taken.
fn sweep_marked(instance: &Instance, report: &mut SweepReport) {
    for name in siblings(instance, 0, report) {
        let part = &instance.parts[0];
        let path = part.hierarchy.parent.join(&name);
        let dir = match instance.ops.open_dir(part.parent.as_fd(), Path::new(&name)) {
            Ok(dir) => dir,
            // Its owner or another sweeper removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => {
                let error = CgroupError::Step { step: "open group", path: path.clone(), source };
                report.failures.push(SweepFailure { path, error });
                continue;
            }
        };
        match instance.ops.try_lock(dir.as_fd()) {
            // We hold the lock until `dir` is closed, so no second sweeper interferes.
            Ok(true) => remove_instance(instance, &name, report),
            Ok(false) => report.instances_live += 1,
            Err(source) => {
                let error = CgroupError::Step { step: "lock group", path: path.clone(), source };
                report.failures.push(SweepFailure { path, error });
            }
        }
    }
}

/// Parts of instances in the other places whose locked counterpart is gone. That is created first and removed
/// last, so these have no owner. List before checking for it, or a new instance would look like one of them.
fn sweep_unmarked(instance: &Instance, report: &mut SweepReport) {
    for index in 1..instance.parts.len() {
        for name in siblings(instance, index, report) {
            if has_no_mark(instance, &name) {
                remove_instance(instance, &name, report);
            }
        }
    }
}

fn has_no_mark(instance: &Instance, name: &str) -> bool {
    let twin = instance.ops.open_dir(instance.parts[0].parent.as_fd(), Path::new(name));
    twin.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The same for the groups that only limited reads or froze, whether this service has some or not.
fn sweep_late(instance: &Instance, report: &mut SweepReport) {
    let reads = instance.io.as_ref().ok().filter(|_| instance.part_of_reads().is_none());
    for hierarchy in reads.into_iter().chain(&instance.freezer) {
        // None was created.
        let Ok(parent) = instance.ops.open_dir(CWD, &hierarchy.parent) else { continue };
        for name in others(instance, parent.as_fd(), &hierarchy.parent, report) {
            if has_no_mark(instance, &name) {
                remove_at(instance, parent.as_fd(), &hierarchy.parent, &name, report);
            }
        }
        remove_parent(&*instance.ops, hierarchy);
    }
}

fn remove_instance(instance: &Instance, name: &str, report: &mut SweepReport) {
    if !remove_frozen(instance, name, report) {
        return;
    }
    for index in instance.removal_order() {
        if !remove_group(instance, Spot::Parent(index), name, report) {
            // The locked directory, which is removed last, remains for the next sweep.
            return;
        }
    }
    report.instances_removed += 1;
}

/// The part of an instance in the v1 hierarchy of the freezer. It goes first, since what is frozen there dies
/// in no other hierarchy.
fn remove_frozen(instance: &Instance, name: &str, report: &mut SweepReport) -> bool {
    let Ok(hierarchy) = &instance.freezer else { return true };
    let path = &hierarchy.parent;
    match instance.ops.open_dir(CWD, path) {
        Ok(parent) => {
            // All of them first, so that they die at the same time, within the patience for one.
            kill_children(&*instance.ops, parent.as_fd(), name);
            remove_at(instance, parent.as_fd(), path, name, report)
        }
        // No service has frozen anything.
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(source) => {
            let error = CgroupError::Step { step: "open group", path: path.clone(), source };
            report.failures.push(SweepFailure { path: path.clone(), error });
            false
        }
    }
}

/// Our own sandboxes' groups that could not be removed when they were destroyed.
fn retry_into(instance: &Instance, report: &mut SweepReport, goes_on: &dyn Fn() -> bool) {
    let leftovers = mem::take(&mut *instance.leftovers.lock().unwrap_or_else(PoisonError::into_inner));
    for (location, name) in leftovers {
        if !goes_on() || !remove_group(instance, Spot::Instance(location), &name, report) {
            instance.note_leftover(location, &name);
        }
    }
}

/// The group to remove from: the parent or our instance, in one place.
#[derive(Debug, Clone, Copy)]
enum Spot {
    Parent(usize),
    Instance(Location),
}

fn remove_group(instance: &Instance, spot: Spot, name: &str, report: &mut SweepReport) -> bool {
    match spot {
        Spot::Parent(index) => {
            let part = &instance.parts[index];
            remove_at(instance, part.parent.as_fd(), &part.hierarchy.parent, name, report)
        }
        Spot::Instance(Location::Freezer) => instance.freezing.get().is_none_or(|part| {
            let above = part.hierarchy.parent.join(&instance.name);
            remove_at(instance, part.instance.as_fd(), &above, name, report)
        }),
        Spot::Instance(Location::HierarchyPart(index)) => {
            let parent = &instance.parts[index].hierarchy.parent;
            remove_at(instance, instance.dir(index), &parent.join(&instance.name), name, report)
        }
    }
}

/// Removes a group from the one at `at`, which has the path `above`.
fn remove_at(
    instance: &Instance,
    at: BorrowedFd<'_>,
    above: &Path,
    name: &str,
    report: &mut SweepReport,
) -> bool {
    let killed = &mut report.processes_killed;
    match remove_tree(&*instance.ops, at, name, &mut instance.patience(), killed) {
        Ok(()) => true,
        Err(error) => {
            report.failures.push(SweepFailure { path: above.join(name), error });
            false
        }
    }
}

/// Names of the other instances in one place.
fn siblings(instance: &Instance, index: usize, report: &mut SweepReport) -> Vec<String> {
    let part = &instance.parts[index];
    others(instance, part.parent.as_fd(), &part.hierarchy.parent, report)
}

/// Names of the other instances below an open parent.
fn others(instance: &Instance, parent: BorrowedFd<'_>, path: &Path, report: &mut SweepReport) -> Vec<String> {
    match instance.ops.child_dirs(parent) {
        Ok(mut names) => {
            names.retain(|name| is_instance_name(name) && *name != instance.name);
            names
        }
        Err(source) => {
            let error = CgroupError::Step { step: "list children of", path: path.to_owned(), source };
            report.failures.push(SweepFailure { path: path.to_owned(), error });
            Vec::new()
        }
    }
}
