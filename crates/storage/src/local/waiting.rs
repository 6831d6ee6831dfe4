//! Records of files that wait for an object store: the spool.
//!
//! ```text
//! waiting/ab/<name>       what the link of objects/ab/<name> grants: `Claims::to_bytes`; mtime = when it was stored
//! waiting/ab/<name>.bad   a record that could not be read: its object is served until its link expires
//! ```
//!
//! A record exists as long as the object store has not confirmed the file. Object and record are renamed, and
//! removed, in that sequence under one hold of the store's lock, so under the lock a record without an object
//! is a leftover. Whoever moves a file holds the flock of its record, which ends with its process.
//!
//! A put here survives a power failure once it returns: both files and every directory above them, up to the
//! root, are synced. The root itself and the keys are synced when they are made.

use std::collections::BinaryHeap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::SystemTime;

use jiff::Timestamp;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::layout::{self, Layout, StoreLock};
use super::objects::{self, Keeper};
use super::steps::{Step, StepError, Steps};
use super::token::{CLAIMS_BYTES_MAX, Claims};
use super::usage::{self, SHARDS, UsageFile};
use crate::object_name::ObjectName;
use crate::store::PutError;

/// The files that wait for an object store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpoolStatus {
    /// Their number.
    pub files: u64,
    /// Their length together, in bytes.
    pub bytes: u64,
    /// When the oldest was stored.
    pub oldest_since: Option<Timestamp>,
    /// Number of files whose record is damaged, not among `files`: they are never moved, and removed when their links
    /// expire.
    pub damaged: u64,
}

/// A record that this process alone holds, and its object.
#[derive(Debug)]
pub(super) struct Claim {
    /// Holds the lock as long as it is open.
    pub(super) _record: File,
    pub(super) claims: Claims,
    pub(super) object: File,
    pub(super) size_bytes: u64,
}

/// Stores `content` as [`Keeper::keep`], with a record. Once it returns, neither SIGKILL nor a power failure
/// loses the file. On any error nothing is left behind.
pub(super) fn keep(
    keeper: Keeper<'_>,
    name: &ObjectName,
    content: &[u8],
    claims: impl FnOnce() -> Claims,
) -> Result<Claims, PutError> {
    let Keeper { layout, steps, usage, .. } = keeper;
    let size_bytes = usage::charge_with_record(content.len() as u64);
    keeper.look_for_disk(size_bytes)?;
    let shard = keeper.open_shard(name)?;
    let (waiting, records) = steps.run(Step::OpenShard, || layout.make_waiting(name.shard()))?;
    let (mut object, mut record) = {
        let lock = keeper.lock_with_room(size_bytes)?;
        (keeper.create(&lock)?, keeper.create(&lock)?)
    };
    keeper.write(&mut object, content)?;
    let claims = claims();
    keeper.stamp(&mut object, &claims)?;
    // Again, for the time: without it a power failure leaves a file that seems to have expired.
    steps.run(Step::Sync, || object.file().sync_all())?;
    keeper.write(&mut record, &claims.to_bytes())?;

    {
        let lock = keeper.lock_with_room(size_bytes)?;
        let published = steps
            .run(Step::Count, || usage.add(&lock, name, size_bytes))
            .and_then(|()| steps.run(Step::Publish, || object.publish(shard.as_fd(), name.as_str())))
            .and_then(|()| steps.run(Step::Publish, || record.publish(records.as_fd(), name.as_str())));
        if let Err(failed) = published {
            undo(keeper, &lock, name);
            return Err(failed.into());
        }
    }
    // The outer ones too: this or another process may have made them just now.
    let directories = [shard.as_fd(), records.as_fd(), waiting.as_fd(), layout.objects(), layout.root()];
    if let Err(failed) = sync_all(steps, directories) {
        match layout.lock() {
            Ok(lock) => undo(keeper, &lock, name),
            Err(error) => {
                // It is moved, or removed when its link would have expired.
                tracing::warn!(%error, object = name.as_str(), "failed to remove a file that was not stored");
            }
        }
        return Err(failed.into());
    }
    Ok(claims)
}

