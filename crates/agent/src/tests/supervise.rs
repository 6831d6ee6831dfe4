//! A program from its start to its end, with a shell for the interpreter. The test plays the interpreter's
//! part: it says when the program starts.

use super::{Host, alone, connected, header};
use crate::input::{ExecutionInput, Inputs};
use crate::interpreter::Interpreter;
use crate::streams::SharedBuffers;
use crate::supervise::supervise;
use confine::{ChildSignal, Children, Spawned, reap};
use protocol::{
    EndReason, ExecHeader, GuestMessage, HostMessage, InterpreterOrigin, OutputStream, Report, WaitStatus,
};
use rustix::fs::MemfdFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;

/// The execution's number.
const ID: u64 = 5;
/// Sleeps longer than any test runs, and dies of SIGINT even if this process was told to ignore it.
const SLEEP: &str = "exec env --default-signal=INT sleep 60";

/// A program to supervise.
struct Program {
    script: String,
    header: ExecHeader,
    stdin: Vec<u8>,
    tasks_max: Option<u32>,
    /// What the host has sent before the agent looks.
    sent: Vec<HostMessage<'static>>,
    /// The interpreter has said that it starts, before the agent looks.
    is_started: bool,
}

/// A program whose start [`Outside::start`] reports.
fn waiting(script: impl Into<String>) -> Program {
    let (script, header) = (script.into(), header());
    Program { script, header, stdin: Vec::new(), tasks_max: None, sent: Vec::new(), is_started: false }
}

/// A program that starts at once.
fn started(script: impl Into<String>) -> Program {
    Program { is_started: true, ..waiting(script) }
}

/// The host and the interpreter, while the program runs.
struct Outside {
    host: Host,
    interpreter: Option<UnixStream>,
    received: Received,
}

/// What the host received.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Received {
    started: bool,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Outside {
    /// Says that the program's first instruction is about to run.
    fn start(&mut self) {
        self.interpreter.take().unwrap().write_all(b"1").unwrap();
    }

    /// Starts the program, and waits until the agent has noticed.
    fn start_and_wait(&mut self) {
        self.start();
        self.until(|received| received.started);
    }

    fn send(&mut self, message: &HostMessage<'_>) {
        self.host.send(message);
    }

    fn until_printed(&mut self, text: &str) {
        self.until(|received| received.stdout.ends_with(text.as_bytes()));
    }

    /// Waits for messages until `is_enough`.
    fn until(&mut self, is_enough: impl Fn(&Received) -> bool) {
        while !is_enough(&self.received) {
            assert!(self.take_message(), "the agent ended first: {:?}", self.received);
        }
    }

    /// Receives one message; false if there will be none.
    fn take_message(&mut self) -> bool {
        let received = &mut self.received;
        let taken = self.host.next(|message| match message {
            GuestMessage::Started { id } => {
                assert!(id == ID && !received.started);
                received.started = true;
            }
            GuestMessage::Output { stream: OutputStream::Stdout, data } => {
                received.stdout.extend_from_slice(data);
            }
            GuestMessage::Output { stream: OutputStream::Stderr, data } => {
                received.stderr.extend_from_slice(data);
            }
            other => panic!("{other:?}"),
        });
        taken.is_some()
    }
}

/// Starts the shell as the interpreter would be started. Returns also the interpreter's end of its control
/// socket.
fn start(script: &str, has_stdin: bool) -> (Interpreter, UnixStream) {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).unwrap();
    let ((stdin_reader, stdin), (stdout, stdout_writer), (stderr, stderr_writer)) = (pipe(), pipe(), pipe());
    let (control, interpreter) = UnixStream::pair().unwrap();
    let control: OwnedFd = control.into();
    for descriptor in [&stdin, &stdout, &stderr, &control] {
        rustix::io::ioctl_fionbio(descriptor, true).unwrap();
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).stdin(stdin_reader).stdout(stdout_writer).stderr(stderr_writer);
    let pid = Pid::from_child(&command.spawn().unwrap());
    let process = Spawned { pid, pidfd: Some(pidfd_open(pid, PidfdFlags::empty()).unwrap()), listener: None };
    let interpreter_here = Interpreter {
        process,
        origin: InterpreterOrigin::Started,
        stdin: has_stdin.then_some(stdin),
        stdout,
        stderr,
        control,
        program: rustix::fs::memfd_create("program", MemfdFlags::CLOEXEC).unwrap(),
        kept: SharedBuffers::new().unwrap(),
    };
    (interpreter_here, interpreter)
}

