//! Removal of content whose link has expired, and of the leftovers of crashes.

use std::os::fd::AsFd;

use super::bounds::Bounds;
use super::layout::{self, Layout};
use super::lost::Lost;
use super::next_expiry::NextExpiry;
use super::objects::{self, Looked};
use super::temp;
use super::usage::{SHARDS, UsageFile};
use super::waiting;
use crate::object_name::ObjectName;
use crate::store::{CleanError, Cleaned};

/// The result of a clean, and the objects that may be removed next.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) cleaned: Cleaned,
    pub(super) next_expiry: NextExpiry,
}

/// Removes objects whose link expiry is out of `bounds`.
/// Touches only names that the store itself gives. Counts every directory again afterwards.
pub(super) fn clean(
    layout: &Layout,
    usage: &UsageFile,
    lost: &Lost,
    bounds: Bounds,
) -> Result<Outcome, CleanError> {
    let failed = |step| move |source| CleanError::Io { step, source };
    let leftovers_removed = temp::sweep(layout).map_err(failed("list unfinished files"))?;
    layout::names(layout.objects()).map_err(failed("list the object directories"))?;
    let cleaned = Cleaned { leftovers_removed, ..Cleaned::default() };
    let mut outcome = Outcome { cleaned, next_expiry: NextExpiry::default() };
    for shard in 0..SHARDS {
        clean_shard(layout, usage, lost, shard, bounds, &mut outcome);
    }
    Ok(outcome)
}

/// Cleans one directory of objects. An object that cannot be removed is counted and logged: the rest goes on.
fn clean_shard(
    layout: &Layout,
    usage: &UsageFile,
    lost: &Lost,
    number: usize,
    bounds: Bounds,
    outcome: &mut Outcome,
) {
    let shard = format!("{number:02x}");
    let opened = layout::open_directory(layout.objects(), &shard);
    match opened.and_then(|dir| layout::names(dir.as_fd()).map(|names| (dir, names))) {
        Ok((dir, names)) => {
            for name in names.into_iter().filter_map(|name| ObjectName::parse(&shard, name)) {
                match objects::remove_if_over(layout, usage, lost, dir.as_fd(), &name, bounds) {
                    Ok(Looked::Removed(size_bytes)) => {
                        outcome.cleaned.removed += 1;
                        outcome.cleaned.removed_bytes += size_bytes;
                    }
                    Ok(Looked::Kept(until)) => {
                        outcome.cleaned.kept += 1;
                        outcome.next_expiry.note(until, name);
                    }
                    Ok(Looked::Nothing) => {}
                    Err(error) => {
                        tracing::warn!(%error, object = name.as_str(), "failed to remove an old object");
                        outcome.cleaned.failed += 1;
                    }
                }
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(%error, shard, "failed to list an object directory");
            outcome.cleaned.failed += 1;
            return;
        }
    }
    match waiting::sweep(layout, usage, &shard) {
        Ok(removed) => outcome.cleaned.leftovers_removed += removed,
        Err(error) => {
            tracing::warn!(%error, shard, "failed to remove leftover records of files that waited for an object store");
            outcome.cleaned.failed += 1;
        }
    }
    let counted = layout.lock().and_then(|lock| usage.measure(layout, &lock, number));
    if let Err(error) = counted {
        tracing::warn!(%error, shard, "failed to count an object directory");
        outcome.cleaned.failed += 1;
    }
}
