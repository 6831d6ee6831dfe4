//! Whether only root and this process's user can change a file, or replace it.
//!
//! Settings, the runtime, keys and state control the service: a user who can write them decides what the
//! service does with its privileges. [`check`] is called before such a file is used. It checks every
//! directory from `/` down to the file, through every symbolic link on the way:
//!
//! | what | must be |
//! |---|---|
//! | owner of a directory, of the file | root or this process's user |
//! | mode | not writable by others; by the group only if it is the user's private group (below) |
//! | directory with the sticky bit, on the way | may be writable by others, as `/tmp`: its entries are checked by their own owner |
//! | symbolic link | in a directory with the sticky bit: of root or this user; its target is checked as well |
//! | file system | mounted by root, and not for another user: one that others control (FUSE, removable media, images) can report anything about its files; see `mounts.rs` |
//! | image file below a file system | checked as the file itself |
//!
//! A group is the user's private group if `/etc/passwd` and `/etc/group` know it, no other user has it as primary group, and no
//! other user is a member: Debian's user private groups, with which the umask is often 002. Groups that only a directory service
//! knows do not count, so a file that such a group can write to is refused.
//!
//! A POSIX access control list shows in the group's bits of the mode (acl(5), "CORRESPONDENCE BETWEEN ACL
//! ENTRIES AND FILE PERMISSION BITS"), so it is read only if the mode lets the group write, and any is
//! refused there. Not checked: NFSv4 lists, what a file server lets others do to its files, and capabilities
//! of other processes.
//!
//! A file that passes stays valid: no other user can replace a part of its path between the check and the
//! use. A missing file controls nothing yet, see [`Found::Missing`].

mod accounts;
mod error;
mod file_check;
mod image;
mod mounts;
mod namespace;
mod path_walk;
mod read;
mod tree;
mod trusted;

#[cfg(test)]
mod tests;

#[cfg(fuzzing)]
pub mod fuzzing;

pub use error::{Cause, Refusal};
pub use path_walk::Found;
pub use read::ReadError;
pub use tree::check_tree;

use std::fs::Metadata;
use std::path::Path;
use trusted::Trusted;

/// Checks a file or directory and its whole path. A relative path counts from the working directory.
///
/// # Errors
/// [`Refusal`]: who else can change it, or what could not be examined.
pub fn check(path: &Path) -> Result<Found, Refusal> {
    path_walk::check(path, &Trusted::this_process())
}

/// Checks an open file or directory whose path was checked before. `path` is for the error.
///
/// # Errors
/// [`Refusal`]: who else can change it.
pub fn check_open(path: &Path, metadata: &Metadata) -> Result<(), Refusal> {
    file_check::end(path, path, metadata, &Trusted::this_process())
}

/// Checks a regular file and its whole path, and reads it: its content, of at most `bytes_max` bytes, and what it was when it
/// was opened.
///
/// # Errors
/// [`ReadError`]: also if there is no such file.
pub fn read(path: &Path, bytes_max: u64) -> Result<(Vec<u8>, Metadata), ReadError> {
    read::read(path, bytes_max)
}
