//! Keeps output files of programs and hands out signed, expiring links to them.
//!
//! [`Store`] is what every store can do. [`LocalStore`] is the one on this host's disk: each file has a random name, a link
//! is a token that carries everything about the download and is signed with a key beside the content, so there is no
//! database and links survive a restart.
//!
//! ```text
//! put(file) -> room?  -> objects/ab/<random>       one file per put, mtime = end of its link
//!           -> token  -> /files/{token}            object, digest, expiry, name, media type, HMAC
//! open_link(token) -> signature, then expiry, then the object
//! clean()          -> objects whose link has ended
//! ```
//!
//! # What the HTTP layer must send with a download
//! Names and content are chosen by programs that nobody trusts, so a browser must never render them
//! under the service's origin: send `Content-Disposition` made by [`content_disposition`] (always
//! `attachment`) and `X-Content-Type-Options: nosniff`, whatever the media type says.

mod clock;
mod local;
mod names;
mod store;

#[cfg(fuzzing)]
pub mod fuzzing;

pub use clock::{Clock, SystemClock};
pub use local::{
    Download, FILES_ROUTE, LIFETIME_MAX, LIFETIME_MIN, LinkError, LocalConfig, LocalStore, OpenError, Rotated,
};
pub use names::{
    FILE_NAME_BYTES_MAX, MEDIA_TYPE_UNKNOWN, content_disposition, download_name, media_type_for,
};
pub use store::{CleanError, Cleaned, Link, NewFile, PutError, Store, StoreHealth, StoredFile};
