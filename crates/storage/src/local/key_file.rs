//! The file that holds the link key: made once, by whichever process is first, and read ever after.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::config::OpenError;
use super::layout::{self, Layout, StoreLock};
use super::temp::TempFile;
use super::token::{KEY_BYTES, LinkKey};

const KEY_FILE: &str = "key";

/// Permission bits that nobody but the owner may have.
const GROUP_AND_OTHERS: u32 = 0o077;

/// Reads the key of the store in `root`, or makes it if there is none. Processes that start at the same
/// time agree on one key: looking and making happen under the store's lock.
pub(super) fn load_or_create(layout: &Layout, root: &Path) -> Result<LinkKey, OpenError> {
    let path = root.join(KEY_FILE);
    let lock = layout.lock().map_err(|source| OpenError::Lock { root: root.to_owned(), source })?;
    match layout::inspect(layout.root(), KEY_FILE) {
        Ok(Some(metadata)) if metadata.is_file() => read(layout, &path),
        Ok(Some(_)) => Err(OpenError::KeyKind { path }),
        Ok(None) => create(layout, &lock).map_err(|source| OpenError::Key { step: "make", path, source }),
        Err(source) => Err(OpenError::Key { step: "look for", path, source }),
    }
}

fn read(layout: &Layout, path: &Path) -> Result<LinkKey, OpenError> {
    let failed = |source| OpenError::Key { step: "read", path: path.to_owned(), source };
    let (mut file, metadata) = layout::open_file(layout.root(), KEY_FILE)
        .and_then(|found| found.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(failed)?;
    let mode = layout::permissions(&metadata);
    if mode & GROUP_AND_OTHERS != 0 {
        return Err(OpenError::KeyPermissions { path: path.to_owned(), mode });
    }
    if metadata.len() != KEY_BYTES as u64 {
        let (path, length) = (path.to_owned(), metadata.len());
        return Err(OpenError::KeyLength { path, length, expected: KEY_BYTES });
    }
    let mut bytes = [0; KEY_BYTES];
    file.read_exact(&mut bytes).map_err(failed)?;
    Ok(LinkKey::new(bytes))
}

/// Makes a key that is whole under its name or not there at all, and that a power cut cannot take back:
/// links are given out right after.
fn create(layout: &Layout, lock: &StoreLock) -> io::Result<LinkKey> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let mut temp = TempFile::create(layout, lock)?;
    temp.file().write_all(&bytes)?;
    temp.file().sync_all()?;
    temp.publish(layout.root(), KEY_FILE)?;
    File::from(layout.root().try_clone_to_owned()?).sync_all()?;
    Ok(LinkKey::new(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use super::*;

    fn opened() -> (tempfile::TempDir, PathBuf, Layout) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("store");
        let layout = Layout::open(&root).unwrap();
        (place, root, layout)
    }

    #[test]
    fn a_key_is_made_once_and_private() {
        let (_place, root, layout) = opened();
        load_or_create(&layout, &root).unwrap();
        let first = fs::read(root.join("key")).unwrap();
        load_or_create(&layout, &root).unwrap();
        assert_eq!(fs::read(root.join("key")).unwrap(), first);
        assert_eq!(first.len(), KEY_BYTES);
        assert_ne!(first, [0; KEY_BYTES]);
        assert_eq!(fs::metadata(root.join("key")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(&root).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_key_that_others_can_reach_is_refused() {
        let (_place, root, layout) = opened();
        load_or_create(&layout, &root).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(root.join("key"), fs::Permissions::from_mode(mode)).unwrap();
            let error = load_or_create(&layout, &root).unwrap_err();
            assert!(matches!(error, OpenError::KeyPermissions { mode: m, .. } if m == mode), "{error}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        fs::set_permissions(root.join("key"), fs::Permissions::from_mode(0o400)).unwrap();
        load_or_create(&layout, &root).unwrap();
    }

    #[test]
    fn a_key_of_another_length_is_refused_and_kept() {
        let (_place, root, layout) = opened();
        for length in [0, 31, 33] {
            fs::write(root.join("key"), vec![7; length]).unwrap();
            fs::set_permissions(root.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
            let error = load_or_create(&layout, &root).unwrap_err();
            assert!(matches!(error, OpenError::KeyLength { length: l, .. } if l == length as u64));
            assert_eq!(fs::metadata(root.join("key")).unwrap().len(), length as u64);
        }
    }

    #[test]
    fn a_key_that_is_no_file_is_refused() {
        let (place, root, layout) = opened();
        let elsewhere = place.path().join("elsewhere");
        fs::write(&elsewhere, [1; KEY_BYTES]).unwrap();
        fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&elsewhere, root.join("key")).unwrap();
        assert!(matches!(load_or_create(&layout, &root), Err(OpenError::KeyKind { .. })));
        fs::remove_file(root.join("key")).unwrap();
        fs::create_dir(root.join("key")).unwrap();
        assert!(matches!(load_or_create(&layout, &root), Err(OpenError::KeyKind { .. })));
    }
}
