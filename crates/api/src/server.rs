//! The connections: bounded in number, in the time they may take, and in what they may send before the routes
//! see it.
//!
//! ```text
//! accept -> connection (one of connections_max) -> head within head_time_max -> routes -> answer
//!              |                                                                  |
//!              +-- idle longer than head_time_max: closed      a client that reads nothing for stall_time_max: closed
//! shutdown -> no new connection, those that are open end after their answer, the rest are cut after drain_time_max
//! ```

use crate::stall::StallGuard;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pause after a failed accept: out of descriptors, trying again at once would only burn a processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds on connections.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Open connections; more wait in the kernel's queue until one closes.
    pub connections_max: usize,
    /// Longest time until a request's head is complete, counted from the connection's start or the last answer:
    /// it ends slow senders and idle connections alike.
    pub head_time_max: Duration,
    /// Bytes of a request's head, at least 8 KiB; 431 over it.
    pub head_bytes_max: usize,
    /// Header fields of a request; 431 over it.
    pub header_fields_max: usize,
    /// Longest time in which a client takes nothing of its answer.
    pub stall_time_max: Duration,
    /// After a shutdown: longest time for open requests to end.
    pub drain_time_max: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            head_time_max: Duration::from_secs(30),
            head_bytes_max: 16 * 1024,
            header_fields_max: 64,
            stall_time_max: Duration::from_secs(30),
            drain_time_max: Duration::from_secs(10),
        }
    }
}

/// Serves `router` on `listener` until `shutdown` is done and the open requests have ended.
///
/// To stop without losing an answer, first [`service::Service::shut_down`], which lets programs end while new
/// requests still get their 503, then make `shutdown` ready.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    shutdown: impl Future<Output = ()> + Send,
) {
    let places = Arc::new(Semaphore::new(limits.connections_max.clamp(1, Semaphore::MAX_PERMITS)));
    let stop = CancellationToken::new();
    let connections = TaskTracker::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, place)) => {
                let connection = connect(stream, router.clone(), limits.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stop.cancel();
    connections.close();
    if tokio::time::timeout(limits.drain_time_max, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections were cut after the time to drain");
    }
}

/// Takes a place first: a connection that cannot be served stays in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Answers are written whole; waiting to fill a packet would only add delay.
    let _ = stream.set_nodelay(true);
    Ok((stream, place))
}

async fn connect(stream: TcpStream, router: Router, limits: ServerLimits, stop: CancellationToken) {
    let io = TokioIo::new(StallGuard::new(stream, limits.stall_time_max));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time_max)
        .max_buf_size(limits.head_bytes_max.max(8 * 1024))
        .max_headers(limits.header_fields_max)
        .serve_connection(io, TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that breaks off or speaks no HTTP is everyday life.
        tracing::debug!(%error, "a connection ended with an error");
    }
}
