//! The formula. `admit.lua` and `charge.lua` are the same in Redis.

use crate::limits::terms::{Limit, Terms};
use std::time::Duration;

/// Longest debt of a quota: a year.
pub(crate) const DEBT_US_MAX: u64 = 366 * 24 * 3600 * 1_000_000;

/// What a caller has used: when each will be free again, in microseconds on the clock of whoever counts. A time in
/// the past: nothing is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Levels {
    pub(crate) rate: u64,
    pub(crate) cpu: u64,
    pub(crate) stored: u64,
}

/// How far the levels are ahead of the clock, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) rate: u64,
    pub(crate) cpu: u64,
    pub(crate) stored: u64,
}

/// Whether a request is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The limit that is reached, and the time until it is not, in microseconds.
    pub(crate) refused: Option<(Limit, u64)>,
    /// What is used, with this request if it is admitted.
    pub(crate) owed: Owed,
}

impl Levels {
    /// The levels that are so far ahead of the clock.
    pub(crate) fn ahead(owed: Owed, now: u64) -> Self {
        let at = |owed: u64| now.saturating_add(owed);
        Self { rate: at(owed.rate), cpu: at(owed.cpu), stored: at(owed.stored) }
    }

    /// Whether nothing is used, so that they can be forgotten.
    pub(crate) fn are_free(&self, now: u64) -> bool {
        self.rate.max(self.cpu).max(self.stored) <= now
    }

    /// Admits a request, or not; one that is refused changes nothing.
    pub(crate) fn admit(&mut self, terms: &Terms, now: u64) -> Answer {
        let ahead = |level: u64, max: u64| level.saturating_sub(now).min(max);
        // A rate that was made smaller must not refuse for longer than its own window.
        let mut owed = Owed {
            rate: ahead(self.rate, terms.window_us),
            cpu: ahead(self.cpu, DEBT_US_MAX),
            stored: ahead(self.stored, DEBT_US_MAX),
        };
        let refused = terms.refuses(&owed);
        if refused.is_none() {
            owed.rate += terms.interval_us;
            self.rate = now.saturating_add(owed.rate);
        }
        Answer { refused, owed }
    }

    /// Adds what a program has cost.
    pub(crate) fn charge(&mut self, cpu_us: u64, stored_us: u64, now: u64) {
        let after =
            |level: u64, cost: u64| level.max(now).saturating_add(cost).min(now.saturating_add(DEBT_US_MAX));
        self.cpu = after(self.cpu, cpu_us);
        self.stored = after(self.stored, stored_us);
    }
}

