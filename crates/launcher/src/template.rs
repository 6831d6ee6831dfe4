//! RunningTemplates: interpreters with imported packages, which fork into sandboxes.
//!
//! ```text
//! launcher ──clone──> own mounts, empty network ──> few privileges, filter ──> interpreter: import, freeze, compact, wait
//!   sandbox's agent ── request: namespaces, pipes, rules ──> fork ──> in the sandbox, isolated ──> its agent's child
//! ```
//! A template runs in the launcher's pid namespace, or it could not fork into a sandbox's. It has the
//! capabilities to enter sandboxes and no others, no network, and sees only the runtime. It never reads a
//! byte of a program: it reads only requests from agents whose sandboxes are still empty.

use crate::message::{LauncherConfig, TemplateConfig};
use agent::{become_template, prepare_tmp};
use confine::{Cloned, Namespaces, Proc, SandboxMounts, SingleThreaded, Stage, TEMPLATE_CAPABILITIES};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::UnshareFlags;
use seccomp::Insn;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// A dead template is not restarted until this long after its last start: one that cannot run must not keep a
/// CPU busy. Until then sandboxes start their own interpreters.
const RESTART_PAUSE: Duration = Duration::from_secs(5);
/// Size of a template's `/tmp` in bytes, and its inodes: for the shared object and what packages write on
/// import.
const TMP_BYTES: u64 = 64 * 1024 * 1024;
const TMP_INODES: u64 = 4096;
/// Longest output of a dead template that is passed on, in bytes.
const OUTPUT_BYTES_MAX: usize = 4096;

/// The templates of one launcher.
#[derive(Debug)]
pub(crate) struct RunningTemplates {
    hook: Option<OwnedFd>,
    /// Their seccomp filter.
    filter: Vec<Insn>,
    /// The launcher is protected from the out-of-memory killer.
    protected: bool,
    all: Vec<Template>,
}

#[derive(Debug)]
struct Template {
    config: TemplateConfig,
    running: Option<Running>,
    last_start: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    process: OwnedFd,
    /// The agents' end of its socket.
    socket: OwnedFd,
    /// Its standard error.
    output: OwnedFd,
}

impl RunningTemplates {
    /// The configured templates, none started yet. `hook` is the shared object that they load.
    pub(crate) fn new(
        config: &LauncherConfig,
        hook: Option<OwnedFd>,
        filter: Vec<Insn>,
        protected: bool,
    ) -> Self {
        let template =
            |config: &TemplateConfig| Template { config: config.clone(), running: None, last_start: None };
        Self { hook, filter, protected, all: config.templates.iter().map(template).collect() }
    }

    /// Starts every template that is not running; those that died recently are started after their pause.
    pub(crate) fn start_all(&mut self, proof: &SingleThreaded, config: &LauncherConfig, stage: Stage) {
        for number in 0..self.all.len() {
            self.ensure(proof, config, stage, number, false);
        }
    }

    /// Starts a template unless it runs or is paused. With `renew` it is replaced first.
    pub(crate) fn ensure(
        &mut self,
        proof: &SingleThreaded,
        config: &LauncherConfig,
        stage: Stage,
        number: usize,
        renew: bool,
    ) {
        let (Some(hook), Some(template)) = (&self.hook, self.all.get_mut(number)) else { return };
        if let Some(running) = &template.running
            && (renew || running.is_dead())
        {
            running.log_output(&template.config.name);
            // The last end of its socket closes here, or when the agents waiting for it give up.
            let _ = rustix::process::pidfd_send_signal(&running.process, rustix::process::Signal::KILL);
            template.running = None;
        }
        let paused = template.last_start.is_some_and(|start| start.elapsed() < RESTART_PAUSE);
        if template.running.is_some() || paused {
            return;
        }
        template.last_start = Some(Instant::now());
        let isolation = (self.filter.as_slice(), self.protected);
        match start(proof, config, stage, &template.config, hook, isolation) {
            Ok(running) => template.running = Some(running),
            Err(error) => say(&format!("failed to start the template `{}`: {error}", template.config.name)),
        }
    }

    /// Closes everything except the socket of one template, if that runs: for a sandbox, which must have no
    /// more.
    pub(crate) fn into_socket(self, number: Option<u32>) -> Option<OwnedFd> {
        let number = usize::try_from(number?).ok()?;
        self.all.into_iter().nth(number)?.running.map(|running| running.socket)
    }
}

