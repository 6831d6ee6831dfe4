//! Objects, content under random names: how they are stored and found.
//!
//! Every put makes a new file with a random name, whatever its content. If equal content were stored once,
//! under its digest, the response time would tell whether any other client has that content.
//!
//! An object's mtime is the time when its link expires, so that every process, whatever its settings, sees
//! when the object may be removed. It is set before the object gets its name.

use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::SystemTime;

use jiff::Timestamp;

use super::layout::{self, Layout};
use super::object_name::ObjectName;
use super::space::Space;
use super::steps::{Step, Steps};
use super::temp::TempFile;
use super::usage::UsageFile;
use crate::store::PutError;

/// What a put needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keeper<'a> {
    pub(super) layout: &'a Layout,
    pub(super) steps: &'a Steps,
    pub(super) usage: &'a UsageFile,
    pub(super) space: Space,
}

impl Keeper<'_> {
    /// Stores `content` under `name`, a new one, until the time that `expiry` returns, and returns that time.
    /// On any error nothing is left behind.
    pub(super) fn keep(
        self,
        name: &ObjectName,
        content: &[u8],
        expiry: impl FnOnce() -> Timestamp,
    ) -> Result<Timestamp, PutError> {
        let Self { layout, steps, usage, space } = self;
        let size_bytes = content.len() as u64;
        refuse(steps.run(Step::LookForRoom, || space.on_disk(layout, size_bytes))?)?;
        let shard = steps.run(Step::OpenShard, || layout::make_directory(layout.objects(), name.shard()))?;
        let mut temp = {
            let lock = steps.run(Step::Lock, || layout.lock())?;
            // Only saves the write: the check before the rename is the one that counts.
            refuse(steps.run(Step::LookForRoom, || space.in_store(usage, &lock, size_bytes))?)?;
            steps.run(Step::CreateTemp, || TempFile::create(layout, &lock))?
        };
        steps.run(Step::Write, || temp.file().write_all(content))?;
        // Synced before it gets its name: after a power failure the object is complete or missing, never
        // partial, so an existing one can be trusted without reading it again. The sync also reports the
        // errors of file systems that allocate late. The directory is not synced: if a power failure undoes
        // the rename, the object's link answers "gone".
        steps.run(Step::Sync, || temp.file().sync_data())?;
        let expires_at = expiry();
        steps.run(Step::Stamp, || temp.file().set_modified(expires_at.into()))?;

        let lock = steps.run(Step::Lock, || layout.lock())?;
        refuse(steps.run(Step::LookForRoom, || space.in_store(usage, &lock, size_bytes))?)?;
        // First the sum, then the name: a process that is killed in between leaves a sum that is too large,
        // until the next clean, never one that is too small.
        let published = steps
            .run(Step::Count, || usage.add(&lock, name, size_bytes))
            .and_then(|()| steps.run(Step::Publish, || temp.publish(shard.as_fd(), name.as_str())));
        if let Err(failed) = published {
            if let Err(error) = usage.measure(layout, &lock, name.shard_number()) {
                tracing::warn!(%error, "failed to recount the stored files; the next clean will retry");
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

/// What happened to an object that a clean checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// It was removed; its length in bytes.
    Removed(u64),
    /// Its link is valid until then.
    Kept(SystemTime),
    /// It is gone, or not one of ours.
    Nothing,
}

/// Removes an object whose link expired before `now`, or would expire after `latest`.
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
    // A name always means the same file, so what was seen without the lock still holds; the lock is for the
    // sum.
    let lock = layout.lock()?;
    if !layout::remove_file(shard, name.as_str())? {
        return Ok(Looked::Nothing);
    }
    usage.subtract(&lock, name, metadata.len())?;
    Ok(Looked::Removed(metadata.len()))
}
