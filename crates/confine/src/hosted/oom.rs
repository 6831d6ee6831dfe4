//! The order in which the kernel kills when memory runs out: programs first, the service and its launcher
//! last.

use super::refused::Refused;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::fs;
use std::io;

const FILE: &str = "/proc/self/oom_score_adj";

/// The result of [`protect_from_oom`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OomScore {
    /// This process, and what it starts from now on, has this score.
    Protected(i32),
    /// Lowering the score needs CAP_SYS_RESOURCE (proc_pid_oom_score_adj(5)).
    NotAllowed,
}

/// Lowers this process's score to `score`, from -1000 to 1000; a score that is already lower is kept.
/// Children inherit it.
#[must_use]
pub fn protect_from_oom(score: i32) -> OomScore {
    match current() {
        Some(now) if now <= score => OomScore::Protected(now),
        _ if fs::write(FILE, score.to_string()).is_ok() => OomScore::Protected(score),
        _ => OomScore::NotAllowed,
    }
}

/// Whether this process, and what it starts, has a lowered score.
#[must_use]
pub fn is_protected_from_oom() -> bool {
    current().is_some_and(|score| score < 0)
}

/// Removes the protection that this process inherited. With CAP_SYS_RESOURCE irrevocably: what it starts
/// cannot restore it. Needs `/proc`. A protected process is undumpable afterwards, as it was before.
///
/// # Errors
/// open(2), write(2).
pub fn reset_oom_score() -> Result<(), Refused> {
    // An undumpable process's files in /proc belong to root. The caller has nothing to hide yet.
    let step = "reset the out-of-memory score";
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(Refused::at(step))?;
    let written = fs::write(FILE, "0").map_err(Refused::at(step));
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(Refused::at(step))?;
    written
}

fn current() -> Option<i32> {
    let text: io::Result<String> = fs::read_to_string(FILE);
    text.ok()?.trim().parse().ok()
}
