//! Supervises one running program: forwards its output, answers its blocked system calls, enforces its
//! deadline, and returns only when everything it started is dead.

use crate::Channel;
use crate::counters;
use crate::disk::disk_state;
use crate::idle;
use crate::input::{ExecutionInput, out_of_order};
use crate::interpreter::Interpreter;
use crate::locks::{self, Locks};
use crate::streams::{Captured, SharedBuffers};
use crate::tasks::TaskLimit;
use confine::{ChildSignal, Children, Listener, Reaped, kill_all, reap};
use protocol::{
    Counters, DENIED_CALLS_MAX, DeniedCall, EndReason, ExecHeader, GuestMessage, HostMessage, OutputStream,
    Report, WaitStatus,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long the interpreter may take to reach the program's first instruction.
const START_TIME_MAX: Duration = Duration::from_secs(25);

/// The last `1 / LAST_PART` of a program's time, at most `LAST_PART_MAX`, in which it is determined whether
/// the program works or waits.
const LAST_PART: u32 = 4;
const LAST_PART_MAX: Duration = Duration::from_secs(1);

/// System calls answered in a row before anything else is polled: for a program that does nothing else, this
/// takes a millisecond.
const CALLS_AT_ONCE_MAX: usize = 64;

/// Time for killed processes to die before they are killed again.
const KILL_AGAIN_AFTER: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// Runs until the program ends. On return the report is complete, and everything the program started is dead
/// and reaped.
///
/// # Errors
/// Only when the host is gone or violates the protocol, or the interpreter never started: an internal error,
/// not the program's.
pub(crate) fn supervise(
    channel: &mut Channel,
    children: &ChildSignal,
    interpreter: Interpreter,
    input: ExecutionInput,
    user: Option<u32>,
    tasks_max: Option<u32>,
) -> io::Result<Report> {
    let mut run = Run::new(interpreter, input, user, tasks_max);
    let outcome = run.until_end(channel, children);
    run.end_all(children);
    if outcome.is_err() {
        // The host must learn that the program had started before it learns of the failure.
        let _ = run.record_start(channel);
    }
    outcome?;
    run.finish(channel)
}

struct Run {
    id: u64,
    header: ExecHeader,
    pid: Pid,
    pidfd: Option<OwnedFd>,
    listener: Option<Listener>,
    stdin: Option<OwnedFd>,
    stdin_rest: VecDeque<u8>,
    start: Option<OwnedFd>,
    stdout: Captured,
    stderr: Captured,
    kept: SharedBuffers,
    denied: Vec<DeniedCall>,
    locks: Locks,
    /// The program's user, if different from the agent's.
    user: Option<u32>,
    begun: Instant,
    started: Option<Instant>,
    /// The host requested SIGINT before the program started.
    is_interrupted: bool,
    /// The CPU time used when the last part of the program's time began, and when it was read.
    used: Option<(Instant, u64)>,
    waited: bool,
    killed_itself: bool,
    ended: Option<Instant>,
    status: Option<WaitStatus>,
    reason: EndReason,
    tasks: Option<TaskLimit>,
    cpu_time: Duration,
    resident_bytes_peak: u64,
}

/// What a polled descriptor stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Host,
    HostOutput,
    Children,
    Start,
    Stdin,
    Stdout,
    Stderr,
    Denied,
}

impl Run {
    fn new(
        interpreter: Interpreter,
        input: ExecutionInput,
        user: Option<u32>,
        tasks_max: Option<u32>,
    ) -> Self {
        Self {
            pid: interpreter.process.pid,
            pidfd: interpreter.process.pidfd,
            listener: interpreter.process.listener,
            stdin: interpreter.stdin,
            stdin_rest: input.stdin.into(),
            start: Some(interpreter.control),
            stdout: Captured::new(OutputStream::Stdout, interpreter.stdout, input.header.output_bytes_max),
            stderr: Captured::new(OutputStream::Stderr, interpreter.stderr, input.header.output_bytes_max),
            kept: interpreter.kept,
            id: input.id,
            header: input.header,
            is_interrupted: false,
            denied: Vec::new(),
            locks: Locks::default(),
            user,
            begun: Instant::now(),
            started: None,
            used: None,
            waited: false,
            killed_itself: false,
            ended: None,
            status: None,
            reason: EndReason::Itself,
            tasks: tasks_max.map(TaskLimit::new),
            cpu_time: Duration::ZERO,
            resident_bytes_peak: 0,
        }
    }

