//! Serves the file operations of the host between executions: put, get, list, remove.
//!
//! No program runs meanwhile, but an earlier one made everything that is there: links out of the directory,
//! FIFOs, files with a size and no content, thousands of entries. So a path is walked one directory at a
//! time, by descriptor and through no link; only what is known to be a regular file is opened; and every
//! length has a bound. An operation that fails is answered and changes nothing below the working directory:
//! only a lost host, or one that breaks the protocol, ends the sandbox.

use crate::Channel;
use crate::collect::DEPTH_MAX;
use crate::input::{give, out_of_order, write_all};
use crate::open::{DIRECTORY, create_temporary, open_beneath, open_directory};
use protocol::{
    CHUNK_BYTES_MAX, DirectoryEntry, ENTRIES_MAX, EntryKind, FileCause, FileFailure, GuestMessage,
    HostMessage, MODIFIED_US_MAX, PATH_BYTES_MAX, is_plain_path,
};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;

/// Name of a file that is being put, before a number.
const TEMPORARY: &str = ".sandbox-put-";

/// Most entries of a directory that are read. The file system's inodes bound them too; this bounds the time,
/// where an operator has raised those.
const READ_MAX: usize = 1_000_000;

/// How old the modification time of a file is when it has been put, in milliseconds: whatever a program
/// writes to it has a later one, since no clock of a file system is coarser than 10 ms (`CONFIG_HZ=100`). So
/// the file is output only if a program changed it, and its time is still that of the upload.
const PUT_AGE_MS: i64 = 100;

/// A file operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Put { id: u64, path: String, size_bytes: u64 },
    Get { id: u64, path: String, size_bytes_max: u64 },
    List { id: u64, path: String, after: String, entries_max: u32 },
    Remove { id: u64, path: String },
}

impl Request {
    /// The operation that a message asks for; `None` if it asks for none.
    pub(crate) fn of(message: &HostMessage<'_>) -> Option<Self> {
        let text = |text: &str| text.to_owned();
        Some(match *message {
            HostMessage::PutFile { id, path, size_bytes } => Self::Put { id, path: text(path), size_bytes },
            HostMessage::GetFile { id, path, size_bytes_max } => {
                Self::Get { id, path: text(path), size_bytes_max }
            }
            HostMessage::ListDirectory { id, path, after, entries_max } => {
                Self::List { id, path: text(path), after: text(after), entries_max }
            }
            HostMessage::RemoveFile { id, path } => Self::Remove { id, path: text(path) },
            _ => return None,
        })
    }

    fn id(&self) -> u64 {
        match self {
            Self::Put { id, .. } | Self::Get { id, .. } | Self::List { id, .. } | Self::Remove { id, .. } => {
                *id
            }
        }
    }
}

/// Why an operation has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    cause: FileCause,
    detail: String,
}

impl Failure {
    fn new(cause: FileCause, detail: impl Into<String>) -> Self {
        Self { cause, detail: detail.into() }
    }

    fn path(detail: &str) -> Self {
        Self::new(FileCause::PathInvalid, detail)
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        let cause = match errno {
            Errno::NOENT => FileCause::NotFound,
            Errno::ISDIR => FileCause::IsDirectory,
            Errno::NOTDIR => FileCause::NotDirectory,
            Errno::LOOP => FileCause::NotRegular,
            Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => FileCause::PathInvalid,
            Errno::NOTEMPTY | Errno::EXIST => FileCause::NotEmpty,
            Errno::NOSPC | Errno::DQUOT => FileCause::NoRoom,
            Errno::NOMEM => FileCause::NoMemory,
            Errno::FBIG => FileCause::TooLarge,
            Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::XDEV => FileCause::Denied,
            _ => FileCause::Io,
        };
        Self::new(cause, io::Error::from(errno).to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Errno::from_raw_os_error(number).into(),
            None => Self::new(FileCause::Io, error.to_string()),
        }
    }
}

/// The files of one sandbox. `R` opens the working directory, which it first makes or makes accessible where
/// a program has removed, replaced or closed it.
#[derive(Debug)]
pub(crate) struct Files<R> {
    open_root: R,
    owner: Option<u32>,
    /// The number of the last operation; 0 before the first.
    last_id: u64,
}

impl<R: Fn() -> io::Result<OwnedFd>> Files<R> {
    /// Files below the directory that `open_root` opens; those that are put belong to `owner`, `None` for the
    /// agent's user.
    pub(crate) fn new(open_root: R, owner: Option<u32>) -> Self {
        Self { open_root, owner, last_id: 0 }
    }

