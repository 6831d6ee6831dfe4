//! The groups of one running service: an [`Instance`] exists as long as the manager or any of its sandboxes'
//! groups.
//!
//! ```text
//! open: parent -> create i-<hex> (memory's hierarchy) -> lock -> still there? -> the other hierarchies -> ready
//!          ^                                               |          |                  |
//!          +--------- a sweeper or a leaving service was faster -- new name -------------+
//! drop: the other hierarchies' i-<hex> -> memory's i-<hex> -> parents, if they are ours and empty
//! ```

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, getpid};

use crate::controller::Controller;
use crate::error::{CgroupError, ControllerProblem};
use crate::group::Group;
use crate::layout::{Hierarchy, Layout, Version};
use crate::ops::Ops;
use crate::parent::{LastGroup, open_parent};
use crate::remove::{Patience, remove_tree};
use crate::{v1, v2};

/// Only the owner may enter, or another user could hold the lock that marks the owner as alive.
pub(crate) const OWNER_ONLY_MODE: u32 = 0o700;
/// A try collides only if another service starts or ends in the same microseconds.
pub(crate) const OPEN_TRIES_MAX: u32 = 16;

/// How swap beyond the memory limit is prevented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SwapControl {
    /// v1, limit on memory and swap together.
    MemoryAndSwap,
    /// v1 without swap accounting: swappiness 0, set on the instance and inherited.
    Swappiness,
    /// v2, `memory.swap.max`.
    SwapMax,
    /// Not at all: the kernel has no such limit.
    Nothing,
}

/// One hierarchy's part of an instance.
#[derive(Debug)]
pub(crate) struct HierarchyPart {
    pub(crate) hierarchy: Hierarchy,
    pub(crate) parent: OwnedFd,
    /// In the first hierarchy this descriptor holds the lock.
    pub(crate) instance: OwnedFd,
}

/// In which group of an instance a sandbox's group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location {
    /// The one in this place.
    HierarchyPart(usize),
    /// The one in the v1 hierarchy of the freezer.
    Freezer,
}

/// The groups of one service. Shared by the manager and its sandboxes' groups; the last one removes them.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) ops: Arc<dyn Ops>,
    pub(crate) name: String,
    pub(crate) parts: Vec<HierarchyPart>,
    pub(crate) swap: SwapControl,
    pub(crate) check_count: AtomicU64,
    /// Groups that could not be removed, by directory name.
    pub(crate) leftovers: Mutex<Vec<(Location, String)>>,
    /// The hierarchy of the controller that limits reads, or why it cannot be used.
    pub(crate) io: Result<Hierarchy, ControllerProblem>,
    /// Our group there, once requested; none if it is one of the places.
    pub(crate) reads: Mutex<Option<HierarchyPart>>,
    /// The v1 hierarchy of the freezer, or why it cannot be used.
    pub(crate) freezer: Result<Hierarchy, ControllerProblem>,
    /// Our group there, once a sandbox was frozen; none if one of the places is v2.
    pub(crate) freezing: OnceLock<HierarchyPart>,
    /// Held while that group is made, not while it is used.
    pub(crate) freezing_setup: Mutex<()>,
    removal_wait: Duration,
    owner: Pid,
}

impl Instance {
    /// Creates the groups in every hierarchy of `layout`, and locks the instance. `removal_wait` bounds each
    /// removal of a group.
    ///
    /// # Errors
    /// [`CgroupError`]; nothing of the instance remains then.
    pub(crate) fn open(
        layout: &Layout,
        removal_wait: Duration,
        ops: &Arc<dyn Ops>,
    ) -> Result<Self, CgroupError> {
        for _ in 0..OPEN_TRIES_MAX {
            if let Some(instance) = Self::try_open(layout, removal_wait, ops)? {
                return Ok(instance);
            }
        }
        let parent = layout.of(Controller::Memory).parent.clone();
        Err(CgroupError::Contended { parent, tries: OPEN_TRIES_MAX })
    }

    /// `None` if another service was faster, and a new name must be tried.
    fn try_open(
        layout: &Layout,
        removal_wait: Duration,
        ops: &Arc<dyn Ops>,
    ) -> Result<Option<Self>, CgroupError> {
        // From here on, dropping the instance removes what was created.
        let mut instance = Self {
            ops: Arc::clone(ops),
            name: random_name(),
            parts: Vec::with_capacity(layout.hierarchies.len()),
            swap: SwapControl::Nothing,
            check_count: AtomicU64::new(0),
            leftovers: Mutex::default(),
            io: layout.io.clone(),
            reads: Mutex::default(),
            freezer: layout.freezer.clone(),
            freezing: OnceLock::new(),
            freezing_setup: Mutex::default(),
            removal_wait,
            owner: getpid(),
        };
        for hierarchy in &layout.hierarchies {
            if !instance.add_part(hierarchy)? {
                return Ok(None);
            }
        }
        instance.prepare()?;
        Ok(Some(instance))
    }

