//! Connections of HTTP clients: names by [`Resolver`], TLS by rustls, and a bound on the time to connect.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use ownership::ReadError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::Resolver;

/// Timeout of a connection, of all addresses of a name together.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// Largest file with authorities. Those of a distribution have some 200 KiB.
const CA_FILE_BYTES_MAX: u64 = 4 << 20;

/// Connects to http and https addresses, with HTTP/1.
pub type Connector = HttpsConnector<HttpConnector<Resolver>>;

/// A connector cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// Another user could change the file with the authorities, and so decide which servers are trusted.
    #[error("the authorities cannot be trusted: {source}")]
    Untrusted {
        /// Who, and what.
        #[source]
        source: ownership::Refusal,
    },
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
/// file on the calling thread. The file must be one that only root or this user can change.
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
        Some(path) => {
            let failed = |source| ConnectorError::Authorities { path: path.to_owned(), source };
            let (pem, _) = ownership::read(path, CA_FILE_BYTES_MAX).map_err(|error| match error {
                ReadError::Untrusted(source) => ConnectorError::Untrusted { source },
                ReadError::Io(source) => failed(source),
            })?;
            authorities(&pem).map_err(failed)?
        }
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn authorities(pem: &[u8]) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    if roots.is_empty() { Err(io::Error::other("it has no certificate")) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn authorities_that_others_can_change_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("ca.pem");
        std::fs::write(&path, "no certificate").unwrap();
        for (mode, is_trusted) in [(0o644, true), (0o600, true), (0o666, false), (0o622, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = connector(Some(&path)).unwrap_err();
            // The trusted file is read, and then refused for what it holds.
            assert_eq!(matches!(error, ConnectorError::Authorities { .. }), is_trusted, "{mode:o}: {error}");
            let text = error.to_string();
            assert!(text.contains(path.to_str().unwrap()), "{text}");
            assert_eq!(text.contains("chmod go-w"), !is_trusted, "{text}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = connector(Some(&path)).unwrap_err();
        assert!(matches!(error, ConnectorError::Untrusted { .. }), "{error}");
        assert!(matches!(
            connector(Some(Path::new("/nonexistent/ca.pem"))),
            Err(ConnectorError::Authorities { .. })
        ));
    }
}
