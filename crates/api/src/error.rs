//! Errors as HTTP: the only place that knows status codes.
//!
//! A handler returns an [`ApiError`]; as a response it is a status and headers, with the error attached. The outermost layer
//! ([`crate::trace`]) turns it into the body, because only that layer knows the request's id. It does the same with every error
//! from another source (a router, a panic), so that all error bodies have one shape.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use service::{ExecuteError, Finding, InvalidField};
use support::{one_line, plain_lines};
use utoipa::ToSchema;

/// Stable error codes for programs. Part of the contract: add, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: the validator rejected the program.
    ValidationFailed,
    /// 400: not HTTP as this service reads it, or `Host` is missing, duplicated or malformed.
    BadRequest,
    /// 403: the link was not made by this service, or was changed.
    LinkInvalid,
    /// 403: a page of another site sent the request.
    OriginNotAllowed,
    /// 404: no such path.
    NotFound,
    /// 405: the path has other methods, named by `Allow`.
    MethodNotAllowed,
    /// 408: the body arrived too slowly.
    RequestTimeout,
    /// 410: the link expired, or its file was removed.
    LinkExpired,
    /// 413: the body is larger than the service reads.
    BodyTooLarge,
    /// 415: the body is not declared as JSON, or is compressed.
    UnsupportedMediaType,
    /// 421: `Host` is not a name of this service.
    HostNotAllowed,
    /// 422: not JSON, or a field is missing, unknown or out of bounds.
    InvalidRequest,
    /// 500: an internal error; the log has the details under the same request id.
    Internal,
    /// 503: the concurrency limit is reached and the queue is full.
    Busy,
    /// 503: no executor is usable.
    ExecutorUnavailable,
    /// 503: the service is stopping.
    ShuttingDown,
}

impl ErrorCode {
    /// The code as in bodies and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ValidationFailed => "validation_failed",
            Self::BadRequest => "bad_request",
            Self::LinkInvalid => "link_invalid",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::LinkExpired => "link_expired",
            Self::BodyTooLarge => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::HostNotAllowed => "host_not_allowed",
            Self::InvalidRequest => "invalid_request",
            Self::Internal => "internal",
            Self::Busy => "busy",
            Self::ExecutorUnavailable => "executor_unavailable",
            Self::ShuttingDown => "shutting_down",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::ValidationFailed | Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::LinkInvalid | Self::OriginNotAllowed => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::LinkExpired => StatusCode::GONE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::HostNotAllowed => StatusCode::MISDIRECTED_REQUEST,
            Self::InvalidRequest => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy | Self::ExecutorUnavailable | Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The code of an error that no handler made.
    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => Self::InvalidRequest,
            StatusCode::SERVICE_UNAVAILABLE => Self::Busy,
            status if status.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

/// An error on its way to the client. Boxed: handlers return it beside small values.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Explained>);

#[derive(Debug, Clone)]
struct Explained {
    code: ErrorCode,
    error: String,
    message: String,
    details: Option<Details>,
    violations: Option<Vec<FindingBody>>,
    retry_after_s: Option<u64>,
    /// The content coding is not supported: names the supported one.
    names_coding: bool,
}

impl ApiError {
    /// An error whose two texts are the same sentence.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Explained {
            code,
            error: message.clone(),
            message,
            details: None,
            violations: None,
            retry_after_s: None,
            names_coding: false,
        }))
    }

    /// The body is compressed.
    #[must_use]
    pub fn coded(coding: &str) -> Self {
        let message = format!(
            "the body has the `Content-Encoding` {coding}, which is not supported: send it unencoded, without that header"
        );
        let mut error = Self::new(ErrorCode::UnsupportedMediaType, message);
        error.0.names_coding = true;
        error
    }

    /// An internal error. The details belong in the log, not here.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "internal error; the log has the details under this request id")
    }

    /// An invalid field.
    #[must_use]
    pub fn invalid(field: InvalidField) -> Self {
        let InvalidField { field, problem, allowed } = field;
        let (field, problem) = (one_line(&field), one_line(&problem));
        let message = format!("`{field}` {problem}; allowed: {allowed}");
        let mut error = Self::new(ErrorCode::InvalidRequest, message);
        error.0.details = Some(Details { field, problem, allowed });
        error
    }

    /// Too much load; retry in `retry_after_s` seconds.
    #[must_use]
    pub fn busy(message: &str, retry_after_s: u64) -> Self {
        Self::unavailable(ErrorCode::Busy, message, retry_after_s)
    }

    fn unavailable(code: ErrorCode, message: &str, retry_after_s: u64) -> Self {
        let message = format!("{message}; try again in {retry_after_s} seconds");
        let mut error = Self::new(code, message);
        error.0.retry_after_s = Some(retry_after_s);
        error
    }

    fn into_body(self, request_id: &str) -> ErrorBody {
        let Explained { code, error, message, details, violations, retry_after_s: _, names_coding: _ } =
            *self.0;
        ErrorBody {
            success: false,
            stdout: String::new(),
            stderr: String::new(),
            exit_code: -1,
            execution_time: 0.0,
            error: one_line(&error),
            files: Vec::new(),
            message: plain_lines(&message),
            code,
            request_id: request_id.to_owned(),
            details,
            violations,
        }
    }
}

