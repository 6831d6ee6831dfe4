//! The answer of `POST /execute`, exactly as in the contract (`docs/api.md`).

use crate::error::FindingBody;
use explain::{Exception, LimitHit, Outcome};
use serde::Serialize;
use service::{Artifact, Captured, Execution, Skipped, Usage};
use std::time::Duration;
use utoipa::ToSchema;

/// The answer to a program that was run.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExecuteResponse {
    /// True if and only if the program exited by itself with exit code 0.
    success: bool,
    /// Standard output up to MAX_OUTPUT_SIZE; bytes that are not UTF-8 become U+FFFD.
    #[schema(example = "Hello\n")]
    stdout: String,
    /// Standard error, likewise.
    #[schema(example = "")]
    stderr: String,
    /// The program's own code; 128+N after signal N; 124 after a timeout; 137 out of memory.
    #[schema(example = 0)]
    exit_code: i32,
    /// Wall-clock seconds of the program, without queueing and creating the sandbox.
    #[schema(minimum = 0, example = 0.0021)]
    execution_time: f64,
    /// One sentence on what went wrong and what to do; null after success.
    #[schema(required = true)]
    error: Option<String>,
    /// The `url`s of `artifacts`, in the same order.
    #[schema(example = json!([]))]
    files: Vec<String>,
    /// The request's id, also in the header `x-request-id` and in the service's log.
    #[schema(example = "01JD4QK2V8R8X3F0C5Z7T9W6YB")]
    request_id: String,
    /// The executor that ran the program.
    #[schema(example = "native")]
    executor: String,
    /// How it ended.
    outcome: OutcomeBody,
    /// Resources it used.
    usage: UsageBody,
    /// How much output it wrote.
    output: OutputBody,
    /// Its output files, sorted by path.
    artifacts: Vec<ArtifactBody>,
    /// Entries that are not returned, with the reason. At most 100 are listed; if there are more, the last entry has the reason
    /// `more`, and `count` is the number of the others.
    skipped_files: Vec<SkippedBody>,
    /// The validator's warnings.
    warnings: Vec<FindingBody>,
}

/// How a program ended.
#[derive(Debug, Serialize, ToSchema)]
struct OutcomeBody {
    /// `exited`, `timeout`, `out_of_memory`, `process_limit`, `disk_limit`, `output_limit`, `denied_syscall`,
    /// `signal` or `cancelled`.
    #[schema(example = "exited")]
    kind: &'static str,
    /// The limit that ended it.
    #[schema(required = true)]
    limit: Option<LimitBody>,
    /// The signal that ended it, by number.
    #[schema(required = true)]
    signal: Option<u8>,
    /// The blocked system call that ended it, by name.
    #[schema(required = true)]
    syscall: Option<String>,
    /// What happened; null after success.
    #[schema(required = true)]
    message: Option<String>,
    /// What the program's author can do about it.
    #[schema(required = true)]
    hint: Option<String>,
    /// The exception that ended it, as its interpreter reported it.
    #[schema(required = true)]
    exception: Option<ExceptionBody>,
    /// True only where the same program could succeed if sent again.
    retryable: bool,
}

/// An uncaught exception. Reported by the program's interpreter, so not trusted.
#[derive(Debug, Serialize, ToSchema)]
struct ExceptionBody {
    /// Its qualified name; without the module for built-in exceptions and the program's own.
    #[serde(rename = "type")]
    #[schema(example = "ValueError")]
    type_name: String,
    /// First line of its text.
    message: String,
    /// The line of the program, from 1, that it passed through, if any.
    #[schema(required = true)]
    line: Option<u32>,
}

/// A limit that was reached.
#[derive(Debug, Serialize, ToSchema)]
struct LimitBody {
    /// `wall_time`, `memory`, `memory_total`, `pids`, `disk`, `output`.
    #[schema(example = "memory")]
    name: &'static str,
    /// Its value, in `unit`.
    value: u64,
    /// `milliseconds`, `bytes`, `processes`, `files`.
    #[schema(example = "bytes")]
    unit: &'static str,
    /// The amount used when it was reached, in `unit`, if measured.
    #[schema(required = true)]
    used: Option<u64>,
    /// The setting that raises it.
    #[schema(example = "NATIVE_MEMORY")]
    setting: &'static str,
}

/// Resources that a program used.
#[derive(Debug, Serialize, ToSchema)]
struct UsageBody {
    /// Wall-clock milliseconds.
    #[schema(minimum = 0, example = 2.1)]
    wall_time_ms: f64,
    /// User and system milliseconds of all its processes, including interpreter startup.
    #[schema(minimum = 0, example = 1.4)]
    cpu_time_ms: f64,
    /// Peak memory.
    #[schema(example = 9_437_184)]
    memory_peak_bytes: u64,
    /// Peak number of processes and threads, where the kernel counts them.
    #[schema(required = true)]
    processes_peak: Option<u64>,
}

/// How much output a program wrote.
#[derive(Debug, Serialize, ToSchema)]
struct OutputBody {
    /// Bytes written to stdout, kept or not.
    stdout_bytes: u64,
    /// Bytes written to stderr, kept or not.
    stderr_bytes: u64,
    /// True if some were dropped.
    stdout_truncated: bool,
    /// True if some were dropped.
    stderr_truncated: bool,
}

