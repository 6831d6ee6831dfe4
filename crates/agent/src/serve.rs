//! A sandbox's life cycle in the agent: ready, one execution after another, end.

use crate::files::{Files, Request};
use crate::input::{InputError, out_of_order};
use crate::interpreter::{self, Filter, Isolation, Origin};
use crate::open::{DIRECTORY, open_beneath};
use crate::{Channel, ProgramConfig, collect, input, program_dir, supervise};
use confine::{ChildSignal, SingleThreaded};
use protocol::{Begin, GuestMessage, HostMessage, PROTOCOL_VERSION};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Uid};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Directory in the runtime whose entries every program finds in its home directory.
const SKELETON: &str = "/usr/share/python-sandbox/skel";
/// Depth of the skeleton, which is ours and flat.
const SKELETON_DEPTH_MAX: usize = 4;

/// As which user and on which CPUs programs run in this sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    /// Uid and gid of programs; `None` for the agent's own.
    pub user: Option<u32>,
    /// CPUs that programs run on; empty for all.
    pub cpus: Vec<u32>,
}

/// What all programs of a sandbox have in common.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Proves that this process is single-threaded, so it may fork.
    pub proof: &'a SingleThreaded,
    /// How programs are started.
    pub config: &'a ProgramConfig,
    /// The filter of their system calls.
    pub filter: &'a Filter,
    /// Their user and CPUs.
    pub run_as: &'a RunAs,
}

/// The step that failed, in the infinitive, and why.
struct Failed {
    step: &'static str,
    source: io::Error,
}

fn at<E: Into<io::Error>>(step: &'static str) -> impl Fn(E) -> Failed {
    move |source| Failed { step, source: source.into() }
}

const PREPARE: &str = "prepare the sandbox";
const START: &str = "start the interpreter";
const RECEIVE: &str = "receive the program";

/// Prepares an interpreter and serves executions until the host wants no more. Any failure is reported to the
/// host as a `Fault`, if it still listens.
///
/// # Errors
/// When the host is gone or the sandbox is broken; the caller ends the sandbox in either case.
pub fn serve(context: &Context<'_>, channel: &mut Channel, origin: Origin) -> io::Result<()> {
    let Err(Failed { step, source }) = serve_executions(context, channel, origin) else { return Ok(()) };
    if source.kind() != io::ErrorKind::UnexpectedEof {
        let (step, detail) = (step.to_owned(), source.to_string());
        let _ = channel.send(&GuestMessage::Fault { step, detail });
        let _ = channel.flush();
    }
    Err(source)
}

fn serve_executions(context: &Context<'_>, channel: &mut Channel, origin: Origin) -> Result<(), Failed> {
    let Context { proof, config, filter, run_as } = *context;
    let children = ChildSignal::new().map_err(|refused| at(PREPARE)(refused.source))?;
    let mut output = prepare_tmp(run_as.user).map_err(at(PREPARE))?;
    program_dir::prepare(run_as.user).map_err(at(PREPARE))?;
    let isolation = Isolation::new(config, filter).map_err(at(PREPARE))?;
    let prepare = |origin| interpreter::prepare(proof, config, &isolation, run_as.user, &run_as.cpus, origin);
    let first = prepare(origin).map_err(at(START))?;
    let interpreter = first.origin.clone();
    channel.send(&GuestMessage::Ready { version: PROTOCOL_VERSION, interpreter }).map_err(at(RECEIVE))?;
    channel.flush().map_err(at(RECEIVE))?;

    let mut waiting = Some(first);
    let mut files = Files::new(|| open_output(run_as.user), run_as.user);
    let mut is_first = true;
    loop {
        let begin = next_execution(channel, &mut files).map_err(at(RECEIVE))?;
        let mut interpreter = match waiting.take() {
            Some(interpreter) => interpreter,
            None => {
                output = open_output(run_as.user).map_err(at(PREPARE))?;
                // Started, since the socket to a template is closed before a program arrives. It preloads
                // nothing, since packages read files that an earlier program may have left in their home
                // directory.
                let preload = Vec::new();
                prepare(Origin::Started { preload }).map_err(at(START))?
            }
        };
        let is_later = !std::mem::take(&mut is_first) || files.is_used();
        let found = is_later.then(|| collect::present(&output));
        let keep = begin.keep;
        let mut input = match input::receive(channel, begin, &output, run_as.user, found) {
            Ok(input) => input,
            Err(InputError::Broken(error)) => return Err(at(RECEIVE)(error)),
            Err(InputError::Refused(refusal)) => {
                channel.send(&GuestMessage::InputRefused(refusal)).map_err(at(RECEIVE))?;
                channel.flush().map_err(at(RECEIVE))?;
                if !keep {
                    return Ok(());
                }
                waiting = Some(interpreter);
                continue;
            }
        };
        let id = input.id;
        let (header, inputs) = (input.header.clone(), std::mem::take(&mut input.inputs));
        // Sent before the program can run: a host that reads to the end of the stream without it knows that
        // nothing ran.
        channel.send(&GuestMessage::Accepted { id }).map_err(at(RECEIVE))?;
        channel.flush().map_err(at(RECEIVE))?;
        interpreter.hand_over(&input).map_err(at("hand over the program"))?;
        let report =
            supervise::supervise(channel, &children, interpreter, input, run_as.user, config.tasks_max)
                .map_err(at("run the program"))?;
        const COLLECT: &str = "collect the output files";
        channel.send(&GuestMessage::Ended(report)).map_err(at(COLLECT))?;
        let skipped_more =
            collect::collect(Path::new("/tmp"), channel, &header, &inputs).map_err(at(COLLECT))?;
        channel.send(&GuestMessage::Finished { id, skipped_more }).map_err(at(COLLECT))?;
        channel.flush().map_err(at(COLLECT))?;
        if !keep {
            return Ok(());
        }
    }
}

