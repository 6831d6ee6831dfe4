//! Judges how an execution ended. Pure: facts in, verdict out.
//!
//! The facts are the wait status, what the agent did and saw, and the kernel's counters. What the program says of itself
//! (its exception, [`Note`]) words the verdict. It also decides whether a fact explains this end: a refused call that the
//! program handled, before it failed over something else, ended nothing. It never makes a limit out of nothing, nor a
//! success out of a failure.

use crate::hints;
use crate::note::{Note, Role};
use crate::{Exception, ExecLimits, LimitHit, Outcome, OutcomeKind, SandboxLimits};
use protocol::{EndReason, Report, WaitStatus};

/// Exit code of a timeout, as timeout(1) has it.
pub const EXIT_CODE_TIMEOUT: i32 = 124;
/// Exit code of a program that the kernel killed for memory: 128 + SIGKILL.
pub const EXIT_CODE_OUT_OF_MEMORY: i32 = 137;

/// Characters of the sentence on an exception, with its notes and causes.
const MESSAGE_CHARS_MAX: usize = 600;

/// errno of what a full file system, a full process table and a refused call end with (errno(3), the same on all Linux).
const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;
const EAGAIN: i32 = 11;
const EPERM: i32 = 1;

const SIGKILL: u8 = 9;
/// SIGSYS on x86_64 and aarch64: what a system call that the filter kills for ends with.
const SIGSYS: u8 = 31;

/// What the executor itself measured, from outside the sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Processes that the kernel killed in this sandbox for memory.
    pub oom_kills: u64,
    /// Where none of them was for the sandbox's own limit: what it shares with others ran out.
    pub memory_shared: Option<SharedMemory>,
    /// Most memory the sandbox held, in bytes.
    pub memory_bytes_peak: Option<u64>,
    /// Cached pages of files at the end, in bytes: in the peak, but no need of the program.
    pub file_cache_bytes: u64,
    /// Times that a fork or clone was refused for the process limit.
    pub pids_limit_hits: u64,
    /// Most processes and threads at once.
    pub pids_peak: Option<u64>,
}

/// Memory that sandboxes have together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedMemory {
    /// Most that they have together, in bytes; `None` for no limit but what the host has.
    pub bytes_max: Option<u64>,
    /// The setting of that limit, such as `NATIVE_MEMORY_TOTAL`.
    pub setting: &'static str,
}

/// Which settings raise this executor's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingNames {
    /// Such as `NATIVE_MEMORY`.
    pub memory: &'static str,
    /// Such as `NATIVE_PIDS_LIMIT`.
    pub pids: &'static str,
    /// Such as `NATIVE_TMP_SIZE`.
    pub disk: &'static str,
    /// Such as `NATIVE_TMP_INODES`.
    pub inodes: &'static str,
}

/// Everything a verdict is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The agent's report.
    pub report: &'a Report,
    /// The executor's own measurements.
    pub evidence: Evidence,
    /// What the execution was allowed.
    pub exec: &'a ExecLimits,
    /// What the sandbox was allowed.
    pub sandbox: &'a SandboxLimits,
    /// The settings to name.
    pub settings: SettingNames,
}

/// The verdict and the exit code that the contract gives it.
#[must_use]
pub fn judge(facts: &Facts<'_>) -> (Outcome, i32) {
    let note = Note::parse(&facts.report.note);
    match (facts.report.reason, facts.report.status) {
        (EndReason::Cancelled, _) => (cancelled(), 128 + i32::from(SIGKILL)),
        (EndReason::WallTime, _) => timed_out_with_cause(facts),
        (EndReason::OutputTotal, _) => (output_limit(facts), 128 + i32::from(SIGKILL)),
        (EndReason::Processes, _) => (process_limit(facts), 128 + i32::from(SIGKILL)),
        (EndReason::Itself, WaitStatus::Signaled(SIGKILL))
            if facts.evidence.oom_kills > 0 && !facts.report.killed_itself =>
        {
            (out_of_memory(facts), EXIT_CODE_OUT_OF_MEMORY)
        }
        (EndReason::Itself, WaitStatus::Signaled(signal)) => {
            let outcome = if signal == SIGSYS { denied(facts) } else { None };
            (outcome.unwrap_or_else(|| signaled(signal)), 128 + i32::from(signal))
        }
        (EndReason::Itself, WaitStatus::Exited(code)) => (exited(facts, &note, code), i32::from(code)),
    }
}

