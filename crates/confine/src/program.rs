//! Starting the interpreter behind every wall.
//!
//! [`ProgramSpec`] says what is wanted, [`plan`] turns it into ordered [`Step`]s (pure), [`spawn`] forks and lets
//! the child apply them one by one. Between fork and exec the child allocates nothing, takes no lock and logs
//! nothing: everything that needs memory was made before. A step that fails goes back through a pipe as its
//! number and the errno, so the parent can name it.

#![allow(unsafe_code, reason = "execve(2), dup2(2) of fixed numbers and sendmsg(2) after the fork")]

use crate::seccomp::Insn;
use crate::{Cloned, LandlockRules, Listener, Namespaces, Refused, SingleThreaded, clone, notify, rights};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CpuSet};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// One step of confining a program, in the order of [`PROGRAM_STEPS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Step {
    /// A session of its own: signals to a group, `kill(0)`, stay inside.
    Session = 1,
    /// Standard streams and control descriptors get their numbers.
    Descriptors,
    /// Every other descriptor is closed.
    CloseOthers,
    /// The kernel's out-of-memory killer prefers it to the agent.
    OomScore,
    /// Resource limits.
    Limits,
    /// Its CPUs.
    Affinity,
    /// Its working directory.
    Directory,
    /// Signals as a fresh process has them.
    Signals,
    /// No capability can come back.
    Bound,
    /// The program's user and group, no others.
    User,
    /// No capability is left.
    Capabilities,
    /// No privilege by exec.
    NoNewPrivileges,
    /// Landlock.
    Landlock,
    /// The filter of system calls.
    Seccomp,
    /// The limit of open files.
    Files,
    /// The interpreter starts.
    Execute,
}

/// All steps in their order: rights are needed until they are dropped, the filter comes last because it refuses
/// most of what the steps before it do. Only the limit of open files is later still: the kernel measures the
/// descriptors that a whole user has on the way through sockets (unix(7), ETOOMANYREFS) by the limit of whoever
/// sends one more. Where all cells are of one user, the program of one could else keep those of the others from
/// handing over the filter's listener.
pub const PROGRAM_STEPS: [Step; 16] = [
    Step::Session,
    Step::Descriptors,
    Step::CloseOthers,
    Step::OomScore,
    Step::Limits,
    Step::Affinity,
    Step::Directory,
    Step::Signals,
    Step::Bound,
    Step::User,
    Step::Capabilities,
    Step::NoNewPrivileges,
    Step::Landlock,
    Step::Seccomp,
    Step::Files,
    Step::Execute,
];

impl Step {
    /// What the step does, in the infinitive, for error messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "start a session",
            Self::Descriptors => "place the descriptors",
            Self::CloseOthers => "close the other descriptors",
            Self::OomScore => "raise the out-of-memory score",
            Self::Limits => "set the resource limits",
            Self::Affinity => "set the processor affinity",
            Self::Directory => "enter the working directory",
            Self::Signals => "reset the signals",
            Self::Bound => "empty the capability bounding set",
            Self::User => "become the program's user",
            Self::Capabilities => "drop the capabilities",
            Self::NoNewPrivileges => "refuse new privileges",
            Self::Landlock => "enter the landlock domain",
            Self::Seccomp => "install the system call filter",
            Self::Files => "limit the open files",
            Self::Execute => "execute the interpreter",
        }
    }
}

