//! The first process of a cell, from its clone to its end.
//!
//! ```text
//! launcher ──clone──> join cgroups ──> mounts ──> drop rights ──> filter ──> serve one execution ──> exit
//! ```
//! When it ends, the kernel kills whatever else is in its pid namespace, and its mounts vanish with the last of
//! them.

use crate::message::{CreateCell, LauncherConfig};
use agent::{Channel, Context, Filter, Origin, Place, serve};
use confine::{AGENT_CAPABILITIES, CellGroups, CellMounts, Proc, Refused, SingleThreaded, Stage};
use protocol::GuestMessage;
use rustix::thread::UnshareFlags;
use seccomp::Insn;
use std::io;
use std::os::fd::OwnedFd;

/// Uid and gid that an ordinary user has inside its cells.
pub(crate) const ROOTLESS_ID: u32 = 1000;

/// One step of making a cell, in the order of [`CELL_STEPS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellStep {
    /// The cell ends with its launcher.
    TieToLauncher,
    /// The cgroups in which it was not created.
    JoinCgroups,
    /// A cgroup namespace, from where it is now.
    MakeCgroupNamespace,
    /// The host's name, as the program sees it.
    NameHost,
    /// The root, `/dev`, `/proc` and `/tmp`.
    Mount,
    /// The launcher's protection from the out-of-memory killer is taken off.
    ResetOomScore,
    /// Only the agent's capabilities are left, and exec gives none.
    DropRights,
    /// The agent's filter of system calls.
    FilterCalls,
}

/// All steps in their order: the rights go when nothing needs them any more, and the filter refuses most of what the steps
/// before it do.
pub const CELL_STEPS: [CellStep; 8] = [
    CellStep::TieToLauncher,
    CellStep::JoinCgroups,
    CellStep::MakeCgroupNamespace,
    CellStep::NameHost,
    CellStep::Mount,
    CellStep::ResetOomScore,
    CellStep::DropRights,
    CellStep::FilterCalls,
];

impl CellStep {
    /// What the step does, in the infinitive: what a `Fault` says and what a test lets fail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TieToLauncher => "tie the sandbox to its launcher",
            Self::JoinCgroups => "join the cgroups",
            Self::MakeCgroupNamespace => "make a cgroup namespace",
            Self::NameHost => "name the host",
            Self::Mount => "mount",
            Self::ResetOomScore => "reset the out-of-memory score",
            Self::DropRights => "drop rights",
            Self::FilterCalls => "filter the agent's system calls",
        }
    }
}

/// What the launcher knows of a cell's walls.
pub(crate) struct Walls<'a> {
    /// The filter of the program.
    pub(crate) program: &'a Filter,
    /// The filter of the agent.
    pub(crate) agent: &'a [Insn],
    /// The launcher is protected from the out-of-memory killer.
    pub(crate) protected: bool,
    /// What the cell's root is made of.
    pub(crate) stage: Stage,
}

/// A cell whose first process this is.
pub(crate) struct Cell<'a> {
    /// What all cells have in common.
    pub(crate) config: &'a LauncherConfig,
    pub(crate) walls: Walls<'a>,
    pub(crate) request: &'a CreateCell,
    /// Its control groups.
    pub(crate) groups: CellGroups,
    /// It was created in its v2 group.
    pub(crate) was_born_inside: bool,
}

impl Cell<'_> {
    /// Makes the cell and serves one execution over `stream`, with an interpreter of the `template` at the other end of
    /// its socket. Returns when the cell is used up; the process must exit then.
    ///
    /// # Errors
    /// When the host went away or the cell is broken.
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
        let Self { config, walls, request, groups, .. } = self;
        let place = Place { user: request.user, cpus: request.cpus.clone() };
        let origin = match template {
            Some(socket) => Origin::Template { socket, groups },
            None if request.template.is_some() => Origin::NoTemplate,
            None => Origin::Started { preload: Vec::new() },
        };
        let context = Context { proof, config: &config.program, filter: walls.program, place: &place };
        serve(&context, &mut channel, origin)
    }

    fn set_up(&self) -> Result<(), Refused> {
        for step in CELL_STEPS {
            if self.config.fail_at.as_deref() == Some(step.as_str()) {
                let source = rustix::io::Errno::IO.into();
                return Err(Refused { step: step.as_str(), source });
            }
            self.apply(step)?;
        }
        Ok(())
    }

    fn apply(&self, step: CellStep) -> Result<(), Refused> {
        let refused = |source| Refused { step: step.as_str(), source };
        match step {
            CellStep::TieToLauncher => {
                confine::reset_child_signal();
                confine::die_with_parent()
            }
            CellStep::JoinCgroups => self.groups.join(self.was_born_inside).map_err(refused),
            CellStep::MakeCgroupNamespace => confine::unshare_namespaces(UnshareFlags::NEWCGROUP),
            CellStep::NameHost => {
                rustix::system::sethostname(b"sandbox").map_err(|errno| refused(errno.into()))
            }
            CellStep::Mount => self.mount(),
            // The launcher's protection is not for what it starts.
            CellStep::ResetOomScore if self.walls.protected => confine::reset_oom_score(),
            CellStep::ResetOomScore => Ok(()),
            CellStep::DropRights => {
                confine::keep_only(AGENT_CAPABILITIES)?;
                confine::refuse_new_privileges()?;
                confine::hide_from_others()
            }
            CellStep::FilterCalls => confine::filter_this_process(self.walls.agent),
        }
    }

    fn mount(&self) -> Result<(), Refused> {
        let id = self.request.user.unwrap_or(ROOTLESS_ID);
        let mounts = CellMounts {
            tmp_bytes: self.request.tmp_bytes,
            tmp_inodes: self.request.tmp_inodes,
            uid: id,
            gid: id,
            proc: if self.config.user_map.is_some() { Proc::Replaced } else { Proc::New },
            executable: false,
        };
        confine::mount_cell(&mounts, self.walls.stage.own_devices)
    }
}