/// The time was over. A program that only waited by then, after the kernel had killed one of its processes for memory or
/// refused it another, waited for what could never come: that limit is the cause.
fn timed_out_with_cause(facts: &Facts<'_>) -> (Outcome, i32) {
    let mut outcome = timeout(facts);
    let waited = |mut cause: Outcome, what: &str| {
        let message = outcome.message.clone().unwrap_or_default();
        cause.message = Some(format!("{what}; then it only waited: {message}"));
        cause
    };
    if facts.report.waited && facts.evidence.oom_kills > 0 {
        return (waited(out_of_memory(facts), &process_killed(facts)), EXIT_CODE_OUT_OF_MEMORY);
    }
    if facts.report.waited && facts.evidence.pids_limit_hits > 0 {
        let limit = process_limit(facts);
        let what = limit.message.clone().unwrap_or_default();
        return (waited(limit, &what), EXIT_CODE_TIMEOUT);
    }
    if facts.report.waited
        && let Some(refused) = denied(facts)
    {
        outcome.hint = Some(format!(
            "it was waiting when its time was up, perhaps for what the sandbox had refused: `{}`; {}",
            refused.syscall.unwrap_or_default(),
            refused.hint.unwrap_or_default()
        ));
    }
    (outcome, EXIT_CODE_TIMEOUT)
}

/// Whether an exception with one of these numbers ended the program or was part of what did.
fn raised_with(note: &Note, numbers: &[i32]) -> bool {
    note.exceptions().any(|record| numbers.contains(&record.errno))
}

fn exited(facts: &Facts<'_>, note: &Note, code: u8) -> Outcome {
    if code == 0 {
        return Outcome::of(OutcomeKind::Exited);
    }
    let exception = note.raised().map(|raised| Exception {
        type_name: raised.type_name.clone(),
        message: raised.text.clone(),
        line: raised.line,
    });
    let outcome = limit_that_explains(facts, note).unwrap_or_else(|| {
        let hint = hints::for_exception(note, facts);
        Outcome { hint, ..plain(OutcomeKind::Exited, describe(note, code)) }
    });
    Outcome { exception, ..outcome }
}

/// The limit or refused call that the kernel counted and that explains this exception.
fn limit_that_explains(facts: &Facts<'_>, note: &Note) -> Option<Outcome> {
    let says = |word: &str| note.exceptions().any(|record| record.text.contains(word));
    let is = |name: &str| note.exceptions().any(|record| record.type_name.ends_with(name));
    if disk_is_full(facts) && (raised_with(note, &[ENOSPC, EDQUOT]) || says("disk is full")) {
        return Some(disk_limit(facts));
    }
    if facts.evidence.pids_limit_hits > 0
        && (raised_with(note, &[EAGAIN]) || says("can't start new thread") || says("can't allocate lock"))
    {
        return Some(process_limit(facts));
    }
    if facts.evidence.oom_kills > 0 && (is("BrokenProcessPool") || is("CalledProcessError")) {
        return Some(Outcome { message: Some(process_killed(facts)), ..out_of_memory(facts) });
    }
    // A refused call has EPERM and names no file.
    let refused = note.exceptions().any(|record| record.errno == EPERM && record.file.is_empty());
    if refused || is("gaierror") {
        return denied(facts);
    }
    None
}

