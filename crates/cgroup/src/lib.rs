//! Cgroups (v1, v2 and hybrid hosts) for the native executor.
//!
//! ```text
//! <hierarchy>/python-sandbox/             the parent, one per host (or per user, when delegated)
//!     i-<32 hex digits>/                  one per running service; its owner holds an flock on it; a limit on the total
//!         h-launcher/                     the launcher and its templates
//!         c-<name>/                       one per sandbox, with its limits
//! ```
//!
//! Reads from a disk are limited for a whole instance ([`Reads`]), on v1 by an additional group of the same
//! name. A sandbox that is frozen ([`SandboxGroup::freeze`]) gets an additional group on v1, in an instance's
//! group that is made with the first.
//!
//! [`Layout`] determines the location of that tree in each hierarchy with one of the four [`Controller`]s; it
//! is pure and tested on captured texts. [`Manager`] owns the instance, [`SandboxGroup`] one sandbox's group.
//!
//! **Liveness.** A running service holds `flock(LOCK_EX)` on its instance directory in the hierarchy with the
//! memory controller. The kernel releases the lock with the last descriptor, even after SIGKILL, so an
//! instance whose lock can be acquired has no owner, and [`Manager::sweep`] may remove it. That directory is
//! created first and removed last: a group of ours without its locked counterpart has no owner either. The
//! directories have mode 0700, so that no other user can hold the lock instead of the owner.
//!
//! **Forks.** The lock is held as long as any copy of the descriptor is open. The descriptor is
//! close-on-exec; a process forked from the owner that does not exec must close it, as every process of a
//! sandbox does anyway.
//!
//! **Blocking.** Freezing, killing and removing wait for the kernel, for at most
//! [`ManagerConfig::removal_wait_ms`]. Do not call them on an async thread.

mod above;
mod check;
mod controller;
mod delegate;
mod delegate_limits;
mod detect;
mod disk;
mod error;
mod freezer;
mod group;
mod instance;
mod layout;
mod limits;
mod manager;
mod meminfo;
mod mountinfo;
mod ops;
mod parent;
mod reads;
mod remount;
mod remove;
mod sandbox_group;
mod scope;
mod sweep;
mod total;
mod v1;
mod v2;

#[cfg(test)]
mod tests;

pub use check::{LimitCheck, LimitKind, LimitState};
pub use controller::Controller;
pub use delegate::{DelegateError, Delegated, delegate};
pub use delegate_limits::{Bound, DelegatedLimits};
pub use detect::{FsView, HostView};
pub use disk::{Disk, DiskError};
pub use error::{CgroupError, ControllerProblem, DetectError, FreezeError, Reason};
pub use layout::{Hierarchy, Layout, Version};
pub use limits::{GroupLimits, GroupUsage};
pub use manager::{Manager, ManagerConfig};
pub use meminfo::{host_memory_bytes, memory_bytes_in};
pub use reads::{ReadLimitError, Reads};
pub use remount::{RemountError, make_writable};
pub use sandbox_group::SandboxGroup;
pub use scope::scope_helps;
pub use sweep::{SweepFailure, SweepReport};
pub use total::{Total, TotalLimits, Totals};
