//! Content under a name of its own: how it gets in, and how it is found.
//!
//! Every put makes a new file with a random name, whatever it holds. Were content kept once, by its digest, then the time of
//! an answer would tell whether any other client has that content.
//!
//! An object's mtime is the time when its link ends, so that every process, whatever lifetime it is set to, sees when
//! the object may go. It is set before the object gets its name.

use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::SystemTime;

use jiff::Timestamp;

use super::layout::{self, Layout};
use super::room::Room;
use super::steps::{Step, Steps};
use super::temp::TempFile;
use super::usage::UsageFile;
use crate::store::PutError;

/// Length of an object's name in bytes, before it is written in hexadecimal.
pub(super) const NAME_BYTES: usize = 32;

/// Hexadecimal digits of a name that name its directory: 256 directories keep each one small.
const SHARD_LENGTH: usize = 2;

/// The name of an object: random bytes in lowercase hexadecimal, so never a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ObjectName(String);

impl ObjectName {
    /// The name of these bytes.
    pub(super) fn new(bytes: &[u8; NAME_BYTES]) -> Self {
        Self(hex(bytes))
    }

    /// The name, if a file called `name` in the directory `shard` can be an object.
    pub(super) fn parse(shard: &str, name: String) -> Option<Self> {
        let is_ours = name.len() == NAME_BYTES * 2 && is_hex(&name) && name.starts_with(shard);
        is_ours.then_some(Self(name))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the directory that the object is in.
    pub(super) fn shard(&self) -> &str {
        &self.0[..SHARD_LENGTH]
    }

    /// The directory's number.
    pub(super) fn shard_number(&self) -> usize {
        // Two hexadecimal digits, by construction.
        usize::from_str_radix(self.shard(), 16).unwrap_or_default()
    }
}

/// `bytes` in lowercase hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xF])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What a put works with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keeper<'a> {
    pub(super) layout: &'a Layout,
    pub(super) steps: &'a Steps,
    pub(super) usage: &'a UsageFile,
    pub(super) room: Room,
}

impl Keeper<'_> {
    /// Keeps `content` under `name`, a new one, until the time that `expiry` gives, and returns that time. On any error
    /// nothing is left behind.
    pub(super) fn keep(
        self,
        name: &ObjectName,
        content: &[u8],
        expiry: impl FnOnce() -> Timestamp,
    ) -> Result<Timestamp, PutError> {
        let Self { layout, steps, usage, room } = self;
        let size_bytes = content.len() as u64;
        refuse(steps.run(Step::LookForRoom, || room.on_disk(layout, size_bytes))?)?;
        let shard = steps.run(Step::OpenShard, || layout::make_directory(layout.objects(), name.shard()))?;
        let mut temp = {
            let lock = steps.run(Step::Lock, || layout.lock())?;
            // Only to spare the writing: what counts is the look before the rename.
            refuse(steps.run(Step::LookForRoom, || room.in_store(usage, &lock, size_bytes))?)?;
            steps.run(Step::CreateTemp, || TempFile::create(layout, &lock))?
        };
        steps.run(Step::Write, || temp.file().write_all(content))?;
        // Synced before it gets its name: after a power cut the object is whole or missing, never half, so what exists need
        // not be read again to be trusted. It also brings out the errors of file systems that find room late. The directory is
        // not synced: an object that a power cut takes back makes its link answer "gone".
        steps.run(Step::Sync, || temp.file().sync_data())?;
        let expires_at = expiry();
        steps.run(Step::Stamp, || temp.file().set_modified(expires_at.into()))?;

        let lock = steps.run(Step::Lock, || layout.lock())?;
        refuse(steps.run(Step::LookForRoom, || room.in_store(usage, &lock, size_bytes))?)?;
        // First the sum, then the name: a process that is killed in between leaves a sum that is too large, until the next
        // clean, never one that is too small.
        let published = steps
            .run(Step::Count, || usage.add(&lock, name, size_bytes))
            .and_then(|()| steps.run(Step::Publish, || temp.publish(shard.as_fd(), name.as_str())));
        if let Err(failed) = published {
            if let Err(error) = usage.measure(layout, &lock, name.shard_number()) {
                tracing::warn!(%error, "failed to count the stored files again; the next clean does");
            }
            return Err(failed.into());
        }
        Ok(expires_at)
    }
}

fn refuse(shortage: Option<String>) -> Result<(), PutError> {
    shortage.map_or(Ok(()), |reason| Err(PutError::NoRoom { reason }))
}

/// Opens an object for reading; `None` if it is gone.
pub(super) fn open(layout: &Layout, name: &ObjectName) -> io::Result<Option<(File, Metadata)>> {
    match layout::open_directory(layout.objects(), name.shard()) {
        Ok(shard) => layout::open_file(shard.as_fd(), name.as_str()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What became of an object that a clean looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// It was removed; its length in bytes.
    Removed(u64),
    /// Its link lives until then.
    Kept(SystemTime),
    /// It is gone, or is none of ours.
    Nothing,
}

/// Removes an object whose link ended before `now`, or would end after `latest`.
pub(super) fn remove_if_over(
    layout: &Layout,
    usage: &UsageFile,
    shard: BorrowedFd<'_>,
    name: &ObjectName,
    (now, latest): (SystemTime, SystemTime),
) -> io::Result<Looked> {
    let Some(metadata) = layout::inspect(shard, name.as_str())?.filter(Metadata::is_file) else {
        return Ok(Looked::Nothing);
    };
    let expires_at = metadata.modified()?;
    if (now..=latest).contains(&expires_at) {
        return Ok(Looked::Kept(expires_at));
    }
    // A name means one file for ever, so what was seen without the lock still holds; the lock is for the sum.
    let lock = layout.lock()?;
    if !layout::remove_file(shard, name.as_str())? {
        return Ok(Looked::Nothing);
    }
    usage.subtract(&lock, name, metadata.len())?;
    Ok(Looked::Removed(metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hexadecimal_and_belong_to_their_directory() {
        let name = ObjectName::new(&[0xAB; NAME_BYTES]);
        assert_eq!(name.as_str(), "ab".repeat(32));
        assert_eq!((name.shard(), name.shard_number()), ("ab", 0xAB));
        assert_eq!(ObjectName::parse("ab", "ab".repeat(32)), Some(name));
        for (shard, bad) in [
            ("cd", "ab".repeat(32)),
            ("ab", "AB".repeat(32)),
            ("ab", "ab".repeat(31)),
            ("..", "../".repeat(21) + "."),
            ("ab", String::new()),
        ] {
            assert_eq!(ObjectName::parse(shard, bad), None);
        }
    }

    #[test]
    fn hex_is_lowercase_and_whole() {
        assert_eq!(hex(&[0x00, 0x0F, 0xF0, 0xFF, 0x5A]), "000ff0ff5a");
    }
}
