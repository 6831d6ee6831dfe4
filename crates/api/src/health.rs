//! `GET /health`.

use crate::error::Complete;
use crate::state::AppState;
use crate::trace::OutcomeName;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use serde::Serialize;
use service::{Health, HealthReport, Load};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Readiness of the service.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthResponse {
    /// `healthy`; `degraded`: work is accepted, but the first executor or the store does not work; `unhealthy`: no work is accepted.
    #[schema(example = "healthy")]
    status: &'static str,
    /// The service's version.
    version: String,
    /// The executors.
    executor: ExecutorBody,
    /// The store of output files.
    storage: StorageBody,
    /// Current load.
    load: LoadBody,
    /// True once the service accepts no new work.
    shutting_down: bool,
}

/// The executors.
#[derive(Debug, Serialize, ToSchema)]
struct ExecutorBody {
    /// The configured one.
    #[schema(example = "native")]
    provider: String,
    /// The executor of the next program; null if there is none.
    #[schema(required = true, example = "native")]
    name: Option<&'static str>,
    /// Whether an executor can take the next program.
    healthy: bool,
    /// The configured fallbacks, separated by commas.
    #[schema(example = "docker")]
    fallbacks: String,
    /// The executors that this build knows.
    available_providers: Vec<String>,
    /// The executors in use, in the order in which they are tried.
    active_providers: Vec<&'static str>,
    /// Health of each active executor.
    providers: BTreeMap<&'static str, ProviderBody>,
}

/// One executor.
#[derive(Debug, Serialize, ToSchema)]
struct ProviderBody {
    /// Whether it can create sandboxes with every protection that the contract guarantees.
    healthy: bool,
    /// What is missing, and the command or setting that fixes it.
    #[schema(required = true)]
    reason: Option<String>,
    /// Each protection on this host.
    protections: BTreeMap<&'static str, ProtectionBody>,
    /// Idle sandboxes, ready for use.
    warm: usize,
}

/// One protection.
#[derive(Debug, Serialize, ToSchema)]
struct ProtectionBody {
    /// True when it was verified on this host.
    enforced: bool,
    /// How it is enforced, or why not.
    detail: String,
}

/// The store.
#[derive(Debug, Serialize, ToSchema)]
struct StorageBody {
    /// Whether output files are kept.
    enabled: bool,
    /// `local`, `s3`, `r2` or `disabled`.
    #[schema(example = "local")]
    provider: &'static str,
    /// Whether it accepts files; true for a store that is off.
    healthy: bool,
    /// Why not.
    #[schema(required = true)]
    reason: Option<String>,
}

/// Current load.
#[derive(Debug, Serialize, ToSchema)]
struct LoadBody {
    /// Running programs.
    running: usize,
    /// Maximum number of running programs.
    running_max: usize,
    /// Queued requests.
    waiting: usize,
    /// Maximum number of queued requests.
    waiting_max: usize,
}

/// Reports which executors are usable, with the protections that each has in force on this host.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "service",
    responses(
        (status = 200, description = "Work is accepted.", body = HealthResponse),
        (status = 500, description = "Internal error.", body = crate::error::ErrorBody),
        (status = 503, description = "No work is accepted.", body = HealthResponse),
    )
)]
pub(crate) async fn health(State(state): State<AppState>) -> Response {
    let report = state.api.service.health().await;
    let status = if report.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = OutcomeName(report.status.as_str());
    (status, Extension(Complete), Extension(word), Json(HealthResponse::new(&state, report))).into_response()
}

impl HealthResponse {
    fn new(state: &AppState, report: HealthReport) -> Self {
        let info = &state.api.info;
        let probed = report.probed.as_ref();
        let providers = probed.providers.iter().map(|p| (p.name, ProviderBody::from(&p.health))).collect();
        Self {
            status: report.status.as_str(),
            version: info.version.clone(),
            executor: ExecutorBody {
                provider: info.provider.clone(),
                name: probed.in_use,
                healthy: probed.in_use.is_some(),
                fallbacks: info.fallbacks.join(","),
                available_providers: info.available_providers.clone(),
                active_providers: state.api.service.executors(),
                providers,
            },
            storage: match &probed.storage {
                Some(storage) => StorageBody {
                    enabled: true,
                    provider: storage.provider,
                    healthy: storage.health.healthy,
                    reason: storage.health.reason.clone(),
                },
                None => StorageBody { enabled: false, provider: "disabled", healthy: true, reason: None },
            },
            load: report.load.into(),
            shutting_down: report.shutting_down,
        }
    }
}

impl From<&Health> for ProviderBody {
    fn from(health: &Health) -> Self {
        let protections = health.protections.iter().map(|(name, protection)| {
            (*name, ProtectionBody { enforced: protection.enforced, detail: protection.detail.clone() })
        });
        Self {
            healthy: health.healthy,
            reason: health.reason.clone(),
            protections: protections.collect(),
            warm: health.warm,
        }
    }
}

impl From<Load> for LoadBody {
    fn from(load: Load) -> Self {
        let Load { running, running_max, waiting, waiting_max, .. } = load;
        Self { running, running_max, waiting, waiting_max }
    }
}
