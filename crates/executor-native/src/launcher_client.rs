//! The host's side of the launcher. Everything here blocks: call it off the async threads.

use crate::disk_reads::DiskReads;
use crate::launcher_output;
use crate::runtime_location::{RuntimeLocation, read_ahead};
use cgroup::SandboxGroup;
use confine::{Image, SpawnedImage};
use launcher::{CreateSandbox, LauncherConfig, LauncherReply, receive_packet, send_packet};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Timeout of one answer of the launcher: a clone with new namespaces takes a millisecond, on a host that is
/// badly out of memory much longer.
const REPLY_TIME_MAX: Duration = Duration::from_secs(20);
/// Timeout of the first answer, before which the launcher copies the runtime into memory: a second if its
/// files are in the page cache, else as long as a slow disk takes to read them.
const FIRST_REPLY_TIME_MAX: Duration = Duration::from_secs(180);
/// Starts that may be killed for lack of memory before the failure is reported, and the pause after each: two
/// seconds, in which the kernel frees gigabytes.
const KILLED_STARTS_MAX: u32 = 20;
const KILLED_START_PAUSE: Duration = Duration::from_millis(100);

/// The launcher; restarted when it has died.
#[derive(Debug)]
pub(crate) struct LauncherClient {
    image: Image,
    /// The code that templates load.
    hook: Image,
    config: LauncherConfig,
    /// The cgroups of the launcher, its templates and whatever those start.
    group: SandboxGroup,
    /// For a runtime on its disk.
    reads: DiskReads,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Where the runtime of the current and the next launcher is.
    runtime: RuntimeLocation,
    /// A runtime on its disk has yet to be read ahead.
    read_ahead: bool,
    running: Option<Running>,
}

/// What the roots of sandboxes consist of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RootFacts {
    pub(crate) runtime: RuntimeLocation,
    /// Each sandbox has its own device nodes; else the host's.
    pub(crate) own_devices: bool,
}

/// A new sandbox.
#[derive(Debug)]
pub(crate) struct Created {
    /// A pidfd of its first process.
    pub(crate) process: OwnedFd,
    /// A pidfd of the launcher, whose exit ends the sandbox.
    pub(crate) launcher: Arc<OwnedFd>,
    /// It reads the runtime from its disk.
    pub(crate) is_on_disk: bool,
}

#[derive(Debug)]
struct Running {
    own_devices: bool,
    process: SpawnedImage,
    /// Of the same process, for the sandboxes that end with it.
    pidfd: Arc<OwnedFd>,
    control: OwnedFd,
}

impl Running {
    /// The reason, if it was killed for a system call that a filter around this service forbids.
    fn end_by_filter(&mut self) -> Option<LauncherError> {
        // It has closed its socket, so it is ending already; this only hastens one that hangs.
        let _ = self.process.child.kill();
        let status = self.process.child.wait().ok()?;
        is_killed_by_filter(status).then(|| {
            LauncherError::Io(io::Error::other(
                "it was killed by SIGSYS: a filter around this service forbids a system call that sandboxes need (hint: \
                 SystemCallFilter= of a systemd unit, deploy/README.md has the list; of a container, \
                 --security-opt seccomp=unconfined)",
            ))
        })
    }
}

fn is_killed_by_filter(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::SYS.as_raw())
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ends by itself when the control socket closes; a stuck one must not outlive us. The monitor's
        // death kills the first process of the launcher's pid namespace, and so everything in it.
        let _ = self.process.child.kill();
        let _ = self.process.child.wait();
    }
}

/// Why the launcher made no sandbox.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LauncherError {
    #[error("the launcher does not answer")]
    Io(#[from] io::Error),
    #[error("the kernel refused to {step}")]
    Refused { step: String, source: io::Error },
}

impl LauncherClient {
    /// Prepares a launcher; the first request starts it. Whether a runtime on its disk is to be read ahead.
    pub(crate) fn new(
        config: LauncherConfig,
        group: SandboxGroup,
        reads: DiskReads,
        runtime: RuntimeLocation,
        read_ahead: bool,
    ) -> io::Result<Self> {
        // Its first argument is the name in process lists: that of the sandboxes, which are clones of it.
        let image = Image::new("sandbox-agent", agent_image::LAUNCHER).map_err(|refused| refused.source)?;
        let hook = Image::new("template", agent_image::TEMPLATE).map_err(|refused| refused.source)?;
        let state = State { runtime, read_ahead, running: None };
        Ok(Self { image, hook, config, group, reads, state: Mutex::new(state) })
    }

