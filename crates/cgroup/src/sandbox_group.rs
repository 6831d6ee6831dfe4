//! The group of one sandbox, in every hierarchy.
//!
//! ```text
//! create -> [created in hierarchy 1..n] -> [limits set] -> used -> destroy or drop -> gone
//!                 |                             |                        |
//!                 +------- any failure ---------+-> kill, remove         +-> left over -> tried again
//! ```

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::controller::Controller;
use crate::error::{CgroupError, FreezeError};
use crate::freezer::Freezer;
use crate::group::Group;
use crate::instance::{HierarchyPart, Instance, Location, OWNER_ONLY_MODE, SwapControl};
use crate::layout::Version;
use crate::limits::{GroupLimits, GroupUsage};
use crate::remove::{kill_all, remove_tree};
use crate::v2::SinceReset;
use crate::{v1, v2};

/// A group whose peak is this close to its limit has reached it: the largest page size of any Linux.
const FULL_WITHIN_BYTES: u64 = 64 << 10;

/// The name becomes part of a directory name, and appears in logs.
const NAME_CHARS_MAX: usize = 64;

/// Not a valid name of a sandbox's group: those begin with `c-`.
const HELPERS_NAME: &str = "h-launcher";
/// The kernel's default weight of a group (cgroup-v2.rst, "cpu.weight"; sched-design-CFS.rst, "cpu.shares"), and in percent
/// of it the weights of the helpers and of a sandbox that yields.
const V1_SHARES: u64 = 1024;
const V2_WEIGHT: u64 = 100;
const HELPERS_WEIGHT_PERCENT: u64 = 1000;
const YIELDING_WEIGHT_PERCENT: u64 = 25;

/// A group with limits. Dropping it kills its processes and removes it.
#[derive(Debug)]
pub struct SandboxGroup {
    instance: Arc<Instance>,
    dir_name: String,
    /// One per hierarchy of the instance; fewer only while it is being created.
    dirs: Vec<OwnedFd>,
    limits: Option<GroupLimits>,
    freezer: Freezer,
    /// v2: v1 resets its own counters.
    since_reset: SinceReset,
}