    /// Whether there was an operation.
    pub(crate) fn is_used(&self) -> bool {
        self.last_id > 0
    }

    /// Serves one operation.
    ///
    /// # Errors
    /// Only when the host is gone or violates the protocol.
    pub(crate) fn serve(&mut self, channel: &mut Channel, request: Request) -> io::Result<()> {
        let id = request.id();
        if id <= self.last_id {
            return Err(out_of_order());
        }
        self.last_id = id;
        match request {
            Request::Put { path, size_bytes, .. } => {
                let put = self.begin_put(id, &path, size_bytes);
                receive_content(channel, id, size_bytes, put)
            }
            Request::Get { path, size_bytes_max, .. } => match self.open_file(&path, size_bytes_max) {
                Ok((file, status)) => send_file(channel, id, &file, &status),
                Err(failure) => fail(channel, id, failure),
            },
            Request::List { path, after, entries_max, .. } => match self.list(&path, &after, entries_max) {
                Ok(listing) => send_listing(channel, id, listing),
                Err(failure) => fail(channel, id, failure),
            },
            Request::Remove { path, .. } => match self.remove(&path) {
                Ok(()) => done(channel, id),
                Err(failure) => fail(channel, id, failure),
            },
        }
    }

    /// Opens the working directory.
    fn root(&self) -> Result<OwnedFd, Failure> {
        (self.open_root)().map_err(|error| not_a_directory(error.into()))
    }

    /// Opens the directory with this path; empty for the working directory.
    fn directory(&self, path: &str) -> Result<OwnedFd, Failure> {
        open_directory(self.root()?, path).map_err(|errno| not_a_directory(errno.into()))
    }

    /// Opens the directory above an entry. Returns it with the entry's name.
    fn parent<'a>(&self, path: &'a str) -> Result<(OwnedFd, &'a str), Failure> {
        check(path)?;
        let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.directory(directories)?, name))
    }

    fn begin_put(&self, id: u64, path: &str, size_bytes: u64) -> Result<Put, Failure> {
        check(path)?;
        let root = self.root()?;
        let free_bytes = free_bytes(&root);
        if free_bytes.is_some_and(|free| size_bytes > free) {
            let detail = format!("{size_bytes} bytes, {} free", free_bytes.unwrap_or(0));
            return Err(Failure::new(FileCause::NoRoom, detail));
        }
        let mut parts: Vec<_> = path.split('/').collect();
        let name = parts.pop().unwrap_or_default();
        if parts.len() >= DEPTH_MAX {
            // What lies deeper would never be output.
            return Err(Failure::path("too many directories"));
        }
        let mut made = Made(Vec::new());
        let mut parent = root;
        for part in parts {
            let is_new = match rustix::fs::mkdirat(&parent, part, Mode::from_raw_mode(0o755)) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(errno) => return Err(errno.into()),
            };
            let child = if is_new {
                made.0.push((parent.try_clone()?, part.to_owned()));
                let child = enter(&parent, part)?;
                give(&child, self.owner)?;
                child
            } else {
                enter(&parent, part)?
            };
            parent = child;
        }
        match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) if file_type(&status) == FileType::Directory => return Err(Errno::ISDIR.into()),
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let (file, temporary) = create_temporary(&parent, TEMPORARY, id)?;
        let put = Put { file, parent, temporary, name: name.to_owned(), is_kept: false, made };
        give(&put.file, self.owner)?;
        Ok(put)
    }

    fn open_file(&self, path: &str, size_bytes_max: u64) -> Result<(OwnedFd, Stat), Failure> {
        let (parent, name) = self.parent(path)?;
        regular(&rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?)?;
        let file = open_beneath(&parent, name, OFlags::empty())?;
        let status = rustix::fs::fstat(&file)?;
        let size_bytes = regular(&status)?;
        if size_bytes > size_bytes_max {
            let detail = format!("{size_bytes} bytes, at most {size_bytes_max} allowed");
            return Err(Failure::new(FileCause::TooLarge, detail));
        }
        Ok((file, status))
    }

    fn list(&self, path: &str, after: &str, entries_max: u32) -> Result<Listing, Failure> {
        if !path.is_empty() {
            check(path)?;
        }
        let directory = self.directory(path)?;
        let entries_max = usize::try_from(entries_max.min(ENTRIES_MAX)).unwrap_or(0);
        // The first names in order: all of them may be far more than fit into memory.
        let mut names = BTreeSet::new();
        let (mut read, mut found, mut names_not_utf8) = (0, 0, 0);
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            read += 1;
            if read > READ_MAX {
                return Err(Failure::new(FileCause::TooMany, format!("more than {READ_MAX} entries")));
            }
            match entry.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(name) if name <= after && !after.is_empty() => {}
                Ok(name) => {
                    found += 1;
                    if names.len() < entries_max {
                        names.insert(name.to_owned());
                    } else if names.last().is_some_and(|last: &String| name < last.as_str()) {
                        names.insert(name.to_owned());
                        names.pop_last();
                    }
                }
                Err(_) => names_not_utf8 += 1,
            }
        }
        let more = found - names.len() as u64;
        let entries: Result<Vec<_>, Failure> =
            names.into_iter().map(|name| entry(&directory, name)).collect();
        Ok(Listing { entries: entries?, more, names_not_utf8 })
    }

    /// A directory only if it is empty: a wrong path should not cost a whole tree.
    fn remove(&self, path: &str) -> Result<(), Failure> {
        let (parent, name) = self.parent(path)?;
        let status = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let flags = match file_type(&status) {
            FileType::Directory => AtFlags::REMOVEDIR,
            _ => AtFlags::empty(),
        };
        Ok(rustix::fs::unlinkat(&parent, name, flags)?)
    }
}

