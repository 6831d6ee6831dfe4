//! The side of commands that ask the service on their own machine. They reach it by an address that its certificate does
//! not name, so what they can check is that the certificate is the one in `TLS_CERT_FILE`.

use crate::files::TlsFiles;
use crate::pair;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
    StreamOwned,
};
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

/// An encrypted connection to the service.
pub type LocalStream = StreamOwned<ClientConnection, TcpStream>;

/// Which certificate the service may have.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// Any: nothing secret is sent, as by a health check, which must not fail while a certificate is replaced.
    Any,
    /// The first one in the file.
    InFile(&'a TlsFiles),
}

/// Encrypts a connection to the service on this machine. The handshake is made by the first read or write.
///
/// # Errors
/// If the file cannot be used.
pub fn connect(stream: TcpStream, trust: Trust<'_>) -> io::Result<LocalStream> {
    let pinned = match trust {
        Trust::Any => None,
        Trust::InFile(files) => {
            let chain = pair::chain(files).map_err(io::Error::other)?;
            let none = || io::Error::other("TLS_CERT_FILE has no certificate");
            Some(chain.into_iter().next().ok_or_else(none)?)
        }
    };
    let address = stream.peer_addr()?.ip();
    let provider = crate::provider();
    let verifier = Arc::new(Pinned { certificate: pinned, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let session =
        ClientConnection::new(Arc::new(config), ServerName::from(address)).map_err(io::Error::other)?;
    Ok(StreamOwned::new(session, stream))
}

#[derive(Debug)]
struct Pinned {
    certificate: Option<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.certificate.as_ref().is_none_or(|pinned| pinned == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
