//! `GET /metrics`: the page for Prometheus, among the other routes or on a port of its own.

use crate::error::ApiError;
use crate::gate::{self, Gate};
use crate::observe::{MetricsPage, NoHttpObserver};
use crate::pace::Pace;
use crate::state::AppState;
use crate::trace;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use contract::{ErrorBody, ErrorCode};
use http::{HeaderValue, header};
use std::net::SocketAddr;
use std::sync::Arc;

/// Prometheus's text format, which `promtool` checks.
const TEXT_FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Figures about the service in Prometheus's text format.
///
/// Not found where metrics are switched off, or have a port of their own.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "service",
    responses(
        (status = 200, description = "The metrics, in the text format 0.0.4.", body = String, content_type = "text/plain"),
        (status = 401, description = "No valid API key, where keys are required.", body = ErrorBody),
        (status = 403, description = "The API key does not have the scope `metrics`.", body = ErrorBody),
        (status = 404, description = "Metrics are switched off, or have a port of their own.", body = ErrorBody),
        (status = 500, description = "Internal error.", body = ErrorBody),
    )
)]
pub(crate) async fn metrics(State(state): State<AppState>) -> Result<Response, ApiError> {
    match &state.api.metrics {
        Some(page) => respond(Arc::clone(page)).await,
        None => Err(not_here()),
    }
}

/// The page alone, for a port of its own that listens on `bound`: `GET` and `HEAD` of `/metrics`. `allowed_hosts` as
/// in [`crate::ApiState`].
pub fn metrics_router(page: Arc<dyn MetricsPage>, allowed_hosts: &[String], bound: SocketAddr) -> Router {
    let rules = Gate::new(allowed_hosts, None, &[], bound.ip());
    let outer = trace::Outer { observer: Arc::new(NoHttpObserver), pace: Pace::default(), strict: None };
    Router::new()
        .route("/metrics", get(async |State(page): State<Arc<dyn MetricsPage>>| respond(page).await))
        .fallback(async || ApiError::new(ErrorCode::NotFound, "this port has /metrics alone"))
        .method_not_allowed_fallback(async || ApiError::new(ErrorCode::MethodNotAllowed, "send GET"))
        .layer(axum::middleware::from_fn_with_state(Arc::new(rules), gate::check))
        .layer(axum::middleware::from_fn_with_state(Arc::new(outer), trace::trace))
        .with_state(page)
}

fn not_here() -> ApiError {
    let message = "metrics are switched off (METRICS_ENABLED), or have a port of their own (METRICS_PORT)";
    ApiError::new(ErrorCode::NotFound, message)
}

/// Rendering reads files, so it is done where it may block.
async fn respond(page: Arc<dyn MetricsPage>) -> Result<Response, ApiError> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "failed to render the metrics");
        ApiError::internal()
    };
    let rendered = tokio::task::spawn_blocking(move || page.render()).await;
    let page = rendered.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], page).into_response())
}