    /// Signals the program's first process.
    fn signal(&self, signal: Signal) {
        let _ = match &self.pidfd {
            Some(pidfd) => rustix::process::pidfd_send_signal(pidfd, signal),
            // The pid cannot be reused before it is reaped.
            None if self.status.is_none() => rustix::process::kill_process(self.pid, signal),
            None => Ok(()),
        };
    }

    /// Kills and reaps everything the program started. Repeatedly: in gVisor a process that is being forked
    /// while its parent is killed survives (seen with release 20221128), and waiting for it forever would
    /// cost the response. Linux forks no child for a parent with a pending signal (kernel/fork.c,
    /// copy_process()).
    fn end_all(&mut self, children: &ChildSignal) {
        loop {
            // kill_all needs a pid namespace of our own; where the agent is not its first process, this
            // signal must suffice.
            self.signal(Signal::KILL);
            kill_all();
            loop {
                match reap() {
                    Children::Dead(child) => self.record_reaped(&child),
                    Children::Living => break,
                    Children::None => return,
                }
            }
            let mut polled = [PollFd::new(children, PollFlags::IN)];
            let _ = poll(&mut polled, Some(&KILL_AGAIN_AFTER));
            children.clear();
        }
    }

    /// Returns when the program's first process is dead, or must be killed.
    fn until_end(&mut self, channel: &mut Channel, children: &ChildSignal) -> io::Result<()> {
        // Messages that arrived together with the program are already read, so poll does not report them.
        if self.is_cancelled(channel)? {
            self.reason = EndReason::Cancelled;
            return Ok(());
        }
        while self.status.is_none() {
            let Some(wait) = self.time_left() else {
                if self.started.is_none() {
                    return Err(self.never_started("did not start in time"));
                }
                self.reason = EndReason::WallTime;
                self.record_wait();
                return Ok(());
            };
            let wait = self.look_at_cpu_time(wait);
            let pause = self.tasks.as_ref().map_or(wait, |tasks| tasks.pause().min(wait));
            let ready = self.wait(channel, children, pause)?;
            for source in ready {
                match source {
                    Source::Host => {
                        if self.is_cancelled(channel)? {
                            self.reason = EndReason::Cancelled;
                            return Ok(());
                        }
                    }
                    Source::HostOutput => channel.write_some()?,
                    Source::Start => self.record_start(channel)?,
                    Source::Stdin => self.feed_stdin(),
                    Source::Stdout => drop(self.stdout.read(channel)?),
                    Source::Stderr => drop(self.stderr.read(channel)?),
                    // A program that asks for one lock usually asks for more.
                    Source::Denied => drop((0..CALLS_AT_ONCE_MAX).take_while(|_| self.answer_call()).count()),
                    Source::Children => {
                        // The byte in the start pipe is older than the death: read it first.
                        self.record_start(channel)?;
                        children.clear();
                        while let Children::Dead(child) = reap() {
                            self.record_reaped(&child);
                        }
                    }
                }
            }
            if self.tasks.as_mut().is_some_and(TaskLimit::is_exceeded) && self.status.is_none() {
                self.reason = EndReason::Processes;
                return Ok(());
            }
            let total_max = self.header.output_total_bytes_max;
            if total_max > 0 && self.stdout.bytes + self.stderr.bytes > total_max && self.status.is_none() {
                self.reason = EndReason::OutputTotal;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Handles messages from the host. True when it wants the program to end; an error when the host is gone.
    fn is_cancelled(&mut self, channel: &mut Channel) -> io::Result<bool> {
        while let Some(message) = channel.try_receive()? {
            match message {
                HostMessage::Cancel { id } if id == self.id => return Ok(true),
                HostMessage::Interrupt { id } if id == self.id => self.interrupt(),
                // For an execution that has already ended.
                HostMessage::Cancel { id } | HostMessage::Interrupt { id } if id < self.id => {}
                _ => return Err(out_of_order()),
            }
        }
        Ok(false)
    }

    /// Sends SIGINT to the program's first process, but not before the program has started: until then the
    /// process runs only our code.
    fn interrupt(&mut self) {
        if self.started.is_none() {
            self.is_interrupted = true;
            return;
        }
        self.signal(Signal::INT);
    }

    /// Time until the deadline; `None` once it has passed.
    fn time_left(&self) -> Option<Duration> {
        let deadline = match self.started {
            Some(started) => started + Duration::from_millis(self.header.wall_time_ms_max),
            None => self.begun + START_TIME_MAX,
        };
        deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Reads the CPU time when the last part of the program's time begins; returns how long to wait.
    fn look_at_cpu_time(&mut self, left: Duration) -> Duration {
        if self.started.is_none() || self.used.is_some() {
            return left;
        }
        let last_part = LAST_PART_MAX.min(Duration::from_millis(self.header.wall_time_ms_max) / LAST_PART);
        if let Some(before) = left.checked_sub(last_part).filter(|time| !time.is_zero()) {
            return before;
        }
        self.used = idle::cpu_ticks().map(|ticks| (Instant::now(), ticks));
        left
    }

    /// Called at the deadline: determines from that reading whether the program was working.
    fn record_wait(&mut self) {
        if let Some((since, before)) = self.used
            && let Some(after) = idle::cpu_ticks()
        {
            self.waited = idle::waited(before, after, since.elapsed());
        }
    }

    fn wait(&self, channel: &Channel, children: &ChildSignal, time_max: Duration) -> io::Result<Vec<Source>> {
        let mut sources = vec![Source::Host, Source::Children];
        let mut polled = vec![
            PollFd::from_borrowed_fd(channel.input(), PollFlags::IN),
            PollFd::new(children, PollFlags::IN),
        ];
        let mut add = |source, descriptor, flags| {
            sources.push(source);
            polled.push(PollFd::from_borrowed_fd(descriptor, flags));
        };
        if let Some(output) = channel.output() {
            add(Source::HostOutput, output, PollFlags::OUT);
        }
        if let Some(start) = &self.start {
            add(Source::Start, start.as_fd(), PollFlags::IN);
        }
        if let Some(stdin) = &self.stdin {
            add(Source::Stdin, stdin.as_fd(), PollFlags::OUT);
        }
        if let Some(pipe) = self.stdout.pipe() {
            add(Source::Stdout, pipe, PollFlags::IN);
        }
        if let Some(pipe) = self.stderr.pipe() {
            add(Source::Stderr, pipe, PollFlags::IN);
        }
        if let Some(listener) = &self.listener {
            add(Source::Denied, listener.as_fd(), PollFlags::IN);
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(time_max.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time_max.subsec_nanos().into(),
        };
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Vec::new()),
            Err(errno) => return Err(errno.into()),
        }
        Ok(sources
            .into_iter()
            .zip(&polled)
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|(s, _)| s)
            .collect())
    }

    fn record_start(&mut self, channel: &mut Channel) -> io::Result<()> {
        let Some(pipe) = &self.start else { return Ok(()) };
        let mut byte = [0u8; 1];
        match rustix::io::read(pipe, &mut byte) {
            Ok(0) => self.start = None,
            Ok(_) => {
                self.start = None;
                self.started = Some(Instant::now());
                self.stderr.forget_last_output();
                channel.send(&GuestMessage::Started { id: self.id })?;
                if std::mem::take(&mut self.is_interrupted) {
                    self.interrupt();
                }
            }
            Err(_) => {}
        }
        Ok(())
    }

    fn feed_stdin(&mut self) {
        let Some(pipe) = &self.stdin else { return };
        let (front, _) = self.stdin_rest.as_slices();
        match rustix::io::write(pipe, front) {
            Ok(length) => {
                self.stdin_rest.drain(..length);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            // EPIPE: the program closed its standard input, which it may do.
            Err(_) => self.stdin_rest.clear(),
        }
        if self.stdin_rest.is_empty() {
            self.stdin = None;
        }
    }

    /// Answers one pending system call notification; false if there is none.
    fn answer_call(&mut self) -> bool {
        let Some(listener) = &self.listener else { return false };
        // Poll again first: on older kernels `receive` blocks forever when no process is left that could make
        // a call.
        let mut polled = [PollFd::new(listener, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut polled, Some(&now)).is_err() || !polled[0].revents().contains(PollFlags::IN) {
            // The listener of a filter without processes polls as hung up forever (seccomp_unotify(2)).
            if polled[0].revents().contains(PollFlags::HUP) {
                self.listener = None;
            }
            return false;
        }
        let Some(notification) = listener.receive() else { return false };
        if let Some(target) = notification.kills() {
            // Itself, its group or all processes: the first process is the session leader.
            let own = self.pid.as_raw_nonzero().get();
            self.killed_itself |= listener.let_run(notification) && [own, 0, -1, -own].contains(&target);
        } else if notification.locks() {
            let user = self.user;
            if self.locks.allow(|| confine::with_file_access_of(user, locks::held).flatten()) {
                listener.let_run(notification);
            } else {
                listener.refuse_lock(notification);
            }
        } else {
            listener.refuse(notification);
            record_name(&mut self.denied, notification.name());
        }
        true
    }

    fn record_reaped(&mut self, child: &Reaped) {
        self.cpu_time += child.cpu_time;
        self.resident_bytes_peak = self.resident_bytes_peak.max(child.resident_bytes_peak);
        // Only once: the pid is free now, and an orphaned descendant of the program could get it.
        if child.pid == self.pid && self.status.is_none() {
            self.ended = Some(Instant::now());
            self.status = match (child.exit_code, child.signal) {
                (Some(code), _) => Some(WaitStatus::Exited(code)),
                (None, Some(signal)) => Some(WaitStatus::Signaled(signal)),
                (None, None) => None,
            };
        }
    }

    /// Called when everything is dead: drains the pipes and makes the report.
    fn finish(mut self, channel: &mut Channel) -> io::Result<Report> {
        self.record_start(channel)?;
        for stream in [&mut self.stdout, &mut self.stderr] {
            stream.finish(&self.kept, channel)?;
        }
        let ended = self.ended.unwrap_or_else(Instant::now);
        // Being cancelled before the first instruction is a normal end; exiting before it is an internal
        // error.
        let started = match (self.started, self.reason) {
            (Some(started), _) => started,
            (None, EndReason::Cancelled) => ended,
            (None, _) => return Err(self.never_started("ended before the program")),
        };
        let counters = self.counters();
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Ok(Report {
            id: self.id,
            // Killed by us after it ended but before it was reaped, or by kill_all.
            status: self.status.unwrap_or(WaitStatus::Signaled(9)),
            reason: self.reason,
            wall_time_us: micros(ended.saturating_duration_since(started)),
            cpu_time_us: micros(self.cpu_time),
            resident_bytes_peak: self.resident_bytes_peak,
            stdout_bytes: self.stdout.bytes,
            stderr_bytes: self.stderr.bytes,
            note: self.kept.note(),
            waited: self.waited,
            killed_itself: self.killed_itself,
            denied: self.denied,
            disk: disk_state(),
            counters,
        })
    }

    fn counters(&self) -> Option<Counters> {
        let Some(tasks) = &self.tasks else { return counters::read() };
        Some(Counters { pids_peak: Some(tasks.peak()), ..counters::read().unwrap_or_default() })
    }

    fn never_started(&self, what: &str) -> io::Error {
        let status = self.status;
        io::Error::other(format!("the interpreter {what} ({status:?}): {}", self.stderr.words()))
    }
}

/// Counts a blocked system call and moves it to the end: the latest is last.
fn record_name(denied: &mut Vec<DeniedCall>, name: String) {
    if let Some(index) = denied.iter().position(|call| call.name == name) {
        let mut call = denied.remove(index);
        call.count += 1;
        denied.push(call);
        return;
    }
    if denied.len() == DENIED_CALLS_MAX {
        denied.remove(0);
    }
    denied.push(DeniedCall { name, count: 1 });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_refused_call_is_last_and_the_list_is_bounded() {
        let mut denied = Vec::new();
        for name in ["a", "b", "a"] {
            record_name(&mut denied, name.to_owned());
        }
        assert_eq!(denied.last().map(|call| (call.name.as_str(), call.count)), Some(("a", 2)));
        for number in 0..100 {
            record_name(&mut denied, number.to_string());
        }
        assert_eq!(denied.len(), DENIED_CALLS_MAX);
        assert_eq!(denied.last().unwrap().name, "99");
    }
}
