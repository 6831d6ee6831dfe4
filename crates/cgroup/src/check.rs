//! Checks which limits this host's kernel enforces, by setting them on a scratch group.

use std::fmt;
use std::sync::Arc;

use crate::error::CgroupError;
use crate::instance::{Instance, SwapControl};
use crate::limits::GroupLimits;
use crate::sandbox_group::SandboxGroup;

/// Limits that no setting has, so that a value read back is the one we wrote.
const CHECK_LIMITS: GroupLimits =
    GroupLimits { memory_bytes: 48 << 20, pids_max: 7, cpu_quota_us: Some(30_000), cpu_period_us: 60_000 };

/// A limit that a sandbox relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// Memory with tmpfs and page cache.
    Memory,
    /// No swap beyond the memory limit.
    Swap,
    /// Number of processes and threads.
    Pids,
    /// CPU bandwidth.
    Cpu,
}

impl fmt::Display for LimitKind {
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
pub enum LimitState {
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
pub struct LimitCheck {
    /// The limit.
    pub kind: LimitKind,
    /// Whether it is enforced.
    pub state: LimitState,
}

pub(crate) fn check(instance: &Arc<Instance>) -> Vec<LimitCheck> {
    const KINDS: [LimitKind; 4] = [LimitKind::Memory, LimitKind::Swap, LimitKind::Pids, LimitKind::Cpu];
    let sandbox = SandboxGroup::create_bare(instance, instance.check_name());
    let state = |kind| match &sandbox {
        Ok(sandbox) => check_limit(instance, sandbox, kind),
        Err(error) => missing(kind, error),
    };
    KINDS.into_iter().map(|kind| LimitCheck { kind, state: state(kind) }).collect()
}

fn check_limit(instance: &Instance, sandbox: &SandboxGroup, kind: LimitKind) -> LimitState {
    let result = match kind {
        LimitKind::Memory => sandbox.set_memory(&CHECK_LIMITS),
        LimitKind::Swap => sandbox.set_swap(&CHECK_LIMITS),
        LimitKind::Pids => sandbox.set_pids(&CHECK_LIMITS),
        LimitKind::Cpu => sandbox.set_cpu(&CHECK_LIMITS),
    };
    match result {
        Err(error) => missing(kind, &error),
        Ok(()) if kind == LimitKind::Swap => swap_state(instance.swap, host_has_swap()),
        Ok(()) => LimitState::Enforced,
    }
}

fn swap_state(control: SwapControl, host_has_swap: bool) -> LimitState {
    let fix = || fix(LimitKind::Swap).to_owned();
    match control {
        SwapControl::MemoryAndSwap | SwapControl::SwapMax => LimitState::Enforced,
        _ if !host_has_swap => LimitState::Enforced,
        SwapControl::Swappiness => LimitState::Weak {
            why: "this kernel does not account swap; the sandbox's own reclaim does not swap, but when the whole host \
                  is short of memory it may, and the sandbox can then use as much again"
                .to_owned(),
            fix: fix(),
        },
        SwapControl::Nothing => {
            LimitState::Missing { why: "this kernel cannot limit the swap of a group".to_owned(), fix: fix() }
        }
    }
}

/// Assumes swap if unknown.
fn host_has_swap() -> bool {
    // A heading line, then one line per device.
    std::fs::read_to_string("/proc/swaps").map_or(true, |text| text.lines().count() > 1)
}

fn missing(kind: LimitKind, error: &CgroupError) -> LimitState {
    LimitState::Missing { why: support::error_chain(error), fix: fix(kind).to_owned() }
}

fn fix(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::Memory => "boot without `cgroup_disable=memory`, on a kernel with CONFIG_MEMCG",
        LimitKind::Swap => "boot with `swapaccount=1`, or disable swap with `swapoff -a`",
        LimitKind::Pids => "use a kernel with CONFIG_CGROUP_PIDS",
        LimitKind::Cpu => {
            "use a kernel with CONFIG_CFS_BANDWIDTH; a parent group must not have a smaller quota"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_judged_by_what_the_kernel_offers_and_the_host_has() {
        assert_eq!(swap_state(SwapControl::SwapMax, true), LimitState::Enforced);
        assert_eq!(swap_state(SwapControl::Nothing, false), LimitState::Enforced);
        assert!(matches!(swap_state(SwapControl::Swappiness, true), LimitState::Weak { .. }));
        assert!(matches!(swap_state(SwapControl::Nothing, true), LimitState::Missing { .. }));
    }
}
