//! The `POST /execute` handler: reads the body, calls the service, writes the response.

use crate::body::GrantedBody;
use crate::context::Context;
use crate::error::ApiError;
use crate::rate_limit;
use crate::request;
use crate::state::AppState;
use crate::trace::OutcomeName;
use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use contract::{ErrorBody, ExecuteRequest, ExecuteResponse};
use http::HeaderMap;
use service::{ExecuteCommand, Limited, Over, RequestContext, Ticket};

/// Bodies up to this many bytes are parsed in place: handing them to another thread costs more.
const PARSE_INLINE_BYTES_MAX: usize = 128 * 1024;

/// Bodies up to this many bytes are read even if the service is full: the client has sent most of it with the
/// head, and learns what is wrong with its request. A larger one is not uploaded for nothing.
const READ_ANYWAY_BYTES_MAX: u64 = 64 * 1024;

/// Validates and runs one program in a fresh sandbox; answers when it ends.
///
/// Every program that was run is a 200, however it ended: see `success` and `outcome`. A client that closes
/// the connection ends its program.
#[utoipa::path(
    post,
    path = "/execute",
    operation_id = "execute",
    tag = "programs",
    request_body(content = ExecuteRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The program was run, or its input files did not fit and it was not started.", body = ExecuteResponse,
         headers(("x-request-id" = String, description = "The request's id."),
                 ("ratelimit-policy" = String, description = "Of a caller with a rate: requests at once (`q`), seconds until as many again (`w`)."),
                 ("ratelimit" = String, description = "Of a caller with a rate: requests left (`r`), seconds until all of them are again (`t`)."))),
        (status = 400, description = "The validator rejected the program, the body is incomplete, or `Host` is missing, duplicated or malformed.",
         body = ErrorBody),
        (status = 401, description = "This service needs an API key, and the request has none, or one that is unknown, expired or revoked.",
         body = ErrorBody, headers(("www-authenticate" = String, description = "`Bearer`."))),
        (status = 403, description = "The API key lacks the scope `execute` or may not use this executor, or a page of another site sent \
                                      the request: `Origin` is neither this service nor in CORS_ORIGINS.",
         body = ErrorBody),
        (status = 408, description = "The body arrived too slowly.", body = ErrorBody),
        (status = 413, description = "The body is larger than the service reads.", body = ErrorBody),
        (status = 415, description = "The body is not declared as JSON, or has a `Content-Encoding`.", body = ErrorBody,
         headers(("accept-encoding" = String, description = "`identity`, if the content coding is not supported."))),
        (status = 422, description = "Not JSON, or a field is missing, unknown or out of bounds.", body = ErrorBody),
        (status = 429, description = "The caller has reached its rate, its concurrency or a quota.", body = ErrorBody,
         headers(("retry-after" = u64, description = "Seconds to wait before retrying."),
                 ("ratelimit-policy" = String, description = "As with 200."),
                 ("ratelimit" = String, description = "As with 200."))),
        (status = 500, description = "Internal error; the log has the details.", body = ErrorBody),
        (status = 503, description = "Busy, shutting down, no executor is usable, or API keys cannot be checked or limits counted.", body = ErrorBody,
         headers(("retry-after" = u64, description = "Seconds to wait before retrying."))),
    )
)]
pub(crate) async fn execute(
    State(state): State<AppState>,
    Context(context): Context,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // A client that goes away drops this future, and with it the program.
    let (standing, answer) = match state.api.service.enter(&context).await {
        Ok(ticket) => (ticket.standing(), run(&state, &context, ticket, &headers, body).await),
        Err(limited) => {
            let standing = match limited {
                Limited::Over(Over { standing, .. }) => standing,
                Limited::Unavailable { .. } => None,
            };
            (standing, Err(limited.into()))
        }
    };
    let mut response = answer.into_response();
    rate_limit::set(response.headers_mut(), standing);
    response
}

async fn run(
    state: &AppState,
    context: &RequestContext,
    ticket: Ticket,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if body.size_hint().upper().is_none_or(|bytes| bytes > READ_ANYWAY_BYTES_MAX) {
        state.api.service.check_room(context)?;
    }
    let GrantedBody { bytes, grant: _grant } = state.bodies.read(headers, body).await?;
    let command = parse(bytes).await?;
    let execution = state.api.service.execute(context, command).await?;
    ticket.ended(&execution);
    let word = OutcomeName(execution.verdict.kind().as_str());
    let base = state.api.base_url(headers);
    Ok((Extension(word), Json(explain::answer(execution, &base))).into_response())
}

async fn parse(bytes: bytes::Bytes) -> Result<ExecuteCommand, ApiError> {
    if bytes.len() <= PARSE_INLINE_BYTES_MAX {
        return request::parse(&bytes);
    }
    tokio::task::spawn_blocking(move || request::parse(&bytes)).await.unwrap_or_else(|error| {
        tracing::error!(%error, "failed to parse a body");
        Err(ApiError::internal())
    })
}
