//! The layer: a program needs a tenant, which the log names, and every answer says how long it took.

use api::refusal;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use contract::ErrorCode;
use std::time::Instant;

const TENANT: HeaderName = HeaderName::from_static("x-tenant");
/// Read by browsers and many clients (W3C Server Timing).
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const TENANT_CHARS_MAX: usize = 32;

/// Runs for every request. `next` is the service.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let needs_tenant = request.uri().path() == "/execute";
    let mut response = match tenant(request.headers()) {
        None if needs_tenant => {
            refusal(ErrorCode::BadRequest, "name your tenant in `X-Tenant`: 1 to 32 letters and digits")
        }
        tenant => {
            if let Some(tenant) = tenant {
                // The line has the id of the request, too.
                tracing::info!(tenant, "a request of a tenant");
            }
            next.run(request).await
        }
    };
    let duration_ms = began.elapsed().as_secs_f64() * 1000.0;
    if let Ok(value) = HeaderValue::from_str(&format!("total;dur={duration_ms:.1}")) {
        response.headers_mut().insert(SERVER_TIMING, value);
    }
    response
}

/// The tenant, if there is a valid one. Its characters are safe in a log.
fn tenant(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(TENANT)?.to_str().ok()?;
    let valid =
        (1..=TENANT_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    valid.then(|| text.to_owned())
}
