//! Errors as HTTP: the only place that knows status codes.
//!
//! A handler returns an [`ApiError`]; as a response it is a status and headers, with the error attached. The
//! outermost layer ([`crate::trace`]) turns it into the body, because only that layer knows the request's id.
//! It does the same with every error from another source (a router, a panic), so that all error bodies have
//! one shape.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use contract::ErrorCode;
use explain::Refusal;
use http::{HeaderName, HeaderValue, StatusCode, header};
use service::{ExecuteError, InvalidField, Limited};

fn status(code: &ErrorCode) -> StatusCode {
    match code {
        ErrorCode::ValidationFailed | ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden | ErrorCode::LinkInvalid | ErrorCode::OriginNotAllowed => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::LinkExpired => StatusCode::GONE,
        ErrorCode::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::HostNotAllowed => StatusCode::MISDIRECTED_REQUEST,
        ErrorCode::InvalidRequest => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::RateLimited | ErrorCode::ConcurrencyLimited | ErrorCode::QuotaExceeded => {
            StatusCode::TOO_MANY_REQUESTS
        }
        // This service makes no code that it does not know.
        ErrorCode::Internal | ErrorCode::Other(_) => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::Busy
        | ErrorCode::ExecutorUnavailable
        | ErrorCode::StorageUnavailable
        | ErrorCode::KeysUnavailable
        | ErrorCode::LimitsUnavailable
        | ErrorCode::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The code of an error that no handler made.
fn code_of(status: StatusCode) -> ErrorCode {
    match status {
        StatusCode::NOT_FOUND => ErrorCode::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ErrorCode::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorCode::UnsupportedMediaType,
        StatusCode::UNPROCESSABLE_ENTITY => ErrorCode::InvalidRequest,
        StatusCode::TOO_MANY_REQUESTS => ErrorCode::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => ErrorCode::Busy,
        status if status.is_client_error() => ErrorCode::BadRequest,
        _ => ErrorCode::Internal,
    }
}

/// An error on its way to the client. Boxed: handlers return it beside small values.
#[derive(Debug, Clone)]
pub(crate) struct ApiError(Box<Answered>);

#[derive(Debug, Clone)]
struct Answered {
    refusal: Refusal,
    /// A header of this error.
    header: Option<(HeaderName, HeaderValue)>,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self(Box::new(Answered { refusal, header: None }))
    }
}

impl ApiError {
    /// An error whose two texts are the same sentence.
    pub(crate) fn new(code: ErrorCode, message: impl AsRef<str>) -> Self {
        Refusal::new(code, message.as_ref()).into()
    }

    /// The body is compressed.
    pub(crate) fn coded(coding: &str) -> Self {
        let message = format!(
            "the body has the `Content-Encoding` {coding}, which is not supported: send it unencoded, without that header"
        );
        let mut error = Self::new(ErrorCode::UnsupportedMediaType, message);
        // RFC 9110, 15.5.16: it lets a client tell this 415 from the other one.
        error.0.header = Some((header::ACCEPT_ENCODING, HeaderValue::from_static("identity")));
        error
    }

    /// A key is needed, or it is not valid. `challenge` says how to present one (RFC 6750, section 3).
    pub(crate) fn unauthenticated(message: &str, challenge: HeaderValue) -> Self {
        let mut error = Self::new(ErrorCode::Unauthenticated, message);
        error.0.header = Some((header::WWW_AUTHENTICATE, challenge));
        error
    }

    /// Keys cannot be checked; retry in `retry_after_s` seconds.
    pub(crate) fn keys_unavailable(retry_after_s: u64) -> Self {
        Refusal::keys_unavailable(retry_after_s).into()
    }

    /// An internal error. The details belong in the log, not here.
    pub(crate) fn internal() -> Self {
        Refusal::internal().into()
    }

    /// An invalid field.
    pub(crate) fn invalid(field: InvalidField) -> Self {
        Refusal::invalid(field).into()
    }

    /// Too much load; retry in `retry_after_s` seconds.
    pub(crate) fn busy(message: &str, retry_after_s: u64) -> Self {
        Refusal::busy(message, retry_after_s).into()
    }
}

impl From<Limited> for ApiError {
    fn from(limited: Limited) -> Self {
        Refusal::from(limited).into()
    }
}

impl From<ExecuteError> for ApiError {
    fn from(error: ExecuteError) -> Self {
        log(&error);
        Refusal::from(error).into()
    }
}

/// Logs what the operator must know of an error and the client must not. Expected refusals are in the access
/// log.
fn log(error: &ExecuteError) {
    match error {
        ExecuteError::Invalid(_)
        | ExecuteError::Rejected { .. }
        | ExecuteError::ExecutorForbidden { .. }
        | ExecuteError::Busy { .. }
        | ExecuteError::ShuttingDown { .. } => {}
        ExecuteError::Unavailable { selected: Some(_), .. } => {
            tracing::warn!(error = %error.chain(), "the executor named in a request is not usable");
        }
        ExecuteError::Unavailable { selected: None, .. } => {
            tracing::error!(error = %error.chain(), "no executor is usable");
        }
        ExecuteError::Executor(_) => {
            tracing::error!(error = %error.chain(), "an executor failed while a program may have run");
        }
        _ => tracing::error!(error = %error.chain(), "failed to execute a program"),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = status(self.0.refusal.code()).into_response();
        if let Some(seconds) = self.0.refusal.retry_after_s() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some((name, value)) = &self.0.header {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The error of a layer of one's own ([`crate::router_with`]): the status of `code`, and the body that every error has, with
/// `message`, one sentence, as its explanation. Errors of the codes that refuse load or callers are delayed in a flood, like
/// those of the routes. [`ErrorCode::Other`] has the status 500.
pub fn refusal(code: ErrorCode, message: &str) -> Response {
    ApiError::new(code, message).into_response()
}

/// Marks a response with an error status whose body already follows the contract: that of `/health`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Complete;

/// Whether a response is a refusal that costs its client nothing to provoke, so that it is delayed in a flood ([`crate::pace`]):
/// because of load, of a missing right, or of a request that is malformed or asks for what does not exist. Not a refusal that
/// counts against the caller's rate, such as that of a program, nor that of a link that has expired.
pub(crate) fn is_paced(response: &Response) -> bool {
    let is_paced = |code: &ErrorCode| {
        matches!(
            code,
            ErrorCode::Busy
                | ErrorCode::Unauthenticated
                | ErrorCode::Forbidden
                // A flood of unknown keys gets it, too.
                | ErrorCode::KeysUnavailable
                | ErrorCode::RateLimited
                | ErrorCode::ConcurrencyLimited
                | ErrorCode::QuotaExceeded
                | ErrorCode::LimitsUnavailable
                | ErrorCode::BadRequest
                | ErrorCode::HostNotAllowed
                | ErrorCode::OriginNotAllowed
                | ErrorCode::NotFound
                | ErrorCode::MethodNotAllowed
                | ErrorCode::UnsupportedMediaType
                | ErrorCode::LinkInvalid
        )
    };
    let extensions = response.extensions();
    match extensions.get::<ApiError>() {
        Some(error) => is_paced(error.0.refusal.code()),
        // Of a layer of one's own, or of a library. The statuses of the codes above; `code_of` also has codes for others.
        None => {
            let is_paced = matches!(
                response.status(),
                StatusCode::BAD_REQUEST
                    | StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
                    | StatusCode::NOT_FOUND
                    | StatusCode::METHOD_NOT_ALLOWED
                    | StatusCode::UNSUPPORTED_MEDIA_TYPE
                    | StatusCode::MISDIRECTED_REQUEST
                    | StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::SERVICE_UNAVAILABLE
            );
            is_paced && extensions.get::<Complete>().is_none()
        }
    }
}

/// Gives an error response its body and returns the error's code for the log; leaves other responses alone.
pub(crate) fn complete(response: Response, request_id: &str) -> (Response, Option<ErrorCode>) {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error())
        || response.extensions().get::<Complete>().is_some()
    {
        return (response, None);
    }
    let (mut parts, _) = response.into_parts();
    let error = parts.extensions.remove::<ApiError>().unwrap_or_else(|| {
        let words = status.canonical_reason().unwrap_or("the request failed").to_lowercase();
        ApiError::new(code_of(status), words)
    });
    let refusal = error.0.refusal;
    let code = refusal.code().clone();
    // A struct of text and numbers: JSON can represent all of it.
    let body = serde_json::to_vec(&refusal.into_body(request_id)).unwrap_or_default();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    (Response::from_parts(parts, Body::from(body)), Some(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_a_flood_can_cause_are_paced() {
        assert!(is_paced(&ApiError::keys_unavailable(5).into_response()));
        assert!(is_paced(&ApiError::from(Limited::Unavailable { retry_after_s: 2 }).into_response()));
        for code in [
            ErrorCode::RateLimited,
            ErrorCode::ConcurrencyLimited,
            ErrorCode::QuotaExceeded,
            ErrorCode::NotFound,
            ErrorCode::MethodNotAllowed,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::HostNotAllowed,
            ErrorCode::LinkInvalid,
        ] {
            assert!(is_paced(&ApiError::new(code, "").into_response()));
        }
        for code in [ErrorCode::ValidationFailed, ErrorCode::LinkExpired, ErrorCode::Internal] {
            assert!(!is_paced(&ApiError::new(code, "").into_response()));
        }
        for status in [400, 401, 403, 404, 405, 415, 421, 429, 503] {
            assert!(is_paced(&StatusCode::from_u16(status).unwrap().into_response()), "{status}");
        }
        for status in [200, 402, 408, 409, 410, 413, 422, 431, 451, 500, 502] {
            assert!(!is_paced(&StatusCode::from_u16(status).unwrap().into_response()), "{status}");
        }
        let mut health = StatusCode::SERVICE_UNAVAILABLE.into_response();
        assert!(is_paced(&health) && !is_paced(&StatusCode::OK.into_response()));
        health.extensions_mut().insert(Complete);
        assert!(!is_paced(&health));
    }
}
