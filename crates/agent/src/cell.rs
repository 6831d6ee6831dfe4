//! The first process of a cell, from its clone to its end.
//!
//! ```text
//! launcher ──clone──> join cgroups ──> mounts ──> drop rights ──> filter ──> serve one execution ──> exit
//! ```
//! When it ends, the kernel kills whatever else is in its pid namespace, and its mounts vanish with the last of
//! them.

use crate::{Channel, Context, Filter, Origin, Place, serve};
use confine::{AGENT_CAPABILITIES, CellGroups, CellMounts, Proc, Refused, SingleThreaded, Stage};
use protocol::GuestMessage;
use protocol::launcher::{CreateCell, LauncherConfig};
use rustix::thread::UnshareFlags;
use seccomp::Insn;
use std::io;
use std::os::fd::OwnedFd;

/// Uid and gid that an ordinary user has inside its cells.
pub(crate) const ROOTLESS_ID: u32 = 1000;

/// Steps of making a cell, in order. Their names are what a `Fault` says and what a test lets fail.
pub const STEPS: [&str; 8] = [
    "tie the sandbox to its launcher",
    "join the cgroups",
    "make a cgroup namespace",
    "name the host",
    "mount",
    "reset the out-of-memory score",
    "drop rights",
    "filter the agent's system calls",
];

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

/// Becomes the first process of a cell. Returns when the cell is used up; the process must exit then.
#[allow(clippy::too_many_arguments, reason = "all that a cell consists of, once")]
pub(crate) fn run(
    proof: &SingleThreaded,
    config: &LauncherConfig,
    walls: &Walls<'_>,
    request: &CreateCell,
    stream: OwnedFd,
    groups: CellGroups,
    was_born_inside: bool,
    template: Option<OwnedFd>,
) -> io::Result<()> {
    let output = stream.try_clone()?;
    let mut channel = Channel::new(stream, output)?;
    if let Err(refused) = set_up(config, walls, request, &groups, was_born_inside) {
        let detail = refused.source.to_string();
        channel.send(&GuestMessage::Fault { step: refused.step.to_owned(), detail })?;
        return channel.flush();
    }
    let place = Place { user: request.user, cpus: request.cpus.clone() };
    let origin = match template {
        Some(socket) => Origin::Template { socket, groups },
        None if request.template.is_some() => Origin::NoTemplate,
        None => Origin::Started { preload: Vec::new() },
    };
    let context = Context { proof, config: &config.program, filter: walls.program, place: &place };
    serve(&context, &mut channel, origin)
}

fn set_up(
    config: &LauncherConfig,
    walls: &Walls<'_>,
    request: &CreateCell,
    groups: &CellGroups,
    was_born_inside: bool,
) -> Result<(), Refused> {
    for step in STEPS {
        if config.fail_at.as_deref() == Some(step) {
            return Err(Refused { step, source: io::Error::from_raw_os_error(5) });
        }
        apply(step, config, walls, request, groups, was_born_inside)?;
    }
    Ok(())
}

fn apply(
    step: &'static str,
    config: &LauncherConfig,
    walls: &Walls<'_>,
    request: &CreateCell,
    groups: &CellGroups,
    was_born_inside: bool,
) -> Result<(), Refused> {
    let at = |errno: rustix::io::Errno| Refused { step, source: errno.into() };
    match step {
        "tie the sandbox to its launcher" => {
            confine::reset_child_signal();
            confine::die_with_parent()
        }
        "join the cgroups" => groups.join(was_born_inside).map_err(|source| Refused { step, source }),
        "make a cgroup namespace" => confine::unshare_namespaces(UnshareFlags::NEWCGROUP),
        "name the host" => rustix::system::sethostname(b"sandbox").map_err(at),
        "mount" => {
            let id = request.user.unwrap_or(ROOTLESS_ID);
            let mounts = CellMounts {
                tmp_bytes: request.tmp_bytes,
                tmp_inodes: request.tmp_inodes,
                uid: id,
                gid: id,
                proc: if config.user_map.is_some() { Proc::Replaced } else { Proc::New },
                executable: false,
            };
            confine::mount_cell(&mounts, walls.stage.own_devices)
        }
        // The launcher's protection is not for what it starts.
        "reset the out-of-memory score" if walls.protected => confine::reset_oom_score(),
        "reset the out-of-memory score" => Ok(()),
        "drop rights" => {
            confine::keep_only(AGENT_CAPABILITIES)?;
            confine::refuse_new_privileges()?;
            confine::hide_from_others()
        }
        _ => confine::filter_this_process(walls.agent),
    }
}
