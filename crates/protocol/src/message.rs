//! The messages. The order of variants and of fields is the wire format. It is append-only: a message is
//! never changed or removed, new ones are added at the end of their enum, and a new field means a new
//! message. `frames.txt` holds a frame of each; the test `frames_stay_as_they_are` fails when one changes.

use crate::{DirectoryEntry, FileFailure};
use serde::{Deserialize, Serialize};

/// Longest piece of bulk data (code, stdin, file content, output) in one message, in bytes. Large enough that
/// a 50 MiB file is under a thousand messages, small enough that none fills a socket buffer for long.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Longest path of an input or output file in bytes (`PATH_MAX` of Linux, limits.h).
pub const PATH_BYTES_MAX: usize = 4096;

/// True for a relative path of at most [`PATH_BYTES_MAX`] bytes without empty, `.` or `..` parts and without
/// NUL: the only paths that either end accepts.
#[must_use]
pub fn is_plain_path(path: &str) -> bool {
    path.len() <= PATH_BYTES_MAX
        && !path.contains('\0')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Messages from the host. Bulk data is borrowed: encoding copies it into the frame, decoding leaves it
/// there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostMessage<'a> {
    /// Announces an execution; its input follows, then [`HostMessage::Start`].
    Begin(Begin),
    /// A piece of the program's source, UTF-8.
    Code {
        /// At most [`CHUNK_BYTES_MAX`] bytes.
        #[serde(borrow, with = "serde_bytes")]
        data: &'a [u8],
    },
    /// A piece of the program's standard input.
    Stdin {
        /// At most [`CHUNK_BYTES_MAX`] bytes.
        #[serde(borrow, with = "serde_bytes")]
        data: &'a [u8],
    },
    /// Opens an input file in the working directory; its content follows as [`HostMessage::InputData`].
    InputFile {
        /// Relative path; the agent refuses `..`, absolute and empty parts.
        path: &'a str,
        /// Exact length in bytes of the content that follows.
        size_bytes: u64,
    },
    /// A piece of the input file opened last.
    InputData {
        /// At most [`CHUNK_BYTES_MAX`] bytes.
        #[serde(borrow, with = "serde_bytes")]
        data: &'a [u8],
    },
    /// All input of the execution announced last has been sent: run it.
    Start,
    /// End the program now; its output and files are still returned. No effect on an execution that has
    /// ended.
    Cancel {
        /// The execution.
        id: u64,
    },
    /// Send SIGINT to the program's first process, as Ctrl-C in a terminal does. No effect on an execution
    /// that has ended.
    Interrupt {
        /// The execution.
        id: u64,
    },
    /// Writes a file below the working directory, with the directories above it; its content follows as
    /// [`HostMessage::PutData`]. It replaces anything but a directory, only once the content is complete:
    /// until then the old file stays, and both need space. Answer: [`GuestMessage::FileDone`] or
    /// [`GuestMessage::FileFailed`].
    ///
    /// This and the other file operations are sent between executions only, each after the answer to the one
    /// before.
    PutFile {
        /// The operation's number, chosen by the host. File operations have their own numbers, each larger
        /// than the one before in this sandbox.
        id: u64,
        /// Relative path, at most [`PATH_BYTES_MAX`] bytes; the agent refuses `..`, absolute and empty parts.
        path: &'a str,
        /// Exact length in bytes of the content that follows.
        size_bytes: u64,
    },
    /// A piece of the file that is being put. The agent discards it if the operation has failed.
    PutData {
        /// 1 to [`CHUNK_BYTES_MAX`] bytes.
        #[serde(borrow, with = "serde_bytes")]
        data: &'a [u8],
    },
    /// No more content follows for this [`HostMessage::PutFile`]: leave everything as it was. Answered by
    /// [`GuestMessage::FileFailed`], unless the operation has already been answered.
    PutAbort {
        /// The operation.
        id: u64,
    },
    /// Reads a regular file below the working directory. Answer: [`GuestMessage::FileHeader`],
    /// [`GuestMessage::FileContent`]*, [`GuestMessage::FileDone`]; or [`GuestMessage::FileFailed`] at any
    /// point.
    GetFile {
        /// The operation's number.
        id: u64,
        /// As in [`HostMessage::PutFile`].
        path: &'a str,
        /// Largest file that is sent, in bytes.
        size_bytes_max: u64,
    },
    /// Lists a directory in the order of its names as bytes. Answer: [`GuestMessage::Entry`]*,
    /// [`GuestMessage::Listed`]; or [`GuestMessage::FileFailed`].
    ListDirectory {
        /// The operation's number.
        id: u64,
        /// As in [`HostMessage::PutFile`]; empty for the working directory itself.
        path: &'a str,
        /// Only names after this one are listed; empty for all.
        after: &'a str,
        /// Most entries that are sent, at most [`crate::ENTRIES_MAX`].
        entries_max: u32,
    },
    /// Removes a file, a link itself, or an empty directory. Answer: [`GuestMessage::FileDone`] or
    /// [`GuestMessage::FileFailed`].
    RemoveFile {
        /// The operation's number.
        id: u64,
        /// As in [`HostMessage::PutFile`].
        path: &'a str,
    },
}

