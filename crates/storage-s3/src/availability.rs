//! Whether the object store is used: after a failure that others would meet too, nothing waits for it until a check has
//! succeeded. The checks become rarer, up to a bound.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;
use crate::retry::random;

/// Time until the first check.
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// Longest time between two checks.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Whether the object store is used. It is at first.
#[derive(Debug, Default)]
pub(crate) struct Availability {
    away: Mutex<Option<Away>>,
}

/// Why and since when it is not.
#[derive(Debug, Clone)]
pub(crate) struct Away {
    /// The last failure.
    pub(crate) failure: Failure,
    /// Checks that have failed since.
    failed: u32,
    /// When it is checked next.
    pub(crate) check_at: Instant,
}

impl Availability {
    /// Why the store is not used; `None` if it is.
    pub(crate) fn away(&self) -> Option<Away> {
        support::lock(&self.away).clone()
    }

    pub(crate) fn is_away(&self) -> bool {
        support::lock(&self.away).is_some()
    }

    /// A request has failed in a way that others would too. Returns whether the store was used until now.
    pub(crate) fn failed(&self, failure: &Failure) -> bool {
        let mut away = support::lock(&self.away);
        let was_used = away.is_none();
        if was_used {
            let check_at = Instant::now() + PAUSE_FIRST;
            *away = Some(Away { failure: failure.clone(), failed: 0, check_at });
        }
        was_used
    }

    /// A check has failed. Returns whether this is news: the store was used until now, or failed in another way.
    pub(crate) fn check_failed(&self, failure: &Failure) -> bool {
        let mut away = support::lock(&self.away);
        let is_news = away.as_ref().is_none_or(|away| away.failure.kind != failure.kind);
        let failed = away.as_ref().map_or(0, |away| away.failed).saturating_add(1);
        let pause = PAUSE_FIRST.saturating_mul(1 << (failed - 1).min(8)).min(PAUSE_MAX);
        // Services that lost the store together must not come back together.
        let pause = pause.mul_f64(0.5 + f64::from(random()) / f64::from(u32::MAX) / 2.0);
        *away = Some(Away { failure: failure.clone(), failed, check_at: Instant::now() + pause });
        is_news
    }

    /// A check may succeed now, because something has changed here.
    pub(crate) fn check_soon(&self) {
        if let Some(away) = &mut *support::lock(&self.away) {
            away.check_at = Instant::now();
        }
    }

    /// A check has succeeded. Returns whether the store was not used until now.
    pub(crate) fn works(&self) -> bool {
        support::lock(&self.away).take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    fn failure(kind: FailureKind) -> Failure {
        Failure::without_answer(kind)
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_check_brings_the_store_back_and_checks_become_rarer() {
        let availability = Availability::default();
        assert!(!availability.is_away());
        assert!(availability.failed(&failure(FailureKind::Cut)));
        let first = availability.away().unwrap().check_at;
        // Requests that were under way do not delay the check.
        assert!(!availability.failed(&failure(FailureKind::Timeout)));
        assert_eq!(availability.away().unwrap().check_at, first);
        assert_eq!(first - Instant::now(), PAUSE_FIRST);
        let mut longest = Duration::ZERO;
        for index in 0..50 {
            assert_eq!(availability.check_failed(&failure(FailureKind::Timeout)), index == 0);
            longest = longest.max(availability.away().unwrap().check_at - Instant::now());
        }
        assert!((PAUSE_MAX / 2..=PAUSE_MAX).contains(&longest), "{longest:?}");
        assert!(availability.works() && !availability.works());
        assert!(availability.check_failed(&failure(FailureKind::Timeout)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_may_come_soon_and_services_do_not_check_together() {
        let availability = Availability::default();
        availability.check_soon();
        assert!(!availability.is_away());
        let pauses: std::collections::BTreeSet<_> = (0..50)
            .map(|_| {
                availability.check_failed(&failure(FailureKind::Timeout));
                availability.away().unwrap().check_at - Instant::now()
            })
            .collect();
        assert!(pauses.len() > 10, "{pauses:?}");
        availability.check_soon();
        assert_eq!(availability.away().unwrap().check_at, Instant::now());
    }
}
