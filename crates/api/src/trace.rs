//! The layer around all routes: request ids, the trace of a request, delayed refusals, error bodies, headers of
//! every answer.

use crate::access::{Access, CallerSlot};
use crate::client;
use crate::connection::Connection;
use crate::error;
use crate::observe::HttpObserver;
use crate::pace::{self, Pace};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use contract::ErrorCode;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use service::{Principal, Subscriber, SummarySlot, TraceContext};
use std::net::IpAddr;
use std::sync::Arc;
use tracing::Instrument;
use ulid::Ulid;

/// The header that carries a request's id, in both directions.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The headers of W3C Trace Context.
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// The request's own place in a trace, for its client (W3C Trace Context, level 2, draft).
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Maximum length of an id from a client.
const REQUEST_ID_CHARS_MAX: usize = 64;

/// No other site may embed answers; files override this.
pub(crate) const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// For answers that are not pages: nothing in them may load or run, and they may not be framed.
const CSP_NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The id of the current request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// The place of the current request in a trace, if it has one.
#[derive(Debug, Clone)]
pub(crate) struct Trace(pub(crate) Option<TraceContext>);

/// The address of the client of the current request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client(pub(crate) IpAddr);

/// How an execution ended, for the access log: put into a response's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutcomeName(pub(crate) &'static str);

/// What the layer needs.
#[derive(Debug)]
pub(crate) struct Outer {
    pub(crate) observer: Arc<dyn HttpObserver>,
    pub(crate) pace: Pace,
    /// `Strict-Transport-Security`, where there is TLS.
    pub(crate) strict: Option<HeaderValue>,
}

/// `Strict-Transport-Security` for this many seconds; none for 0. Without subdomains: they may not be ours.
pub(crate) fn strict(max_age_s: u64) -> Option<HeaderValue> {
    (max_age_s > 0).then(|| HeaderValue::from_str(&format!("max-age={max_age_s}")).ok()).flatten()
}

/// The layer. It wraps everything, even the layer that catches panics.
pub(crate) async fn trace(State(outer): State<Arc<Outer>>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let (context, summary) = (trace_context(request.headers()), SummarySlot::default());
    let caller = CallerSlot::default();
    let observer = Arc::clone(&outer.observer);
    let access = Access::of(&request, &id, observer, context, summary.clone(), caller.clone());
    let connection = request.extensions().get::<Connection>().cloned();
    let client = client::address(&request);
    let principal = Principal::Anonymous(Subscriber::of(client));
    let anonymous = principal.share();
    let extensions = request.extensions_mut();
    extensions.insert(RequestId(id.clone()));
    extensions.insert(Trace(access.place().cloned()));
    extensions.insert(Client(client));
    extensions.insert(summary);
    extensions.insert(principal);
    extensions.insert(caller.clone());
    let span = tracing::info_span!("request", request_id = %id);
    async move {
        let mut response = next.run(request).await;
        let share = caller.share().unwrap_or(anonymous);
        let delay = outer.pace.delay_of(&response, share);
        pace::hold(&mut response, delay, client, connection.as_ref()).await;
        let (mut response, code) = error::complete(response, &id);
        set_headers(response.headers_mut(), &id, outer.strict.as_ref());
        if let Some(place) = access.own_place()
            && let Ok(value) = HeaderValue::from_str(&place.to_string())
        {
            response.headers_mut().insert(TRACE_RESPONSE, value);
        }
        let word = response.extensions().get::<OutcomeName>().map(|word| word.0);
        access.log(response.status().as_u16(), word, code.as_ref().map(ErrorCode::as_str));
        response
    }
    .instrument(span)
    .await
}

/// The client's id if it is safe in logs and headers, so that a gateway in front can follow a
/// request; else a fresh one (ULID: sorts by time).
fn request_id(headers: &HeaderMap) -> String {
    let fit = |id: &&str| {
        (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(fit);
    given.map_or_else(|| Ulid::new().to_string(), str::to_owned)
}

/// The trace that the client names. One without a valid `traceparent` names none.
fn trace_context(headers: &HeaderMap) -> Option<TraceContext> {
    let all = |name: HeaderName| headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    TraceContext::parse(all(TRACE_PARENT), all(TRACE_STATE))
}

fn set_headers(headers: &mut HeaderMap, id: &str, strict: Option<&HeaderValue>) {
    // An id is letters, digits, `-` and `_`: a header can hold it.
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // The same as `frame-ancestors`, for browsers that do not know that.
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.entry(RESOURCE_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    if let Some(strict) = strict {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, strict.clone());
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(CSP_NOTHING);
    // Answers and links are for one client; pages and their assets override this.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_harmless_id_is_taken_from_the_client() {
        let given = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            request_id(&headers)
        };
        assert_eq!(given("abc-DEF_123"), "abc-DEF_123");
        for bad in ["", "a b", "a\tb", "a/b", "é", "a;b", &"x".repeat(65)] {
            let id = given(bad);
            assert!(id != bad && id.len() == 26, "{bad:?}");
        }
        assert_eq!(request_id(&HeaderMap::new()).len(), 26);
    }
}
