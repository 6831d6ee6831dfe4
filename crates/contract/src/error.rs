//! The answer to a request for which no program ran, or whose answer was lost.

use crate::FindingBody;
use crate::text_enum::text_enum;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The body of every error: the seven fields of an answer, then the explanation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// Always false.
    pub success: bool,
    /// Always empty.
    pub stdout: String,
    /// Always empty.
    pub stderr: String,
    /// Always -1: no program ended.
    #[schema(example = -1)]
    pub exit_code: i32,
    /// Always 0.
    pub execution_time: f64,
    /// One sentence; begins with "Validation failed" when the validator rejected the program.
    pub error: String,
    /// Always empty.
    pub files: Vec<String>,
    /// The full explanation; after a rejection, every finding with line and column.
    pub message: String,
    /// The kind of error, for programs.
    pub code: ErrorCode,
    /// The request's id, also in the header `x-request-id` and in the service's log.
    pub request_id: String,
    /// With 422: the field, its problem and what is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub details: Option<Details>,
    /// If the validator rejected the program: its findings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub violations: Option<Vec<FindingBody>>,
}

/// The invalid part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Details {
    /// The field; `body` if the whole body is not a JSON object.
    #[schema(example = "timeout")]
    pub field: String,
    /// What is wrong with it.
    #[schema(example = "is 31")]
    pub problem: String,
    /// What is allowed, with the bound.
    #[schema(example = "1 to 30 seconds")]
    pub allowed: String,
}

impl ErrorBody {
    /// An error without details and findings; `request_id` is the request's, also in its header.
    #[must_use]
    pub fn new(code: ErrorCode, error: String, message: String, request_id: String) -> Self {
        Self {
            success: false,
            stdout: String::new(),
            stderr: String::new(),
            exit_code: -1,
            execution_time: 0.0,
            error,
            files: Vec::new(),
            message,
            code,
            request_id,
            details: None,
            violations: None,
        }
    }
}

text_enum! {
    /// Stable error codes for programs, with their status. Part of the contract: add, never rename.
    pub enum ErrorCode {
        /// 400: the validator rejected the program.
        ValidationFailed = "validation_failed",
        /// 400: not HTTP as this service reads it, or `Host` is missing, duplicated or malformed.
        BadRequest = "bad_request",
        /// 401: an API key is needed, and none was presented, or one that is unknown, expired or revoked.
        Unauthenticated = "unauthenticated",
        /// 403: the API key may not do this.
        Forbidden = "forbidden",
        /// 403: the link was not made by this service, or was changed.
        LinkInvalid = "link_invalid",
        /// 403: a page of another site sent the request.
        OriginNotAllowed = "origin_not_allowed",
        /// 404: no such path.
        NotFound = "not_found",
        /// 405: the path has other methods, named by `Allow`.
        MethodNotAllowed = "method_not_allowed",
        /// 408: the body arrived too slowly.
        RequestTimeout = "request_timeout",
        /// 410: the link expired, or its file was removed.
        LinkExpired = "link_expired",
        /// 413: the body is larger than the service reads.
        BodyTooLarge = "body_too_large",
        /// 415: the body is not declared as JSON, or is compressed.
        UnsupportedMediaType = "unsupported_media_type",
        /// 421: `Host` is not a name of this service.
        HostNotAllowed = "host_not_allowed",
        /// 422: not JSON, or a field is missing, unknown or out of bounds.
        InvalidRequest = "invalid_request",
        /// 429: the caller sends more requests than its rate allows.
        RateLimited = "rate_limited",
        /// 429: as many requests of the caller run or wait as it may have at once.
        ConcurrencyLimited = "concurrency_limited",
        /// 429: the caller has used its CPU time or its stored bytes of the period.
        QuotaExceeded = "quota_exceeded",
        /// 500: an internal error; the log has the details under the same request id.
        Internal = "internal",
        /// 503: the concurrency limit is reached and the queue is full.
        Busy = "busy",
        /// 503: no executor is usable.
        ExecutorUnavailable = "executor_unavailable",
        /// 503: the object store that has the file does not answer.
        StorageUnavailable = "storage_unavailable",
        /// 503: API keys cannot be checked.
        KeysUnavailable = "keys_unavailable",
        /// 503: the caller's limits cannot be counted.
        LimitsUnavailable = "limits_unavailable",
        /// 503: the service is stopping.
        ShuttingDown = "shutting_down",
    }
}

/// An enumeration, unlike the schemas of other such fields: this list has always been one.
impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        let description = "Stable error codes for programs. Part of the contract: add, never rename.";
        let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        schema.enum_values(Some(Self::VALUES.iter().copied())).into()
    }
}

impl ToSchema for ErrorCode {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ErrorCode")
    }
}
