//! `GET /health`.

use crate::error::Complete;
use crate::state::AppState;
use crate::trace::OutcomeName;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use contract::{ErrorBody, HealthResponse};
use explain::Configured;
use http::StatusCode;

/// Reports which executors are usable, with the protections that each has in force on this host.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "service",
    responses(
        (status = 200, description = "Work is accepted.", body = HealthResponse),
        (status = 500, description = "Internal error.", body = ErrorBody),
        (status = 503, description = "No work is accepted.", body = HealthResponse),
    )
)]
pub(crate) async fn health(State(state): State<AppState>) -> Response {
    let report = state.api.service.health().await;
    let status = if report.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = OutcomeName(report.status.as_str());
    let info = &state.api.info;
    let active = state.api.service.executors();
    let configured = Configured {
        version: &info.version,
        provider: &info.provider,
        fallbacks: &info.fallbacks,
        available_providers: &info.available_providers,
        active_providers: &active,
    };
    let body = explain::health(&report, configured);
    (status, Extension(Complete), Extension(word), Json(body)).into_response()
}
