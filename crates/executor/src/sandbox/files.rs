//! The files of a sandbox, between its executions.

use super::{Sandbox, with_stderr};
use crate::ExecutorError;
use crate::file_access::{AccessError, FileListing};
use crate::guest_error::GuestError;
use bytes::Bytes;
use protocol::FileCause;
use std::io;
use std::time::SystemTime;
use tokio::io::AsyncRead;

/// Why a file operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operation is not possible. It had no effect, and the sandbox can be used; only a get whose reader
    /// already returned content has returned a part of it.
    #[error("{path:?}: {}", sentence(*.cause))]
    Failed {
        /// Why.
        cause: FileCause,
        /// The path of the request.
        path: String,
        /// The operating system's message or the numbers of a bound, for the log. The guest's word.
        detail: String,
    },
    /// The source of a put failed, or ended before the announced size ([`io::ErrorKind::UnexpectedEof`]). The
    /// put had no effect, and the sandbox can be used.
    #[error("failed to read the content to put")]
    Source(#[source] io::Error),
    /// The content did not fit into the memory that the sandbox's other files and the limits left, and the
    /// kernel ended the sandbox.
    #[error("{path:?}: it does not fit into the sandbox's memory, and the sandbox was ended")]
    OutOfMemory {
        /// The path of the request.
        path: String,
    },
    /// The sandbox is lost for another reason.
    #[error(transparent)]
    Sandbox(#[from] ExecutorError),
}

fn sentence(cause: FileCause) -> &'static str {
    match cause {
        FileCause::NotFound => "there is no such file or directory",
        FileCause::IsDirectory => "it is a directory",
        FileCause::NotDirectory => "a part of the path is not a directory (links are not followed)",
        FileCause::NotRegular => "it is not a regular file",
        FileCause::PathInvalid => {
            "the path must be relative to the working directory, without empty parts, `.` and `..`, and not too long or too deep"
        }
        FileCause::NotEmpty => "the directory is not empty",
        FileCause::NoRoom => "it does not fit into the sandbox's writable file system",
        FileCause::NoMemory => "it does not fit into the sandbox's memory",
        FileCause::TooLarge => "the file is larger than allowed",
        FileCause::TooMany => "the directory has too many entries",
        FileCause::Changed => "the file became shorter while it was read",
        FileCause::Denied => "permission denied",
        FileCause::Aborted => "the operation was aborted",
        FileCause::Io => "an error of the sandbox's file system",
    }
}

/// The files in the working directory, `/tmp/output`: where a request's input files are put, and its output
/// files are found. They can be used between executions, also before the first; a path is relative, and no
/// link in it is followed.
///
/// The future of each operation can be dropped at any await, for example when a client goes away, and a
/// [`FileReader`] at any point: a put that was not finished has no effect, and the next use of the sandbox
/// first reads what is left of an answer. Only a frozen sandbox that is being thawed for the operation is
/// unusable if the future is dropped then.
impl Sandbox {
    /// Writes `size_bytes` from `source` to a file, and makes the directories above it. It replaces anything
    /// but a directory, once the content is complete; until then both need space. What `source` has beyond
    /// `size_bytes` is not read. A later program that leaves the file unchanged does not return it as output.
    ///
    /// Holds one piece of the content at a time. `source` can take as long as it wants: the caller bounds it.
    ///
    /// # Errors
    /// [`FileError`]. The sandbox is unusable after [`FileError::OutOfMemory`] and [`FileError::Sandbox`]
    /// only.
    pub async fn put_file<R>(&mut self, path: &str, size_bytes: u64, source: &mut R) -> Result<(), FileError>
    where
        R: AsyncRead + Unpin + Send + ?Sized,
    {
        self.make_ready("use its files").await?;
        // A sandbox that was dead before did not die of this file.
        let was_alive = self.backing.is_alive();
        match self.files.put(&mut self.guest, path, size_bytes, source).await {
            Ok(()) => Ok(()),
            Err(AccessError::Guest(GuestError::Gone | GuestError::Io(_)))
                if was_alive && self.died_for_memory().await =>
            {
                self.is_usable = false;
                Err(FileError::OutOfMemory { path: path.to_owned() })
            }
            Err(error) => Err(self.file_error("put a file", path, error)),
        }
    }

