//! The file: opened so that nothing but a plain file of ours is written, appended to, and followed by its name, so that
//! logrotate(8) can move it away.

use crate::directory;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refuses.
    #[error("failed to open the audit log `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a file that this process alone may write.
    #[error("the audit log `{}` {problem}", path.display())]
    Unsuitable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// The open file.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    /// A user besides root and this one who may own it.
    owner: u32,
    /// With the number of device and file.
    open: Option<(File, (u64, u64))>,
    /// The file ends within a line.
    is_torn: bool,
}

impl LogFile {
    /// Opens the file, or makes it with mode 0600. If root makes it, it gets its owner.
    pub(crate) fn open(path: &Path, owner: u32) -> Result<Self, OpenError> {
        let mut file = Self { path: path.to_owned(), owner, open: None, is_torn: false };
        file.reopen()?;
        Ok(file)
    }

    fn reopen(&mut self) -> Result<(), OpenError> {
        self.open = None;
        let failed = |source: io::Error| OpenError::Io { path: self.path.clone(), source };
        let opened = directory::open_above(&self.path).and_then(|(above, name)| open_or_make(&above, &name));
        let (file, made) = opened.map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if let Some(problem) = self.problem(&found) {
            return Err(OpenError::Unsuitable { path: self.path.clone(), problem });
        }
        // Only a file of our own making: another one may be somebody's.
        if made && rustix::process::geteuid().is_root() && found.uid() != self.owner {
            std::os::unix::fs::fchown(&file, Some(self.owner), None).map_err(failed)?;
        }
        self.is_torn = ends_within_a_line(&file, found.len()).map_err(failed)?;
        self.open = Some((file, identity(&found)));
        Ok(())
    }

    fn problem(&self, found: &Metadata) -> Option<&'static str> {
        let own = rustix::process::geteuid().as_raw();
        if !found.is_file() {
            Some("is not a regular file")
        } else if found.nlink() > 1 {
            Some("has another name (a hard link), under which somebody else may keep it")
        } else if ![0, own, self.owner].contains(&found.uid()) {
            Some("belongs to another user (hint: remove it, or change its owner)")
        } else if found.mode() & 0o022 != 0 {
            Some("can be written by other users (hint: chmod 600)")
        } else {
            None
        }
    }

    /// Writes one line. It goes to the file that has the name now: one that was moved away is closed.
    pub(crate) fn write(&mut self, line: &str) -> Result<(), OpenError> {
        let named = self.path.symlink_metadata().ok();
        let is_current =
            self.open.as_ref().zip(named).is_some_and(|((_, open), named)| *open == identity(&named));
        if !is_current {
            self.reopen()?;
        }
        let Some((file, _)) = &mut self.open else { return Ok(()) };
        // A line must not continue one that the disk had no space for.
        let whole = if self.is_torn { format!("\n{line}") } else { line.to_owned() };
        match write_once(file, whole.as_bytes()) {
            Ok(()) => {
                self.is_torn = false;
                Ok(())
            }
            Err((written, source)) => {
                self.is_torn |= written > 0;
                Err(OpenError::Io { path: self.path.clone(), source })
            }
        }
    }
}

