//! Checks which limits this host's kernel enforces, by setting them on a scratch group.

use std::fmt;
use std::sync::Arc;

use crate::cell::CellGroup;
use crate::error::CgroupError;
use crate::instance::{Instance, SwapControl};
use crate::limits::CellLimits;

/// Limits that no setting has, so that a value read back is the one we wrote.
const CHECK_LIMITS: CellLimits =
    CellLimits { memory_bytes: 48 << 20, pids_max: 7, cpu_quota_us: Some(30_000), cpu_period_us: 60_000 };

/// A limit that a sandbox relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WallKind {
    /// Memory with tmpfs and page cache.
    Memory,
    /// No swap beyond the memory limit.
    Swap,
    /// Number of processes and threads.
    Pids,
    /// CPU bandwidth.
    Cpu,
}

impl fmt::Display for WallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Swap => "swap",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        })
    }
}

/// Whether a limit is enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WallState {
    /// The kernel enforces the limit.
    Enforced,
    /// It is partly enforced; `why` says what is not.
    Weak {
        /// What is not enforced.
        why: String,
        /// The command or setting that fixes it.
        fix: String,
    },
    /// It is not enforced.
    Missing {
        /// The error, with its causes.
        why: String,
        /// The command or setting that fixes it.
        fix: String,
    },
}

/// One limit and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wall {
    /// The limit.
    pub kind: WallKind,
    /// Whether it is enforced.
    pub state: WallState,
}

pub(crate) fn check(instance: &Arc<Instance>) -> Vec<Wall> {
    const KINDS: [WallKind; 4] = [WallKind::Memory, WallKind::Swap, WallKind::Pids, WallKind::Cpu];
    let cell = CellGroup::create_bare(instance, instance.check_name());
    let state = |kind| match &cell {
        Ok(cell) => try_wall(instance, cell, kind),
        Err(error) => missing(kind, error),
    };
    KINDS.into_iter().map(|kind| Wall { kind, state: state(kind) }).collect()
}

fn try_wall(instance: &Instance, cell: &CellGroup, kind: WallKind) -> WallState {
    let result = match kind {
        WallKind::Memory => cell.set_memory(&CHECK_LIMITS),
        WallKind::Swap => cell.set_swap(&CHECK_LIMITS),
        WallKind::Pids => cell.set_pids(&CHECK_LIMITS),
        WallKind::Cpu => cell.set_cpu(&CHECK_LIMITS),
    };
    match result {
        Err(error) => missing(kind, &error),
        Ok(()) if kind == WallKind::Swap => swap_state(instance.swap, host_has_swap()),
        Ok(()) => WallState::Enforced,
    }
}

fn swap_state(control: SwapControl, host_has_swap: bool) -> WallState {
    let fix = || fix(WallKind::Swap).to_owned();
    match control {
        SwapControl::MemoryAndSwap | SwapControl::SwapMax => WallState::Enforced,
        _ if !host_has_swap => WallState::Enforced,
        SwapControl::Swappiness => WallState::Weak {
            why: "this kernel does not account swap; the sandbox's own reclaim does not swap, but when the whole host \
                  is short of memory it may, and the sandbox can then use as much again"
                .to_owned(),
            fix: fix(),
        },
        SwapControl::Nothing => {
            WallState::Missing { why: "this kernel cannot limit the swap of a group".to_owned(), fix: fix() }
        }
    }
}

/// Assumes swap if unknown.
fn host_has_swap() -> bool {
    // A heading line, then one line per device.
    std::fs::read_to_string("/proc/swaps").map_or(true, |text| text.lines().count() > 1)
}

fn missing(kind: WallKind, error: &CgroupError) -> WallState {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        why = format!("{why}: {error}");
        cause = error.source();
    }
    WallState::Missing { why, fix: fix(kind).to_owned() }
}

fn fix(kind: WallKind) -> &'static str {
    match kind {
        WallKind::Memory => "boot without `cgroup_disable=memory`, on a kernel with CONFIG_MEMCG",
        WallKind::Swap => "boot with `swapaccount=1`, or disable swap with `swapoff -a`",
        WallKind::Pids => "use a kernel with CONFIG_CGROUP_PIDS",
        WallKind::Cpu => {
            "use a kernel with CONFIG_CFS_BANDWIDTH; a parent group must not have a smaller quota"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_judged_by_what_the_kernel_offers_and_the_host_has() {
        assert_eq!(swap_state(SwapControl::SwapMax, true), WallState::Enforced);
        assert_eq!(swap_state(SwapControl::Nothing, false), WallState::Enforced);
        assert!(matches!(swap_state(SwapControl::Swappiness, true), WallState::Weak { .. }));
        assert!(matches!(swap_state(SwapControl::Nothing, true), WallState::Missing { .. }));
    }
}
