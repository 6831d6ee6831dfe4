//! The interface of every store, for a local disk as well as an object store.

use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::object_store::ObjectStoreStats;

/// A store for output files, with links to them.
///
/// All methods may be called concurrently from any number of tasks. Dropping a future does not undo what
/// it began: a file may be stored although the caller is gone.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The provider's name, as in the setting `STORAGE_PROVIDER`, for example `local`.
    fn provider(&self) -> &'static str;

    /// How many files of one answer may be stored at once, at least 1. Default 1, which keeps the sequence in
    /// which a store that fills up refuses them.
    fn puts_at_once(&self) -> usize {
        1
    }

    /// How long storing the files of one answer may delay it, all files together. Default 30 seconds. The
    /// caller computes the `by` of [`Store::put`] from it.
    fn put_time(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Stores `file` and makes a link to it. Once this returns, the link works until its expiry,
    /// however often [`Store::clean`] runs, here or in another process that shares the store.
    ///
    /// `by` is when the answer should be ready. A store that waits for a network gives up then and keeps the
    /// file locally; one that only writes to a local disk may ignore it.
    ///
    /// # Errors
    /// [`PutError::Full`] or [`PutError::NoRoom`] if there is not enough space (report it for this file,
    /// others may still fit), [`PutError::Io`] for anything else. Nothing of the file is left behind in
    /// either case.
    async fn put(&self, file: NewFile, by: Instant) -> Result<StoredFile, PutError>;

    /// Checks whether a file could be stored now. This writes for real and takes a few milliseconds:
    /// a caller that is asked often should cache the answer for some seconds.
    async fn health(&self) -> StoreHealth;

    /// Removes content whose link has expired, and leftovers of crashes.
    /// It may run while files are stored and downloaded: a download in progress is not cut.
    ///
    /// # Errors
    /// [`CleanError`] if the content could not be listed. A single object that cannot be removed
    /// is not an error: it is counted in [`Cleaned::failed`] and logged.
    async fn clean(&self) -> Result<Cleaned, CleanError>;

    /// What this store has done with its object store, and what waits for it, for metrics. Returns at once. Default:
    /// `None`, for a store that has none.
    fn object_store(&self) -> Option<ObjectStoreStats> {
        None
    }
}

/// A file to store.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// The request that made the file; for logs, and for stores that group objects by it.
    pub request_id: String,
    /// The relative path that the program chose. Hostile: it is never used as a path here; only its
    /// last component becomes the name of the download.
    pub path: String,
    /// The media type to serve it with, usually from [`media_type_for`](crate::media_type_for).
    /// A value that is not valid in a header is replaced by `application/octet-stream`.
    pub media_type: String,
    /// The content. The caller limits its size.
    pub content: Bytes,
}

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// SHA-256 of the content, 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// Length of the content in bytes.
    pub size_bytes: u64,
    /// Where it can be downloaded until `expires_at`.
    pub url: Link,
    /// When the link expires, in whole seconds.
    pub expires_at: Timestamp,
    /// Where the file is now.
    pub stored_in: StoredIn,
}

/// Where a stored file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoredIn {
    /// On this host, until its link expires.
    Local,
    /// In a directory of the caller, which nothing removes (`run --out`).
    Directory,
    /// On this host, until an object store takes it or its link expires.
    Spool,
    /// In an object store.
    ObjectStore,
}

impl StoredIn {
    /// The API's name for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Directory => "directory",
            Self::Spool => "spool",
            Self::ObjectStore => "object_store",
        }
    }
}

/// Where a stored file can be fetched. Possession grants the download: do not log it.
#[derive(Clone, PartialEq, Eq)]
pub enum Link {
    /// A path on this service, for example `/files/{token}`. The store does not know the public
    /// address of the service: [`Link::resolve`] makes it absolute.
    Relative(String),
    /// A complete URL, made by an object store that serves the file itself.
    Absolute(String),
}