impl SandboxGroup {
    pub(crate) fn create(
        instance: &Arc<Instance>,
        name: &str,
        limits: &GroupLimits,
    ) -> Result<Self, CgroupError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.bytes().all(is_plain) {
            return Err(CgroupError::BadName { name: name.chars().take(NAME_CHARS_MAX).collect() });
        }
        limits.validate()?;
        // The prefix separates a sandbox named `tasks` from the kernel's file of that name.
        let mut sandbox = Self::create_bare(instance, format!("c-{name}"))?;
        sandbox.set_limits(limits)?;
        Ok(sandbox)
    }

    /// Creates the group of the launcher and its templates: without a memory limit of its own, as the
    /// service's total limit applies, and with a share of the CPUs that keeps busy sandboxes from delaying
    /// the creation of others.
    pub(crate) fn create_for_helpers(instance: &Arc<Instance>, pids_max: u64) -> Result<Self, CgroupError> {
        let group = Self::create_bare(instance, HELPERS_NAME.to_owned())?;
        group.of(Controller::Pids).1.write_exact("pids.max", &pids_max.to_string())?;
        group.set_cpu_weight(HELPERS_WEIGHT_PERCENT)?;
        Ok(group)
    }

    /// Gives the group a quarter of the share of a busy CPU that other sandboxes have.
    ///
    /// # Errors
    /// [`CgroupError::Step`].
    pub fn yield_cpu(&self) -> Result<(), CgroupError> {
        self.set_cpu_weight(YIELDING_WEIGHT_PERCENT)
    }

    fn set_cpu_weight(&self, percent: u64) -> Result<(), CgroupError> {
        let part = |default: u64| (default * percent / 100).to_string();
        match self.of(Controller::Cpu) {
            (Version::V1, cpu) => cpu.write_exact("cpu.shares", &part(V1_SHARES)),
            (Version::V2, cpu) => cpu.write_exact("cpu.weight", &part(V2_WEIGHT)),
        }
    }

    /// Creates the groups without limits.
    pub(crate) fn create_bare(instance: &Arc<Instance>, dir_name: String) -> Result<Self, CgroupError> {
        // From here on, dropping the value removes what was created.
        let mut sandbox = Self {
            instance: Arc::clone(instance),
            dir_name,
            dirs: Vec::with_capacity(instance.parts.len()),
            limits: None,
            freezer: Freezer::default(),
            since_reset: SinceReset::default(),
        };
        let ops = &*instance.ops;
        for index in 0..instance.parts.len() {
            let at = instance.dir(index);
            let failed = |step, source| CgroupError::Step { step, path: sandbox.path(index), source };
            match ops.make_dir(at, &sandbox.dir_name, OWNER_ONLY_MODE) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(CgroupError::NameTaken { name: sandbox.name().to_owned() });
                }
                made => made.map_err(|source| failed("make group", source))?,
            }
            match ops.open_dir(at, Path::new(&sandbox.dir_name)) {
                Ok(dir) => sandbox.dirs.push(dir),
                Err(source) => {
                    let error = failed("open group", source);
                    sandbox.remove_from(index);
                    return Err(error);
                }
            }
        }
        // v1 inherits the same from the instance, see `v1::prepare_memory`.
        if instance.parts[0].hierarchy.version == Version::V2 {
            v2::set_single_kills(sandbox.group(0))?;
        }
        Ok(sandbox)
    }

    /// The name given to [`crate::Manager::create`].
    #[must_use]
    pub fn name(&self) -> &str {
        self.dir_name.split_once('-').map_or(&self.dir_name, |(_, name)| name)
    }

    /// The group's path in each hierarchy, for logs and tests.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        (0..self.dirs.len()).map(|index| self.path(index)).collect()
    }

    /// Write-only, close-on-exec descriptors, one per hierarchy, the v2 one first. A single-threaded process
    /// that writes `0` to each of them is in the group; the kernel checks the permissions of the process that
    /// opened them. Memory that a process already has stays charged to its old group, so join first and
    /// allocate afterwards.
    ///
    /// On v1 they are `tasks` and not `cgroup.procs`: to move a whole process the kernel stops every fork and
    /// exit of the host for an RCU grace period, milliseconds on a busy host; to move only the writing thread
    /// it does not (`cgroup_procs_write_start`, since Linux 5.16). v2 has no such file across groups.
    /// # Errors
    /// [`CgroupError::Step`].
    pub fn join_files(&self) -> Result<Vec<OwnedFd>, CgroupError> {
        let open = |(dir, part): (&OwnedFd, &HierarchyPart)| {
            let group = Group { ops: &*self.instance.ops, dir: dir.as_fd() };
            let file = match part.hierarchy.version {
                Version::V1 => "tasks",
                Version::V2 => "cgroup.procs",
            };
            group.ops.open_for_write(group.dir, file).map_err(|source| group.failed("open", file, source))
        };
        let is_v1 = |part: &HierarchyPart| part.hierarchy.version == Version::V1;
        let mut all: Vec<_> = self.dirs.iter().zip(&self.instance.parts).collect();
        all.sort_by_key(|(_, part)| is_v1(part));
        all.into_iter().map(open).collect()
    }

    /// The v2 group, for `clone3` with `CLONE_INTO_CGROUP`. `None` if all hierarchies are v1; on a hybrid
    /// host it replaces only one of [`Self::join_files`].
    #[must_use]
    pub fn dir_fd(&self) -> Option<BorrowedFd<'_>> {
        let index = self.instance.parts.iter().position(|part| part.hierarchy.version == Version::V2)?;
        self.dirs.get(index).map(AsFd::as_fd)
    }

    /// Sets all limits and reads them back. May be called again; lowering memory below the current usage
    /// fails on v1 and kills on v2.
    ///
    /// # Errors
    /// [`CgroupError`]. Some limits may be set then: destroy the group.
    pub fn set_limits(&mut self, limits: &GroupLimits) -> Result<(), CgroupError> {
        limits.validate()?;
        let is_raising = self.limits.is_some_and(|before| limits.memory_bytes > before.memory_bytes);
        // Until all are set none is known, and the kernel's default is unlimited.
        self.limits = None;
        if is_raising {
            self.set_swap(limits)?;
            self.set_memory(limits)?;
        } else {
            self.set_memory(limits)?;
            self.set_swap(limits)?;
        }
        self.set_pids(limits)?;
        self.set_cpu(limits)?;
        self.limits = Some(*limits);
        Ok(())
    }

    pub(crate) fn set_memory(&self, limits: &GroupLimits) -> Result<(), CgroupError> {
        match self.of(Controller::Memory) {
            (Version::V1, sandbox) => v1::set_memory(sandbox, limits),
            (Version::V2, sandbox) => v2::set_memory(sandbox, limits),
        }
    }

    pub(crate) fn set_swap(&self, limits: &GroupLimits) -> Result<(), CgroupError> {
        let (_, sandbox) = self.of(Controller::Memory);
        match self.instance.swap {
            SwapControl::MemoryAndSwap => v1::set_memory_and_swap(sandbox, limits),
            SwapControl::SwapMax => v2::set_no_swap(sandbox),
            SwapControl::Swappiness | SwapControl::Nothing => Ok(()),
        }
    }

    pub(crate) fn set_pids(&self, limits: &GroupLimits) -> Result<(), CgroupError> {
        v2::set_pids(self.of(Controller::Pids).1, limits)
    }

    pub(crate) fn set_cpu(&self, limits: &GroupLimits) -> Result<(), CgroupError> {
        match self.of(Controller::Cpu) {
            (Version::V1, sandbox) => v1::set_cpu(sandbox, limits),
            (Version::V2, sandbox) => v2::set_cpu(sandbox, limits),
        }
    }

    /// Processes of the group killed because memory ran out: at its own limit, at one of a group above, or on
    /// the host.
    ///
    /// # Errors
    /// [`CgroupError::Step`] or [`CgroupError::Parse`].
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        match self.of(Controller::Memory) {
            (Version::V1, sandbox) => v1::oom_kills(sandbox),
            (Version::V2, sandbox) => v2::oom_kills(sandbox),
        }
    }

    /// What the sandbox has used since it was created; the peak of memory, and whose limit was reached, since
    /// the last [`Self::reset_memory_peak`].
    ///
    /// # Errors
    /// [`CgroupError::Step`] or [`CgroupError::Parse`].
    pub fn usage(&self) -> Result<GroupUsage, CgroupError> {
        let memory_peak_bytes = match self.of(Controller::Memory) {
            (Version::V1, sandbox) => v1::memory_peak_bytes(sandbox)?,
            (Version::V2, sandbox) => v2::memory_peak_bytes(sandbox, &self.since_reset)?,
        };
        let oom_kills = self.oom_kills()?;
        let cpu_time_us = match self.of(Controller::Cpuacct) {
            (Version::V1, sandbox) => v1::cpu_time_us(sandbox)?,
            (Version::V2, sandbox) => v2::cpu_time_us(sandbox)?,
        };
        let (_, pids) = self.of(Controller::Pids);
        // The same names on v1 and v2 (Documentation/admin-guide/cgroup-v2.rst, "memory.stat").
        let (version, memory) = self.of(Controller::Memory);
        // The peak cannot exceed the limit: a process that reached it was killed for it, whatever the failure
        // counters say.
        let is_full = |limits: GroupLimits| {
            memory_peak_bytes
                .filter(|peak| self.since_reset.is_new(*peak))
                .is_some_and(|peak| peak.saturating_add(FULL_WITHIN_BYTES) >= limits.memory_bytes)
        };
        let own_limit_hit = oom_kills == 0
            || self.limits.is_some_and(is_full)
            || match version {
                // How often the limit was reached; a kill because of another group's limit, or on the host,
                // does not count here. If swap is accounted, memory and swap together are charged first, and
                // only that counter increases.
                Version::V1 => {
                    memory.number_if_present("memory.failcnt")? != Some(0)
                        || memory
                            .number_if_present(v1::MEMORY_AND_SWAP_FAILURES)?
                            .is_some_and(|count| count > 0)
                }
                Version::V2 => self.since_reset.was_limit_hit(memory)?,
            };
        Ok(GroupUsage {
            memory_peak_bytes,
            file_cache_bytes: memory.keyed_sum("memory.stat", &["inactive_file", "active_file"])?,
            oom_kills,
            oom_from_outside: !own_limit_hit,
            pids_peak: v2::pids_peak(pids)?,
            pids_limit_hits: v2::pids_limit_hits(pids)?,
            cpu_time_us,
        })
    }

    /// Resets the memory peak, and what tells whose limit was reached. False if the kernel cannot reset the
    /// peak: v2 before Linux 6.12.
    pub fn reset_memory_peak(&mut self) -> bool {
        let memory = self.instance.part_of(Controller::Memory);
        let group = Group { ops: &*self.instance.ops, dir: self.dirs[memory].as_fd() };
        match self.instance.parts[memory].hierarchy.version {
            Version::V1 => v1::reset_memory_peak(group).is_ok(),
            Version::V2 => self.since_reset.reset(group),
        }
    }

    /// Drops what the kernel caches for the sandbox: names whose lookup failed, and pages of files that it
    /// was the first to read. They would outlive the group, charged to its parent, and a later program could
    /// find out by the time of a lookup what this one had looked up. Call it when the sandbox's processes are
    /// dead.
    ///
    /// As far as the kernel can: v1 `memory.force_empty`, v2 `memory.reclaim` (Linux 5.19).
    pub fn forget(&self) {
        let (version, memory) = self.of(Controller::Memory);
        let _ = match version {
            Version::V1 => memory.write("memory.force_empty", "0"),
            Version::V2 => match memory.number_if_present("memory.current") {
                // EAGAIN means that less could be reclaimed than requested.
                Ok(Some(bytes)) if bytes > 0 => memory.write("memory.reclaim", &bytes.to_string()),
                _ => Ok(()),
            },
        };
    }

    /// Stops every process of the sandbox. Returns when the kernel reports that none runs: within
    /// [`crate::ManagerConfig::removal_wait_ms`], or with an error. Blocks for that time. May be repeated.
    ///
    /// # Errors
    /// [`FreezeError`]. The sandbox runs, unless it could not be thawed; [`Self::thaw`] tells.
    pub fn freeze(&mut self) -> Result<(), FreezeError> {
        self.freezer.freeze(&self.instance, &self.dir_name, &self.dirs)
    }

    /// Lets the processes continue, also those that a failed [`Self::freeze`] left frozen. Does nothing if
    /// none is frozen.
    ///
    /// # Errors
    /// [`FreezeError`].
    pub fn thaw(&mut self) -> Result<(), FreezeError> {
        self.freezer.thaw(&self.instance, &self.dirs)
    }

    /// Kills every process in the group and waits until none is left. The group remains usable; dead
    /// processes that are not reaped yet still count towards `pids_max`.
    ///
    /// # Errors
    /// [`CgroupError::NotKilled`] after the manager's waiting time.
    pub fn kill(&self) -> Result<(), CgroupError> {
        if let Some(group) = self.freezer.v1_group(&self.instance) {
            kill_all(group, &mut self.instance.patience())?;
        }
        // A process may have joined only some of the hierarchies, so check all of them.
        for index in self.instance.removal_order() {
            kill_all(self.group(index), &mut self.instance.patience())?;
        }
        Ok(())
    }

    /// Kills all processes in the group and removes it.
    ///
    /// # Errors
    /// [`CgroupError::NotRemoved`] with the groups that remain after the waiting time; tried again by
    /// [`crate::Manager::retry_leftovers`].
    pub fn destroy(mut self) -> Result<(), CgroupError> {
        let paths = self.remove();
        if paths.is_empty() { Ok(()) } else { Err(CgroupError::NotRemoved { paths }) }
    }

    /// Removes what was created; returns and records what could not be removed. Does nothing when called
    /// again.
    fn remove(&mut self) -> Vec<PathBuf> {
        let made = self.dirs.len();
        // First, since what is frozen there dies in no other hierarchy.
        let frozen = self.freezer.remove(&self.instance, &self.dir_name);
        let left =
            self.instance.removal_order().filter(|index| *index < made).filter_map(|i| self.remove_from(i));
        let left = frozen.into_iter().chain(left).collect();
        self.dirs.clear();
        left
    }

    /// Removes the group in one hierarchy; returns and records the path on failure.
    fn remove_from(&self, index: usize) -> Option<PathBuf> {
        let instance = &*self.instance;
        let mut patience = instance.patience();
        let result = remove_tree(&*instance.ops, instance.dir(index), &self.dir_name, &mut patience, &mut 0);
        result.err().map(|_| {
            instance.note_leftover(Location::HierarchyPart(index), &self.dir_name);
            self.path(index)
        })
    }

    fn of(&self, controller: Controller) -> (Version, Group<'_>) {
        let index = self.instance.part_of(controller);
        (self.instance.parts[index].hierarchy.version, self.group(index))
    }

    fn group(&self, index: usize) -> Group<'_> {
        Group { ops: &*self.instance.ops, dir: self.dirs[index].as_fd() }
    }

    fn path(&self, index: usize) -> PathBuf {
        self.instance.parts[index].hierarchy.parent.join(&self.instance.name).join(&self.dir_name)
    }
}

impl Drop for SandboxGroup {
    fn drop(&mut self) {
        if self.instance.is_owner() {
            self.remove();
        }
    }
}
