//! Receives the input of one execution: limits, source, standard input and input files.

use crate::Channel;
use crate::disk::disk_state;
use crate::open::{DIRECTORY, NEW_FILE, create_temporary, open_beneath, open_directory};
use protocol::{Begin, ExecHeader, HostMessage, InputCause, InputRefusal, is_plain_path};
use rustix::fs::{AtFlags, FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Longest accepted source in bytes; the service's own limit is far lower.
const CODE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest accepted standard input in bytes; the service's own limit is far lower.
const STDIN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How old the modification times of input files are, in seconds: whatever the program writes to them is
/// newer, however coarse the file system's clock is.
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
            Errno::EXIST | Errno::NOTDIR | Errno::ISDIR | Errno::NAMETOOLONG | Errno::LOOP | Errno::INVAL
            // An earlier program has closed a directory above it, or its file system.
            | Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::XDEV,
        ) => InputCause::Path,
        None if error.kind() == io::ErrorKind::InvalidInput => InputCause::Path,
        _ => return InputError::Broken(error),
    };
    InputError::Refused(InputRefusal { cause, path: path.to_owned(), disk: disk_state() })
}

/// Receives the input of the execution that `begin` announces and writes its files into `directory`. No
/// program runs meanwhile, so nothing races with the writes. `found` are the files left by earlier
/// executions, which this one may replace; `None` for the first.
///
/// If a file is refused and another execution may follow, the rest of the input is taken, and then the
/// directory is as it was before.
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
    let mut made = Made::default();
    let mut refused: Option<InputRefusal> = None;
    loop {
        let written = match channel.receive()? {
            HostMessage::Code { .. }
            | HostMessage::Stdin { .. }
            | HostMessage::InputFile { .. }
            | HostMessage::InputData { .. }
                if refused.is_some() =>
            {
                Ok(())
            }
            HostMessage::Code { data } => Ok(append(&mut input.code, data, CODE_BYTES_MAX)?),
            HostMessage::Stdin { data } => Ok(append(&mut input.stdin, data, STDIN_BYTES_MAX)?),
            HostMessage::InputFile { path, size_bytes } => {
                finish(open.take(), &mut input.inputs)?;
                found.remove(path);
                let replace = is_later && !input.inputs.contains_key(path);
                create(directory, path, owner, replace, &mut made)
                    .map(|file| open = Some(Open { file, path: path.to_owned(), rest: size_bytes }))
                    .map_err(|error| refuse(error, path))
            }
            HostMessage::InputData { data } => match &mut open {
                Some(open) if data.len() as u64 <= open.rest => {
                    open.rest -= data.len() as u64;
                    write_all(&open.file, data).map_err(|error| refuse(error, &open.path))
                }
                _ => return Err(out_of_order().into()),
            },
            HostMessage::Start => {
                if let Some(refusal) = refused {
                    return Err(InputError::Refused(refusal));
                }
                finish(open.take(), &mut input.inputs)?;
                made.replace_earlier(directory)?;
                input.inputs.extend(found);
                return Ok(input);
            }
            HostMessage::Cancel { id } if id == input.id => {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            // For an execution that has already ended.
            HostMessage::Cancel { id } | HostMessage::Interrupt { id } if id < input.id => Ok(()),
            _ => return Err(out_of_order().into()),
        };
        match written {
            Err(InputError::Refused(refusal)) if input.keep => {
                // Closed first: an open file keeps its space.
                open = None;
                made.take_back(directory);
                (input.code, input.stdin) = (Vec::new(), Vec::new());
                refused = Some(refusal);
            }
            other => other?,
        }
    }
}

/// What the input files of an execution have made so far, by path.
#[derive(Default)]
struct Made {
    /// Directories, each before those in it.
    directories: Vec<String>,
    files: Vec<String>,
    /// Files that take the place of earlier ones once the input is complete: their temporary path, and their
    /// own.
    replacements: Vec<(String, String)>,
}

impl Made {
    /// Puts the files that replace others in their place. If the first cannot be, the directory is as it was
    /// before; after that it cannot be restored, and the sandbox is broken.
    fn replace_earlier(&mut self, directory: &OwnedFd) -> Result<(), InputError> {
        let count = self.replacements.len();
        // In the order in which they came: a later one can have the name of an earlier one's temporary file.
        self.replacements.reverse();
        while let Some((temporary, path)) = self.replacements.pop() {
            let renamed = open_parent(directory, &temporary).and_then(|(parent, from)| {
                let name = path.rsplit('/').next().unwrap_or(&path);
                Ok(rustix::fs::renameat(&parent, from, &parent, name)?)
            });
            if let Err(error) = renamed {
                let is_first = self.replacements.len() + 1 == count;
                let refused = if is_first { refuse(error, &path) } else { InputError::Broken(error) };
                self.replacements.push((temporary, path));
                self.take_back(directory);
                return Err(refused);
            }
        }
        Ok(())
    }

    /// Removes what was made. What cannot be removed stays, and the next execution finds it.
    fn take_back(&mut self, directory: &OwnedFd) {
        let replacements = std::mem::take(&mut self.replacements).into_iter().map(|(temporary, _)| temporary);
        let files = std::mem::take(&mut self.files).into_iter().chain(replacements);
        let files = files.map(|path| (path, AtFlags::empty()));
        let directories = std::mem::take(&mut self.directories).into_iter().rev();
        for (path, flags) in files.chain(directories.map(|path| (path, AtFlags::REMOVEDIR))) {
            if let Ok((parent, name)) = open_parent(directory, &path) {
                let _ = rustix::fs::unlinkat(&parent, name, flags);
            }
        }
    }
}

