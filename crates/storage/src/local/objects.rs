//! Content by its digest: how it gets in, and how it is found.
//!
//! Two things can go wrong between a put and a clean, here or in another process, and the store's lock
//! excludes both. Every put ends under the lock, either by refreshing the object's mtime or by renaming
//! a new file into place; every removal looks at the mtime and removes under the lock. So a clean either
//! comes first, and the put finds no object and stores it again, or comes after, and sees that the
//! object is young. The slow parts (hashing, writing, syncing, listing) happen outside of the lock.

use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::SystemTime;

use jiff::Timestamp;

use super::layout::{self, Layout};
use super::steps::{Step, StepError, Steps};
use super::temp::TempFile;
use super::token::DIGEST_BYTES;
use crate::clock::Clock;

/// Hexadecimal digits of a digest that name its directory: 256 directories keep each one small.
const SHARD_LENGTH: usize = 2;

/// The name of an object: the digest in lowercase hexadecimal, so never a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectName(String);

impl ObjectName {
    /// The name of the content with this digest.
    pub(super) fn new(digest: &[u8; DIGEST_BYTES]) -> Self {
        Self(hex(digest))
    }

    /// The name, if a file called `name` in the directory `shard` can be an object.
    pub(super) fn parse(shard: &str, name: String) -> Option<Self> {
        let is_ours = name.len() == DIGEST_BYTES * 2 && is_hex(&name) && name.starts_with(shard);
        is_ours.then_some(Self(name))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the directory that the object is in.
    pub(super) fn shard(&self) -> &str {
        &self.0[..SHARD_LENGTH]
    }
}

/// Whether a directory of objects can have this name.
pub(super) fn is_shard(name: &str) -> bool {
    name.len() == SHARD_LENGTH && is_hex(name)
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

/// Keeps `content`, whose digest gave `name`. Returns the time from which its retention counts. On any
/// error nothing is left behind.
pub(super) fn keep(
    layout: &Layout,
    steps: &Steps,
    clock: &dyn Clock,
    name: &ObjectName,
    content: &[u8],
) -> Result<Timestamp, StepError> {
    let shard = steps.run(Step::OpenShard, || layout::make_directory(layout.objects(), name.shard()))?;
    let shard = shard.as_fd();
    let mut temp = {
        let lock = steps.run(Step::Lock, || layout.lock())?;
        let now = clock.now();
        // Nothing has to be written for content that is there.
        if refresh(steps, shard, name, content.len(), now)? {
            return Ok(now);
        }
        steps.run(Step::CreateTemp, || TempFile::create(layout, &lock))?
    };
    steps.run(Step::Write, || temp.file().write_all(content))?;
    // Synced before it gets its name: after a power cut the object is whole or missing, never half, so
    // what exists need not be read again to be trusted. It also brings out the errors of file systems
    // that find room late. The directory is not synced: an object that a power cut takes back makes its
    // link answer "gone", and the next put stores it again.
    steps.run(Step::Sync, || temp.file().sync_data())?;

    let _lock = steps.run(Step::Lock, || layout.lock())?;
    let now = clock.now();
    // Another put may have stored the same content meanwhile; then ours goes.
    if !refresh(steps, shard, name, content.len(), now)? {
        steps.run(Step::Stamp, || temp.file().set_modified(now.into()))?;
        steps.run(Step::Publish, || temp.publish(shard, name.as_str()))?;
    }
    Ok(now)
}

/// Sets the time of an object that is there; false if it is not, or is not what we would have stored: a
/// symlink or a file of another length, which the rename then replaces. Call it under the store's lock.
fn refresh(
    steps: &Steps,
    shard: BorrowedFd<'_>,
    name: &ObjectName,
    size: usize,
    now: Timestamp,
) -> Result<bool, StepError> {
    let found = steps.run(Step::Inspect, || layout::inspect(shard, name.as_str()))?;
    if !found.is_some_and(|metadata| metadata.is_file() && metadata.len() == size as u64) {
        return Ok(false);
    }
    steps.run(Step::Refresh, || match layout::open_file(shard, name.as_str())? {
        Some((file, _)) => file.set_modified(now.into()).map(|()| true),
        None => Ok(false),
    })
}

/// Opens an object for reading; `None` if it is gone.
pub(super) fn open(layout: &Layout, name: &ObjectName) -> io::Result<Option<(File, Metadata)>> {
    match layout::open_directory(layout.objects(), name.shard()) {
        Ok(shard) => layout::open_file(shard.as_fd(), name.as_str()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes an object if it was last stored before `oldest_kept`. Returns its length, or `None` if it
/// stays or is gone already.
pub(super) fn remove_if_older(
    layout: &Layout,
    shard: BorrowedFd<'_>,
    name: &ObjectName,
    oldest_kept: SystemTime,
) -> io::Result<Option<u64>> {
    let is_old = || -> io::Result<Option<Metadata>> {
        let Some(metadata) = layout::inspect(shard, name.as_str())? else { return Ok(None) };
        let is_old = metadata.is_file() && metadata.modified()? < oldest_kept;
        Ok(is_old.then_some(metadata))
    };
    // Without the lock first: nearly all objects are young, and puts should not wait for looking at them.
    if is_old()?.is_none() {
        return Ok(None);
    }
    let _lock = layout.lock()?;
    let Some(metadata) = is_old()? else { return Ok(None) };
    Ok(layout::remove_file(shard, name.as_str())?.then_some(metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hexadecimal_and_belong_to_their_directory() {
        let name = ObjectName::new(&[0xAB; DIGEST_BYTES]);
        assert_eq!(name.as_str(), "ab".repeat(32));
        assert_eq!(name.shard(), "ab");
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
        assert!(is_shard("0f") && !is_shard("..") && !is_shard("0F") && !is_shard("abc"));
    }

    #[test]
    fn hex_is_lowercase_and_whole() {
        assert_eq!(hex(&[0x00, 0x0F, 0xF0, 0xFF, 0x5A]), "000ff0ff5a");
    }
}
