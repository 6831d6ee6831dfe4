//! Judges how an execution ended. Pure: facts in, verdict out.
//!
//! The facts are the wait status, what the agent did, the kernel's counters and the last line of stderr. A
//! program can shape only the last of these, and only to change the words about its own failure: it never
//! turns a failure into a success.

use crate::{ExecLimits, LimitHit, Outcome, OutcomeKind, SandboxLimits};
use protocol::{EndReason, Report, WaitStatus};

/// Exit code of a timeout, as timeout(1) has it.
pub const EXIT_CODE_TIMEOUT: i32 = 124;
/// Exit code of a program that the kernel killed for memory: 128 + SIGKILL.
pub const EXIT_CODE_OUT_OF_MEMORY: i32 = 137;

const SIGKILL: u8 = 9;
/// SIGSYS on x86_64 and aarch64: what a system call that the filter kills for ends with.
const SIGSYS: u8 = 31;

/// What the executor itself measured, from outside the sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Processes that the kernel killed in this sandbox for memory.
    pub oom_kills: u64,
    /// Most memory the sandbox held, in bytes.
    pub memory_bytes_peak: Option<u64>,
    /// Cached pages of files at the end, in bytes: in the peak, but no need of the program.
    pub file_cache_bytes: u64,
    /// Times that a fork or clone was refused for the process limit.
    pub pids_limit_hits: u64,
    /// Most processes and threads at once.
    pub pids_peak: Option<u64>,
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
    match (facts.report.reason, facts.report.status) {
        (EndReason::Cancelled, _) => (cancelled(), 128 + i32::from(SIGKILL)),
        (EndReason::WallTime, _) => (timeout(facts), EXIT_CODE_TIMEOUT),
        (EndReason::OutputTotal, _) => (output_limit(facts), 128 + i32::from(SIGKILL)),
        (EndReason::Processes, _) => (process_limit(facts), 128 + i32::from(SIGKILL)),
        (EndReason::Itself, WaitStatus::Signaled(SIGKILL)) if facts.evidence.oom_kills > 0 => {
            (out_of_memory(facts), EXIT_CODE_OUT_OF_MEMORY)
        }
        (EndReason::Itself, WaitStatus::Signaled(signal)) => {
            let outcome = if signal == SIGSYS { denied(facts) } else { None };
            (outcome.unwrap_or_else(|| signaled(signal)), 128 + i32::from(signal))
        }
        (EndReason::Itself, WaitStatus::Exited(code)) => (exited(facts, code), i32::from(code)),
    }
}

fn exited(facts: &Facts<'_>, code: u8) -> Outcome {
    if code == 0 {
        return Outcome { message: None, ..plain(OutcomeKind::Exited, String::new()) };
    }
    let last = last_line(&facts.report.stderr_tail);
    let errno = |number: u8| last.contains(&format!("[Errno {number}]"));
    // ENOSPC and EDQUOT; EFBIG is RLIMIT_FSIZE, which is the size of the writable file system.
    let disk = (disk_is_full(facts) && is_os_error(&last)) || errno(28) || errno(122) || errno(27);
    // EAGAIN from fork and clone, and the words that CPython and its threads have for it.
    let process =
        errno(11) || last.contains("can't start new thread") || last.contains("temporarily unavailable");
    // EPERM, and EACCES from landlock; subclasses and wrappers keep one of these words in the last line.
    let refused = errno(1) || last.contains("Operation not permitted") || last.starts_with("PermissionError");
    if disk {
        return disk_limit(facts);
    }
    if process && facts.evidence.pids_limit_hits > 0 {
        return process_limit(facts);
    }
    if refused && let Some(outcome) = denied(facts) {
        return outcome;
    }
    let mut outcome = plain(OutcomeKind::Exited, format!("the program exited with code {code}"));
    if !last.is_empty() && is_exception(&last) {
        outcome.message = Some(format!("the program ended with {}", shorten(&last, 300)));
    }
    if last.starts_with("MemoryError") || facts.evidence.oom_kills > 0 {
        outcome.hint = Some(format!(
            "it ran short of memory: the limit is {} bytes ({}); work on smaller pieces of the data",
            facts.sandbox.memory_bytes, facts.settings.memory
        ));
    }
    outcome
}

