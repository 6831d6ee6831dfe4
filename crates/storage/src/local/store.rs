//! The local store itself: the trait's methods and the opening of links, on top of blocking file I/O.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::config::{LocalConfig, OpenError};
use super::layout::Layout;
use super::objects::{self, ObjectName};
use super::steps::Steps;
use super::token::{Claims, DIGEST_BYTES, LinkKey};
use super::{clean, health, key_file, temp};
use crate::clock::{Clock, SystemClock};
use crate::store::{CleanError, Cleaned, Link, NewFile, PutError, Store, StoreHealth, StoredFile};

/// Where the links of the local store begin; what follows is the token for [`LocalStore::open_link`].
pub const FILES_ROUTE: &str = "/files/";

/// Keeps files on this host's disk. Clones share the one store.
///
/// Links are [`Link::Relative`], `/files/{token}`: the HTTP layer puts them behind its public address
/// with [`Link::resolve`] and answers them with [`LocalStore::open_link`]. Any number of processes may
/// share the directory, and each opens the links of the others.
#[derive(Debug, Clone)]
pub struct LocalStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: LocalConfig,
    clock: Arc<dyn Clock>,
    layout: Layout,
    key: LinkKey,
    steps: Steps,
}

/// A file being downloaded.
#[derive(Debug)]
pub struct Download {
    /// The content, open at its beginning. It can be read to the end even if it is cleaned meanwhile.
    pub file: tokio::fs::File,
    /// Length of the content in bytes.
    pub size_bytes: u64,
    /// The name as the program chose it, without directories. Hostile: give it to
    /// [`content_disposition`](crate::content_disposition), nothing else.
    pub file_name: String,
    /// The media type, fit for a header. Send `X-Content-Type-Options: nosniff` with it.
    pub media_type: String,
    /// When the link ends.
    pub expires_at: Timestamp,
    /// SHA-256 of the content, 64 lowercase hexadecimal digits; good as a strong `ETag`.
    pub sha256: String,
}

