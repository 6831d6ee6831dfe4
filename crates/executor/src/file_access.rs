//! The host side of the protocol's file operations: put, get, list, remove.
//!
//! Everything read here is hostile, as in [`crate::guest`]: what an answer may contain is decided by the
//! request, and checked before it is kept. Content is never held whole: a piece is read from its source, or
//! passed on, before the next.
//!
//! Every function here can be dropped at any await: what was left unsent or unread is kept, and
//! [`FileAccess::settle`] finishes it before anything else uses the stream. A client that goes away in the
//! middle of a transfer costs no sandbox.

use crate::guest::{Guest, bounded_text};
use crate::guest_error::GuestError;
use crate::is_plain_path;
use protocol::{
    CHUNK_BYTES_MAX, DirectoryEntry, ENTRIES_MAX, ENTRY_NAME_BYTES_MAX, EntryKind, FileCause, FileFailure,
    GuestMessage, HostMessage, MODIFIED_US_MAX, append,
};
use std::io;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest wait for the agent in a file operation: to take a piece, to send one, or to answer. A piece is 64
/// KiB, which a slow host copies in milliseconds; a listing reads up to a million entries first.
pub const FILE_STEP_TIME_MAX: Duration = Duration::from_secs(60);

/// An entry of a directory in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name: one part of a path. It can contain any character but `/` and NUL.
    pub name: String,
    /// What it is. Links are not followed.
    pub kind: EntryKind,
    /// Length of a regular file in bytes; 0 for anything else.
    pub size_bytes: u64,
    /// Time of the last modification, in microseconds; between 1970 and the end of 9999. A program can set
    /// any.
    pub modified: SystemTime,
}

/// The entries of a directory in a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileListing {
    /// In the order of their names as bytes.
    pub entries: Vec<FileEntry>,
    /// Number of further entries, which a listing after the last name returns. The guest's word, as all
    /// counts of it.
    pub more: u64,
    /// Number of entries of the directory that are not listed, since their names are not UTF-8.
    pub names_not_utf8: u64,
}

/// What a get returns before the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) size_bytes: u64,
    pub(crate) modified: SystemTime,
}

/// Why a file operation failed.
#[derive(Debug)]
pub(crate) enum AccessError {
    /// It had no effect; the sandbox can be used.
    Failed { cause: FileCause, detail: String },
    /// The source of a put failed or ended early. It had no effect; the sandbox can be used.
    Source(io::Error),
    /// The sandbox is lost.
    Guest(GuestError),
}

impl From<GuestError> for AccessError {
    fn from(error: GuestError) -> Self {
        Self::Guest(error)
    }
}

/// The file operations of one sandbox, one at a time.
#[derive(Debug, Default)]
pub(crate) struct FileAccess {
    /// The number of the last operation; 0 before the first.
    last_id: u64,
    /// Frames not yet written whole. Bounded by one piece and two short messages.
    outgoing: Vec<u8>,
    /// How much of them is written.
    written: usize,
    /// The operation whose answer has not been read to its end.
    open: Option<Open>,
}

/// An operation whose answer has not been read to its end.
#[derive(Debug)]
struct Open {
    id: u64,
    awaits: Awaits,
}

/// What may come next.
#[derive(Debug)]
enum Awaits {
    /// The end of a put, of whose content this many bytes are not sent, or of a removal.
    Done { unsent: u64 },
    /// The end of a put that was aborted.
    Aborted,
    /// The header of a file of at most this size.
    Header { size_bytes_max: u64 },
    /// The rest of a file.
    Content { rest: u64 },
    /// Entries after this name, at most `rest` of them.
    Entries { after: String, rest: u32 },
}

/// A part of an answer.
#[derive(Debug)]
enum Answer<'a> {
    Header(Header),
    Content(&'a [u8]),
    Entry(FileEntry),
    Listed { more: u64, names_not_utf8: u64 },
    Done,
    Failed { cause: FileCause, detail: String },
}