/// Supervises the program while `act` plays the host and the interpreter. Afterwards no process is left.
fn run(program: Program, act: impl FnOnce(&mut Outside) + Send) -> (io::Result<Report>, Received) {
    let Program { script, header, stdin, tasks_max, sent, is_started } = program;
    let children = ChildSignal::new().unwrap();
    let (interpreter, mut control) = start(&script, !stdin.is_empty());
    if is_started {
        control.write_all(b"1").unwrap();
    }
    let input =
        ExecutionInput { id: ID, keep: false, header, code: Vec::new(), stdin, inputs: Inputs::new() };
    let (mut channel, mut host) = connected();
    sent.iter().for_each(|message| host.send(message));
    thread::scope(|scope| {
        let outside = scope.spawn(move || {
            let received = Received::default();
            let mut outside = Outside { host, interpreter: Some(control), received };
            act(&mut outside);
            while outside.take_message() {}
            outside.received
        });
        let result = supervise(&mut channel, &children, interpreter, input, None, tasks_max);
        assert!(matches!(reap(), Children::None), "a process is left");
        let _ = channel.flush();
        drop(channel);
        (result, outside.join().unwrap())
    })
}

/// As [`run`], for an execution that ends with a report.
fn report(program: Program, act: impl FnOnce(&mut Outside) + Send) -> (Report, Received) {
    let (result, received) = run(program, act);
    let report = result.unwrap();
    assert_eq!(report.id, ID);
    (report, received)
}

#[test]
fn the_wait_status_and_the_output_are_reported() {
    alone("tests::supervise::the_wait_status_and_the_output_are_reported", || {
        let script = "echo out; echo error >&2; exit 3";
        let (report, received) = report(started(script), |_| {});
        assert_eq!((report.status, report.reason), (WaitStatus::Exited(3), EndReason::Itself));
        assert_eq!((report.stdout_bytes, report.stderr_bytes), (4, 6));
        let stdout = b"out\n".to_vec();
        assert_eq!(received, Received { started: true, stdout, stderr: b"error\n".to_vec() });
    });
}

#[test]
fn a_signal_that_ended_the_program_is_reported() {
    alone("tests::supervise::a_signal_that_ended_the_program_is_reported", || {
        let (report, _) = report(started("kill -ABRT $$; sleep 60"), |_| {});
        assert_eq!((report.status, report.reason), (WaitStatus::Signaled(6), EndReason::Itself));
    });
}

#[test]
fn at_its_deadline_the_program_is_killed() {
    alone("tests::supervise::at_its_deadline_the_program_is_killed", || {
        let mut sleeper = waiting(format!("echo begun; {SLEEP}"));
        sleeper.header.wall_time_ms_max = 50;
        // The time before the start does not count: the program has printed before it starts.
        let (report, received) = report(sleeper, |outside| {
            outside.until_printed("begun\n");
            outside.start();
        });
        assert_eq!((report.status, report.reason), (WaitStatus::Signaled(9), EndReason::WallTime));
        assert!(received.started && report.wall_time_us >= 50_000, "{report:?}");
    });
}

#[test]
fn the_host_cancels_a_running_program() {
    alone("tests::supervise::the_host_cancels_a_running_program", || {
        let (report, received) = report(waiting(format!("echo begun; {SLEEP}")), |outside| {
            outside.start_and_wait();
            outside.until_printed("begun\n");
            outside.send(&HostMessage::Cancel { id: ID });
        });
        assert_eq!((report.status, report.reason), (WaitStatus::Signaled(9), EndReason::Cancelled));
        assert_eq!(received.stdout, b"begun\n");
    });
}

#[test]
fn a_program_that_is_cancelled_before_its_start_never_starts() {
    alone("tests::supervise::a_program_that_is_cancelled_before_its_start_never_starts", || {
        let (report, received) =
            report(waiting(SLEEP), |outside| outside.send(&HostMessage::Cancel { id: ID }));
        assert_eq!((report.reason, received.started), (EndReason::Cancelled, false));
        assert_eq!(report.wall_time_us, 0);
    });
}

/// A script that SIGINT ends, although a shell starts what is in the background with SIGINT ignored
/// (POSIX.1-2024, Shell Command Language, 2.11), and a shell cannot change that.
fn interruptible(script: &str) -> String {
    format!("exec env --default-signal=INT sh -c '{script}'")
}

#[test]
fn an_interrupt_reaches_the_program() {
    alone("tests::supervise::an_interrupt_reaches_the_program", || {
        let (report, _) = report(waiting(interruptible("echo begun; exec sleep 60")), |outside| {
            outside.start_and_wait();
            outside.until_printed("begun\n");
            outside.send(&HostMessage::Interrupt { id: ID });
        });
        assert_eq!((report.status, report.reason), (WaitStatus::Signaled(2), EndReason::Itself));
    });
}

#[test]
fn an_interrupt_before_the_start_waits_for_it() {
    alone("tests::supervise::an_interrupt_before_the_start_waits_for_it", || {
        // It reads its input, which is written only after the interrupt was read.
        let mut reader = waiting(interruptible("read line; echo $line; exec sleep 60"));
        reader.stdin = b"alive\n".to_vec();
        reader.sent = vec![HostMessage::Interrupt { id: ID }];
        let (report, received) = report(reader, |outside| {
            outside.until_printed("alive\n");
            outside.start();
        });
        assert_eq!((report.status, received.started), (WaitStatus::Signaled(2), true));
    });
}