/// Why a link was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The token was not made by this store, or was changed (403).
    #[error("the link is not valid")]
    Invalid,
    /// The link was good until `expired_at` (410).
    #[error("the link expired at {expired_at}")]
    Expired {
        /// When it ended.
        expired_at: Timestamp,
    },
    /// The link is good, its content was removed (410).
    #[error("the file was removed")]
    Gone,
    /// Our fault (500).
    #[error("failed to open the stored file")]
    Io {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl LocalStore {
    /// Opens the store in `config.root`. On first use this makes the directories and the link key; each
    /// time it removes what a crashed process left unfinished.
    ///
    /// Does file I/O on the calling thread: call it at the start, or where blocking is allowed.
    ///
    /// # Errors
    /// [`OpenError`] when a setting is out of bounds, or when the directory or the key cannot be used or
    /// could be reached by other users of the host.
    pub fn open(config: LocalConfig) -> Result<Self, OpenError> {
        Self::open_with_clock(config, Arc::new(SystemClock))
    }

    /// As [`LocalStore::open`], with another clock for expiry and retention.
    ///
    /// # Errors
    /// As [`LocalStore::open`].
    pub fn open_with_clock(config: LocalConfig, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        config.check()?;
        let layout = Layout::open(&config.root)?;
        let key = key_file::load_or_create(&layout, &config.root)?;
        let leftovers_removed = temp::sweep(&layout)
            .map_err(|source| OpenError::Leftovers { path: config.root.join("tmp"), source })?;
        if leftovers_removed > 0 {
            tracing::info!(leftovers_removed, "removed unfinished files of an earlier run");
        }
        Ok(Self { inner: Arc::new(Inner { config, clock, layout, key, steps: Steps::default() }) })
    }

    /// Opens the file that `token` grants, where a link is `/files/{token}`.
    ///
    /// The signature comes first: nothing of a token is believed, and no file is touched, before it
    /// holds. So an expired token that was also changed is [`LinkError::Invalid`].
    ///
    /// # Errors
    /// See [`LinkError`], which gives the status for each.
    pub async fn open_link(&self, token: &str) -> Result<Download, LinkError> {
        let inner = &self.inner;
        let claims = inner.key.verify(token).ok_or(LinkError::Invalid)?;
        if inner.clock.now() >= claims.expires_at {
            return Err(LinkError::Expired { expired_at: claims.expires_at });
        }
        let name = ObjectName::new(&claims.digest);
        let sha256 = name.as_str().to_owned();
        let (file, metadata) = self
            .blocking(move |inner| objects::open(&inner.layout, &name))
            .await
            .flatten()
            .map_err(|source| LinkError::Io { source })?
            .ok_or(LinkError::Gone)?;
        Ok(Download {
            file: file.into(),
            size_bytes: metadata.len(),
            file_name: claims.file_name,
            media_type: claims.media_type,
            expires_at: claims.expires_at,
            sha256,
        })
    }

    /// Runs `op` on a thread that may block. An error means that the runtime is shutting down or that
    /// `op` panicked.
    async fn blocking<T: Send + 'static>(
        &self,
        op: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> io::Result<T> {
        let inner = Arc::clone(&self.inner);
        Ok(tokio::task::spawn_blocking(move || op(&inner)).await?)
    }
}

#[async_trait]
impl Store for LocalStore {
    fn provider(&self) -> &'static str {
        "local"
    }

    async fn put(&self, file: NewFile) -> Result<StoredFile, PutError> {
        self.blocking(move |inner| inner.put(&file))
            .await
            .unwrap_or_else(|source| Err(PutError::Io { step: "finish the file operation", source }))
    }

    async fn health(&self) -> StoreHealth {
        self.blocking(|inner| health::probe(&inner.layout, inner.config.free_min_bytes))
            .await
            .unwrap_or_else(|error| StoreHealth::unhealthy(format!("the probe did not end: {error}")))
    }

    async fn clean(&self) -> Result<Cleaned, CleanError> {
        self.blocking(|inner| clean::clean(&inner.layout, inner.clock.now(), inner.config.retention))
            .await
            .unwrap_or_else(|source| Err(CleanError::Io { step: "finish the file operation", source }))
    }
}

impl Inner {
    fn put(&self, file: &NewFile) -> Result<StoredFile, PutError> {
        let digest: [u8; DIGEST_BYTES] = Sha256::digest(&file.content).into();
        let name = ObjectName::new(&digest);
        let stored_at = objects::keep(&self.layout, &self.steps, &*self.clock, &name, &file.content)?;
        // From the time that the retention counts from, so the link never outlives the content.
        let expires_at = later(stored_at, self.config.link_lifetime);
        let claims = Claims::new(digest, expires_at, &file.path, &file.media_type);
        let url = Link::Relative(format!("{FILES_ROUTE}{}", self.key.sign(&claims)));
        let size_bytes = file.content.len() as u64;
        tracing::debug!(request_id = file.request_id, sha256 = name.as_str(), size_bytes, "stored a file");
        Ok(StoredFile { sha256: name.as_str().to_owned(), size_bytes, url, expires_at: claims.expires_at })
    }
}

