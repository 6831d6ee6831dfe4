//! What an interface logs of an execution besides its own facts.

use crate::phase::Phase;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What an interface's own log line takes from an execution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// The executor that the program was sent to last.
    pub executor: Option<&'static str>,
    /// How long each phase took, by [`Phase::index`]; `None` for one that was not reached.
    pub times: [Option<Duration>; Phase::COUNT],
}

/// Where the summary of one execution is found. Set before the future of [`crate::Service::execute`] ends, also
/// when that is dropped. Clones are the same slot.
#[derive(Debug, Clone, Default)]
pub struct SummarySlot(Arc<Slot>);

#[derive(Debug, Default)]
struct Slot {
    summary: OnceLock<Summary>,
    stored_bytes: AtomicU64,
}

impl SummarySlot {
    /// The summary, once the execution has ended.
    #[must_use]
    pub fn get(&self) -> Option<Summary> {
        self.0.summary.get().copied()
    }

    /// The first one stays: a context belongs to one execution.
    pub(crate) fn set(&self, summary: Summary) {
        let _ = self.0.summary.set(summary);
    }

    /// The store is asked to store a file of this length: it may, also if nobody waits for that.
    pub(crate) fn storing(&self, bytes: u64) {
        self.0.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The store has refused that file.
    pub(crate) fn not_stored(&self, bytes: u64) {
        self.0.stored_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes of all files that were stored, or may be.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.0.stored_bytes.load(Ordering::Relaxed)
    }
}
