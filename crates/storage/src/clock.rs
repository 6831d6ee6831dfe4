//! The wall clock, as a value: tests of expiry and retention move it instead of waiting.

use std::fmt;

use jiff::Timestamp;

/// The clock for expiry and retention.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The current wall-clock time.
    fn now(&self) -> Timestamp;
}

/// The host's wall clock (`CLOCK_REALTIME`). Links outlive the process, so a monotonic clock would
/// not do: setting the host's clock forward ends links early, setting it back extends them.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