/// One sentence on an end by itself with a code that is not 0.
fn describe(note: &Note, code: u8) -> String {
    let Some(raised) = note.raised() else {
        return match note.first(Role::Exit) {
            Some(exit) if !exit.text.is_empty() => {
                format!("the program exited with code {code}: {}", exit.text)
            }
            _ => format!("the program exited with code {code}"),
        };
    };
    let mut sentence = format!("the program ended with {}", raised.summary());
    let mut members = 0;
    for record in note.records() {
        let more = match record.role {
            Role::Note => format!(" [{}]", record.text),
            Role::Member => {
                members += 1;
                format!("{} {}", if members == 1 { ", which holds" } else { ", and" }, record.summary())
            }
            Role::Cause => format!(", caused by {}", record.summary()),
            Role::Raised | Role::Context | Role::Exit | Role::Installed => continue,
        };
        sentence.push_str(&more);
    }
    shorten(&sentence, MESSAGE_CHARS_MAX)
}

fn plain(kind: OutcomeKind, message: String) -> Outcome {
    Outcome { message: Some(message), ..Outcome::of(kind) }
}

fn limited(kind: OutcomeKind, message: String, hint: String, limit: LimitHit) -> Outcome {
    Outcome { limit: Some(limit), hint: Some(hint), ..plain(kind, message) }
}

/// The verdict on a program that was ended because nobody waits for it any more.
#[must_use]
pub fn cancelled() -> Outcome {
    let message = "the program was ended because its client went away or the service is stopping".to_owned();
    Outcome { retryable: true, ..plain(OutcomeKind::Cancelled, message) }
}

fn timeout(facts: &Facts<'_>) -> Outcome {
    timed_out(facts.exec, facts.report.wall_time_us)
}

/// The verdict on a program whose wall-clock time was over after `used_us` microseconds.
#[must_use]
pub fn timed_out(exec: &ExecLimits, used_us: u64) -> Outcome {
    let seconds = exec.wall_time.as_secs_f64();
    let plural = if (seconds - 1.0).abs() < f64::EPSILON { "" } else { "s" };
    limited(
        OutcomeKind::Timeout,
        format!("the program did not end within {seconds} second{plural}"),
        "make it do less work, or send a larger `timeout` (at most MAX_TIMEOUT seconds)".to_owned(),
        LimitHit {
            name: "wall_time",
            value: u64::try_from(exec.wall_time.as_millis()).unwrap_or(u64::MAX),
            unit: "milliseconds",
            used: Some(used_us / 1000),
            setting: "MAX_TIMEOUT",
        },
    )
}

fn out_of_memory(facts: &Facts<'_>) -> Outcome {
    memory_exceeded(facts.sandbox, facts.evidence, facts.settings)
}

fn process_killed(facts: &Facts<'_>) -> String {
    match facts.evidence.memory_shared {
        Some(_) => {
            "a process of the program was killed, since the memory of all sandboxes together was used up"
                .to_owned()
        }
        None => format!(
            "a process of the program needed more than the {} bytes of memory of the sandbox and was killed",
            facts.sandbox.memory_bytes
        ),
    }
}

/// The verdict on a program that the kernel killed for memory.
#[must_use]
pub fn memory_exceeded(sandbox: &SandboxLimits, evidence: Evidence, settings: SettingNames) -> Outcome {
    if let Some(shared) = evidence.memory_shared {
        return shared_memory_exceeded(sandbox, shared, evidence);
    }
    limited(
        OutcomeKind::OutOfMemory,
        format!("the program needed more than its {} bytes of memory and was killed", sandbox.memory_bytes),
        format!(
            "work on smaller pieces of the data, or raise {}; files in /tmp count as memory",
            settings.memory
        ),
        LimitHit {
            name: "memory",
            value: sandbox.memory_bytes,
            unit: "bytes",
            used: evidence.memory_bytes_peak,
            setting: settings.memory,
        },
    )
}

/// The program stayed within its own limit.
fn shared_memory_exceeded(sandbox: &SandboxLimits, shared: SharedMemory, evidence: Evidence) -> Outcome {
    let own = match evidence.memory_bytes_peak {
        Some(peak) => format!("it had used {peak} of its {} bytes", sandbox.memory_bytes),
        None => format!("it had not used up its {} bytes", sandbox.memory_bytes),
    };
    limited(
        OutcomeKind::OutOfMemory,
        format!("the program was killed, since the memory of all sandboxes together was used up; {own}"),
        format!("run it again when fewer programs run, lower MAX_CONCURRENT, or raise {}", shared.setting),
        LimitHit {
            name: "memory_total",
            value: shared.bytes_max.unwrap_or(sandbox.memory_bytes),
            unit: "bytes",
            used: None,
            setting: shared.setting,
        },
    )
}

