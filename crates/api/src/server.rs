//! The connections: limited in number, in the time they may take, and in what they may send before the routes
//! see it.
//!
//! ```text
//! accept -> a slot (connections.rs: which connection is closed when all are taken) -> head within head_time_max -> routes -> answer
//!    |         |                                                                                                     |
//!    |         +-- idle longer than head_time_max: closed      a client that reads nothing for stall_time_max: closed
//!    +-- none is free: held until one is (held.rs), at most HELD_TIME_MAX -> 503
//! shutdown -> no new connection, open ones end after their answer, the rest are cut after drain_time_max
//! ```

use crate::connections::{ConnectionSlot, Connections, Taken};
use crate::held::{Held, HeldLine};
use crate::observe::ConnectionCounts;
use crate::stall::StallGuard;
use crate::watched::{Flushed, Incoming, Outgoing};
use axum::Router;
use http::Request;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pause after a failed accept: out of descriptors, retrying at once would only burn CPU time. Long enough
/// for the connection that was told to close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Longest time for which a connection without a slot is held. Longer than refusals are delayed
/// ([`crate::pace`]): where a flood of these has every slot, each is free again by then.
const HELD_TIME_MAX: Duration = Duration::from_secs(4);

/// Time between two attempts of the first connection in the line to replace one that has become idle.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Pause after a connection that is refused because the line of those that are held is full. A client that
/// connects again at once is refused a thousand times a second, not as often as it can connect. All others wait
/// as long to be accepted, so it is short.
const REFUSAL_PAUSE: Duration = Duration::from_millis(1);

/// The answer to a client that is refused because every connection is working on a request.
const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Limits on connections.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Open connections. When all are taken, a new one replaces the one that has been idle longest, of the
    /// peer that holds the most.
    pub connections_max: usize,
    /// Additional connections, reserved for clients on loopback.
    pub loopback_connections_max: usize,
    /// Connections without a slot that are held for up to 4 seconds until one is free; further ones are refused.
    pub held_connections_max: usize,
    /// Timeout for a request's head to be complete, counted from the connection's start or the last answer:
    /// it ends slow senders and idle connections alike.
    pub head_time_max: Duration,
    /// Bytes of a request's head, at least 8 KiB; 431 over it.
    pub head_bytes_max: usize,
    /// Header fields of a request; 431 over it.
    pub header_fields_max: usize,
    /// Maximum time in which a client reads nothing of its answer.
    pub stall_time_max: Duration,
    /// After a shutdown: maximum time for open requests to end.
    pub drain_time_max: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            loopback_connections_max: 32,
            held_connections_max: 4096,
            head_time_max: Duration::from_secs(30),
            head_bytes_max: 16 * 1024,
            header_fields_max: 64,
            stall_time_max: Duration::from_secs(30),
            drain_time_max: Duration::from_secs(10),
        }
    }
}

/// Serves `router` on `listener` until `shutdown` is done and the open requests have ended. Connections are counted in
/// `counts`.
///
/// To stop without losing an answer, first [`service::Service::shut_down`], which lets programs end while new
/// requests still get their 503, then make `shutdown` ready.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    counts: ConnectionCounts,
    shutdown: impl Future<Output = ()> + Send,
) {
    let connections = Connections::new(limits.connections_max, limits.loopback_connections_max);
    let held = HeldLine::new(limits.held_connections_max);
    let server = Server { connections, held, router, limits, counts, stop: CancellationToken::new() };
    let tasks = TaskTracker::new();
    let mut shutdown = std::pin::pin!(shutdown);
    let mut retry = tokio::time::interval(RETRY_INTERVAL);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = retry.tick(), if !server.held.is_empty() => {
                server.connections.retry();
                continue;
            }
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, address)) => {
                let address = address.ip();
                // Answers are written whole; waiting to fill a packet would only add delay.
                let _ = stream.set_nodelay(true);
                // One that waits is not overtaken by another of its peer.
                let taken = if server.held.has(address) { None } else { server.connections.take(address) };
                if let Some(taken) = taken {
                    tasks.spawn(server.clone().connect(stream, address, taken));
                } else if let Some(held) = server.held.join(address) {
                    tasks.spawn(server.clone().hold(stream, address, held));
                } else {
                    server.refuse(stream, address);
                    tokio::time::sleep(REFUSAL_PAUSE).await;
                }
            }
            Err(error) => {
                let closed = server.connections.close_one();
                tracing::warn!(%error, closed, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    server.stop.cancel();
    tasks.close();
    if tokio::time::timeout(server.limits.drain_time_max, tasks.wait()).await.is_err() {
        tracing::warn!(open = tasks.len(), "closed the remaining connections after the drain time");
    }
}

/// The connection of a request, for [`crate::pace`] and [`crate::client`].
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Of the peer: that of the client, or of a proxy.
    pub(crate) address: IpAddr,
    pub(crate) slot: Arc<ConnectionSlot>,
    pub(crate) held: Arc<HeldLine>,
}