impl Answer<'_> {
    fn is_last(&self) -> bool {
        matches!(self, Self::Listed { .. } | Self::Done | Self::Failed { .. })
    }
}

impl FileAccess {
    /// Whether there was an operation.
    pub(crate) fn is_used(&self) -> bool {
        self.last_id > 0
    }

    /// Finishes what a dropped operation has left: a put is aborted, the rest of an answer is read and
    /// dropped.
    pub(crate) async fn settle<S>(&mut self, guest: &mut Guest<S>) -> Result<(), GuestError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        if self.open.is_none() && self.outgoing.is_empty() {
            return Ok(());
        }
        within("finish the file operation before", async {
            self.abort()?;
            while self.open.is_some() {
                self.flush(guest).await?;
                self.next(guest).await?;
            }
            self.flush(guest).await
        })
        .await
    }

    /// Writes `size_bytes` from `source` to a file. What the source has beyond is not read.
    pub(crate) async fn put<S, R>(
        &mut self,
        guest: &mut Guest<S>,
        path: &str,
        size_bytes: u64,
        source: &mut R,
    ) -> Result<(), AccessError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
        R: AsyncRead + Unpin + Send + ?Sized,
    {
        check(path)?;
        let awaits = Awaits::Done { unsent: size_bytes };
        self.begin(guest, awaits, |id| HostMessage::PutFile { id, path, size_bytes }).await?;
        let mut piece = vec![0; CHUNK_BYTES_MAX];
        let mut rest = size_bytes;
        while rest > 0 {
            let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(piece.len());
            // An answer before the end of the content is a failure: there is no use in reading on.
            let read = tokio::select! {
                biased;
                filled = guest.fill() => {
                    filled?;
                    break;
                }
                read = source.read(&mut piece[..wanted]) => read,
            };
            let failed = match read {
                Ok(0) => Some(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    rest -= length as u64;
                    self.send_piece(&piece[..length], rest)?;
                    within("take a piece of a file", self.flush(guest)).await?;
                    None
                }
                Err(error) => Some(error),
            };
            if let Some(error) = failed {
                self.settle(guest).await?;
                return Err(AccessError::Source(error));
            }
        }
        let ended = self.end(guest, "put a file").await;
        // Where it failed early, the agent is told that no more content follows.
        within("take the end of a file", self.flush(guest)).await?;
        ended
    }

    /// Requests a file of at most `size_bytes_max` bytes; [`FileAccess::piece`] returns its content.
    pub(crate) async fn get<S>(
        &mut self,
        guest: &mut Guest<S>,
        path: &str,
        size_bytes_max: u64,
    ) -> Result<Header, AccessError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        check(path)?;
        let awaits = Awaits::Header { size_bytes_max };
        self.begin(guest, awaits, |id| HostMessage::GetFile { id, path, size_bytes_max }).await?;
        match within("open a file", self.next(guest)).await? {
            Answer::Header(header) => Ok(header),
            other => Err(unexpected(other)),
        }
    }

    /// The next piece of the file that was requested; `None` at its end. The piece is borrowed from the
    /// stream's buffer.
    pub(crate) async fn piece<'a, S>(
        &mut self,
        guest: &'a mut Guest<S>,
    ) -> Result<Option<&'a [u8]>, AccessError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        if self.open.is_none() {
            return Ok(None);
        }
        match within("send a piece of a file", self.next(guest)).await? {
            Answer::Content(data) => Ok(Some(data)),
            Answer::Done => Ok(None),
            other => Err(unexpected(other)),
        }
    }

    /// Lists at most `entries_max` entries of a directory, in order, those after the name `after`.
    pub(crate) async fn list<S>(
        &mut self,
        guest: &mut Guest<S>,
        path: &str,
        after: &str,
        entries_max: u32,
    ) -> Result<FileListing, AccessError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        if !path.is_empty() {
            check(path)?;
        }
        if after.len() > ENTRY_NAME_BYTES_MAX {
            let detail = "the name to begin after is too long".to_owned();
            return Err(AccessError::Failed { cause: FileCause::PathInvalid, detail });
        }
        let entries_max = entries_max.min(ENTRIES_MAX);
        let awaits = Awaits::Entries { after: after.to_owned(), rest: entries_max };
        self.begin(guest, awaits, |id| HostMessage::ListDirectory { id, path, after, entries_max }).await?;
        within("list a directory", async {
            let mut entries = Vec::new();
            loop {
                match self.next(guest).await? {
                    Answer::Entry(entry) => entries.push(entry),
                    Answer::Listed { more, names_not_utf8 } => {
                        return Ok(FileListing { entries, more, names_not_utf8 });
                    }
                    other => return Err(unexpected(other)),
                }
            }
        })
        .await
    }

    /// Removes a file, a link itself, or an empty directory.
    pub(crate) async fn remove<S>(&mut self, guest: &mut Guest<S>, path: &str) -> Result<(), AccessError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        check(path)?;
        let awaits = Awaits::Done { unsent: 0 };
        self.begin(guest, awaits, |id| HostMessage::RemoveFile { id, path }).await?;
        self.end(guest, "remove a file").await
    }

    /// Sends the request of an operation, after what one before has left.
    async fn begin<'m, S>(
        &mut self,
        guest: &mut Guest<S>,
        awaits: Awaits,
        request: impl FnOnce(u64) -> HostMessage<'m>,
    ) -> Result<(), GuestError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        self.settle(guest).await?;
        if !guest.is_quiet() {
            return Err(GuestError::Violation("a message between two executions"));
        }
        let id = self.last_id + 1;
        append(&mut self.outgoing, &request(id))?;
        self.last_id = id;
        self.open = Some(Open { id, awaits });
        within("take a file operation", self.flush(guest)).await
    }

    /// Queues a piece of a put, after which `rest` bytes are left to send.
    fn send_piece(&mut self, data: &[u8], rest: u64) -> Result<(), GuestError> {
        append(&mut self.outgoing, &HostMessage::PutData { data })?;
        if let Some(Open { awaits: Awaits::Done { unsent }, .. }) = &mut self.open {
            *unsent = rest;
        }
        Ok(())
    }

    /// Queues the abort of a put whose content is not sent whole.
    fn abort(&mut self) -> Result<(), GuestError> {
        if let Some(Open { id, awaits: awaits @ Awaits::Done { unsent: 1.. } }) = &mut self.open {
            append(&mut self.outgoing, &HostMessage::PutAbort { id: *id })?;
            *awaits = Awaits::Aborted;
        }
        Ok(())
    }

    /// Writes what is queued. Dropped in the middle, it goes on from there the next time.
    async fn flush<S>(&mut self, guest: &mut Guest<S>) -> Result<(), GuestError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let stream = guest.stream();
        while self.written < self.outgoing.len() {
            match stream.write(&self.outgoing[self.written..]).await? {
                0 => return Err(GuestError::Gone),
                length => self.written += length,
            }
        }
        stream.flush().await?;
        self.outgoing.clear();
        self.written = 0;
        Ok(())
    }

    /// The end of a put or a removal.
    async fn end<S>(&mut self, guest: &mut Guest<S>, step: &'static str) -> Result<(), AccessError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        match within(step, self.next(guest)).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// Reads the next part of the answer. Nothing is awaited after it was taken from the stream, so none is
    /// lost.
    async fn next<'a, S>(&mut self, guest: &'a mut Guest<S>) -> Result<Answer<'a>, GuestError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        guest.fill().await?;
        let message = guest.message()?.ok_or(GuestError::Gone)?;
        let open = self.open.as_mut().ok_or(GuestError::Violation("an answer that was not asked for"))?;
        let answer = open.take(message)?;
        if answer.is_last() {
            // The agent discards content until it knows that no more follows.
            self.abort()?;
            self.open = None;
        }
        Ok(answer)
    }
}