/// Announces one execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Its number, chosen by the host. Larger than the previous one in this sandbox.
    pub id: u64,
    /// How the program is run.
    pub mode: Mode,
    /// Whether another execution may follow. If not, the agent ends after this one, and the sandbox with it.
    pub keep: bool,
    /// Its limits and environment.
    pub header: ExecHeader,
}

/// How a program is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// As a file, by a new interpreter: nothing in memory outlives it.
    Script,
}

/// The limits and the environment of one execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecHeader {
    /// Wall-clock time for the program alone, in milliseconds, from its first instruction.
    pub wall_time_ms_max: u64,
    /// Bytes kept of each of stdout and stderr: if there are more, the first [`head_bytes`] and the last
    /// ones. The rest is counted and dropped.
    pub output_bytes_max: u64,
    /// Bytes that both streams together may write before the program is ended; 0 = unlimited.
    pub output_total_bytes_max: u64,
    /// Largest output file in bytes.
    pub file_bytes_max: u64,
    /// Largest total size of the output files in bytes.
    pub files_total_bytes_max: u64,
    /// Most output files.
    pub file_count_max: u32,
    /// Environment variables in addition to the runtime's.
    pub env: Vec<(String, String)>,
}

/// Messages from the agent. Bulk data is borrowed, as in [`HostMessage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuestMessage<'a> {
    /// First message: the sandbox is ready.
    Ready {
        /// [`crate::PROTOCOL_VERSION`] of the agent.
        version: u32,
        /// Where its interpreter came from.
        interpreter: InterpreterOrigin,
    },
    /// All input of this execution has arrived. Sent before the program can run: if the stream ends without
    /// it, and the stream loses nothing, the program did not start.
    Accepted {
        /// The execution.
        id: u64,
    },
    /// An input file could not be created: the request's fault. The program did not run. The sandbox ends,
    /// unless the execution said `keep`: then this comes after `Start`, nothing of the input is left, and
    /// another execution may follow.
    InputRefused(InputRefusal),
    /// The program's first instruction is about to run.
    Started {
        /// The execution.
        id: u64,
    },
    /// Output of the program.
    Output {
        /// Which stream.
        stream: OutputStream,
        /// At most [`CHUNK_BYTES_MAX`] bytes.
        #[serde(borrow, with = "serde_bytes")]
        data: &'a [u8],
    },
    /// The program and everything it started are dead.
    Ended(Report),
    /// Opens an output file; its content follows as [`GuestMessage::FileData`].
    File {
        /// Relative path below the output directory.
        path: String,
        /// Exact length in bytes of the content that follows.
        size_bytes: u64,
    },
    /// A piece of the output file opened last.
    FileData {
        /// At most [`CHUNK_BYTES_MAX`] bytes.
        #[serde(borrow, with = "serde_bytes")]
        data: &'a [u8],
    },
    /// An entry of the output directory that is not returned.
    Skipped {
        /// Its path; bytes that are not UTF-8 are replaced.
        path: String,
        /// Why.
        reason: SkipReason,
    },
    /// Everything of this execution has been sent.
    Finished {
        /// The execution.
        id: u64,
        /// Entries left out without a [`GuestMessage::Skipped`] because there were too many.
        skipped_more: u64,
    },
    /// The agent failed, not the program; the sandbox ends.
    Fault {
        /// The step, in the infinitive.
        step: String,
        /// The operating system's message.
        detail: String,
    },
    /// A file was put, removed, or sent whole.
    FileDone {
        /// The operation.
        id: u64,
    },
    /// A file operation had no effect, or its content is incomplete. The sandbox can still be used.
    FileFailed(FileFailure),
    /// Opens the file that was requested; its content follows as [`GuestMessage::FileContent`].
    FileHeader {
        /// The operation.
        id: u64,
        /// Exact length in bytes of the content that follows.
        size_bytes: u64,
        /// Time of the last modification in microseconds since 1970-01-01 UTC, at most
        /// [`crate::MODIFIED_US_MAX`].
        modified_us: u64,
    },
    /// A piece of the file that was requested.
    FileContent {
        /// 1 to [`CHUNK_BYTES_MAX`] bytes.
        #[serde(borrow, with = "serde_bytes")]
        data: &'a [u8],
    },
    /// An entry of the directory that is listed, after the one before by name.
    Entry(DirectoryEntry),
    /// All entries have been sent.
    Listed {
        /// The operation.
        id: u64,
        /// Further entries after the last one sent.
        more: u64,
        /// Entries of the directory that are not listed because their names are not UTF-8, which no path can
        /// name.
        names_not_utf8: u64,
    },
}

