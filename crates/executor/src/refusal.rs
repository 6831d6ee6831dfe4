//! Classifies executions that ended before their program started: what caused it, and with which verdict.
//! Pure.
//!
//! The program has not run then, so the agent's messages are trustworthy.

use crate::GuestError;
use crate::verdict::{self, Killed, Limit, LimitHit, Verdict};
use crate::{ExecLimits, ExecRequest, KernelCounts, RunErrorKind, SandboxLimits};
use protocol::{InputCause, InputRefusal};
use std::collections::HashSet;

/// Source and standard input together, in bytes, from which on they can be why a sandbox has no memory left.
/// Every request has a source, and where that is small, something else used the memory.
const HELD_BYTES_MIN: u64 = 1 << 20;

/// What the input of a request needs in the sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct InputNeeds {
    /// Bytes of the files, on the disk and so in memory.
    pub(crate) bytes: u64,
    /// Files and directories.
    pub(crate) entries: u64,
    /// Bytes of source and standard input: the agent holds them in memory until the program begins.
    pub(crate) held_bytes: u64,
}

impl InputNeeds {
    /// The needs of `request`.
    #[must_use]
    pub(crate) fn of(request: &ExecRequest) -> Self {
        let mut entries = HashSet::new();
        for file in &request.files {
            entries.insert(file.path.as_str());
            entries.extend(file.path.match_indices('/').map(|(end, _)| &file.path[..end]));
        }
        Self {
            bytes: request.files.iter().map(|file| file.content.len() as u64).sum(),
            entries: entries.len() as u64,
            held_bytes: (request.code.len() as u64).saturating_add(request.stdin.len() as u64),
        }
    }

    /// Whether it can be why the memory ran out.
    fn takes_memory(&self) -> bool {
        self.bytes > 0 || self.held_bytes >= HELD_BYTES_MIN
    }
}

/// The facts of an execution that ended before its program started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unstarted<'a> {
    /// How it ended.
    pub(crate) error: &'a GuestError,
    /// Whether the kernel killed a process of the sandbox for lack of memory since the request came.
    pub(crate) killed_for_memory: bool,
    /// What was counted.
    pub(crate) evidence: KernelCounts,
    /// What the request brought along.
    pub(crate) needs: InputNeeds,
    /// Limits of the execution.
    pub(crate) exec: &'a ExecLimits,
    /// Limits of the sandbox.
    pub(crate) sandbox: &'a SandboxLimits,
}

/// The verdict where a limit of the sandbox kept the program from starting: that is an answer, not an error.
#[must_use]
pub(crate) fn classify(facts: &Unstarted<'_>) -> Option<Verdict> {
    match facts.error {
        GuestError::InputRefused(InputRefusal { cause: InputCause::NoRoom, disk, .. }) => {
            let inodes = disk.inodes_max > 0 && disk.inodes_used >= disk.inodes_max;
            Some(no_room(facts, inodes))
        }
        GuestError::InputRefused(InputRefusal { cause: InputCause::NoMemory, .. }) => Some(no_memory(facts)),
        GuestError::InputRefused(_) | GuestError::Version { .. } => None,
        _ if facts.killed_for_memory && facts.needs.takes_memory() => Some(no_memory(facts)),
        _ => None,
    }
}

/// What caused an error of the guest for which [`classify`] found no verdict.
#[must_use]
pub(crate) fn kind_of(error: &GuestError) -> RunErrorKind {
    match error {
        GuestError::InputRefused(_) => RunErrorKind::Request,
        GuestError::Version { .. } => RunErrorKind::Provider,
        _ => RunErrorKind::Sandbox,
    }
}

fn no_room(facts: &Unstarted<'_>, inodes: bool) -> Verdict {
    let (sandbox, needs) = (facts.sandbox, facts.needs);
    let limit = if inodes {
        LimitHit { limit: Limit::DiskInodes, value: sandbox.disk_inodes, used: Some(needs.entries) }
    } else {
        LimitHit { limit: Limit::DiskBytes, value: sandbox.disk_bytes, used: Some(needs.bytes) }
    };
    verdict::inputs_too_large(limit, facts.evidence, facts.exec, sandbox)
}

