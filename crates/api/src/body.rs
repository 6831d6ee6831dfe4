//! Reads a request's body: JSON only, with a limit on its size, its time, and the memory of all bodies
//! together.

use crate::error::ApiError;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use contract::ErrorCode;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit in which body memory is counted, in bytes: a semaphore counts in 32 bits.
const UNIT_BYTES: usize = 1024;

/// `Retry-After` if the memory for bodies is taken, in seconds: an upload is over soon.
const RETRY_AFTER_S: u64 = 2;

/// Limits on bodies.
#[derive(Debug, Clone)]
pub struct BodyLimits {
    /// Maximum size of one body in bytes (`MAX_BODY_SIZE`); 413 over it.
    pub bytes_max: usize,
    /// Timeout for receiving one body; 408 over it. Protects against clients that send a byte a second.
    pub time_max: Duration,
    /// Bytes of all bodies in memory together, from their first byte until the answer; 503 over it.
    pub total_bytes_max: usize,
}

impl Default for BodyLimits {
    /// Fits the contract's default limits on code, stdin and files: 50 MiB of files are 67 MiB of base64.
    fn default() -> Self {
        Self {
            bytes_max: 80 * 1024 * 1024,
            time_max: Duration::from_secs(60),
            total_bytes_max: 320 * 1024 * 1024,
        }
    }
}

/// Reads bodies within [`BodyLimits`].
#[derive(Debug, Clone)]
pub(crate) struct BodyReader {
    limits: BodyLimits,
    units: Arc<Semaphore>,
}

/// A body and its reserved memory. Keep it as long as anything made from the body lives.
#[derive(Debug)]
pub(crate) struct GrantedBody {
    pub(crate) bytes: Bytes,
    pub(crate) grant: Option<OwnedSemaphorePermit>,
}

impl BodyReader {
    pub(crate) fn new(limits: BodyLimits) -> Self {
        let units = (limits.total_bytes_max / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Self { limits, units: Arc::new(Semaphore::new(units)) }
    }

    /// Reads a JSON body.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<GrantedBody, ApiError> {
        if !is_json(headers) {
            let message = "the body must be JSON: send `Content-Type: application/json`";
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
        }
        if let Some(coding) = coding(headers) {
            return Err(ApiError::coded(&coding));
        }
        if content_length(headers).is_some_and(|length| length > self.limits.bytes_max as u64) {
            return Err(self.too_large());
        }
        match tokio::time::timeout(self.limits.time_max, self.collect(body)).await {
            Ok(read) => read,
            Err(_elapsed) => {
                let time = support::counted(self.limits.time_max.as_secs(), "second");
                let message = format!("the body did not arrive within {time}");
                Err(ApiError::new(ErrorCode::RequestTimeout, message))
            }
        }
    }

    async fn collect(&self, mut body: Body) -> Result<GrantedBody, ApiError> {
        let mut bytes = BytesMut::new();
        let mut grant: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                tracing::debug!(%error, "a connection closed before the body was complete");
                ApiError::new(ErrorCode::BadRequest, "the connection closed before the body was complete")
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > self.limits.bytes_max {
                return Err(self.too_large());
            }
            bytes.extend_from_slice(&data);
            self.grow(&mut grant, bytes.len())?;
        }
        Ok(GrantedBody { bytes: bytes.freeze(), grant })
    }

    /// Reserves memory for `bytes` in total. Never waits: two half-read bodies that wait for each other's
    /// memory would wait for ever.
    fn grow(&self, grant: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), ApiError> {
        let granted = grant.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.div_ceil(UNIT_BYTES).saturating_sub(granted);
        let busy = || ApiError::busy("the service is reading too many large requests", RETRY_AFTER_S);
        let missing = u32::try_from(missing).map_err(|_| busy())?;
        if missing == 0 {
            return Ok(());
        }
        let more = Arc::clone(&self.units).try_acquire_many_owned(missing).map_err(|_| busy())?;
        match grant {
            Some(grant) => grant.merge(more),
            None => *grant = Some(more),
        }
        Ok(())
    }

    fn too_large(&self) -> ApiError {
        let message = format!("the body is larger than {} bytes (MAX_BODY_SIZE)", self.limits.bytes_max);
        ApiError::new(ErrorCode::BodyTooLarge, message)
    }
}

/// `application/json` or `application/…+json`, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The content coding of an encoded body (RFC 9110, 8.4): nothing here decodes it, and decompression would
/// need its own limit.
fn coding(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::CONTENT_ENCODING).iter();
    let codings = lines.flat_map(|line| line.as_bytes().split(|&b| b == b','));
    let mut other = codings
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    let is_token =
        |coding: &&[u8]| coding.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    // Invalid tokens are not repeated.
    other.next().map(|coding| {
        let known = Some(coding).filter(is_token).map(|coding| String::from_utf8_lossy(coding).into_owned());
        known.map_or_else(|| "of another kind".to_owned(), |coding| format!("`{coding}`"))
    })
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn json() -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))])
    }

    #[test]
    fn json_is_told_by_its_type() {
        for (value, good) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("text/plain", false),
            ("application/jsonx", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(is_json(&headers), good, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn only_a_body_as_it_is_is_read() {
        for (value, found) in [
            (None, None),
            (Some(""), None),
            (Some("identity"), None),
            (Some("Identity, identity"), None),
            (Some("gzip"), Some("`gzip`")),
            (Some("identity, BR"), Some("`BR`")),
            (Some("x y"), Some("of another kind")),
        ] {
            let mut headers = json();
            if let Some(value) = value {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static("identity"));
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(coding(&headers).as_deref(), found, "{value:?}");
        }
    }

    #[tokio::test]
    async fn the_memory_of_all_bodies_is_bounded_and_given_back() {
        let limits = BodyLimits { bytes_max: 8192, total_bytes_max: 10_240, ..BodyLimits::default() };
        let reader = BodyReader::new(limits);
        let first = reader.read(&json(), Body::from(vec![b'x'; 8000])).await.unwrap();
        assert_eq!(first.bytes.len(), 8000);
        assert!(reader.read(&json(), Body::from(vec![b'x'; 8000])).await.is_err());
        drop(first);
        assert!(reader.read(&json(), Body::from(vec![b'x'; 8000])).await.is_ok());
        assert!(reader.read(&json(), Body::from(vec![b'x'; 8193])).await.is_err());
    }
}
