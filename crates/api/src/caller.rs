//! Who sends a request: the API key in its headers, and whether that may be used for the route.
//!
//! Routes are grouped by scope in [`mod@crate::router`]; this layer is around each group. A route outside such a
//! group is open.

use crate::access::CallerSlot;
use crate::error::ApiError;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use contract::ErrorCode;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use service::{Denied, Principal, Scope, Service, Subscriber};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// The header for a key alone.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// `Retry-After` while keys cannot be checked, in seconds: they are asked for four times a second.
const RETRY_AFTER_S: u64 = 2;

/// Time between two log lines on invalid keys of one client.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// Clients whose invalid keys are counted apart; those of further ones are counted together.
const CLIENTS_MAX: usize = 1024;

/// A group of routes.
#[derive(Debug)]
pub(crate) struct Guard {
    service: Arc<Service>,
    scope: Scope,
    failures: Failures,
}

impl Guard {
    /// The layer's state for the routes that need this scope.
    pub(crate) fn new(service: Arc<Service>, scope: Scope) -> Arc<Self> {
        Arc::new(Self { service, scope, failures: Failures::default() })
    }

    async fn identify(&self, headers: &HeaderMap, client: Subscriber) -> Result<Principal, ApiError> {
        let presented = presented(headers)?;
        match self.service.authenticate(presented).await {
            Ok(None) => Ok(Principal::Anonymous(client)),
            Ok(Some(record)) if record.scopes.allow(self.scope) => Ok(Principal::Key(record)),
            Ok(Some(_)) => {
                let message = format!("this API key does not have the scope `{}`", self.scope.as_str());
                Err(ApiError::new(ErrorCode::Forbidden, message))
            }
            Err(Denied::Missing) => Err(ApiError::unauthenticated(
                "this service needs an API key: send it as `Authorization: Bearer psk_…` or `X-API-Key`",
                HeaderValue::from_static("Bearer"),
            )),
            Err(Denied::Invalid) => {
                self.failures.note(client);
                Err(ApiError::unauthenticated(
                    "the API key is not valid: it is unknown, expired or revoked",
                    HeaderValue::from_static("Bearer error=\"invalid_token\""),
                ))
            }
            Err(Denied::Unavailable) => Err(ApiError::keys_unavailable(RETRY_AFTER_S)),
        }
    }
}

/// The layer.
pub(crate) async fn check(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    if !guard.service.requires_keys() {
        return next.run(request).await;
    }
    let Some(Principal::Anonymous(client)) = request.extensions().get::<Principal>() else {
        // The outermost layer sets it.
        return ApiError::internal().into_response();
    };
    match guard.identify(request.headers(), *client).await {
        Ok(principal) => {
            if let Some(slot) = request.extensions().get::<CallerSlot>() {
                slot.set(&principal);
            }
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// The presented text, if any.
fn presented(headers: &HeaderMap) -> Result<Option<&[u8]>, ApiError> {
    let once = |name: HeaderName| {
        let mut values = headers.get_all(&name).iter();
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(HeaderValue::as_bytes)),
            (_, Some(_)) => Err(ApiError::new(
                ErrorCode::BadRequest,
                format!("the request has more than one `{name}`: send one"),
            )),
        }
    };
    let bearer = once(header::AUTHORIZATION)?.and_then(|value| {
        let (scheme, text) = value.split_at_checked(b"Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then(|| text.trim_ascii())
    });
    match (bearer, once(API_KEY)?.map(<[u8]>::trim_ascii)) {
        (Some(bearer), Some(key)) if bearer != key => Err(ApiError::new(
            ErrorCode::BadRequest,
            "`Authorization` and `X-API-Key` have different API keys: send one of them",
        )),
        (bearer, key) => Ok(bearer.or(key)),
    }
}

/// Invalid keys by client, for the log: the first at once, then one line a minute.
#[derive(Debug, Default)]
struct Failures(Mutex<HashMap<Option<Subscriber>, Failed>>);

#[derive(Debug)]
struct Failed {
    reported_at: Instant,
    since: u64,
}

impl Failures {
    fn note(&self, client: Subscriber) {
        if let Some((client, count)) = self.due(client, Instant::now()) {
            let client = client.map_or_else(|| "others".to_owned(), |client| client.to_string());
            tracing::warn!(client, count, "requests with an invalid API key");
        }
    }

    /// The line that is due, if one is: the client (`None` for all beyond the table) and the number since its
    /// last.
    fn due(&self, client: Subscriber, now: Instant) -> Option<(Option<Subscriber>, u64)> {
        let mut clients = support::lock(&self.0);
        let mut client = Some(client);
        if clients.len() >= CLIENTS_MAX && !clients.contains_key(&client) {
            clients.retain(|_, failed| now.duration_since(failed.reported_at) < REPORT_INTERVAL);
            if clients.len() >= CLIENTS_MAX {
                client = None;
            }
        }
        match clients.get_mut(&client) {
            None => {
                clients.insert(client, Failed { reported_at: now, since: 0 });
                Some((client, 1))
            }
            Some(failed) => {
                failed.since += 1;
                if now.duration_since(failed.reported_at) < REPORT_INTERVAL {
                    return None;
                }
                failed.reported_at = now;
                Some((client, std::mem::take(&mut failed.since)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        HeaderMap::from_iter(pairs.iter().map(pair))
    }

    #[test]
    fn a_key_is_in_one_of_two_headers() {
        for (pairs, expected) in [
            (&[][..], None),
            (&[("authorization", "Bearer psk_a")], Some("psk_a")),
            (&[("authorization", "bEARER  psk_a ")], Some("psk_a")),
            (&[("authorization", "Basic dTpw")], None),
            (&[("authorization", "Bearer")], None),
            (&[("x-api-key", "psk_b")], Some("psk_b")),
            (&[("x-api-key", "psk_b"), ("authorization", "Bearer psk_b")], Some("psk_b")),
            (&[("x-api-key", "psk_b"), ("authorization", "Basic dTpw")], Some("psk_b")),
        ] {
            let headers = headers(pairs);
            assert_eq!(presented(&headers).unwrap(), expected.map(str::as_bytes), "{pairs:?}");
        }
        let mut twice = headers(&[("x-api-key", "psk_a")]);
        twice.append(API_KEY, HeaderValue::from_static("psk_a"));
        assert!(presented(&twice).is_err());
        assert!(presented(&headers(&[("x-api-key", "a"), ("authorization", "Bearer b")])).is_err());
    }

    #[test]
    fn invalid_keys_are_one_line_a_minute_and_client() {
        let failures = Failures::default();
        let client = |number: u16| {
            let [a, b] = number.to_be_bytes();
            Subscriber::V4([192, 0, a, b])
        };
        let begun = Instant::now();
        assert_eq!(failures.due(client(1), begun), Some((Some(client(1)), 1)));
        for _ in 0..9 {
            assert_eq!(failures.due(client(1), begun), None);
        }
        assert_eq!(failures.due(client(1), begun + REPORT_INTERVAL), Some((Some(client(1)), 10)));
        for number in 2..=2000 {
            failures.due(client(number), begun);
        }
        assert!(support::lock(&failures.0).len() <= CLIENTS_MAX + 1);
    }
}
