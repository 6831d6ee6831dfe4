//! Connections of HTTP clients: names by [`Resolver`], TLS by rustls, and a bound on the time to connect.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::Resolver;

/// Timeout of a connection, of all addresses of a name together.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// Connects to http and https addresses, with HTTP/1.
pub type Connector = HttpsConnector<HttpConnector<Resolver>>;

/// A connector cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// The file with the authorities.
    #[error("failed to read certificates from `{}`: {source}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("failed to set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A connector that trusts the authorities in the PEM file `ca_file` alone, or the public ones. Does not connect. Reads the
/// file on the calling thread.
///
/// # Errors
/// [`ConnectorError`]
pub fn connector(ca_file: Option<&Path>) -> Result<Connector, ConnectorError> {
    let mut http = HttpConnector::new_with_resolver(Resolver::default());
    // https is decided by the layer above.
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIME_MAX));
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(tls(ca_file)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http))
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, ConnectorError> {
    let roots = match ca_file {
        Some(path) => authorities(path)
            .map_err(|source| ConnectorError::Authorities { path: path.to_owned(), source })?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn authorities(path: &Path) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(io::Error::other)? {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    if roots.is_empty() { Err(io::Error::other("it holds no certificate")) } else { Ok(roots) }
}
