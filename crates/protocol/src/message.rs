//! The messages. The order of variants and of fields is the wire format. It is append-only: a message is never changed or
//! removed, new ones are added at the end of their enum, and a field is added by a new message. `frames.txt` holds a frame of
//! each; the test `frames_stay_as_they_are` fails when one changes.

use serde::{Deserialize, Serialize};

/// Longest piece of bulk data (code, stdin, file content, output) in one message, in bytes. Large enough that
/// a 50 MiB file is under a thousand messages, small enough that one never fills a socket buffer for long.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Longest path of an input or output file in bytes (`PATH_MAX` of Linux, limits.h).
pub const PATH_BYTES_MAX: usize = 4096;

/// What the host says. Bulk data is borrowed: encoding copies it into the frame, decoding leaves it there.
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
    /// A piece of the input file that was opened last.
    InputData {
        /// At most [`CHUNK_BYTES_MAX`] bytes.
        #[serde(borrow, with = "serde_bytes")]
        data: &'a [u8],
    },
    /// All input of the execution that was announced last is there: run it.
    Start,
    /// End the program now; what it printed and wrote is still returned. One that has ended already is not meant.
    Cancel {
        /// The execution.
        id: u64,
    },
    /// Send SIGINT to the program's first process, as Ctrl-C in a terminal does. One that has ended already is not meant.
    Interrupt {
        /// The execution.
        id: u64,
    },
}

/// An execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Its number, which the host chooses. Larger than that of the one before in this sandbox.
    pub id: u64,
    /// How the program is run.
    pub mode: Mode,
    /// Whether another execution may follow. If not, the agent ends after this one, and the sandbox with it.
    pub keep: bool,
    /// What it may use.
    pub header: ExecHeader,
}

/// How a program is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// As a file, by an interpreter of its own: what it left in memory ends with it.
    Script,
}

/// What one execution may use and how it is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecHeader {
    /// Wall-clock time for the program alone, in milliseconds, from its first instruction.
    pub wall_time_ms_max: u64,
    /// Bytes kept of each of stdout and stderr: where there are more, the first [`head_bytes`] and the last of them. The
    /// rest is counted and dropped.
    pub output_bytes_max: u64,
    /// Bytes that both streams together may write before the program is ended; 0 = no such limit.
    pub output_total_bytes_max: u64,
    /// Bytes of one output file.
    pub file_bytes_max: u64,
    /// Bytes of all output files together.
    pub files_total_bytes_max: u64,
    /// Number of output files.
    pub file_count_max: u32,
    /// Environment variables that the program sees besides the runtime's own.
    pub env: Vec<(String, String)>,
}

/// What the agent says. Bulk data is borrowed, as in [`HostMessage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuestMessage<'a> {
    /// First message: the sandbox stands and waits.
    Ready {
        /// [`crate::PROTOCOL_VERSION`] of the agent.
        version: u32,
        /// Where the interpreter that waits in it came from.
        interpreter: InterpreterOrigin,
    },
    /// All input of this execution has arrived. Written to the stream before the program can run, so an execution whose
    /// stream ends without it did not start, if the stream loses nothing.
    Accepted {
        /// The execution.
        id: u64,
    },
    /// An input file could not be put there, for what it is. The program did not run and the sandbox ends.
    InputRefused(InputRefusal),
    /// The program's first instruction is about to run.
    Started {
        /// The execution.
        id: u64,
    },
    /// What the program printed.
    Output {
        /// Which stream.
        stream: OutputStream,
        /// At most [`CHUNK_BYTES_MAX`] bytes.
        #[serde(borrow, with = "serde_bytes")]
        data: &'a [u8],
    },
    /// The program and all that it started are dead.
    Ended(Report),
    /// Opens an output file; its content follows as [`GuestMessage::FileData`].
    File {
        /// Relative path below the output directory.
        path: String,
        /// Exact length in bytes of the content that follows.
        size_bytes: u64,
    },
    /// A piece of the output file that was opened last.
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
    /// Everything of this execution was sent.
    Finished {
        /// The execution.
        id: u64,
        /// Entries that were left out without a [`GuestMessage::Skipped`], as there were too many.
        skipped_more: u64,
    },
    /// The agent failed, not the program; the sandbox ends.
    Fault {
        /// The step, in the infinitive.
        step: String,
        /// The operating system's message.
        detail: String,
    },
}

/// Why an input file could not be put into the sandbox. The request's fault, not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRefusal {
    /// What stands in the way.
    pub cause: InputCause,
    /// The file's path.
    pub path: String,
    /// State of the writable file system.
    pub disk: DiskState,
}

