//! Decides how an execution ended. Pure: facts in, verdict out.
//!
//! The facts are the wait status, the agent's actions and observations, and the kernel's counters. What the
//! program says about itself (its exception, [`Note`]) only decides whether a fact explains this end: a
//! blocked system call that the program handled, before it failed for another reason, ended nothing. It never
//! makes a limit out of nothing, nor a success out of a failure.
//!
//! A verdict is a cause with numbers. Sentences, hints and the names of settings are added where the answer
//! is rendered.

use crate::note::{Note, Record};
use crate::{ExecLimits, KernelCounts, SandboxLimits, SharedMemory};
use protocol::{EndReason, Report, WaitStatus};
use std::time::Duration;

/// Exit code of a timeout, as in timeout(1).
const EXIT_CODE_TIMEOUT: i32 = 124;
/// Exit code of a killed program: 128 + SIGKILL.
const EXIT_CODE_KILLED: i32 = 128 + SIGKILL as i32;

/// errno of a full file system, a full process table and a blocked system call (errno(3), the same on all
/// Linux architectures).
const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;
const EAGAIN: i32 = 11;
const EPERM: i32 = 1;

const SIGKILL: u8 = 9;
/// SIGSYS on x86_64 and aarch64: the signal of a system call that the filter kills for.
const SIGSYS: u8 = 31;

/// How an execution ended, with everything that an explanation of it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Why it ended.
    pub cause: Cause,
    /// The program's own code; 128+N after signal N; 124 after a timeout; 137 out of memory (contract).
    pub exit_code: i32,
    /// The limit that ended it, with its numbers.
    pub limit: Option<LimitHit>,
    /// The interpreter's note about the exception that ended the program: not trusted.
    pub note: Note,
    /// Blocked system calls, the latest last.
    pub denied: Vec<String>,
    /// What the kernel counted.
    pub evidence: KernelCounts,
    /// What the execution was allowed.
    pub exec: ExecLimits,
    /// Limits of the sandbox.
    pub sandbox: SandboxLimits,
}

/// Why an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// By itself: with an exit code, or with an uncaught exception.
    Exited,
    /// Its wall-clock time was over.
    Timeout {
        /// A blocked system call that it may have waited for: it did nothing else by then.
        waited_after: Option<String>,
    },
    /// The kernel killed for lack of memory.
    OutOfMemory {
        /// The killed part.
        killed: Killed,
        /// Not for the sandbox's own limit but for the memory that sandboxes share.
        shared: Option<SharedMemory>,
        /// The program waited for what had been killed, until its time was over.
        then_waited: bool,
    },
    /// It could not start another process or thread.
    ProcessLimit {
        /// The program waited for what could not start, until its time was over.
        then_waited: bool,
    },
    /// Its writable file system was full, or a file too large.
    DiskLimit {
        /// Its input files already filled it, so it was not started.
        inputs: bool,
    },
    /// It wrote more output than the operator allows.
    OutputLimit,
    /// A blocked system call ended it.
    DeniedSyscall {
        /// The call's name.
        name: String,
    },
    /// A signal ended it.
    Signal {
        /// The signal's number.
        number: u8,
    },
    /// The guest kernel beneath it exited; that kernel is a process with limits itself.
    KernelEnded,
    /// The client went away, or the service is stopping.
    Cancelled,
}

/// What was killed for lack of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Killed {
    /// The program's first process.
    Program,
    /// Another of its processes.
    Process,
    /// Nothing of the program: its input files used the memory up, so it was not started.
    Inputs,
}

/// The contract's name for how an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "docs/api.md explains the names; `Cause` has the details")]
pub enum OutcomeKind {
    Exited,
    Timeout,
    OutOfMemory,
    ProcessLimit,
    DiskLimit,
    OutputLimit,
    DeniedSyscall,
    Signal,
    Cancelled,
}

impl OutcomeKind {
    /// All, in the sequence of `docs/api.md`.
    pub const ALL: [Self; 9] = [
        Self::Exited,
        Self::Timeout,
        Self::OutOfMemory,
        Self::ProcessLimit,
        Self::DiskLimit,
        Self::OutputLimit,
        Self::DeniedSyscall,
        Self::Signal,
        Self::Cancelled,
    ];

