//! TLS of the service: a certificate and its key from two files, checked before they are used, and replaced without a
//! restart when the files change.
//!
//! ```text
//! start   files -> pair (error: the start fails) -> config
//! poll    files changed, and unchanged since the last poll -> pair -> config has the new one
//!                                                           -> error: the old one stays, one log line, a metric
//! ```
//!
//! [`client_config`] is for the connections to other servers: Redis, object stores, collectors of traces.
//!
//! TLS 1.2 and 1.3 of rustls, with its provider ring, as everywhere in this workspace. No file, log line, error or `Debug`
//! text of this crate contains anything of a key.

mod client;
mod error;
mod files;
mod pair;
mod pinned;
mod server;

use rustls::crypto::CryptoProvider;
use std::sync::Arc;

pub use client::{ClientError, client_config};
pub use error::LoadError;
pub use files::TlsFiles;
pub use pinned::{LocalStream, Trust, connect};
pub use server::{POLL_INTERVAL, Status, Tls};

/// The algorithms, for both sides.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