/// The program's first process, described completely before the fork.
#[derive(Debug)]
pub struct ProgramSpec<'a> {
    /// Executable, absolute path inside the cell.
    pub executable: CString,
    /// Arguments, the program's name first.
    pub arguments: Vec<CString>,
    /// The whole environment, `NAME=value`.
    pub environment: Vec<CString>,
    /// Working directory.
    pub directory: CString,
    /// Becomes descriptors 0, 1, 2, 3, ... in this order.
    pub descriptors: Vec<BorrowedFd<'a>>,
    /// The user and group to become. `None` where the namespace has only one id.
    pub user: Option<(u32, u32)>,
    /// Resource limits: `(what, soft = hard)`; where this process may have less, that.
    pub limits: Vec<(Resource, u64)>,
    /// CPUs to run on; `None` for all.
    pub cpus: Option<CpuSet>,
    /// Landlock rules; `None` where something else stands in for them.
    pub landlock: Option<&'a LandlockRules>,
    /// The filter; `None` where something else stands in for it.
    pub seccomp: Option<&'a [Insn]>,
    /// Hear of refused calls; the filter must have been compiled for it.
    pub notify: bool,
    /// For tests: this step fails with EIO.
    pub fail_at: Option<Step>,
}

/// The steps that `spec` needs, in order.
#[must_use]
pub fn plan(spec: &ProgramSpec<'_>) -> Vec<Step> {
    PROGRAM_STEPS
        .into_iter()
        .filter(|step| match step {
            Step::User => spec.user.is_some(),
            Step::Affinity => spec.cpus.is_some(),
            Step::Landlock => spec.landlock.is_some_and(LandlockRules::enforced),
            Step::Seccomp => spec.seccomp.is_some(),
            _ => true,
        })
        .collect()
}

/// A running program.
#[derive(Debug)]
pub struct Spawned {
    /// Its first process.
    pub pid: Pid,
    /// The same, safe against reuse of the number.
    pub pidfd: OwnedFd,
    /// Where refused calls are heard.
    pub listener: Option<Listener>,
}

/// Descriptors of the child besides the program's: they are above those and vanish with exec.
struct ChildEnds {
    report: OwnedFd,
    listener_socket: OwnedFd,
    /// The landlock rules, where there are some.
    ruleset: Option<OwnedFd>,
}

/// Starts the program. Returns when the interpreter's image runs, with every wall up.
///
/// # Errors
/// The step that failed, in the child or before it.
pub fn spawn(proof: &SingleThreaded, spec: &ProgramSpec<'_>) -> Result<Spawned, Refused> {
    let steps = plan(spec);
    // Numbers below this become the program's; sources must not sit there, or placing one would close another.
    let first_free = i32::try_from(spec.descriptors.len()).unwrap_or(i32::MAX).saturating_add(2).max(32);
    let lift = |descriptor: BorrowedFd<'_>| {
        rustix::io::fcntl_dupfd_cloexec(descriptor, first_free).map_err(Refused::at("place the descriptors"))
    };
    let sources = spec.descriptors.iter().map(|&source| lift(source)).collect::<Result<Vec<_>, _>>()?;
    let (report_reader, report_writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(Refused::at("make the report pipe"))?;
    let (listener_reader, listener_writer) = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .map_err(Refused::at("make the listener's socket"))?;
    let ruleset = spec.landlock.and_then(|rules| rules.ruleset.as_ref());
    let ends = ChildEnds {
        report: lift(report_writer.as_fd())?,
        listener_socket: lift(listener_writer.as_fd())?,
        ruleset: ruleset.map(|ruleset| lift(ruleset.as_fd())).transpose()?,
    };
    let arguments = pointers(&spec.arguments);
    let environment = pointers(&spec.environment);

    let cloned = proof.clone(Namespaces::Shared).map_err(|source| Refused { step: "fork", source })?;
    let Cloned::Parent { pid, pidfd } = cloned else {
        let child =
            Child { spec, sources: &sources, ends: &ends, arguments: &arguments, environment: &environment };
        child.run(&steps)
    };
    drop((report_writer, listener_writer, ends, sources));
    let mut report = [0u8; 5];
    let length = read_fully(&report_reader, &mut report);
    if length == report.len() {
        let [number, errno @ ..] = report;
        let step = PROGRAM_STEPS.into_iter().find(|step| *step as u8 == number);
        let step = step.map_or("start the program", Step::as_str);
        // The failed child is already past its report: reap it, it is nobody else's.
        let _ = rustix::process::waitid(
            rustix::process::WaitId::PidFd(pidfd.as_fd()),
            rustix::process::WaitIdOptions::EXITED,
        );
        return Err(Refused { step, source: io::Error::from_raw_os_error(i32::from_le_bytes(errno)) });
    }
    let listener = receive_descriptor(&listener_reader).map(Listener::new);
    if spec.notify && spec.seccomp.is_some() && listener.is_none() {
        let _ = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
        return Err(Refused {
            step: "receive the filter's listener",
            source: io::Error::other("it did not come"),
        });
    }
    Ok(Spawned { pid, pidfd, listener })
}

