//! What the limits of a caller are, in the settings' units and in those of the formula.

use crate::record::OwnLimits;
use crate::secret::KeyId;
use std::fmt;
use std::time::Duration;
use support::Subscriber;

/// Largest rate, in requests per minute: of a larger one, the whole microseconds between two requests would be too
/// inexact.
pub const RATE_MAX: u32 = 600_000;

/// Largest burst, in requests.
const BURST_MAX: u32 = 1_000_000;

const MINUTE_US: u64 = 60_000_000;

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Everybody with this key.
    Key(KeyId),
    /// Clients without a key.
    Subscriber(Subscriber),
}

/// The limits of one caller; 0: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Requests per minute, at most [`RATE_MAX`].
    pub rate_per_minute: u32,
    /// Requests at once; 0: as many as in a minute.
    pub burst: u32,
    /// Requests that run or wait at the same time, in each process.
    pub concurrent: u32,
    /// CPU seconds per period.
    pub cpu_seconds: u64,
    /// Bytes of output files per period.
    pub stored_bytes: u64,
}

/// The limits of all callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Those of a caller whose key has none of its own.
    pub default: Allowance,
    /// The period of the quotas of CPU seconds and stored bytes.
    pub period: Duration,
}

impl Default for LimitsConfig {
    /// No limits; a period of a day.
    fn default() -> Self {
        Self { default: Allowance::default(), period: Duration::from_secs(24 * 3600) }
    }
}

impl LimitsConfig {
    /// The limits of a caller whose key has these of its own. A rate of its own comes with its own burst.
    #[must_use]
    pub fn allowance(&self, own: Option<OwnLimits>) -> Allowance {
        let (own, default) = (own.unwrap_or_default(), self.default);
        let burst = if own.rate_per_minute.is_some() { 0 } else { default.burst };
        Allowance {
            rate_per_minute: own.rate_per_minute.unwrap_or(default.rate_per_minute).min(RATE_MAX),
            burst: own.burst.unwrap_or(burst).min(BURST_MAX),
            concurrent: own.concurrent.unwrap_or(default.concurrent),
            cpu_seconds: own.cpu_seconds.unwrap_or(default.cpu_seconds),
            stored_bytes: own.stored_bytes.unwrap_or(default.stored_bytes),
        }
    }
}

/// The limits of one caller for the formula. All times are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) allowance: Allowance,
    /// Time after which one more request is free; 0: no limit. Rounded up, so that a rate is never exceeded.
    pub(crate) interval_us: u64,
    /// Time after which the whole burst is free.
    pub(crate) window_us: u64,
    /// The period of the quotas.
    pub(crate) period_us: u64,
}

impl Terms {
    pub(crate) fn new(allowance: Allowance, period: Duration) -> Self {
        let rate = u64::from(allowance.rate_per_minute);
        let burst = match allowance.burst {
            0 => allowance.rate_per_minute,
            burst => burst,
        };
        let interval_us = if rate == 0 { 0 } else { MINUTE_US.div_ceil(rate) };
        let period_us = u64::try_from(period.as_micros()).unwrap_or(u64::MAX).max(1);
        Self {
            allowance: Allowance { burst, ..allowance },
            interval_us,
            window_us: interval_us * u64::from(burst),
            period_us,
        }
    }

    /// Whether levels are needed.
    pub(crate) fn need_levels(&self) -> bool {
        self.interval_us > 0 || self.have_quotas()
    }

    pub(crate) fn have_quotas(&self) -> bool {
        self.allowance.cpu_seconds > 0 || self.allowance.stored_bytes > 0
    }

    /// What this much CPU time takes of the quota, as a time in which it is free again.
    pub(crate) fn cpu_us(&self, used: Duration) -> u64 {
        self.share_of_period(used.as_micros(), u128::from(self.allowance.cpu_seconds) * 1_000_000)
    }

    /// What `bytes` stored bytes take of the quota, in microseconds of its period.
    pub(crate) fn stored_us(&self, bytes: u64) -> u64 {
        self.share_of_period(u128::from(bytes), u128::from(self.allowance.stored_bytes))
    }

    fn share_of_period(&self, used: u128, quota: u128) -> u64 {
        if quota == 0 {
            return 0;
        }
        u64::try_from((used.saturating_mul(u128::from(self.period_us))).div_ceil(quota)).unwrap_or(u64::MAX)
    }
}

/// A limit that was reached, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Requests per time.
    Rate {
        /// Requests per minute.
        per_minute: u32,
        /// Requests at once.
        burst: u32,
    },
    /// Requests that run or wait at the same time.
    Concurrent {
        /// How many.
        max: u32,
    },
    /// CPU time per period.
    Cpu {
        /// CPU seconds.
        seconds: u64,
        /// The period.
        period: Duration,
    },
    /// Output files per period.
    Stored {
        /// Their bytes.
        bytes: u64,
        /// The period.
        period: Duration,
    },
}

