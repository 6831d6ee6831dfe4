//! How an execution ended, without what it printed and left.

use crate::Usage;
use crate::stats::SandboxOrigin;
use crate::verdict::Verdict;
use tokio::time::Instant;

/// How an execution ended. What it printed and left went to the events.
#[derive(Debug, Clone)]
pub struct Ending {
    /// How, and why.
    pub verdict: Verdict,
    /// What it used.
    pub usage: Usage,
    /// Bytes that it wrote to stdout, kept or not; `None` where the agent was lost before it could tell.
    pub stdout_bytes: Option<u64>,
    /// The same of stderr.
    pub stderr_bytes: Option<u64>,
    /// When it reached its steps.
    pub times: StepTimes,
    /// Where its sandbox came from; `None` if it had none, or its executor does not tell.
    pub origin: Option<SandboxOrigin>,
}

/// When an execution reached its steps, by the host's clock. A step that was not reached has no time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepTimes {
    /// The agent reported that the program begins.
    pub started: Option<Instant>,
    /// The agent reported that the program has ended.
    pub ended: Option<Instant>,
    /// The last output file has arrived.
    pub finished: Option<Instant>,
}