/// Why an input file could not be created in the sandbox: the request's fault, not an internal error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRefusal {
    /// The cause.
    pub cause: InputCause,
    /// The file's path.
    pub path: String,
    /// State of the writable file system.
    pub disk: DiskState,
}

/// Why an input file could not be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InputCause {
    /// Not enough space on the writable file system, in bytes or in inodes.
    NoRoom,
    /// Not enough memory.
    NoMemory,
    /// The path is not possible here: a part of it is a file, it exists already, or it is too long.
    Path,
}

/// Where a sandbox's interpreter came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InterpreterOrigin {
    /// It was started for this sandbox.
    Started,
    /// A template forked it.
    Forked,
    /// Started for this sandbox, since the requested template provided none.
    StartedInstead {
        /// Why the template provided none: the operating system's message.
        reason: String,
    },
}

/// One of the two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OutputStream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// Whether and why the agent ended the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// The program ended by itself, or something other than the agent killed it.
    Itself,
    /// Its wall-clock time was over.
    WallTime,
    /// The host requested it, or is gone.
    Cancelled,
    /// It wrote more than `output_total_bytes_max`.
    OutputTotal,
    /// It had more processes and threads than the agent's limit.
    Processes,
}

/// The result of wait(2) for the program's first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitStatus {
    /// It exited with this code, 0 to 255.
    Exited(u8),
    /// This signal ended it.
    Signaled(u8),
}