    /// As the API spells it.
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

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitHit {
    /// The limit.
    pub limit: Limit,
    /// Its value, in [`Limit::unit`].
    pub value: u64,
    /// The amount used when it was reached, if measured.
    pub used: Option<u64>,
}

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Wall-clock time of an execution.
    WallTime,
    /// Memory of a sandbox.
    Memory,
    /// Memory that all sandboxes share.
    MemoryTotal,
    /// Processes and threads of a sandbox.
    Pids,
    /// Bytes in the writable file system.
    DiskBytes,
    /// Files and directories in the writable file system.
    DiskInodes,
    /// Bytes written to stdout and stderr.
    Output,
}

impl Limit {
    /// Its name as the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WallTime => "wall_time",
            Self::Memory => "memory",
            Self::MemoryTotal => "memory_total",
            Self::Pids => "pids",
            Self::DiskBytes | Self::DiskInodes => "disk",
            Self::Output => "output",
        }
    }

    /// The unit of its numbers.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::WallTime => "milliseconds",
            Self::Memory | Self::MemoryTotal | Self::DiskBytes | Self::Output => "bytes",
            Self::Pids => "processes",
            Self::DiskInodes => "files",
        }
    }
}

impl Verdict {
    /// A verdict without a report of the guest, and so without a note.
    fn unreported(
        cause: Cause,
        exit_code: i32,
        limit: Option<LimitHit>,
        (evidence, exec, sandbox): (KernelCounts, &ExecLimits, &SandboxLimits),
    ) -> Self {
        let (note, denied, exec, sandbox) = (Note::default(), Vec::new(), *exec, *sandbox);
        Self { cause, exit_code, limit, note, denied, evidence, exec, sandbox }
    }

    /// True if and only if the program exited by itself with exit code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.cause == Cause::Exited && self.exit_code == 0
    }

    /// True only where the same program could succeed if sent again.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.cause == Cause::Cancelled
    }

    /// The contract's name for the cause.
    #[must_use]
    pub fn kind(&self) -> OutcomeKind {
        match &self.cause {
            Cause::Exited => OutcomeKind::Exited,
            Cause::Timeout { .. } => OutcomeKind::Timeout,
            Cause::OutOfMemory { .. } => OutcomeKind::OutOfMemory,
            Cause::ProcessLimit { .. } => OutcomeKind::ProcessLimit,
            Cause::DiskLimit { .. } => OutcomeKind::DiskLimit,
            Cause::OutputLimit => OutcomeKind::OutputLimit,
            Cause::DeniedSyscall { .. } => OutcomeKind::DeniedSyscall,
            Cause::Signal { .. } | Cause::KernelEnded => OutcomeKind::Signal,
            Cause::Cancelled => OutcomeKind::Cancelled,
        }
    }

    /// The signal that ended it, by number.
    #[must_use]
    pub fn signal(&self) -> Option<u8> {
        match self.cause {
            Cause::Signal { number } => Some(number),
            Cause::KernelEnded => Some(SIGKILL),
            _ => None,
        }
    }

    /// The blocked system call that ended it, by name.
    #[must_use]
    pub fn syscall(&self) -> Option<&str> {
        match &self.cause {
            Cause::DeniedSyscall { name } => Some(name),
            _ => None,
        }
    }

    /// The exception that ended the program, as its interpreter reported it: not trusted.
    #[must_use]
    pub fn exception(&self) -> Option<&Record> {
        self.note.raised()
    }
}

/// Everything that a verdict is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The agent's report.
    pub report: &'a Report,
    /// What the kernel counted.
    pub evidence: KernelCounts,
    /// What the execution was allowed.
    pub exec: &'a ExecLimits,
    /// Limits of the sandbox.
    pub sandbox: &'a SandboxLimits,
}