fn no_memory(facts: &Unstarted<'_>) -> Verdict {
    verdict::memory_exceeded(Killed::Inputs, facts.evidence, facts.exec, facts.sandbox)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InputFile;
    use crate::verdict::OutcomeKind;
    use bytes::Bytes;
    use protocol::DiskState;

    const SANDBOX: SandboxLimits = SandboxLimits {
        memory_bytes: 128,
        cpu_quota_us: 1,
        cpu_period_us: 1,
        pids_max: 1,
        disk_bytes: 64,
        disk_inodes: 8,
    };
    fn refused(cause: InputCause, disk: DiskState) -> GuestError {
        GuestError::InputRefused(InputRefusal { cause, path: "a".into(), disk })
    }

    fn verdict(error: &GuestError, killed_for_memory: bool, bytes: u64) -> Option<Verdict> {
        refuse_with(error, killed_for_memory, InputNeeds { bytes, entries: 9, held_bytes: 1 })
    }

    fn refuse_with(error: &GuestError, killed_for_memory: bool, needs: InputNeeds) -> Option<Verdict> {
        let (evidence, exec) = (KernelCounts::default(), &ExecLimits::default());
        classify(&Unstarted { error, killed_for_memory, evidence, needs, exec, sandbox: &SANDBOX })
    }

    #[test]
    fn needs_count_directories_once() {
        let file = |path: &str| InputFile { path: path.into(), content: Bytes::from_static(b"xy") };
        let files = vec![file("a/b/c"), file("a/b/d"), file("e")];
        let (code, stdin) = ("abc".into(), Bytes::from_static(b"defg"));
        let request = ExecRequest { files, code, stdin, ..ExecRequest::default() };
        assert_eq!(InputNeeds::of(&request), InputNeeds { bytes: 6, entries: 5, held_bytes: 7 });
    }

    #[test]
    fn a_large_source_or_standard_input_can_take_the_memory_and_a_small_one_cannot() {
        for (held_bytes, kind) in
            [(HELD_BYTES_MIN - 1, None), (HELD_BYTES_MIN, Some(OutcomeKind::OutOfMemory))]
        {
            let needs = InputNeeds { held_bytes, ..InputNeeds::default() };
            let verdict = refuse_with(&GuestError::Gone, true, needs);
            assert_eq!(verdict.map(|verdict| verdict.kind()), kind, "{held_bytes}");
            assert_eq!(refuse_with(&GuestError::Gone, false, needs), None);
        }
    }

    #[test]
    fn no_room_is_the_disk_limit_in_bytes_or_files() {
        let full = DiskState { bytes_max: 64, bytes_used: 64, inodes_max: 8, inodes_used: 3 };
        let verdict_on = |disk, bytes| verdict(&refused(InputCause::NoRoom, disk), false, bytes).unwrap();
        let found = verdict_on(full, 65);
        let limit = found.limit.unwrap();
        assert_eq!((found.kind(), found.exit_code), (OutcomeKind::DiskLimit, 1));
        assert_eq!((limit.value, limit.limit, limit.used), (64, Limit::DiskBytes, Some(65)));
        let crowded = DiskState { inodes_used: 8, ..full };
        let limit = verdict_on(crowded, 1).limit.unwrap();
        assert_eq!((limit.value, limit.limit, limit.used), (8, Limit::DiskInodes, Some(9)));
    }

    #[test]
    fn a_kill_for_memory_is_the_requests_only_where_it_brought_files() {
        for error in [GuestError::Gone, GuestError::Fault { step: "x".into(), detail: "y".into() }] {
            assert_eq!(verdict(&error, true, 1).unwrap().kind(), OutcomeKind::OutOfMemory);
            assert_eq!(verdict(&error, true, 0), None);
            assert_eq!(verdict(&error, false, 1), None);
            assert_eq!(kind_of(&error), RunErrorKind::Sandbox);
        }
        let refused = refused(InputCause::NoMemory, DiskState::default());
        assert_eq!(verdict(&refused, false, 1).unwrap().exit_code, 137);
    }

    #[test]
    fn a_path_that_cannot_be_is_the_requests_error() {
        let error = refused(InputCause::Path, DiskState::default());
        assert_eq!((verdict(&error, false, 1), kind_of(&error)), (None, RunErrorKind::Request));
        assert_eq!(kind_of(&GuestError::Version { theirs: 1, ours: 2 }), RunErrorKind::Provider);
    }
}
