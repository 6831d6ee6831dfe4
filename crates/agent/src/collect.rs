//! Collects the output files once no process can race with it.
//!
//! Every name and file here was made by the program. So nothing is opened by its full path: each entry is
//! opened relative to its directory's descriptor, without following links, and is checked again after it is
//! open. Only regular files are opened: opening a FIFO would block, and a device could respond.

use crate::Channel;
use crate::input::{Inputs, Version};
use crate::open::open_beneath;
use protocol::{CHUNK_BYTES_MAX, ExecHeader, GuestMessage, PATH_BYTES_MAX, SkipReason};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Most levels of directories below the output directory.
pub(crate) const DEPTH_MAX: usize = 32;
/// Most entries reported as skipped; the host accepts no more.
const SKIPPED_MAX: usize = 100;
/// Most files outside the output directory that are reported, and how far they are searched for.
const ELSEWHERE_MAX: usize = 10;
const ELSEWHERE_DEPTH_MAX: usize = 2;
const ELSEWHERE_ENTRIES_MAX: usize = 1000;
/// Most entries examined. The file system's inodes bound them too; this bounds the time.
const ENTRIES_MAX: usize = 100_000;
/// Bytes of paths of files that might be sent. The agent shares the program's memory limit, and a full `/tmp`
/// may have left it little: thousands of very long paths would cost a program that ended normally its
/// response.
const PATHS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Sends every output file below `tmp/output`, ordered by path, and reports what is left out and why. Input
/// files that the program left unchanged are not output. Returns the number of entries left out without a
/// report because there were too many. `tmp` is the sandbox's `/tmp`.
///
/// # Errors
/// Only when the host is gone.
pub(crate) fn collect(
    tmp: &Path,
    channel: &mut Channel,
    header: &ExecHeader,
    inputs: &Inputs,
) -> io::Result<u64> {
    let mut found = Found::default();
    let directory = match open_output_directory(tmp) {
        Ok(directory) => directory,
        Err(reason) => {
            channel.send(&GuestMessage::Skipped { path: "output".to_owned(), reason })?;
            channel.flush()?;
            return Ok(0);
        }
    };
    walk(&directory, "", 0, &mut found);
    found.skip_links_to_elsewhere();
    found.files.retain(|file| inputs.get(&file.path) != Some(&file.version));
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    find_elsewhere(tmp, &mut found);
    send_files(channel, header, &directory, found)
}

/// The files in the output directory before an execution: those of earlier executions.
pub(crate) fn present(directory: &OwnedFd) -> Inputs {
    let mut found = Found::default();
    walk(directory, "", 0, &mut found);
    found.files.into_iter().map(|file| (file.path, file.version)).collect()
}

/// The result of the walk.
#[derive(Default)]
struct Found {
    files: Vec<Candidate>,
    skipped: Vec<(String, SkipReason)>,
    skipped_more: u64,
    entries: usize,
    paths_bytes: usize,
}

/// A regular file. Not kept open: there may be more files than descriptors, and nothing changes any more.
struct Candidate {
    path: String,
    identity: (u64, u64),
    links: u64,
    version: Version,
}

impl Found {
    fn skip(&mut self, path: String, reason: SkipReason) {
        if self.skipped.len() < SKIPPED_MAX {
            self.skipped.push((path, reason));
        } else {
            self.skipped_more += 1;
        }
    }

    /// Skips files with more names than were found in the output directory: they have one elsewhere.
    fn skip_links_to_elsewhere(&mut self) {
        let mut names: HashMap<(u64, u64), u64> = HashMap::new();
        for file in &self.files {
            *names.entry(file.identity).or_default() += 1;
        }
        let (inside, outside) =
            std::mem::take(&mut self.files).into_iter().partition(|file| file.links <= names[&file.identity]);
        self.files = inside;
        let outside: Vec<Candidate> = outside;
        for file in outside {
            self.skip(file.path, SkipReason::HardLink);
        }
    }
}

fn open_output_directory(tmp: &Path) -> Result<OwnedFd, SkipReason> {
    let tmp = rustix::fs::open(tmp, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())
        .map_err(|_| SkipReason::Unreadable)?;
    let status =
        rustix::fs::statat(&tmp, "output", AtFlags::SYMLINK_NOFOLLOW).map_err(|_| SkipReason::Unreadable)?;
    match kind_of(&status) {
        Kind::Directory => {
            open_beneath(&tmp, c"output", OFlags::DIRECTORY).map_err(|_| SkipReason::Unreadable)
        }
        Kind::Regular => Err(SkipReason::Unreadable),
        Kind::Other(reason) => Err(reason),
    }
}

enum Kind {
    Regular,
    Directory,
    Other(SkipReason),
}

fn kind_of(status: &Stat) -> Kind {
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => Kind::Regular,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Other(SkipReason::Symlink),
        FileType::Fifo => Kind::Other(SkipReason::Fifo),
        FileType::Socket => Kind::Other(SkipReason::Socket),
        FileType::CharacterDevice | FileType::BlockDevice => Kind::Other(SkipReason::Device),
        _ => Kind::Other(SkipReason::Unreadable),
    }
}

