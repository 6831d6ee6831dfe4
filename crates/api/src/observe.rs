//! What this crate tells of requests and connections, and what it asks for: metrics are made elsewhere.

use bytes::Bytes;
use service::TraceContext;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Is told of each request. Both methods run on the request's task: they must not wait.
pub trait HttpObserver: fmt::Debug + Send + Sync {
    /// A request has arrived; `parent` is its client's place in a trace. Returns the request's own place if its trace may
    /// be recorded.
    fn began(&self, parent: Option<&TraceContext>) -> Option<TraceContext>;

    /// A request that began has its answer, or its client went away. Called once for each.
    fn answered(&self, answered: &Answered<'_>);
}

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered<'a> {
    /// Its method, as sent.
    pub method: &'a str,
    /// The template of its path, one of [`crate::ROUTES`]; `unmatched` if there is none.
    pub route: &'a str,
    /// The status; 499 if the client went away before.
    pub status: u16,
    /// From its head until its answer was made, without the time to send that.
    pub duration: Duration,
    /// The code of the error.
    pub code: Option<&'a str>,
    /// Its result in one word.
    pub outcome: &'a str,
    /// Its id.
    pub request_id: &'a str,
    /// Its client's address.
    pub client: IpAddr,
    /// The name of its API key.
    pub key: Option<&'a str>,
    /// What [`HttpObserver::began`] was told.
    pub parent: Option<&'a TraceContext>,
    /// What [`HttpObserver::began`] returned.
    pub trace: Option<&'a TraceContext>,
}

/// Observes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHttpObserver;

impl HttpObserver for NoHttpObserver {
    fn began(&self, _: Option<&TraceContext>) -> Option<TraceContext> {
        None
    }

    fn answered(&self, _: &Answered<'_>) {}
}

/// The page that `GET /metrics` returns.
pub trait MetricsPage: fmt::Debug + Send + Sync {
    /// The page in Prometheus's text format, 0.0.4. May block for some milliseconds.
    ///
    /// # Errors
    /// The reason, for the log.
    fn render(&self) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;
}

/// Counts connections. Clones count the same ones.
#[derive(Debug, Clone, Default)]
pub struct ConnectionCounts(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    open: AtomicU64,
    refused: AtomicU64,
}

/// A connection, counted as open until this is dropped.
#[derive(Debug)]
pub(crate) struct Open(ConnectionCounts);

impl ConnectionCounts {
    /// Open connections.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Connections that were refused so far, as every one was working on a request.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn opened(&self) -> Open {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    pub(crate) fn refuse(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
