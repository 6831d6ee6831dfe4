//! Whether nobody but root and this process's user can change a file, or put another in its place.
//!
//! Settings, the runtime, keys and state are orders: whoever can write them decides what the service does with the
//! rights that it has. [`check`] is asked before such a file is used. It looks at every directory from `/` down to the
//! file, through every symbolic link on the way:
//!
//! | what | must be |
//! |---|---|
//! | owner of a directory, of the file | root or this process's user |
//! | mode | not writable by others; by the group only when that is the user's own (below) |
//! | directory with the sticky bit, on the way | may be writable by others, as `/tmp`: what it holds is judged by its own owner |
//! | symbolic link | in a directory with the sticky bit: of root or this user; its target is judged as well |
//! | file system | mounted by root and for nobody else: one that others control (FUSE, removable media, images) says of its files what they like; see `mounts.rs` |
//! | image file below a file system | judged as the file itself |
//!
//! A group is the user's own when `/etc/passwd` and `/etc/group` know it, no other user has it as primary group, and none
//! is its member: Debian's user private groups, with which the umask is often 002. Groups that only a directory service
//! knows do not count, so what such a group can write to is refused.
//!
//! A POSIX access control list shows in the group's bits of the mode (acl(5), "CORRESPONDENCE BETWEEN ACL ENTRIES AND FILE
//! PERMISSION BITS"), so it is read only where the mode lets the group write, and any is refused there. Not looked at:
//! lists of NFSv4, what a file server lets others do to its files, and capabilities of other processes.
//!
//! What passes stays as it is: nobody else can replace a part of the way between the check and the use. A file that is
//! missing is no order yet, see [`Found::Missing`].

mod accounts;
mod error;
mod image;
mod judge;
mod mounts;
mod namespace;
mod tree;
mod trusted;
mod way;

#[cfg(test)]
mod tests;

#[cfg(fuzzing)]
pub mod fuzzing;

pub use error::{Cause, Refusal};
pub use tree::check_tree;
pub use way::Found;

use std::fs::Metadata;
use std::path::Path;
use trusted::Trusted;

/// Judges a file or directory and the whole way to it. A relative path counts from the working directory.
///
/// # Errors
/// [`Refusal`]: who else can change it, or what could not be examined.
pub fn check(path: &Path) -> Result<Found, Refusal> {
    way::check(path, &Trusted::this_process())
}

/// Judges a file or directory that is open, where the way to it was judged before. `path` is for the error.
///
/// # Errors
/// [`Refusal`]: who else can change it.
pub fn check_open(path: &Path, metadata: &Metadata) -> Result<(), Refusal> {
    judge::end(path, path, metadata, &Trusted::this_process())
}
