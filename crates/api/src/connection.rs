//! One connection from its first request to its end.

use crate::connections::{ConnectionSlot, State};
use crate::held::HeldLine;
use crate::http2::{self, Streams};
use crate::progress::{Progress, Requests};
use crate::server_limits::ServerLimits;
use crate::watched::{Flushed, Incoming, Outgoing};
use axum::Router;
use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often a connection with HTTP/2 is looked at: whether it is idle for too long, or over.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The connection of a request, for [`crate::pace`] and [`crate::client`].
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Of the peer: that of the client, or of a proxy.
    pub(crate) address: IpAddr,
    pub(crate) progress: Arc<Progress>,
    pub(crate) held: Arc<HeldLine>,
    /// Ends the connection when its answers are complete.
    pub(crate) ending: CancellationToken,
}

/// What the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// A connection that is to be served.
#[derive(Clone)]
pub(crate) struct Accepted {
    pub(crate) address: IpAddr,
    pub(crate) slot: Arc<ConnectionSlot>,
    pub(crate) held: Arc<HeldLine>,
    pub(crate) routes: Router,
    pub(crate) limits: ServerLimits,
    /// The service stops.
    pub(crate) stop: CancellationToken,
}

impl Accepted {
    /// Ready when the connection is not wanted any more, before its first request.
    pub(crate) async fn unwanted(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.slot.chosen() => tracing::debug!("closed a waiting connection to make room"),
        }
    }

    /// Serves the routes until the client, its slowness, another connection or the service's stop ends the connection.
    pub(crate) async fn serve<S>(self, stream: S, protocol: Protocol)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let io = TokioIo::new(Flushed::new(stream, Arc::clone(&self.slot)));
        let ending = CancellationToken::new();
        let requests = Requests::new(Arc::clone(&self.slot), ending.clone());
        let ended = match protocol {
            Protocol::Http1 => {
                let abort = CancellationToken::new();
                let service =
                    service_fn(|request| self.respond(request, requests.begin(abort.clone()), &ending, None));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(self.limits.head_time_max)
                    .max_buf_size(self.limits.head_bytes_max.max(8 * 1024))
                    .max_headers(self.limits.header_fields_max)
                    .serve_connection(io, service);
                self.drive(connection, |connection| connection.graceful_shutdown(), None, &ending, &abort)
                    .await
            }
            Protocol::Http2 => {
                let streams = Streams::new(self.limits.stall_time_max);
                let (called, accepted) = (streams.clone(), self.clone());
                let token = ending.clone();
                let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
                    name_host(&mut request);
                    let progress = requests.begin(CancellationToken::new());
                    called.expect(&progress);
                    accepted.respond(request, progress, &token, http2::PART_BYTES)
                });
                let connection = http2::builder(&self.limits, streams.clone()).serve_connection(io, service);
                let (streams, stuck) = (Some(&streams), streams.stuck());
                self.drive(connection, |connection| connection.graceful_shutdown(), streams, &ending, stuck)
                    .await
            }
        };
        if let Err(error) = ended {
            // A client that disconnects or does not use HTTP is normal.
            tracing::debug!(%error, "a connection ended with an error");
        }
    }

    fn respond(
        &self,
        mut request: Request<hyper::body::Incoming>,
        progress: Arc<Progress>,
        ending: &CancellationToken,
        part_bytes: Option<NonZeroUsize>,
    ) -> impl Future<Output = Result<Response<Outgoing<Body>>, Infallible>> + Send + use<> {
        request.extensions_mut().insert(Connection {
            address: self.address,
            progress: Arc::clone(&progress),
            held: Arc::clone(&self.held),
            ending: ending.clone(),
        });
        // HTTP/1 is refused where it is parsed.
        let has_many_fields = request.headers().len() > self.limits.header_fields_max;
        let routes = TowerToHyperService::new(self.routes.clone());
        // Not before it is polled: a request that is reset at once changes nothing.
        async move {
            let request = request.map(|body| Incoming::new(body, &progress));
            let answer = if has_many_fields {
                let mut answer = Response::new(Body::empty());
                *answer.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                answer
            } else {
                routes.call(request).await?
            };
            Ok(answer.map(|body| Outgoing::new(body, progress, part_bytes)))
        }
    }

    /// Runs the connection; `end` ends it gracefully, `abort` at once. `streams` are its requests with HTTP/2.
    async fn drive<C>(
        &self,
        connection: C,
        end: impl Fn(Pin<&mut C>),
        streams: Option<&Streams>,
        ending: &CancellationToken,
        abort: &CancellationToken,
    ) -> hyper::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut connection = std::pin::pin!(connection);
        let mut chosen = false;
        let (since, mut ended_at) = (Instant::now(), None::<Instant>);
        let mut worked_at = since;
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // First what the client has sent: a request that has already arrived is answered.
                biased;
                ended = &mut connection => return ended,
                () = abort.cancelled() => {
                    tracing::debug!("a client takes its answer too slowly; closed its connection");
                    return Ok(());
                }
                () = self.stop.cancelled(), if ended_at.is_none() => {}
                () = ending.cancelled(), if ended_at.is_none() => {}
                () = self.slot.chosen(), if !chosen => {
                    chosen = true;
                    if self.slot.is_waiting() {
                        tracing::debug!("closed a waiting connection to make room");
                        return Ok(());
                    }
                }
                // hyper has the times of HTTP/1.
                _ = look.tick(), if streams.is_some() => {
                    let idle = self.slot.idle_for();
                    if self.slot.is(&[State::Working]) {
                        worked_at = Instant::now();
                    }
                    if let Some(ended_at) = ended_at {
                        if ended_at.elapsed() >= http2::LINGER {
                            streams.inspect(|streams| streams.close());
                            // Its slot may be another's by now: answers that trickle must not keep it.
                            let left = ended_at.max(worked_at).elapsed();
                            if idle.is_some() || (chosen && left >= self.limits.stall_time_max) {
                                return Ok(());
                            }
                        }
                        continue;
                    }
                    let is_idle = idle.is_some_and(|idle| idle >= self.limits.head_time_max);
                    if !is_idle && since.elapsed() < http2::AGE_MAX {
                        continue;
                    }
                }
            }
            ended_at = Some(Instant::now());
            end(connection.as_mut());
        }
    }
}

/// Writes what HTTP/2 calls the authority of a request into `Host`, where HTTP/1 has it, if there is no `Host`.
fn name_host(request: &mut Request<hyper::body::Incoming>) {
    let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(authority)) = authority {
        request.headers_mut().entry(header::HOST).or_insert(authority);
    }
}
