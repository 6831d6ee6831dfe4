//! Removes old files from the object store: by age, below the prefix, and only objects with a name of ours.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use storage::{Cleaned, ObjectName};
use tokio::time::Instant;

use crate::check::is_left_by_check;
use crate::failure::Failure;
use crate::retry::repeated;
use crate::state::Core;

/// Pages of 1000 objects that one cleaning reads; the next one goes on there.
const PAGES_MAX: usize = 20;

/// Longest time of one cleaning; the next one goes on.
const CLEAN_TIME_MAX: Duration = Duration::from_secs(240);

/// Time between the end of a pass over all objects and the next.
const PASS_EVERY: Duration = Duration::from_secs(3600);

/// How many objects are removed at once.
const REMOVALS_AT_ONCE: usize = 4;

/// Removals that may fail one after the other: then the store is no longer asked, until the next cleaning.
const FAILED_MAX: usize = 20;

/// Age at which an object that a check left is removed.
const CHECK_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// How far the pass over all objects has come.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// The token of the next page; `None`: the pass begins.
    page: Mutex<Option<String>>,
    /// When the next pass may begin.
    begin_at: Mutex<Option<Instant>>,
}

impl Pass {
    /// Goes on with the pass, within bounds.
    pub(crate) async fn go_on(&self, core: &Core) -> Result<Cleaned, Failure> {
        let (mut cleaned, by) = (Cleaned::default(), Instant::now() + CLEAN_TIME_MAX);
        let begin_at = *support::lock(&self.begin_at);
        if begin_at.is_some_and(|at| Instant::now() < at) {
            return Ok(cleaned);
        }
        let mut page = support::lock(&self.page).take();
        for _ in 0..PAGES_MAX {
            let listed = repeated(&core.requests, by, || core.requests.list(page.as_deref(), 1000, by)).await;
            let listed = match listed {
                Ok(listed) => listed,
                Err(failure) => {
                    // The next cleaning asks again, unless the store does not take the token any more.
                    if failure.kind.is_repeated() {
                        *support::lock(&self.page) = page;
                    }
                    return Err(failure);
                }
            };
            let now = listed.store_time.unwrap_or_else(|| core.now());
            let mut old = Vec::new();
            for (name, stored_at) in listed.objects {
                match is_old(&name, stored_at, now, core.config.retention) {
                    Some(true) => old.push(name),
                    Some(false) => cleaned.kept += 1,
                    None => {}
                }
            }
            let removed = remove(core, old, by, &mut cleaned).await;
            if Instant::now() >= by {
                // Perhaps not all of this page were removed.
                break;
            }
            // After failures too: objects that cannot be removed must not keep those behind them.
            page = listed.next;
            if page.is_none() {
                *support::lock(&self.begin_at) = Some(Instant::now() + PASS_EVERY);
            }
            if let Err(failure) = removed {
                *support::lock(&self.page) = page;
                return Err(failure);
            }
            if page.is_none() {
                break;
            }
        }
        *support::lock(&self.page) = page;
        Ok(cleaned)
    }
}

/// Removes what can be removed. The error is the last of too many in a row.
async fn remove(core: &Core, names: Vec<String>, by: Instant, cleaned: &mut Cleaned) -> Result<(), Failure> {
    let requests = &core.requests;
    let removals = names.into_iter().map(async |name| {
        let key = requests.bucket().key_of(&name);
        repeated(requests, by, || requests.delete_at(&key, by)).await
    });
    let mut removals = stream::iter(removals).buffer_unordered(REMOVALS_AT_ONCE);
    let mut failed_in_a_row = 0;
    while let Some(removed) = removals.next().await {
        match removed {
            Ok(()) => {
                cleaned.removed += 1;
                failed_in_a_row = 0;
            }
            Err(failure) => {
                tracing::warn!(%failure, "failed to remove an old file from the object store");
                cleaned.failed += 1;
                failed_in_a_row += 1;
                if failed_in_a_row >= FAILED_MAX {
                    return Err(failure);
                }
            }
        }
    }
    Ok(())
}

/// Whether an object of ours is old by the store's clock; `None` if it is not ours. An object without a time is kept.
pub(crate) fn is_old(
    name: &str,
    stored_at: Option<Timestamp>,
    now: Timestamp,
    retention: Duration,
) -> Option<bool> {
    let age_max = match () {
        () if ObjectName::from_text(name).is_some() => retention,
        () if is_left_by_check(name) => CHECK_AGE_MAX,
        () => return None,
    };
    let age = stored_at.map(|at| Duration::try_from(now.duration_since(at)).unwrap_or_default());
    Some(age.is_some_and(|age| age > age_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_objects_with_a_name_of_ours_are_removed() {
        let (ours, check) = ("ab".repeat(32), format!("health-{}", "0f".repeat(8)));
        let now = Timestamp::from_second(100_000_000).unwrap();
        let days = |days: i64| Some(Timestamp::from_second(100_000_000 - days * 24 * 3600).unwrap());
        let week = Duration::from_secs(7 * 24 * 3600);
        let old = |name: &str, stored_at| is_old(name, stored_at, now, week);
        assert_eq!(
            (old(&ours, days(8)), old(&ours, days(6)), old(&ours, None)),
            (Some(true), Some(false), Some(false))
        );
        // The store's clock went back.
        assert_eq!(old(&ours, days(-8)), Some(false));
        assert_eq!((old(&check, days(2)), old(&check, days(0))), (Some(true), Some(false)));
        let (upper, long, below) = (ours.to_uppercase(), format!("{ours}0"), format!("x/{ours}"));
        for foreign in ["", "report.csv", "health-", "health-x", &ours[1..], &upper, &long, &below] {
            assert_eq!(old(foreign, days(1000)), None, "{foreign}");
        }
    }
}
