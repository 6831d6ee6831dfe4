//! The service's own links, `/files/{token}`, as the HTTP layer opens them: the file, or where it is now.

use std::{fmt, io};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::store::Link;

/// Opens the service's own links. Links that an object store signed go to that store, not here.
#[async_trait]
pub trait Links: Send + Sync + fmt::Debug {
    /// Opens the file that `token` grants access to; a link is `/files/{token}`.
    ///
    /// The signature is checked first: nothing in a token is trusted, and no stored file is touched, before
    /// that. So an expired token that was also changed is [`LinkError::Invalid`].
    ///
    /// # Errors
    /// See [`LinkError`], which has the status for each.
    async fn follow(&self, token: &str, link_use: LinkUse) -> Result<Opened, LinkError>;
}

/// What a client does with a link. An object store signs a link for one method only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkUse {
    /// `GET`: the content.
    Get,
    /// `HEAD`: the headers alone.
    Head,
}

/// An opened link.
#[derive(Debug)]
pub enum Opened {
    /// The file is here.
    File(Download),
    /// The file is in an object store.
    Elsewhere {
        /// Where it can be fetched now; valid for minutes, so not to be cached.
        to: Link,
        /// SHA-256 of the content, 64 lowercase hexadecimal digits; usable as a strong `ETag`.
        sha256: String,
    },
}

/// A file being downloaded.
#[derive(Debug)]
pub struct Download {
    /// The content, open at its beginning. It can be read to the end even if the file is removed meanwhile.
    pub file: tokio::fs::File,
    /// Length of the content in bytes.
    pub size_bytes: u64,
    /// The name that the program chose, without directories. Hostile: pass it to
    /// [`content_disposition`](crate::content_disposition), nothing else.
    pub file_name: String,
    /// The media type, valid in a header. Send `X-Content-Type-Options: nosniff` with it.
    pub media_type: String,
    /// When the link ends.
    pub expires_at: Timestamp,
    /// SHA-256 of the content, 64 lowercase hexadecimal digits; usable as a strong `ETag`.
    pub sha256: String,
}

/// Why a link was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The token was not made by this store, or was changed (403).
    #[error("the link is not valid")]
    Invalid,
    /// The link was valid until `expired_at` (410).
    #[error("the link expired at {expired_at}")]
    Expired {
        /// When it expired.
        expired_at: Timestamp,
    },
    /// The link is valid, its content was removed (410).
    #[error("the file was removed")]
    Gone,
    /// The link is valid, but the object store with its content does not answer now (503).
    #[error("the object store does not answer")]
    Unavailable {
        /// When to try again, in seconds.
        retry_after_s: u64,
    },
    /// An internal error (500).
    #[error("failed to open the stored file")]
    Io {
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
}