    /// Opens a regular file of at most `size_bytes_max` bytes for reading.
    ///
    /// # Errors
    /// As [`Sandbox::put_file`].
    pub async fn get_file(&mut self, path: &str, size_bytes_max: u64) -> Result<FileReader<'_>, FileError> {
        self.make_ready("use its files").await?;
        match self.files.get(&mut self.guest, path, size_bytes_max).await {
            Ok(header) => Ok(FileReader {
                path: path.to_owned(),
                size_bytes: header.size_bytes,
                modified: header.modified,
                has_failed: false,
                sandbox: self,
            }),
            Err(error) => Err(self.file_error("get a file", path, error)),
        }
    }

    /// Lists at most `entries_max` entries of a directory, and at most [`protocol::ENTRIES_MAX`]: those after
    /// the name `after`, empty for all. An empty `path` is the working directory itself.
    ///
    /// # Errors
    /// As [`Sandbox::put_file`].
    pub async fn list_files(
        &mut self,
        path: &str,
        after: &str,
        entries_max: u32,
    ) -> Result<FileListing, FileError> {
        self.make_ready("use its files").await?;
        let listing = self.files.list(&mut self.guest, path, after, entries_max).await;
        listing.map_err(|error| self.file_error("list a directory", path, error))
    }

    /// Removes a file, a link itself, or a directory if it is empty.
    ///
    /// # Errors
    /// As [`Sandbox::put_file`].
    pub async fn remove_file(&mut self, path: &str) -> Result<(), FileError> {
        self.make_ready("use its files").await?;
        let removed = self.files.remove(&mut self.guest, path).await;
        removed.map_err(|error| self.file_error("remove a file", path, error))
    }

    fn file_error(&mut self, step: &'static str, path: &str, error: AccessError) -> FileError {
        match error {
            AccessError::Failed { cause, detail } => {
                FileError::Failed { cause, path: path.to_owned(), detail }
            }
            AccessError::Source(error) => FileError::Source(error),
            AccessError::Guest(error) => {
                self.is_usable = false;
                let source = with_stderr(error, &self.backing.stderr());
                ExecutorError::in_sandbox(self.executor, step, false, source).into()
            }
        }
    }
}

/// The content of a file in a sandbox, in pieces.
#[derive(Debug)]
pub struct FileReader<'a> {
    sandbox: &'a mut Sandbox,
    path: String,
    size_bytes: u64,
    modified: SystemTime,
    has_failed: bool,
}

impl FileReader<'_> {
    /// Length of the whole content in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Time of the last modification, as in [`crate::FileEntry::modified`].
    #[must_use]
    pub fn modified(&self) -> SystemTime {
        self.modified
    }

    /// The next piece, 1 byte to 64 KiB; `None` once the content is complete. The sandbox sends no more than
    /// a few pieces ahead of the caller, who can take as long as it wants.
    ///
    /// # Errors
    /// As [`Sandbox::put_file`]. The content is incomplete then, and every later call fails too.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FileError> {
        if self.has_failed {
            let (cause, path) = (FileCause::Aborted, self.path.clone());
            return Err(FileError::Failed { cause, path, detail: "an earlier piece failed".to_owned() });
        }
        let Sandbox { files, guest, .. } = &mut *self.sandbox;
        let piece = files.piece(guest).await.map(|piece| piece.map(Bytes::copy_from_slice));
        self.has_failed = piece.is_err();
        piece.map_err(|error| self.sandbox.file_error("get a file", &self.path, error))
    }
}