impl Link {
    /// The link as a client can use it: a relative one is appended to `public_base_url` (for example
    /// `https://sandbox.example`, with or without a trailing slash), an absolute one stays as it is.
    #[must_use]
    pub fn resolve(&self, public_base_url: &str) -> String {
        match self {
            Self::Relative(path) => format!("{}{path}", public_base_url.trim_end_matches('/')),
            Self::Absolute(url) => url.clone(),
        }
    }

    /// The link as the store made it, relative or absolute.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Relative(link) | Self::Absolute(link) => link,
        }
    }
}

/// Shows only the kind: a link grants access to the content, and debug output ends up in logs.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative(_) => f.write_str("Relative(..)"),
            Self::Absolute(_) => f.write_str("Absolute(..)"),
        }
    }
}

/// Whether a store can accept files now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreHealth {
    /// True if a small file was written and removed and there is space for more.
    pub healthy: bool,
    /// Why not, for operators; `None` if healthy. Contains no path, key or link, so it may be shown.
    pub reason: Option<String>,
}

impl StoreHealth {
    /// A store that works.
    #[must_use]
    pub fn healthy() -> Self {
        Self { healthy: true, reason: None }
    }

    /// A store that does not work, because of `reason`.
    #[must_use]
    pub fn unhealthy(reason: impl Into<String>) -> Self {
        Self { healthy: false, reason: Some(reason.into()) }
    }
}

/// The result of one [`Store::clean`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Objects that were removed.
    pub removed: u64,
    /// Their length together, in bytes.
    pub removed_bytes: u64,
    /// Objects whose link is still valid.
    pub kept: u64,
    /// Objects that could not be removed although their link has expired; the log says why.
    pub failed: u64,
    /// Unfinished files of puts that crashed, and records without an object, removed now.
    pub leftovers_removed: u64,
}

/// Why a file was not stored. Never caused by the program: an internal error, or lack of disk space.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// Out of space: disk, quota or the maximum file size is exhausted (ENOSPC, EDQUOT, EFBIG).
    #[error("the store is full: failed to {step} (hint: free space, or lower STORAGE_LINK_LIFETIME)")]
    Full {
        /// The step, as in "failed to ...".
        step: &'static str,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The store refuses more: its own size limit, or the share of the disk that is kept free, is reached.
    /// Nothing with a valid link is removed to make space.
    #[error(
        "the store is full: {reason} (hint: files are removed when their links expire; raise the limit, or free space)"
    )]
    NoRoom {
        /// What there is too little of, with the numbers and the setting. Contains no path.
        reason: String,
    },
    /// Anything else.
    #[error("failed to {step}")]
    Io {
        /// The step, as in "failed to ...".
        step: &'static str,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
}

impl PutError {
    /// Whether it was for lack of space.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::NoRoom { .. })
    }
}

/// Why a store could not be cleaned at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanError {
    /// The content could not be listed.
    #[error("failed to {step}")]
    Io {
        /// The step, as in "failed to ...".
        step: &'static str,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_link_is_put_behind_the_base_and_an_absolute_one_stays() {
        let relative = Link::Relative("/files/abc".into());
        assert_eq!(relative.resolve("http://host:8000"), "http://host:8000/files/abc");
        assert_eq!(relative.resolve("http://host:8000/"), "http://host:8000/files/abc");
        assert_eq!(relative.resolve("https://host/sandbox/"), "https://host/sandbox/files/abc");
        let absolute = Link::Absolute("https://bucket.example/x?sig=1".into());
        assert_eq!(absolute.resolve("http://host:8000"), "https://bucket.example/x?sig=1");
    }

    #[test]
    fn debug_output_never_shows_a_link() {
        assert_eq!(format!("{:?}", Link::Relative("/files/secret".into())), "Relative(..)");
        assert_eq!(format!("{:?}", Link::Absolute("https://x/secret".into())), "Absolute(..)");
    }
}
