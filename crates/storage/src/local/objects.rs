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
use super::object_name::ObjectName;
use super::room::Room;
use super::steps::{Step, Steps};
use super::temp::TempFile;
use super::usage::UsageFile;
use crate::store::PutError;

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