fn plain(kind: OutcomeKind, message: String) -> Outcome {
    Outcome {
        kind,
        limit: None,
        signal: None,
        syscall: None,
        message: Some(message),
        hint: None,
        retryable: false,
    }
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

/// The verdict on a program that the kernel killed for memory.
#[must_use]
pub fn memory_exceeded(sandbox: &SandboxLimits, evidence: Evidence, settings: SettingNames) -> Outcome {
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
        "socket" | "connect" | "bind" | "listen" | "accept" | "accept4" | "sendto" => {
            "there is no network in the sandbox; send the data along in `files` or `stdin`"
        }
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

fn is_os_error(line: &str) -> bool {
    line.starts_with("OSError") || line.contains("No space left") || line.contains("disk is full")
}

/// Looks like the last line of a traceback: `Name: text` or a bare dotted `Name`.
fn is_exception(line: &str) -> bool {
    let name = line.split_once(':').map_or(line, |(name, _)| name);
    let mut characters = name.chars();
    characters.next().is_some_and(char::is_alphabetic)
        && characters.all(|c| c.is_alphanumeric() || c == '_' || c == '.')
}

/// The last line that is not blank, as text.
fn last_line(tail: &[u8]) -> String {
    let text = String::from_utf8_lossy(tail);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim_end().to_owned()
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

    fn report(status: WaitStatus, stderr: &str) -> Report {
        Report {
            status,
            reason: EndReason::Itself,
            wall_time_us: 1500,
            cpu_time_us: 1000,
            resident_bytes_peak: 1,
            stdout_bytes: 0,
            stderr_bytes: stderr.len() as u64,
            stderr_tail: stderr.as_bytes().to_vec(),
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
    fn only_a_kill_with_a_counted_oom_is_out_of_memory() {
        let killed = report(WaitStatus::Signaled(9), "");
        let oom = Evidence { oom_kills: 1, memory_bytes_peak: Some(1 << 27), ..Evidence::default() };
        let (outcome, exit_code) = verdict(&killed, oom);
        assert_eq!((outcome.kind, exit_code), (OutcomeKind::OutOfMemory, 137));
        let limit = outcome.limit.unwrap();
        assert_eq!((limit.value, limit.used, limit.setting), (1 << 27, Some(1 << 27), "MEM"));
        assert_eq!(verdict(&killed, Evidence::default()).0.kind, OutcomeKind::Signal);
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

    #[test]
    fn a_denied_call_is_named_only_where_it_ended_the_program() {
        let mut ended = report(WaitStatus::Exited(1), "PermissionError: [Errno 1] Operation not permitted\n");
        ended.denied =
            vec![DeniedCall { name: "bpf".into(), count: 1 }, DeniedCall { name: "socket".into(), count: 2 }];
        let (outcome, _) = verdict(&ended, Evidence::default());
        assert_eq!((outcome.kind, outcome.syscall.as_deref()), (OutcomeKind::DeniedSyscall, Some("socket")));
        ended.stderr_tail = b"ValueError: no\n".to_vec();
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::Exited);
        ended.status = WaitStatus::Exited(0);
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::Exited);
        ended.status = WaitStatus::Signaled(31);
        assert_eq!(kind(&ended, Evidence::default()), OutcomeKind::DeniedSyscall);
    }

    #[test]
    fn a_full_disk_and_a_full_process_table_are_their_limits() {
        let full = report(WaitStatus::Exited(1), "OSError: [Errno 28] No space left on device\n");
        assert_eq!(kind(&full, Evidence::default()), OutcomeKind::DiskLimit);
        let threads = report(WaitStatus::Exited(1), "RuntimeError: can't start new thread\n");
        assert_eq!(kind(&threads, Evidence::default()), OutcomeKind::Exited);
        let hit = Evidence { pids_limit_hits: 1, ..Evidence::default() };
        assert_eq!(kind(&threads, hit), OutcomeKind::ProcessLimit);
    }

    #[test]
    fn the_message_of_an_uncaught_exception_is_its_last_line() {
        let raised = report(WaitStatus::Exited(1), "Traceback (most recent call last):\nKeyError: 'x'\n\n");
        let (outcome, _) = verdict(&raised, Evidence::default());
        assert_eq!(outcome.message.as_deref(), Some("the program ended with KeyError: 'x'"));
    }
}
