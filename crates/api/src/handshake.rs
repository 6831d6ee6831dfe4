//! The TLS handshake of a connection. Until it is complete the connection counts as idle ([`crate::connections`]), so
//! one that never completes it holds no slot against others.

use crate::connection::Protocol;
use crate::server_limits::ServerLimits;
use crate::stall::StallGuard;
use std::time::Duration;
use tls::Tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of a client that begins a handshake (RFC 8446, 5.1: the content type of its record).
const HANDSHAKE: u8 = 22;

/// The answer to a client that begins with anything else: most often its address has the wrong scheme.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 43\r\nconnection: close\r\n\r\n\
      this port takes HTTPS only: use https://...";

/// Longest time in which such a client may take its answer, and what is read of its request meanwhile: an unread
/// rest would make the kernel drop the answer.
const NOT_TLS_TIME_MAX: Duration = Duration::from_secs(1);
const NOT_TLS_BYTES_MAX: u64 = 64 * 1024;

/// Completes the handshake. `None`, with a line in the log of level debug, if there is none in time.
pub(crate) async fn accept(
    stream: TcpStream,
    tls: &Tls,
    limits: &ServerLimits,
) -> Option<(TlsStream<StallGuard<TcpStream>>, Protocol)> {
    let handshake = async {
        let mut first = [0];
        if stream.peek(&mut first).await? > 0 && first != [HANDSHAKE] {
            say_not_tls(stream).await;
            return Ok::<_, std::io::Error>(None);
        }
        let stream = StallGuard::new(stream, limits.stall_time_max);
        let stream = TlsAcceptor::from(tls.config()).accept(stream).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Some((stream, if is_http2 { Protocol::Http2 } else { Protocol::Http1 })))
    };
    match tokio::time::timeout(limits.handshake_time_max, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            // Scanners, and clients that do not trust the certificate.
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("a TLS handshake took too long");
            None
        }
    }
}

async fn say_not_tls(mut stream: TcpStream) {
    tracing::debug!("a client does not use TLS");
    let answer = async {
        stream.write_all(NOT_TLS).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(NOT_TLS_BYTES_MAX), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(NOT_TLS_TIME_MAX, answer).await;
}
