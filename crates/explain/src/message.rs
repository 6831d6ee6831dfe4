//! One sentence on how a program ended, and a hint for each limit.

use crate::names::{SettingNames, or_raise};
use executor::note::{Note, Role};
use executor::{Cause, Limit, SharedMemory, Verdict, verdict::Killed};
use support::counted;

/// Maximum length of the sentence on an exception with its notes and causes, in characters.
const MESSAGE_CHARS_MAX: usize = 600;

/// What happened; `None` after success.
pub(crate) fn of(verdict: &Verdict) -> Option<String> {
    Some(match &verdict.cause {
        Cause::Exited if verdict.exit_code == 0 => return None,
        Cause::Exited => exited(&verdict.note, verdict.exit_code),
        Cause::Timeout { .. } => timeout(verdict),
        Cause::OutOfMemory { killed, shared, then_waited } => {
            let what = out_of_memory(verdict, *killed, *shared);
            if *then_waited { waited(&what, verdict) } else { what }
        }
        Cause::ProcessLimit { then_waited } => {
            let pids_max = verdict.sandbox.pids_max;
            let what = format!("the program tried to run more than {pids_max} processes and threads at once");
            if *then_waited { waited(&what, verdict) } else { what }
        }
        Cause::DiskLimit { inputs } => {
            let (value, unit) = value_and_unit(verdict);
            if *inputs {
                format!(
                    "the input files do not fit into the {value} {unit} that /tmp may hold, so the program was not \
                     started"
                )
            } else {
                format!("the program wrote more than the {value} {unit} that /tmp may hold")
            }
        }
        Cause::OutputLimit => {
            let (value, unit) = value_and_unit(verdict);
            format!("the program wrote more than {value} {unit} to stdout and stderr")
        }
        Cause::DeniedSyscall { name } => format!("the sandbox does not allow the system call `{name}`"),
        Cause::Signal { number } => {
            format!("the program was killed by signal {number} ({})", signal_name(*number))
        }
        Cause::KernelEnded => "the program was killed because its sandbox's kernel exited".to_owned(),
        Cause::Cancelled => {
            "the program was killed because the client disconnected or the service is stopping".to_owned()
        }
        _ => format!("the program ended with exit code {}", verdict.exit_code),
    })
}

/// The hint for an end that was not the program's own.
pub(crate) fn hint(verdict: &Verdict, names: &SettingNames) -> Option<String> {
    Some(match &verdict.cause {
        Cause::Timeout { waited_after: Some(call) } => format!(
            "it was waiting when it timed out, perhaps because of the blocked system call `{call}`; {}",
            instead_of(call)
        ),
        Cause::Timeout { waited_after: None } => {
            "make it do less work, or send a larger `timeout` (at most MAX_TIMEOUT seconds)".to_owned()
        }
        Cause::OutOfMemory { killed: Killed::Program | Killed::Process, shared: Some(_), .. } => format!(
            "run it again when fewer programs are running, lower MAX_CONCURRENT{}",
            or_raise(names.memory_total)
        ),
        Cause::OutOfMemory { killed, .. } => {
            let less = match killed {
                Killed::Inputs => "send less in `files` or `stdin`",
                Killed::Program | Killed::Process => "process the data in smaller chunks",
            };
            format!("{less}{}; files in /tmp count as memory", or_raise(names.memory))
        }
        Cause::ProcessLimit { .. } => format!("use fewer workers{}", or_raise(names.pids)),
        Cause::DiskLimit { inputs } => {
            let less = if *inputs { "send less in `files`" } else { "write less or delete temporary files" };
            let limit = verdict.limit.map_or(Limit::DiskBytes, |hit| hit.limit);
            format!("{less}{}", or_raise(names.of_limit(limit)))
        }
        Cause::OutputLimit => "print less, or write the data to a file in /tmp/output".to_owned(),
        Cause::DeniedSyscall { name } => instead_of(name).to_owned(),
        Cause::Signal { number: 11 | 7 | 4 | 8 } => {
            "a native extension crashed, or the recursion was too deep".to_owned()
        }
        Cause::KernelEnded => format!("use fewer threads and processes{}", or_raise(names.pids)),
        _ => return None,
    })
}

fn value_and_unit(verdict: &Verdict) -> (u64, &'static str) {
    verdict.limit.map_or((0, ""), |hit| (hit.value, hit.limit.unit()))
}

fn timeout(verdict: &Verdict) -> String {
    let time = counted(verdict.exec.wall_time.as_secs_f64(), "second");
    format!("the program did not finish within {time}")
}

fn waited(what: &str, verdict: &Verdict) -> String {
    format!("{what}; it then waited until its timeout: {}", timeout(verdict))
}

fn out_of_memory(verdict: &Verdict, killed: Killed, shared: Option<SharedMemory>) -> String {
    let bytes = verdict.sandbox.memory_bytes;
    match (killed, shared) {
        (Killed::Inputs, _) => {
            format!("the input does not fit into the {bytes} bytes of memory, so the program was not started")
        }
        (Killed::Process, Some(_)) => {
            "a process of the program was killed, because the memory for all sandboxes together was used up"
                .to_owned()
        }
        (Killed::Process, None) => format!(
            "a process of the program needed more than the sandbox's {bytes} bytes of memory and was killed"
        ),
        (Killed::Program, Some(_)) => {
            let own = match verdict.evidence.memory_bytes_peak {
                Some(peak) => format!("it had used {peak} of its {bytes} bytes"),
                None => format!("it had not used up its {bytes} bytes"),
            };
            format!(
                "the program was killed, because the memory for all sandboxes together was used up; {own}"
            )
        }
        (Killed::Program, None) => {
            format!("the program needed more than its {bytes} bytes of memory and was killed")
        }
    }
}

