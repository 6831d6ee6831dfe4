//! Receives the input of one execution: limits, source, standard input and input files.

use crate::Channel;
use crate::disk::disk_state;
use crate::open::{DIRECTORY, NEW_FILE};
use protocol::{Begin, ExecHeader, HostMessage, InputCause, InputRefusal};
use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Longest accepted source in bytes; the service's own limit is far lower.
const CODE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest accepted standard input in bytes; the service's own limit is far lower.
const STDIN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How old the modification times of input files are, in seconds: whatever the program writes to them is newer, however
/// coarse the file system's clock is.
const INPUT_AGE_S: i64 = 10;

/// An execution whose input is complete.
#[derive(Debug)]
pub(crate) struct ExecutionInput {
    pub(crate) id: u64,
    /// Another execution may follow.
    pub(crate) keep: bool,
    pub(crate) header: ExecHeader,
    pub(crate) code: Vec<u8>,
    pub(crate) stdin: Vec<u8>,
    pub(crate) inputs: Inputs,
}

/// The input files as they were written, by path. Files that the program leaves unchanged are not output.
pub(crate) type Inputs = HashMap<String, Version>;

/// Detects whether a file was written since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    inode: u64,
    size: i64,
    modified_s: i64,
    modified_ns: i64,
}

impl Version {
    pub(crate) fn of(status: &Stat) -> Self {
        Self {
            inode: status.st_ino,
            size: status.st_size,
            modified_s: status.st_mtime,
            modified_ns: i64::try_from(status.st_mtime_nsec).unwrap_or(0),
        }
    }
}

/// Why an execution's input was not accepted.
pub(crate) enum InputError {
    /// The host is gone or violates the protocol, or the sandbox is broken.
    Broken(io::Error),
    /// An input file cannot be created: the request's fault.
    Refused(InputRefusal),
}

impl From<io::Error> for InputError {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Tells an invalid input file from a broken sandbox.
pub(crate) fn refuse(error: io::Error, path: &str) -> InputError {
    let cause = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => InputCause::NoRoom,
        Some(Errno::NOMEM) => InputCause::NoMemory,
        Some(
            Errno::EXIST | Errno::NOTDIR | Errno::ISDIR | Errno::NAMETOOLONG | Errno::LOOP | Errno::INVAL,
        ) => InputCause::Path,
        None if error.kind() == io::ErrorKind::InvalidInput => InputCause::Path,
        _ => return InputError::Broken(error),
    };
    InputError::Refused(InputRefusal { cause, path: path.to_owned(), disk: disk_state() })
}

/// Receives the input of the execution that `begin` announces and writes its files into `directory`. No program runs
/// meanwhile, so nothing races with the writes. `found` are the files left by earlier executions, which this one may
/// replace; `None` for the first.
pub(crate) fn receive(
    channel: &mut Channel,
    begin: Begin,
    directory: &OwnedFd,
    owner: Option<u32>,
    found: Option<Inputs>,
) -> Result<ExecutionInput, InputError> {
    let is_later = found.is_some();
    let mut found = found.unwrap_or_default();
    let Begin { id, mode: protocol::Mode::Script, keep, header } = begin;
    let mut input =
        ExecutionInput { id, keep, header, code: Vec::new(), stdin: Vec::new(), inputs: Inputs::new() };
    let mut open: Option<Open> = None;
    loop {
        match channel.receive()? {
            HostMessage::Code { data } => append(&mut input.code, data, CODE_BYTES_MAX)?,
            HostMessage::Stdin { data } => append(&mut input.stdin, data, STDIN_BYTES_MAX)?,
            HostMessage::InputFile { path, size_bytes } => {
                finish(open.take(), &mut input.inputs)?;
                found.remove(path);
                let replace = is_later && !input.inputs.contains_key(path);
                let file = create(directory, path, owner, replace).map_err(|error| refuse(error, path))?;
                open = Some(Open { file, path: path.to_owned(), rest: size_bytes });
            }
            HostMessage::InputData { data } => match &mut open {
                Some(open) if data.len() as u64 <= open.rest => {
                    write_all(&open.file, data).map_err(|error| refuse(error, &open.path))?;
                    open.rest -= data.len() as u64;
                }
                _ => return Err(out_of_order().into()),
            },
            HostMessage::Start => {
                finish(open.take(), &mut input.inputs)?;
                input.inputs.extend(found);
                return Ok(input);
            }
            HostMessage::Cancel { id } if id == input.id => {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            // For an execution that has already ended.
            HostMessage::Cancel { id } | HostMessage::Interrupt { id } if id < input.id => {}
            _ => return Err(out_of_order().into()),
        }
    }
}

pub(crate) fn out_of_order() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a message out of order")
}

/// An input file being written.
struct Open {
    file: OwnedFd,
    path: String,
    rest: u64,
}

fn finish(open: Option<Open>, inputs: &mut Inputs) -> io::Result<()> {
    let Some(open) = open else { return Ok(()) };
    if open.rest > 0 {
        return Err(out_of_order());
    }
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let past = Timespec { tv_sec: now.tv_sec - INPUT_AGE_S, tv_nsec: now.tv_nsec };
    rustix::fs::futimens(&open.file, &Timestamps { last_access: past, last_modification: past })?;
    inputs.insert(open.path, Version::of(&rustix::fs::fstat(&open.file)?));
    Ok(())
}

fn append(to: &mut Vec<u8>, data: &[u8], bytes_max: usize) -> io::Result<()> {
    if to.len() + data.len() > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "input exceeds the agent's limit"));
    }
    to.extend_from_slice(data);
    Ok(())
}

pub(crate) fn write_all(file: &OwnedFd, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match rustix::io::write(file, data) {
            Ok(length) => data = &data[length..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Creates an input file and the directories above it, below `directory`. With `replace` it may take the place of anything but a
/// directory.
fn create(directory: &OwnedFd, path: &str, owner: Option<u32>, replace: bool) -> io::Result<OwnedFd> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "input path leaves the directory");
    let mut parts: Vec<_> = path.split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..") || part.contains('\0')) {
        return Err(invalid());
    }
    let name = parts.pop().ok_or_else(invalid)?;
    let mut parent = directory.try_clone()?;
    for part in parts {
        match rustix::fs::mkdirat(&parent, part, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) => {}
            other => other?,
        }
        parent = rustix::fs::openat(&parent, part, DIRECTORY, Mode::empty())?;
        give(&parent, owner)?;
    }
    let open = || rustix::fs::openat(&parent, name, NEW_FILE, Mode::from_raw_mode(0o644));
    let file = match open() {
        Err(Errno::EXIST) if replace => {
            // Removes a link itself, not its target.
            rustix::fs::unlinkat(&parent, name, AtFlags::empty())?;
            open()?
        }
        other => other?,
    };
    give(&file, owner)?;
    Ok(file)
}

/// Makes the program's user the owner of the file.
pub(crate) fn give(file: impl AsFd, owner: Option<u32>) -> io::Result<()> {
    if let Some(id) = owner {
        rustix::fs::fchown(file, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)))?;
    }
    Ok(())
}
