//! TLS below a connection: `rediss://`, `REDIS_CA_FILE`.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Encrypts a connection to the server with this name. Its certificate must be of an authority in `ca_file`, or of a
/// public one.
///
/// # Errors
/// If the file cannot be used, or the server cannot be trusted.
pub(crate) async fn encrypt(
    stream: TcpStream,
    host: &str,
    ca_file: Option<&Path>,
) -> io::Result<TlsStream<TcpStream>> {
    let roots = match ca_file {
        Some(path) => authorities(path)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error: InvalidDnsNameError| io::Error::other(error))?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn authorities(path: &Path) -> io::Result<RootCertStore> {
    let failed =
        |what: String| io::Error::other(format!("REDIS_CA_FILE `{}` cannot be used: {what}", path.display()));
    // Whoever can change it decides which servers are trusted with the keys and limits of callers.
    ownership::check(path).map_err(|refusal| failed(refusal.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))? {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() { Err(failed("it has no certificate".to_owned())) } else { Ok(roots) }
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
        for (mode, words) in
            [(0o644, "no certificate"), (0o666, "everybody may write to"), (0o622, "chmod go-w")]
        {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let text = authorities(&path).unwrap_err().to_string();
            assert!(text.contains("REDIS_CA_FILE") && text.contains(words), "{mode:o}: {text}");
        }
    }
}
