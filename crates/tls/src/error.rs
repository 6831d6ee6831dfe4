//! Why a certificate and its key cannot be used.

use jiff::Timestamp;
use std::io;
use std::path::PathBuf;

/// Why the two files cannot be used. Says which file; never quotes its content.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Somebody else can change the file.
    #[error(
        "{setting} cannot be trusted (hint: only root or this user may write to the file and to the directories above it)"
    )]
    Untrusted {
        /// The setting that names the file.
        setting: &'static str,
        /// Who, and what.
        source: ownership::Refusal,
    },
    /// The file cannot be read.
    #[error("failed to read {setting} `{}`", path.display())]
    Unreadable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Every user can read the key.
    #[error("every user can read TLS_KEY_FILE `{}`, mode {mode:o} (hint: chmod o= {})", path.display(), path.display())]
    KeyIsPublic {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file has no certificate, or one that is broken.
    #[error("TLS_CERT_FILE `{}` {what}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, after the file's name.
        what: String,
    },
    /// The file has no key that can be used.
    #[error("TLS_KEY_FILE `{}` {what}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, after the file's name.
        what: &'static str,
    },
    /// The key is not that of the certificate.
    #[error(
        "TLS_KEY_FILE `{}` is not the key of the first certificate in TLS_CERT_FILE `{}` (hint: the service's own \
         certificate comes first, then those of the authorities)",
        key.display(),
        certificate.display()
    )]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// The certificate is not valid any more.
    #[error("the certificate in TLS_CERT_FILE `{}` expired at {at} (hint: renew it)", path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// When.
        at: Timestamp,
    },
    /// The certificate is not valid yet.
    #[error(
        "the certificate in TLS_CERT_FILE `{}` is not valid before {from} (hint: is the clock of this host right?)",
        path.display()
    )]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// From when.
        from: Timestamp,
    },
}
