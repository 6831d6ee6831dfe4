//! One sandbox's life as the agent sees it: ready, one execution, end.

use crate::intake::NoOrder;
use crate::interpreter::{self, Filter, Origin, Walls};
use crate::{Channel, OUTPUT_DIRECTORY, collect, intake, room, supervise};
use confine::{ChildSignal, SingleThreaded};
use protocol::launcher::ProgramConfig;
use protocol::{GuestMessage, PROTOCOL_VERSION};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use std::io;
use std::os::fd::OwnedFd;

/// Where in the runtime the entries lie that every program finds in its home directory.
const SKELETON: &str = "/usr/share/python-sandbox/skel";
/// Depth of the skeleton: it is ours and flat.
const SKELETON_DEPTH_MAX: usize = 4;

/// Who and where programs run in this sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Uid and gid of programs; `None` to stay who the agent is.
    pub user: Option<u32>,
    /// CPUs that programs run on; empty for all.
    pub cpus: Vec<u32>,
}

/// Gets an interpreter ready, serves one execution and returns. Whatever goes wrong is told to the host as a `Fault`, as far as it listens.
///
/// # Errors
/// When the host went away or the sandbox is broken; the caller ends the sandbox in any case.
pub fn serve(
    proof: &SingleThreaded,
    channel: &mut Channel,
    config: &ProgramConfig,
    filter: &Filter,
    place: &Place,
    origin: Origin,
) -> io::Result<()> {
    let mut step = "prepare the sandbox";
    let result = serve_steps(proof, channel, config, filter, place, origin, &mut step);
    if let Err(error) = &result
        && error.kind() != io::ErrorKind::UnexpectedEof
    {
        let _ = channel.send(&GuestMessage::Fault { step: step.to_owned(), detail: error.to_string() });
        let _ = channel.flush();
    }
    result
}

fn serve_steps(
    proof: &SingleThreaded,
    channel: &mut Channel,
    config: &ProgramConfig,
    filter: &Filter,
    place: &Place,
    origin: Origin,
    step: &mut &'static str,
) -> io::Result<()> {
    let children = ChildSignal::new().map_err(|refused| refused.source)?;
    let output = prepare_tmp(place.user)?;
    room::prepare(place.user)?;
    let walls = Walls::new(config, filter)?;
    *step = "start the interpreter";
    let mut interpreter = interpreter::prepare(proof, config, &walls, place.user, &place.cpus, origin)?;
    let origin = interpreter.origin.clone();
    channel.send(&GuestMessage::Ready { version: PROTOCOL_VERSION, interpreter: origin })?;
    channel.flush()?;

    *step = "receive the program";
    let order = match intake::receive(channel, &output, place.user) {
        Ok(order) => order,
        Err(NoOrder::Broken(error)) => return Err(error),
        Err(NoOrder::Refused(refusal)) => {
            channel.send(&GuestMessage::InputRefused(refusal))?;
            return channel.flush();
        }
    };
    let (header, inputs) = (order.header.clone(), order.inputs.clone());
    *step = "hand the program over";
    interpreter.hand_over(&order)?;
    *step = "run the program";
    let report = supervise::supervise(channel, &children, interpreter, order, place.user, config.tasks_max)?;
    channel.send(&GuestMessage::Ended(report))?;
    *step = "collect the output files";
    let skipped_more = collect::collect(channel, &header, &inputs)?;
    channel.send(&GuestMessage::Finished { skipped_more })?;
    channel.flush()
}

/// Fills the empty `/tmp`: the output directory, and links to the runtime's skeleton. Returns the output directory.
pub(crate) fn prepare_tmp(owner: Option<u32>) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::RDONLY;
    let tmp = rustix::fs::open("/tmp", flags, Mode::empty())?;
    if let Ok(skeleton) = rustix::fs::open(SKELETON, flags, Mode::empty()) {
        link_skeleton(&skeleton, SKELETON, &tmp, owner, 0)?;
    }
    match rustix::fs::mkdirat(&tmp, "output", Mode::from_raw_mode(0o755)) {
        Err(rustix::io::Errno::EXIST) => {}
        other => other?,
    }
    debug_assert_eq!(OUTPUT_DIRECTORY, "/tmp/output");
    let output = rustix::fs::openat(&tmp, "output", flags, Mode::empty())?;
    intake::give(&output, owner)?;
    Ok(output)
}

/// Makes the skeleton's directories and links its files: a program may write beside them, not into them.
fn link_skeleton(
    from: &OwnedFd,
    path: &str,
    to: &OwnedFd,
    owner: Option<u32>,
    depth: usize,
) -> io::Result<()> {
    for entry in rustix::fs::Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let Ok(text) = name.to_str() else { continue };
        if matches!(text, "." | "..") {
            continue;
        }
        let source = format!("{path}/{text}");
        let status = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::Directory {
            rustix::fs::symlinkat(source.as_str(), to, name)?;
            let id = owner.map(|id| (Uid::from_raw(id), Gid::from_raw(id)));
            if let Some((uid, gid)) = id {
                rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            continue;
        }
        if depth >= SKELETON_DEPTH_MAX {
            continue;
        }
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::RDONLY;
        rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o755))?;
        let child = rustix::fs::openat(to, name, flags, Mode::empty())?;
        intake::give(&child, owner)?;
        link_skeleton(
            &rustix::fs::openat(from, name, flags, Mode::empty())?,
            &source,
            &child,
            owner,
            depth + 1,
        )?;
    }
    Ok(())
}
