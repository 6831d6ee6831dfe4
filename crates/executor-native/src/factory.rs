//! Makes the processes and cgroups of a sandbox, and removes them.

use crate::cpus::{Cpus, Share};
use crate::launcher_client::{Created, LauncherClient, LauncherError};
use crate::users::{User, Users};
use cgroup::{CgroupError, GroupLimits, Manager, SandboxGroup, TotalLimits};
use executor::{Counted, InterpreterStats, LiveCount, SandboxLimits, TemplateId, Templates};
use launcher::CreateSandbox;
use protocol::InterpreterOrigin;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Timeout for the exit of a killed sandbox's first process.
const DEATH_TIME_MAX: Duration = Duration::from_secs(10);
/// The agent is in its sandbox's cgroup too: one process that the program's limit must not count.
const AGENT_PIDS: u64 = 1;

/// Consecutive sandboxes that a template may leave without an interpreter before it is replaced.
const REFUSALS_MAX: u32 = 2;

/// What is needed to make sandboxes.
#[derive(Debug)]
pub(crate) struct SandboxFactory {
    pub(crate) launcher: LauncherClient,
    pub(crate) groups: Manager,
    pub(crate) limits: SandboxLimits,
    /// The limits of all of them together.
    pub(crate) totals: TotalLimits,
    pub(crate) cpus: Arc<Cpus>,
    pub(crate) templates: Templates,
    /// One per template.
    origins: Vec<Origins>,
    /// `None` for an ordinary user's service: its user namespace has a single id.
    users: Option<Arc<Users>>,
    next: AtomicU64,
    /// Sandboxes that are idle or in use.
    pub(crate) living: LiveCount,
}

/// Origins of the interpreters of one template's sandboxes.
#[derive(Debug, Default)]
struct Origins {
    forked: AtomicU64,
    started: AtomicU64,
    /// How often the template was replaced.
    replaced: AtomicU64,
    /// Consecutive sandboxes that got no interpreter from the template.
    refusals: AtomicU32,
}

/// How the sandboxes of one template got their interpreters, since the executor started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginCounts {
    /// The template's name.
    pub template: String,
    /// Forked from the template: the fast path.
    pub forked: u64,
    /// Started in the sandbox.
    pub started: u64,
}

/// Why a sandbox could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    LauncherClient(#[from] LauncherError),
    #[error("failed to create the sandbox's stream")]
    Stream(#[from] io::Error),
    #[error("every user id for sandboxes is in use")]
    NoUser,
}

/// The processes and cgroups of one sandbox. [`Remover`] removes it; dropping it elsewhere would block.
#[derive(Debug)]
pub(crate) struct NativeSandbox {
    pub(crate) process: OwnedFd,
    launcher: Arc<OwnedFd>,
    pub(crate) group: SandboxGroup,
    /// The dentries that the kernel cached for its look-ups on a disk are to be dropped with it.
    forget: bool,
    _share: Share,
    _user: Option<User>,
}

impl SandboxFactory {
    pub(crate) fn new(
        launcher: LauncherClient,
        groups: Manager,
        limits: SandboxLimits,
        totals: TotalLimits,
        templates: Templates,
        rootless: bool,
    ) -> Self {
        let cpus = Cpus::of_this_process();
        let users = (!rootless).then(Arc::default);
        let origins = templates.ids().map(|_| Origins::default()).collect();
        let (next, living) = (AtomicU64::new(0), LiveCount::default());
        Self { launcher, groups, limits, totals, cpus, templates, origins, users, next, living }
    }

    /// Removes what [`Remover`] could not. Blocks.
    pub(crate) fn retry_leftovers(&self, goes_on: &dyn Fn() -> bool) {
        let report = self.groups.retry_leftovers(goes_on);
        for failure in report.failures {
            let (path, error) = (failure.path.display(), &failure.error);
            tracing::warn!(%path, %error, "failed to remove a sandbox's cgroup again; trying again later");
        }
    }

    /// Makes a sandbox. Blocks for about a millisecond. A failure removes whatever was already made.
    pub(crate) fn create(&self, template: TemplateId) -> Result<(NativeSandbox, UnixStream), CreateError> {
        match self.try_create(template) {
            // The launcher may have died since the last sandbox: start a new one and try once more, from the
            // beginning.
            Err(CreateError::LauncherClient(LauncherError::Io(error))) => {
                tracing::warn!(%error, "the launcher died; starting another");
                self.try_create(template)
            }
            other => other,
        }
    }