    /// Makes a sandbox around the given end of a stream. After an [`LauncherError::Io`] the next call starts
    /// a new launcher; do not reuse anything of the failed call, since the old launcher may have cloned
    /// before it died.
    pub(crate) fn create_sandbox(
        &self,
        request: &CreateSandbox,
        stream: BorrowedFd<'_>,
        cgroups: &[OwnedFd],
        unified: Option<BorrowedFd<'_>>,
    ) -> Result<Created, LauncherError> {
        let mut state = self.locked();
        let descriptors: Vec<_> =
            [stream].into_iter().chain(cgroups.iter().map(AsFd::as_fd)).chain(unified).collect();
        let result = self.ask(&mut state, request, &descriptors);
        if matches!(result, Err(LauncherError::Io(_))) {
            state.running = None;
        }
        result
    }

    /// Starts the launcher if it is not running.
    pub(crate) fn ensure_running(&self) -> Result<RootFacts, LauncherError> {
        let mut state = self.locked();
        let own_devices = self.started(&mut state)?.own_devices;
        Ok(RootFacts { runtime: state.runtime.clone(), own_devices })
    }

    /// The process that we started: the launcher's monitor. For tests that kill it.
    pub(crate) fn monitor_pid(&self) -> Option<u32> {
        self.locked().running.as_ref().map(|running| running.process.child.id())
    }

    /// Stops the launcher.
    pub(crate) fn stop(&self) {
        self.locked().running = None;
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        support::lock(&self.state)
    }

