//! Objects, content under random names: how they are stored and found.
//!
//! Every put makes a new file with a random name, whatever its content. If equal content were stored once,
//! under its digest, the response time would tell whether any other client has that content.
//!
//! An object's mtime is the time when its link expires, so that every process, whatever its settings, sees
//! when the object may be removed. It is set before the object gets its name.

use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::SystemTime;

use super::bounds::Bounds;
use super::layout::{self, Layout, StoreLock};
use super::lost::Lost;
use super::space::Space;
use super::steps::{Step, Steps};
use super::temp::TempFile;
use super::token::Claims;
use super::usage::UsageFile;
use crate::object_name::ObjectName;
use crate::store::PutError;

/// What a put needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keeper<'a> {
    pub(super) layout: &'a Layout,
    pub(super) steps: &'a Steps,
    pub(super) usage: &'a UsageFile,
    pub(super) space: Space,
}

impl<'a> Keeper<'a> {
    /// Stores `content` under `name`, a new one, until the link of the `claims` expires, and returns them.
    /// On any error nothing is left behind.
    pub(super) fn keep(
        self,
        name: &ObjectName,
        content: &[u8],
        claims: impl FnOnce() -> Claims,
    ) -> Result<Claims, PutError> {
        let Self { steps, usage, .. } = self;
        let size_bytes = content.len() as u64;
        self.look_for_disk(size_bytes)?;
        let shard = self.open_shard(name)?;
        let mut temp = {
            let lock = self.lock_with_room(size_bytes)?;
            self.create(&lock)?
        };
        // The directory is not synced: if a power failure undoes the rename, the object's link answers "gone".
        self.write(&mut temp, content)?;
        let claims = claims();
        self.stamp(&mut temp, &claims)?;

        let lock = self.lock_with_room(size_bytes)?;
        // First the sum, then the name: a process that is killed in between leaves a sum that is too large,
        // until the next clean, never one that is too small.
        let published = steps
            .run(Step::Count, || usage.add(&lock, name, size_bytes))
            .and_then(|()| steps.run(Step::Publish, || temp.publish(shard.as_fd(), name.as_str())));
        if let Err(failed) = published {
            self.recount(&lock, name);
            return Err(failed.into());
        }
        Ok(claims)
    }

    /// Refuses what the disk has no space for.
    pub(super) fn look_for_disk(self, size_bytes: u64) -> Result<(), PutError> {
        let look = || self.space.on_disk(self.layout, size_bytes);
        refuse(self.steps.run(Step::LookForRoom, look)?)
    }

    /// The directory that the object is in.
    pub(super) fn open_shard(self, name: &ObjectName) -> Result<OwnedFd, PutError> {
        let open = || layout::make_directory(self.layout.objects(), name.shard());
        Ok(self.steps.run(Step::OpenShard, open)?)
    }

    /// The store's lock, if the store has space for `size_bytes` more. Before the write this only saves it: the
    /// check before the rename is the one that counts.
    pub(super) fn lock_with_room(self, size_bytes: u64) -> Result<StoreLock, PutError> {
        let Self { layout, steps, usage, space } = self;
        let lock = steps.run(Step::Lock, || layout.lock())?;
        refuse(steps.run(Step::LookForRoom, || space.in_store(usage, &lock, size_bytes))?)?;
        Ok(lock)
    }

    pub(super) fn create(self, lock: &StoreLock) -> Result<TempFile<'a>, PutError> {
        Ok(self.steps.run(Step::CreateTemp, || TempFile::create(self.layout, lock))?)
    }

    /// Writes and syncs. Synced before it gets its name: after a power failure the file is complete or missing,
    /// never partial, so an existing one can be trusted without reading it again. The sync also reports the
    /// errors of file systems that allocate late.
    pub(super) fn write(self, temp: &mut TempFile<'_>, content: &[u8]) -> Result<(), PutError> {
        self.steps.run(Step::Write, || temp.file().write_all(content))?;
        Ok(self.steps.run(Step::Sync, || temp.file().sync_data())?)
    }

    /// Notes until when the object is kept.
    pub(super) fn stamp(self, temp: &mut TempFile<'_>, claims: &Claims) -> Result<(), PutError> {
        Ok(self.steps.run(Step::Stamp, || temp.file().set_modified(claims.expires_at.into()))?)
    }

    /// Corrects the sum after a failure.
    pub(super) fn recount(self, lock: &StoreLock, name: &ObjectName) {
        if let Err(error) = self.usage.measure(self.layout, lock, name.shard_number()) {
            tracing::warn!(%error, "failed to recount the stored files; the next clean will retry");
        }
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

/// Removes an object whose link expiry is out of `bounds`. If no object store took it, it is lost.
pub(super) fn remove_if_over(
    layout: &Layout,
    usage: &UsageFile,
    lost: &Lost,
    shard: BorrowedFd<'_>,
    name: &ObjectName,
    bounds: Bounds,
) -> io::Result<Looked> {
    let Some(metadata) = layout::inspect(shard, name.as_str())?.filter(Metadata::is_file) else {
        return Ok(Looked::Nothing);
    };
    let expires_at = metadata.modified()?;
    if bounds.keep(expires_at) || bounds.keep_waiting(expires_at) && is_waiting(layout, name)? {
        return Ok(Looked::Kept(expires_at));
    }
    // A name always means the same file, so what was seen without the lock still holds; the lock is for the
    // sum.
    let lock = layout.lock()?;
    if !layout::remove_file(shard, name.as_str())? {
        return Ok(Looked::Nothing);
    }
    usage.subtract(&lock, name, metadata.len())?;
    if remove_record(layout, usage, &lock, name)? {
        lost.note(name);
    }
    Ok(Looked::Removed(metadata.len()))
}

/// Whether an object has a record, damaged or not.
fn is_waiting(layout: &Layout, name: &ObjectName) -> io::Result<bool> {
    let Some(dir) = layout.waiting(name.shard())? else { return Ok(false) };
    let damaged = format!("{}{}", name.as_str(), layout::DAMAGED);
    Ok(layout::inspect(dir.as_fd(), name.as_str())?.is_some()
        || layout::inspect(dir.as_fd(), &damaged)?.is_some())
}

/// Removes the record of an object that is gone, damaged or not; true if there was one.
pub(super) fn remove_record(
    layout: &Layout,
    usage: &UsageFile,
    lock: &StoreLock,
    name: &ObjectName,
) -> io::Result<bool> {
    let Some(dir) = layout.waiting(name.shard())? else { return Ok(false) };
    let mut was_there = false;
    for record in [name.as_str().to_owned(), format!("{}{}", name.as_str(), layout::DAMAGED)] {
        if layout::remove_file(dir.as_fd(), &record)? {
            was_there = true;
            usage.subtract_record(lock, name)?;
        }
    }
    Ok(was_there)
}
