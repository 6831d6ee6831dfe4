//! What every store can do, in words that fit a local disk as well as an object store.

use std::{fmt, io};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

/// A place that keeps output files and gives links to them.
///
/// All methods may be called at once from any number of tasks. Dropping a future does not undo what
/// it began: a file may be stored though nobody waits for the answer.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The name of the provider, as in the setting `STORAGE_PROVIDER`, for example `local`.
    fn provider(&self) -> &'static str;

    /// Keeps `file` and makes a link to it. Once this returns, the link works until its expiry,
    /// however often [`Store::clean`] runs, here or in another process that shares the store.
    ///
    /// # Errors
    /// [`PutError::Full`] or [`PutError::NoRoom`] when there is no room (report it for this file, others may still fit),
    /// [`PutError::Io`] for anything else. Nothing of the file is left behind in either case.
    async fn put(&self, file: NewFile) -> Result<StoredFile, PutError>;

    /// Tries whether a file could be stored now. This writes for real and costs a few milliseconds:
    /// a caller that is asked often should keep the answer for some seconds.
    async fn health(&self) -> StoreHealth;

    /// Removes content whose link has ended, and what crashes left.
    /// It may run while files are stored and downloaded: a download that has begun is not cut.
    ///
    /// # Errors
    /// [`CleanError`] when the content could not be listed. A single object that cannot be removed
    /// is no error: it is counted in [`Cleaned::failed`] and logged.
    async fn clean(&self) -> Result<Cleaned, CleanError>;
}

/// A file to keep.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// The request that made the file; for logs, and for stores that group objects by it.
    pub request_id: String,
    /// The relative path as the program named it. Hostile: it is never used as a path here; only its
    /// last component becomes the name of the download.
    pub path: String,
    /// The media type to serve it with, usually from [`media_type_for`](crate::media_type_for).
    /// A value that is unfit for a header is replaced by `application/octet-stream`.
    pub media_type: String,
    /// The content. How large it may be is the caller's decision.
    pub content: Bytes,
}

/// A file that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// SHA-256 of the content, 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// Length of the content in bytes.
    pub size_bytes: u64,
    /// Where it can be downloaded until `expires_at`.
    pub url: Link,
    /// When the link ends, in whole seconds.
    pub expires_at: Timestamp,
}

/// Where a stored file can be fetched. It grants the download to whoever holds it: do not log it.
#[derive(Clone, PartialEq, Eq)]
pub enum Link {
    /// A path on this service, for example `/files/{token}`. The store does not know the public
    /// address of the service: [`Link::resolve`] makes it absolute.
    Relative(String),
    /// A whole URL, made by an object store that serves the file itself.
    Absolute(String),
}

impl Link {
    /// The link as a client can use it: a relative one is put behind `public_base_url` (for example
    /// `https://sandbox.example`, with or without a slash at the end), an absolute one stays as it is.
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

/// Shows the kind alone: a link is a right to the content, and debug output ends up in logs.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative(_) => f.write_str("Relative(..)"),
            Self::Absolute(_) => f.write_str("Absolute(..)"),
        }
    }
}

/// Whether a store can take files now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreHealth {
    /// True when a small file was written and removed and there is room for more.
    pub healthy: bool,
    /// Why not, for operators; `None` when healthy. Names no path, key or link, so it may be shown.
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

/// What one [`Store::clean`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Objects that were removed.
    pub removed: u64,
    /// Their length together, in bytes.
    pub removed_bytes: u64,
    /// Objects whose link lives.
    pub kept: u64,
    /// Objects that should have gone but could not be removed; the log says why.
    pub failed: u64,
    /// Unfinished files of puts that crashed, removed now.
    pub leftovers_removed: u64,
}

/// Why a file was not kept. Always our fault or the disk's, never the program's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// There is no room: disk, quota or the largest file size is exhausted (ENOSPC, EDQUOT, EFBIG).
    #[error("the store is full: failed to {step} (hint: free space, or lower STORAGE_LINK_LIFETIME)")]
    Full {
        /// What was being done, as in "failed to ...".
        step: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The store takes no more: its own size, or the share of the disk that is kept free, is reached. Nothing that has a
    /// living link is removed to make room.
    #[error(
        "the store is full: {reason} (hint: files go when their links end; raise the limit, or free space)"
    )]
    NoRoom {
        /// What there is too little of, with the figures and the setting. Names no path.
        reason: String,
    },
    /// Anything else.
    #[error("failed to {step}")]
    Io {
        /// What was being done, as in "failed to ...".
        step: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl PutError {
    /// Whether there was no room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::NoRoom { .. })
    }
}

/// Why cleaning could not be done at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanError {
    /// The content could not be listed.
    #[error("failed to {step}")]
    Io {
        /// What was being done, as in "failed to ...".
        step: &'static str,
        /// What the system said.
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