    /// False when another service was faster.
    fn add_part(&mut self, hierarchy: &Hierarchy) -> Result<bool, CgroupError> {
        let ops = Arc::clone(&self.ops);
        let parent = match open_parent(&*ops, hierarchy, LastGroup::HandsDown) {
            Ok(parent) => parent,
            // The last service of the parent left and removed it between two of our steps.
            Err(CgroupError::Step { step: "open group" | "make group", source, path })
                if is_gone(&source) && path != hierarchy.top =>
            {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let failed =
            |step, source| CgroupError::Step { step, path: hierarchy.parent.join(&self.name), source };
        match ops.make_dir(parent.as_fd(), &self.name, OWNER_ONLY_MODE) {
            Err(error) if is_gone(&error) => return Ok(false),
            made => made.map_err(|source| failed("make group", source))?,
        }
        let instance = match ops.open_dir(parent.as_fd(), Path::new(&self.name)) {
            Ok(instance) => instance,
            Err(error) if is_gone(&error) => return Ok(false),
            Err(error) => {
                let mut patience = Patience::new(self.removal_wait);
                let _open_error_matters_more =
                    remove_tree(&*ops, parent.as_fd(), &self.name, &mut patience, &mut 0);
                return Err(failed("open group", error));
            }
        };
        self.parts.push(HierarchyPart { hierarchy: hierarchy.clone(), parent, instance });
        if self.parts.len() > 1 {
            return Ok(true);
        }
        let part = &self.parts[0];
        if !ops.try_lock(part.instance.as_fd()).map_err(|source| failed("lock group", source))? {
            return Ok(false);
        }
        // A sweeper that took the lock before us has removed the directory; we then hold a lock on nothing.
        // Names are never reused, so checking the name suffices.
        match ops.open_dir(part.parent.as_fd(), Path::new(&self.name)) {
            Ok(_) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(source) => Err(failed("open group", source)),
        }
    }

    /// Sets what the sandboxes' groups inherit.
    fn prepare(&mut self) -> Result<(), CgroupError> {
        for (index, part) in self.parts.iter().enumerate() {
            if part.hierarchy.version == Version::V2 {
                v2::delegate_controllers(self.group(index), &part.hierarchy)?;
            }
        }
        let memory = self.group(0);
        self.swap = match self.parts[0].hierarchy.version {
            Version::V1 => {
                v1::prepare_memory(memory)?;
                match memory.read_if_present(v1::MEMORY_AND_SWAP_LIMIT)? {
                    Some(_) => SwapControl::MemoryAndSwap,
                    None if memory.read_if_present("memory.swappiness")?.is_some() => SwapControl::Swappiness,
                    None => SwapControl::Nothing,
                }
            }
            Version::V2 => match memory.read_if_present(v2::SWAP_LIMIT)? {
                Some(_) => SwapControl::SwapMax,
                None => SwapControl::Nothing,
            },
        };
        Ok(())
    }

    /// The place of a controller. Detection puts each into one hierarchy; the fallback to the first cannot
    /// happen.
    pub(crate) fn part_of(&self, controller: Controller) -> usize {
        self.parts.iter().position(|part| part.hierarchy.has(controller)).unwrap_or(0)
    }

    /// The place whose group limits the reads of all groups below it. On v1 there is none: the throttle is
    /// not hierarchical there (blkio-controller.rst, "Hierarchical Cgroups").
    pub(crate) fn part_of_reads(&self) -> Option<usize> {
        let io = self.io.as_ref().ok().filter(|io| io.version == Version::V2)?;
        self.parts.iter().position(|part| part.hierarchy.parent == io.parent)
    }

    /// The first place that is v2, where sandboxes are frozen.
    pub(crate) fn part_on_v2(&self) -> Option<usize> {
        self.parts.iter().position(|part| part.hierarchy.version == Version::V2)
    }

    /// Creates the instance's group in a hierarchy that not every service needs.
    pub(crate) fn make_late_part(&self, hierarchy: &Hierarchy) -> Result<HierarchyPart, CgroupError> {
        let path = hierarchy.parent.join(&self.name);
        let failed = |step, source| CgroupError::Step { step, path: path.clone(), source };
        // Retried if the last service of the parent left and removed it between two of our steps.
        for _ in 0..OPEN_TRIES_MAX {
            let parent = match open_parent(&*self.ops, hierarchy, LastGroup::HandsDown) {
                Err(CgroupError::Step { source, path, .. }) if is_gone(&source) && path != hierarchy.top => {
                    continue;
                }
                opened => opened?,
            };
            match self.ops.make_dir(parent.as_fd(), &self.name, OWNER_ONLY_MODE) {
                Err(error) if is_gone(&error) => continue,
                // From an earlier try of ours, as nobody else has the name.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(|source| failed("make group", source))?,
            }
            let instance = self.ops.open_dir(parent.as_fd(), Path::new(&self.name)).map_err(|source| {
                let _the_next_sweep_finds_it = self.ops.remove_dir(parent.as_fd(), &self.name);
                failed("open group", source)
            })?;
            return Ok(HierarchyPart { hierarchy: hierarchy.clone(), parent, instance });
        }
        Err(CgroupError::Contended { parent: hierarchy.parent.clone(), tries: OPEN_TRIES_MAX })
    }

    pub(crate) fn note_leftover(&self, location: Location, name: &str) {
        let mut leftovers = self.leftovers.lock().unwrap_or_else(PoisonError::into_inner);
        leftovers.push((location, name.to_owned()));
    }

    /// The instance's group in one place.
    pub(crate) fn group(&self, part: usize) -> Group<'_> {
        Group { ops: &*self.ops, dir: self.dir(part) }
    }

    pub(crate) fn dir(&self, part: usize) -> BorrowedFd<'_> {
        self.parts[part].instance.as_fd()
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience::new(self.removal_wait)
    }

