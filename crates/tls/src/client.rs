//! The side of a client of other servers: which authorities it trusts, those of a file or the public ones.

use crate::provider;
use ownership::ReadError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::path::{Path, PathBuf};

/// Largest file with authorities. Those of a distribution have some 200 KiB.
const CA_FILE_BYTES_MAX: u64 = 4 << 20;

/// Why a client cannot be configured. Says which file.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Another user could change the file with the authorities, and so decide which servers are trusted.
    #[error("the authorities cannot be trusted")]
    Untrusted {
        /// Who, and what.
        source: ownership::Refusal,
    },
    /// The file with the authorities has no certificate, has one that is broken, is larger than 4 MiB, or cannot be read.
    #[error("failed to read certificates from `{}`", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("failed to set up TLS")]
    Setup(#[from] rustls::Error),
}

/// A configuration that trusts the authorities in the PEM file `ca_file` alone, or the public ones, and has no certificate of
/// its own. Reads the file on the calling thread. It must be one that only root or this user can change.
///
/// # Errors
/// [`ClientError`]
pub fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, ClientError> {
    let roots = match ca_file {
        Some(path) => authorities(path)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn authorities(path: &Path) -> Result<RootCertStore, ClientError> {
    let failed = |source| ClientError::Authorities { path: path.to_owned(), source };
    let (pem, _) = ownership::read(path, CA_FILE_BYTES_MAX).map_err(|error| match error {
        ReadError::Untrusted(source) => ClientError::Untrusted { source },
        ReadError::Io(source) => failed(source),
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| failed(io::Error::other(error)))?;
        roots.add(certificate).map_err(|error| failed(io::Error::other(error)))?;
    }
    if roots.is_empty() { Err(failed(io::Error::other("it has no certificate"))) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn authorities_that_others_can_change_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("ca.pem");
        fs::write(&path, "no certificate").unwrap();
        for (mode, is_trusted) in [(0o644, true), (0o600, true), (0o666, false), (0o622, false)] {
            set_mode(&path, mode);
            let error = client_config(Some(&path)).unwrap_err();
            // The trusted file is read, and then refused for what it holds.
            assert_eq!(matches!(error, ClientError::Authorities { .. }), is_trusted, "{mode:o}: {error}");
            let text = support::error_chain(&error);
            assert!(text.contains(path.to_str().unwrap()), "{text}");
            assert_eq!(text.contains("chmod go-w"), !is_trusted, "{text}");
            assert_eq!(text.contains("it has no certificate"), is_trusted, "{text}");
        }
        set_mode(&path, 0o644);
        set_mode(place.path(), 0o777);
        let error = client_config(Some(&path)).unwrap_err();
        assert!(matches!(error, ClientError::Untrusted { .. }), "{error}");
        let missing = client_config(Some(Path::new("/nonexistent/ca.pem")));
        assert!(matches!(missing, Err(ClientError::Authorities { .. })), "{missing:?}");
    }

    #[test]
    fn a_file_of_authorities_is_used_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("ca.pem");
        let own = testkit::Certificate::make(place.path(), "own");
        let good = fs::read_to_string(&own.certificate).unwrap();
        let not_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let not_pem = "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n";
        for (text, is_good) in [
            (good.clone(), true),
            (format!("{good}{good}"), true),
            (format!("{good}{not_x509}"), false),
            (format!("{good}{not_pem}"), false),
        ] {
            fs::write(&path, text).unwrap();
            set_mode(&path, 0o644);
            let made = client_config(Some(&path));
            assert_eq!(made.is_ok(), is_good, "{made:?}");
        }
        client_config(None).unwrap();
    }
}
