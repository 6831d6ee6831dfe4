//! Stores output files of programs and gives out signed, expiring links to them.
//!
//! [`Store`] is the interface of every store, [`Links`] that of the service's own links. [`LocalStore`] has
//! both, for this host's disk: each file has a random name, a link is a token that contains everything about the download and is signed with a key beside
//! the content, so there is no database and links survive a restart.
//!
//! ```text
//! put(file) -> space?  -> objects/ab/<random>      one file per put, mtime = expiry of its link
//!           -> token  -> /files/{token}            object, digest, expiry, name, media type, HMAC
//! follow(token) -> signature, then expiry, then the object
//! clean()          -> objects whose link has expired
//! put_waiting(file) -> as put, with a record in waiting/: the spool of an object store that does not answer
//! ```
//!
//! # What the HTTP layer must send with a download
//! Names and content are chosen by untrusted programs, so a browser must never render them
//! under the service's origin: send `Content-Disposition` made by [`content_disposition`] (always
//! `attachment`) and `X-Content-Type-Options: nosniff`, whatever the media type.

mod clock;
mod links;
mod local;
mod names;
mod object_name;
mod object_store;
mod store;

#[cfg(fuzzing)]
pub mod fuzzing;

pub use clock::{Clock, SystemClock};
pub use links::{Download, LinkError, LinkUse, Links, Opened};
pub use local::{
    Absent, Claimed, FILES_ROUTE, Found, LIFETIME_MAX, LIFETIME_MIN, LocalConfig, LocalStore, OpenError,
    Rotated, SpoolStatus,
};
pub use names::{
    FILE_NAME_BYTES_MAX, MEDIA_TYPE_UNKNOWN, content_disposition, download_name, media_type_for,
};
pub use object_name::ObjectName;
pub use object_store::{ObjectStoreStats, StoreOperation, StoreResult};
pub use store::{CleanError, Cleaned, Link, NewFile, PutError, Store, StoreHealth, StoredFile, StoredIn};