/// Opens the file for appending. `true`: this call made it.
fn open_or_make(above: &OwnedFd, name: &OsStr) -> io::Result<(File, bool)> {
    // Not blocking: a FIFO of this name is refused later, not waited for. Reading is for the last byte.
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::openat(above, name, flags | OFlags::CREATE | OFlags::EXCL, mode) {
        Ok(file) => Ok((file.into(), true)),
        Err(Errno::EXIST) => Ok((rustix::fs::openat(above, name, flags, mode)?.into(), false)),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether the last line was not written whole, by any process. If one is being written just now, an empty line may
/// follow it.
fn ends_within_a_line(file: &File, len: u64) -> io::Result<bool> {
    let Some(last) = len.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    Ok(file.read_at(&mut byte, last)? == 1 && byte != *b"\n")
}

/// Device and number: a name with the same ones is the same file.
fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// One write(2), so that lines of several processes do not mix; more only if the kernel takes a part.
fn write_once(file: &mut impl Write, mut bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let all = bytes.len();
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err((all - bytes.len(), io::ErrorKind::WriteZero.into())),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((all - bytes.len(), error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn own() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn a_file_is_made_for_its_owner_alone_and_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        for line in ["one\n", "two\n"] {
            LogFile::open(&path, own()).unwrap().write(line).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_file_that_was_moved_or_removed_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("audit.log"), dir.path().join("audit.log.1"));
        let mut log = LogFile::open(&path, own()).unwrap();
        log.write("one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        log.write("two\n").unwrap();
        assert_eq!((fs::read(&moved).unwrap(), fs::read(&path).unwrap()), (b"one\n".into(), b"two\n".into()));
        fs::remove_file(&path).unwrap();
        log.write("three\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three\n");
    }

    #[test]
    fn what_is_not_a_file_of_ours_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("target"), "").unwrap();
        symlink(at("target"), at("link")).unwrap();
        fs::hard_link(at("target"), at("hard")).unwrap();
        for (name, mode) in [("open", 0o602), ("group", 0o620)] {
            fs::write(at(name), "").unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        for (name, why) in [
            ("link", "failed to open"),
            ("hard", "hard link"),
            ("open", "chmod 600"),
            ("group", "chmod 600"),
            ("fifo", "not a regular file"),
            ("none/audit.log", "No such file"),
            (".", "failed to open"),
        ] {
            let error = LogFile::open(&at(name), own()).unwrap_err().to_string();
            assert!(error.contains(why), "{name}: {error}");
        }
        assert_eq!(fs::read(at("target")).unwrap(), b"");
    }

    /// Takes this number of bytes and then fails, as a full disk does.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_write_that_stops_within_a_line_is_known() {
        assert!(write_once(&mut Full(9), b"a line\n").is_ok());
        assert_eq!(write_once(&mut Full(3), b"a line\n").unwrap_err().0, 3);
        assert_eq!(write_once(&mut Full(0), b"a line\n").unwrap_err().0, 0);
    }

    #[test]
    fn a_torn_line_is_not_continued_not_even_one_of_another_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        let mut log = LogFile::open(&path, own()).unwrap();
        fs::write(&path, "torn").unwrap();
        log.is_torn = true;
        log.write("whole\n").unwrap();
        log.write("next\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "torn\nwhole\nnext\n");
        for (before, after) in [("torn", "torn\nwhole\n"), ("whole\n", "whole\nwhole\n"), ("", "whole\n")] {
            fs::write(&path, before).unwrap();
            LogFile::open(&path, own()).unwrap().write("whole\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), after);
        }
        // A torn file that takes the name of the open one.
        fs::write(dir.path().join("torn"), "torn").unwrap();
        fs::set_permissions(dir.path().join("torn"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(dir.path().join("torn"), &path).unwrap();
        log.write("whole\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "torn\nwhole\n");
    }

    #[test]
    fn root_gives_away_only_what_it_made() {
        if own() != 0 {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let uid = |name: &str| fs::metadata(dir.path().join(name)).unwrap().uid();
        fs::write(dir.path().join("old"), "").unwrap();
        for name in ["old", "new"] {
            LogFile::open(&dir.path().join(name), 12345).unwrap();
        }
        assert_eq!((uid("old"), uid("new")), (0, 12345));
        let open = |owner| LogFile::open(&dir.path().join("new"), owner).map(drop);
        open(12345).unwrap();
        let error = open(54321).unwrap_err().to_string();
        assert!(error.contains("belongs to another user"), "{error}");
    }

    #[test]
    fn a_link_that_another_user_could_make_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
        for path in [&ours, &theirs] {
            fs::create_dir(path).unwrap();
            fs::create_dir(path.join("real")).unwrap();
            symlink(path.join("real"), path.join("link")).unwrap();
        }
        // As a directory of the service's user, for root.
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o777)).unwrap();
        let open = |dir: &Path, name: &str| LogFile::open(&dir.join(name), own()).map(drop);
        assert!(open(&theirs, "link/audit.log").is_err());
        assert!(open(&theirs, "real/../audit.log").is_err());
        assert_eq!(fs::read_dir(theirs.join("real")).unwrap().count(), 0);
        open(&theirs, "real/audit.log").unwrap();
        open(&ours, "link/audit.log").unwrap();
        assert!(ours.join("real/audit.log").exists());
    }
}
