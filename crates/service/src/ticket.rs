//! A request that its caller's limits admitted: what it costs is charged when it ends, however it ends.

use crate::execution::Execution;
use crate::phase::Phase;
use crate::summary::SummarySlot;
use access::{Entered, Standing};
use std::time::Duration;

/// See the module. Keep it until the request has its answer: it holds the caller's place.
///
/// A program whose answer was lost, or whose client went away, is charged the time for which it ran as CPU time, on every CPU that it had: what it
/// really used is not known, and going away must not be cheaper than waiting. Each file that the store was asked to store
/// is charged unless the store refused it: a put goes on when its client is gone.
#[derive(Debug)]
#[must_use = "the request ends when it is dropped"]
pub struct Ticket {
    entered: Option<Entered>,
    summary: SummarySlot,
    sandbox_cpus: u32,
}

impl Ticket {
    pub(crate) fn new(entered: Entered, summary: SummarySlot, sandbox_cpus: u32) -> Self {
        Self { entered: Some(entered), summary, sandbox_cpus }
    }

    /// For a caller without limits.
    pub(crate) fn unlimited() -> Self {
        Self { entered: None, summary: SummarySlot::default(), sandbox_cpus: 1 }
    }

    /// What is left of the caller's rate; `None` without a rate.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.entered.as_ref().and_then(Entered::standing)
    }

    /// The program has an answer: charges what it used and stored.
    pub fn ended(mut self, execution: &Execution) {
        if let Some(entered) = self.entered.take() {
            entered.charge(execution.usage.cpu_time, self.summary.stored_bytes());
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(entered) = self.entered.take() else { return };
        let ran = self.summary.get().and_then(|summary| summary.times[Phase::Run.index()]);
        let cpu_time = ran.unwrap_or(Duration::ZERO).saturating_mul(self.sandbox_cpus.max(1));
        entered.charge(cpu_time, self.summary.stored_bytes());
    }
}