/// Null-terminated array of pointers as execve(2) wants it; valid as long as `strings`.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

fn read_fully(from: &OwnedFd, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::read(from, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    filled
}

/// Takes the one descriptor that was sent, if one was.
fn receive_descriptor(socket: &OwnedFd) -> Option<OwnedFd> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0u8; 1];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(socket, &mut [io::IoSliceMut::new(&mut byte)], &mut ancillary, flags).ok()?;
    ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    })
}

/// The child between fork and exec. Nothing here allocates.
struct Child<'a> {
    spec: &'a ProgramSpec<'a>,
    sources: &'a [OwnedFd],
    ends: &'a ChildEnds,
    arguments: &'a [*const libc::c_char],
    environment: &'a [*const libc::c_char],
}

impl Child<'_> {
    fn run(&self, steps: &[Step]) -> ! {
        for &step in steps {
            let result =
                if self.spec.fail_at == Some(step) { Err(rustix::io::Errno::IO) } else { self.apply(step) };
            if let Err(errno) = result {
                let mut report = [step as u8, 0, 0, 0, 0];
                report[1..].copy_from_slice(&errno.raw_os_error().to_le_bytes());
                let _ = rustix::io::write(&self.ends.report, &report);
                clone::exit_now(127);
            }
        }
        clone::exit_now(127)
    }

    fn apply(&self, step: Step) -> rustix::io::Result<()> {
        match step {
            Step::Session => rustix::process::setsid().map(drop),
            Step::Descriptors => self.place_descriptors(),
            Step::CloseOthers => self.close_others(),
            Step::OomScore => raise_oom_score(),
            Step::Limits => self.set_limits(|resource| resource != Resource::Nofile),
            Step::Affinity => match &self.spec.cpus {
                Some(cpus) => rustix::thread::sched_setaffinity(None, cpus),
                None => Ok(()),
            },
            Step::Directory => rustix::process::chdir(self.spec.directory.as_c_str()).map(|()| {
                rustix::process::umask(Mode::from_raw_mode(0o022));
            }),
            Step::Signals => {
                reset_signals();
                Ok(())
            }
            Step::Bound => {
                rights::bound_capabilities(CapabilitySet::empty())?;
                rights::lock_capabilities()
            }
            Step::User => match self.spec.user {
                Some((uid, gid)) => rights::become_user(uid, gid),
                None => Ok(()),
            },
            Step::Capabilities => rights::set_capabilities(CapabilitySet::empty()),
            Step::NoNewPrivileges => rustix::thread::set_no_new_privs(true),
            Step::Landlock => self.enter_landlock(),
            Step::Seccomp => self.install_filter(),
            Step::Files => self.set_limits(|resource| resource == Resource::Nofile),
            Step::Execute => Err(self.execute()),
        }
    }

    fn place_descriptors(&self) -> rustix::io::Result<()> {
        for (number, source) in (0..).zip(self.sources) {
            // SAFETY: dup2(2) reads no memory. It closes `number`, which nothing here uses any more: all
            // sources and ends were lifted above the numbers that are placed.
            if unsafe { libc::dup2(source.as_raw_fd(), number) } < 0 {
                return Err(last_errno());
            }
        }
        Ok(())
    }

    /// Leaves the placed descriptors and, until exec, the ends.
    fn close_others(&self) -> rustix::io::Result<()> {
        let placed = RawFd::try_from(self.sources.len()).unwrap_or(RawFd::MAX);
        let ruleset = self.ends.ruleset.as_ref().map_or(RawFd::MAX, AsRawFd::as_raw_fd);
        let mut kept = [self.ends.report.as_raw_fd(), self.ends.listener_socket.as_raw_fd(), ruleset];
        kept.sort_unstable();
        let mut first = placed;
        for descriptor in kept {
            close_range(first, descriptor.saturating_sub(1))?;
            first = descriptor.saturating_add(1);
        }
        if first == RawFd::MAX { Ok(()) } else { close_range(first, RawFd::MAX) }
    }

    fn set_limits(&self, which: fn(Resource) -> bool) -> rustix::io::Result<()> {
        for &(resource, wanted) in self.spec.limits.iter().filter(|(resource, _)| which(*resource)) {
            // Going over a hard limit needs a right that nobody here has; less than wanted is only tighter.
            let value = rustix::process::getrlimit(resource).maximum.map_or(wanted, |most| most.min(wanted));
            rustix::process::setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?;
        }
        Ok(())
    }

    fn enter_landlock(&self) -> rustix::io::Result<()> {
        match &self.ends.ruleset {
            Some(ruleset) => restrict_self(ruleset.as_fd()),
            None => Ok(()),
        }
    }

    fn install_filter(&self) -> rustix::io::Result<()> {
        let Some(filter) = self.spec.seccomp else { return Ok(()) };
        let listener = notify::install(filter, self.spec.notify)
            .map_err(|error| rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::INVAL))?;
        match listener {
            Some(listener) => send_descriptor(self.ends.listener_socket.as_fd(), listener.as_fd()),
            None => Ok(()),
        }
    }

    fn execute(&self) -> rustix::io::Errno {
        // SAFETY: the path and the strings are null-terminated CStrings that live in `spec`, the two arrays end
        // with a null pointer (see `pointers`). On success the call does not return.
        unsafe {
            libc::execve(self.spec.executable.as_ptr(), self.arguments.as_ptr(), self.environment.as_ptr())
        };
        last_errno()
    }
}

