//! Starts an isolated process.
//!
//! [`ProgramSpec`] describes it; [`spawn`] forks and lets the child apply, in order, the [`Step`]s that it
//! needs (`child`). A failing step reports its number and the errno through a pipe, so the parent can name
//! it. [`crate::adopt()`] has a template do the same.

use super::clone::{Cloned, Namespaces, SingleThreaded};
use super::landlock_rules::LandlockRules;
use super::notify::Listener;
use super::refused::Refused;
use crate::child::{Child, Ends, Executable, REPORT_BYTES, exit_now};
use crate::steps::Step;
use rustix::process::{Pid, Resource};
use rustix::thread::{CapabilitySet, CpuSet};
use seccomp::Insn;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A program's first process, described completely before the fork.
#[derive(Debug)]
pub struct ProgramSpec<'a> {
    /// Absolute path of the executable inside the sandbox.
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
    /// Resource limits: `(resource, soft = hard)`; capped at this process's own.
    pub limits: Vec<(Resource, u64)>,
    /// CPUs to run on; `None` for all.
    pub cpus: Option<CpuSet>,
    /// Capabilities that are kept, also across exec; none for a program.
    pub kept: CapabilitySet,
    /// Landlock rules; `None` where something else replaces them.
    pub landlock: Option<&'a LandlockRules>,
    /// The filter; `None` where something else replaces it.
    pub seccomp: Option<&'a [Insn]>,
    /// Be notified of blocked system calls; the filter must have been compiled for it.
    pub notify: bool,
    /// For tests: this step fails with EIO.
    pub fail_at: Option<Step>,
}

/// A running program.
#[derive(Debug)]
pub struct Spawned {
    /// Its first process.
    pub pid: Pid,
    /// The same process, safe against pid reuse; `None` where the kernel has no pidfds (gVisor).
    pub pidfd: Option<OwnedFd>,
    /// Receives notifications of blocked system calls.
    pub listener: Option<Listener>,
}

/// The pipe that reports a failed step: our end, the child's.
pub(crate) fn report_pipe() -> Result<(OwnedFd, OwnedFd), Refused> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(Refused::at("make the report pipe"))
}

/// The socket for the filter's listener: our end, the child's.
pub(crate) fn listener_sockets() -> Result<(OwnedFd, OwnedFd), Refused> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(Refused::at("make the listener's socket"))
}

/// Receives the filter's listener, which the child sent before its program began.
pub(crate) fn take_listener(
    socket: &OwnedFd,
    spec: &ProgramSpec<'_>,
    pid: Pid,
) -> Result<Option<Listener>, Refused> {
    let listener = receive_descriptor(socket).map(Listener::new);
    if spec.notify && spec.seccomp.is_some() && listener.is_none() {
        // Not reaped yet, so the pid cannot have been reused.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        let source = io::Error::other("it did not arrive");
        return Err(Refused { step: "receive the filter's listener", source });
    }
    Ok(listener)
}

/// Starts the program. Returns once the interpreter's image runs, fully isolated.
///
/// # Errors
/// The step that failed, in the child or before it.
pub fn spawn(proof: &SingleThreaded, spec: &ProgramSpec<'_>) -> Result<Spawned, Refused> {
    let (report_reader, report_writer) = report_pipe()?;
    let (listener_reader, listener_writer) = listener_sockets()?;
    let lifted = Lifted::new(spec, report_writer.as_fd(), listener_writer.as_fd())?;
    drop((report_writer, listener_writer));
    let cloned = lifted.with_child(spec, |child| {
        let cloned = proof.clone(Namespaces::Shared).map_err(|source| Refused { step: "fork", source })?;
        if matches!(cloned, Cloned::Child) {
            if let Err(failed) = child.apply_all() {
                child.report(failed);
            }
            exit_now(127);
        }
        Ok(cloned)
    })?;
    drop(lifted);
    let Cloned::Parent { pid, pidfd } = cloned else { exit_now(127) };
    let mut report = [0u8; REPORT_BYTES];
    if read_fully(&report_reader, &mut report) == report.len() {
        // The failed child has already reported: reap it, as nothing else does.
        let _ = rustix::process::waitid(
            rustix::process::WaitId::Pid(pid),
            rustix::process::WaitIdOptions::EXITED,
        );
        return Err(refused_step(report));
    }
    let listener = take_listener(&listener_reader, spec, pid)?;
    Ok(Spawned { pid, pidfd, listener })
}