fn walk(directory: &OwnedFd, prefix: &str, depth: usize, found: &mut Found) {
    let Ok(entries) = Dir::read_from(directory) else {
        found.skip(prefix.to_owned(), SkipReason::Unreadable);
        return;
    };
    let mut names: Vec<CString> =
        entries.filter_map(Result::ok).map(|entry| entry.file_name().to_owned()).collect();
    names.sort();
    for name in names {
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        found.entries += 1;
        if found.entries > ENTRIES_MAX {
            return;
        }
        let shown = join(prefix, &name.to_string_lossy());
        let Ok(text) = name.to_str() else {
            found.skip(shown, SkipReason::NameNotUtf8);
            continue;
        };
        let path = join(prefix, text);
        let Ok(status) = rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) else {
            found.skip(path, SkipReason::Unreadable);
            continue;
        };
        match kind_of(&status) {
            Kind::Other(reason) => found.skip(path, reason),
            Kind::Directory if depth + 1 >= DEPTH_MAX || path.len() > PATH_BYTES_MAX => {
                found.skip(path, SkipReason::TooDeep);
            }
            Kind::Directory => match open_beneath(directory, &name, OFlags::DIRECTORY) {
                Ok(child) => walk(&child, &path, depth + 1, found),
                Err(_) => found.skip(path, SkipReason::Unreadable),
            },
            Kind::Regular if path.len() > PATH_BYTES_MAX => found.skip(shown, SkipReason::TooDeep),
            Kind::Regular if found.paths_bytes + path.len() > PATHS_BYTES_MAX => {
                found.skip(path, SkipReason::TooMany);
            }
            Kind::Regular => {
                found.paths_bytes += path.len();
                found.files.push(Candidate {
                    path,
                    identity: (status.st_dev, status.st_ino),
                    links: status.st_nlink,
                    version: Version::of(&status),
                });
            }
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") }
}

/// Sends the files within the limits. Sizes are those of the open file; the bytes actually read count.
fn send_files(
    channel: &mut Channel,
    header: &ExecHeader,
    directory: &OwnedFd,
    mut found: Found,
) -> io::Result<u64> {
    let mut sent_count = 0;
    let mut sent_bytes = 0u64;
    for file in std::mem::take(&mut found.files) {
        let opened = open_beneath(directory, file.path.as_str(), OFlags::empty());
        let Ok(opened) = opened else {
            found.skip(file.path, SkipReason::Unreadable);
            continue;
        };
        let size_bytes = match rustix::fs::fstat(&opened) {
            Ok(status) if FileType::from_raw_mode(status.st_mode) == FileType::RegularFile => {
                u64::try_from(status.st_size).unwrap_or(u64::MAX)
            }
            _ => {
                found.skip(file.path, SkipReason::Unreadable);
                continue;
            }
        };
        let refusal = if size_bytes > header.file_bytes_max {
            Some(SkipReason::TooLarge)
        } else if sent_count >= header.file_count_max {
            Some(SkipReason::TooMany)
        } else if sent_bytes.saturating_add(size_bytes) > header.files_total_bytes_max {
            Some(SkipReason::TotalTooLarge)
        } else {
            None
        };
        if let Some(reason) = refusal {
            found.skip(file.path, reason);
            continue;
        }
        sent_count += 1;
        sent_bytes += size_bytes;
        channel.send(&GuestMessage::File { path: file.path, size_bytes })?;
        send_content(channel, &opened, size_bytes)?;
    }
    for (path, reason) in found.skipped {
        channel.send(&GuestMessage::Skipped { path, reason })?;
    }
    channel.flush()?;
    Ok(found.skipped_more)
}

/// Files left in `/tmp` outside the output directory: a program that wrote a result there should learn that
/// it was not returned. Excludes what the runtime or the standard library leaves: hidden entries, and names
/// that `tempfile` makes.
fn find_elsewhere(tmp: &Path, found: &mut Found) {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    let Ok(tmp) = rustix::fs::open(tmp, flags, Mode::empty()) else { return };
    let mut elsewhere = Vec::new();
    list_elsewhere(&tmp, "/tmp", 0, &mut elsewhere);
    for path in elsewhere {
        found.skip(path, SkipReason::NotInOutput);
    }
}

fn list_elsewhere(directory: &OwnedFd, prefix: &str, depth: usize, paths: &mut Vec<String>) {
    let Ok(entries) = Dir::read_from(directory) else { return };
    let names = entries.filter_map(Result::ok).map(|entry| entry.file_name().to_owned());
    let mut names: Vec<CString> = names.take(ELSEWHERE_ENTRIES_MAX).collect();
    names.sort();
    for name in names {
        let Ok(text) = name.to_str() else { continue };
        let is_output = depth == 0 && text == "output";
        if is_output || text.starts_with('.') || is_temporary(text) || paths.len() >= ELSEWHERE_MAX {
            continue;
        }
        let Ok(status) = rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        match kind_of(&status) {
            Kind::Regular => paths.push(join(prefix, text)),
            Kind::Directory if depth < ELSEWHERE_DEPTH_MAX => {
                if let Ok(child) = open_beneath(directory, &name, OFlags::DIRECTORY) {
                    list_elsewhere(&child, &join(prefix, text), depth + 1, paths);
                }
            }
            _ => {}
        }
    }
}

/// Names made by Python's `tempfile` and `multiprocessing`, and Python's bytecode cache.
fn is_temporary(name: &str) -> bool {
    let random = |rest: &str| rest.len() >= 8 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let stem = name.split('.').next().unwrap_or(name);
    ["tmp", "pymp-", "psm_", "sem."].iter().any(|start| stem.strip_prefix(start).is_some_and(random))
        || name == "__pycache__"
        || name.starts_with("sem.")
}

/// Sends exactly `size_bytes`: all writers are dead, so the file cannot change.
pub(crate) fn send_content(channel: &mut Channel, file: &OwnedFd, size_bytes: u64) -> io::Result<()> {
    let mut rest = size_bytes;
    let mut chunk = vec![0u8; CHUNK_BYTES_MAX];
    while rest > 0 {
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(chunk.len());
        let length = match rustix::io::read(file, &mut chunk[..wanted]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        rest -= length as u64;
        channel.send(&GuestMessage::FileData { data: &chunk[..length] })?;
        channel.flush()?;
    }
    Ok(())
}
