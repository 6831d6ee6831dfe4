//! How an execution ended, without what it printed and left.

use crate::Usage;
use crate::verdict::Verdict;

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
}
