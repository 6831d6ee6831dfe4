//! Removal of content whose retention is over, and of what crashes left.

use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::layout::{self, Layout};
use super::objects::{self, ObjectName};
use super::temp;
use crate::store::{CleanError, Cleaned};

/// Objects stay this much longer than the retention: some file systems keep times in steps of two
/// seconds, and an object must not go before the last link to it.
const TIME_GRAIN: Duration = Duration::from_secs(2);

/// Removes what was last stored more than `retention` before `now`. Touches only names that the store
/// gives itself.
pub(super) fn clean(layout: &Layout, now: Timestamp, retention: Duration) -> Result<Cleaned, CleanError> {
    let failed = |step| move |source| CleanError::Io { step, source };
    let oldest_kept = SystemTime::from(now)
        .checked_sub(retention)
        .and_then(|time| time.checked_sub(TIME_GRAIN))
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let leftovers_removed = temp::sweep(layout).map_err(failed("list unfinished files"))?;
    let mut cleaned = Cleaned { leftovers_removed, ..Cleaned::default() };
    for shard in layout::names(layout.objects()).map_err(failed("list the object directories"))? {
        if objects::is_shard(&shard) {
            clean_shard(layout, &shard, oldest_kept, &mut cleaned);
        }
    }
    Ok(cleaned)
}

/// Cleans one directory of objects. What cannot be removed is counted and logged: the rest goes on.
fn clean_shard(layout: &Layout, shard: &str, oldest_kept: SystemTime, cleaned: &mut Cleaned) {
    let opened = layout::open_directory(layout.objects(), shard);
    let (dir, names) = match opened.and_then(|dir| layout::names(dir.as_fd()).map(|names| (dir, names))) {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, shard, "failed to list an object directory");
            cleaned.failed += 1;
            return;
        }
    };
    for name in names.into_iter().filter_map(|name| ObjectName::parse(shard, name)) {
        match objects::remove_if_older(layout, dir.as_fd(), &name, oldest_kept) {
            Ok(Some(size_bytes)) => {
                cleaned.removed += 1;
                cleaned.removed_bytes += size_bytes;
            }
            Ok(None) => cleaned.kept += 1,
            Err(error) => {
                tracing::warn!(%error, object = name.as_str(), "failed to remove an old object");
                cleaned.failed += 1;
            }
        }
    }
}
