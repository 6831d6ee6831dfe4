//! The connection to an engine behind TLS, as the docker command line makes it: ca.pem, cert.pem and key.pem
//! in one directory.
//!
//! Only the authority in ca.pem is trusted, not those of the system: control of the engine means root on its
//! host, and no public authority was asked to vouch for that. For this reason, and because the engine wants a
//! certificate of ours, the crate `tls` is not used. The files are read for each new client, so replacing them
//! does not require a restart of the service.

use crate::error::EngineError;
use bollard::{API_DEFAULT_VERSION, Docker};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A client that speaks TLS with the engine at `authority` (host and port). Does not connect.
pub(crate) fn connect(authority: &str, directory: &Path, timeout_s: u64) -> Result<Docker, EngineError> {
    let mut http = HttpConnector::new();
    // The scheme is https at this point.
    http.enforce_http(false);
    let connector = HttpsConnector::from((http, config(directory)?));
    // As bollard does with its own: an engine that went away and came back must not be used over an old
    // connection.
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    let transport = move |request| {
        let answer = client.request(request);
        async move { answer.await.map_err(bollard::errors::Error::from) }
    };
    let address = format!("https://{authority}");
    Docker::connect_with_custom_transport(transport, Some(address), timeout_s, API_DEFAULT_VERSION)
        .map_err(EngineError::at("be reached"))
}

fn config(directory: &Path) -> Result<ClientConfig, EngineError> {
    let authority = directory.join("ca.pem");
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&authority)? {
        roots.add(certificate).map_err(|error| unreadable(&authority, error))?;
    }
    let own = certificates(&directory.join("cert.pem"))?;
    let path = directory.join("key.pem");
    let key = PrivateKeyDer::from_pem_file(&path).map_err(|error| unreadable(&path, error))?;
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots))
        .and_then(|builder| builder.with_client_auth_cert(own, key))
        .map_err(|error| unreadable(&path, error))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, EngineError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(path, error))?;
    if found.is_empty() { Err(unreadable(path, "it holds no certificate")) } else { Ok(found) }
}

fn unreadable(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> EngineError {
    EngineError::Certificate { path: PathBuf::from(path), source: source.into() }
}

/// How to fix a failure of TLS; `None` if the error is none.
pub(crate) fn hint(error: &(dyn Error + 'static)) -> Option<(String, &'static str)> {
    let error = find(error)?;
    let hint = match error {
        // The second is an authority that was created again under its old name.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "ca.pem in DOCKER_CERT_PATH must be the authority that signed the engine's certificate",
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the engine's certificate must contain the host of DOCKER_HOST as subjectAltName",
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "issue a new certificate for the engine, and restart it",
        rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnknownCA
            | AlertDescription::DecryptError,
        ) => {
            "cert.pem in DOCKER_CERT_PATH must be signed by the authority that the engine trusts, its --tlscacert"
        }
        rustls::Error::InvalidMessage(_) => {
            "the engine does not use TLS there: start it with --tlsverify, or set DOCKER_TLS_VERIFY to false"
        }
        _ => "see ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH, and --tlsverify of the engine",
    };
    Some((error.to_string(), hint))
}

/// The TLS failure in a chain of causes.
fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An I/O error reports its cause's cause as its own.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
