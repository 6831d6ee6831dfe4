//! Isolates a new process: the steps between fork and program.
//!
//! The process comes from one of two forks. Either the agent forks itself, and the last step executes the
//! interpreter. Or a template forks itself ([`crate::fork_request`]): then the interpreter already runs, and
//! the first steps move the process into its sandbox. The steps in between are the same code for both, so
//! that the fast path has every protection of the slow one.
//!
//! Nothing here allocates, takes a lock or logs; a failing step ends the process with its number and the
//! errno. No part of the standard library is used: a template loads this code into an interpreter of any C
//! library.

#![allow(unsafe_code, reason = "execve(2), dup2(2) of fixed numbers and close_range(2) after the fork")]

use crate::errno::last_errno;
use crate::steps::{PROGRAM_STEPS, Step};
use crate::{install, privileges};
use core::ffi::{CStr, c_char};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, IoSlice};
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CpuSet, LinkNameSpaceType};
use seccomp::Insn;

/// The steps' input, prepared before the fork.
pub(crate) struct Child<'a> {
    /// The sandbox to enter.
    pub(crate) sandbox: Option<TargetSandbox<'a>>,
    /// Become descriptors 0, 1, 2, 3, ... in this order. Their current numbers are above all of those.
    pub(crate) sources: &'a [BorrowedFd<'a>],
    /// The streams of a forked interpreter.
    pub(crate) streams: Option<&'a Streams>,
    /// The descriptors of this process other than the program's.
    pub(crate) ends: Ends<'a>,
    /// Working directory.
    pub(crate) directory: &'a CStr,
    /// The user and group to become.
    pub(crate) user: Option<(u32, u32)>,
    /// Resource limits: soft and hard limit are equal.
    pub(crate) limits: &'a [(Resource, u64)],
    /// CPUs to run on.
    pub(crate) cpus: Option<&'a CpuSet>,
    /// Capabilities to keep; none for a program.
    pub(crate) kept: CapabilitySet,
    /// The seccomp filter.
    pub(crate) filter: Option<&'a [Insn]>,
    /// Report blocked system calls to the listener.
    pub(crate) notify: bool,
    /// The executable.
    pub(crate) image: Option<Executable<'a>>,
    /// For tests: this step fails with EIO.
    pub(crate) fail_at: Option<Step>,
}

/// The sandbox that a forked interpreter enters.
pub(crate) struct TargetSandbox<'a> {
    /// Its namespaces, except the pid namespace, which is chosen before the fork (setns(2)), and the user
    /// namespace, which it shares with the template.
    pub(crate) namespaces: &'a [BorrowedFd<'a>],
    /// A file to join each of its cgroups.
    pub(crate) cgroups: &'a [BorrowedFd<'a>],
}

/// The memory of a forked interpreter's streams, as `runtime/runner/streams.py` describes it.
pub(crate) struct Streams {
    /// The descriptor to map, which is closed then.
    descriptor: RawFd,
    /// Where standard output and standard error are.
    places: [*mut core::ffi::c_void; 2],
    /// Bytes of each.
    length: usize,
    /// From the beginning of one to that of the next, in the file.
    distance: usize,
}

impl Streams {
    /// # Safety
    /// In a fork of this process, each of `places` must be the start of a private mapping of `length` bytes
    /// that nothing but a Python `mmap` object uses.
    #[cfg(feature = "hook")]
    pub(crate) unsafe fn new(
        descriptor: RawFd,
        places: [*mut core::ffi::c_void; 2],
        length: usize,
        distance: usize,
    ) -> Self {
        Self { descriptor, places, length, distance }
    }

    /// Maps the descriptor over them, and closes it.
    fn share(&self) -> rustix::io::Result<()> {
        let (rights, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_FIXED);
        let mut offset = 0;
        for place in self.places {
            // SAFETY: replaces a mapping that `new` was promised to be that of an `mmap` object alone, with
            // one of the same length and rights. No reference of Rust points into it.
            let mapped = unsafe { libc::mmap(place, self.length, rights, flags, self.descriptor, offset) };
            if mapped != place {
                return Err(last_errno());
            }
            offset += libc::off_t::try_from(self.distance).map_err(|_| Errno::OVERFLOW)?;
        }
        close_range(self.descriptor, self.descriptor)
    }
}

/// The kinds of [`TargetSandbox::namespaces`], in the same order.
pub(crate) const ENTERED_KINDS: [LinkNameSpaceType; 5] = [
    LinkNameSpaceType::Mount,
    LinkNameSpaceType::Network,
    LinkNameSpaceType::InterProcessCommunication,
    LinkNameSpaceType::HostNameAndNISDomainName,
    LinkNameSpaceType::ControlGroup,
];

/// An executable with null-terminated arrays of null-terminated strings, as execve(2) requires.
pub(crate) struct Executable<'a> {
    pub(crate) path: &'a CStr,
    pub(crate) arguments: &'a [*const c_char],
    pub(crate) environment: &'a [*const c_char],
}

