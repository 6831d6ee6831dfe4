//! Executions that ended before their program started: whose fault that is, and what the answer says. Pure.
//!
//! Nothing of the program has run then, so all that the agent says is its own word.

use crate::guest::GuestError;
use crate::verdict::{self, Evidence, SettingNames};
use crate::{ExecRequest, LimitHit, Outcome, OutcomeKind, RunErrorKind, SandboxLimits};
use protocol::{InputCause, InputRefusal};
use std::collections::HashSet;

/// Exit code where the input files do not fit: that of a program which fails to write them itself.
const EXIT_CODE_NO_ROOM: i32 = 1;

/// What the input files of a request need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InputNeeds {
    /// Bytes of content.
    pub bytes: u64,
    /// Files and directories.
    pub entries: u64,
}

impl InputNeeds {
    /// Those of `request`.
    #[must_use]
    pub fn of(request: &ExecRequest) -> Self {
        let mut entries = HashSet::new();
        for file in &request.files {
            entries.insert(file.path.as_str());
            entries.extend(file.path.match_indices('/').map(|(end, _)| &file.path[..end]));
        }
        Self {
            bytes: request.files.iter().map(|file| file.content.len() as u64).sum(),
            entries: entries.len() as u64,
        }
    }
}

/// What is known of an execution that ended before its program started.
#[derive(Debug, Clone, Copy)]
pub struct Unstarted<'a> {
    /// How it ended.
    pub error: &'a GuestError,
    /// Whether the kernel killed something in the sandbox for memory since its request came.
    pub killed_for_memory: bool,
    /// What was counted.
    pub evidence: Evidence,
    /// What the request brought along.
    pub needs: InputNeeds,
    /// What the sandbox was allowed.
    pub sandbox: &'a SandboxLimits,
    /// The settings to name.
    pub settings: SettingNames,
}

/// The verdict where a limit of the sandbox kept the program from starting: that is an answer, not an error.
#[must_use]
pub fn judge(facts: &Unstarted<'_>) -> Option<(Outcome, i32)> {
    match facts.error {
        GuestError::InputRefused(InputRefusal { cause: InputCause::NoRoom, disk, .. }) => {
            let inodes = disk.inodes_max > 0 && disk.inodes_used >= disk.inodes_max;
            Some((no_room(facts, inodes), EXIT_CODE_NO_ROOM))
        }
        GuestError::InputRefused(InputRefusal { cause: InputCause::NoMemory, .. }) => Some(no_memory(facts)),
        GuestError::InputRefused(_) | GuestError::Version { .. } => None,
        _ if facts.killed_for_memory && facts.needs.bytes > 0 => Some(no_memory(facts)),
        _ => None,
    }
}

/// Whose an error of the guest is, once [`judge`] found no verdict for it.
#[must_use]
pub fn kind_of(error: &GuestError) -> RunErrorKind {
    match error {
        GuestError::InputRefused(_) => RunErrorKind::Request,
        GuestError::Version { .. } => RunErrorKind::Provider,
        _ => RunErrorKind::Sandbox,
    }
}

fn no_room(facts: &Unstarted<'_>, inodes: bool) -> Outcome {
    let (sandbox, settings) = (facts.sandbox, facts.settings);
    let (value, used, unit, setting) = if inodes {
        (sandbox.disk_inodes, facts.needs.entries, "files", settings.inodes)
    } else {
        (sandbox.disk_bytes, facts.needs.bytes, "bytes", settings.disk)
    };
    Outcome {
        limit: Some(LimitHit { name: "disk", value, unit, used: Some(used), setting }),
        message: Some(format!(
            "the input files do not fit into the {value} {unit} that /tmp may hold, so the program was not started"
        )),
        hint: Some(format!("send less in `files`, or raise {setting}")),
        ..Outcome::of(OutcomeKind::DiskLimit)
    }
}

fn no_memory(facts: &Unstarted<'_>) -> (Outcome, i32) {
    let outcome = Outcome {
        message: Some(format!(
            "the input files do not fit into the {} bytes of memory, so the program was not started",
            facts.sandbox.memory_bytes
        )),
        hint: Some(format!(
            "send less in `files`, or raise {}; files in /tmp count as memory",
            facts.settings.memory
        )),
        ..verdict::memory_exceeded(facts.sandbox, facts.evidence, facts.settings)
    };
    (outcome, verdict::EXIT_CODE_OUT_OF_MEMORY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InputFile;
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
    const SETTINGS: SettingNames =
        SettingNames { memory: "MEMORY", pids: "PIDS", disk: "TMP_SIZE", inodes: "TMP_INODES" };

    fn refused(cause: InputCause, disk: DiskState) -> GuestError {
        GuestError::InputRefused(InputRefusal { cause, path: "a".into(), disk })
    }

    fn verdict(error: &GuestError, killed_for_memory: bool, bytes: u64) -> Option<(Outcome, i32)> {
        let needs = InputNeeds { bytes, entries: 9 };
        let evidence = Evidence::default();
        judge(&Unstarted { error, killed_for_memory, evidence, needs, sandbox: &SANDBOX, settings: SETTINGS })
    }

    #[test]
    fn needs_count_directories_once() {
        let file = |path: &str| InputFile { path: path.into(), content: Bytes::from_static(b"xy") };
        let files = vec![file("a/b/c"), file("a/b/d"), file("e")];
        let request = ExecRequest { files, ..ExecRequest::default() };
        assert_eq!(InputNeeds::of(&request), InputNeeds { bytes: 6, entries: 5 });
    }

    #[test]
    fn no_room_is_the_disk_limit_in_bytes_or_files() {
        let full = DiskState { bytes_max: 64, bytes_used: 64, inodes_max: 8, inodes_used: 3 };
        let (outcome, code) = verdict(&refused(InputCause::NoRoom, full), false, 65).unwrap();
        let limit = outcome.limit.unwrap();
        assert_eq!((outcome.kind, code), (OutcomeKind::DiskLimit, 1));
        assert_eq!((limit.value, limit.unit, limit.used, limit.setting), (64, "bytes", Some(65), "TMP_SIZE"));
        let crowded = DiskState { inodes_used: 8, ..full };
        let limit = verdict(&refused(InputCause::NoRoom, crowded), false, 1).unwrap().0.limit.unwrap();
        assert_eq!((limit.value, limit.unit, limit.used, limit.setting), (8, "files", Some(9), "TMP_INODES"));
    }

    #[test]
    fn a_kill_for_memory_is_the_requests_only_where_it_brought_files() {
        for error in [GuestError::Gone, GuestError::Fault { step: "x".into(), detail: "y".into() }] {
            assert_eq!(verdict(&error, true, 1).unwrap().0.kind, OutcomeKind::OutOfMemory);
            assert_eq!(verdict(&error, true, 0), None);
            assert_eq!(verdict(&error, false, 1), None);
            assert_eq!(kind_of(&error), RunErrorKind::Sandbox);
        }
        let refused = refused(InputCause::NoMemory, DiskState::default());
        assert_eq!(verdict(&refused, false, 1).unwrap().1, 137);
    }

    #[test]
    fn a_path_that_cannot_be_is_the_requests_error() {
        let error = refused(InputCause::Path, DiskState::default());
        assert_eq!((verdict(&error, false, 1), kind_of(&error)), (None, RunErrorKind::Request));
        assert_eq!(kind_of(&GuestError::Version { theirs: 1, ours: 2 }), RunErrorKind::Provider);
    }
}
