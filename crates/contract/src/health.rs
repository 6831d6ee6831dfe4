//! The answer of `GET /health`, status 200 or 503.

use crate::text_enum::text_enum;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Readiness of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthResponse {
    /// `healthy`; `degraded`: work is accepted, but the first executor, the store or the audit log does not work;
    /// `unhealthy`: no work is accepted.
    #[schema(value_type = String, example = "healthy")]
    pub status: HealthStatus,
    /// The service's version.
    pub version: String,
    /// The executors.
    pub executor: ExecutorBody,
    /// The store of output files.
    pub storage: StorageBody,
    /// The API keys.
    #[serde(default)]
    #[schema(required = true)]
    pub keys: KeysBody,
    /// Whether executions are observed as the settings say.
    #[serde(default)]
    #[schema(required = true)]
    pub observation: ObservationBody,
    /// Current load.
    pub load: LoadBody,
    /// True once the service accepts no new work.
    pub shutting_down: bool,
}

/// The executors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecutorBody {
    /// The configured one.
    #[schema(example = "native")]
    pub provider: String,
    /// The executor of the next program; null if there is none.
    #[schema(required = true, example = "native")]
    pub name: Option<String>,
    /// Whether an executor can take the next program.
    pub healthy: bool,
    /// The configured fallbacks, separated by commas.
    #[schema(example = "docker")]
    pub fallbacks: String,
    /// The executors that this build knows.
    pub available_providers: Vec<String>,
    /// The executors in use, in the order in which they are tried.
    pub active_providers: Vec<String>,
    /// Health of each active executor.
    pub providers: BTreeMap<String, ProviderBody>,
}

/// One executor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderBody {
    /// Whether it can create sandboxes with every protection that the contract guarantees.
    pub healthy: bool,
    /// What is missing, and the command or setting that fixes it.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// Each protection on this host.
    pub protections: BTreeMap<String, ProtectionBody>,
    /// Idle sandboxes, ready for use.
    pub warm: usize,
}

/// One protection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProtectionBody {
    /// True when it was verified on this host.
    pub enforced: bool,
    /// How it is enforced, or why not.
    pub detail: String,
}

/// The store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageBody {
    /// Whether output files are kept.
    pub enabled: bool,
    /// `local`, `s3`, `r2` or `disabled`.
    #[schema(example = "local")]
    pub provider: String,
    /// Whether it accepts files; true for a store that is off.
    pub healthy: bool,
    /// Why not.
    #[schema(required = true)]
    pub reason: Option<String>,
}

/// The API keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeysBody {
    /// Whether callers need one: `off` (no key was ever created), `on`, or `forced_off` (`REQUIRE_API_KEY`).
    #[schema(value_type = String, example = "on")]
    pub state: KeysState,
    /// Where they are kept: `embedded`, `redis` or `file`; `none` if they are forced off.
    #[schema(example = "embedded")]
    pub store: String,
    /// Whether they can be checked; if not, no work is accepted.
    pub healthy: bool,
    /// Why not.
    #[schema(required = true)]
    pub reason: Option<String>,
}

/// What the service tells its operators of executions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ObservationBody {
    /// Whether the audit log is written; true where it is off.
    pub healthy: bool,
    /// Why not.
    #[schema(required = true)]
    pub reason: Option<String>,
}

impl Default for ObservationBody {
    /// That of a service without an audit log: earlier versions had none.
    fn default() -> Self {
        Self { healthy: true, reason: None }
    }
}

/// Current load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadBody {
    /// Running programs.
    pub running: usize,
    /// Maximum number of running programs.
    pub running_max: usize,
    /// Queued requests.
    pub waiting: usize,
    /// Maximum number of queued requests.
    pub waiting_max: usize,
}

text_enum! {
    /// Whether API keys are needed.
    pub enum KeysState {
        /// No key was ever created.
        Off = "off",
        /// They are.
        On = "on",
        /// They are not, by a setting.
        ForcedOff = "forced_off",
    }
}

impl Default for KeysBody {
    /// That of a service without API keys: earlier versions had none.
    fn default() -> Self {
        Self { state: KeysState::Off, store: "none".to_owned(), healthy: true, reason: None }
    }
}

text_enum! {
    /// Readiness in one word.
    pub enum HealthStatus {
        /// Everything that is configured works.
        Healthy = "healthy",
        /// Work is accepted, but the first executor, the store or the audit log does not work.
        Degraded = "degraded",
        /// No work is accepted.
        Unhealthy = "unhealthy",
    }
}
