//! Creates sandboxes for the native executor.
//!
//! A small process between the service and its sandboxes: single-threaded, so that it may clone; started from
//! a sealed image with an empty environment, so that no sandbox can inherit anything from the service; first
//! process of a pid namespace, so that nothing it starts outlives it or sees the host's processes; and moved
//! onto the stage before the first sandbox (`confine::enter_stage`), so that none of them can reach the
//! host's files. Then it drops every capability and blocks every system call that neither it nor what it
//! starts needs.
//!
//! ```text
//! service ──start──> join cgroups ──> [user namespace] ──> fork into a new pid namespace ──> monitor
//!                                                                    └──> stage ──> privileges ──> filter ──> serve
//! ```
//! It ends when the service's end of the control socket closes, for whatever reason. Each sandbox then sees
//! the end of its own stream, and is tied to the launcher's life as well.

use crate::filters::{self, Filters};
use crate::message::{CreateSandbox, LauncherConfig, LauncherReply};
use crate::monitor;
use crate::networks::Networks;
use crate::packet::{receive_packet, send_packet};
use crate::sandbox_init::{Isolation, ROOTLESS_ID, SandboxInit};
use crate::template::RunningTemplates;
use confine::{
    Cloned, LAUNCHER_CAPABILITIES, Namespaces, Refused, SandboxCgroups, SingleThreaded, Stage, StageSpec,
    UserMap,
};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::UnshareFlags;
use seccomp::Helper;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Steps of starting the launcher, in order. Tests make them fail by name.
pub const LAUNCHER_STEPS: [&str; 6] = [
    "join the launcher's cgroups",
    "make the launcher's pid namespace",
    "move onto the stage",
    "replace the launcher's standard streams",
    "drop the launcher's privileges",
    "filter the launcher's system calls",
];

/// Serves requests from `control` until its other end closes.
///
/// # Errors
/// When the control socket breaks. What the kernel refuses is reported as a reply, not an error.
pub fn run(control: OwnedFd) -> io::Result<()> {
    let Some((config, beside)) = receive_packet::<LauncherConfig>(&control)? else { return Ok(()) };
    let Launcher { proof, stage, hook, null, filters, protected } = match set_up(&control, &config, beside) {
        Ok(launcher) => launcher,
        Err(refused) => return send_packet(&control, &reply(&refused), &[]),
    };
    let mut templates = RunningTemplates::new(&config, hook, filters.template, protected);
    templates.start_all(&proof, &config, stage);
    let mut networks = Networks::new();
    let Stage { memory_bytes, own_devices } = stage;
    send_packet(&control, &LauncherReply::Ready { runtime_memory_bytes: memory_bytes, own_devices }, &[])?;
    let mut control = Some(control);
    while let Some(socket) = &control {
        let (request, mut descriptors) = match receive_packet::<CreateSandbox>(socket) {
            Ok(Some(received)) => received,
            Ok(None) => break,
            // This sandbox cannot be created; others run on.
            Err(source) if source.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => {
                send_packet(socket, &reply(&Refused { step: "receive a request", source }), &[])?;
                continue;
            }
            Err(error) => return Err(error),
        };
        // With one missing, a program would run without a limit.
        let groups = request.cgroups as usize + usize::from(request.unified);
        if descriptors.len() != 1 + groups {
            let source = Errno::MFILE.into();
            send_packet(
                socket,
                &reply(&Refused { step: "receive the descriptors of a sandbox", source }),
                &[],
            )?;
            continue;
        }
        let unified = if request.unified { descriptors.pop() } else { None };
        let groups = SandboxCgroups { joins: descriptors.split_off(1), unified };
        let Some(stream) = descriptors.pop() else { break };
        if let Some(number) = request.template.and_then(|number| usize::try_from(number).ok()) {
            templates.ensure(&proof, &config, stage, number, request.renew_template);
        }
        let network = networks.enter_unused();
        let namespaces = Namespaces::Sandbox { network: network.is_none() };
        // If a sandbox cannot be created in its cgroup, it joins it later, and the error is reported there.
        let born = groups.unified.as_ref().and_then(|group| proof.clone_into(namespaces, group.as_fd()).ok());
        let was_born_inside = born.is_some();
        match born.map_or_else(|| proof.clone(namespaces), Ok) {
            Ok(Cloned::Child) => {
                // The control socket and the resources of other sandboxes are the launcher's alone, and a
                // sandbox can reach only one of the templates.
                control = None;
                drop((control, networks, network));
                let template = templates.into_socket(request.template);
                // Standard error leads to the service.
                let served =
                    confine::replace_stream(2, null.as_fd()).map_err(io::Error::from).and_then(|()| {
                        drop(null);
                        let (program, agent) = (&filters.program, filters.agent.as_slice());
                        let isolation = Isolation { program, agent, protected, stage };
                        let sandbox = SandboxInit {
                            config: &config,
                            isolation,
                            request: &request,
                            groups,
                            was_born_inside,
                        };
                        sandbox.run(&proof, stream, template)
                    });
                confine::exit_now(i32::from(served.is_err()));
            }
            Ok(Cloned::Parent { pidfd: Some(pidfd), .. }) => {
                drop((stream, groups));
                networks.lend(network, pidfd.as_fd());
                send_packet(socket, &LauncherReply::Created, &[pidfd.as_fd()])?;
            }
            Ok(Cloned::Parent { pidfd: None, .. }) => {
                // Without a pidfd the host could not remove the sandbox: it ends with the launcher.
                let source = io::ErrorKind::Unsupported.into();
                send_packet(socket, &reply(&Refused { step: "hold the sandbox by a pidfd", source }), &[])?;
                break;
            }
            Err(source) => {
                send_packet(socket, &reply(&Refused { step: "make the sandbox's namespaces", source }), &[])?;
            }
        }
    }
    Ok(())
}