/// Descriptors of the child other than the program's: numbered above those, and closed when the program
/// begins.
#[derive(Clone, Copy)]
pub(crate) struct Ends<'a> {
    /// Reports a failed step: its number, then the errno.
    pub(crate) report: BorrowedFd<'a>,
    /// The filter's listener is sent here.
    pub(crate) listener_socket: BorrowedFd<'a>,
    /// The Landlock rules, if any.
    pub(crate) ruleset: Option<BorrowedFd<'a>>,
}

/// Length of a report in bytes: the number of a step and an errno, or [`ENTERED`] and a pid.
pub(crate) const REPORT_BYTES: usize = 5;
/// In place of a failed step's number: a forked interpreter is fully isolated.
pub(crate) const ENTERED: u8 = 0;
/// In place of a failed step's number: the template could not fork into the sandbox.
pub(crate) const FORK_FAILED: u8 = u8::MAX;

/// Path of a sandbox's root on the stage.
pub(crate) const SANDBOX_ROOT: &CStr = c"/sandbox";

impl Child<'_> {
    /// Applies the steps in order.
    ///
    /// # Errors
    /// The first step that failed. The process must end then.
    pub(crate) fn apply_all(&self) -> Result<(), (Step, Errno)> {
        for step in PROGRAM_STEPS.into_iter().filter(|step| self.needs(*step)) {
            let result = if self.fail_at == Some(step) { Err(Errno::IO) } else { self.apply(step) };
            result.map_err(|errno| (step, errno))?;
        }
        Ok(())
    }

    /// Whether this process takes a step.
    fn needs(&self, step: Step) -> bool {
        let is_wanted = match step {
            Step::Streams => self.streams.is_some(),
            Step::User => self.user.is_some(),
            Step::Affinity => self.cpus.is_some(),
            Step::Landlock => self.ends.ruleset.is_some(),
            Step::Seccomp => self.filter.is_some(),
            _ => true,
        };
        is_wanted && step.is_of(self.sandbox.is_some())
    }

    /// Reports the failed step to the parent.
    pub(crate) fn report(&self, failed: (Step, Errno)) {
        self.write_report(failed.0 as u8, failed.1.raw_os_error());
    }

    /// Writes a report; whether anyone receives it.
    pub(crate) fn write_report(&self, first: u8, number: i32) -> bool {
        let mut report = [first, 0, 0, 0, 0];
        report[1..].copy_from_slice(&number.to_le_bytes());
        rustix::io::write(self.ends.report, &report).is_ok()
    }

    fn apply(&self, step: Step) -> rustix::io::Result<()> {
        match step {
            Step::Cgroups => self.join_cgroups(),
            Step::Namespaces => self.enter_namespaces(),
            Step::Session => rustix::process::setsid().map(drop),
            Step::Descriptors => self.place_descriptors(),
            Step::CloseOthers => self.close_others(),
            Step::Streams => self.streams.map_or(Ok(()), Streams::share),
            Step::OomScore => {
                raise_oom_score(if self.kept.is_empty() { PROGRAM_SCORE } else { TEMPLATE_SCORE })
            }
            Step::Limits => self.set_limits(|resource| resource != Resource::Nofile),
            Step::Affinity => match self.cpus {
                Some(cpus) => rustix::thread::sched_setaffinity(None, cpus),
                None => Ok(()),
            },
            Step::Directory => rustix::process::chdir(self.directory).map(|()| {
                rustix::process::umask(Mode::from_raw_mode(0o022));
            }),
            Step::Signals => {
                reset_signals();
                Ok(())
            }
            Step::Bound => {
                privileges::bound_capabilities(self.kept)?;
                if !self.kept.is_empty() {
                    return Ok(());
                }
                match privileges::lock_capabilities() {
                    // In a container the capability to lock is gone, too, and gVisor has no such locks. The
                    // bounding set was just checked to be empty, so no exec restores anything.
                    Err(Errno::PERM | Errno::INVAL) => Ok(()),
                    other => other,
                }
            }
            Step::User => match self.user {
                Some((uid, gid)) => privileges::become_user(uid, gid),
                None => Ok(()),
            },
            Step::Capabilities => privileges::keep_over_exec(self.kept),
            Step::NoNewPrivileges => rustix::thread::set_no_new_privs(true),
            Step::Landlock => self.enter_landlock(),
            Step::Seccomp => self.install_filter(),
            Step::Files => self.set_limits(|resource| resource == Resource::Nofile),
            // What exec does implicitly: the memory is the program's own, and /proc shows it to the program's
            // user.
            Step::Dumpable => {
                rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)
            }
            Step::Execute => Err(self.execute()),
        }
    }

    fn join_cgroups(&self) -> rustix::io::Result<()> {
        let Some(sandbox) = &self.sandbox else { return Ok(()) };
        for join in sandbox.cgroups {
            // cgroups(7): zero stands for the writing process.
            rustix::io::write(join, b"0")?;
        }
        Ok(())
    }

    fn enter_namespaces(&self) -> rustix::io::Result<()> {
        let Some(sandbox) = &self.sandbox else { return Ok(()) };
        // Each by its kind: the template's filter allows nothing else.
        for (&namespace, kind) in sandbox.namespaces.iter().zip(ENTERED_KINDS) {
            rustix::thread::move_into_link_name_space(namespace, Some(kind))?;
        }
        // Entering a mount namespace leads to its root, the stage; the sandbox's root is below it (`mounts`).
        rustix::process::chroot(SANDBOX_ROOT)
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

    /// Keeps the placed descriptors and, until the program begins, the ends.
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

    /// Closes the ends, too, as exec does through their close-on-exec flags.
    #[cfg(feature = "hook")]
    pub(crate) fn close_ends(&self) {
        let placed = RawFd::try_from(self.sources.len()).unwrap_or(RawFd::MAX);
        let _ = close_range(placed, RawFd::MAX);
    }

    fn set_limits(&self, which: fn(Resource) -> bool) -> rustix::io::Result<()> {
        for &(resource, wanted) in self.limits.iter().filter(|(resource, _)| which(*resource)) {
            // Exceeding a hard limit needs a capability that no process here has; a lower limit is only
            // stricter.
            let value = rustix::process::getrlimit(resource).maximum.map_or(wanted, |most| most.min(wanted));
            match rustix::process::setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
            {
                // Linux never refuses to lower a limit. gVisor does for limits it does not implement.
                Err(Errno::PERM) if is_optional(resource) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn enter_landlock(&self) -> rustix::io::Result<()> {
        match self.ends.ruleset {
            Some(ruleset) => restrict_self(ruleset),
            None => Ok(()),
        }
    }

    fn install_filter(&self) -> rustix::io::Result<()> {
        let Some(filter) = self.filter else { return Ok(()) };
        match install::install(filter, self.notify)? {
            Some(listener) => send_descriptor(self.ends.listener_socket, listener.as_fd()),
            None => Ok(()),
        }
    }

    fn execute(&self) -> Errno {
        let Some(image) = &self.image else { return Errno::NOEXEC };
        // SAFETY: the path and the strings are null-terminated and live as long as `image`, and the two
        // arrays end with a null pointer (both is what `Executable` says). On success the call does not
        // return.
        unsafe { libc::execve(image.path.as_ptr(), image.arguments.as_ptr(), image.environment.as_ptr()) };
        last_errno()
    }
}

/// Limits that a kernel may lack: message queues, real-time scheduling, queued signals.
fn is_optional(resource: Resource) -> bool {
    matches!(resource, Resource::Msgqueue | Resource::Nice | Resource::Rtprio | Resource::Sigpending)
}

/// Ends this process immediately, without running destructors or flushing buffers inherited from its parent.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) touches no memory of ours and does not return.
    unsafe { libc::_exit(code) }
}

pub(crate) fn close_range(first: RawFd, last: RawFd) -> rustix::io::Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: close_range(2) reads no memory. In this child nothing uses the closed descriptors any more;
    // their `OwnedFd`s are never dropped here, because the child ends by exec or `_exit`, or goes on as an
    // interpreter that never had them.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// proc_pid_oom_score_adj(5): 1000 is killed first, before every template.
const PROGRAM_SCORE: &[u8] = b"1000";
const TEMPLATE_SCORE: &[u8] = b"500";

/// Raises this process's score, which needs no capability. Where `/proc` is not writable, as in some
/// containers, the container's own limits stand in.
fn raise_oom_score(score: &[u8]) -> rustix::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    // An undumpable process's files in /proc belong to root. This copy of the agent has nothing to hide, no
    // other process is in the sandbox yet, and exec makes it dumpable anyway.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?;
    match rustix::fs::open(c"/proc/self/oom_score_adj", flags, Mode::empty()) {
        Ok(file) => rustix::io::write(&file, score).map(drop),
        Err(Errno::ROFS | Errno::ACCESS | Errno::NOENT) => Ok(()),
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
    let empty: libc::sigset_t = unsafe { core::mem::zeroed() };
    // SAFETY: `empty` lives through the call; a null old set is allowed.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, core::ptr::null_mut()) };
}

fn restrict_self(ruleset: BorrowedFd<'_>) -> rustix::io::Result<()> {
    // SAFETY: landlock_restrict_self(2) reads no memory.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Sends one descriptor with one byte; async-signal-safe, without allocation.
fn send_descriptor(socket: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> rustix::io::Result<()> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let mut space = [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[IoSlice::new(&[0])], &mut ancillary, SendFlags::empty()).map(drop)
}
