//! Readiness: the health of the executors, the store and the keys, checked in the background.
//!
//! A probe of an executor may cost a sandbox, one of the store writes to it. `/health` is open to everyone,
//! so it never probes: it shows the results of the last round.

use crate::admission::Load;
use access::KeysHealth;
use executor::{Chain, Health, ProviderStatus};
use std::sync::Arc;
use std::time::Duration;
use storage::{Store, StoreHealth};

/// Timeout of one round; what has not answered by then is unhealthy.
const PROBE_TIME_MAX: Duration = Duration::from_secs(20);

/// The service's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Everything that is configured works.
    Healthy,
    /// Work is accepted, but something configured does not work: the first executor, the store, or what
    /// observes executions.
    Degraded,
    /// No work can be accepted.
    Unhealthy,
}

impl Status {
    /// The API's name for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The last reported health of the executors and the store.
#[derive(Debug, Clone)]
pub struct Probed {
    /// The executor of the next program.
    pub in_use: Option<&'static str>,
    /// All active executors in the order in which they are tried.
    pub providers: Vec<ProviderStatus>,
    /// The store; `None` when storage is off.
    pub storage: Option<StorageStatus>,
}

/// The store's state.
#[derive(Debug, Clone)]
pub struct StorageStatus {
    /// `local`, `s3`, ...
    pub provider: &'static str,
    /// The health that it reports.
    pub health: StoreHealth,
}

/// The service's state.
#[derive(Debug, Clone)]
pub struct HealthReport {
    /// The overall state.
    pub status: Status,
    /// Results of the last round of probes.
    pub probed: Arc<Probed>,
    /// The API keys.
    pub keys: KeysHealth,
    /// What the observer cannot do.
    pub problem: Option<&'static str>,
    /// The current load.
    pub load: Load,
    /// True once the service accepts no new work.
    pub shutting_down: bool,
}

impl HealthReport {
    pub(crate) fn new(
        probed: Arc<Probed>,
        keys: KeysHealth,
        problem: Option<&'static str>,
        load: Load,
        shutting_down: bool,
    ) -> Self {
        // Without them nobody gets in.
        let can_check_keys = keys.problem.is_none();
        let first_works =
            probed.in_use.is_some() && probed.in_use == probed.providers.first().map(|p| p.name);
        let store_works = probed.storage.as_ref().is_none_or(|storage| storage.health.healthy);
        let status = match (probed.in_use, shutting_down || !can_check_keys) {
            (None, _) | (_, true) => Status::Unhealthy,
            (Some(_), false) if first_works && store_works && problem.is_none() => Status::Healthy,
            (Some(_), false) => Status::Degraded,
        };
        Self { status, probed, keys, problem, load, shutting_down }
    }

    /// Whether work can be accepted.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.status != Status::Unhealthy
    }
}

/// Asks each once, with a timeout.
pub(crate) async fn probe(chain: &Chain, store: Option<&Arc<dyn Store>>) -> Probed {
    let (executors, storage) = tokio::join!(probe_executors(chain), probe_store(store));
    Probed { storage, ..executors }
}

async fn probe_executors(chain: &Chain) -> Probed {
    match tokio::time::timeout(PROBE_TIME_MAX, chain.status()).await {
        Ok(status) => Probed { in_use: status.in_use, providers: status.providers, storage: None },
        Err(_elapsed) => {
            let reason = format!("did not answer within {} seconds", PROBE_TIME_MAX.as_secs());
            let unhealthy = |name| ProviderStatus { name, health: Health::unhealthy(reason.clone()) };
            let providers = chain.names().into_iter().map(unhealthy).collect();
            Probed { in_use: None, providers, storage: None }
        }
    }
}

async fn probe_store(store: Option<&Arc<dyn Store>>) -> Option<StorageStatus> {
    let store = store?;
    let health = match tokio::time::timeout(PROBE_TIME_MAX, store.health()).await {
        Ok(health) => health,
        Err(_elapsed) => StoreHealth::unhealthy("did not answer in time"),
    };
    Some(StorageStatus { provider: store.provider(), health })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(name: &'static str, healthy: bool) -> ProviderStatus {
        ProviderStatus { name, health: Health { healthy, ..Health::unhealthy("why") } }
    }

    fn status(first: bool, second: bool, store: Option<bool>, shutting_down: bool) -> Status {
        status_with(None, first, second, store, shutting_down)
    }

    fn status_with(
        problem: Option<&'static str>,
        first: bool,
        second: bool,
        store: Option<bool>,
        shutting_down: bool,
    ) -> Status {
        let providers = vec![provider("native", first), provider("docker", second)];
        let in_use = providers.iter().find(|p| p.health.healthy).map(|p| p.name);
        let storage = store.map(|healthy| StorageStatus {
            provider: "local",
            health: if healthy { StoreHealth::healthy() } else { StoreHealth::unhealthy("full") },
        });
        let probed = Arc::new(Probed { in_use, providers, storage });
        let state = access::KeysState::On;
        let keys = KeysHealth { state, store: "embedded", problem, is_store_up: true };
        HealthReport::new(probed, keys, None, Load::default(), shutting_down).status
    }

    #[test]
    fn the_word_says_whether_work_is_taken_and_whether_all_is_well() {
        assert_eq!(status(true, false, Some(true), false), Status::Healthy);
        assert_eq!(status(true, true, None, false), Status::Healthy);
        assert_eq!(status(false, true, Some(true), false), Status::Degraded);
        assert_eq!(status(true, true, Some(false), false), Status::Degraded);
        assert_eq!(status(false, false, Some(true), false), Status::Unhealthy);
        assert_eq!(status(true, true, Some(true), true), Status::Unhealthy);
        assert_eq!(status_with(Some("lost"), true, true, Some(true), false), Status::Unhealthy);
        let ProviderStatus { name, health } = provider("native", true);
        let probed =
            Probed { in_use: Some(name), providers: vec![ProviderStatus { name, health }], storage: None };
        let keys =
            KeysHealth { state: access::KeysState::Off, store: "embedded", problem: None, is_store_up: true };
        let report = HealthReport::new(Arc::new(probed), keys, Some("no audit"), Load::default(), false);
        assert_eq!((report.status, report.problem), (Status::Degraded, Some("no audit")));
    }
}