    /// The places in the order in which groups are removed: pids first, as there a program can be kept from
    /// forking; the locked one last.
    pub(crate) fn removal_order(&self) -> impl Iterator<Item = usize> + use<> {
        let pids = self.part_of(Controller::Pids);
        let count = self.parts.len();
        (1..count)
            .filter(move |part| *part == pids)
            .chain((1..count).filter(move |part| *part != pids))
            .chain(0..count.min(1))
    }

    /// A forked copy of the owner must not touch its groups.
    pub(crate) fn is_owner(&self) -> bool {
        getpid() == self.owner
    }

    /// A name for a scratch group, distinct from those given by callers.
    pub(crate) fn check_name(&self) -> String {
        format!("k-{}", self.check_count.fetch_add(1, Ordering::Relaxed))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if !self.is_owner() {
            return;
        }
        let reads = self.reads.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let freezing = self.freezing.take();
        // What is frozen there dies in no other hierarchy.
        if let Some(freezing) = &freezing
            && remove_tree(&*self.ops, freezing.parent.as_fd(), &self.name, &mut self.patience(), &mut 0)
                .is_err()
        {
            return;
        }
        for index in self.removal_order() {
            let mut patience = self.patience();
            // The locked directory goes last; without it a sweep would know that this has no owner.
            if let (0, Some(reads)) = (index, &reads)
                && remove_tree(&*self.ops, reads.parent.as_fd(), &self.name, &mut patience, &mut 0).is_err()
            {
                return;
            }
            let part = &self.parts[index];
            if remove_tree(&*self.ops, part.parent.as_fd(), &self.name, &mut patience, &mut 0).is_err() {
                // The locked directory remains, so that a sweep finds the rest.
                return;
            }
        }
        for part in self.parts.iter().chain(&reads).chain(&freezing) {
            remove_parent(&*self.ops, &part.hierarchy);
        }
    }
}

/// Removes the parent of instances if it is ours and empty.
pub(crate) fn remove_parent(ops: &dyn Ops, hierarchy: &Hierarchy) {
    if let (true, Some(above), Some(name)) = (
        hierarchy.parent_is_ours,
        hierarchy.parent.parent(),
        hierarchy.parent.file_name().and_then(|name| name.to_str()),
    ) && let Ok(above) = ops.open_dir(rustix::fs::CWD, above)
    {
        // Fails while another instance exists in it, as intended.
        let _others_live_here = ops.remove_dir(above.as_fd(), name);
    }
}

/// Whether a group was removed concurrently.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::NODEV)
}

const INSTANCE_PREFIX: &str = "i-";
const INSTANCE_HEX_DIGITS: usize = 32;

/// A name that no instance had before. It is not secret; ownership is proven by the lock, not the name.
fn random_name() -> String {
    // Each state has its own keys, from the system's random numbers.
    let [high, low] = [(); 2].map(|()| RandomState::new().hash_one((std::process::id(), Instant::now())));
    format!("{INSTANCE_PREFIX}{high:016x}{low:016x}")
}

/// Whether a directory has the name of an instance. Nothing else is ever swept.
pub(crate) fn is_instance_name(name: &str) -> bool {
    name.strip_prefix(INSTANCE_PREFIX).is_some_and(|hex| {
        hex.len() == INSTANCE_HEX_DIGITS && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}
