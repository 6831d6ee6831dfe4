//! The phases of an execution, for observers.

use std::time::Duration;
use tokio::time::Instant;

/// A part of an execution. They follow each other in this sequence and do not overlap; one that was not reached is
/// missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The validator, with the wait for one of its threads.
    Validate,
    /// From the request for a slot until it was granted.
    Queue,
    /// From the slot until the program begins: the sandbox, attempts that failed, input files.
    Setup,
    /// Until the agent reported the program's end.
    Run,
    /// Until the last output file had arrived.
    Collect,
    /// Output files into the store; missing if there is no file or no store.
    Upload,
}

impl Phase {
    /// Their number.
    pub const COUNT: usize = 6;

    /// All, in sequence.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Validate, Self::Queue, Self::Setup, Self::Run, Self::Collect, Self::Upload];

    /// Its position in [`Phase::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// One phase of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseTime {
    /// Which.
    pub phase: Phase,
    /// When it began.
    pub began: Instant,
    /// When it ended, or when the whole execution did.
    pub ended: Instant,
}

impl PhaseTime {
    /// How long it took.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.ended - self.began
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_the_position() {
        for (index, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase.index(), index);
        }
    }
}