impl Limit {
    /// The names of all, for metrics.
    pub const NAMES: [&'static str; 4] = ["rate", "concurrent", "cpu", "stored"];

    /// Its position in [`Limit::NAMES`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Rate { .. } => 0,
            Self::Concurrent { .. } => 1,
            Self::Cpu { .. } => 2,
            Self::Stored { .. } => 3,
        }
    }
}

/// How much of its rate a caller has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests at once.
    pub quota: u32,
    /// Seconds in which `quota` requests are free again, rounded up.
    pub window_s: u64,
    /// Requests that would be admitted now.
    pub remaining: u64,
    /// Seconds until all of them are free again, rounded up.
    pub reset_s: u64,
}

impl Standing {
    /// With a level of `owed_us`; `None` without a rate.
    pub(crate) fn of(terms: &Terms, owed_us: u64) -> Option<Self> {
        let left_us = terms.window_us.saturating_sub(owed_us);
        Some(Self {
            quota: terms.allowance.burst,
            window_s: terms.window_us.div_ceil(1_000_000),
            remaining: left_us.checked_div(terms.interval_us)?,
            reset_s: owed_us.min(terms.window_us).div_ceil(1_000_000),
        })
    }
}

/// A caller has reached one of its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// Which.
    pub limit: Limit,
    /// It has a key: its own limits may be others than those of the settings.
    pub is_key: bool,
    /// When to retry, in seconds, at least 1.
    pub retry_after_s: u64,
    /// What is left of the rate.
    pub standing: Option<Standing>,
}

/// Why a request is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// The caller has reached a limit.
    Over(Over),
    /// Limits cannot be counted, and the settings say to refuse then.
    Unavailable {
        /// When to retry, in seconds.
        retry_after_s: u64,
    },
}

/// The caller's part of its name in Redis.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(f, "key:{}", id.as_str()),
            Self::Subscriber(subscriber) => write!(f, "address:{subscriber}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> LimitsConfig {
        let default = Allowance { rate_per_minute: 60, burst: 5, cpu_seconds: 10, ..Allowance::default() };
        LimitsConfig { default, ..LimitsConfig::default() }
    }

    #[test]
    fn limits_of_a_key_take_precedence_one_by_one() {
        assert_eq!(config().allowance(None), config().default);
        let own = OwnLimits { cpu_seconds: Some(0), concurrent: Some(3), ..OwnLimits::default() };
        let expected = Allowance { cpu_seconds: 0, concurrent: 3, ..config().default };
        assert_eq!(config().allowance(Some(own)), expected);
        // The default's burst belongs to the default's rate.
        let own = OwnLimits { rate_per_minute: Some(600), ..OwnLimits::default() };
        let terms = Terms::new(config().allowance(Some(own)), Duration::from_secs(60));
        assert_eq!((terms.allowance.burst, terms.interval_us, terms.window_us), (600, 100_000, 60_000_000));
        let own =
            OwnLimits { rate_per_minute: Some(u32::MAX), burst: Some(u32::MAX), ..OwnLimits::default() };
        let terms = Terms::new(config().allowance(Some(own)), Duration::MAX);
        assert_eq!((terms.interval_us, terms.allowance.burst), (100, BURST_MAX));
    }

    #[test]
    fn costs_are_parts_of_the_period() {
        let allowance = Allowance { cpu_seconds: 10, stored_bytes: 1000, ..Allowance::default() };
        let terms = Terms::new(allowance, Duration::from_secs(60));
        assert_eq!(terms.cpu_us(Duration::from_secs(5)), 30_000_000);
        assert_eq!((terms.stored_us(1), terms.stored_us(0)), (60_000, 0));
        assert_eq!(terms.stored_us(u64::MAX), u64::MAX);
        let none = Terms::new(Allowance::default(), Duration::from_secs(60));
        assert_eq!((none.cpu_us(Duration::MAX), none.stored_us(9), none.need_levels()), (0, 0, false));
    }

    #[test]
    fn the_rest_of_a_rate_is_in_requests_and_seconds() {
        let terms = Terms::new(Allowance { burst: 100, ..config().default }, Duration::from_secs(60));
        let standing = |owed_us| Standing::of(&terms, owed_us).unwrap();
        let quota = Standing { quota: 100, window_s: 100, remaining: 100, reset_s: 0 };
        assert_eq!(standing(0), quota);
        assert_eq!(standing(1), Standing { remaining: 99, reset_s: 1, ..quota });
        assert_eq!(standing(50_000_000), Standing { remaining: 50, reset_s: 50, ..quota });
        assert_eq!(standing(u64::MAX), Standing { remaining: 0, reset_s: 100, ..quota });
        let none = Terms::new(Allowance::default(), Duration::from_secs(60));
        assert_eq!(Standing::of(&none, 0), None);
    }
}