/// Serves file operations until the next execution is announced.
pub(crate) fn next_execution(
    channel: &mut Channel,
    files: &mut Files<impl Fn() -> io::Result<OwnedFd>>,
) -> io::Result<Begin> {
    loop {
        let request = match channel.receive()? {
            HostMessage::Begin(begin) => return Ok(begin),
            // For an execution or a put that has already ended.
            HostMessage::Cancel { .. } | HostMessage::Interrupt { .. } | HostMessage::PutAbort { .. } => {
                continue;
            }
            message => Request::of(&message).ok_or_else(out_of_order)?,
        };
        files.serve(channel, request)?;
    }
}

/// The working directory, [`crate::OUTPUT_DIRECTORY`]. It is made before the first execution, and again where
/// a program has removed it, or has put something else in its place; and opened where a program has closed
/// it.
fn open_output(owner: Option<u32>) -> io::Result<OwnedFd> {
    make_accessible(CWD, "/tmp")?;
    let tmp = rustix::fs::open("/tmp", DIRECTORY, Mode::empty())?;
    if !make_accessible(&tmp, "output")? {
        rustix::fs::mkdirat(&tmp, "output", Mode::from_raw_mode(0o755))?;
    }
    let output = open_beneath(&tmp, "output", DIRECTORY)?;
    input::give(&output, owner)?;
    Ok(output)
}

/// Gives its owner access to a directory: in a container the agent may be the program's user, and have no
/// capability to ignore a mode. Removes anything else of that name. Whether there is a directory.
fn make_accessible(above: impl AsFd, name: &str) -> io::Result<bool> {
    let status = match rustix::fs::statat(&above, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(false),
        status => status?,
    };
    if FileType::from_raw_mode(status.st_mode) != FileType::Directory {
        rustix::fs::unlinkat(&above, name, AtFlags::empty())?;
        return Ok(false);
    }
    let mode = Mode::from_raw_mode(status.st_mode);
    if !mode.contains(Mode::RWXU) {
        rustix::fs::chmodat(&above, name, mode | Mode::RWXU, AtFlags::empty())?;
    }
    Ok(true)
}

/// Fills the empty `/tmp`: the output directory, and links to the runtime's skeleton. Returns the output
/// directory.
///
/// # Errors
/// The error from the kernel.
pub fn prepare_tmp(owner: Option<u32>) -> io::Result<OwnedFd> {
    let tmp = rustix::fs::open("/tmp", DIRECTORY, Mode::empty())?;
    if let Ok(skeleton) = rustix::fs::open(SKELETON, DIRECTORY, Mode::empty()) {
        link_skeleton(&skeleton, SKELETON, &tmp, owner, 0)?;
    }
    open_output(owner)
}

/// Creates the skeleton's directories and links its files: a program may write beside them, not into them.
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
        rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o755))?;
        let child = rustix::fs::openat(to, name, DIRECTORY, Mode::empty())?;
        input::give(&child, owner)?;
        link_skeleton(
            &rustix::fs::openat(from, name, DIRECTORY, Mode::empty())?,
            &source,
            &child,
            owner,
            depth + 1,
        )?;
    }
    Ok(())
}