    fn try_create(&self, template: TemplateId) -> Result<(NativeSandbox, UnixStream), CreateError> {
        let serial = self.next.fetch_add(1, Ordering::Relaxed);
        let group = self.groups.create(&serial.to_string(), &cgroup_limits(&self.limits))?;
        let joins = group.join_files()?;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(io::Error::from)?;
        let share = self.cpus.share(self.limits.cpu_count());
        let user = self.users.as_ref().map(|users| users.take().ok_or(CreateError::NoUser)).transpose()?;
        let request = CreateSandbox {
            user: user.as_ref().map(User::id),
            tmp_bytes: self.limits.disk_bytes,
            tmp_inodes: self.limits.disk_inodes,
            cpus: share.numbers.clone(),
            cgroups: u32::try_from(joins.len()).unwrap_or(u32::MAX),
            unified: group.dir_fd().is_some(),
            template: self.templates.number(template),
            renew_template: self.is_template_lost(template),
        };
        let Created { process, launcher, is_on_disk } =
            self.launcher.create_sandbox(&request, theirs.as_fd(), &joins, group.dir_fd())?;
        let stream = UnixStream::from(ours);
        stream.set_nonblocking(true)?;
        Ok((
            NativeSandbox { process, launcher, group, forget: is_on_disk, _share: share, _user: user },
            stream,
        ))
    }
}

impl SandboxFactory {
    /// Records where a new sandbox's interpreter came from; `None` if it has none.
    pub(crate) fn record_origin(&self, template: TemplateId, origin: Option<&InterpreterOrigin>) {
        let Some(origins) = self.origins.get(template.index()) else { return };
        match origin {
            Some(InterpreterOrigin::Forked) => {
                origins.forked.fetch_add(1, Ordering::Relaxed);
                origins.refusals.store(0, Ordering::Relaxed);
            }
            other => {
                origins.started.fetch_add(u64::from(other.is_some()), Ordering::Relaxed);
                if self.templates.number(template).is_some() {
                    let row = origins.refusals.fetch_add(1, Ordering::Relaxed) + 1;
                    let reason = match other {
                        Some(InterpreterOrigin::StartedInstead { reason }) => reason,
                        Some(_) => "unknown",
                        None => "the sandbox failed, see the error",
                    };
                    tracing::warn!(
                        template = self.templates.name(template),
                        row,
                        reason,
                        "the template did not start an interpreter"
                    );
                }
            }
        }
    }

    /// Origins of the interpreters so far, for each template.
    pub(crate) fn origins(&self) -> Vec<OriginCounts> {
        let count = |(template, origins): (TemplateId, &Origins)| OriginCounts {
            template: self.templates.name(template).to_owned(),
            forked: origins.forked.load(Ordering::Relaxed),
            started: origins.started.load(Ordering::Relaxed),
        };
        self.templates.ids().zip(&self.origins).map(count).collect()
    }

    /// Origins of the interpreters of one template's sandboxes, and how often it was replaced.
    pub(crate) fn interpreters(&self, template: TemplateId) -> Option<(InterpreterStats, u64)> {
        let origins = self.origins.get(template.index())?;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (forked, started) = (get(&origins.forked), get(&origins.started));
        let stats = if self.templates.number(template).is_some() {
            InterpreterStats { forked, started: 0, started_instead: started }
        } else {
            InterpreterStats { forked, started, started_instead: 0 }
        };
        Some((stats, get(&origins.replaced)))
    }

    /// Whether a template has failed for enough sandboxes in a row to be replaced. True once per series.
    fn is_template_lost(&self, template: TemplateId) -> bool {
        let Some(Origins { refusals, replaced, .. }) = self.origins.get(template.index()) else {
            return false;
        };
        let lost = refusals.load(Ordering::Relaxed) >= REFUSALS_MAX;
        if lost {
            refusals.store(0, Ordering::Relaxed);
            replaced.fetch_add(1, Ordering::Relaxed);
        }
        lost
    }
}

fn cgroup_limits(limits: &SandboxLimits) -> GroupLimits {
    GroupLimits {
        memory_bytes: limits.memory_bytes,
        pids_max: u64::from(limits.pids_max) + AGENT_PIDS,
        cpu_quota_us: Some(limits.cpu_quota_us),
        cpu_period_us: limits.cpu_period_us,
    }
}

impl NativeSandbox {
    /// Whether its first process is running, and the launcher, without which the sandbox is about to die.
    pub(crate) fn is_alive(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut ended =
            [PollFd::new(&self.process, PollFlags::IN), PollFd::new(&*self.launcher, PollFlags::IN)];
        matches!(poll(&mut ended, Some(&now)), Ok(0))
    }