/// The verdict on an execution with a report of the agent.
#[must_use]
pub fn classify(facts: &Facts<'_>) -> Verdict {
    let Facts { report, evidence, exec, sandbox } = *facts;
    let exited = matches!((report.reason, report.status), (EndReason::Itself, WaitStatus::Exited(1..)));
    let note = if exited { Note::parse(&report.note) } else { Note::default() };
    let (cause, exit_code) = match (report.reason, report.status) {
        (EndReason::Cancelled, _) => (Cause::Cancelled, EXIT_CODE_KILLED),
        (EndReason::WallTime, _) => timeout_or_its_cause(facts),
        (EndReason::OutputTotal, _) => (Cause::OutputLimit, EXIT_CODE_KILLED),
        (EndReason::Processes, _) => (Cause::ProcessLimit { then_waited: false }, EXIT_CODE_KILLED),
        (EndReason::Itself, WaitStatus::Signaled(SIGKILL))
            if evidence.oom_kills > 0 && !report.killed_itself =>
        {
            (out_of_memory(Killed::Program, evidence), EXIT_CODE_KILLED)
        }
        (EndReason::Itself, WaitStatus::Signaled(number)) => {
            let refused = if number == SIGSYS { last_denied(report) } else { None };
            (refused.unwrap_or(Cause::Signal { number }), 128 + i32::from(number))
        }
        (EndReason::Itself, WaitStatus::Exited(0)) => (Cause::Exited, 0),
        (EndReason::Itself, WaitStatus::Exited(code)) => {
            (fact_that_explains(facts, &note).unwrap_or(Cause::Exited), i32::from(code))
        }
    };
    let limit = limit_of(&cause, facts);
    let denied = report.denied.iter().map(|call| call.name.clone()).collect();
    Verdict { cause, exit_code, limit, note, denied, evidence, exec: *exec, sandbox: *sandbox }
}

/// The time was over. A program that only waited by then, after the kernel had killed one of its processes
/// for memory or denied it another, waited for something that could never come: that limit is the cause.
fn timeout_or_its_cause(facts: &Facts<'_>) -> (Cause, i32) {
    let (report, evidence) = (facts.report, facts.evidence);
    if report.waited && evidence.oom_kills > 0 {
        let shared = evidence.memory_shared;
        return (Cause::OutOfMemory { killed: Killed::Process, shared, then_waited: true }, EXIT_CODE_KILLED);
    }
    if report.waited && evidence.pids_limit_hits > 0 {
        return (Cause::ProcessLimit { then_waited: true }, EXIT_CODE_TIMEOUT);
    }
    let refused = report.denied.last().filter(|_| report.waited);
    (Cause::Timeout { waited_after: refused.map(|call| call.name.clone()) }, EXIT_CODE_TIMEOUT)
}

/// The limit or blocked system call that the kernel counted and that explains the exception which ended the
/// program.
fn fact_that_explains(facts: &Facts<'_>, note: &Note) -> Option<Cause> {
    let raised_with = |numbers: &[i32]| note.exceptions().any(|record| numbers.contains(&record.errno));
    let says = |word: &str| note.exceptions().any(|record| record.text.contains(word));
    let is = |name: &str| note.exceptions().any(|record| record.type_name.ends_with(name));
    if disk_is_full(facts) && (raised_with(&[ENOSPC, EDQUOT]) || says("disk is full")) {
        return Some(Cause::DiskLimit { inputs: false });
    }
    if facts.evidence.pids_limit_hits > 0
        && (raised_with(&[EAGAIN]) || says("can't start new thread") || says("can't allocate lock"))
    {
        return Some(Cause::ProcessLimit { then_waited: false });
    }
    if facts.evidence.oom_kills > 0 && (is("BrokenProcessPool") || is("CalledProcessError")) {
        return Some(out_of_memory(Killed::Process, facts.evidence));
    }
    // A blocked system call has EPERM and names no file.
    let refused = note.exceptions().any(|record| record.errno == EPERM && record.file.is_empty());
    if refused || is("gaierror") {
        return last_denied(facts.report);
    }
    None
}

fn out_of_memory(killed: Killed, evidence: KernelCounts) -> Cause {
    Cause::OutOfMemory { killed, shared: evidence.memory_shared, then_waited: false }
}

fn last_denied(report: &Report) -> Option<Cause> {
    Some(Cause::DeniedSyscall { name: report.denied.last()?.name.clone() })
}

/// The numbers of the limit that a cause names.
fn limit_of(cause: &Cause, facts: &Facts<'_>) -> Option<LimitHit> {
    let Facts { report, evidence, exec, sandbox } = *facts;
    match cause {
        Cause::Timeout { .. } => Some(wall_time(exec, report.wall_time_us / 1000)),
        Cause::OutOfMemory { .. } => Some(memory(evidence, sandbox)),
        Cause::ProcessLimit { .. } => Some(LimitHit {
            limit: Limit::Pids,
            value: u64::from(sandbox.pids_max),
            used: evidence.pids_peak,
        }),
        Cause::DiskLimit { .. } => {
            let disk = report.disk;
            let inodes = disk.inodes_max > 0 && disk.inodes_used >= disk.inodes_max;
            Some(if inodes {
                LimitHit { limit: Limit::DiskInodes, value: disk.inodes_max, used: Some(disk.inodes_used) }
            } else {
                LimitHit { limit: Limit::DiskBytes, value: sandbox.disk_bytes, used: Some(disk.bytes_used) }
            })
        }
        Cause::OutputLimit => Some(LimitHit {
            limit: Limit::Output,
            value: exec.output_total_bytes_max,
            used: Some(report.stdout_bytes.saturating_add(report.stderr_bytes)),
        }),
        Cause::Exited
        | Cause::DeniedSyscall { .. }
        | Cause::Signal { .. }
        | Cause::KernelEnded
        | Cause::Cancelled => None,
    }
}