/// A path below the working directory: no part of it leads up or nowhere.
fn check(path: &str) -> Result<(), Failure> {
    if path.len() > PATH_BYTES_MAX {
        return Err(Failure::path("too long"));
    }
    if !is_plain_path(path) {
        return Err(Failure::path("not a relative path without empty parts, `.` and `..`"));
    }
    Ok(())
}

/// Opens a directory in another one. A link is none.
fn enter(parent: &OwnedFd, name: &str) -> Result<OwnedFd, Failure> {
    open_beneath(parent, name, DIRECTORY).map_err(|errno| not_a_directory(errno.into()))
}

/// Which error a link gives depends on how it is opened (openat2(2): ELOOP, openat(2): ENOTDIR).
fn not_a_directory(failure: Failure) -> Failure {
    match failure.cause {
        FileCause::NotRegular => Failure { cause: FileCause::NotDirectory, ..failure },
        _ => failure,
    }
}

fn file_type(status: &Stat) -> FileType {
    FileType::from_raw_mode(status.st_mode)
}

/// The size of a regular file in bytes; anything else is a failure.
fn regular(status: &Stat) -> Result<u64, Failure> {
    match file_type(status) {
        FileType::RegularFile => Ok(u64::try_from(status.st_size).unwrap_or(u64::MAX)),
        FileType::Directory => Err(Errno::ISDIR.into()),
        _ => Err(Failure::new(FileCause::NotRegular, "not a regular file")),
    }
}

/// Time of the last modification, as [`MODIFIED_US_MAX`] describes it.
fn modified_us(status: &Stat) -> u64 {
    let Ok(seconds) = u64::try_from(status.st_mtime) else { return 0 };
    let microseconds = status.st_mtime_nsec / 1000;
    seconds.saturating_mul(1_000_000).saturating_add(microseconds).min(MODIFIED_US_MAX)
}

/// Free bytes of the file system; `None` if unknown.
fn free_bytes(directory: &OwnedFd) -> Option<u64> {
    let state = rustix::fs::fstatvfs(directory).ok().filter(|state| state.f_blocks > 0)?;
    Some(state.f_bavail.saturating_mul(state.f_frsize))
}

fn entry(directory: &OwnedFd, name: String) -> Result<DirectoryEntry, Failure> {
    let status = rustix::fs::statat(directory, name.as_str(), AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = match file_type(&status) {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => EntryKind::Symlink,
        FileType::Fifo => EntryKind::Fifo,
        FileType::Socket => EntryKind::Socket,
        _ => EntryKind::Device,
    };
    let size_bytes = if kind == EntryKind::File { regular(&status)? } else { 0 };
    Ok(DirectoryEntry { name, kind, size_bytes, modified_us: modified_us(&status) })
}

/// Directories made for a file that is being put, each with the one above it. Dropping it removes them.
#[derive(Debug)]
struct Made(Vec<(OwnedFd, String)>);

impl Drop for Made {
    fn drop(&mut self) {
        for (parent, name) in self.0.drain(..).rev() {
            let _ = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
    }
}

/// A file that is being put, under a temporary name in its directory. Dropping it before its end leaves
/// nothing of it.
#[derive(Debug)]
struct Put {
    file: OwnedFd,
    parent: OwnedFd,
    temporary: String,
    name: String,
    is_kept: bool,
    /// After the file: a directory is removed when it is empty.
    made: Made,
}

impl Put {
    /// Puts the complete file at its path.
    fn finish(mut self) -> Result<(), Failure> {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let (seconds, milliseconds) = (now.tv_sec, now.tv_nsec / 1_000_000 - PUT_AGE_MS);
        let past = Timespec {
            tv_sec: seconds + milliseconds.div_euclid(1000),
            tv_nsec: milliseconds.rem_euclid(1000) * 1_000_000,
        };
        rustix::fs::futimens(&self.file, &Timestamps { last_access: past, last_modification: past })?;
        rustix::fs::renameat(&self.parent, self.temporary.as_str(), &self.parent, self.name.as_str())?;
        self.is_kept = true;
        self.made.0.clear();
        Ok(())
    }
}

impl Drop for Put {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = rustix::fs::unlinkat(&self.parent, self.temporary.as_str(), AtFlags::empty());
        }
    }
}

