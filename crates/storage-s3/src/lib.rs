//! The object store: Amazon S3, Cloudflare R2, and services with the same API.
//!
//! ```text
//! Requests  -> bucket: address, key, signature -> client: TLS, names, limits of time -> the store
//!           <- Answer, or Failure: what is wrong, and which setting fixes it
//! check     -> put, get by a link, list, delete: what the service needs, each step with its failure
//! Bucket::link -> a presigned link, for one method and a limited time
//!
//! S3Store: put   -> the store, within the time of the answer; else the spool of the local store
//!          mover -> what waits there, once the store works: claim, send, confirmed, remove
//!          flush -> the same once, for an operator
//!          follow(a link of our own) -> the file, if it is here; else a link that is presigned now
//! ```
//!
//! One `PUT` takes a whole file, at most 5 GiB: no multipart upload, whose parts would remain, and cost money,
//! when a process is killed. A key is the configured prefix and 64 random hexadecimal digits, so it tells
//! nothing and never collides. The name of the download is stored with the object: a link cannot override it
//! everywhere (R2 ignores `response-content-disposition`).
//!
//! Invariants, and the tests that guard them:
//! - No text of this crate contains a key, a secret, a token, or the query of an address.
//!   (`debug_output_never_shows_a_secret`)
//! - Nothing read from an answer is unbounded or shown unchecked. (`every_body_is_read_within_a_bound`)
//! - A file that was damaged on its way is refused by the store. (`a_damaged_upload_is_not_kept`)
//! - A file is removed from this host only once the store has it, or its link has expired.
//!   (`what_waits_is_moved_when_the_store_is_back`, `a_file_is_not_removed_before_the_store_has_confirmed_it`)
//! - A store that does not work costs no answer more than its time, and after the first failure none at all.
//!   (`a_store_that_hangs_delays_no_answer_after_the_first`)
//! - Nothing is removed from the bucket whose name is not one of ours. (`only_old_files_of_ours_are_removed`)

mod availability;
mod body;
mod bucket;
mod check;
mod clean;
mod client;
mod config;
mod counts;
mod credentials;
mod credentials_file;
mod failure;
mod flush;
mod mover;
mod request;
mod retry;
mod state;
mod store;
mod watch;

#[cfg(fuzzing)]
pub mod fuzzing;

pub use body::Content;
pub use bucket::Bucket;
pub use check::{CheckStep, Checked, check};
pub use config::{GivenLinks, OpenError, Provider, S3Config};
pub use credentials::S3Credentials;
pub use credentials_file::{CredentialsFileError, read_credentials};
pub use failure::{Failure, FailureKind};
pub use flush::{FlushError, Flushed, flush};
pub use request::{Listed, NewObject, Requests};
pub use retry::Retries;
pub use state::StoreCounts;
pub use store::S3Store;
