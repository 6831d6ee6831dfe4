//! Limits on all programs of a user with delegated groups together. v1 only: there a process in the user's
//! group is in no other, so a limit that an administrator put on the user elsewhere does not apply to it.

use crate::controller::Controller;
use crate::error::CgroupError;
use crate::group::Group;
use crate::layout::Hierarchy;
use crate::v1;

/// The period of the CPU quota, in microseconds; the kernel's default (sched-bwc.rst).
const CPU_PERIOD_US: u64 = 100_000;
/// The kernel shows "no limit" as its largest page count (memory.rst, 3): above any host's memory.
const MEMORY_BYTES_UNLIMITED: u64 = 1 << 60;
const MEMORY_LIMIT: &str = "memory.limit_in_bytes";
const PIDS_LIMIT: &str = "pids.max";
const CPU_QUOTA: &str = "cpu.cfs_quota_us";
const CPU_PERIOD: &str = "cpu.cfs_period_us";

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// No limit.
    Max,
    /// This value.
    At(u64),
}

/// Limits to set; `None` leaves one unchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DelegatedLimits {
    /// Memory with tmpfs and page cache, and no swap beyond it, in bytes.
    pub memory_bytes: Option<Bound>,
    /// Processes and threads at once.
    pub pids_max: Option<Bound>,
    /// CPU time in microseconds per 100,000 microseconds.
    pub cpu_quota_us: Option<Bound>,
}

impl DelegatedLimits {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Sets the limits of the hierarchy's controllers on the user's group.
    pub(crate) fn apply(&self, group: Group<'_>, hierarchy: &Hierarchy) -> Result<(), CgroupError> {
        if let (true, Some(bound)) = (hierarchy.has(Controller::Memory), self.memory_bytes) {
            set_memory(group, bound)?;
        }
        if let (true, Some(bound)) = (hierarchy.has(Controller::Pids), self.pids_max) {
            match bound {
                Bound::Max => group.write_exact(PIDS_LIMIT, "max")?,
                Bound::At(count) => group.write_exact(PIDS_LIMIT, &count.to_string())?,
            }
        }
        if let (true, Some(bound)) = (hierarchy.has(Controller::Cpu), self.cpu_quota_us) {
            match bound {
                Bound::Max => group.write_exact(CPU_QUOTA, "-1")?,
                Bound::At(quota) => {
                    // An existing quota may be too large for the period.
                    group.write_exact(CPU_QUOTA, "-1")?;
                    group.write_exact(CPU_PERIOD, &CPU_PERIOD_US.to_string())?;
                    group.write_exact(CPU_QUOTA, &quota.to_string())?;
                }
            }
        }
        Ok(())
    }
}

/// The limits of a user's groups; `None` if unlimited, or on v2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) pids_max: Option<u64>,
    pub(crate) cpu_quota_us: Option<u64>,
}

impl InForce {
    /// Reads the limits of the hierarchy's controllers.
    pub(crate) fn read(&mut self, group: Group<'_>, hierarchy: &Hierarchy) -> Result<(), CgroupError> {
        if hierarchy.has(Controller::Memory) {
            let bytes = group.number(MEMORY_LIMIT)?;
            self.memory_bytes = Some(bytes).filter(|bytes| *bytes < MEMORY_BYTES_UNLIMITED);
        }
        if hierarchy.has(Controller::Pids) && group.read(PIDS_LIMIT)?.trim() != "max" {
            self.pids_max = Some(group.number(PIDS_LIMIT)?);
        }
        if hierarchy.has(Controller::Cpu) && group.read(CPU_QUOTA)?.trim() != "-1" {
            let (quota, period) = (group.number(CPU_QUOTA)?, group.number(CPU_PERIOD)?);
            self.cpu_quota_us = Some(quota.saturating_mul(CPU_PERIOD_US) / period.max(1));
        }
        Ok(())
    }
}

/// Sets memory, and memory and swap together, which may never be less (memory.rst, 8.3): the larger one
/// first.
fn set_memory(group: Group<'_>, bound: Bound) -> Result<(), CgroupError> {
    // If the groups below are not counted in this one, its limit has no effect; only kernels before 5.11 can
    // be configured.
    if group.read_if_present("memory.use_hierarchy")?.is_some_and(|text| text.trim() == "0") {
        group.write("memory.use_hierarchy", "1")?;
    }
    let with_swap = group.number_if_present(v1::MEMORY_AND_SWAP_LIMIT)?;
    let write = |file: &str| match bound {
        Bound::Max => group.write_kept(file, "-1", |kept| {
            kept.parse().is_ok_and(|kept: u64| kept >= MEMORY_BYTES_UNLIMITED)
        }),
        Bound::At(bytes) => group.write_bytes(file, bytes),
    };
    let is_raised = |now: u64| match bound {
        Bound::Max => true,
        Bound::At(bytes) => bytes > now,
    };
    match with_swap {
        Some(now) if is_raised(now) => {
            write(v1::MEMORY_AND_SWAP_LIMIT)?;
            write(MEMORY_LIMIT)
        }
        Some(_) => {
            write(MEMORY_LIMIT)?;
            write(v1::MEMORY_AND_SWAP_LIMIT)
        }
        None => write(MEMORY_LIMIT),
    }
}
