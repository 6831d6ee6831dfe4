//! What comes out of a sandbox.

use bytes::Bytes;
use protocol::SkipReason;
use std::time::Duration;

/// How one execution ended and what it left.
#[derive(Debug, Clone)]
pub struct ExecResult {
    /// The verdict.
    pub outcome: Outcome,
    /// The program's own code; 128+N after signal N; 124 after a timeout; 137 out of memory (contract).
    pub exit_code: i32,
    /// Kept standard output.
    pub stdout: Captured,
    /// Kept standard error.
    pub stderr: Captured,
    /// What it used.
    pub usage: Usage,
    /// Files it left in the output directory, sorted by path.
    pub files: Vec<OutputFile>,
    /// Entries of the output directory that are not returned, sorted by path.
    pub skipped: Vec<SkippedFile>,
    /// How many more entries are not returned than `skipped` lists.
    pub skipped_more: u64,
}

impl ExecResult {
    /// The result of an execution that left nothing but its verdict.
    #[must_use]
    pub fn ended(outcome: Outcome, exit_code: i32) -> Self {
        Self {
            outcome,
            exit_code,
            stdout: Captured::default(),
            stderr: Captured::default(),
            usage: Usage::default(),
            files: Vec::new(),
            skipped: Vec::new(),
            skipped_more: 0,
        }
    }

    /// True exactly when the program ended by itself with exit code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.outcome.kind == OutcomeKind::Exited && self.exit_code == 0
    }
}

/// One output stream, up to its cap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// What was kept, as text: bytes that are not UTF-8 are U+FFFD, a character cut by the cap is dropped.
    pub text: String,
    /// Bytes that the program wrote, kept or not.
    pub bytes: u64,
    /// True when some were dropped.
    pub truncated: bool,
}

/// What an execution used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Wall-clock time of the program, without queueing and sandbox set-up.
    pub wall_time: Duration,
    /// User and system time of all its processes.
    pub cpu_time: Duration,
    /// Most memory it held at once, in bytes, as the executor can measure it.
    pub memory_bytes_peak: u64,
    /// Most processes and threads at once, where the kernel counts them.
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
    /// Its path; bytes that are not UTF-8 are U+FFFD.
    pub path: String,
    /// Why.
    pub reason: SkipReason,
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutcomeKind {
    /// By itself: with an exit code, or by an uncaught exception (code 1).
    Exited,
    /// Its wall-clock time was over.
    Timeout,
    /// The kernel killed it for memory.
    OutOfMemory,
    /// It failed because it could not start another process or thread.
    ProcessLimit,
    /// It failed because its writable file system was full or a file too large.
    DiskLimit,
    /// It wrote more output than the operator tolerates.
    OutputLimit,
    /// A refused system call ended it.
    DeniedSyscall,
    /// A signal ended it.
    Signal,
    /// The client went away, or the service is stopping.
    Cancelled,
}

impl OutcomeKind {
    /// The word that the API uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Timeout => "timeout",
            Self::OutOfMemory => "out_of_memory",
            Self::ProcessLimit => "process_limit",
            Self::DiskLimit => "disk_limit",
            Self::OutputLimit => "output_limit",
            Self::DeniedSyscall => "denied_syscall",
            Self::Signal => "signal",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The verdict on one execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub kind: OutcomeKind,
    /// The limit that ended it.
    pub limit: Option<LimitHit>,
    /// The signal that ended it, by number.
    pub signal: Option<u8>,
    /// The refused system call that ended it, by name.
    pub syscall: Option<String>,
    /// One sentence on what happened; `None` after success.
    pub message: Option<String>,
    /// What the author of the program can do about it.
    pub hint: Option<String>,
    /// The exception that ended the program, as its interpreter tells it: the program's own word.
    pub exception: Option<Exception>,
    /// True only where the same program could succeed if sent again.
    pub retryable: bool,
}

impl Outcome {
    /// An end of this kind, with nothing to say about it.
    #[must_use]
    pub fn of(kind: OutcomeKind) -> Self {
        Self {
            kind,
            limit: None,
            signal: None,
            syscall: None,
            message: None,
            hint: None,
            exception: None,
            retryable: false,
        }
    }
}

/// An exception that nobody caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Its qualified name, such as `ValueError` or `json.decoder.JSONDecodeError`.
    pub type_name: String,
    /// First line of its text.
    pub message: String,
    /// The line of the program, where it came through one.
    pub line: Option<u32>,
}

/// A limit that was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitHit {
    /// Its name: `wall_time`, `memory`, `pids`, `disk`, `output`.
    pub name: &'static str,
    /// Its value, in `unit`.
    pub value: u64,
    /// `milliseconds`, `bytes`, `processes`, `files`.
    pub unit: &'static str,
    /// What was used when it was reached, in `unit`, where that was measured.
    pub used: Option<u64>,
    /// The setting or request field that raises it.
    pub setting: &'static str,
}
