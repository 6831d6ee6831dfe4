//! What the service is doing now, and what it counts besides executions: for a page of metrics.

use crate::admission::Load;
use crate::health::Probed;
use access::{KeysHealth, LimitsSnapshot};
use executor::LinkStats;
use storage::ObjectStoreStats;

/// The state of the service at one moment.
#[derive(Debug, Clone)]
pub struct ServiceSnapshot {
    /// The current load.
    pub load: Load,
    /// Whether work is accepted, as `/health` says; false until the first probes have ended.
    pub ready: bool,
    /// True once the service accepts no new work.
    pub shutting_down: bool,
    /// Every active executor, in the order in which they are tried.
    pub executors: Vec<ExecutorSnapshot>,
    /// The store; `None` without one, and until the first probes have ended.
    pub storage: Option<StorageSnapshot>,
    /// The API keys.
    pub keys: KeysHealth,
    /// The limits of callers.
    pub limits: LimitsSnapshot,
    /// How often the observer panicked.
    pub observer_panics: u64,
}

/// The state of one executor.
#[derive(Debug, Clone)]
pub struct ExecutorSnapshot {
    /// Programs are sent to it: it is not down, and its last probe was good.
    pub is_up: bool,
    /// What the chain and the executor count.
    pub stats: LinkStats,
}

/// The state of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageSnapshot {
    /// `local`, `s3`, ...
    pub provider: &'static str,
    /// Its last probe was good.
    pub is_up: bool,
    /// What it has done with its object store; `None` if it has none.
    pub object_store: Option<ObjectStoreStats>,
}

impl ExecutorSnapshot {
    pub(crate) fn new(stats: LinkStats, probed: Option<&Probed>) -> Self {
        let probe = probed.and_then(|probed| probed.providers.iter().find(|other| other.name == stats.name));
        let is_up = !stats.is_down && probe.is_some_and(|probe| probe.health.healthy);
        Self { is_up, stats }
    }
}