/// Becomes the process that `spec` describes. Returns only the step that failed; the process must end then.
#[must_use]
pub fn replace_this_process(spec: &ProgramSpec<'_>) -> Refused {
    let become_it = || {
        // Never read: the failure is returned.
        let (_report_reader, report_writer) = report_pipe()?;
        let (_listener_reader, listener_writer) = listener_sockets()?;
        let lifted = Lifted::new(spec, report_writer.as_fd(), listener_writer.as_fd())?;
        lifted.with_child(spec, |child| Ok(child.apply_all()))
    };
    match become_it() {
        Ok(Err((step, errno))) => Refused { step: step.as_str(), source: errno.into() },
        Ok(Ok(())) => Refused { step: "execute the interpreter", source: io::ErrorKind::Other.into() },
        Err(refused) => refused,
    }
}

/// Copies of a child's descriptors, with numbers above those that the program gets: a lower number would be
/// closed when another descriptor is placed there.
struct Lifted {
    sources: Vec<OwnedFd>,
    report: OwnedFd,
    listener_socket: OwnedFd,
    ruleset: Option<OwnedFd>,
}

impl Lifted {
    fn new(
        spec: &ProgramSpec<'_>,
        report: BorrowedFd<'_>,
        listener: BorrowedFd<'_>,
    ) -> Result<Self, Refused> {
        let first_free = i32::try_from(spec.descriptors.len()).unwrap_or(i32::MAX).saturating_add(2).max(32);
        let lift = |descriptor: BorrowedFd<'_>| {
            rustix::io::fcntl_dupfd_cloexec(descriptor, first_free)
                .map_err(Refused::at("place the descriptors"))
        };
        Ok(Self {
            sources: spec.descriptors.iter().map(|&source| lift(source)).collect::<Result<_, _>>()?,
            report: lift(report)?,
            listener_socket: lift(listener)?,
            ruleset: spec.landlock.and_then(LandlockRules::descriptor).map(lift).transpose()?,
        })
    }

    /// Calls `use_it` with everything a child needs, so that it allocates nothing.
    fn with_child<T>(
        &self,
        spec: &ProgramSpec<'_>,
        use_it: impl FnOnce(&Child<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let sources: Vec<BorrowedFd<'_>> = self.sources.iter().map(AsFd::as_fd).collect();
        let (arguments, environment) = (pointers(&spec.arguments), pointers(&spec.environment));
        use_it(&Child {
            sandbox: None,
            sources: &sources,
            streams: None,
            ends: Ends {
                report: self.report.as_fd(),
                listener_socket: self.listener_socket.as_fd(),
                ruleset: self.ruleset.as_ref().map(AsFd::as_fd),
            },
            directory: &spec.directory,
            user: spec.user,
            limits: &spec.limits,
            cpus: spec.cpus.as_ref(),
            kept: spec.kept,
            filter: spec.seccomp,
            notify: spec.notify,
            image: Some(Executable {
                path: &spec.executable,
                arguments: &arguments,
                environment: &environment,
            }),
            fail_at: spec.fail_at,
        })
    }
}

/// The failed step that a child reported.
pub(crate) fn refused_step(report: [u8; REPORT_BYTES]) -> Refused {
    let [number, errno @ ..] = report;
    let step = Step::from_number(number).map_or("start the program", Step::as_str);
    Refused { step, source: io::Error::from_raw_os_error(i32::from_le_bytes(errno)) }
}

/// A null-terminated array of pointers, as execve(2) requires; valid as long as `strings`.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

pub(crate) fn read_fully(from: &OwnedFd, buffer: &mut [u8]) -> usize {
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

/// Receives the single descriptor that was sent, if any.
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