    fn started<'a>(&self, state: &'a mut State) -> Result<&'a Running, LauncherError> {
        if state.running.is_none() {
            state.running = Some(self.start(state)?);
        }
        state.running.as_ref().ok_or_else(|| LauncherError::Io(io::ErrorKind::NotConnected.into()))
    }

    /// Starts a launcher. Once the runtime's copy did not fit into memory, or a launcher with a copy was
    /// killed for lack of memory, the runtime stays on its disk until the service ends: another copy would
    /// most likely end the same way, and take every running program with it.
    fn start(&self, state: &mut State) -> Result<Running, LauncherError> {
        if let RuntimeLocation::Memory { bytes_max, .. } = state.runtime {
            let kills = self.oom_kills();
            let why = if kills > 0 {
                "the launcher or a template was killed for lack of memory".to_owned()
            } else {
                match self.start_with(Some(bytes_max), None) {
                    Ok((running, bytes)) => {
                        state.runtime = RuntimeLocation::Memory { bytes_max, bytes };
                        return Ok(running);
                    }
                    Err(LauncherError::Refused { step, source })
                        if confine::MEMORY_STEPS.contains(&step.as_str()) =>
                    {
                        format!("failed to {step}: {source}")
                    }
                    // Whatever the error: the monitor may have been killed instead, and then the launcher
                    // lacks an answer.
                    Err(_) if self.oom_kills() > kills => {
                        "the launcher was killed for lack of memory".to_owned()
                    }
                    Err(error) => return Err(error),
                }
            };
            tracing::warn!(why, "the runtime is read from its disk until the service restarts");
            state.runtime = RuntimeLocation::Disk { why, reads: None };
        }
        let mut prepared = self.reads.prepare();
        let join = prepared.as_mut().ok().and_then(|prepared| prepared.join.take());
        let running = self.start_on_disk(join)?;
        if let RuntimeLocation::Disk { reads, .. } = &mut state.runtime {
            *reads = Some(self.reads.set(prepared));
        }
        if std::mem::take(&mut state.read_ahead) {
            read_ahead(self.config.rootfs.clone().into());
        }
        Ok(running)
    }

    /// Starts a launcher with the runtime on its disk. One killed for lack of memory is started again a few
    /// times: the kernel frees the memory copy of a launcher that has just ended piece by piece, and the
    /// cgroup is full until then.
    fn start_on_disk(&self, join: Option<OwnedFd>) -> Result<Running, LauncherError> {
        let mut tries = 0;
        loop {
            let kills = self.oom_kills();
            let join = join.as_ref().map(OwnedFd::try_clone).transpose().map_err(LauncherError::Io)?;
            match self.start_with(None, join) {
                Err(_) if tries < KILLED_STARTS_MAX && self.oom_kills() > kills => {
                    tries += 1;
                    std::thread::sleep(KILLED_START_PAUSE);
                }
                other => return other.map(|(running, _)| running),
            }
        }
    }

    /// Kills for lack of memory in the launcher's cgroup so far; 0 if the kernel does not count them.
    fn oom_kills(&self) -> u64 {
        self.group.oom_kills().unwrap_or(0)
    }

    /// Starts a launcher with the runtime in memory, in at most this many bytes, or on its disk; `join` is a
    /// cgroup to join besides its own. Returns the bytes of the copy.
    fn start_with(
        &self,
        runtime_memory_bytes: Option<u64>,
        join: Option<OwnedFd>,
    ) -> Result<(Running, Option<u64>), LauncherError> {
        let (control, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(io::Error::from)?;
        sockopt::set_socket_timeout(&control, sockopt::Timeout::Recv, Some(FIRST_REPLY_TIME_MAX))
            .map_err(io::Error::from)?;
        let mut process = self.image.spawn(&[], theirs).map_err(|refused| refused.source)?;
        if let Some(stderr) = process.child.stderr.take() {
            launcher_output::pass_on(stderr);
        }
        let pid = i32::try_from(process.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let pidfd = Arc::new(pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from)?);
        let mut running = Running { own_devices: false, process, pidfd, control };
        let mut joins = self.group.join_files().map_err(io::Error::other)?;
        joins.extend(join);
        let config = LauncherConfig {
            cgroups: u32::try_from(joins.len()).unwrap_or(u32::MAX),
            runtime_memory_bytes,
            ..self.config.clone()
        };
        let beside: Vec<_> = [self.hook.as_fd()].into_iter().chain(joins.iter().map(AsFd::as_fd)).collect();
        let answer = send_packet(&running.control, &config, &beside)
            .map_err(LauncherError::Io)
            .and_then(|()| reply(&running.control));
        match answer {
            Ok((LauncherReply::Ready { runtime_memory_bytes, own_devices }, _)) => {
                running.own_devices = own_devices;
                sockopt::set_socket_timeout(&running.control, sockopt::Timeout::Recv, Some(REPLY_TIME_MAX))
                    .map_err(io::Error::from)?;
                Ok((running, runtime_memory_bytes))
            }
            Ok((other, _)) => Err(refusal(other)),
            Err(error) => Err(running.end_by_filter().unwrap_or(error)),
        }
    }

    fn ask(
        &self,
        state: &mut State,
        request: &CreateSandbox,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Created, LauncherError> {
        self.started(state)?;
        let is_on_disk = state.runtime.is_on_disk();
        let Running { control, pidfd, .. } = self.started(state)?;
        send_packet(control, request, descriptors).map_err(|error| {
            // Not an error of the launcher, which must not be restarted for it: that would end every running
            // program.
            if error.raw_os_error() == Some(rustix::io::Errno::TOOMANYREFS.raw_os_error()) {
                LauncherError::Refused { step: "send the launcher a descriptor".to_owned(), source: error }
            } else {
                LauncherError::Io(error)
            }
        })?;
        match reply(control)? {
            (LauncherReply::Created, mut descriptors) => {
                let process = descriptors.pop();
                let process = process.ok_or_else(|| LauncherError::Io(io::ErrorKind::InvalidData.into()))?;
                Ok(Created { process, launcher: Arc::clone(pidfd), is_on_disk })
            }
            (other, _) => Err(refusal(other)),
        }
    }
}

fn reply(control: &OwnedFd) -> Result<(LauncherReply, Vec<OwnedFd>), LauncherError> {
    receive_packet(control)?.ok_or_else(|| LauncherError::Io(io::ErrorKind::UnexpectedEof.into()))
}

fn refusal(reply: LauncherReply) -> LauncherError {
    match reply {
        LauncherReply::Refused { step, errno } => {
            LauncherError::Refused { step, source: io::Error::from_raw_os_error(errno) }
        }
        LauncherReply::Ready { .. } | LauncherReply::Created => {
            LauncherError::Io(io::ErrorKind::InvalidData.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_by_a_filter_is_told_from_others() {
        let end_by = |signal: &str| {
            let script = format!("kill -{signal} $$");
            std::process::Command::new("sh").args(["-c", &script]).status().unwrap()
        };
        assert!(is_killed_by_filter(end_by("SYS")));
        assert!(!is_killed_by_filter(end_by("KILL")));
    }
}
