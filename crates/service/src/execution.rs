//! What a client gets back: the answer to a program that was run, or why it was not.

use crate::admission::Refusal;
use crate::command::InvalidField;
use executor::{Captured, ExecResult, ExecutorError, Usage, Verdict};
use std::fmt;
use storage::StoredFile;
use validator::LastExpression;

/// The answer to a program that was run, however it ended.
#[derive(Debug, Clone)]
pub struct Execution {
    /// The request's id.
    pub request_id: String,
    /// The executor that ran it.
    pub executor: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// The line of the program's last expression, if its value was not shown.
    pub unseen_expression: Option<u32>,
    /// What is kept of the program's standard output.
    pub stdout: Captured,
    /// What is kept of the program's standard error.
    pub stderr: Captured,
    /// Resources it used.
    pub usage: Usage,
    /// Output files that were stored, sorted by path.
    pub artifacts: Vec<Artifact>,
    /// Output files and other entries that were not, sorted by path.
    pub skipped: Vec<Skipped>,
    /// Number of further entries that were not.
    pub skipped_more: u64,
    /// The validator's warnings.
    pub warnings: Vec<Finding>,
}

/// The line of an expression at the end of a successful program: a notebook would show its value. A call may
/// be there for its side effect, so it counts only if the program produced no output at all.
pub(crate) fn unseen_expression(result: &ExecResult, last: Option<LastExpression>) -> Option<u32> {
    let LastExpression { line, is_call } = last.filter(|_| result.success())?;
    let silent = result.stdout.bytes == 0 && result.stderr.bytes == 0 && result.files.is_empty();
    (!is_call || silent).then_some(line)
}

/// A stored output file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its path below the output directory, as the program named it.
    pub path: String,
    /// Guessed from the name.
    pub media_type: String,
    /// Digest, size, link and expiry.
    pub stored: StoredFile,
}

impl Artifact {
    /// A file name to save it under: the last part of the path, made safe.
    #[must_use]
    pub fn name(&self) -> String {
        storage::download_name(&self.path)
    }
}

/// An entry of the output directory that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path.
    pub path: String,
    /// The reason: those of the sandbox (`symlink`, `too_large`, ...), `storage_disabled`,
    /// `storage_full`, `storage_failed`.
    pub reason: &'static str,
}

/// One finding of the validator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, as the validator counts them.
    pub column: u32,
    /// The rule, such as `forbidden-import`.
    pub code: &'static str,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// Why a program was not run, or its result is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The request is out of bounds.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// The validator rejected the program.
    #[error("the validator rejected the program with {}", support::counted(violations.len(), "finding"))]
    Rejected {
        /// The findings, in the order of the source.
        violations: Vec<Finding>,
        /// All findings as text, one per line.
        rendered: String,
    },
    /// The caller's key may not use the executor that the request names.
    #[error("this API key may not use the executor `{name}`")]
    ExecutorForbidden {
        /// The executor.
        name: String,
        /// Those that it may use.
        allowed: Vec<String>,
    },
    /// The concurrency limit is reached and the queue is full.
    #[error("the queue is full")]
    Busy {
        /// When to retry, in seconds.
        retry_after_s: u64,
    },
    /// The service is stopping.
    #[error("the service is stopping")]
    ShuttingDown {
        /// When to retry, in seconds; another instance may answer.
        retry_after_s: u64,
    },
    /// No executor of the chain, or not the requested one, could run it; the program provably did not start.
    #[error("{}", selected.as_ref().map_or_else(|| "no executor is usable".to_owned(), ToString::to_string))]
    Unavailable {
        /// When to retry, in seconds.
        retry_after_s: u64,
        /// The executor that the request names, if any.
        selected: Option<Selected>,
        /// One per executor that was tried. For the log: it may name paths of the host.
        reasons: Vec<ExecutorError>,
    },
    /// An executor failed after the program may have started.
    #[error("the executor failed while the program ran")]
    Executor(#[source] ExecutorError),
    /// The validator itself failed.
    #[error("failed to {step}")]
    Internal {
        /// The step, in the infinitive.
        step: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A requested executor that is not usable, worded for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Its name.
    pub name: String,
    /// Why not. Contains no path or address of the host.
    pub reason: String,
    /// The executors that are usable now.
    pub usable: Vec<&'static str>,
}

impl fmt::Display for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "executor `{}` is not usable: {}; usable now: ", self.name, self.reason)?;
        match self.usable.as_slice() {
            [] => f.write_str("none"),
            usable => f.write_str(&usable.join(", ")),
        }
    }
}

impl From<Refusal> for ExecuteError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy { retry_after_s } => Self::Busy { retry_after_s },
            Refusal::ShuttingDown => Self::ShuttingDown { retry_after_s: crate::RETRY_AFTER_STOP_S },
        }
    }
}

impl ExecuteError {
    /// The API's codes for these errors.
    pub const CODES: [&'static str; 7] = [
        "invalid_request",
        "validation_failed",
        "forbidden",
        "busy",
        "shutting_down",
        "executor_unavailable",
        "internal",
    ];

    /// The API's code for it, one of [`ExecuteError::CODES`].
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_request",
            Self::Rejected { .. } => "validation_failed",
            Self::ExecutorForbidden { .. } => "forbidden",
            Self::Busy { .. } => "busy",
            Self::ShuttingDown { .. } => "shutting_down",
            Self::Unavailable { .. } => "executor_unavailable",
            Self::Executor(_) | Self::Internal { .. } => "internal",
        }
    }

    /// The error with all its causes in one line, for the log only.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = support::error_chain(self);
        if let Self::Unavailable { reasons, .. } = self {
            for reason in reasons {
                text.push_str("; ");
                text.push_str(&reason.chain());
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor::{Cause, ExecLimits, verdict};

    #[test]
    fn a_value_that_nobody_sees_is_mentioned() {
        let ended = |exit_code| {
            let verdict = verdict::cancelled(&ExecLimits::default());
            ExecResult::ended(Verdict { cause: Cause::Exited, exit_code, ..verdict })
        };
        let line = |is_call| Some(LastExpression { line: 3, is_call });
        let mut quiet = ended(0);
        assert_eq!(unseen_expression(&quiet, line(false)), Some(3));
        assert_eq!(unseen_expression(&quiet, line(true)), Some(3));
        assert_eq!(unseen_expression(&quiet, None), None);
        quiet.stdout.bytes = 1;
        assert_eq!(unseen_expression(&quiet, line(false)), Some(3));
        assert_eq!(unseen_expression(&quiet, line(true)), None, "it printed: the call did what it is for");
        assert_eq!(unseen_expression(&ended(1), line(false)), None);
    }
}
