//! The host's end of the launcher. Everything here blocks: call it off the async threads.

use crate::words;
use agent::{receive_packet, send_packet};
use confine::cgroup::CellGroup;
use confine::{Image, SpawnedImage};
use protocol::launcher::{CreateCell, LauncherConfig, LauncherReply};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Time for one answer of the launcher: a clone with new namespaces takes a millisecond, on a host that is badly
/// out of memory much longer.
const REPLY_TIME_MAX: Duration = Duration::from_secs(20);
/// Time for the first one, before which the launcher copies the runtime into memory: a second where its files are in the
/// page cache, and what a slow disk takes to read them where they are not.
const FIRST_REPLY_TIME_MAX: Duration = Duration::from_secs(180);

/// The launcher, started again when it died.
#[derive(Debug)]
pub(crate) struct Launcher {
    image: Image,
    /// What templates load.
    hook: Image,
    config: LauncherConfig,
    /// What it, its templates and whatever those start are in.
    group: CellGroup,
    running: Mutex<Option<Running>>,
}

/// What the launcher found possible for its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RootFacts {
    /// Bytes of the runtime's copy in memory; `None` where it is on its disk.
    pub(crate) runtime_memory_bytes: Option<u64>,
    /// Each cell has device nodes of its own; else the host's.
    pub(crate) own_devices: bool,
}

#[derive(Debug)]
struct Running {
    root: RootFacts,
    process: SpawnedImage,
    /// Of the same process, for the cells that end with it.
    pidfd: Arc<OwnedFd>,
    control: OwnedFd,
}

impl Running {
    /// The reason, when it was killed for a system call that a filter around this service forbids.
    fn end_by_filter(&mut self) -> Option<LauncherError> {
        // It has closed its socket, so its end is settled already; this only hastens one that hangs.
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
        // It ends by itself when the control socket closes; a stuck one must not outlive us. With the monitor dies the first
        // process of the launcher's pid namespace, and with that all of it.
        let _ = self.process.child.kill();
        let _ = self.process.child.wait();
    }
}

/// Why the launcher gave no cell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LauncherError {
    #[error("the launcher does not answer")]
    Io(#[from] io::Error),
    #[error("the kernel refused to {step}")]
    Refused { step: String, source: io::Error },
}

impl Launcher {
    /// Prepares one; it is started by the first request.
    pub(crate) fn new(config: LauncherConfig, group: CellGroup) -> io::Result<Self> {
        let image = Image::new("sandbox-agent", agent_image::AGENT).map_err(|refused| refused.source)?;
        let hook = Image::new("template", agent_image::TEMPLATE).map_err(|refused| refused.source)?;
        Ok(Self { image, hook, config, group, running: Mutex::new(None) })
    }

    /// Makes a cell around the given end of a stream. Returns the pidfds of its first process and of the launcher,
    /// whose end is the cell's. After an
    /// [`LauncherError::Io`] the next call starts a new launcher; nothing of this call may be used again, since
    /// the old one may have cloned before it died.
    pub(crate) fn create_cell(
        &self,
        request: &CreateCell,
        stream: BorrowedFd<'_>,
        cgroups: &[OwnedFd],
        unified: Option<BorrowedFd<'_>>,
    ) -> Result<(OwnedFd, Arc<OwnedFd>), LauncherError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let descriptors: Vec<_> =
            [stream].into_iter().chain(cgroups.iter().map(AsFd::as_fd)).chain(unified).collect();
        let result = self.ask(&mut running, request, &descriptors);
        if matches!(result, Err(LauncherError::Io(_))) {
            *running = None;
        }
        result
    }

    /// Starts the launcher if it does not run.
    pub(crate) fn ensure_running(&self) -> Result<RootFacts, LauncherError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        self.started(&mut running).map(|running| running.root)
    }

    /// The process that we started: the launcher's monitor. For tests that kill it.
    pub(crate) fn monitor_pid(&self) -> Option<u32> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|running| running.process.child.id())
    }

    /// Ends it.
    pub(crate) fn stop(&self) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn started<'a>(&self, running: &'a mut Option<Running>) -> Result<&'a Running, LauncherError> {
        if running.is_none() {
            *running = Some(self.start()?);
        }
        running.as_ref().ok_or_else(|| LauncherError::Io(io::ErrorKind::NotConnected.into()))
    }

    /// Starts one; where the runtime does not fit into memory after all, with the runtime on its disk.
    fn start(&self) -> Result<Running, LauncherError> {
        match self.start_with(self.config.runtime_memory_bytes) {
            Err(LauncherError::Refused { step, source })
                if self.config.runtime_memory_bytes.is_some()
                    && confine::MEMORY_STEPS.contains(&step.as_str()) =>
            {
                tracing::warn!(step, %source, "the runtime stays on its disk");
                self.start_with(None)
            }
            other => other,
        }
    }

    fn start_with(&self, runtime_memory_bytes: Option<u64>) -> Result<Running, LauncherError> {
        let (control, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(io::Error::from)?;
        sockopt::set_socket_timeout(&control, sockopt::Timeout::Recv, Some(FIRST_REPLY_TIME_MAX))
            .map_err(io::Error::from)?;
        let mut process = self.image.spawn(&["launch"], theirs).map_err(|refused| refused.source)?;
        if let Some(stderr) = process.child.stderr.take() {
            words::pass_on(stderr);
        }
        let pid = i32::try_from(process.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let pidfd = Arc::new(pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from)?);
        let mut running = Running { root: RootFacts::default(), process, pidfd, control };
        let joins = self.group.join_files().map_err(io::Error::other)?;
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
                running.root = RootFacts { runtime_memory_bytes, own_devices };
                sockopt::set_socket_timeout(&running.control, sockopt::Timeout::Recv, Some(REPLY_TIME_MAX))
                    .map_err(io::Error::from)?;
                Ok(running)
            }
            Ok((other, _)) => Err(refusal(other)),
            Err(error) => Err(running.end_by_filter().unwrap_or(error)),
        }
    }

    fn ask(
        &self,
        running: &mut Option<Running>,
        request: &CreateCell,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(OwnedFd, Arc<OwnedFd>), LauncherError> {
        let Running { control, pidfd, .. } = self.started(running)?;
        send_packet(control, request, descriptors).map_err(|error| {
            // No fault of the launcher, which must not be started again for it: that ends every running program.
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
                Ok((process, Arc::clone(pidfd)))
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