/// What every connection needs.
#[derive(Clone)]
struct Server {
    connections: Arc<Connections>,
    held: Arc<HeldLine>,
    router: Router,
    limits: ServerLimits,
    counts: ConnectionCounts,
    stop: CancellationToken,
}

impl Server {
    /// Waits until a slot is free for this connection, and refuses it if none is in time.
    async fn hold(self, stream: TcpStream, address: IpAddr, held: Held) {
        let end = Instant::now() + HELD_TIME_MAX;
        loop {
            tokio::select! {
                () = self.connections.freed() => {}
                () = tokio::time::sleep_until(end) => break,
                () = held.displaced() => break,
                () = self.stop.cancelled() => break,
            }
            if let Some(taken) = self.connections.take(address) {
                drop(held);
                return self.connect(stream, address, taken).await;
            }
        }
        self.refuse(stream, address);
    }

    fn refuse(&self, stream: TcpStream, address: IpAddr) {
        self.counts.refuse();
        tracing::debug!(peer = %address, "all connections are busy; refused a new one");
        // The buffer of a new socket is empty, so this does not block; whether it arrives depends on the
        // client.
        let _ = stream.into_std().and_then(|mut stream| stream.write_all(TOO_MANY_CONNECTIONS));
    }

    async fn connect(self, stream: TcpStream, address: IpAddr, taken: Taken) {
        let Self { held, router, limits, counts, stop, .. } = self;
        let _open = counts.opened();
        let slot = Arc::clone(&taken.slot);
        let stream = StallGuard::new(stream, limits.stall_time_max);
        let io = TokioIo::new(Flushed::new(stream, Arc::clone(&slot)));
        let routes = TowerToHyperService::new(router);
        let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Connection {
                address,
                slot: Arc::clone(&slot),
                held: Arc::clone(&held),
            });
            let answer = routes.call(request.map(|body| Incoming::new(body, &slot)));
            let slot = Arc::clone(&slot);
            async move {
                let answer = answer.await?;
                Ok::<_, Infallible>(answer.map(|body| Outgoing::new(body, slot)))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_time_max)
            .max_buf_size(limits.head_bytes_max.max(8 * 1024))
            .max_headers(limits.header_fields_max)
            .serve_connection(io, service);
        let mut connection = std::pin::pin!(connection);
        let (mut stopping, mut chosen) = (false, false);
        let ended = loop {
            tokio::select! {
                // First what the client has sent: a request that has already arrived is answered.
                biased;
                ended = &mut connection => break ended,
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = taken.slot.chosen(), if !chosen => {
                    chosen = true;
                    if taken.slot.is_waiting() {
                        tracing::debug!("closed a waiting connection to make room");
                        return;
                    }
                    connection.as_mut().graceful_shutdown();
                }
            }
        };
        if let Err(error) = ended {
            // A client that disconnects or does not use HTTP is normal.
            tracing::debug!(%error, "a connection ended with an error");
        }
    }
}
