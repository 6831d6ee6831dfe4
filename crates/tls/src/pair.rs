//! A certificate with its key, checked: they belong together, and the certificate is valid now.

use crate::error::LoadError;
use crate::files::TlsFiles;
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use x509_cert::certificate::Certificate;
use x509_cert::der::Decode;

/// A pair that can be served.
pub(crate) struct Pair {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) expires: Timestamp,
}

/// Without the key.
impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Pair {
    /// Reads and checks the files.
    ///
    /// # Errors
    /// [`LoadError`]
    pub(crate) fn load(files: &TlsFiles, provider: &CryptoProvider) -> Result<Self, LoadError> {
        let chain = chain(files)?;
        let key = key(files)?;
        let bad = |what: String| LoadError::Certificate { path: files.certificate.clone(), what };
        let leaf = chain.first().ok_or_else(|| bad("has no certificate".to_owned()))?;
        let (from, expires) =
            validity(leaf).ok_or_else(|| bad("begins with a certificate that is not X.509".to_owned()))?;
        let key = provider.key_provider.load_private_key(key).map_err(|_| LoadError::Key {
            path: files.key.clone(),
            what: "has a key of a kind that is not supported (hint: ECDSA P-256 or P-384, Ed25519, or RSA of 2048 to 4096 bits)",
        })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(LoadError::Mismatch {
                    certificate: files.certificate.clone(),
                    key: files.key.clone(),
                });
            }
            Err(error) => return Err(bad(format!("begins with a certificate that cannot be used: {error}"))),
        }
        let now = Timestamp::now();
        if now < from {
            return Err(LoadError::NotYetValid { path: files.certificate.clone(), from });
        }
        if expires < now {
            return Err(LoadError::Expired { path: files.certificate.clone(), at: expires });
        }
        Ok(Self { certified: Arc::new(certified), expires })
    }
}

/// All certificates of the file.
pub(crate) fn chain(files: &TlsFiles) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let text = files.read_certificate()?;
    let read: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    read.map_err(|_| LoadError::Certificate {
        path: files.certificate.clone(),
        what: "is not in PEM format".to_owned(),
    })
}

fn key(files: &TlsFiles) -> Result<PrivateKeyDer<'static>, LoadError> {
    let text = files.read_key()?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| LoadError::Key {
        path: files.key.clone(),
        what: match error {
            pem::Error::NoItemsFound => "has no private key (hint: PEM, without a passphrase)",
            _ => "is not in PEM format",
        },
    })
}

/// From when until when the certificate is valid.
fn validity(certificate: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    let parsed = Certificate::from_der(certificate).ok()?;
    let validity = parsed.tbs_certificate().validity();
    let time = |since_epoch: Duration| Timestamp::try_from(SystemTime::UNIX_EPOCH + since_epoch).ok();
    Some((time(validity.not_before.to_unix_duration())?, time(validity.not_after.to_unix_duration())?))
}
