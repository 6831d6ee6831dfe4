//! TLS below a connection: `rediss://`.

use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Encrypts a connection to the server with this name.
///
/// # Errors
/// If the server cannot be trusted.
pub(crate) async fn encrypt(
    stream: TcpStream,
    host: &str,
    config: ClientConfig,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error: InvalidDnsNameError| io::Error::other(error))?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}
