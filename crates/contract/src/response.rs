//! The answer of `POST /execute` to a program that was run.

use crate::FindingBody;
use crate::text_enum::text_enum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer to a program that was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExecuteResponse {
    /// True if and only if the program exited by itself with exit code 0.
    pub success: bool,
    /// Standard output up to MAX_OUTPUT_SIZE; bytes that are not UTF-8 become U+FFFD.
    #[schema(example = "Hello\n")]
    pub stdout: String,
    /// Standard error, likewise.
    #[schema(example = "")]
    pub stderr: String,
    /// The program's own code; 128+N after signal N; 124 after a timeout; 137 out of memory.
    #[schema(example = 0)]
    pub exit_code: i32,
    /// Wall-clock seconds of the program, without queueing and creating the sandbox.
    #[schema(minimum = 0, example = 0.0021)]
    pub execution_time: f64,
    /// One sentence on what went wrong and what to do; null after success.
    #[schema(required = true)]
    pub error: Option<String>,
    /// The `url`s of `artifacts`, in the same order.
    #[schema(example = json!([]))]
    pub files: Vec<String>,
    /// The request's id, also in the header `x-request-id` and in the service's log.
    #[schema(example = "01JD4QK2V8R8X3F0C5Z7T9W6YB")]
    pub request_id: String,
    /// The executor that ran the program.
    #[schema(example = "native")]
    pub executor: String,
    /// How it ended.
    pub outcome: OutcomeBody,
    /// Resources it used.
    pub usage: UsageBody,
    /// How much output it wrote.
    pub output: OutputBody,
    /// Its output files, sorted by path.
    pub artifacts: Vec<ArtifactBody>,
    /// Entries that are not returned, with the reason. At most 100 are listed; if there are more, the last
    /// entry has the reason `more`, and `count` is the number of the others.
    pub skipped_files: Vec<SkippedBody>,
    /// The validator's warnings.
    pub warnings: Vec<FindingBody>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutcomeBody {
    /// `exited`, `timeout`, `out_of_memory`, `process_limit`, `disk_limit`, `output_limit`, `denied_syscall`,
    /// `signal` or `cancelled`.
    #[schema(value_type = String, example = "exited")]
    pub kind: OutcomeKind,
    /// The limit that ended it.
    #[schema(required = true)]
    pub limit: Option<LimitBody>,
    /// The signal that ended it, by number.
    #[schema(required = true)]
    pub signal: Option<u8>,
    /// The blocked system call that ended it, by name.
    #[schema(required = true)]
    pub syscall: Option<String>,
    /// What happened; null after success.
    #[schema(required = true)]
    pub message: Option<String>,
    /// What the program's author can do about it.
    #[schema(required = true)]
    pub hint: Option<String>,
    /// The exception that ended it, as its interpreter reported it.
    #[schema(required = true)]
    pub exception: Option<ExceptionBody>,
    /// True only where the same program could succeed if sent again.
    pub retryable: bool,
}

/// An uncaught exception. Reported by the program's interpreter, so not trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExceptionBody {
    /// Its qualified name; without the module for built-in exceptions and the program's own.
    #[serde(rename = "type")]
    #[schema(example = "ValueError")]
    pub type_name: String,
    /// First line of its text.
    pub message: String,
    /// The line of the program, from 1, that it passed through, if any.
    #[schema(required = true)]
    pub line: Option<u32>,
}

/// A limit that was reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LimitBody {
    /// `wall_time`, `memory`, `memory_total`, `pids`, `disk`, `output`.
    #[schema(value_type = String, example = "memory")]
    pub name: LimitName,
    /// Its value, in `unit`.
    pub value: u64,
    /// `milliseconds`, `bytes`, `processes`, `files`.
    #[schema(value_type = String, example = "bytes")]
    pub unit: LimitUnit,
    /// The amount used when it was reached, in `unit`, if measured.
    #[schema(required = true)]
    pub used: Option<u64>,
    /// The setting that raises it.
    #[schema(example = "NATIVE_MEMORY")]
    pub setting: String,
}

/// Resources that a program used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageBody {
    /// Wall-clock milliseconds.
    #[schema(minimum = 0, example = 2.1)]
    pub wall_time_ms: f64,
    /// User and system milliseconds of all its processes, including interpreter startup.
    #[schema(minimum = 0, example = 1.4)]
    pub cpu_time_ms: f64,
    /// Peak memory.
    #[schema(example = 9_437_184)]
    pub memory_peak_bytes: u64,
    /// Peak number of processes and threads, where the kernel counts them.
    #[schema(required = true)]
    pub processes_peak: Option<u64>,
}

/// How much output a program wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OutputBody {
    /// Bytes written to stdout, kept or not.
    pub stdout_bytes: u64,
    /// Bytes written to stderr, kept or not.
    pub stderr_bytes: u64,
    /// True if some were dropped.
    pub stdout_truncated: bool,
    /// True if some were dropped.
    pub stderr_truncated: bool,
}

