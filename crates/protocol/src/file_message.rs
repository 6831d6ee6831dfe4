//! What the file messages carry: why an operation failed, and an entry of a directory.

use serde::{Deserialize, Serialize};

/// Most entries of one answer to [`crate::HostMessage::ListDirectory`]. Together at most a few megabytes, in
/// an agent that shares the memory limit of the sandbox.
pub const ENTRIES_MAX: u32 = 10_000;

/// Longest name of an entry in bytes (`NAME_MAX` of Linux, limits.h).
pub const ENTRY_NAME_BYTES_MAX: usize = 255;

/// Latest modification time, in microseconds since 1970-01-01 UTC: the end of the year 9999, so that RFC 3339
/// can write it. A program can set any time; what is earlier than 1970 or later than this is sent as the
/// nearest of the two.
pub const MODIFIED_US_MAX: u64 = 253_402_300_799_999_999;

/// Why a file operation had no effect. The sandbox can still be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFailure {
    /// The operation.
    pub id: u64,
    /// The cause.
    pub cause: FileCause,
    /// The operating system's message or the numbers of a bound, for the log; at most
    /// [`crate::PATH_BYTES_MAX`] bytes.
    pub detail: String,
}

/// The cause of a [`FileFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileCause {
    /// There is no such file or directory.
    NotFound,
    /// It is a directory, where only a file is possible.
    IsDirectory,
    /// What must be a directory is not one. A symbolic link never counts as a directory, whatever its target.
    NotDirectory,
    /// Neither a regular file nor a directory: a symbolic link, a FIFO, a socket or a device.
    NotRegular,
    /// Empty, absolute, with `..`, `.` or an empty part, with NUL, too long, or too deep.
    PathInvalid,
    /// The directory to remove is not empty.
    NotEmpty,
    /// Not enough space on the writable file system, in bytes or in inodes.
    NoRoom,
    /// Not enough memory.
    NoMemory,
    /// The file is larger than the request, or the file system, allows.
    TooLarge,
    /// The directory has more entries than the agent reads.
    TooMany,
    /// The file became shorter while it was read.
    Changed,
    /// The agent has no permission, as in a directory that the program has closed to its own user.
    Denied,
    /// The host sent [`crate::HostMessage::PutAbort`].
    Aborted,
    /// Another error of the operating system.
    Io,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryEntry {
    /// Its name: one part of a path, 1 to [`ENTRY_NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Length of a regular file in bytes; 0 for anything else.
    pub size_bytes: u64,
    /// Time of the last modification in microseconds since 1970-01-01 UTC, at most [`MODIFIED_US_MAX`].
    pub modified_us: u64,
}

/// What an entry of a directory is. Links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
}
