//! `GET /files/{token}`: the service's own links. Downloads the file, or redirects to the object store that has
//! it.

use crate::connection::Connection;
use crate::downloads::Place;
use crate::error::ApiError;
use crate::state::AppState;
use crate::trace::{Client, RESOURCE_POLICY};
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use contract::{ErrorBody, ErrorCode};
use explain::Refusal;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use storage::{Download, Link, LinkError, LinkUse, Opened, content_disposition};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// Size of a read from the disk: few system calls, little memory per download.
const CHUNK_BYTES: usize = 64 * 1024;

/// `Retry-After` if there is no place for a download, in seconds: most are over soon.
const RETRY_AFTER_S: u64 = 2;

/// A program's file must not run under this origin if a browser shows it after all.
const CSP_FILE: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'");

/// The browser that followed the link may keep the file, shared caches may not.
const CACHE_FILE: HeaderValue = HeaderValue::from_static("private, max-age=3600, immutable");

/// Downloads an output file. The token grants access: a signed link that expires.
#[utoipa::path(
    get,
    path = "/files/{token}",
    operation_id = "download",
    tag = "files",
    params(("token" = String, Path, description = "The last part of an artifact's `url`."),
           ("if-none-match" = Option<String>, Header, description = "An `etag` of an earlier download.")),
    responses(
        (status = 200, description = "The file, always as a download.", content_type = "application/octet-stream",
         body = inline(Vec<u8>),
         headers(("content-disposition" = String, description = "`attachment` with the file's name."),
                 ("content-length" = u64, description = "Size in bytes."),
                 ("etag" = String, description = "SHA-256 of the content."))),
        (status = 302, description = "The file is in an object store: `location` has a link to it that is valid for some minutes.",
         headers(("location" = String, description = "Where the file is; with the same method."))),
        (status = 304, description = "The client has this content."),
        (status = 403, description = "The link was not created by this service, or was modified.", body = ErrorBody),
        (status = 404, description = "This service stores no files itself.", body = ErrorBody),
        (status = 410, description = "The link expired, or the file was removed.", body = ErrorBody),
        (status = 500, description = "Internal error.", body = ErrorBody),
        (status = 503, description = "Too many downloads at once, or the object store that has the file does not answer; `Retry-After` says when to try again.",
         body = ErrorBody),
    )
)]
pub(crate) async fn download(
    State(state): State<AppState>,
    Extension(Client(client)): Extension<Client>,
    connection: Option<Extension<Connection>>,
    method: Method,
    headers: HeaderMap,
    token: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Some(links) = &state.api.links else {
        return Err(ApiError::new(ErrorCode::NotFound, "this service stores no files itself"));
    };
    let invalid =
        || ApiError::new(ErrorCode::LinkInvalid, "the link is not valid: use it exactly as it was given");
    let Path(token) = token.map_err(|_| invalid())?;
    let abort =
        connection.map(|Extension(connection)| connection.progress.abort().clone()).unwrap_or_default();
    let downloads = &state.api.downloads;
    // Before the file is opened: without a place it is closed at once, unless one is free by then. What has no body needs none.
    let early = if method == Method::HEAD { None } else { downloads.take(client, abort.clone()) };
    let link_use = if method == Method::HEAD { LinkUse::Head } else { LinkUse::Get };
    let opened = links.follow(&token, link_use).await.map_err(|error| match error {
        LinkError::Invalid => invalid(),
        LinkError::Expired { expired_at } => {
            let message = format!("the link expired at {expired_at}; run the program again for a new one");
            ApiError::new(ErrorCode::LinkExpired, message)
        }
        LinkError::Gone => {
            ApiError::new(ErrorCode::LinkExpired, "the file was removed; run the program again")
        }
        LinkError::Unavailable { retry_after_s } => Refusal::storage_unavailable(retry_after_s).into(),
        error => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(%error, cause, "a download failed");
            ApiError::internal()
        }
    })?;
    match opened {
        Opened::File(download) => {
            let place = || early.or_else(|| downloads.take_or_end_slow(client, abort));
            respond(download, place, &method, &headers)
        }
        Opened::Elsewhere { to, sha256 } => Ok(redirect(&to, &sha256, &headers)),
    }
}

/// Whether the client already has the content with this `etag`.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|given| {
        given.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == etag)
    })
}

/// The answer is not cached, as every answer without a `Cache-Control` of its own: the link to the object
/// store is valid for minutes.
fn redirect(to: &Link, sha256: &str, headers: &HeaderMap) -> Response {
    let etag = format!("\"{sha256}\"");
    if is_known(headers, &etag) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        insert(response.headers_mut(), header::ETAG, &etag);
        response.headers_mut().insert(header::CACHE_CONTROL, CACHE_FILE);
        return response;
    }
    let Ok(location) = HeaderValue::from_str(to.as_str()) else {
        tracing::error!("an object store's link is not valid in a header");
        return ApiError::internal().into_response();
    };
    let shared = HeaderValue::from_static("cross-origin");
    (StatusCode::FOUND, [(header::LOCATION, location), (RESOURCE_POLICY, shared)]).into_response()
}

/// `place` is called if the answer has the file.
fn respond(
    download: Download,
    place: impl FnOnce() -> Option<Place>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let etag = format!("\"{}\"", download.sha256);
    let known = is_known(headers, &etag);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else if method == Method::HEAD {
        Response::new(Body::empty())
    } else {
        let Some(place) = place() else {
            return Err(ApiError::busy("there are too many downloads at once", RETRY_AFTER_S));
        };
        // Never more than was announced, even if the file has changed.
        let content = download.file.take(download.size_bytes);
        let body = Body::from_stream(ReaderStream::with_capacity(content, CHUNK_BYTES));
        Response::new(place.hold(body))
    };
    let out = response.headers_mut();
    out.insert(header::CONTENT_SECURITY_POLICY, CSP_FILE);
    out.insert(header::CACHE_CONTROL, CACHE_FILE);
    // The page of a client may show a picture; whoever has its link may have it.
    out.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    insert(out, header::ETAG, &etag);
    if !known {
        out.insert(header::CONTENT_LENGTH, HeaderValue::from(download.size_bytes));
        out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        insert(out, header::CONTENT_TYPE, &download.media_type);
        insert(out, header::CONTENT_DISPOSITION, &content_disposition(&download.file_name));
    }
    Ok(response)
}

/// The store guarantees values that fit a header; an invalid one is left out, never sent broken.
fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            headers.insert(name, value);
        }
        Err(error) => tracing::error!(%error, header = name.as_str(), "omitted an invalid header"),
    }
}
