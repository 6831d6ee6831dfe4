//! The wall clock, as a value: expiry and retention are tested by moving it, not by waiting.

use std::fmt;

use jiff::Timestamp;

/// Tells the time that expiry and retention are measured by.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present wall-clock time.
    fn now(&self) -> Timestamp;
}

/// The host's wall clock (`CLOCK_REALTIME`). Links outlive the process, so a monotonic clock would
/// not do: setting the host's clock forward ends links early, setting it back lets them live longer.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