fn wall_time(exec: &ExecLimits, used_ms: u64) -> LimitHit {
    let value = u64::try_from(exec.wall_time.as_millis()).unwrap_or(u64::MAX);
    LimitHit { limit: Limit::WallTime, value, used: Some(used_ms) }
}

fn memory(evidence: KernelCounts, sandbox: &SandboxLimits) -> LimitHit {
    match evidence.memory_shared {
        Some(shared) => LimitHit {
            limit: Limit::MemoryTotal,
            value: shared.bytes_max.unwrap_or(sandbox.memory_bytes),
            used: None,
        },
        None => {
            LimitHit { limit: Limit::Memory, value: sandbox.memory_bytes, used: evidence.memory_bytes_peak }
        }
    }
}

/// The verdict on a program that was ended before it started because its caller is gone.
#[must_use]
pub fn cancelled(exec: &ExecLimits) -> Verdict {
    let facts = (KernelCounts::default(), exec, &SandboxLimits::UNKNOWN);
    Verdict::unreported(Cause::Cancelled, EXIT_CODE_KILLED, None, facts)
}

/// The verdict where the kernel killed for lack of memory and the agent was lost.
#[must_use]
pub fn memory_exceeded(
    killed: Killed,
    evidence: KernelCounts,
    exec: &ExecLimits,
    sandbox: &SandboxLimits,
) -> Verdict {
    let limit = Some(memory(evidence, sandbox));
    Verdict::unreported(out_of_memory(killed, evidence), EXIT_CODE_KILLED, limit, (evidence, exec, sandbox))
}

/// The verdict on a program whose time was over after `used`, and whose agent was lost.
#[must_use]
pub fn timed_out(
    used: Duration,
    evidence: KernelCounts,
    exec: &ExecLimits,
    sandbox: &SandboxLimits,
) -> Verdict {
    let limit = Some(wall_time(exec, u64::try_from(used.as_millis()).unwrap_or(u64::MAX)));
    let cause = Cause::Timeout { waited_after: None };
    Verdict::unreported(cause, EXIT_CODE_TIMEOUT, limit, (evidence, exec, sandbox))
}

/// The verdict on a program whose guest kernel exited.
#[must_use]
pub fn kernel_ended(evidence: KernelCounts, exec: &ExecLimits, sandbox: &SandboxLimits) -> Verdict {
    Verdict::unreported(Cause::KernelEnded, EXIT_CODE_KILLED, None, (evidence, exec, sandbox))
}

/// The verdict where the input files do not fit.
#[must_use]
pub(crate) fn inputs_too_large(
    limit: LimitHit,
    evidence: KernelCounts,
    exec: &ExecLimits,
    sandbox: &SandboxLimits,
) -> Verdict {
    // The exit code of a program that fails to write the files itself.
    Verdict::unreported(Cause::DiskLimit { inputs: true }, 1, Some(limit), (evidence, exec, sandbox))
}