/// An output file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ArtifactBody {
    /// A name to save it under: the last part of its path, made safe on every system.
    #[schema(example = "data.xlsx")]
    pub name: String,
    /// Its path below the output directory.
    #[schema(example = "data.xlsx")]
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// Guessed from its name.
    #[schema(example = "text/csv")]
    pub media_type: String,
    /// Digest of its content, 64 hexadecimal digits.
    pub sha256: String,
    /// Where it can be downloaded until `expires_at`.
    #[schema(format = "uri")]
    pub url: String,
    /// When the link expires, RFC 3339 in UTC.
    #[schema(format = "date-time", example = "2026-01-01T05:00:00Z")]
    pub expires_at: String,
    /// Where the file is: `local`, on the service's disk; `object_store`; `spool`, on the service's disk until the
    /// object store takes it; `directory`, where `run --out` saved it.
    #[schema(value_type = String, example = "local")]
    pub stored_in: StoredIn,
}

/// An entry of the output directory that is not returned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SkippedBody {
    /// Its path; bytes that are not UTF-8 become U+FFFD.
    pub path: String,
    /// `symlink`, `hard_link`, `fifo`, `socket`, `device`, `name_not_utf8`, `too_large`, `total_too_large`,
    /// `too_many`, `too_deep`, `unreadable`, `not_in_output`, `storage_disabled`, `storage_full` or
    /// `storage_failed`; or `more` for the entries that are not listed.
    #[schema(value_type = String, example = "symlink")]
    pub reason: SkipReason,
    /// With `more`: the number of unlisted entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    pub count: Option<u64>,
}

text_enum! {
    /// Where an output file is.
    pub enum StoredIn {
        /// On the service's disk, until its link expires.
        Local = "local",
        /// In the directory that was given to `run --out`.
        Directory = "directory",
        /// On the service's disk, until the object store takes it.
        Spool = "spool",
        /// In the object store.
        ObjectStore = "object_store",
    }
}

text_enum! {
    /// How a program ended.
    pub enum OutcomeKind {
        /// By itself, with any exit code.
        Exited = "exited",
        /// It was still running at its timeout.
        Timeout = "timeout",
        /// The kernel killed it, or a process of it, for exceeding a memory limit.
        OutOfMemory = "out_of_memory",
        /// It could not start another process or thread.
        ProcessLimit = "process_limit",
        /// It could not write more, or its input files did not fit.
        DiskLimit = "disk_limit",
        /// It wrote more output than `MAX_OUTPUT_TOTAL_SIZE`.
        OutputLimit = "output_limit",
        /// A blocked system call ended it.
        DeniedSyscall = "denied_syscall",
        /// A signal ended it.
        Signal = "signal",
        /// The client disconnected, or the service is stopping.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// A limit on a program.
    pub enum LimitName {
        /// Wall-clock time of the execution.
        WallTime = "wall_time",
        /// Memory of its sandbox.
        Memory = "memory",
        /// Memory of all sandboxes together.
        MemoryTotal = "memory_total",
        /// Processes and threads of its sandbox.
        Pids = "pids",
        /// Bytes, or files and directories, in `/tmp`; [`LimitBody::unit`] tells which.
        Disk = "disk",
        /// Bytes written to stdout and stderr.
        Output = "output",
    }
}

text_enum! {
    /// The unit of a limit's numbers.
    pub enum LimitUnit {
        /// Of wall-clock time.
        Milliseconds = "milliseconds",
        /// Of memory, disk space or output.
        Bytes = "bytes",
        /// Processes and threads.
        Processes = "processes",
        /// Files and directories.
        Files = "files",
    }
}

text_enum! {
    /// Why an entry of the output directory is not returned.
    pub enum SkipReason {
        /// A symbolic link.
        Symlink = "symlink",
        /// It has a second name outside the output directory.
        HardLink = "hard_link",
        /// A named pipe.
        Fifo = "fifo",
        /// A socket.
        Socket = "socket",
        /// A character or block device.
        Device = "device",
        /// Its name is not UTF-8.
        NameNotUtf8 = "name_not_utf8",
        /// Larger than `MAX_FILE_SIZE`.
        TooLarge = "too_large",
        /// All files together would exceed `MAX_TOTAL_SIZE`.
        TotalTooLarge = "total_too_large",
        /// More files than `MAX_FILE_COUNT`.
        TooMany = "too_many",
        /// More than 32 directories deep, or its path is longer than 4096 bytes.
        TooDeep = "too_deep",
        /// It could not be read.
        Unreadable = "unreadable",
        /// A file elsewhere in `/tmp`.
        NotInOutput = "not_in_output",
        /// The service keeps no files.
        StorageDisabled = "storage_disabled",
        /// There was no space for it in the store.
        StorageFull = "storage_full",
        /// The store failed.
        StorageFailed = "storage_failed",
        /// Not one entry: stands for those that are not listed, as many as [`SkippedBody::count`].
        More = "more",
    }
}