fn process_limit(facts: &Facts<'_>) -> Outcome {
    limited(
        OutcomeKind::ProcessLimit,
        format!(
            "the program tried to have more than {} processes and threads at once",
            facts.sandbox.pids_max
        ),
        format!("use fewer workers, or raise {}", facts.settings.pids),
        LimitHit {
            name: "pids",
            value: u64::from(facts.sandbox.pids_max),
            unit: "processes",
            used: facts.evidence.pids_peak,
            setting: facts.settings.pids,
        },
    )
}

fn disk_limit(facts: &Facts<'_>) -> Outcome {
    let disk = facts.report.disk;
    let inodes = disk.inodes_max > 0 && disk.inodes_used >= disk.inodes_max;
    let (value, used, unit, setting) = if inodes {
        (disk.inodes_max, disk.inodes_used, "files", facts.settings.inodes)
    } else {
        (facts.sandbox.disk_bytes, disk.bytes_used, "bytes", facts.settings.disk)
    };
    limited(
        OutcomeKind::DiskLimit,
        format!("the program wrote more than the {value} {unit} that /tmp may hold"),
        format!("write less, delete temporary files, or raise {setting}"),
        LimitHit { name: "disk", value, unit, used: Some(used), setting },
    )
}

fn output_limit(facts: &Facts<'_>) -> Outcome {
    let value = facts.exec.output_total_bytes_max;
    limited(
        OutcomeKind::OutputLimit,
        format!("the program wrote more than {value} bytes to stdout and stderr"),
        "print less, or write the data to a file in /tmp/output".to_owned(),
        LimitHit {
            name: "output",
            value,
            unit: "bytes",
            used: Some(facts.report.stdout_bytes.saturating_add(facts.report.stderr_bytes)),
            setting: "MAX_OUTPUT_TOTAL_SIZE",
        },
    )
}

fn denied(facts: &Facts<'_>) -> Option<Outcome> {
    let call = &facts.report.denied.last()?.name;
    Some(Outcome {
        syscall: Some(call.clone()),
        hint: Some(advice(call).to_owned()),
        ..plain(OutcomeKind::DeniedSyscall, format!("the sandbox does not allow the system call `{call}`"))
    })
}

/// What to do instead of a refused call.
fn advice(call: &str) -> &'static str {
    match call {
        "socket" | "sendto" => {
            "there is no network in the sandbox; send the data along in `files` or `stdin`"
        }
        "socketpair" => "local sockets work as streams: use socket.socketpair() without a type",
        "mount" | "umount2" | "unshare" | "setns" | "chroot" | "pivot_root" => {
            "the program cannot change its isolation; everything it may write is below /tmp"
        }
        "ptrace" | "process_vm_readv" | "process_vm_writev" => "debuggers do not work in the sandbox",
        _ => "find a way that does not need this call; no setting of the sandbox allows it",
    }
}

fn signaled(signal: u8) -> Outcome {
    let name = signal_name(signal);
    let hint = match signal {
        11 | 7 | 4 | 8 => Some("a native extension crashed, or the recursion was too deep".to_owned()),
        _ => None,
    };
    let message = format!("the program was ended by signal {signal} ({name})");
    Outcome { signal: Some(signal), hint, ..plain(OutcomeKind::Signal, message) }
}

/// Name of a signal, signal(7), for x86_64 and aarch64.
#[must_use]
pub fn signal_name(signal: u8) -> &'static str {
    const NAMES: [&str; 32] = [
        "0",
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    NAMES.get(usize::from(signal)).copied().unwrap_or("a real-time signal")
}

