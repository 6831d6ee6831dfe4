//! Makes cells for the native executor.
//!
//! A small process between the service and its cells: single-threaded, so that it may clone; started from a
//! sealed image with an empty environment, so that no cell can inherit anything of the service; and moved onto
//! the stage before the first cell (`confine::enter_stage`), so that the host's files are out of reach for all of them.
//!
//! It ends when the service's end of the control socket closes, however that happens; each cell sees the end of
//! its own stream at the same moment and is tied to the launcher's life besides.

use crate::cell::{self, ROOTLESS_ID};
use crate::networks::Networks;
use crate::template::Templates;
use crate::{Filter, receive_packet, send_packet};
use confine::{CellGroups, CellRoot, Cloned, Namespaces, Refused, SingleThreaded, Stage, UserMap};
use protocol::launcher::{CreateCell, LauncherConfig, LauncherReply};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Serves requests from `control` until its other end closes.
///
/// # Errors
/// When the control socket breaks. What the kernel refuses is an answer, not an error.
pub fn run(control: OwnedFd) -> io::Result<()> {
    let Some((config, mut beside)) = receive_packet::<LauncherConfig>(&control)? else { return Ok(()) };
    let (proof, stage) = match set_up(&config) {
        Ok(made) => made,
        Err(refused) => return send_packet(&control, &reply(&refused), &[]),
    };
    let filter = Filter::new(&config.program)?;
    let mut templates = Templates::new(&config, beside.pop());
    templates.start_all(&proof, &config, stage);
    let mut networks = Networks::new();
    let Stage { memory_bytes, own_devices } = stage;
    send_packet(&control, &LauncherReply::Ready { runtime_memory_bytes: memory_bytes, own_devices }, &[])?;
    let mut control = Some(control);
    while let Some(socket) = &control {
        let (request, mut descriptors) = match receive_packet::<CreateCell>(socket) {
            Ok(Some(received)) => received,
            Ok(None) => break,
            // This cell cannot be; others live on.
            Err(source) if source.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => {
                send_packet(socket, &reply(&Refused { step: "receive a request", source }), &[])?;
                continue;
            }
            Err(error) => return Err(error),
        };
        // One short, a program would run without a limit.
        let groups = request.cgroups as usize + usize::from(request.unified);
        if descriptors.len() != 1 + groups {
            let source = Errno::MFILE.into();
            send_packet(socket, &reply(&Refused { step: "receive the descriptors of a cell", source }), &[])?;
            continue;
        }
        let unified = if request.unified { descriptors.pop() } else { None };
        let groups = CellGroups { joins: descriptors.split_off(1), unified };
        let Some(stream) = descriptors.pop() else { break };
        if let Some(number) = request.template.and_then(|number| usize::try_from(number).ok()) {
            templates.ensure(&proof, &config, stage, number, request.renew_template);
        }
        let network = networks.enter_unused();
        let namespaces = Namespaces::Cell { network: network.is_none() };
        // Where a cell cannot be born into its group it joins it afterwards, and what is wrong shows there.
        let born = groups.unified.as_ref().and_then(|group| proof.clone_into(namespaces, group.as_fd()).ok());
        let was_born_inside = born.is_some();
        match born.map_or_else(|| proof.clone(namespaces), Ok) {
            Ok(Cloned::Child) => {
                // The control socket and what belongs to other cells is the launcher's alone, and of the templates
                // a cell reaches one.
                control = None;
                drop((control, networks, network));
                let template = templates.into_socket(request.template);
                let served = cell::run(
                    &proof,
                    &config,
                    stage,
                    &filter,
                    &request,
                    stream,
                    groups,
                    was_born_inside,
                    template,
                );
                confine::exit_now(i32::from(served.is_err()));
            }
            Ok(Cloned::Parent { pidfd: Some(pidfd), .. }) => {
                drop((stream, groups));
                networks.lend(network, pidfd.as_fd());
                send_packet(socket, &LauncherReply::Created, &[pidfd.as_fd()])?;
            }
            Ok(Cloned::Parent { pidfd: None, .. }) => {
                // What the host cannot hold it could not remove: the cell ends with us.
                let source = io::ErrorKind::Unsupported.into();
                send_packet(socket, &reply(&Refused { step: "hold the cell by a pidfd", source }), &[])?;
                break;
            }
            Err(source) => {
                send_packet(socket, &reply(&Refused { step: "make the cell's namespaces", source }), &[])?;
            }
        }
    }
    Ok(())
}

fn set_up(config: &LauncherConfig) -> Result<(SingleThreaded, Stage), Refused> {
    let proof = SingleThreaded::prove()?;
    // The service's may be stricter, and then programs could not read what is made here.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    confine::unreaped_children();
    if let Some(user) = config.user_map {
        confine::enter_user_namespace(UserMap {
            inside: ROOTLESS_ID,
            outside_uid: user.uid,
            outside_gid: user.gid,
        })?;
    }
    // Not earlier: an undumpable process may not write its own id maps (proc_pid_uid_map(5)).
    confine::hide_from_others()?;
    let stage = confine::enter_stage(&CellRoot {
        rootfs: config.rootfs.clone().into(),
        memory_bytes: config.runtime_memory_bytes,
        cpu_count: config.cpu_count,
        keep_proc: config.user_map.is_some(),
    })?;
    Ok((proof, stage))
}

fn reply(refused: &Refused) -> LauncherReply {
    LauncherReply::Refused {
        step: refused.step.to_owned(),
        errno: refused.source.raw_os_error().unwrap_or(0),
    }
}