/// A normal exit with a code other than 0.
fn exited(note: &Note, code: i32) -> String {
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
                format!("{} {}", if members == 1 { ", which contains" } else { ", and" }, record.summary())
            }
            Role::Cause => format!(", caused by {}", record.summary()),
            Role::Raised | Role::Context | Role::Exit | Role::Installed => continue,
        };
        sentence.push_str(&more);
    }
    shorten(&sentence, MESSAGE_CHARS_MAX)
}

/// The alternative to a blocked system call.
fn instead_of(call: &str) -> &'static str {
    match call {
        "socket" | "sendto" => "there is no network in the sandbox; send the data in `files` or `stdin`",
        "socketpair" => "local sockets work as streams: use socket.socketpair() without a type",
        "mount" | "umount2" | "unshare" | "setns" | "chroot" | "pivot_root" => {
            "the program cannot change its isolation; everything it may write is below /tmp"
        }
        "ptrace" | "process_vm_readv" | "process_vm_writev" => "debuggers do not work in the sandbox",
        _ => "find a way that does not need this call; no setting of the sandbox allows it",
    }
}

/// Name of a signal, signal(7), for x86_64 and aarch64.
fn signal_name(signal: u8) -> &'static str {
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

fn shorten(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor::{ExecLimits, KernelCounts, LimitHit, SandboxLimits};

    const SANDBOX: SandboxLimits = SandboxLimits {
        memory_bytes: 128,
        cpu_quota_us: 1,
        cpu_period_us: 1,
        pids_max: 50,
        disk_bytes: 64,
        disk_inodes: 8,
    };

    fn verdict(cause: Cause, exit_code: i32, limit: Option<(Limit, u64)>) -> Verdict {
        Verdict {
            cause,
            exit_code,
            limit: limit.map(|(limit, value)| LimitHit { limit, value, used: None }),
            note: Note::default(),
            denied: Vec::new(),
            evidence: KernelCounts::default(),
            exec: ExecLimits::default(),
            sandbox: SANDBOX,
        }
    }

    fn said(verdict: &Verdict, executor: &str) -> (String, String) {
        let names = SettingNames::of(executor);
        (of(verdict).unwrap_or_default(), hint(verdict, names).unwrap_or_default())
    }

    #[test]
    fn the_message_is_the_exception_with_what_belongs_to_it() {
        let message = |note: &str| exited(&Note::parse(note.as_bytes()), 1);
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
            "the program ended with ExceptionGroup: many, which contains A: 1, and B"
        );
    }

    #[test]
    fn a_limit_is_said_with_its_value_and_the_setting_that_raises_it() {
        let killed = Killed::Program;
        let oom = verdict(
            Cause::OutOfMemory { killed, shared: None, then_waited: false },
            137,
            Some((Limit::Memory, 128)),
        );
        let (message, hint) = said(&oom, "native");
        assert_eq!(message, "the program needed more than its 128 bytes of memory and was killed");
        assert!(hint.contains("or raise NATIVE_MEMORY;"), "{hint}");
        assert!(said(&oom, "gvisor").1.contains("DOCKER_MEMORY"));
        assert!(!said(&oom, "another").1.contains("raise"), "no setting of an executor without one is named");
        let disk = verdict(Cause::DiskLimit { inputs: true }, 1, Some((Limit::DiskInodes, 8)));
        let (message, hint) = said(&disk, "native");
        assert!(message.contains("8 files") && message.contains("was not started"), "{message}");
        assert_eq!(hint, "send less in `files`, or raise NATIVE_TMP_INODES");
    }

    #[test]
    fn memory_of_all_sandboxes_is_not_the_programs_fault() {
        let shared = Some(SharedMemory { bytes_max: Some(1 << 30) });
        let mut oom = verdict(
            Cause::OutOfMemory { killed: Killed::Program, shared, then_waited: false },
            137,
            Some((Limit::MemoryTotal, 1 << 30)),
        );
        oom.evidence.memory_bytes_peak = Some(20);
        let (message, hint) = said(&oom, "native");
        assert!(message.contains("all sandboxes together") && !message.contains("needed more"), "{message}");
        assert!(message.ends_with("it had used 20 of its 128 bytes"), "{message}");
        assert!(hint.contains("NATIVE_MEMORY_TOTAL"), "{hint}");
    }

    #[test]
    fn who_waited_is_told_of_the_time_too() {
        let limit = verdict(Cause::ProcessLimit { then_waited: true }, 124, Some((Limit::Pids, 50)));
        assert!(
            said(&limit, "native")
                .0
                .ends_with("it then waited until its timeout: the program did not finish within 10 seconds")
        );
        let refused = Some("socket".to_owned());
        let timeout = verdict(Cause::Timeout { waited_after: refused }, 124, Some((Limit::WallTime, 10_000)));
        assert!(said(&timeout, "native").1.contains("perhaps because of the blocked system call `socket`"));
    }
}
