//! `GET /health`.

use crate::error::Complete;
use crate::state::AppState;
use crate::trace::OutcomeWord;
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
    /// `healthy`; `degraded`: work is taken, but the first executor or the store does not work; `unhealthy`: no
    /// work is taken.
    #[schema(example = "healthy")]
    status: &'static str,
    /// The service's version.
    version: String,
    /// The executors.
    executor: ExecutorBody,
    /// The store of output files.
    storage: StorageBody,
    /// How full the service is.
    load: LoadBody,
    /// True once the service takes no new work.
    shutting_down: bool,
}

/// The executors.
#[derive(Debug, Serialize, ToSchema)]
struct ExecutorBody {
    /// The configured one.
    #[schema(example = "native")]
    provider: String,
    /// The one that takes the next program; null when none can.
    #[schema(required = true, example = "native")]
    name: Option<&'static str>,
    /// Whether one can take the next program.
    healthy: bool,
    /// The configured fallbacks, separated by commas.
    #[schema(example = "docker")]
    fallbacks: String,
    /// Those that this build knows.
    available_providers: Vec<String>,
    /// Those that are in use, in the order in which they are tried.
    active_providers: Vec<&'static str>,
    /// What each active one says of itself.
    providers: BTreeMap<&'static str, ProviderBody>,
}

/// One executor.
#[derive(Debug, Serialize, ToSchema)]
struct ProviderBody {
    /// Whether it makes sandboxes with every protection that the contract promises.
    healthy: bool,
    /// What is missing, and the command or setting that fixes it.
    #[schema(required = true)]
    reason: Option<String>,
    /// Each protection on this host.
    protections: BTreeMap<&'static str, ProtectionBody>,
    /// Sandboxes that wait, ready for use.
    warm: usize,
}

/// One protection.
#[derive(Debug, Serialize, ToSchema)]
struct ProtectionBody {
    /// True when it was seen to hold on this host.
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
    /// Whether it takes files; a store that is off is.
    healthy: bool,
    /// Why not.
    #[schema(required = true)]
    reason: Option<String>,
}

/// How full the service is.
#[derive(Debug, Serialize, ToSchema)]
struct LoadBody {
    /// Programs that run.
    running: usize,
    /// Programs that may run at once.
    running_max: usize,
    /// Requests that wait.
    waiting: usize,
    /// Requests that may wait.
    waiting_max: usize,
}

/// Says which executors are usable, with the protections that each really has on this host.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "service",
    responses(
        (status = 200, description = "Work is taken.", body = HealthResponse),
        (status = 500, description = "The service failed.", body = crate::error::ErrorBody),
        (status = 503, description = "No work is taken.", body = HealthResponse),
    )
)]
pub(crate) async fn health(State(state): State<AppState>) -> Response {
    let report = state.api.service.health().await;
    let status = if report.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = OutcomeWord(report.status.as_str());
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