/// The launcher's state after its set-up.
struct Launcher {
    proof: SingleThreaded,
    stage: Stage,
    /// The shared object that templates load.
    hook: Option<OwnedFd>,
    null: OwnedFd,
    filters: Filters,
    /// The service has a lowered out-of-memory score, which must not extend to what the launcher starts.
    protected: bool,
}

fn set_up(control: &OwnedFd, config: &LauncherConfig, mut beside: Vec<OwnedFd>) -> Result<Launcher, Refused> {
    let mut steps = LAUNCHER_STEPS.into_iter();
    let mut next = || {
        let step = steps.next().unwrap_or_default();
        match config.fail_at.as_deref() {
            Some(wanted) if wanted == step => Err(Refused { step, source: io::Error::from_raw_os_error(5) }),
            _ => Ok(step),
        }
    };
    let step = next()?;
    let proof = SingleThreaded::prove()?;
    let joins = usize::try_from(config.cgroups).unwrap_or(usize::MAX);
    let Some(hooks) = beside.len().checked_sub(joins).filter(|hooks| *hooks <= 1) else {
        // With one missing, the templates would not be limited.
        return Err(Refused { step, source: Errno::MFILE.into() });
    };
    for join in beside.drain(hooks..) {
        // cgroups(7): zero stands for the writing process.
        rustix::io::write(&join, b"0").map_err(|errno| Refused { step, source: errno.into() })?;
    }
    let hook = beside.pop();
    // The service's umask may be stricter, and programs could then not read what is created here.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    confine::unreaped_children();
    if let Some(user) = config.user_map {
        confine::enter_user_namespace(UserMap {
            inside: ROOTLESS_ID,
            outside_uid: user.uid,
            outside_gid: user.gid,
        })?;
    }
    // Read from the host's /proc: the stage may have none.
    let protected = confine::is_protected_from_oom();
    let (hook, filters) = become_first_process(next()?, &proof, config, control, hook)?;
    next()?;
    // While there is a /dev: the stage has none.
    let null = confine::null_device()?;
    // Not earlier: an undumpable process may not write its own id maps (proc_pid_uid_map(5)).
    confine::hide_from_others()?;
    let stage = confine::enter_stage(&StageSpec {
        rootfs: config.rootfs.clone().into(),
        memory_bytes: config.runtime_memory_bytes,
        cpu_count: config.cpu_count,
        keep_proc: config.user_map.is_some(),
    })?;
    next()?;
    for number in 0..=1 {
        confine::replace_stream(number, null.as_fd())?;
    }
    next()?;
    confine::keep_only(LAUNCHER_CAPABILITIES)?;
    confine::refuse_new_privileges()?;
    next()?;
    confine::filter_this_process(&filters.launcher)?;
    Ok(Launcher { proof, stage, hook, null, filters, protected })
}

/// Returns in the first process of a new pid namespace, with the shared object it was given and the filters.
/// None of its descendants can leave the namespace or outlive this process, and none sees a process of the
/// host. The calling process becomes the monitor.
fn become_first_process(
    step: &'static str,
    proof: &SingleThreaded,
    config: &LauncherConfig,
    control: &OwnedFd,
    hook: Option<OwnedFd>,
) -> Result<(Option<OwnedFd>, Filters), Refused> {
    let refused = |source| Refused { step, source };
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| refused(errno.into()))?;
    confine::unshare_namespaces(UnshareFlags::NEWPID)?;
    match proof.clone(Namespaces::Shared).map_err(refused)? {
        Cloned::Child => {
            confine::die_with_parent()?;
            drop(writer);
            Ok((hook, Filters::receive(reader).map_err(refused)?))
        }
        Cloned::Parent { pidfd: None, .. } => Err(refused(io::ErrorKind::Unsupported.into())),
        Cloned::Parent { pidfd: Some(launcher), .. } => {
            drop((hook, reader));
            let filter = filters::of_helper(Helper::Monitor).and_then(|filter| {
                Filters::compile(&config.program)?.send(writer)?;
                Ok(filter)
            });
            let Err(_) = filter.and_then(|filter| monitor::watch(control, &launcher, &filter));
            confine::exit_now(1);
        }
    }
}

fn reply(refused: &Refused) -> LauncherReply {
    LauncherReply::Refused {
        step: refused.step.to_owned(),
        errno: refused.source.raw_os_error().unwrap_or(0),
    }
}