/// `time` and `duration` together; the end of time if that is beyond it.
fn later(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::mpsc;

    use bytes::Bytes;
    use rustix::io::Errno;

    use super::*;
    use crate::local::steps::{Fault, Pause, Step};

    const STEPS: [Step; 9] = [
        Step::OpenShard,
        Step::Lock,
        Step::Inspect,
        Step::Refresh,
        Step::CreateTemp,
        Step::Write,
        Step::Sync,
        Step::Stamp,
        Step::Publish,
    ];

    fn new_file(content: &'static [u8]) -> NewFile {
        NewFile {
            request_id: "test".into(),
            path: "out.bin".into(),
            media_type: "application/octet-stream".into(),
            content: Bytes::from_static(content),
        }
    }

    /// The files below the root with their content, except the lock and the key.
    fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for folder in ["tmp", "objects"] {
            let mut folders = vec![root.join(folder)];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        folders.push(path);
                    } else {
                        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                        files.push((name, fs::read(path).unwrap()));
                    }
                }
            }
        }
        files.sort();
        files
    }

    /// Fails each step in turn, each time it is run, before and after its effect, for new content and for
    /// content that is there.
    #[tokio::test]
    async fn a_failed_put_leaves_nothing() {
        let mut reached = Vec::new();
        for stored_before in [false, true] {
            for step in STEPS {
                for (skip, after) in [(0, false), (0, true), (1, false), (1, true)] {
                    let place = tempfile::tempdir().unwrap();
                    let store = LocalStore::open(LocalConfig::new(place.path().join("store"))).unwrap();
                    if stored_before {
                        store.put(new_file(b"content")).await.unwrap();
                    }
                    let before = files(&store.inner.config.root);
                    store.inner.steps.plant(Fault { step, skip, errno: Errno::IO, after });
                    let result = store.put(new_file(b"content")).await;
                    if store.inner.steps.unplant() {
                        assert!(result.is_ok(), "{step:?} was not reached");
                        continue;
                    }
                    reached.push(step);
                    let case = format!("{step:?} {skip} {after} {stored_before}");
                    let error = result.expect_err(&case);
                    assert!(matches!(&error, PutError::Io { step: s, .. } if *s == step.as_str()), "{case}");
                    // A rename that is done and then said to have failed leaves whole, right content.
                    if !(step == Step::Publish && after) {
                        assert_eq!(files(&store.inner.config.root), before, "{case}");
                    }
                    assert_eq!(fs::read_dir(place.path().join("store/tmp")).unwrap().count(), 0, "{case}");
                    // And the store works as before.
                    store.put(new_file(b"content")).await.unwrap();
                    assert_eq!(files(&store.inner.config.root).len(), 1, "{case}");
                }
            }
        }
        for step in STEPS {
            assert!(reached.contains(&step), "{step:?} never failed");
        }
    }

    #[tokio::test]
    async fn no_room_is_told_apart_at_every_step() {
        for step in STEPS.into_iter().filter(|step| *step != Step::Refresh) {
            for (errno, full) in
                [(Errno::NOSPC, true), (Errno::DQUOT, true), (Errno::FBIG, true), (Errno::ROFS, false)]
            {
                let place = tempfile::tempdir().unwrap();
                let store = LocalStore::open(LocalConfig::new(place.path().join("store"))).unwrap();
                store.inner.steps.plant(Fault { step, skip: 0, errno, after: false });
                let error = store.put(new_file(b"content")).await.unwrap_err();
                assert_eq!(error.is_full(), full, "{step:?} {errno:?}");
                assert!(std::error::Error::source(&error).is_some());
            }
        }
    }

    /// The race that the lock is for, step by step: a clean that looked at an object before a put replaces
    /// it must not remove what the put stored.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_put_waits_for_a_clean_that_holds_the_lock_before_it_publishes() {
        let place = tempfile::tempdir().unwrap();
        let store = LocalStore::open(LocalConfig::new(place.path().join("store"))).unwrap();
        let (reached, at_sync) = mpsc::channel();
        let (go, go_on) = mpsc::channel();
        store.inner.steps.pause(Pause { step: Step::Sync, reached, go_on });
        let put = tokio::spawn({
            let store = store.clone();
            async move { store.put(new_file(b"content")).await }
        });
        at_sync.recv().unwrap();
        let cleaners_lock = store.inner.layout.lock().unwrap();
        go.send(()).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let names: Vec<_> = files(&store.inner.config.root).into_iter().map(|(name, _)| name).collect();
        assert!(matches!(&names[..], [name] if name.starts_with("tmp/")), "published early: {names:?}");
        drop(cleaners_lock);
        put.await.unwrap().unwrap();
    }

    #[test]
    fn a_sum_of_times_beyond_the_end_is_the_end() {
        assert_eq!(later(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(later(Timestamp::UNIX_EPOCH, Duration::from_secs(2)).as_second(), 2);
    }
}
