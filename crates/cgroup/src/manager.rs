//! The owner of a service's groups: creates its sandboxes' groups, checks the limits, sweeps what dead
//! services left. The groups themselves are an [`Instance`], shared with the sandboxes' groups.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::above::{memory_left, memory_used};
use crate::check::{LimitCheck, check};
use crate::error::CgroupError;
use crate::instance::Instance;
use crate::layout::Layout;
use crate::limits::GroupLimits;
use crate::ops::{HostOps, Ops};
use crate::reads::Reads;
use crate::sandbox_group::SandboxGroup;
use crate::sweep::{SweepReport, retry_leftovers, sweep};
use crate::total::{self, TotalLimits, Totals};

/// Configuration of a manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagerConfig {
    /// How long freezing a group, and killing and removing one, may wait for the kernel, in milliseconds.
    /// What remains then is reported, and removed by [`Manager::retry_leftovers`] or a sweep.
    pub removal_wait_ms: u64,
}

impl Default for ManagerConfig {
    /// 2 seconds: a killed process with gigabytes of memory takes some hundred milliseconds to end.
    fn default() -> Self {
        Self { removal_wait_ms: 2_000 }
    }
}

/// Owns the group of this service and creates groups in it. Dropping it and all of those removes the group.
#[derive(Debug)]
pub struct Manager {
    pub(crate) instance: Arc<Instance>,
}

impl Manager {
    /// Creates the group of this service in every hierarchy, and locks it.
    ///
    /// On v2 in a delegated or a container's group this moves the processes of that group into the leaf
    /// `python-sandbox-service` first. Leftovers of a killed predecessor are not touched: call
    /// [`Self::sweep`].
    ///
    /// # Errors
    /// [`CgroupError`]; nothing of the instance remains then.
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

    /// Kills and removes what dead services left below the same parent, and retries what this one could not
    /// remove. Live instances and groups with other names are not touched.
    #[must_use]
    pub fn sweep(&self) -> SweepReport {
        sweep(&self.instance)
    }

    /// Kills and removes the groups of this service that could not be removed when their sandboxes ended.
    /// Reads nothing if there are none. Blocks, for each of them as long as its removal may wait, and stops
    /// between two of them once `goes_on` returns false.
    #[must_use]
    pub fn retry_leftovers(&self, goes_on: &dyn Fn() -> bool) -> SweepReport {
        retry_leftovers(&self.instance, goes_on)
    }

    /// Creates a sandbox's group with its limits set and read back. `name` has 1 to 64 letters, digits, `-`
    /// or `_`.
    ///
    /// # Errors
    /// [`CgroupError`]; nothing of the group remains then.
    pub fn create(&self, name: &str, limits: &GroupLimits) -> Result<SandboxGroup, CgroupError> {
        SandboxGroup::create(&self.instance, name, limits)
    }

    /// Creates the group of the launcher and its templates, beside the sandboxes': what those start is
    /// counted and limited there, and swept with the rest. `pids_max`: processes and threads at once.
    ///
    /// # Errors
    /// [`CgroupError`]; nothing of the group remains then.
    pub fn create_for_helpers(&self, pids_max: u64) -> Result<SandboxGroup, CgroupError> {
        SandboxGroup::create_for_helpers(&self.instance, pids_max)
    }

    /// Limits the total usage of all groups of this service. Returns the limits in effect.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn limit_total(&self, totals: &Totals) -> Result<TotalLimits, CgroupError> {
        total::limit(&self.instance, totals)
    }

    /// Memory in bytes still available to the groups of this service: what is available on the host, or less
    /// because of their total limit ([`Self::limit_total`]) or the limits of the groups above.
    #[must_use]
    pub fn memory_left(&self) -> Option<u64> {
        memory_left(&self.instance)
    }

    /// Memory in bytes that all groups of this service use together, as the kernel counts it, with their page
    /// cache; `None` where it cannot be read. Reads one small file.
    #[must_use]
    pub fn memory_used(&self) -> Option<u64> {
        memory_used(&self.instance)
    }

    /// The limit on reads from a disk, for all groups of this service together.
    #[must_use]
    pub fn reads(&self) -> Reads {
        Reads { instance: Arc::clone(&self.instance) }
    }

    /// Checks on a scratch group which limits the kernel enforces here. One entry per limit.
    #[must_use]
    pub fn check(&self) -> Vec<LimitCheck> {
        check(&self.instance)
    }

    /// The group of this service in each hierarchy.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.instance.parts.iter().map(|part| part.hierarchy.parent.join(&self.instance.name)).collect()
    }
}