#[test]
fn messages_for_an_execution_that_has_ended_do_nothing() {
    alone("tests::supervise::messages_for_an_execution_that_has_ended_do_nothing", || {
        // It reads its input, which is written only after these messages were read.
        let mut reader = started("exec env --default-signal=INT sh -c 'read line; exit 4'");
        reader.stdin = b"x\n".to_vec();
        reader.sent = vec![HostMessage::Cancel { id: ID - 1 }, HostMessage::Interrupt { id: ID - 1 }];
        let (report, _) = report(reader, |_| {});
        assert_eq!((report.status, report.reason), (WaitStatus::Exited(4), EndReason::Itself));
    });
}

#[test]
fn a_program_does_not_outlive_its_host() {
    alone("tests::supervise::a_program_does_not_outlive_its_host", || {
        let (result, _) = run(waiting(SLEEP), |outside| {
            outside.start_and_wait();
            outside.host.stream.shutdown(std::net::Shutdown::Both).unwrap();
        });
        assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_message_out_of_order_ends_the_program() {
    alone("tests::supervise::a_message_out_of_order_ends_the_program", || {
        let (result, received) = run(waiting(SLEEP), |outside| {
            outside.start_and_wait();
            outside.send(&HostMessage::Start);
        });
        assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(received.started);
    });
}

#[test]
fn output_beyond_the_total_ends_the_program_and_what_is_kept_is_bounded() {
    alone("tests::supervise::output_beyond_the_total_ends_the_program_and_what_is_kept_is_bounded", || {
        let mut endless = started("exec yes");
        endless.header.output_bytes_max = 1000;
        endless.header.output_total_bytes_max = 300_000;
        let (report, received) = report(endless, |_| {});
        assert_eq!((report.status, report.reason), (WaitStatus::Signaled(9), EndReason::OutputTotal));
        assert!(report.stdout_bytes > 300_000);
        assert_eq!(received.stdout.len(), 1000);
    });
}

#[test]
fn of_long_output_the_first_and_the_last_part_are_kept() {
    alone("tests::supervise::of_long_output_the_first_and_the_last_part_are_kept", || {
        let mut long = started("printf 0123456789abcdef; printf ghijklmnopqrstuvwxyz >&2");
        long.header.output_bytes_max = 7;
        let (report, received) = report(long, |_| {});
        assert_eq!((report.stdout_bytes, report.stderr_bytes), (16, 20));
        assert_eq!((&received.stdout[..], &received.stderr[..]), (&b"0123def"[..], &b"ghijxyz"[..]));
    });
}

#[test]
fn standard_input_arrives_whole_and_ends() {
    alone("tests::supervise::standard_input_arrives_whole_and_ends", || {
        let mut copy = started("exec cat");
        copy.stdin = (0..1_000_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let stdin = copy.stdin.clone();
        let (report, received) = report(copy, |_| {});
        assert_eq!((report.status, report.stdout_bytes), (WaitStatus::Exited(0), 1_000_000));
        assert!(received.stdout == stdin, "{} bytes came back", received.stdout.len());
    });
}

#[test]
fn a_program_need_not_read_its_input() {
    alone("tests::supervise::a_program_need_not_read_its_input", || {
        let mut deaf = started("exec </dev/null; echo closed");
        deaf.stdin = vec![b'x'; 1_000_000];
        let (report, received) = report(deaf, |_| {});
        assert_eq!((report.status, received.stdout), (WaitStatus::Exited(0), b"closed\n".to_vec()));
    });
}

#[test]
fn more_tasks_than_allowed_end_the_program() {
    alone("tests::supervise::more_tasks_than_allowed_end_the_program", || {
        // Outside a sandbox the kernel counts all processes of the machine.
        let sleeper = Program { tasks_max: Some(1), ..started(SLEEP) };
        let (report, _) = report(sleeper, |_| {});
        assert_eq!((report.status, report.reason), (WaitStatus::Signaled(9), EndReason::Processes));
        assert!(report.counters.unwrap().pids_peak.unwrap() > 1);
    });
}

#[test]
fn an_interpreter_that_ends_before_the_program_is_an_error_with_its_last_words() {
    alone(
        "tests::supervise::an_interpreter_that_ends_before_the_program_is_an_error_with_its_last_words",
        || {
            let (result, received) = run(waiting("echo no such module >&2; exit 1"), |_| {});
            let message = result.unwrap_err().to_string();
            assert!(message.contains("no such module") && message.contains("Exited(1)"), "{message}");
            assert!(!received.started);
        },
    );
}
