//! When content may be removed: by the expiry of its link, whatever happens to the clock.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// Objects are kept this much longer than their link: some file systems store times in steps of two seconds,
/// and an object must not be removed before its link expires.
pub(super) const TIME_GRAIN: Duration = Duration::from_secs(2);

/// The link expiries with which an object is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The earliest.
    pub(super) ended: SystemTime,
    /// The latest.
    latest: SystemTime,
    /// The earliest of an object that waits for an object store; it has no latest. A clock that jumps must not cost
    /// a file that exists nowhere else, so this follows the time since the store was opened.
    waiting_ended: SystemTime,
}

impl Bounds {
    /// `steady` is the time that the clock would show if it had not been set since the store was opened.
    pub(super) fn new(now: Timestamp, steady: Timestamp, retention: Duration) -> Self {
        let ended = |now: SystemTime| now.checked_sub(TIME_GRAIN).unwrap_or(SystemTime::UNIX_EPOCH);
        let (now, steady) = (SystemTime::from(now), SystemTime::from(steady));
        let latest = now.checked_add(retention + TIME_GRAIN).unwrap_or(now);
        Self { ended: ended(now), latest, waiting_ended: ended(now.min(steady)) }
    }

    /// Whether an object whose link expires then is kept.
    pub(super) fn keep(&self, expires_at: SystemTime) -> bool {
        (self.ended..=self.latest).contains(&expires_at)
    }

    /// The same for an object that waits for an object store.
    pub(super) fn keep_waiting(&self, expires_at: SystemTime) -> bool {
        self.waiting_ended <= expires_at
    }
}
