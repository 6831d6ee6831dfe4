//! What an interface logs of an execution besides its own facts.

use crate::phase::Phase;
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
pub struct SummarySlot(Arc<OnceLock<Summary>>);

impl SummarySlot {
    /// The summary, once the execution has ended.
    #[must_use]
    pub fn get(&self) -> Option<Summary> {
        self.0.get().copied()
    }

    /// The first one stays: a context belongs to one execution.
    pub(crate) fn set(&self, summary: Summary) {
        let _ = self.0.set(summary);
    }
}