/// Full to the last page or inode, or so full that the write that failed did not fit.
fn disk_is_full(facts: &Facts<'_>) -> bool {
    let disk = facts.report.disk;
    let full = |used: u64, max: u64| max > 0 && used >= max - max / 64;
    full(disk.bytes_used, disk.bytes_max) || full(disk.inodes_used, disk.inodes_max)
}

fn shorten(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{DeniedCall, DiskState};

    const SETTINGS: SettingNames =
        SettingNames { memory: "MEM", pids: "PIDS", disk: "DISK", inodes: "INODES" };

    fn report(status: WaitStatus, note: &str) -> Report {
        Report {
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

    fn verdict(report: &Report, evidence: Evidence) -> (Outcome, i32) {
        let sandbox = SandboxLimits {
            memory_bytes: 1 << 27,
            cpu_quota_us: 1,
            cpu_period_us: 1,
            pids_max: 50,
            disk_bytes: 1 << 20,
            disk_inodes: 100,
        };
        judge(&Facts {
            report,
            evidence,
            exec: &ExecLimits::default(),
            sandbox: &sandbox,
            settings: SETTINGS,
        })
    }

    fn kind(report: &Report, evidence: Evidence) -> OutcomeKind {
        verdict(report, evidence).0.kind
    }

    #[test]
    fn an_exit_by_itself_is_exited_with_its_own_code() {
        for code in [0u8, 1, 3, 124, 137, 255] {
            let (outcome, exit_code) = verdict(&report(WaitStatus::Exited(code), ""), Evidence::default());
            assert_eq!((outcome.kind, exit_code), (OutcomeKind::Exited, i32::from(code)));
            assert_eq!(outcome.message.is_none(), code == 0);
        }
    }

    #[test]
    fn a_kill_within_its_own_limit_is_for_the_memory_of_all() {
        let killed = report(WaitStatus::Signaled(9), "");
        let shared = SharedMemory { bytes_max: Some(1 << 30), setting: "TOTAL" };
        let oom = Evidence {
            oom_kills: 1,
            memory_bytes_peak: Some(1 << 20),
            memory_shared: Some(shared),
            ..Evidence::default()
        };
        let (outcome, exit_code) = verdict(&killed, oom);
        assert_eq!((outcome.kind, exit_code), (OutcomeKind::OutOfMemory, 137));
        let message = outcome.message.unwrap();
        assert!(message.contains("all sandboxes together") && !message.contains("needed more"), "{message}");
        let limit = outcome.limit.unwrap();
        assert_eq!((limit.name, limit.value, limit.setting), ("memory_total", 1 << 30, "TOTAL"));
    }

    #[test]
    fn only_a_kill_with_a_counted_oom_is_out_of_memory() {
        let killed = report(WaitStatus::Signaled(9), "");
        let oom = Evidence { oom_kills: 1, memory_bytes_peak: Some(1 << 27), ..Evidence::default() };
        let (outcome, exit_code) = verdict(&killed, oom);
        assert_eq!((outcome.kind, exit_code), (OutcomeKind::OutOfMemory, 137));
        let limit = outcome.limit.unwrap();
        assert_eq!((limit.value, limit.used, limit.setting), (1 << 27, Some(1 << 27), "MEM"));
        assert_eq!(verdict(&killed, Evidence::default()).0.kind, OutcomeKind::Signal);
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
            let (outcome, exit_code) = verdict(&ended, Evidence::default());
            assert_eq!((outcome.kind, exit_code), (kind, code));
            assert_eq!(outcome.retryable, kind == OutcomeKind::Cancelled);
        }
    }

    fn raised(name: &str, errno: i32, text: &str) -> String {
        format!("raised\t{name}\t{errno}\t3\t__main__\t\t{text}")
    }

    #[test]
    fn a_denied_call_is_named_only_where_it_ended_the_program() {
        let mut ended =
            report(WaitStatus::Exited(1), &raised("PermissionError", 1, "Operation not permitted"));
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::Exited, "nothing was refused");
        ended.denied =
            vec![DeniedCall { name: "bpf".into(), count: 1 }, DeniedCall { name: "socket".into(), count: 2 }];
        let (outcome, _) = verdict(&ended, Evidence::default());
        assert_eq!((outcome.kind, outcome.syscall.as_deref()), (OutcomeKind::DeniedSyscall, Some("socket")));
        assert_eq!(outcome.exception.and_then(|exception| exception.line), Some(3));
        // A file that landlock refused, in a program whose library had tried a socket.
        ended.note = b"raised\tPermissionError\t13\t3\t\t/etc/x\tPermission denied".to_vec();
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::Exited);
        // It was handled; what ended the program is its own.
        ended.note = raised("PermissionError", 0, "guest may not edit invoices").into_bytes();
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::Exited);
        // An error of the network that a library wrapped.
        let wrapped =
            "raised\trequests.exceptions.ConnectionError\t0\t3\t\t\tx\ncontext\tPermissionError\t1\t0\t\t\ty";
        ended.note = wrapped.as_bytes().to_vec();
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::DeniedSyscall);
        ended.note = b"exit\t\t0\t0\t\t\tPermissionError: [Errno 1] Operation not permitted".to_vec();
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::Exited);
        ended.status = WaitStatus::Exited(0);
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::Exited);
        ended.status = WaitStatus::Signaled(31);
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::DeniedSyscall);
    }

    #[test]
    fn words_alone_are_no_limit() {
        let hit = Evidence { pids_limit_hits: 1, oom_kills: 1, ..Evidence::default() };
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
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::Exited);
        ended.note = raised("concurrent.futures.process.BrokenProcessPool", 0, "x").into_bytes();
        assert_eq!(kind(&ended, hit), OutcomeKind::OutOfMemory);
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::Exited);
    }

    #[test]
    fn who_waited_for_what_a_limit_took_is_told_the_limit_and_the_time() {
        let mut ended = report(WaitStatus::Signaled(9), "");
        ended.reason = EndReason::WallTime;
        let oom = Evidence { oom_kills: 1, ..Evidence::default() };
        let refused = Evidence { pids_limit_hits: 3, ..Evidence::default() };
        assert_eq!(kind(&ended, oom), OutcomeKind::Timeout, "it worked until its time was over");
        ended.waited = true;
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::Timeout);
        for (evidence, expected, limit, code) in [
            (oom, OutcomeKind::OutOfMemory, "memory", EXIT_CODE_OUT_OF_MEMORY),
            (refused, OutcomeKind::ProcessLimit, "pids", EXIT_CODE_TIMEOUT),
        ] {
            let (outcome, exit_code) = verdict(&ended, evidence);
            assert_eq!((outcome.kind, exit_code), (expected, code));
            assert_eq!(outcome.limit.unwrap().name, limit);
            assert!(outcome.message.unwrap().contains("did not end within"), "the time is said too");
        }
        ended.denied = vec![DeniedCall { name: "socket".into(), count: 1 }];
        let (outcome, _) = verdict(&ended, Evidence::default());
        assert_eq!((outcome.kind, outcome.syscall), (OutcomeKind::Timeout, None));
        assert!(outcome.hint.unwrap().contains("perhaps for what the sandbox had refused: `socket`"));
    }

    #[test]
    fn the_message_is_the_exception_with_what_belongs_to_it() {
        let message = |note: &str| {
            verdict(&report(WaitStatus::Exited(1), note), Evidence::default()).0.message.unwrap()
        };
        assert_eq!(message(""), "the program exited with code 1");
        assert_eq!(message("exit\t\t0\t0\t\t\tno rows"), "the program exited with code 1: no rows");
        assert_eq!(
            message(
                "raised\tKeyError\t0\t3\t\t\t'x'\nnote\t\t0\t0\t\t\tupload it\ncause\tValueError\t0\t1\t\t\ty"
            ),
            "the program ended with KeyError: 'x' [upload it], caused by ValueError: y"
        );
        assert_eq!(
            message("raised\tExceptionGroup\t0\t3\t\t\tmany\nmember\tA\t0\t1\t\t\t1\nmember\tB\t0\t1\t\t\t"),
            "the program ended with ExceptionGroup: many, which holds A: 1, and B"
        );
    }
}