/// How an execution ended, with the evidence for a verdict. Facts only: the host decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The execution.
    pub id: u64,
    /// How the first process ended.
    pub status: WaitStatus,
    /// Whether and why the agent ended it.
    pub reason: EndReason,
    /// From the program's first instruction to its end, CLOCK_MONOTONIC, in microseconds.
    pub wall_time_us: u64,
    /// User and system time of all reaped processes, in microseconds.
    pub cpu_time_us: u64,
    /// Largest resident set of one process (`ru_maxrss`) in bytes; executors with a cgroup have a better
    /// value.
    pub resident_bytes_peak: u64,
    /// Bytes the program wrote to stdout, kept or not.
    pub stdout_bytes: u64,
    /// Bytes the program wrote to stderr, kept or not.
    pub stderr_bytes: u64,
    /// The interpreter's note on the exception that ended the program; the program can forge it. At most
    /// [`NOTE_BYTES_MAX`] bytes; empty if there is none. The format is that of `runtime/runner/errors.py`.
    #[serde(with = "serde_bytes")]
    pub note: Vec<u8>,
    /// Whether the program was ended by its wall-clock limit after using almost no CPU time in the last part
    /// of its time.
    pub waited: bool,
    /// Whether a process of the sandbox sent SIGKILL to the program's first process, or to a group that may
    /// contain it. False where the agent is not notified.
    pub killed_itself: bool,
    /// Blocked system calls, the latest last; at most [`DENIED_CALLS_MAX`].
    pub denied: Vec<DeniedCall>,
    /// State of the writable file system at the end.
    pub disk: DiskState,
    /// Counters of the sandbox's own cgroup, if the agent can read it.
    pub counters: Option<Counters>,
}

/// Counters of a cgroup over its lifetime. The agent reports them where the host cannot read the sandbox's
/// cgroup, as for a container of a remote engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Processes killed by the kernel's out-of-memory killer.
    pub oom_kills: u64,
    /// Most memory used at once, in bytes, including cached files.
    pub memory_bytes_peak: Option<u64>,
    /// Cached files at the end, in bytes.
    pub file_cache_bytes: u64,
    /// Forks that failed because of the process limit.
    pub pids_limit_hits: u64,
    /// Most processes and threads at once, including the agent.
    pub pids_peak: Option<u64>,
}

/// Longest note on how a program ended, in bytes: an exception with its notes and causes fits.
pub const NOTE_BYTES_MAX: usize = 4096;

/// How many of the `output_bytes_max` bytes kept of a stream are its first ones, if the stream is longer.
#[must_use]
pub const fn head_bytes(output_bytes_max: u64) -> u64 {
    output_bytes_max - output_bytes_max / 2
}

/// Most distinct blocked system calls recorded: more would add no information.
pub const DENIED_CALLS_MAX: usize = 16;

/// A system call blocked by the filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedCall {
    /// Its name, such as `socket`.
    pub name: String,
    /// How often it was blocked.
    pub count: u64,
}

/// Usage of the writable file system when the program ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskState {
    /// Its size in bytes.
    pub bytes_max: u64,
    /// Bytes in use.
    pub bytes_used: u64,
    /// Its number of inodes.
    pub inodes_max: u64,
    /// Inodes in use.
    pub inodes_used: u64,
}

/// Why an entry of the output directory was not returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// A symbolic link.
    Symlink,
    /// A file with a second name outside the output directory.
    HardLink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
    /// The name is not UTF-8.
    NameNotUtf8,
    /// Larger than one file may be.
    TooLarge,
    /// Would exceed the total size limit.
    TotalTooLarge,
    /// More files than allowed.
    TooMany,
    /// Deeper than the agent walks.
    TooDeep,
    /// It could not be opened or read.
    Unreadable,
    /// A file left below `/tmp`, but outside the output directory.
    NotInOutput,
}

impl SkipReason {
    /// The name used by the API and the logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Symlink => "symlink",
            Self::HardLink => "hard_link",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::Device => "device",
            Self::NameNotUtf8 => "name_not_utf8",
            Self::TooLarge => "too_large",
            Self::TotalTooLarge => "total_too_large",
            Self::TooMany => "too_many",
            Self::TooDeep => "too_deep",
            Self::Unreadable => "unreadable",
            Self::NotInOutput => "not_in_output",
        }
    }
}