impl Running {
    fn is_dead(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut [PollFd::new(&self.process, PollFlags::IN)], Some(&now)), Ok(1..))
    }

    fn log_output(&self, name: &str) {
        let mut output = [0u8; OUTPUT_BYTES_MAX];
        let length = rustix::io::read(&self.output, &mut output).unwrap_or(0);
        let text = String::from_utf8_lossy(&output[..length]);
        let what = if self.is_dead() { "ended" } else { "is still running and is replaced" };
        let output = match text.trim() {
            "" => "without output".to_owned(),
            text => format!("with the output {text:?}"),
        };
        say(&format!("the template `{name}` {what}, {output}"));
    }
}

/// Writes a message to standard error, which the service logs line by line.
fn say(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

fn start(
    proof: &SingleThreaded,
    config: &LauncherConfig,
    stage: Stage,
    template: &TemplateConfig,
    hook: &OwnedFd,
    (filter, protected): (&[Insn], bool),
) -> io::Result<Running> {
    let (socket, their_socket) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    // Pipes, as for a program: the interpreter inspects its streams only once, when it starts.
    let (stdin, _) = pipe_with(PipeFlags::CLOEXEC)?;
    let (output, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
    // A full pipe must block neither the template nor the launcher.
    rustix::io::ioctl_fionbio(&stderr, true)?;
    rustix::io::ioctl_fionbio(&output, true)?;
    match proof.clone(Namespaces::Shared)? {
        Cloned::Parent { pidfd, .. } => match pidfd {
            Some(process) => Ok(Running { process, socket, output }),
            None => Err(io::ErrorKind::Unsupported.into()),
        },
        Cloned::Child => {
            drop((socket, output));
            let streams = [stdin.as_fd(), stderr.as_fd(), stderr.as_fd()];
            let Err(error) = set_up(config, stage, hook, protected).and_then(|root| {
                become_template(
                    &config.program,
                    &template.preload,
                    filter,
                    streams,
                    their_socket.as_fd(),
                    root,
                )
            });
            say(&format!("failed to start the template `{}`: {error}", template.name));
            confine::exit_now(1);
        }
    }
}

/// The template's isolation: its own mounts, no network, few privileges. Returns the stage's root.
fn set_up(config: &LauncherConfig, stage: Stage, hook: &OwnedFd, protected: bool) -> io::Result<OwnedFd> {
    confine::reset_child_signal();
    confine::die_with_parent()?;
    let own = UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    confine::unshare_namespaces(own)?;
    // Packages ask for the host name while they are imported, and keep it.
    rustix::system::sethostname(b"sandbox")?;
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mounts = SandboxMounts {
        tmp_bytes: TMP_BYTES,
        tmp_inodes: TMP_INODES,
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        proc: if config.user_map.is_some() { Proc::Replaced } else { Proc::New },
        executable: true,
    };
    confine::mount_sandbox(&mounts, stage.own_devices)?;
    // The launcher's protection must not extend to packages.
    if protected {
        confine::reset_oom_score()?;
    }
    prepare_tmp(None)?;
    copy_hook(hook.as_fd())?;
    confine::keep_only(TEMPLATE_CAPABILITIES)?;
    confine::refuse_new_privileges()?;
    Ok(root)
}

/// Writes the shared object to the path from which the runner loads it.
fn copy_hook(hook: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    copy(hook, &mut rustix::fs::open("/tmp/template.so", flags, Mode::from_raw_mode(0o444))?.into())
}

/// Copies all of `from`, reading at explicit offsets: templates start concurrently and share the descriptor's
/// offset. Reading at that offset would miss what another has just read, and the interpreter would load half
/// a shared object and crash.
fn copy(from: BorrowedFd<'_>, to: &mut File) -> io::Result<()> {
    let mut chunk = [0u8; 16 * 1024];
    let mut offset = 0u64;
    loop {
        match rustix::io::pread(from, &mut chunk, offset)? {
            0 => return Ok(()),
            length => {
                to.write_all(&chunk[..length])?;
                offset += length as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, memfd_create};

    fn memory(bytes: &[u8]) -> File {
        let mut memory = File::from(memfd_create("test", MemfdFlags::CLOEXEC).unwrap());
        memory.write_all(bytes).unwrap();
        memory
    }

    #[test]
    fn templates_that_start_at_once_all_get_the_whole_object() {
        let bytes: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_ne_bytes).collect();
        let shared = memory(&bytes);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut own = memory(&[]);
                    copy(shared.as_fd(), &mut own).unwrap();
                    let mut copied = vec![0u8; bytes.len() + 1];
                    let mut length = 0;
                    while let Ok(more @ 1..) = rustix::io::pread(&own, &mut copied[length..], length as u64) {
                        length += more;
                    }
                    assert!(copied[..length] == bytes, "{length} bytes of {}", bytes.len());
                });
            }
        });
    }
}
