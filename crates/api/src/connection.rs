//! One connection from its first request to its end.

use crate::connections::ConnectionSlot;
use crate::held::HeldLine;
use crate::server_limits::ServerLimits;
use crate::watched::{Flushed, Incoming, Outgoing};
use axum::Router;
use http::Request;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// The connection of a request, for [`crate::pace`] and [`crate::client`].
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Of the peer: that of the client, or of a proxy.
    pub(crate) address: IpAddr,
    pub(crate) slot: Arc<ConnectionSlot>,
    pub(crate) held: Arc<HeldLine>,
}

impl Connection {
    /// Serves `routes` until the client, its slowness, another connection or `stop` ends the connection.
    pub(crate) async fn serve<S>(
        self,
        stream: S,
        routes: Router,
        limits: &ServerLimits,
        stop: &CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let slot = Arc::clone(&self.slot);
        let io = TokioIo::new(Flushed::new(stream, Arc::clone(&slot)));
        let routes = TowerToHyperService::new(routes);
        let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
            let slot = Arc::clone(&self.slot);
            request.extensions_mut().insert(self.clone());
            let answer = routes.call(request.map(|body| Incoming::new(body, &slot)));
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
                () = slot.chosen(), if !chosen => {
                    chosen = true;
                    if slot.is_waiting() {
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
