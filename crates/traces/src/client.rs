//! The HTTP client for the collector.

use crate::config::Config;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use resolver::{ClientError, Connector};
use std::time::Duration;

/// How long a connection is kept unused.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// Bytes of an answer that are read: it is a number and a sentence.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    inner: HyperClient<Connector, Full<Bytes>>,
    endpoint: Uri,
    headers: HeaderMap,
}

/// Why a batch was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another attempt may help, after this time if the collector says so.
    Temporary(&'static str, Option<Duration>),
    /// No attempt will.
    Final(String),
}

impl Client {
    pub(crate) fn new(config: &Config) -> Result<Self, ClientError> {
        let inner = HyperClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME_MAX)
            .pool_max_idle_per_host(1)
            .build(resolver::connector(config.ca_file.as_deref())?);
        let mut headers = HeaderMap::from_iter(config.headers.iter().cloned());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(USER_AGENT, HeaderValue::from_static("python-sandbox"));
        Ok(Self { inner, endpoint: config.endpoint.clone(), headers })
    }

    /// Sends one batch. Returns how many of its spans the collector took, but rejected. Has no time limit of its own.
    pub(crate) async fn send(&self, batch: Bytes) -> Result<u64, Refusal> {
        let mut request = Request::new(Full::new(batch));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        *request.headers_mut() = self.headers.clone();
        let answered = self.inner.request(request).await;
        // The text of an error may contain an address; its kind is enough.
        let answer = answered.map_err(|error| {
            let kind = if error.is_connect() { "cannot be reached" } else { "closed the connection" };
            Refusal::Temporary(kind, None)
        })?;
        let (parts, body) = answer.into_parts();
        if parts.status != StatusCode::OK {
            return Err(refusal(parts.status, &parts.headers));
        }
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| Refusal::Temporary("cut its answer", None))?.to_bytes();
        let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
        let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
        Ok(u64::try_from(rejected).unwrap_or(0))
    }
}

/// By the rules of OTLP ("OTLP/HTTP Response", "Retryable Response Codes").
pub(crate) fn refusal(status: StatusCode, headers: &HeaderMap) -> Refusal {
    match status.as_u16() {
        429 | 502..=504 => {
            let after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            Refusal::Temporary("is overloaded", after.map(Duration::from_secs))
        }
        status => Refusal::Final(format!("answers with status {status}")),
    }
}
