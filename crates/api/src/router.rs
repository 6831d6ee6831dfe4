//! The routes, and the layers around them.

use crate::body::BodyReader;
use crate::client::Clients;
use crate::error::ApiError;
use crate::gate::Gate;
use crate::openapi::Skeleton;
use crate::pace::Pace;
use crate::state::{ApiState, AppState};
use crate::{caller, client, execute, files, gate, health, metrics, openapi, pages, rate_limit, trace};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use contract::ErrorCode;
use http::{HeaderValue, Method, header};
use service::Scope;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The templates of all paths, as the routes have them.
pub const ROUTES: [&str; 11] = [
    "/",
    "/docs",
    "/docs/",
    "/docs/{name}",
    "/execute",
    "/files/{token}",
    "/health",
    "/metrics",
    "/openapi.json",
    "/redoc",
    "/redoc/redoc.standalone.js",
];

/// How long a browser may cache what CORS allows.
const CORS_AGE_MAX: Duration = Duration::from_secs(600);

/// The described routes that need a key with this scope, where keys are required.
fn scoped(scope: Scope) -> OpenApiRouter<AppState> {
    let mut routes = match scope {
        Scope::Execute => OpenApiRouter::new().routes(routes!(execute::execute)),
        Scope::Metrics => OpenApiRouter::new().routes(routes!(metrics::metrics)),
        // Their routes are not in this version.
        Scope::Sessions | Scope::Jobs | Scope::Admin => OpenApiRouter::new(),
    };
    openapi::need_key(routes.get_openapi_mut(), scope);
    routes
}

/// The described routes that need none.
fn open() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Skeleton::openapi())
        .routes(routes!(pages::root))
        .routes(routes!(health::health))
        .routes(routes!(files::download))
        .routes(routes!(pages::openapi))
}

/// The service over HTTP. Serve it with [`crate::serve`], which limits what a connection may do.
pub fn router(state: ApiState) -> Router {
    router_with(state, |routes| routes)
}

/// The same with layers of one's own, which `add` puts around the routes: `|routes| routes.layer(…)`.
///
/// They see each request after the checks of `Host` and `Origin` and before that of its API key, and each answer before its
/// headers and the body of an error are written. What they answer is in the access log and the metrics like any other answer,
/// and a panic in them is a 500. [`crate::refusal`] makes their errors.
pub fn router_with(state: ApiState, add: impl FnOnce(Router) -> Router) -> Router {
    let described = Scope::ALL.into_iter().fold(open(), |all, scope| {
        let guard = caller::Guard::new(Arc::clone(&state.service), scope);
        let guarded = scoped(scope).layer(axum::middleware::from_fn_with_state(guard, caller::check));
        all.merge(guarded)
    });
    let (described, generated) = described.split_for_parts();
    let cors = cors(&state.cors_origins);
    let rules =
        Gate::new(&state.allowed_hosts, state.public_url.as_deref(), &state.cors_origins, state.bound.ip());
    let outer = Arc::new(trace::Outer {
        observer: Arc::clone(&state.observer),
        pace: Pace::default(),
        strict: trace::strict(state.strict_max_age_s),
    });
    let clients = Clients::new(state.proxies.clone());
    let app = AppState {
        bodies: BodyReader::new(state.bodies.clone()),
        document: openapi::served(openapi::document(&generated), &state),
        api: Arc::new(state),
    };
    let router = described
        .route("/docs", get(pages::docs))
        .route("/docs/", get(pages::docs_slash))
        .route("/docs/{name}", get(pages::docs_asset))
        .route("/redoc", get(pages::redoc))
        .route("/redoc/redoc.standalone.js", get(pages::redoc_script))
        .fallback(async || ApiError::new(ErrorCode::NotFound, "no such path; see /docs"))
        .method_not_allowed_fallback(async || {
            ApiError::new(ErrorCode::MethodNotAllowed, "this path does not support this method; see `Allow`")
        })
        .with_state(app);
    let router = add(router)
        // Bodies are read in one place only, with its own limit.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked));
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(axum::middleware::from_fn_with_state(Arc::new(rules), gate::check))
        .layer(axum::middleware::from_fn_with_state(outer, trace::trace))
        .layer(axum::middleware::from_fn_with_state(Arc::new(clients), client::identify))
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
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, caller::API_KEY, trace::REQUEST_ID])
        .expose_headers([
            trace::REQUEST_ID,
            header::RETRY_AFTER,
            rate_limit::POLICY,
            rate_limit::LEFT,
            header::CONTENT_DISPOSITION,
            header::ETAG,
        ])
        .max_age(CORS_AGE_MAX);
    Some(cors)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All described routes.
    fn described() -> OpenApiRouter<AppState> {
        Scope::ALL.into_iter().fold(open(), |all, scope| all.merge(scoped(scope)))
    }
    use serde_json::Value;
    use std::path::Path;

    /// With `UPDATE_GOLDEN=1` writes the file instead.
    #[test]
    fn the_checked_in_document_is_that_of_the_routes() {
        let document = openapi::document(&described().into_openapi());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/v1.json");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, format!("{document:#}\n")).expect("the checkout is writable");
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let found: Value = serde_json::from_str(&text).unwrap_or_default();
        // Compared as JSON: the sequence of its fields depends on a feature of serde_json that another crate
        // may turn on.
        assert!(found == document, "openapi/v1.json is not what the routes describe; run `make generate`");
    }

    /// Metrics know the routes by this list. Those outside the document are in it by hand.
    #[test]
    fn the_list_has_every_route_of_the_document() {
        let document = openapi::document(&described().into_openapi());
        for path in document["paths"].as_object().expect("paths").keys() {
            assert!(ROUTES.contains(&path.as_str()), "{path}");
        }
    }

    #[test]
    fn the_document_says_which_routes_need_a_key() {
        let document = openapi::document(&described().into_openapi());
        let keys = |path: &str, method: &str| document["paths"][path][method]["security"].clone();
        let either = |scope: &str| serde_json::json!([{}, {"bearer": [scope]}, {"header": [scope]}]);
        assert_eq!(keys("/execute", "post"), either("execute"));
        assert_eq!(keys("/metrics", "get"), either("metrics"));
        for open in ["/", "/health", "/files/{token}", "/openapi.json"] {
            assert_eq!(keys(open, "get"), Value::Null, "{open}");
        }
        let schemes = &document["components"]["securitySchemes"];
        assert_eq!(
            (&schemes["bearer"]["scheme"], &schemes["header"]["name"]),
            (&"bearer".into(), &"X-API-Key".into())
        );
    }

    /// Bounds that settings change, and names of one service, would make the file wrong for every other.
    #[test]
    fn the_checked_in_document_has_no_bound_of_one_service() {
        let document = openapi::document(&described().into_openapi());
        let fields = &document["components"]["schemas"]["ExecuteRequest"]["properties"];
        for (field, key) in [
            ("code", "maxLength"),
            ("timeout", "maximum"),
            ("stdin", "maxLength"),
            ("files", "maxProperties"),
            ("env", "maxProperties"),
            ("executor", "enum"),
        ] {
            assert_eq!(fields[field][key], Value::Null, "{field}.{key}");
        }
        assert_eq!((&document["info"]["version"], &document["servers"]), (&"1".into(), &Value::Null));
    }
}
