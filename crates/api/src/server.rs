//! The connections: limited in number, in the time they may take, and in what they may send before the routes
//! see it.
//!
//! ```text
//! accept -> a slot (connections.rs: which connection is closed when all are taken) -> handshake within handshake_time_max, with TLS
//!    |        -> HTTP/1, or HTTP/2 (http2.rs) -> head within head_time_max -> routes -> answer
//!    |                      |                             |
//!    |                      |                             +-- a client that reads nothing for stall_time_max: closed
//!    |                      +-- idle longer than head_time_max: closed
//!    +-- none is free: held until one is (held.rs), at most HELD_TIME_MAX -> 503
//! shutdown -> no new connection, open ones end after their answer, the rest are cut after drain_time_max
//! ```

use crate::connection::{Accepted, Protocol};
use crate::connections::{Connections, Taken};
use crate::handshake;
use crate::held::{Held, HeldLine};
use crate::http2;
use crate::observe::ConnectionCounts;
use crate::server_limits::ServerLimits;
use crate::stall::StallGuard;
use axum::Router;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::Tls;
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

/// Serves `router` on `listener` until `shutdown` is done and the open requests have ended, with TLS if there is any.
/// Connections are counted in `counts`.
///
/// To stop without losing an answer, first [`service::Service::shut_down`], which lets programs end while new
/// requests still get their 503, then make `shutdown` ready.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    limits: ServerLimits,
    counts: ConnectionCounts,
    shutdown: impl Future<Output = ()> + Send,
) {
    let connections = Connections::new(limits.connections_max, limits.loopback_connections_max);
    let held = HeldLine::new(limits.held_connections_max);
    let server = Server { connections, held, router, tls, limits, counts, stop: CancellationToken::new() };
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

/// What every connection needs.
#[derive(Clone)]
struct Server {
    connections: Arc<Connections>,
    held: Arc<HeldLine>,
    router: Router,
    tls: Option<Arc<Tls>>,
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
        if self.tls.is_some() {
            // A handshake would cost more than the connection that there is no room for.
            return;
        }
        // The buffer of a new socket is empty, so this does not block; whether it arrives depends on the
        // client.
        let _ = stream.into_std().and_then(|mut stream| stream.write_all(TOO_MANY_CONNECTIONS));
    }

    async fn connect(self, stream: TcpStream, address: IpAddr, taken: Taken) {
        let Self { held, router, limits, counts, stop, tls, .. } = self;
        let _open = counts.opened();
        let slot = Arc::clone(&taken.slot);
        let accepted = Accepted { address, slot, held, routes: router, limits, stop };
        let limits = &accepted.limits;
        if let Some(tls) = tls {
            let encrypted = tokio::select! {
                encrypted = handshake::accept(stream, &tls, limits) => encrypted,
                () = accepted.unwanted() => None,
            };
            if let Some((stream, protocol)) = encrypted {
                accepted.serve(stream, protocol).await;
            }
            return;
        }
        let protocol = tokio::select! {
            // First what the client has sent: a request that has already arrived is answered.
            biased;
            protocol = spoken(&stream, limits) => protocol,
            () = accepted.unwanted() => None,
        };
        if let Some(protocol) = protocol {
            let stream = StallGuard::new(stream, limits.stall_time_max);
            accepted.serve(stream, protocol).await;
        }
    }
}

/// What a client without TLS speaks; `None` if it says nothing in time.
async fn spoken(stream: &TcpStream, limits: &ServerLimits) -> Option<Protocol> {
    let is_http2 = tokio::time::timeout(limits.head_time_max, http2::has_preface(stream)).await.ok()?.ok()?;
    Some(if is_http2 { Protocol::Http2 } else { Protocol::Http1 })
}
