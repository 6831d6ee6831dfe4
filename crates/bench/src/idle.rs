//! Memory of idle sandboxes: the cost of an unused warm pool.
//!
//! Sandboxes are created and left idle; the proportional memory of every process below this one is added up
//! with few of them and with many, and the difference is their cost. So pages that they share with each other
//! and with their template count once.

use super::case::{PANDAS, PRINT, Program};
use super::error::CaseError;
use executor::{Executor, Freshness, Sandbox};
use host_traces::{Process, descendants, mib, pss_bytes};
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// Idle sandboxes at the first look: the template's pages are already shared then.
const FEW: usize = 2;
/// Sandboxes that are created after it.
const MORE: usize = 16;
/// Time for new processes to become idle before each look.
const SETTLE: Duration = Duration::from_millis(300);

/// Memory of one idle sandbox, in MiB of proportional memory (PSS), without page tables and other memory of
/// the kernel itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct IdleMemory {
    /// Its kind of interpreter.
    pub(super) sandbox: String,
    /// Number of sandboxes behind the figure.
    pub(super) sandboxes: usize,
    /// All processes of one sandbox: the difference, divided.
    pub(super) sandbox_mib: f64,
    /// Its first process alone: the agent.
    pub(super) cell_mib: f64,
    /// The interpreter alone.
    pub(super) interpreter_mib: f64,
}

/// Measures sandboxes with a lean and with a data interpreter.
pub(super) async fn measure(executor: &dyn Executor) -> Vec<Result<IdleMemory, String>> {
    let mut measured = Vec::new();
    for (name, program) in [("lean", &PRINT), ("data", &PANDAS)] {
        measured.push(of(executor, name, program).await.map_err(|error| support::error_chain(&error)));
    }
    measured
}

async fn of(executor: &dyn Executor, name: &str, program: &Program) -> Result<IdleMemory, CaseError> {
    let mut waiting = Vec::new();
    let before = grown(executor, program, FEW, &mut waiting).await?;
    let after = grown(executor, program, MORE, &mut waiting).await?;
    Ok(compare(name, &before, &after))
}

/// Creates this number of further ones and reads all processes.
async fn grown(
    executor: &dyn Executor,
    program: &Program,
    count: usize,
    waiting: &mut Vec<Sandbox>,
) -> Result<Vec<(Process, u64)>, CaseError> {
    for _ in 0..count {
        waiting.push(executor.create(&program.hints(), Freshness::Any).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let all = descendants(std::process::id());
    // Processes that end meanwhile are skipped, and those that may not be inspected are not sandboxes.
    Ok(all.into_iter().filter_map(|process| Some((process, pss_bytes(process.pid)?))).collect())
}

/// The figures of two looks.
fn compare(name: &str, before: &[(Process, u64)], after: &[(Process, u64)]) -> IdleMemory {
    let total = |look: &[(Process, u64)]| look.iter().map(|(_, bytes)| bytes).sum::<u64>();
    let known: BTreeSet<u32> = before.iter().map(|(process, _)| process.pid).collect();
    let new: Vec<_> = after.iter().filter(|(process, _)| !known.contains(&process.pid)).collect();
    let parents: BTreeSet<u32> = new.iter().map(|(process, _)| process.parent).collect();
    // In a sandbox the agent is the parent of the interpreter.
    let (agents, others): (Vec<_>, Vec<_>) =
        new.into_iter().partition(|(process, _)| parents.contains(&process.pid));
    let mean = |bytes: u64| mib(bytes) / MORE as f64;
    let sum = |part: &[&(Process, u64)]| part.iter().map(|(_, bytes)| bytes).sum::<u64>();
    IdleMemory {
        sandbox: name.to_owned(),
        sandboxes: MORE,
        sandbox_mib: mean(total(after).saturating_sub(total(before))),
        cell_mib: mean(sum(&agents)),
        interpreter_mib: mean(sum(&others)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_belongs_to_the_new_sandboxes() {
        let process = |pid, parent, mib: u64| (Process { pid, parent }, mib << 20);
        let before = vec![process(2, 1, 50), process(10, 2, 1), process(11, 10, 9)];
        // Shared pages: the share of each old one shrinks as there are more.
        let mut after = vec![process(2, 1, 40), process(10, 2, 1), process(11, 10, 3)];
        for number in 0..u32::try_from(MORE).unwrap() {
            after.extend([process(100 + number, 2, 1), process(200 + number, 100 + number, 2)]);
        }
        let found = compare("lean", &before, &after);
        assert_eq!((found.cell_mib, found.interpreter_mib), (1.0, 2.0));
        assert_eq!(found.sandbox_mib, 2.0, "48 more, 16 less, for 16 sandboxes");
    }
}
