//! `DATA_DIR/access/enabled`: that a key was ever created. An empty file, never removed by this program.

use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const NAME: &str = "enabled";

/// Whether it is recorded in this directory.
///
/// # Errors
/// If the directory cannot be examined: then nobody knows.
pub fn is_recorded(directory: &Path) -> io::Result<bool> {
    match directory.join(NAME).symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Records it, durably.
///
/// # Errors
/// If the file cannot be created.
pub fn record(directory: &Path) -> io::Result<()> {
    if is_recorded(directory)? {
        return Ok(());
    }
    make_directory(directory)?;
    let file = create(&directory.join(NAME))?;
    file.sync_all()?;
    File::open(directory)?.sync_all()
}

/// Creates `DATA_DIR/access` for its owner alone. If root does it, the owner is that of `DATA_DIR`, so that the
/// service can use it.
///
/// # Errors
/// If it cannot be created.
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().mode(0o700).create(directory);
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    give_to_owner_of_parent(&File::open(directory)?, directory)
}

/// Creates a file for its owner alone, that of its directory; leaves one that exists as it is.
///
/// # Errors
/// If it cannot be created.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    give_to_owner_of_parent(&file, path)?;
    Ok(file)
}

fn give_to_owner_of_parent(file: &File, path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    let (owner, now) = (parent.metadata()?, file.metadata()?);
    if owner.uid() != now.uid() {
        std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_recorded_once_and_for_its_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("access");
        assert!(!is_recorded(&directory).unwrap());
        record(&directory).unwrap();
        record(&directory).unwrap();
        assert!(is_recorded(&directory).unwrap());
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&directory.join(NAME))), (0o700, 0o600));
    }
}
