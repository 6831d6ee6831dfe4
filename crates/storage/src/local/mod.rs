//! The store on this host's disk.
//!
//! ```text
//! root/            0700 if made here; never writable by group or others
//!   key            0600, 32 random bytes: signs the links. Removing it and restarting ends all links at once.
//! key.old        0600, earlier keys, each with the time until which its links are valid: see `keys.rs`
//!   lock           0600, empty: flock(2) between threads and processes that share the root
//! usage          0600, the stored bytes: see `usage.rs`
//!   objects/ab/    0700, by the first two digits of the name
//! abcd...      0600, content under a random name; mtime = expiry of its link
//!   waiting/ab/    0700, made when the first file waits for an object store
//! abcd...      0600, the record of the object of that name: see `waiting.rs`
//!   tmp/           0700, files being written, each under its writer's flock
//! ```
//!
//! Invariants, and the tests that guard them:
//! - An object's name never names other content, even after a power failure: content is written to `tmp/`,
//!   synced and only then renamed. (`a_failed_put_leaves_nothing`, `full_disk.rs`)
//! - No issued link points to removed content: an object's mtime is the expiry of its link. (`processes.rs`)
//! - No answer depends on what else is stored: every put writes its own file.
//!   (`the_same_content_is_stored_for_each_put`)
//! - The stored bytes never exceed the limit, whichever process stores them.
//!   (`processes_that_share_a_store_share_its_bound`)
//! - A token names an object, never a path, and nothing below the root is opened through a symlink:
//!   every step down goes from an open directory with `O_NOFOLLOW`. (`planted_symlinks_*`)
//! - Neither SIGKILL nor a power failure loses a file that waits for an object store, or a link to it.
//!   (`a_process_that_is_killed_at_any_step_loses_no_link`)
//! - A clock that jumps removes no file that waits. (`a_clock_that_jumps_removes_no_file_that_waits`)
//! - A crash leaves at most unlocked files in `tmp/`; the next start removes them.
//!   (`leftovers_of_a_crash_go_and_files_in_use_stay`)

mod bounds;
mod clean;
mod config;
mod health;
mod keys;
mod layout;
mod lost;
mod next_expiry;
mod objects;
mod space;
mod spool;
mod steps;
mod store;
mod temp;
mod token;
mod usage;
mod waiting;

#[cfg(fuzzing)]
pub(crate) use token::fuzz as fuzz_link_token;
#[cfg(fuzzing)]
pub(crate) use waiting::fuzz as fuzz_waiting_record;

pub use config::{LIFETIME_MAX, LIFETIME_MIN, LocalConfig, OpenError};
pub use keys::Rotated;
pub use spool::Claimed;
pub use store::{Absent, FILES_ROUTE, Found, LocalStore};
pub use waiting::SpoolStatus;
