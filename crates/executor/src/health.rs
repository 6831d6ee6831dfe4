//! An executor's health.

use std::collections::BTreeMap;

/// Whether an executor is ready, with the protections that are in force on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// True when sandboxes can be made with every protection that the contract guarantees.
    pub healthy: bool,
    /// When not healthy: what is missing, and the command or setting that fixes it.
    pub reason: Option<String>,
    /// Each protection by its name, such as `seccomp` or `memory_limit`.
    pub protections: BTreeMap<&'static str, Protection>,
    /// Idle sandboxes, ready for use.
    pub warm: usize,
}

impl Health {
    /// An executor that cannot work, and the reason.
    #[must_use]
    pub fn unhealthy(reason: impl Into<String>) -> Self {
        Self { healthy: false, reason: Some(reason.into()), protections: BTreeMap::new(), warm: 0 }
    }
}

/// One protection on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// True when it was verified.
    pub enforced: bool,
    /// How it is enforced, or why not.
    pub detail: String,
}