    /// Kills everything in the sandbox and removes its cgroups. Blocks until that is done.
    fn remove(mut self) {
        // The first process's death is the death of its pid namespace (pid_namespaces(7)).
        let _ = rustix::process::pidfd_send_signal(&self.process, rustix::process::Signal::KILL);
        // On cgroup v1 a frozen process dies when it is thawed, not before. If this fails, destroying the
        // group tries again.
        let _ = self.group.thaw();
        let timeout =
            Timespec { tv_sec: i64::try_from(DEATH_TIME_MAX.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
        let mut waiting = [PollFd::new(&self.process, PollFlags::IN)];
        let _ = poll(&mut waiting, Some(&timeout));
        if self.forget {
            self.group.forget();
        }
        let name = self.group.name().to_owned();
        if let Err(error) = self.group.destroy() {
            tracing::error!(sandbox = name, %error, "failed to remove a sandbox's cgroups; trying again later");
        }
    }
}

/// Removes sandboxes on its own threads: removal waits for the kernel, and no request should wait with it.
#[derive(Debug)]
pub(crate) struct Remover {
    open: Mutex<Option<Open>>,
    /// Sandboxes that were handed over and still exist.
    removing: LiveCount,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

/// The threads end when this is dropped.
#[derive(Debug)]
struct Open {
    queue: Sender<(NativeSandbox, Counted)>,
    /// Nothing is sent.
    _retries: Sender<Infallible>,
}

/// How often a service retries what it could not remove.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Threads that remove sandboxes: one stuck in the kernel does not hold up the others.
const REMOVER_THREADS: usize = 2;

impl Remover {
    /// Starts the threads. `retry` removes what could not be removed before, and is called at intervals of
    /// `pause`. Its argument says whether it goes on.
    pub(crate) fn start(
        pause: Duration,
        retry: impl Fn(&dyn Fn() -> bool) + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, receiver) = mpsc::channel::<(NativeSandbox, Counted)>();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = (0..REMOVER_THREADS)
            .map(|_| {
                let receiver = Arc::clone(&receiver);
                spawn(move || {
                    loop {
                        let next = support::lock(&receiver).recv();
                        let Ok((sandbox, _removing)) = next else { return };
                        sandbox.remove();
                    }
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        let (retries, stop) = mpsc::channel::<Infallible>();
        threads.push(spawn(move || {
            while stop.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                retry(&|| stop.try_recv() == Err(TryRecvError::Empty));
            }
        })?);
        let open = Open { queue, _retries: retries };
        let (removing, threads) = (LiveCount::default(), Mutex::new(threads));
        Ok(Self { open: Mutex::new(Some(open)), removing, threads })
    }

    /// Queues a sandbox for removal. Never blocks, except after [`Remover::finish`], when it removes at once.
    pub(crate) fn remove(&self, sandbox: NativeSandbox) {
        let removing = self.removing.enter();
        let open = support::lock(&self.open);
        match open.as_ref() {
            Some(open) => {
                if let Err(mpsc::SendError((sandbox, _removing))) = open.queue.send((sandbox, removing)) {
                    sandbox.remove();
                }
            }
            None => sandbox.remove(),
        }
    }

    /// Number of sandboxes that are being removed.
    pub(crate) fn removing(&self) -> u64 {
        self.removing.get()
    }

    /// Blocks until every queued sandbox is removed.
    pub(crate) fn finish(&self) {
        support::lock(&self.open).take();
        let threads = std::mem::take(&mut *support::lock(&self.threads));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread that removes sandboxes panicked");
            }
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("sandbox-remover".to_owned()).spawn(work)
}

impl Drop for Remover {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remover_retries_until_it_is_finished() {
        let (sender, retried) = mpsc::channel();
        let remover = Remover::start(Duration::from_millis(1), move |goes_on| {
            let _ends_with_the_test = sender.send(goes_on());
        });
        let remover = remover.unwrap();
        for _ in 0..3 {
            assert!(retried.recv().unwrap());
        }
        remover.finish();
        while retried.try_recv().is_ok() {}
        assert!(retried.recv().is_err(), "its threads have ended");
    }

    #[test]
    fn a_retry_is_told_that_the_remover_finishes() {
        let (sender, begun) = mpsc::channel();
        let remover = Remover::start(Duration::from_millis(1), move |goes_on| {
            let _first = sender.send(());
            while goes_on() {
                std::thread::yield_now();
            }
        });
        let remover = remover.unwrap();
        begun.recv().unwrap();
        remover.finish();
    }
}