impl From<ExecuteError> for ApiError {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Invalid(field) => Self::invalid(field),
            ExecuteError::Rejected { violations, rendered } => {
                let count = violations.len();
                let first = violations.first().map(|v| v.message.as_str()).unwrap_or_default();
                let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
                let mut error = Self::new(ErrorCode::ValidationFailed, rendered);
                error.0.error = format!("Validation failed: {first}{more}");
                error.0.violations = Some(violations.into_iter().map(FindingBody::from).collect());
                error
            }
            ExecuteError::Busy { retry_after_s } => {
                Self::busy("the service is busy and its queue is full", retry_after_s)
            }
            ExecuteError::ShuttingDown { retry_after_s } => {
                Self::unavailable(ErrorCode::ShuttingDown, "the service is stopping", retry_after_s)
            }
            ExecuteError::Unavailable { retry_after_s, ref selected, .. } => {
                let message = match selected {
                    Some(selected) => {
                        tracing::warn!(error = %error.chain(), "the executor named in a request is not usable");
                        let other = if selected.usable.is_empty() {
                            ""
                        } else {
                            " (omit `executor` to use one of these)"
                        };
                        format!("{selected}{other}, see /health; the program was not run")
                    }
                    None => {
                        tracing::error!(error = %error.chain(), "no executor is usable");
                        "no executor is usable, see /health; the program was not run".to_owned()
                    }
                };
                Self::unavailable(ErrorCode::ExecutorUnavailable, &message, retry_after_s)
            }
            ExecuteError::Executor(_) => {
                tracing::error!(error = %error.chain(), "an executor failed while a program may have run");
                let message = "the executor failed while the program ran: it may have done part of its work, and will not be run \
                               again; the log has the details under this request id";
                Self::new(ErrorCode::Internal, message)
            }
            error => {
                tracing::error!(error = %error.chain(), "failed to execute a program");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        if let Some(seconds) = self.0.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.names_coding {
            // RFC 9110, 15.5.16: it lets a client tell this 415 from the other one.
            response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Marks a response with an error status whose body already follows the contract: that of `/health`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Complete;

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
        ApiError::new(ErrorCode::of_status(status), words)
    });
    let code = error.0.code;
    // A struct of text and numbers: JSON can represent all of it.
    let body = serde_json::to_vec(&error.into_body(request_id)).unwrap_or_default();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    (Response::from_parts(parts, Body::from(body)), Some(code))
}

/// The body of every error: the seven fields of an answer, then the explanation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// Always false.
    success: bool,
    /// Always empty.
    stdout: String,
    /// Always empty.
    stderr: String,
    /// Always -1: no program ended.
    #[schema(example = -1)]
    exit_code: i32,
    /// Always 0.
    execution_time: f64,
    /// One sentence; begins with "Validation failed" when the validator rejected the program.
    error: String,
    /// Always empty.
    files: Vec<String>,
    /// The full explanation; after a rejection, every finding with line and column.
    message: String,
    /// The kind of error, for programs.
    code: ErrorCode,
    /// The request's id, also in the header `x-request-id` and in the service's log.
    request_id: String,
    /// With 422: the field, its problem and what is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    details: Option<Details>,
    /// If the validator rejected the program: its findings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    violations: Option<Vec<FindingBody>>,
}

/// The invalid part of a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Details {
    /// The field; `body` if the whole body is not a JSON object.
    #[schema(example = "timeout")]
    field: String,
    /// What is wrong with it.
    #[schema(example = "is 31")]
    problem: String,
    /// What is allowed, with the bound.
    #[schema(example = "1 to 30 seconds")]
    allowed: String,
}

/// One finding of the validator.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FindingBody {
    /// Line, from 1.
    #[schema(example = 1)]
    line: u32,
    /// Column in characters, from 0.
    #[schema(example = 0)]
    column: u32,
    /// The rule.
    #[schema(example = "forbidden-import")]
    code: &'static str,
    /// What is wrong.
    message: String,
}

impl From<Finding> for FindingBody {
    fn from(finding: Finding) -> Self {
        let Finding { line, column, code, message } = finding;
        Self { line, column, code, message: plain_lines(&message) }
    }
}
