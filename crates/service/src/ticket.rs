//! A request that its caller's limits admitted: what it costs is charged when it ends, however it ends.

use crate::execution::Execution;
use crate::phase::Phase;
use crate::summary::SummarySlot;
use access::{Entered, Standing};
use std::time::Duration;

/// See the module. Keep it until the request has its answer: it holds the caller's place.
///
/// A program whose answer was lost, or whose client went away, is charged the time for which it ran as CPU time: what it
/// really used is not known, and going away must not be cheaper than waiting.
#[derive(Debug)]
#[must_use = "the request ends when it is dropped"]
pub struct Ticket {
    entered: Option<Entered>,
    summary: SummarySlot,
}

impl Ticket {
    pub(crate) fn new(entered: Entered, summary: SummarySlot) -> Self {
        Self { entered: Some(entered), summary }
    }

    /// For a caller without limits.
    pub(crate) fn unlimited() -> Self {
        Self { entered: None, summary: SummarySlot::default() }
    }

    /// What is left of the caller's rate; `None` without a rate.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.entered.as_ref().and_then(Entered::standing)
    }

    /// The program has an answer: charges what it used and stored.
    pub fn ended(mut self, execution: &Execution) {
        if let Some(entered) = self.entered.take() {
            let stored = execution.artifacts.iter().map(|artifact| artifact.stored.size_bytes).sum();
            entered.charge(execution.usage.cpu_time, stored);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(entered) = self.entered.take() else { return };
        let ran = self.summary.get().and_then(|summary| summary.times[Phase::Run.index()]);
        entered.charge(ran.unwrap_or(Duration::ZERO), 0);
    }
}