/// Full to the last page or inode, or so full that the failed write did not fit.
fn disk_is_full(facts: &Facts<'_>) -> bool {
    let disk = facts.report.disk;
    let full = |used: u64, max: u64| max > 0 && used >= max - max / 64;
    full(disk.bytes_used, disk.bytes_max) || full(disk.inodes_used, disk.inodes_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{DeniedCall, DiskState};

    fn report(status: WaitStatus, note: &str) -> Report {
        Report {
            id: 1,
            status,
            reason: EndReason::Itself,
            wall_time_us: 1500,
            cpu_time_us: 1000,
            resident_bytes_peak: 1,
            stdout_bytes: 0,
            stderr_bytes: 0,
            note: note.as_bytes().to_vec(),
            waited: false,
            killed_itself: false,
            denied: vec![],
            disk: DiskState { bytes_max: 1 << 20, bytes_used: 4096, inodes_max: 100, inodes_used: 3 },
            counters: None,
        }
    }

    fn verdict(report: &Report, evidence: KernelCounts) -> Verdict {
        let sandbox = SandboxLimits {
            memory_bytes: 1 << 27,
            cpu_quota_us: 1,
            cpu_period_us: 1,
            pids_max: 50,
            disk_bytes: 1 << 20,
            disk_inodes: 100,
        };
        classify(&Facts { report, evidence, exec: &ExecLimits::default(), sandbox: &sandbox })
    }

    fn kind(report: &Report, evidence: KernelCounts) -> OutcomeKind {
        verdict(report, evidence).kind()
    }

    #[test]
    fn an_exit_by_itself_is_exited_with_its_own_code() {
        for code in [0u8, 1, 3, 124, 137, 255] {
            let found = verdict(&report(WaitStatus::Exited(code), ""), KernelCounts::default());
            assert_eq!((found.cause.clone(), found.exit_code), (Cause::Exited, i32::from(code)));
            assert_eq!(found.success(), code == 0);
        }
    }

    #[test]
    fn a_kill_within_its_own_limit_is_for_the_memory_of_all() {
        let killed = report(WaitStatus::Signaled(9), "");
        let shared = SharedMemory { bytes_max: Some(1 << 30) };
        let oom = KernelCounts {
            oom_kills: 1,
            memory_bytes_peak: Some(1 << 20),
            memory_shared: Some(shared),
            ..KernelCounts::default()
        };
        let found = verdict(&killed, oom);
        assert_eq!(
            (found.cause, found.exit_code),
            (Cause::OutOfMemory { killed: Killed::Program, shared: Some(shared), then_waited: false }, 137)
        );
        let limit = found.limit.unwrap();
        assert_eq!((limit.limit, limit.value), (Limit::MemoryTotal, 1 << 30));
    }

    #[test]
    fn only_a_kill_with_a_counted_oom_is_out_of_memory() {
        let killed = report(WaitStatus::Signaled(9), "");
        let oom = KernelCounts { oom_kills: 1, memory_bytes_peak: Some(1 << 27), ..KernelCounts::default() };
        let found = verdict(&killed, oom);
        assert_eq!((found.kind(), found.exit_code), (OutcomeKind::OutOfMemory, 137));
        let limit = found.limit.unwrap();
        assert_eq!((limit.limit, limit.value, limit.used), (Limit::Memory, 1 << 27, Some(1 << 27)));
        assert_eq!(kind(&killed, KernelCounts::default()), OutcomeKind::Signal);
        let itself = Report { killed_itself: true, ..killed };
        assert_eq!(
            kind(&itself, oom),
            OutcomeKind::Signal,
            "a worker ran out of memory, the program did not"
        );
        assert_eq!(kind(&report(WaitStatus::Exited(137), ""), oom), OutcomeKind::Exited);
    }

    #[test]
    fn the_agents_own_kill_wins_over_the_signal_it_used() {
        let mut ended = report(WaitStatus::Signaled(9), "");
        for (reason, kind, code) in [
            (EndReason::WallTime, OutcomeKind::Timeout, 124),
            (EndReason::Cancelled, OutcomeKind::Cancelled, 137),
            (EndReason::OutputTotal, OutcomeKind::OutputLimit, 137),
            (EndReason::Processes, OutcomeKind::ProcessLimit, 137),
        ] {
            ended.reason = reason;
            let found = verdict(&ended, KernelCounts::default());
            assert_eq!((found.kind(), found.exit_code), (kind, code));
            assert_eq!(found.retryable(), kind == OutcomeKind::Cancelled);
        }
    }

    fn raised(name: &str, errno: i32, text: &str) -> String {
        format!("raised\t{name}\t{errno}\t3\t__main__\t\t{text}")
    }

    #[test]
    fn a_denied_call_is_named_only_where_it_ended_the_program() {
        let mut ended =
            report(WaitStatus::Exited(1), &raised("PermissionError", 1, "Operation not permitted"));
        assert_eq!(kind(&ended, KernelCounts::default()), OutcomeKind::Exited, "nothing was refused");
        ended.denied =
            vec![DeniedCall { name: "bpf".into(), count: 1 }, DeniedCall { name: "socket".into(), count: 2 }];
        let found = verdict(&ended, KernelCounts::default());
        assert_eq!((found.kind(), found.syscall()), (OutcomeKind::DeniedSyscall, Some("socket")));
        assert_eq!(found.exception().and_then(|exception| exception.line), Some(3));
        // A file that Landlock denied, in a program whose library had tried a socket.
        ended.note = b"raised\tPermissionError\t13\t3\t\t/etc/x\tPermission denied".to_vec();
        assert_eq!(kind(&ended, KernelCounts::default()), OutcomeKind::Exited);
        // It was handled; what ended the program is its own.
        ended.note = raised("PermissionError", 0, "guest may not edit invoices").into_bytes();
        assert_eq!(kind(&ended, KernelCounts::default()), OutcomeKind::Exited);
        // An error of the network that a library wrapped.
        let wrapped =
            "raised\trequests.exceptions.ConnectionError\t0\t3\t\t\tx\ncontext\tPermissionError\t1\t0\t\t\ty";
        ended.note = wrapped.as_bytes().to_vec();
        assert_eq!(kind(&ended, KernelCounts::default()), OutcomeKind::DeniedSyscall);
        ended.note = b"exit\t\t0\t0\t\t\tPermissionError: [Errno 1] Operation not permitted".to_vec();
        assert_eq!(kind(&ended, KernelCounts::default()), OutcomeKind::Exited);
        ended.status = WaitStatus::Exited(0);
        assert_eq!(kind(&ended, KernelCounts::default()), OutcomeKind::Exited);
        ended.status = WaitStatus::Signaled(31);
        assert_eq!(kind(&ended, KernelCounts::default()), OutcomeKind::DeniedSyscall);
    }

    #[test]
    fn words_alone_are_no_limit() {
        let hit = KernelCounts { pids_limit_hits: 1, oom_kills: 1, ..KernelCounts::default() };
        let mut ended = report(WaitStatus::Exited(1), &raised("OSError", 28, "No space left on device"));
        assert_eq!(kind(&ended, hit), OutcomeKind::Exited, "/tmp is not full");
        ended.disk.bytes_used = ended.disk.bytes_max;
        assert_eq!(kind(&ended, hit), OutcomeKind::DiskLimit);
        ended.note = raised("sqlite3.OperationalError", 0, "database or disk is full").into_bytes();
        assert_eq!(kind(&ended, hit), OutcomeKind::DiskLimit);
        ended.note = raised("RuntimeError", 0, "upstream said: [Errno 28] quota").into_bytes();
        assert_eq!(kind(&ended, hit), OutcomeKind::Exited);
        ended.note = raised("RuntimeError", 0, "can't start new thread").into_bytes();
        assert_eq!(kind(&ended, hit), OutcomeKind::ProcessLimit);
        assert_eq!(kind(&ended, KernelCounts::default()), OutcomeKind::Exited);
        ended.note = raised("concurrent.futures.process.BrokenProcessPool", 0, "x").into_bytes();
        assert_eq!(kind(&ended, hit), OutcomeKind::OutOfMemory);
        assert_eq!(kind(&ended, KernelCounts::default()), OutcomeKind::Exited);
    }

    #[test]
    fn who_waited_for_what_a_limit_took_is_told_the_limit_and_the_time() {
        let mut ended = report(WaitStatus::Signaled(9), "");
        ended.reason = EndReason::WallTime;
        let oom = KernelCounts { oom_kills: 1, ..KernelCounts::default() };
        let refused = KernelCounts { pids_limit_hits: 3, ..KernelCounts::default() };
        assert_eq!(kind(&ended, oom), OutcomeKind::Timeout, "it worked until its time was over");
        ended.waited = true;
        assert_eq!(kind(&ended, KernelCounts::default()), OutcomeKind::Timeout);
        for (evidence, expected, limit, code) in [
            (oom, OutcomeKind::OutOfMemory, Limit::Memory, EXIT_CODE_KILLED),
            (refused, OutcomeKind::ProcessLimit, Limit::Pids, EXIT_CODE_TIMEOUT),
        ] {
            let found = verdict(&ended, evidence);
            assert_eq!((found.kind(), found.exit_code), (expected, code));
            assert_eq!(found.limit.unwrap().limit, limit);
            let (Cause::OutOfMemory { then_waited, .. } | Cause::ProcessLimit { then_waited }) = found.cause
            else {
                panic!("{found:?}");
            };
            assert!(then_waited, "the time is named too");
        }
        ended.denied = vec![DeniedCall { name: "socket".into(), count: 1 }];
        let found = verdict(&ended, KernelCounts::default());
        assert_eq!(found.cause, Cause::Timeout { waited_after: Some("socket".into()) });
        assert_eq!(found.syscall(), None);
    }
}