/// The directory above an entry that exists, and the entry's name. Follows no link.
fn open_parent<'a>(directory: &OwnedFd, path: &'a str) -> io::Result<(OwnedFd, &'a str)> {
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    Ok((open_directory(directory.try_clone()?, above)?, name))
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

/// Creates an input file and the directories above it, below `directory`, and notes them in `made`. With
/// `replace` it takes the place of anything but a directory, and has a temporary name until the input is
/// complete.
fn create(
    directory: &OwnedFd,
    path: &str,
    owner: Option<u32>,
    replace: bool,
    made: &mut Made,
) -> io::Result<OwnedFd> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "input path leaves the directory");
    if !is_plain_path(path) {
        return Err(invalid());
    }
    let mut parts: Vec<_> = path.split('/').collect();
    let name = parts.pop().ok_or_else(invalid)?;
    let mut parent = directory.try_clone()?;
    let mut end = 0;
    for part in parts {
        end += part.len();
        match rustix::fs::mkdirat(&parent, part, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) => {}
            other => {
                other?;
                made.directories.push(path[..end].to_owned());
            }
        }
        end += 1;
        parent = open_beneath(&parent, part, DIRECTORY)?;
        give(&parent, owner)?;
    }
    let opened = rustix::fs::openat(&parent, name, NEW_FILE, Mode::from_raw_mode(0o644));
    let file = match opened {
        Err(Errno::EXIST) if replace => {
            let status = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
                return Err(Errno::ISDIR.into());
            }
            let (file, temporary) = create_temporary(&parent, ".input-", made.replacements.len() as u64)?;
            let temporary = format!("{}{temporary}", &path[..path.len() - name.len()]);
            made.replacements.push((temporary, path.to_owned()));
            file
        }
        other => {
            let file = other?;
            made.files.push(path.to_owned());
            file
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// Every entry below a directory: files with their content, links with their target, directories with
    /// "/".
    fn entries(below: &Path) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for entry in std::fs::read_dir(below).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let kind = path.symlink_metadata().unwrap().file_type();
            if kind.is_dir() {
                all.extend(entries(&path).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
                all.insert(name, "/".to_owned());
            } else if kind.is_symlink() {
                all.insert(name, format!("-> {}", std::fs::read_link(&path).unwrap().display()));
            } else {
                all.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
        all
    }

    /// What an earlier execution left, and the directory open.
    fn earlier() -> (tempfile::TempDir, OwnedFd) {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir(top.path().join("d")).unwrap();
        for name in ["a", "d/b", "d/.input-0"] {
            std::fs::write(top.path().join(name), "old").unwrap();
        }
        symlink("/etc/passwd", top.path().join("d/link")).unwrap();
        let directory = rustix::fs::open(top.path(), DIRECTORY, Mode::empty()).unwrap();
        (top, directory)
    }

    fn put(directory: &OwnedFd, made: &mut Made, path: &str) -> io::Result<()> {
        write_all(&create(directory, path, None, true, made)?, b"new")
    }

    const PATHS: [&str; 5] = ["a", "d/b", "d/link", "d/e/f/g", "h"];

    #[test]
    fn what_is_taken_back_leaves_the_directory_as_it_was() {
        let (top, directory) = earlier();
        let (before, mut made) = (entries(top.path()), Made::default());
        for path in PATHS {
            put(&directory, &mut made, path).unwrap();
        }
        for path in ["d", "a/x", "d/link/x", "../x", ""] {
            assert!(put(&directory, &mut made, path).is_err(), "{path}");
        }
        assert_ne!(entries(top.path()), before);
        made.take_back(&directory);
        assert_eq!(entries(top.path()), before);
    }

    #[test]
    fn files_are_replaced_once_the_input_is_complete() {
        let (top, directory) = earlier();
        let mut made = Made::default();
        for path in PATHS {
            put(&directory, &mut made, path).unwrap();
        }
        let text = |name: &str| std::fs::read_to_string(top.path().join(name)).unwrap();
        assert_eq!((text("a"), text("h")), ("old".to_owned(), "new".to_owned()));
        assert!(made.replace_earlier(&directory).is_ok());
        let entries = entries(top.path());
        assert!(PATHS.iter().all(|path| entries[*path] == "new"), "{entries:?}");
        assert_eq!(entries["d/.input-0"], "old", "it is the program's");
        assert_eq!(entries.len(), PATHS.len() + 4, "{entries:?}");
    }

    #[test]
    fn a_file_named_like_the_temporary_of_another_replaces_nothing_of_it() {
        let (top, directory) = earlier();
        let mut made = Made::default();
        for (path, content) in [("a", "first"), (".input-0", "second"), (".input-1", "third")] {
            write_all(&create(&directory, path, None, true, &mut made).unwrap(), content.as_bytes()).unwrap();
        }
        assert!(made.replace_earlier(&directory).is_ok());
        let entries = entries(top.path());
        let found = ["a", ".input-0", ".input-1"].map(|path| entries[path].as_str());
        assert_eq!(found, ["first", "second", "third"], "{entries:?}");
    }
}