impl Open {
    /// Checks a message against what was asked for.
    fn take<'a>(&mut self, message: GuestMessage<'a>) -> Result<Answer<'a>, GuestError> {
        match (&mut self.awaits, message) {
            (Awaits::Done { unsent: 0 } | Awaits::Content { rest: 0 }, GuestMessage::FileDone { id })
                if id == self.id =>
            {
                Ok(Answer::Done)
            }
            (_, GuestMessage::FileFailed(FileFailure { id, cause, detail })) if id == self.id => {
                Ok(Answer::Failed { cause, detail: bounded_text(detail) })
            }
            (Awaits::Header { size_bytes_max }, GuestMessage::FileHeader { id, size_bytes, modified_us })
                if id == self.id =>
            {
                if size_bytes > *size_bytes_max {
                    return Err(GuestError::Violation("a larger file than asked for"));
                }
                let modified = time(modified_us)?;
                self.awaits = Awaits::Content { rest: size_bytes };
                Ok(Answer::Header(Header { size_bytes, modified }))
            }
            (Awaits::Content { rest }, GuestMessage::FileContent { data }) => {
                // The agent sends no empty ones, and nothing would bound their number.
                if data.is_empty() || data.len() as u64 > *rest {
                    return Err(GuestError::Violation("file content that was not announced"));
                }
                *rest -= data.len() as u64;
                Ok(Answer::Content(data))
            }
            (Awaits::Entries { after, rest }, GuestMessage::Entry(entry)) => {
                *rest = rest.checked_sub(1).ok_or(GuestError::Violation("more entries than asked for"))?;
                let DirectoryEntry { name, kind, size_bytes, modified_us } = entry;
                if !is_plain_path(&name) || name.contains('/') || name.len() > ENTRY_NAME_BYTES_MAX {
                    return Err(GuestError::Violation("an entry whose name is none"));
                }
                if name <= *after {
                    return Err(GuestError::Violation("an entry out of order"));
                }
                after.clone_from(&name);
                Ok(Answer::Entry(FileEntry { name, kind, size_bytes, modified: time(modified_us)? }))
            }
            (Awaits::Entries { .. }, GuestMessage::Listed { id, more, names_not_utf8 }) if id == self.id => {
                Ok(Answer::Listed { more, names_not_utf8 })
            }
            (_, GuestMessage::Fault { step, detail }) => {
                Err(GuestError::Fault { step: bounded_text(step), detail: bounded_text(detail) })
            }
            _ => Err(GuestError::Violation("a message out of order")),
        }
    }
}

