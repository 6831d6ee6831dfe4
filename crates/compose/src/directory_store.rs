//! The store of `run --out DIR`: writes a program's output files into a directory of the caller.
//!
//! Names and content come from an untrusted program, and the directory belongs to the caller. So
//! nothing that exists is replaced or followed: files are created with `O_EXCL`, and a symbolic link in place
//! of a directory is refused.

use async_trait::async_trait;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use storage::{CleanError, Cleaned, Link, NewFile, PutError, Store, StoreHealth, StoredFile, StoredIn};
use tokio::time::Instant;

/// Nominal lifetime of a saved file's link: a plain file does not expire, so many years.
const LIFETIME_S: i64 = 100 * 365 * 24 * 3600;

/// Characters to percent-encode in a path: all except unreserved characters (RFC 3986, 2.3) and the slash.
const NOT_IN_A_PATH: AsciiSet =
    NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// See the module.
#[derive(Debug)]
pub(crate) struct DirectoryStore {
    root: PathBuf,
}

impl DirectoryStore {
    /// Opens the directory, and creates it if it is missing.
    ///
    /// # Errors
    /// An I/O error, if it cannot be created or is not a directory.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self { root: fs::canonicalize(root)? })
    }

    fn write(&self, file: &NewFile) -> io::Result<PathBuf> {
        let relative = Path::new(&file.path);
        let plain = |component| matches!(component, Component::Normal(_));
        if file.path.is_empty() || !relative.components().all(plain) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path leads out of the directory"));
        }
        let mut directory = self.root.clone();
        for component in relative.parent().into_iter().flat_map(Path::components) {
            directory.push(component);
            match fs::create_dir(&directory) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // Metadata of the link, not of its target.
                    if !fs::symlink_metadata(&directory)?.is_dir() {
                        return Err(io::Error::from(io::ErrorKind::NotADirectory));
                    }
                }
                made => made?,
            }
        }
        let path = self.root.join(relative);
        let mut target = File::create_new(&path)?;
        target.write_all(&file.content)?;
        Ok(path)
    }
}

#[async_trait]
impl Store for DirectoryStore {
    fn provider(&self) -> &'static str {
        "directory"
    }

    async fn put(&self, file: NewFile, _by: Instant) -> Result<StoredFile, PutError> {
        // Blocks this thread: `run` has nothing else to do.
        let path = self.write(&file).map_err(|source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                PutError::Full { step: "write the file", source }
            }
            _ => PutError::Io { step: "write the file", source },
        })?;
        let expires_at = jiff::Timestamp::now()
            .checked_add(jiff::SignedDuration::from_secs(LIFETIME_S))
            .unwrap_or(jiff::Timestamp::MAX);
        Ok(StoredFile {
            sha256: support::sha256_hex(&file.content),
            size_bytes: file.content.len() as u64,
            url: Link::Absolute(file_url(&path)),
            expires_at,
            stored_in: StoredIn::Directory,
        })
    }

    async fn health(&self) -> StoreHealth {
        StoreHealth::healthy()
    }

    async fn clean(&self) -> Result<Cleaned, CleanError> {
        Ok(Cleaned::default())
    }
}

fn file_url(path: &Path) -> String {
    format!("file://{}", percent_encode(path.as_os_str().as_bytes(), &NOT_IN_A_PATH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> NewFile {
        NewFile {
            request_id: "run".into(),
            path: path.into(),
            media_type: "text/plain".into(),
            content: "x".into(),
        }
    }

    #[tokio::test]
    async fn files_are_saved_with_their_sub_directories() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let store = DirectoryStore::open(&root.path().join("new")).expect("it is made");
        let stored = store.put(file("a/b c.txt"), Instant::now()).await.expect("saved");
        assert!(stored.url.as_str().ends_with("/new/a/b%20c.txt"));
        assert_eq!(fs::read(root.path().join("new/a/b c.txt")).expect("there"), b"x");
        assert_eq!(stored.sha256.len(), 64);
    }

    #[tokio::test]
    async fn nothing_is_replaced_followed_or_left() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let outside = tempfile::tempdir().expect("a temporary directory");
        let store = DirectoryStore::open(root.path()).expect("it is there");
        fs::write(root.path().join("mine"), "mine").expect("written");
        std::os::unix::fs::symlink(outside.path(), root.path().join("link")).expect("linked");
        std::os::unix::fs::symlink(outside.path().join("target"), root.path().join("dangling"))
            .expect("linked");
        for path in ["mine", "link/x", "dangling", "../x", "/x", "", "a/../../x", "."] {
            assert!(store.put(file(path), Instant::now()).await.is_err(), "{path}");
        }
        assert_eq!(fs::read(root.path().join("mine")).expect("there"), b"mine");
        assert_eq!(fs::read_dir(outside.path()).expect("there").count(), 0);
    }
}
