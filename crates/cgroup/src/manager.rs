//! The owner of a service's groups: makes its cells, checks the limits, sweeps what dead services left. The groups
//! themselves are an [`Instance`], shared with the cells.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::above::memory_left;
use crate::cell::CellGroup;
use crate::check::{Wall, check};
use crate::error::CgroupError;
use crate::instance::Instance;
use crate::layout::Layout;
use crate::limits::CellLimits;
use crate::ops::{HostOps, Ops};
use crate::reads::Reads;
use crate::sweep::{SweepReport, sweep};
use crate::total::{self, TotalLimits, Totals};

/// How a manager works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagerConfig {
    /// How long killing and removing one group may wait for the kernel, in milliseconds. What is left then is
    /// reported, and tried again by the next sweep.
    pub removal_wait_ms: u64,
}

impl Default for ManagerConfig {
    /// 2 seconds: a killed process with gigabytes of memory needs some hundred milliseconds to be gone.
    fn default() -> Self {
        Self { removal_wait_ms: 2_000 }
    }
}

/// Owns the group of this service and makes cells in it. Dropping it and all of its cells removes the group.
#[derive(Debug)]
pub struct Manager {
    pub(crate) instance: Arc<Instance>,
}

impl Manager {
    /// Makes the group of this service in every hierarchy, and marks it as alive.
    ///
    /// On v2 in a delegated or a container's group this moves the processes of that group into the leaf
    /// `python-sandbox-service` first. What a killed predecessor left is not touched: call [`Self::sweep`].
    ///
    /// # Errors
    /// [`CgroupError`]; nothing of the instance is left then.
    pub fn open(layout: Layout, config: ManagerConfig) -> Result<Self, CgroupError> {
        Self::open_with(&layout, config, &(Arc::new(HostOps) as Arc<dyn Ops>))
    }

    pub(crate) fn open_with(
        layout: &Layout,
        config: ManagerConfig,
        ops: &Arc<dyn Ops>,
    ) -> Result<Self, CgroupError> {
        let removal_wait = Duration::from_millis(config.removal_wait_ms);
        Ok(Self { instance: Arc::new(Instance::open(layout, removal_wait, ops)?) })
    }

    /// Kills and removes what services that are dead left below the same parent, and retries what this one could
    /// not remove. Live instances and groups without our kind of name are not touched.
    #[must_use]
    pub fn sweep(&self) -> SweepReport {
        sweep(&self.instance)
    }

    /// Makes a cell with its limits set and read back. `name` has 1 to 64 letters, digits, `-` or `_`.
    ///
    /// # Errors
    /// [`CgroupError`]; nothing of the cell is left then.
    pub fn create(&self, name: &str, limits: &CellLimits) -> Result<CellGroup, CgroupError> {
        CellGroup::create(&self.instance, name, limits)
    }

    /// Makes the group of the launcher and its templates, beside the cells: what those start is counted and bounded there,
    /// and swept with the rest. `pids_max`: processes and threads at once.
    ///
    /// # Errors
    /// [`CgroupError`]; nothing of the group is left then.
    pub fn create_for_helpers(&self, pids_max: u64) -> Result<CellGroup, CgroupError> {
        CellGroup::create_for_helpers(&self.instance, pids_max)
    }

    /// Bounds what all groups of this service use together. Gives the limits in force.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn limit_total(&self, totals: &Totals) -> Result<TotalLimits, CgroupError> {
        total::limit(&self.instance, totals)
    }

    /// Memory in bytes that the groups of this service may still take: what the host has available, or less by the limit on
    /// all of them together ([`Self::limit_total`]) and by those of the groups above.
    #[must_use]
    pub fn memory_left(&self) -> Option<u64> {
        memory_left(&self.instance)
    }

    /// What bounds reads from a disk, of all groups of this service together.
    #[must_use]
    pub fn reads(&self) -> Reads {
        Reads { instance: Arc::clone(&self.instance) }
    }

    /// Tries on a scratch cell which limits the kernel takes here. One entry per wall.
    #[must_use]
    pub fn check(&self) -> Vec<Wall> {
        check(&self.instance)
    }

    /// The group of this service in each hierarchy.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.instance.places.iter().map(|place| place.hierarchy.parent.join(&self.instance.name)).collect()
    }
}