/// What stands in the way of an input file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InputCause {
    /// The writable file system has no room for it, in bytes or in inodes.
    NoRoom,
    /// There is no memory for it.
    NoMemory,
    /// A file cannot have this path here: a part of it is a file, it is there already, or it is too long.
    Path,
}

/// Where a sandbox's interpreter came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InterpreterOrigin {
    /// It was started for this sandbox.
    Started,
    /// A template forked it.
    Forked,
    /// It was started for this sandbox, since the template that was asked for gave none.
    StartedInstead {
        /// Why the template gave none, in the operating system's words.
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

/// Why the agent ended the program, or that it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// The program ended by itself, or something other than the agent killed it.
    Itself,
    /// Its wall-clock time was over.
    WallTime,
    /// The host asked, or went away.
    Cancelled,
    /// It wrote more than `output_total_bytes_max`.
    OutputTotal,
    /// It had more processes and threads than the agent was told to allow.
    Processes,
}

/// What wait(2) said of the program's first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitStatus {
    /// It exited with this code, 0 to 255.
    Exited(u8),
    /// This signal ended it.
    Signaled(u8),
}

/// How an execution ended, with the evidence for a verdict. Facts only: the host judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The execution.
    pub id: u64,
    /// The first process's end.
    pub status: WaitStatus,
    /// Whether and why the agent ended it.
    pub reason: EndReason,
    /// From the program's first instruction to its end, CLOCK_MONOTONIC, in microseconds.
    pub wall_time_us: u64,
    /// User and system time of all processes that were waited for, in microseconds.
    pub cpu_time_us: u64,
    /// Largest resident set of one process (`ru_maxrss`) in bytes; executors with a cgroup know better.
    pub resident_bytes_peak: u64,
    /// Bytes the program wrote to stdout, kept or not.
    pub stdout_bytes: u64,
    /// Bytes the program wrote to stderr, kept or not.
    pub stderr_bytes: u64,
    /// What the interpreter said of the exception that ended the program: the program's own word, which it may forge. At
    /// most [`NOTE_BYTES_MAX`] bytes; empty where there is none. The form is that of `runtime/runner/errors.py`.
    #[serde(with = "serde_bytes")]
    pub note: Vec<u8>,
    /// The program used next to no CPU time in the last part of its time before it was ended for that.
    pub waited: bool,
    /// A process of the sandbox sent SIGKILL to the program's first one, or to a group that may hold it. False where the
    /// agent does not hear of it.
    pub killed_itself: bool,
    /// System calls that the filter refused, the latest refusal last; at most [`DENIED_CALLS_MAX`].
    pub denied: Vec<DeniedCall>,
    /// State of the writable file system at the end.
    pub disk: DiskState,
    /// What the sandbox's own control group counted, where the agent can read it.
    pub counters: Option<Counters>,
}

/// What a control group counted over its life. A sandbox that lives in one which the host cannot read, such as a
/// container behind an engine, tells it by its agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Processes that the kernel killed for memory.
    pub oom_kills: u64,
    /// Most memory held at once, in bytes, cached files included.
    pub memory_bytes_peak: Option<u64>,
    /// Cached files at the end, in bytes.
    pub file_cache_bytes: u64,
    /// Forks that were refused for the process limit.
    pub pids_limit_hits: u64,
    /// Most processes and threads at once, the agent included.
    pub pids_peak: Option<u64>,
}

/// Bytes of the note on how a program ended: an exception with its notes and causes fits.
pub const NOTE_BYTES_MAX: usize = 4096;

/// How many of the `output_bytes_max` bytes that are kept of a stream are its first ones, where it has more.
#[must_use]
pub const fn head_bytes(output_bytes_max: u64) -> u64 {
    output_bytes_max - output_bytes_max / 2
}

/// Distinct refused system calls that are remembered: more says nothing new.
pub const DENIED_CALLS_MAX: usize = 16;

/// A system call that the filter refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedCall {
    /// Its name, such as `socket`.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// How full the writable file system was when the program ended.
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
    /// Would bring the total over its limit.
    TotalTooLarge,
    /// More files than allowed.
    TooMany,
    /// Deeper than the agent walks.
    TooDeep,
    /// It could not be opened or read.
    Unreadable,
    /// A file that was left below `/tmp`, but not in the output directory.
    NotInOutput,
}

impl SkipReason {
    /// The word that the API and the logs use.
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
