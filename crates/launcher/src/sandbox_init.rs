//! The first process of a native sandbox, from its clone to its end.
//!
//! ```text
//! launcher ──clone──> join cgroups ──> mounts ──> drop privileges ──> filter ──> serve executions ──> exit
//! ```
//! When it ends, the kernel kills everything else in its pid namespace, and its mounts disappear with the
//! last process.

use crate::message::{CreateSandbox, LauncherConfig};
use agent::{Channel, Context, Filter, Origin, RunAs, serve};
use confine::{AGENT_CAPABILITIES, Proc, Refused, SandboxCgroups, SandboxMounts, SingleThreaded, Stage};
use protocol::GuestMessage;
use rustix::thread::UnshareFlags;
use seccomp::Insn;
use std::io;
use std::os::fd::OwnedFd;

/// Uid and gid in the sandboxes of an unprivileged service.
pub(crate) const ROOTLESS_ID: u32 = 1000;

/// One step of creating a sandbox, in the order of [`SETUP_STEPS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupStep {
    /// The sandbox ends with its launcher.
    TieToLauncher,
    /// Join the cgroups in which it was not created.
    JoinCgroups,
    /// A cgroup namespace, rooted at its current cgroups.
    MakeCgroupNamespace,
    /// The host name that the program sees.
    NameHost,
    /// The root, `/dev`, `/proc` and `/tmp`.
    Mount,
    /// Remove the launcher's protection from the out-of-memory killer.
    ResetOomScore,
    /// Keep only the agent's capabilities; exec adds none.
    DropPrivileges,
    /// The agent's seccomp filter.
    FilterCalls,
}

/// All steps in order: privileges are dropped once no later step needs them, and the filter comes last
/// because it blocks most of what the steps before it do.
pub const SETUP_STEPS: [SetupStep; 8] = [
    SetupStep::TieToLauncher,
    SetupStep::JoinCgroups,
    SetupStep::MakeCgroupNamespace,
    SetupStep::NameHost,
    SetupStep::Mount,
    SetupStep::ResetOomScore,
    SetupStep::DropPrivileges,
    SetupStep::FilterCalls,
];

impl SetupStep {
    /// What the step does, in the infinitive: the `step` of a `Fault`, and of a failure injected by a test.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TieToLauncher => "tie the sandbox to its launcher",
            Self::JoinCgroups => "join the cgroups",
            Self::MakeCgroupNamespace => "make a cgroup namespace",
            Self::NameHost => "name the host",
            Self::Mount => "mount",
            Self::ResetOomScore => "reset the out-of-memory score",
            Self::DropPrivileges => "drop privileges",
            Self::FilterCalls => "filter the agent's system calls",
        }
    }
}

/// What the launcher provides for a sandbox's isolation.
pub(crate) struct Isolation<'a> {
    /// The program's filter.
    pub(crate) program: &'a Filter,
    /// The agent's filter.
    pub(crate) agent: &'a [Insn],
    /// The launcher is protected from the out-of-memory killer.
    pub(crate) protected: bool,
    /// The parts of the sandbox's root.
    pub(crate) stage: Stage,
}

/// A sandbox, whose first process this is.
pub(crate) struct SandboxInit<'a> {
    /// What all sandboxes have in common.
    pub(crate) config: &'a LauncherConfig,
    pub(crate) isolation: Isolation<'a>,
    pub(crate) request: &'a CreateSandbox,
    /// The sandbox's cgroups.
    pub(crate) groups: SandboxCgroups,
    /// Whether it was created in its v2 cgroup.
    pub(crate) was_born_inside: bool,
}

impl SandboxInit<'_> {
    /// Sets up the sandbox and serves its executions over `stream`, with an interpreter from the template at
    /// the other end of the `template` socket. Returns when the sandbox has ended; the process must exit
    /// then.
    ///
    /// # Errors
    /// When the host is gone or the sandbox is broken.
    pub(crate) fn run(
        self,
        proof: &SingleThreaded,
        stream: OwnedFd,
        template: Option<OwnedFd>,
    ) -> io::Result<()> {
        let output = stream.try_clone()?;
        let mut channel = Channel::new(stream, output)?;
        if let Err(refused) = self.set_up() {
            let detail = refused.source.to_string();
            channel.send(&GuestMessage::Fault { step: refused.step.to_owned(), detail })?;
            return channel.flush();
        }
        let Self { config, isolation, request, groups, .. } = self;
        let run_as = RunAs { user: request.user, cpus: request.cpus.clone() };
        let origin = match template {
            Some(socket) => Origin::Template { socket, groups },
            None if request.template.is_some() => Origin::NoTemplate,
            None => Origin::Started { preload: Vec::new() },
        };
        let context = Context { proof, config: &config.program, filter: isolation.program, run_as: &run_as };
        serve(&context, &mut channel, origin)
    }

    fn set_up(&self) -> Result<(), Refused> {
        for step in SETUP_STEPS {
            if self.config.fail_at.as_deref() == Some(step.as_str()) {
                let source = rustix::io::Errno::IO.into();
                return Err(Refused { step: step.as_str(), source });
            }
            self.apply(step)?;
        }
        Ok(())
    }

    fn apply(&self, step: SetupStep) -> Result<(), Refused> {
        let refused = |source| Refused { step: step.as_str(), source };
        match step {
            SetupStep::TieToLauncher => {
                confine::reset_child_signal();
                confine::die_with_parent()
            }
            SetupStep::JoinCgroups => self.groups.join(self.was_born_inside).map_err(refused),
            SetupStep::MakeCgroupNamespace => confine::unshare_namespaces(UnshareFlags::NEWCGROUP),
            SetupStep::NameHost => {
                rustix::system::sethostname(b"sandbox").map_err(|errno| refused(errno.into()))
            }
            SetupStep::Mount => self.mount(),
            // The launcher's protection must not extend to programs.
            SetupStep::ResetOomScore if self.isolation.protected => confine::reset_oom_score(),
            SetupStep::ResetOomScore => Ok(()),
            SetupStep::DropPrivileges => {
                confine::keep_only(AGENT_CAPABILITIES)?;
                confine::refuse_new_privileges()?;
                confine::hide_from_others()
            }
            SetupStep::FilterCalls => confine::filter_this_process(self.isolation.agent),
        }
    }

    fn mount(&self) -> Result<(), Refused> {
        let id = self.request.user.unwrap_or(ROOTLESS_ID);
        let mounts = SandboxMounts {
            tmp_bytes: self.request.tmp_bytes,
            tmp_inodes: self.request.tmp_inodes,
            uid: id,
            gid: id,
            proc: if self.config.user_map.is_some() { Proc::Replaced } else { Proc::New },
            executable: false,
        };
        confine::mount_sandbox(&mounts, self.isolation.stage.own_devices)
    }
}