fn sync_all<const N: usize>(steps: &Steps, directories: [BorrowedFd<'_>; N]) -> Result<(), StepError> {
    directories
        .into_iter()
        .try_for_each(|directory| steps.run(Step::SyncDirectory, || layout::sync_directory(directory)))
}

/// Removes what a failed put has published.
fn undo(keeper: Keeper<'_>, lock: &StoreLock, name: &ObjectName) {
    let Keeper { layout, usage, .. } = keeper;
    let removed = layout::open_directory(layout.objects(), name.shard())
        .and_then(|shard| layout::remove_file(shard.as_fd(), name.as_str()))
        .and_then(|_| objects::remove_record(layout, usage, lock, name));
    if let Err(error) = removed {
        tracing::warn!(%error, object = name.as_str(), "failed to remove a file that was not stored");
    }
    keeper.recount(lock, name);
}

/// Removes an object that is stored elsewhere or whose link has expired, and then its record: if the process
/// is killed in between, the next claim or clean removes the record. True if it waited until now.
pub(super) fn remove(keeper: Keeper<'_>, name: &ObjectName) -> io::Result<bool> {
    let Keeper { layout, steps, usage, .. } = keeper;
    let run = || -> Result<bool, StepError> {
        let lock = steps.run(Step::Lock, || layout.lock())?;
        steps.run(Step::Remove, || remove_object(layout, usage, &lock, name))?;
        steps.run(Step::Remove, || objects::remove_record(layout, usage, &lock, name))
    };
    run().map_err(|failed| failed.source)
}

fn remove_object(layout: &Layout, usage: &UsageFile, lock: &StoreLock, name: &ObjectName) -> io::Result<()> {
    let Some((shard, metadata)) = find_object(layout, name)? else { return Ok(()) };
    if layout::remove_file(shard.as_fd(), name.as_str())? {
        usage.subtract(lock, name, metadata.len())?;
    }
    Ok(())
}

/// The object's directory and metadata; `None` if it is missing or not a regular file.
fn find_object(layout: &Layout, name: &ObjectName) -> io::Result<Option<(OwnedFd, Metadata)>> {
    let Some(shard) = layout::open_if_there(layout.objects(), name.shard())? else { return Ok(None) };
    let metadata = layout::inspect(shard.as_fd(), name.as_str())?.filter(Metadata::is_file);
    Ok(metadata.map(|metadata| (shard, metadata)))
}

/// Takes the file for this process alone. `None` if another has it, or if it no longer waits.
pub(super) fn claim(layout: &Layout, usage: &UsageFile, name: &ObjectName) -> io::Result<Option<Claim>> {
    let Some(dir) = layout.waiting(name.shard())? else { return Ok(None) };
    // For writing: some network file systems need that for an exclusive lock.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let record = match rustix::fs::openat(&dir, name.as_str(), flags, Mode::empty()) {
        Ok(record) => File::from(record),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !support::try_take(&record)? {
        return Ok(None);
    }
    // Names are never reused, so the name means the locked file, or nothing: whoever had it may have just
    // removed it.
    match rustix::fs::statat(&dir, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => {}
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut bytes = Vec::new();
    // One byte more than a valid record has, so that a longer one is noticed.
    (&record).take(CLAIMS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    let Some(claims) = claims_of(&bytes, name) else {
        tracing::error!(
            object = name.as_str(),
            "the record of a file that waits for the object store is damaged; the file is served from here until its \
             link expires"
        );
        rustix::fs::renameat(&dir, name.as_str(), &dir, format!("{}{}", name.as_str(), layout::DAMAGED))?;
        return Ok(None);
    };
    match objects::open(layout, name)? {
        Some((object, metadata)) => {
            Ok(Some(Claim { _record: record, claims, object, size_bytes: metadata.len() }))
        }
        None => {
            let lock = layout.lock()?;
            objects::remove_record(layout, usage, &lock, name)?;
            Ok(None)
        }
    }
}

/// What the record of this file says; `None` if it is damaged, or another file's.
fn claims_of(bytes: &[u8], name: &ObjectName) -> Option<Claims> {
    Claims::from_bytes(bytes).filter(|claims| claims.object == name.to_bytes())
}

/// See [`crate::fuzzing::waiting_record`].
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    let Some((name, record)) = bytes.split_first_chunk() else { return };
    let name = ObjectName::new(name);
    let Some(claims) = claims_of(record, &name) else { return };
    assert_eq!(claims.to_bytes(), record, "two records for one file");
    assert!(record.len() <= CLAIMS_BYTES_MAX, "a record that is longer than what is read");
    assert_eq!(claims.object, name.to_bytes(), "the record of another file");
    // With these the file is sent.
    let disposition = crate::names::content_disposition(&claims.file_name);
    assert!(
        disposition.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        "no value of a header: {disposition}"
    );
}

/// What the name of a record says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Record {
    Waits,
    Damaged,
}

/// Calls `each` with the name of every file that has a record, what that is, and when the file was stored.
fn visit(
    layout: &Layout,
    mut each: impl FnMut(&ObjectName, Record, SystemTime) -> io::Result<()>,
) -> io::Result<()> {
    for shard in (0..SHARDS).map(|number| format!("{number:02x}")) {
        let Some(dir) = layout.waiting(&shard)? else { continue };
        for record in layout::names(dir.as_fd())? {
            // It may have been moved meanwhile.
            let Some(metadata) = layout::inspect(dir.as_fd(), &record)? else { continue };
            let what = if record.ends_with(layout::DAMAGED) { Record::Damaged } else { Record::Waits };
            if let Some(name) = layout::record_of(&shard, record) {
                each(&name, what, metadata.modified()?)?;
            }
        }
    }
    Ok(())
}

/// The files that have waited longest, oldest first, at most `count_max`.
pub(super) fn oldest(layout: &Layout, count_max: usize) -> io::Result<Vec<ObjectName>> {
    let mut oldest = BinaryHeap::new();
    visit(layout, |name, record, since| {
        if record == Record::Damaged {
            return Ok(());
        }
        oldest.push((since, name.clone()));
        if oldest.len() > count_max {
            oldest.pop();
        }
        Ok(())
    })?;
    Ok(oldest.into_sorted_vec().into_iter().map(|(_, name)| name).collect())
}

/// Counts what waits, and what has a damaged record.
pub(super) fn status(layout: &Layout) -> io::Result<SpoolStatus> {
    let mut status = SpoolStatus::default();
    let mut oldest: Option<SystemTime> = None;
    visit(layout, |name, record, since| {
        match (find_object(layout, name)?, record) {
            (Some((_, metadata)), Record::Waits) => {
                status.files += 1;
                status.bytes = status.bytes.saturating_add(metadata.len());
                oldest = Some(oldest.map_or(since, |oldest| oldest.min(since)));
            }
            (Some(_), Record::Damaged) => status.damaged += 1,
            (None, _) => {}
        }
        Ok(())
    })?;
    status.oldest_since = oldest.and_then(|since| Timestamp::try_from(since).ok());
    Ok(status)
}

/// Removes the records in one directory whose object is gone: left by a process that was killed while it
/// removed both. Returns how many.
pub(super) fn sweep(layout: &Layout, usage: &UsageFile, shard: &str) -> io::Result<u64> {
    let Some(dir) = layout.waiting(shard)? else { return Ok(0) };
    let mut removed = 0;
    for name in layout::names(dir.as_fd())?.into_iter().filter_map(|name| layout::record_of(shard, name)) {
        if find_object(layout, &name)?.is_some() {
            continue;
        }
        // The check that counts: whoever removes both holds the lock until both are gone.
        let lock = layout.lock()?;
        if find_object(layout, &name)?.is_none() {
            objects::remove_record(layout, usage, &lock, &name)?;
            removed += 1;
        }
    }
    Ok(removed)
}