/// An output file.
#[derive(Debug, Serialize, ToSchema)]
struct ArtifactBody {
    /// A name to save it under: the last part of its path, made safe on every system.
    #[schema(example = "data.xlsx")]
    name: String,
    /// Its path below the output directory.
    #[schema(example = "data.xlsx")]
    path: String,
    /// Its size.
    size_bytes: u64,
    /// Guessed from its name.
    #[schema(example = "text/csv")]
    media_type: String,
    /// Digest of its content, 64 hexadecimal digits.
    sha256: String,
    /// Where it can be downloaded until `expires_at`.
    #[schema(format = "uri")]
    url: String,
    /// When the link expires, RFC 3339 in UTC.
    #[schema(format = "date-time", example = "2026-01-01T05:00:00Z")]
    expires_at: String,
}

/// An entry of the output directory that is not returned.
#[derive(Debug, Serialize, ToSchema)]
struct SkippedBody {
    /// Its path; bytes that are not UTF-8 become U+FFFD.
    path: String,
    /// `symlink`, `hard_link`, `fifo`, `socket`, `device`, `name_not_utf8`, `too_large`, `total_too_large`,
    /// `too_many`, `too_deep`, `unreadable`, `not_in_output`, `storage_disabled`, `storage_full` or `storage_failed`; or `more` for the
    /// entries that are not listed.
    #[schema(example = "symlink")]
    reason: &'static str,
    /// With `more`: the number of unlisted entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    count: Option<u64>,
}

impl ExecuteResponse {
    /// The answer for `execution`, with links below `base_url`.
    #[must_use]
    pub fn new(execution: Execution, base_url: &str) -> Self {
        let artifacts: Vec<_> =
            execution.artifacts.into_iter().map(|artifact| ArtifactBody::new(artifact, base_url)).collect();
        let verdict = &execution.verdict;
        let outcome = explain::outcome(verdict, execution.executor, execution.unseen_expression);
        Self {
            success: verdict.success(),
            exit_code: verdict.exit_code,
            execution_time: rounded(execution.usage.wall_time.as_secs_f64(), 1e6),
            error: outcome.error.clone(),
            files: artifacts.iter().map(|artifact| artifact.url.clone()).collect(),
            request_id: execution.request_id,
            executor: execution.executor.to_owned(),
            outcome: outcome.into(),
            usage: execution.usage.into(),
            output: OutputBody::new(&execution.stdout, &execution.stderr),
            stdout: execution.stdout.text,
            stderr: execution.stderr.text,
            artifacts,
            skipped_files: skipped(execution.skipped, execution.skipped_more),
            warnings: execution.warnings.into_iter().map(FindingBody::from).collect(),
        }
    }
}

/// Rounds off the noise of binary fractions: `scale` is what one unit of the last digit divides.
fn rounded(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}

fn milliseconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3, 1e3)
}

impl From<Outcome> for OutcomeBody {
    fn from(outcome: Outcome) -> Self {
        let Outcome { kind, limit, signal, syscall, message, hint, exception, retryable, .. } = outcome;
        Self {
            kind: kind.as_str(),
            limit: limit.map(LimitBody::from),
            signal,
            syscall,
            message,
            hint,
            exception: exception.map(ExceptionBody::from),
            retryable,
        }
    }
}

impl From<Exception> for ExceptionBody {
    fn from(exception: Exception) -> Self {
        let Exception { type_name, message, line } = exception;
        Self { type_name, message, line }
    }
}

impl From<LimitHit> for LimitBody {
    fn from(limit: LimitHit) -> Self {
        let LimitHit { name, value, unit, used, setting } = limit;
        Self { name, value, unit, used, setting }
    }
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> Self {
        Self {
            wall_time_ms: milliseconds(usage.wall_time),
            cpu_time_ms: milliseconds(usage.cpu_time),
            memory_peak_bytes: usage.memory_bytes_peak,
            processes_peak: usage.pids_peak,
        }
    }
}

impl OutputBody {
    fn new(stdout: &Captured, stderr: &Captured) -> Self {
        Self {
            stdout_bytes: stdout.bytes,
            stderr_bytes: stderr.bytes,
            stdout_truncated: stdout.truncated,
            stderr_truncated: stderr.truncated,
        }
    }
}

impl ArtifactBody {
    fn new(artifact: Artifact, base_url: &str) -> Self {
        Self {
            name: artifact.name(),
            url: artifact.stored.url.resolve(base_url),
            size_bytes: artifact.stored.size_bytes,
            sha256: artifact.stored.sha256,
            expires_at: artifact.stored.expires_at.to_string(),
            media_type: artifact.media_type,
            path: artifact.path,
        }
    }
}

impl From<Skipped> for SkippedBody {
    fn from(skipped: Skipped) -> Self {
        Self { path: skipped.path, reason: skipped.reason, count: None }
    }
}

/// The list, and one entry for what is not in it.
fn skipped(listed: Vec<Skipped>, more: u64) -> Vec<SkippedBody> {
    // Clients that do not know `count` show the path.
    let rest = (more > 0).then(|| SkippedBody {
        path: format!("(and {more} more)"),
        reason: "more",
        count: Some(more),
    });
    listed.into_iter().map(SkippedBody::from).chain(rest).collect()
}
