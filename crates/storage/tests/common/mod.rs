//! Shared by the black-box tests: a clock to move, a store to open, and views of its directory.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "clippy takes only #[test] functions for tests, not their helpers")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use jiff::Timestamp;
use storage::{Clock, FILES_ROUTE, LocalConfig, LocalStore, NewFile, StoredFile};

/// A clock that moves only when told. It starts at the present, as the file system's own does, but at a
/// whole second: expiry is tested to the second.
#[derive(Debug)]
pub(crate) struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    pub(crate) fn new() -> Arc<Self> {
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        Arc::new(Self(Mutex::new(now)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A store in its own temporary directory.
pub(crate) struct Place {
    pub(crate) store: LocalStore,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) root: PathBuf,
    pub(crate) dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let clock = ManualClock::new();
        let store = LocalStore::open_with_clock(LocalConfig::new(&root), clock.clone()).unwrap();
        Self { store, clock, root, dir }
    }

    /// The store as the next process would open it.
    pub(crate) fn reopen(&self) -> LocalStore {
        LocalStore::open_with_clock(LocalConfig::new(&self.root), self.clock.clone()).unwrap()
    }

    pub(crate) fn object(&self, stored: &StoredFile) -> PathBuf {
        object_path(&self.root, stored)
    }
}

/// Where a stored file is: its token begins with a byte for the version and the 32 of its name.
pub(crate) fn object_path(root: &Path, stored: &StoredFile) -> PathBuf {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token(stored)).unwrap();
    let name: String = bytes[1..33].iter().map(|byte| format!("{byte:02x}")).collect();
    root.join("objects").join(&name[..2]).join(name)
}

/// The size that the store has counted, in bytes.
pub(crate) fn counted(root: &Path) -> u64 {
    let bytes = std::fs::read(root.join("usage")).unwrap();
    bytes.as_chunks::<8>().0.iter().map(|entry| u64::from_be_bytes(*entry)).sum()
}

/// When an answer should be ready. A local store is never late.
pub(crate) fn by() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

pub(crate) fn new_file(path: &str, content: impl Into<Bytes>) -> NewFile {
    NewFile {
        request_id: "01TEST".into(),
        path: path.into(),
        media_type: storage::media_type_for(path),
        content: content.into(),
    }
}

/// The token of a stored file's link.
pub(crate) fn token(stored: &StoredFile) -> &str {
    stored.url.as_str().strip_prefix(FILES_ROUTE).expect("a relative link")
}

/// Every file in a directory and below.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() { dirs.push(path) } else { files.push(path) }
        }
    }
    files
}

/// Makes a file look as if its link expired at this time.
pub(crate) fn set_expiry(path: &Path, time: SystemTime) {
    let file = std::fs::File::open(path).unwrap();
    file.set_modified(time).unwrap();
}