/// Writes the content that follows, and answers once. The rest of the content of a put that failed is
/// discarded, so that the next message is one after it.
fn receive_content(
    channel: &mut Channel,
    id: u64,
    size_bytes: u64,
    mut put: Result<Put, Failure>,
) -> io::Result<()> {
    let mut rest = size_bytes;
    if let Err(failure) = &put {
        fail(channel, id, failure.clone())?;
    }
    while rest > 0 {
        let written = match channel.receive()? {
            HostMessage::PutData { data } if !data.is_empty() && data.len() as u64 <= rest => {
                rest -= data.len() as u64;
                put.as_ref().map_or(Ok(()), |put| write_all(&put.file, data))
            }
            HostMessage::PutAbort { id: aborted } if aborted == id => {
                return match put {
                    Ok(put) => {
                        drop(put);
                        fail(channel, id, Failure::new(FileCause::Aborted, "requested by the host"))
                    }
                    Err(_) => Ok(()),
                };
            }
            // For an execution that has already ended.
            HostMessage::Cancel { .. } | HostMessage::Interrupt { .. } => Ok(()),
            _ => return Err(out_of_order()),
        };
        if let Err(error) = written {
            let failure = Failure::from(error);
            // Removes what was written, before the host learns of it.
            put = Err(failure.clone());
            fail(channel, id, failure)?;
        }
    }
    match put.map(Put::finish) {
        Ok(Ok(())) => done(channel, id),
        Ok(Err(failure)) => fail(channel, id, failure),
        Err(_) => Ok(()),
    }
}

fn send_file(channel: &mut Channel, id: u64, file: &OwnedFd, status: &Stat) -> io::Result<()> {
    let size_bytes = u64::try_from(status.st_size).unwrap_or(0);
    channel.send(&GuestMessage::FileHeader { id, size_bytes, modified_us: modified_us(status) })?;
    let mut rest = size_bytes;
    let mut chunk = vec![0u8; CHUNK_BYTES_MAX];
    while rest > 0 {
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(chunk.len());
        let length = match rustix::io::read(file, &mut chunk[..wanted]) {
            Ok(0) => return fail(channel, id, Failure::new(FileCause::Changed, "shorter than it was")),
            Ok(length) => length,
            Err(Errno::INTR) => continue,
            Err(errno) => return fail(channel, id, errno.into()),
        };
        rest -= length as u64;
        channel.send(&GuestMessage::FileContent { data: &chunk[..length] })?;
        // Bounds what waits for a host that reads slowly.
        channel.flush()?;
    }
    done(channel, id)
}

/// The entries of a directory that are sent.
#[derive(Debug)]
struct Listing {
    entries: Vec<DirectoryEntry>,
    more: u64,
    names_not_utf8: u64,
}

fn send_listing(channel: &mut Channel, id: u64, listing: Listing) -> io::Result<()> {
    let Listing { entries, more, names_not_utf8 } = listing;
    for entry in entries {
        channel.send(&GuestMessage::Entry(entry))?;
        channel.flush()?;
    }
    channel.send(&GuestMessage::Listed { id, more, names_not_utf8 })?;
    channel.flush()
}

fn done(channel: &mut Channel, id: u64) -> io::Result<()> {
    channel.send(&GuestMessage::FileDone { id })?;
    channel.flush()
}

fn fail(channel: &mut Channel, id: u64, failure: Failure) -> io::Result<()> {
    let Failure { cause, detail } = failure;
    channel.send(&GuestMessage::FileFailed(FileFailure { id, cause, detail }))?;
    channel.flush()
}

#[cfg(test)]
mod tests;