fn last_errno() -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(rustix::io::Errno::INVAL)
}

fn close_range(first: RawFd, last: RawFd) -> rustix::io::Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: close_range(2) reads no memory. In this child nothing uses the closed descriptors any more; their
    // `OwnedFd`s are never dropped here, because the child ends by exec or `_exit`.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// proc_pid_oom_score_adj(5): 1000 is chosen first. Raising needs no right. Where `/proc` is not writable, as in
/// some containers, the container's own limits stand in.
fn raise_oom_score() -> rustix::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    // An undumpable process's files in /proc belong to root. This copy of the agent holds nothing to hide, nobody
    // else is in the cell yet, and exec makes it dumpable anyway.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?;
    match rustix::fs::open(c"/proc/self/oom_score_adj", flags, Mode::empty()) {
        Ok(file) => rustix::io::write(&file, b"1000").map(drop),
        Err(rustix::io::Errno::ROFS | rustix::io::Errno::ACCESS | rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Default dispositions and an empty mask: Rust ignores SIGPIPE, and the agent blocks SIGCHLD.
fn reset_signals() {
    for signal in 1..=64 {
        if signal == libc::SIGKILL || signal == libc::SIGSTOP {
            continue;
        }
        // SAFETY: SIG_DFL installs no code of ours; numbers that the C library keeps for itself give EINVAL.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: zero is a valid sigset_t on Linux and means the empty set.
    let empty: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `empty` lives through the call; a null old set is allowed.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, std::ptr::null_mut()) };
}

fn restrict_self(ruleset: BorrowedFd<'_>) -> rustix::io::Result<()> {
    // SAFETY: landlock_restrict_self(2) reads no memory.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Sends one descriptor with one byte; async-signal-safe, no allocation.
fn send_descriptor(socket: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> rustix::io::Result<()> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[io::IoSlice::new(&[0])], &mut ancillary, SendFlags::empty()).map(drop)
}
