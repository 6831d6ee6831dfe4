//! Files being written. Each is under its writer's flock until it is renamed into place or removed, so
//! that a file in use can be told from one that a crash left. Files are created and locked, and checked
//! and removed, under the store's lock: else a sweep could remove one between its creation and its lock.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::layout::{self, FILE_MODE, Layout, StoreLock};

/// Random bytes in a name: enough that names never collide.
const NAME_RANDOM_BYTES: usize = 16;

/// An unfinished file; removed on drop unless it was published.
#[derive(Debug)]
pub(super) struct TempFile<'a> {
    dir: BorrowedFd<'a>,
    name: String,
    file: File,
    published: bool,
}

impl<'a> TempFile<'a> {
    /// Creates an empty file in the store's `tmp/`, locked, mode 0600. The store's lock may be released
    /// as soon as this returns.
    pub(super) fn create(layout: &'a Layout, _lock: &StoreLock) -> io::Result<Self> {
        let dir = layout.temp();
        let name = support::hex(&support::random_bytes::<NAME_RANDOM_BYTES>()?);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(dir, &name, flags, FILE_MODE)?;
        let temp = Self { dir, name, file: File::from(fd), published: false };
        if !support::try_take(&temp.file)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(temp)
    }

    /// The file, for writing.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Renames the file to `name` in `dir`, replacing any existing file.
    pub(super) fn publish(mut self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        rustix::fs::renameat(self.dir, &self.name, dir, name)?;
        self.published = true;
        Ok(())
    }

    /// Removes the file and returns whether that worked, which dropping cannot.
    pub(super) fn remove(mut self) -> io::Result<()> {
        self.published = true;
        layout::remove_file(self.dir, &self.name).map(drop)
    }
}

impl Drop for TempFile<'_> {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        if let Err(error) = layout::remove_file(self.dir, &self.name) {
            // The next sweep will try again: the lock is released with this descriptor.
            tracing::warn!(%error, name = self.name, "failed to remove a temporary file");
        }
    }
}

/// Removes the files in the store's `tmp/` that have a name of ours and no lock: their writers are
/// dead. Returns how many.
pub(super) fn sweep(layout: &Layout) -> io::Result<u64> {
    let mut removed = 0;
    for name in layout::names(layout.temp())?.iter().filter(|name| is_temp_name(name)) {
        match sweep_one(layout, name) {
            Ok(true) => removed += 1,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, name, "failed to remove a leftover temporary file"),
        }
    }
    Ok(removed)
}

fn sweep_one(layout: &Layout, name: &str) -> io::Result<bool> {
    let _lock = layout.lock()?;
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(layout.temp(), name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    // Names are never reused, so the name still means the locked file, or nothing.
    if support::try_take(&File::from(file))? { layout::remove_file(layout.temp(), name) } else { Ok(false) }
}

fn is_temp_name(name: &str) -> bool {
    name.len() == NAME_RANDOM_BYTES * 2 && support::is_hex(name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn leftovers_of_a_crash_go_and_files_in_use_stay() {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::open(place.path()).unwrap();
        let dir = place.path().join("tmp");
        let mut used = TempFile::create(&layout, &layout.lock().unwrap()).unwrap();
        used.file().write_all(b"half").unwrap();
        // What a killed writer leaves: the name, without a lock.
        let leftover = dir.join("0123456789abcdef0123456789abcdef");
        fs::write(&leftover, b"half").unwrap();
        let foreign = dir.join("notes.txt");
        fs::write(&foreign, b"not ours").unwrap();
        let link = dir.join("00000000000000000000000000000000");
        std::os::unix::fs::symlink(&foreign, &link).unwrap();

        assert_eq!(sweep(&layout).unwrap(), 1);
        assert!(!leftover.exists());
        assert!(foreign.exists() && link.is_symlink());
        assert!(dir.join(&used.name).exists());

        drop(used);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "the note and the symlink");
    }

    #[test]
    fn a_sweep_never_takes_a_file_that_was_just_made() {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::open(place.path()).unwrap();
        let stop = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    sweep(&layout).unwrap();
                }
            });
            let result = (0..1000).try_for_each(|_| {
                let temp = TempFile::create(&layout, &layout.lock()?)?;
                temp.publish(layout.root(), "published")
            });
            stop.store(true, Ordering::Relaxed);
            result
        });
        result.unwrap();
    }
}