impl Terms {
    /// The first limit that is reached. Quotas first: a request that they refuse takes nothing of the rate.
    pub(crate) fn refuses(&self, owed: &Owed) -> Option<(Limit, u64)> {
        let allowance = &self.allowance;
        let period = Duration::from_micros(self.period_us);
        // The whole quota is used while its level is a period ahead.
        let wait_for =
            |level: u64| level.saturating_add(1).checked_sub(self.period_us).filter(|wait| *wait > 0);
        if let Some(wait) = wait_for(owed.cpu).filter(|_| allowance.cpu_seconds > 0) {
            return Some((Limit::Cpu { seconds: allowance.cpu_seconds, period }, wait));
        }
        if let Some(wait) = wait_for(owed.stored).filter(|_| allowance.stored_bytes > 0) {
            return Some((Limit::Stored { bytes: allowance.stored_bytes, period }, wait));
        }
        let wait = owed.rate.saturating_add(self.interval_us).checked_sub(self.window_us)?;
        if wait == 0 {
            return None;
        }
        Some((Limit::Rate { per_minute: allowance.rate_per_minute, burst: allowance.burst }, wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::terms::Allowance;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000;

    fn rate(per_minute: u32, burst: u32) -> Terms {
        let allowance = Allowance { rate_per_minute: per_minute, burst, ..Allowance::default() };
        Terms::new(allowance, Duration::from_secs(60))
    }

    fn admits(levels: &mut Levels, terms: &Terms, now: u64) -> bool {
        levels.admit(terms, now).refused.is_none()
    }

    #[test]
    fn a_volley_gets_the_burst_exactly_and_the_rate_after_it() {
        let (terms, mut levels) = (rate(100, 100), Levels::default());
        let now = 1_000 * SECOND;
        for _ in 0..100 {
            assert!(admits(&mut levels, &terms, now));
        }
        let Answer { refused: Some((limit, wait)), owed } = levels.admit(&terms, now) else { panic!("101") };
        assert_eq!((limit, wait), (Limit::Rate { per_minute: 100, burst: 100 }, 600_000));
        assert_eq!(owed.rate, 60 * SECOND);
        assert!(!admits(&mut levels, &terms, now + 599_999));
        assert!(admits(&mut levels, &terms, now + 600_000));
        assert!(!admits(&mut levels, &terms, now + 600_000));
        let later = now + 3600 * SECOND;
        assert_eq!((0..200).filter(|_| admits(&mut levels, &terms, later)).count(), 100);
        assert!(levels.are_free(later + 60 * SECOND) && !levels.are_free(later + 60 * SECOND - 1));
    }

    #[test]
    fn a_smaller_rate_holds_nobody_for_longer_than_its_own_window() {
        let mut levels = Levels::default();
        assert_eq!((0..2000).filter(|_| admits(&mut levels, &rate(1, 1000), 0)).count(), 1000);
        let Answer { refused: Some((_, wait)), .. } = levels.admit(&rate(60, 1), 0) else { panic!("used") };
        assert_eq!(wait, SECOND);
    }

    #[test]
    fn a_quota_refuses_once_it_is_used_and_debts_last() {
        let allowance = Allowance { cpu_seconds: 10, stored_bytes: 1000, ..Allowance::default() };
        let terms = Terms::new(allowance, Duration::from_secs(100));
        let mut levels = Levels::default();
        let mut charge = |seconds: u64, bytes: u64, now: u64| {
            levels.charge(terms.cpu_us(Duration::from_secs(seconds)), terms.stored_us(bytes), now);
            levels.admit(&terms, now).refused
        };
        assert_eq!(charge(9, 999, 0), None, "not quite used");
        let (cpu, wait) = charge(4, 0, 0).unwrap();
        assert_eq!(cpu, Limit::Cpu { seconds: 10, period: Duration::from_secs(100) });
        assert_eq!(wait, 30 * SECOND + 1, "three seconds of CPU time are owed, ten seconds each");
        assert_eq!(charge(0, 0, 30 * SECOND + 1), None);
        let (stored, wait) = charge(0, 400, 31 * SECOND).unwrap();
        assert_eq!(stored, Limit::Stored { bytes: 1000, period: Duration::from_secs(100) });
        assert_eq!(wait, 8_900_001);
        // Another's quota in use is none of a caller without that quota.
        let none = Terms::new(Allowance::default(), Duration::from_secs(100));
        assert_eq!(levels.admit(&none, 0).refused, None);
    }

    #[test]
    fn a_debt_lasts_a_year_at_most_from_the_charge_on() {
        let mut levels = Levels::default();
        levels.charge(SECOND, SECOND, 100 * SECOND);
        assert!(!levels.are_free(101 * SECOND - 1) && levels.are_free(101 * SECOND));
        for _ in 0..2 {
            levels.charge(u64::MAX, DEBT_US_MAX, 0);
        }
        assert!(!levels.are_free(DEBT_US_MAX - 1) && levels.are_free(DEBT_US_MAX));
        // However it came about.
        let mut far = Levels { cpu: 3 * DEBT_US_MAX, stored: 2 * DEBT_US_MAX, ..Levels::default() };
        let owed = far.admit(&rate(1, 1), 0).owed;
        assert_eq!((owed.cpu, owed.stored), (DEBT_US_MAX, DEBT_US_MAX));
    }

    proptest! {
        /// The bound, over every window that begins and ends with a request that was admitted.
        #[test]
        fn over_any_time_no_more_than_the_burst_and_the_rate(
            per_minute in 1_u32..=crate::limits::terms::RATE_MAX,
            burst in 1_u32..50,
            pauses in proptest::collection::vec(0_u64..3_000_000, 1..400),
        ) {
            let (terms, mut levels) = (rate(per_minute, burst), Levels::default());
            let mut now = 0;
            let mut admitted = Vec::new();
            for pause in pauses {
                // Some of them at once, others near the interval.
                now += if pause % 3 == 0 { 0 } else { pause % (2 * terms.interval_us) };
                if admits(&mut levels, &terms, now) {
                    admitted.push(now);
                }
            }
            for (first, begun) in admitted.iter().enumerate() {
                for (last, ended) in admitted.iter().enumerate().skip(first) {
                    let (count, time_us) = ((last - first + 1) as u64, ended - begun);
                    let allowed = u64::from(burst) + time_us * u64::from(per_minute) / 60_000_000;
                    prop_assert!(count <= allowed, "{count} in {time_us} us, {allowed} allowed");
                }
            }
        }

        /// Nobody who keeps to the rate is ever refused.
        #[test]
        fn a_caller_at_its_rate_is_not_refused(per_minute in 1_u32..=60_000, burst in 1_u32..10) {
            let (terms, mut levels) = (rate(per_minute, burst), Levels::default());
            for number in 0..200 {
                prop_assert!(admits(&mut levels, &terms, number * terms.interval_us));
            }
        }
    }
}
