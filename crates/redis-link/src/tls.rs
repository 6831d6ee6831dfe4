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

/// Largest file with authorities. Those of a distribution have some 200 KiB.
const CA_FILE_BYTES_MAX: u64 = 4 << 20;

/// Encrypts a connection to the server with this name. Its certificate must be of an authority in `roots`.
///
/// # Errors
/// If the server cannot be trusted.
pub(crate) async fn encrypt(
    stream: TcpStream,
    host: &str,
    roots: RootCertStore,
) -> io::Result<TlsStream<TcpStream>> {
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

/// The authorities in `ca_file`, or the public ones. Whoever can change the file decides which servers are trusted with the keys
/// and limits of callers.
///
/// # Errors
/// If the file cannot be used; the text names it and its setting.
pub(crate) fn authorities(ca_file: Option<&Path>) -> io::Result<RootCertStore> {
    let Some(path) = ca_file else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let failed = |cause: &dyn std::error::Error| {
        let text = support::error_chain(cause);
        io::Error::other(format!("REDIS_CA_FILE `{}` cannot be used: {text}", path.display()))
    };
    let (pem, _) = ownership::read(path, CA_FILE_BYTES_MAX).map_err(|error| failed(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| failed(&error))?;
        roots.add(certificate).map_err(|error| failed(&error))?;
    }
    if roots.is_empty() { Err(failed(&io::Error::other("it has no certificate"))) } else { Ok(roots) }
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
            let text = authorities(Some(&path)).unwrap_err().to_string();
            assert!(text.contains("REDIS_CA_FILE") && text.contains(words), "{mode:o}: {text}");
        }
    }
}