/// Whether a path can be sent at all: a relative one without empty, `.` and `..` parts. The agent checks it
/// again.
fn check(path: &str) -> Result<(), AccessError> {
    if is_plain_path(path) {
        return Ok(());
    }
    let detail = "not a relative path without empty parts, `.` and `..`".to_owned();
    Err(AccessError::Failed { cause: FileCause::PathInvalid, detail })
}

/// An answer other than the one of success: a failure, since [`Open::take`] refuses everything else.
fn unexpected(answer: Answer<'_>) -> AccessError {
    match answer {
        Answer::Failed { cause, detail } => AccessError::Failed { cause, detail },
        _ => GuestError::Violation("a message out of order").into(),
    }
}

fn time(modified_us: u64) -> Result<SystemTime, GuestError> {
    Some(modified_us)
        .filter(|time| *time <= MODIFIED_US_MAX)
        .and_then(|time| SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(time)))
        .ok_or(GuestError::Violation("a time after the year 9999"))
}

/// Bounds a step of the agent in time.
async fn within<T, E: From<GuestError>>(
    step: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match tokio::time::timeout(FILE_STEP_TIME_MAX, work).await {
        Ok(result) => result,
        Err(_elapsed) => Err(GuestError::TooLate { step, waited_ms: FILE_STEP_TIME_MAX.as_millis() }.into()),
    }
}

#[cfg(test)]
mod tests;
