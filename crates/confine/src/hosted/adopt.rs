//! Adopts an interpreter forked by a template instead of starting one.

use super::landlock_rules::LandlockRules;
use super::program::{
    ProgramSpec, Spawned, listener_sockets, read_fully, refused_step, report_pipe, take_listener,
};
use super::refused::Refused;
use crate::child::{ENTERED, FORK_FAILED, REPORT_BYTES};
use crate::fork_request::{NAMESPACES, REQUEST_DESCRIPTORS_MAX, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The namespaces of this process's sandbox, to be sent to a template.
#[derive(Debug)]
pub struct SandboxNamespaces {
    descriptors: [OwnedFd; NAMESPACES],
}

impl SandboxNamespaces {
    /// Opens this process's namespaces through its `/proc`.
    ///
    /// # Errors
    /// From open(2): without `/proc`.
    pub fn of_this_process() -> Result<Self, Refused> {
        let open = |name| {
            let path = format!("/proc/self/ns/{name}");
            rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .map_err(Refused::at("open the sandbox's namespaces"))
        };
        // The pid namespace first: it is entered before the fork.
        let descriptors =
            [open("pid")?, open("mnt")?, open("net")?, open("ipc")?, open("uts")?, open("cgroup")?];
        Ok(Self { descriptors })
    }
}

/// The cgroups of a sandbox, for processes that must join them.
#[derive(Debug)]
pub struct SandboxCgroups {
    /// A file to join each of them; that of the v2 cgroup first, if there is one.
    pub joins: Vec<OwnedFd>,
    /// The v2 cgroup itself, if there is one: a process can be created in it.
    pub unified: Option<OwnedFd>,
}

impl SandboxCgroups {
    /// Moves this process into all of them, except the v2 cgroup if it was created there.
    ///
    /// # Errors
    /// write(2) to one of the files.
    pub fn join(&self, was_born_inside: bool) -> io::Result<()> {
        for join in self.joins.iter().skip(usize::from(was_born_inside)) {
            // cgroups(7): zero stands for the writing process.
            rustix::io::write(join, b"0")?;
        }
        Ok(())
    }
}

/// Why no interpreter was adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The template is gone, busy or out of processes. An interpreter can be started instead: none will be
    /// forked.
    #[error("the template did not start an interpreter: {step}")]
    NoTemplate {
        /// The step, in the infinitive.
        step: &'static str,
        /// The kernel's error, or what happened instead of one.
        #[source]
        source: io::Error,
    },
    /// The template has the request and does not reply. It may still fork at any time, so no other
    /// interpreter may use this one's resources: the sandbox must end.
    #[error("the template does not answer")]
    Stuck,
    /// A protection could not be applied.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Has a template fork its interpreter into this sandbox, with every protection in `spec`. The template
/// already has those parts of `spec` that it does not need: executable, arguments, environment, directory.
///
/// The fork becomes a child of this process, which must be the first of its pid namespace.
///
/// # Errors
/// [`AdoptError`].
pub fn adopt(
    template: BorrowedFd<'_>,
    namespaces: &SandboxNamespaces,
    groups: &SandboxCgroups,
    spec: &ProgramSpec<'_>,
    time_max: Duration,
) -> Result<Spawned, AdoptError> {
    let (report_reader, report_writer) = report_pipe()?;
    let (listener_reader, listener_writer) = listener_sockets()?;
    let ruleset = spec.landlock.and_then(LandlockRules::descriptor);
    let request = Request {
        user: spec.user.map(|(uid, _)| uid),
        cpus: spec.cpus.as_ref(),
        limits: &spec.limits,
        filter: spec.seccomp,
        notify: spec.notify,
        has_ruleset: ruleset.is_some(),
        has_group: groups.unified.is_some(),
        fail_at: spec.fail_at,
        placed: spec.descriptors.len(),
        cgroups: groups.joins.len(),
    };
    let descriptors: Vec<BorrowedFd<'_>> = namespaces
        .descriptors
        .iter()
        .map(AsFd::as_fd)
        .chain(spec.descriptors.iter().copied())
        .chain([report_writer.as_fd(), listener_writer.as_fd()])
        .chain(ruleset)
        .chain(groups.unified.as_ref().map(AsFd::as_fd))
        .chain(groups.joins.iter().map(AsFd::as_fd))
        .collect();
    let deadline = Instant::now() + time_max;
    let none = |step: &'static str| move |source: io::Error| AdoptError::NoTemplate { step, source };
    if !is_ready(template, deadline).map_err(none("wait until its imports are done"))? {
        let source = io::ErrorKind::TimedOut.into();
        return Err(AdoptError::NoTemplate { step: "wait until its imports are done", source });
    }
    send(template, &request.to_words(), &descriptors, deadline).map_err(none("send the request"))?;
    drop((report_writer, listener_writer));

    let mut report = [0u8; REPORT_BYTES];
    if !matches!(wait_for(report_reader.as_fd(), PollFlags::IN, Instant::now() + time_max), Ok(Some(_))) {
        return Err(AdoptError::Stuck);
    }
    if read_fully(&report_reader, &mut report) < report.len() {
        // It died before it reported: the fork did not get far enough to run anything.
        return Err(none("read the report")(io::ErrorKind::UnexpectedEof.into()));
    }
    let [first, number @ ..] = report;
    let number = i32::from_le_bytes(number);
    match first {
        ENTERED => {}
        FORK_FAILED => return Err(none("fork")(io::Error::from_raw_os_error(number))),
        _ => return Err(refused_step(report).into()),
    }
    let gone = || Refused { step: "adopt the interpreter", source: io::ErrorKind::NotFound.into() };
    let pid = Pid::from_raw(number).ok_or_else(gone)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(Refused::at("adopt the interpreter"))?;
    let listener = take_listener(&listener_reader, spec, pid)?;
    Ok(Spawned { pid, pidfd: Some(pidfd), listener })
}

fn send(
    template: BorrowedFd<'_>,
    words: &[u64],
    descriptors: &[BorrowedFd<'_>],
    deadline: Instant,
) -> io::Result<()> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    loop {
        let mut space =
            [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(REQUEST_DESCRIPTORS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::other("too many descriptors for one packet"));
        }
        match sendmsg(template, &[IoSlice::new(&bytes)], &mut ancillary, flags) {
            Ok(_) => return Ok(()),
            // All agents share the buffer of one socket. A full buffer means that many sandboxes are being
            // created and the template is behind; it takes a millisecond per request.
            Err(Errno::AGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
        if wait_for(template, PollFlags::OUT, deadline)?.is_none() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// Waits until the template serves requests. It signals that by a packet that is never received, so every
/// agent finds it.
fn is_ready(template: BorrowedFd<'_>, deadline: Instant) -> io::Result<bool> {
    match wait_for(template, PollFlags::IN, deadline)? {
        Some(events) if events.contains(PollFlags::HUP) => Err(io::ErrorKind::BrokenPipe.into()),
        events => Ok(events.is_some()),
    }
}

/// Waits for one of `events`, or until the other end is gone; `None` after the deadline.
fn wait_for(
    descriptor: BorrowedFd<'_>,
    events: PollFlags,
    deadline: Instant,
) -> io::Result<Option<PollFlags>> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut polled = [PollFd::from_borrowed_fd(descriptor, events)];
        match poll(&mut polled, Some(&timeout)) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(polled[0].revents())),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn a_request_waits_for_room_in_the_queue() {
        let (agents, template) = pair();
        let words = [7u64; 1024];
        let soon = || Instant::now() + Duration::from_millis(1);
        let mut sent = 0;
        while send(agents.as_fd(), &words, &[agents.as_fd()], soon()).is_ok() {
            sent += 1;
        }
        assert!(sent > 0, "the buffer was not full at first");
        std::thread::scope(|scope| {
            let late = scope.spawn(|| {
                let deadline = Instant::now() + Duration::from_secs(60);
                send(agents.as_fd(), &words, &[agents.as_fd()], deadline)
            });
            let mut taken = 0;
            while taken <= sent {
                let mut bytes = [0u8; 8192];
                let (length, _) = recv(&template, &mut bytes[..], RecvFlags::empty()).unwrap();
                assert_eq!(length, bytes.len());
                taken += 1;
            }
            late.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_template_that_is_gone_is_told_from_one_that_is_late() {
        let (agents, template) = pair();
        let now = Instant::now();
        assert!(!is_ready(agents.as_fd(), now).unwrap());
        drop(template);
        assert_eq!(is_ready(agents.as_fd(), now).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let sent = send(agents.as_fd(), &[1], &[agents.as_fd()], now);
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
