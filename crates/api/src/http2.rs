//! The bounds of HTTP/2, which has many requests on one connection.
//!
//! ```text
//! a peer that                                    is bounded by
//! opens many requests                            STREAMS_MAX
//! opens and resets them at once                  RESETS_MAX
//! resets them later, again and again            UNANSWERED_MAX (progress.rs)
//! sends bodies that nobody reads                 the windows: WINDOW for each, CONNECTION_WINDOW for all
//! takes a download too slowly                    RATE_MIN (downloads.rs), where another needs its place
//! does not take an answer                        stall_time_max (each answer is sent in parts of PART_BYTES, the last byte alone)
//!                                                longer while others are sent, too: up to 8 times (delivery.rs)
//! makes its windows smaller after an answer      the same time; then the end, as the answer is complete and cannot be reset
//! sends heads slowly, or nothing                 head_time_max without a request; then GOAWAY, LINGER, the end
//! is gone                                        PING_INTERVAL
//! never stops                                    AGE_MAX; then GOAWAY
//! ```

use crate::progress::Progress;
use crate::server_limits::ServerLimits;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper_util::rt::TokioTimer;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Requests of one connection at the same time. The client waits with further ones; a proxy opens more connections.
const STREAMS_MAX: u32 = 32;

/// Bytes of a body that are received before somebody reads it. Bodies of all connections, read or not, stay below what they may
/// be in memory together ([`crate::BodyLimits`]).
const WINDOW: u32 = 128 * 1024;

/// The same for all bodies of a connection.
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Largest frame that is received; the smallest value that the protocol allows (RFC 9113, 4.2).
const FRAME_BYTES_MAX: u32 = 16 * 1024;

/// Bytes of one answer that are held for the socket.
const SEND_BYTES_MAX: usize = 64 * 1024;

/// Largest part of an answer that is handed over at once.
pub(crate) const PART_BYTES: Option<NonZeroUsize> = NonZeroUsize::new(16 * 1024);

/// Requests that the client has reset before they began; more end the connection.
const RESETS_MAX: usize = 20;

/// Requests that were refused for an error of the client; more end the connection.
const ERRORS_MAX: usize = 64;

/// Time between two pings, and for the answer to one.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long a connection still takes requests after GOAWAY, for those that were on their way; then it ends when its answers are
/// complete. A client that answers the ping after GOAWAY is faster (RFC 9113, 6.8).
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// Age at which a connection gets GOAWAY, so that whatever it has collected has an end.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(600);

/// How a connection is served.
pub(crate) fn builder(limits: &ServerLimits, streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(ERRORS_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    builder
}

/// Runs the requests of one connection, and ends one whose client does not take its answer: it would be in memory for as
/// long as the connection, which other requests keep alive.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    stall_time_max: Duration,
    /// The request that the service was called with and that has no task yet: hyper makes both in one step.
    called: Arc<Mutex<Option<Arc<Progress>>>>,
    closed: Arc<AtomicBool>,
    stuck: CancellationToken,
}

impl Streams {
    pub(crate) fn new(stall_time_max: Duration) -> Self {
        let stuck = CancellationToken::new();
        Self { stall_time_max, called: Arc::default(), closed: Arc::default(), stuck }
    }

    /// Cancelled when an answer was handed over completely and the client does not take it: only the end of the connection
    /// removes it from memory.
    pub(crate) fn stuck(&self) -> &CancellationToken {
        &self.stuck
    }

    /// Resets all further requests.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// The next task is that of this request.
    pub(crate) fn expect(&self, progress: &Arc<Progress>) {
        *support::lock(&self.called) = Some(Arc::clone(progress));
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        let progress = support::lock(&self.called).take();
        if self.closed.load(Ordering::Relaxed) || progress.as_ref().is_some_and(|progress| progress.is_cut())
        {
            return;
        }
        let (stall_time_max, stuck) = (self.stall_time_max, self.stuck.clone());
        tokio::spawn(async move {
            let Some(progress) = progress else { return request.await };
            tokio::select! {
                () = request => {
                    if !progress.delivered_within(stall_time_max).await {
                        stuck.cancel();
                    }
                }
                // Dropping the request resets it.
                () = progress.stalled(stall_time_max) => tracing::debug!("a client does not take its answer; reset it"),
                () = progress.abort().cancelled() => tracing::debug!("a request was ended for another; reset it"),
            }
        });
    }
}

/// The first bytes of a client that uses HTTP/2 without TLS (RFC 9113, 3.4). No method of HTTP/1 begins with them.
const PREFACE: &[u8; 3] = b"PRI";

/// Pauses between two looks at a preface that is incomplete.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(1);
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Whether the client begins with HTTP/2. Takes nothing from the stream.
pub(crate) async fn has_preface(stream: &TcpStream) -> std::io::Result<bool> {
    let mut pause = LOOK_PAUSE_MIN;
    loop {
        let mut first = [0; PREFACE.len()];
        let count = stream.peek(&mut first).await?;
        if count == PREFACE.len() || count == 0 || first[..count] != PREFACE[..count] {
            return Ok(first == *PREFACE);
        }
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(LOOK_PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Accepted, Protocol};
    use crate::connections::{Connections, State};
    use crate::held::HeldLine;
    use axum::Router;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    /// A frame (RFC 9113, 4.1).
    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const ACK: u8 = 1;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_makes_its_windows_smaller_after_the_end_keeps_nothing() {
        let address = "192.0.2.1".parse().unwrap();
        let taken = Connections::new(1, 0).take(address).unwrap();
        let page = axum::routing::get(async || "a".repeat(40_000));
        let accepted = Accepted {
            address,
            slot: Arc::clone(&taken.slot),
            held: HeldLine::new(1),
            routes: Router::new().route("/", page),
            limits: ServerLimits::default(),
            stop: CancellationToken::new(),
        };
        // So small that the parts after the first wait for the client.
        let (stream, mut client) = tokio::io::duplex(1024);
        tokio::spawn(accepted.serve(stream, Protocol::Http2));
        // `GET /` in indices of the static table, and the authority (RFC 7541, appendix A).
        let head = [&[0x82, 0x84, 0x86, 0x41, 9][..], b"localhost"].concat();
        let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat();
        client.write_all(&[begin, frame(HEADERS, 5, 1, &head)].concat()).await.unwrap();
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
        assert!(taken.slot.is(&[State::Flushing]), "the whole answer was handed over: {:?}", taken.slot);
        // SETTINGS_INITIAL_WINDOW_SIZE: 0 (RFC 9113, 6.9.2).
        client.write_all(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await.unwrap();
        let (begun, mut got) = (Instant::now(), 0);
        loop {
            let mut head = [0; 9];
            if client.read_exact(&mut head).await.is_err() {
                break;
            }
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            client.read_exact(&mut payload).await.unwrap();
            if head[3] == PING && head[4] & ACK == 0 {
                client.write_all(&frame(PING, ACK, 0, &payload)).await.unwrap();
            }
            got += if head[3] == DATA { payload.len() } else { 0 };
        }
        assert!((1..40_000).contains(&got), "{got} bytes");
        let stall_time_max = ServerLimits::default().stall_time_max;
        assert!((stall_time_max..2 * stall_time_max).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
}
