//! The routes, and the layers around them.

use crate::body::BodyReader;
use crate::error::{ApiError, ErrorCode};
use crate::gate::Gate;
use crate::openapi::{Document, Skeleton};
use crate::state::{ApiState, AppState};
use crate::{execute, files, gate, health, pages, trace};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, Method, header};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long a browser may cache what CORS allows.
const CORS_AGE_MAX: Duration = Duration::from_secs(600);

/// The service over HTTP. Serve it with [`crate::serve`], which limits what a connection may do.
pub fn router(state: ApiState) -> Router {
    let (documented, generated) = OpenApiRouter::with_openapi(Skeleton::openapi())
        .routes(routes!(pages::root))
        .routes(routes!(execute::execute))
        .routes(routes!(health::health))
        .routes(routes!(files::download))
        .routes(routes!(pages::openapi))
        .split_for_parts();
    let cors = cors(&state.cors_origins);
    let rules =
        Gate::new(&state.allowed_hosts, state.public_url.as_deref(), &state.cors_origins, state.bound.ip());
    let app = AppState {
        bodies: BodyReader::new(state.bodies.clone()),
        document: Document::new(&generated, &state).json,
        api: Arc::new(state),
    };
    let router = documented
        .route("/docs", get(pages::docs))
        .route("/docs/", get(pages::docs_slash))
        .route("/docs/{name}", get(pages::docs_asset))
        .route("/redoc", get(pages::redoc))
        .route("/redoc/redoc.standalone.js", get(pages::redoc_script))
        .fallback(async || ApiError::new(ErrorCode::NotFound, "no such path; see /docs"))
        .method_not_allowed_fallback(async || {
            ApiError::new(ErrorCode::MethodNotAllowed, "this path does not support this method; see `Allow`")
        })
        // Bodies are read in one place only, with its own limit.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked));
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(axum::middleware::from_fn_with_state(Arc::new(rules), gate::check))
        .layer(axum::middleware::from_fn(trace::trace))
        .with_state(app)
}

/// A panic of ours is an internal error for the client, and a line in the log.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("of another type"), "a handler panicked");
    ApiError::internal().into_response()
}

/// Origins from the settings; those that no header can hold are logged and left out.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| {
            let value = HeaderValue::from_str(origin.trim_end_matches('/'));
            value.inspect_err(|error| tracing::warn!(%error, origin, "ignored an invalid origin")).ok()
        }))
    };
    // No credentials, ever: there is no cookie that a page could use.
    let cors = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, trace::REQUEST_ID])
        .expose_headers([trace::REQUEST_ID, header::RETRY_AFTER, header::CONTENT_DISPOSITION, header::ETAG])
        .max_age(CORS_AGE_MAX);
    Some(cors)
}
