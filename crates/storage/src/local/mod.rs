//! The store on this host's disk.
//!
//! ```text
//! root/            0700 when made here; never writable by group or others
//!   key            0600, 32 random bytes: signs the links. Removing it ends all links at once.
//!   lock           0600, empty: flock(2) between threads and processes that share the root
//!   objects/ab/    0700, by the first two digits of the digest
//!     abcd...      0600, the content whose SHA-256 is the name; mtime = last put
//!   tmp/           0700, files being written, each under its writer's flock
//! ```
//!
//! Invariants, and the tests that guard them:
//! - An object's name never names other content, also after a power cut: content is written to `tmp/`,
//!   synced and only then renamed. (`a_failed_put_leaves_nothing`, `full_disk.rs`)
//! - No link is given out whose content is gone: see `objects.rs`. (`processes.rs`)
//! - A token names a digest, never a path, and nothing below the root is opened through a symlink:
//!   every step down goes from an open directory with `O_NOFOLLOW`. (`planted_symlinks_*`)
//! - A crash leaves at most files in `tmp/` that nobody locks; the next start removes them.
//!   (`leftovers_of_a_crash_go_and_files_in_use_stay`)

mod clean;
mod config;
mod health;
mod key_file;
mod layout;
mod objects;
mod steps;
mod store;
mod temp;
mod token;

pub use config::{LIFETIME_MAX, LIFETIME_MIN, LocalConfig, OpenError};
pub use store::{Download, FILES_ROUTE, LinkError, LocalStore};
