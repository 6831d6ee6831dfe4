//! The files of cgroup v2 (kernel Documentation/admin-guide/cgroup-v2.rst), and those common to both
//! versions.

use std::os::fd::{AsFd, OwnedFd};

use crate::controller::Controller;
use crate::error::CgroupError;
use crate::group::Group;
use crate::layout::Hierarchy;
use crate::limits::GroupLimits;

/// Swap of the group. Only with CONFIG_SWAP, and on some kernels only with `swapaccount=1`.
pub(crate) const SWAP_LIMIT: &str = "memory.swap.max";
pub(crate) const CONTROLLERS: &str = "cgroup.controllers";
pub(crate) const SUBTREE_CONTROL: &str = "cgroup.subtree_control";

/// Those of the hierarchy's controllers that a group must hand down. CPU time is always accounted.
pub(crate) fn wanted(hierarchy: &Hierarchy) -> impl Iterator<Item = &'static str> {
    hierarchy.controllers.iter().filter(|controller| **controller != Controller::Cpuacct).map(|c| c.name())
}

/// The wanted controllers missing in this file (`cgroup.controllers`, `cgroup.subtree_control`).
pub(crate) fn missing(
    group: Group<'_>,
    file: &str,
    hierarchy: &Hierarchy,
) -> Result<Vec<&'static str>, CgroupError> {
    let text = group.read(file)?;
    Ok(wanted(hierarchy).filter(|name| !text.split_whitespace().any(|listed| listed == *name)).collect())
}

/// Hands the wanted controllers down to the children. Does nothing if they are already handed down, which is
/// all that a user without permissions on an ancestor needs.
pub(crate) fn delegate_controllers(group: Group<'_>, hierarchy: &Hierarchy) -> Result<(), CgroupError> {
    let missing_names = missing(group, SUBTREE_CONTROL, hierarchy)?;
    if missing_names.is_empty() {
        return Ok(());
    }
    let value = missing_names.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ");
    group.write_kept(SUBTREE_CONTROL, &value, |kept| {
        wanted(hierarchy).all(|name| kept.split_whitespace().any(|listed| listed == name))
    })
}

pub(crate) fn set_memory(sandbox: Group<'_>, limits: &GroupLimits) -> Result<(), CgroupError> {
    sandbox.write_bytes("memory.max", limits.memory_bytes)
}

pub(crate) fn set_no_swap(sandbox: Group<'_>) -> Result<(), CgroupError> {
    sandbox.write_exact(SWAP_LIMIT, "0")
}

/// Without group kill the trusted first process of the sandbox, small and old, outlives the program that used
/// the memory, and can still report.
pub(crate) fn set_single_kills(sandbox: Group<'_>) -> Result<(), CgroupError> {
    sandbox.write_exact("memory.oom.group", "0")
}

/// The same file on v1 and v2.
pub(crate) fn set_pids(sandbox: Group<'_>, limits: &GroupLimits) -> Result<(), CgroupError> {
    sandbox.write_exact("pids.max", &limits.pids_max.to_string())
}

pub(crate) fn set_cpu(sandbox: Group<'_>, limits: &GroupLimits) -> Result<(), CgroupError> {
    let quota = limits.cpu_quota_us.map_or_else(|| "max".to_owned(), |quota| quota.to_string());
    sandbox.write_exact("cpu.max", &format!("{quota} {}", limits.cpu_period_us))
}

const MEMORY_PEAK: &str = "memory.peak";

/// Since the last reset, if there was one.
pub(crate) fn memory_peak_bytes(sandbox: Group<'_>, since: &SinceReset) -> Result<Option<u64>, CgroupError> {
    match &since.peak {
        Some(open) => sandbox.number_in(open.as_fd(), MEMORY_PEAK).map(Some),
        None => sandbox.number_if_present(MEMORY_PEAK),
    }
}

/// What a reset leaves for the readings after it.
#[derive(Debug, Default)]
pub(crate) struct SinceReset {
    /// The file whose peak was reset: the kernel does that for the readers of one open file (cgroup-v2.rst,
    /// "memory.peak").
    peak: Option<OwnedFd>,
    /// Where it could not be reset: the peak at that time.
    peak_bytes: u64,
    /// How often the limit had been reached.
    limit_hits: u64,
}

impl SinceReset {
    /// Resets the peak of memory. Without success (before Linux 6.12) it stays the group's, but
    /// [`Self::is_new`] and [`Self::was_limit_hit`] are about the time since.
    pub(crate) fn reset(&mut self, sandbox: Group<'_>) -> bool {
        self.limit_hits = limit_hits(sandbox).ok().flatten().unwrap_or(0);
        self.peak = sandbox.ops.open_and_write(sandbox.dir, MEMORY_PEAK, "reset").ok();
        self.peak_bytes = match &self.peak {
            Some(_) => 0,
            None => sandbox.number_if_present(MEMORY_PEAK).ok().flatten().unwrap_or(0),
        };
        self.peak.is_some()
    }

    /// Whether a peak was reached after the reset.
    pub(crate) fn is_new(&self, peak_bytes: u64) -> bool {
        peak_bytes > self.peak_bytes
    }

    /// Whether the group's own limit was reached after the reset; kills because of another group's limit, or
    /// on the host, do not count. True if the kernel does not say.
    pub(crate) fn was_limit_hit(&self, sandbox: Group<'_>) -> Result<bool, CgroupError> {
        Ok(limit_hits(sandbox)?.is_none_or(|hits| hits > self.limit_hits))
    }
}

fn limit_hits(sandbox: Group<'_>) -> Result<Option<u64>, CgroupError> {
    sandbox.keyed("memory.events", "oom")
}

pub(crate) fn oom_kills(sandbox: Group<'_>) -> Result<u64, CgroupError> {
    Ok(sandbox.keyed("memory.events", "oom_kill")?.unwrap_or(0))
}

/// The same file on v1 and v2.
pub(crate) fn pids_peak(sandbox: Group<'_>) -> Result<Option<u64>, CgroupError> {
    sandbox.number_if_present("pids.peak")
}

/// The same file on v1 and v2. A sandbox has no limited group below its own, so kernels before and after
/// 6.11, which count at different levels, agree here.
pub(crate) fn pids_limit_hits(sandbox: Group<'_>) -> Result<u64, CgroupError> {
    Ok(sandbox.keyed("pids.events", "max")?.unwrap_or(0))
}

pub(crate) fn cpu_time_us(sandbox: Group<'_>) -> Result<u64, CgroupError> {
    Ok(sandbox.keyed("cpu.stat", "usage_usec")?.unwrap_or(0))
}
