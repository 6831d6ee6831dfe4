//! The two files: whether they may be used, what they contain, and whether they have changed.

use crate::error::LoadError;
use ownership::ReadError;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Largest file that is read. A chain of certificates has some kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The bits of a mode that let every user read.
const OTHERS_READ: u32 = 0o004;

/// The files with the service's certificate and key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// `TLS_CERT_FILE`: the service's certificate, then those of the authorities between it and a root.
    pub certificate: PathBuf,
    /// `TLS_KEY_FILE`: the key of the first certificate.
    pub key: PathBuf,
}

/// What both files are: equal as long as nobody has changed or replaced one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp([Option<Identity>; 2]);

/// Device, inode, size, time of the last change in seconds and nanoseconds.
type Identity = (u64, u64, u64, i64, i64);

impl TlsFiles {
    pub(crate) fn stamp(&self) -> Stamp {
        let identity = |path: &Path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.dev(), meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec()))
        };
        Stamp([identity(&self.certificate), identity(&self.key)])
    }

    pub(crate) fn read_certificate(&self) -> Result<Vec<u8>, LoadError> {
        read("TLS_CERT_FILE", &self.certificate).map(|(bytes, _)| bytes)
    }

    /// # Errors
    /// Also if every user can read it.
    pub(crate) fn read_key(&self) -> Result<Vec<u8>, LoadError> {
        let (bytes, meta) = read("TLS_KEY_FILE", &self.key)?;
        let mode = meta.permissions().mode() & 0o7777;
        if mode & OTHERS_READ != 0 {
            return Err(LoadError::KeyIsPublic { path: self.key.clone(), mode });
        }
        Ok(bytes)
    }
}

fn read(setting: &'static str, path: &Path) -> Result<(Vec<u8>, Metadata), LoadError> {
    ownership::read(path, FILE_BYTES_MAX).map_err(|error| match error {
        ReadError::Untrusted(source) => LoadError::Untrusted { setting, source },
        ReadError::Io(source) => LoadError::Unreadable { setting, path: path.to_owned(), source },
    })
}
