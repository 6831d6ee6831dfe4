//! The answer of one execution.

use crate::PeakScope;
use crate::verdict::{OutcomeKind, Verdict};
use bytes::Bytes;
use protocol::SkipReason;
use std::time::Duration;

/// How one execution ended and what it left.
#[derive(Debug, Clone)]
pub struct ExecResult {
    /// How it ended.
    pub verdict: Verdict,
    /// Kept standard output.
    pub stdout: Captured,
    /// Kept standard error.
    pub stderr: Captured,
    /// Resources it used.
    pub usage: Usage,
    /// Files it left in the output directory, sorted by path.
    pub files: Vec<OutputFile>,
    /// Entries of the output directory that are not returned, sorted by path.
    pub skipped: Vec<SkippedFile>,
    /// Number of further entries that are not returned, beyond `skipped`.
    pub skipped_more: u64,
}

impl ExecResult {
    /// The result of an execution without output.
    #[must_use]
    pub fn ended(verdict: Verdict) -> Self {
        Self {
            verdict,
            stdout: Captured::default(),
            stderr: Captured::default(),
            usage: Usage::default(),
            files: Vec::new(),
            skipped: Vec::new(),
            skipped_more: 0,
        }
    }

    /// True if and only if the program exited by itself with exit code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.verdict.success()
    }

    /// How the program ended, in one word.
    #[must_use]
    pub fn kind(&self) -> OutcomeKind {
        self.verdict.kind()
    }
}

/// One output stream, up to its cap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The kept part as text: bytes that are not UTF-8 become U+FFFD, a character cut by the cap is dropped.
    pub text: String,
    /// Bytes that the program wrote, kept or not.
    pub bytes: u64,
    /// True when some were dropped.
    pub truncated: bool,
}

/// Resources that an execution used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Wall-clock time of the program, without queueing and creating the sandbox.
    pub wall_time: Duration,
    /// User and system time of all its processes.
    pub cpu_time: Duration,
    /// Peak memory, in bytes, as the executor can measure it.
    pub memory_bytes_peak: u64,
    /// What that peak covers.
    pub memory_peak_scope: PeakScope,
    /// Peak number of processes and threads in the sandbox so far, where the kernel counts them.
    pub pids_peak: Option<u64>,
}

/// A file that the program left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Relative path below the output directory. Checked: no empty, `.` or `..` part, no NUL, not absolute.
    pub path: String,
    /// Its content.
    pub content: Bytes,
}

/// An entry of the output directory that is not returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedFile {
    /// Its path; bytes that are not UTF-8 become U+FFFD.
    pub path: String,
    /// Why.
    pub reason: SkipReason,
}
