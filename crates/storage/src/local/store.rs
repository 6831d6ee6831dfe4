//! The local store: the trait's methods and the opening of links, on top of blocking file I/O.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::bounds::Bounds;
use super::config::{LocalConfig, OpenError};
use super::keys::{Keys, Rotated};
use super::layout::{self, Layout};
use super::lost::Lost;
use super::next_expiry::NextExpiry;
use super::objects::{self, Keeper};
use super::space::Space;
use super::steps::{Step, Steps};
use super::token::{Claims, DIGEST_BYTES};
use super::usage::UsageFile;
use super::{bounds, clean, health, keys, temp, waiting};
use crate::clock::{Clock, SystemClock};
use crate::links::{Download, LinkError, LinkUse, Links, Opened};
use crate::object_name::ObjectName;
use crate::store::{CleanError, Cleaned, Link, NewFile, PutError, Store, StoreHealth, StoredFile, StoredIn};

/// Prefix of the local store's links; the rest is the token for [`LocalStore::open_link`].
pub const FILES_ROUTE: &str = "/files/";

/// Stores files on this host's disk. Clones share the one store.
///
/// Links are [`Link::Relative`], `/files/{token}`: the HTTP layer appends them to its public address
/// with [`Link::resolve`] and answers them with [`LocalStore::open_link`]. Any number of processes may
/// share the directory, and each opens the links of the others.
#[derive(Debug, Clone)]
pub struct LocalStore {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    config: LocalConfig,
    clock: Arc<dyn Clock>,
    /// When the store was opened, by both clocks.
    opened: (std::time::Instant, Timestamp),
    pub(super) layout: Layout,
    keys: Keys,
    pub(super) usage: UsageFile,
    pub(super) steps: Steps,
    pub(super) lost: Lost,
    /// The next objects to remove. Held while space is made: one cleaning is enough for all that wait for it.
    next_expiry: Mutex<NextExpiry>,
    /// The earliest expiry, in unix seconds, of an object that is not among those: looking at all files
    /// before is useless.
    due_s: AtomicI64,
}

/// Maximum age of a look at all files before a shortage looks again: other processes that share the store may
/// have stored files that expire sooner.
const LOOK_AGAIN_S: i64 = 60;

/// By how much the clock may be set forward until a file that waits for an object store is kept longer for it.
const CLOCK_SET_MAX: Duration = Duration::from_secs(15 * 60);

/// What a link of this store leads to.
#[derive(Debug)]
pub enum Found {
    /// The file is here.
    Here(Download),
    /// The link is valid, the file is not here.
    Absent(Absent),
}

/// A file that was here, or that was never here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// Its name in every store.
    pub name: ObjectName,
    /// SHA-256 of the content, 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// When the link expires.
    pub expires_at: Timestamp,
}

impl LocalStore {
    /// Opens the store in `config.root`. On first use this creates the directories and the link key; each
    /// time it removes unfinished files of a crashed process.
    ///
    /// Does file I/O on the calling thread: call it at startup, or where blocking is allowed.
    ///
    /// # Errors
    /// [`OpenError`] if a setting is out of bounds, or if the directory or the key cannot be used or
    /// is accessible to other users of the host.
    pub fn open(config: LocalConfig) -> Result<Self, OpenError> {
        Self::open_with_clock(config, Arc::new(SystemClock))
    }

    /// Opens a store that a service has made, for commands beside it. Makes none: it would belong to the command's
    /// user.
    ///
    /// Does file I/O on the calling thread.
    ///
    /// # Errors
    /// [`OpenError::NoStore`] if there is none, or no link key in it; else as [`LocalStore::open`].
    pub fn open_existing(config: LocalConfig) -> Result<Self, OpenError> {
        match std::fs::symlink_metadata(config.root.join(keys::KEY_FILE)) {
            Ok(_) => Self::open(config),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(OpenError::NoStore { root: config.root })
            }
            Err(source) => Err(OpenError::Directory { path: config.root, source }),
        }
    }

    /// Whether this user could make a store in `root`, where there is none ([`OpenError::NoStore`]). Makes nothing.
    ///
    /// # Errors
    /// [`OpenError`] if the directory could not be made or written to, or if another user could replace it.
    pub fn check_can_be_made(root: &Path) -> Result<(), OpenError> {
        layout::check_can_be_made(root)
    }

    /// As [`LocalStore::open`], with another clock for expiry and retention.
    ///
    /// # Errors
    /// As [`LocalStore::open`].
    pub fn open_with_clock(config: LocalConfig, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        config.check()?;
        let layout = Layout::open(&config.root)?;
        let keys = Keys::load_or_create(&layout, &config.root)?;
        let usage = UsageFile::open(&layout)
            .map_err(|source| OpenError::Usage { root: config.root.clone(), source })?;
        let leftovers_removed = temp::sweep(&layout)
            .map_err(|source| OpenError::Leftovers { path: config.root.join("tmp"), source })?;
        if leftovers_removed > 0 {
            tracing::info!(leftovers_removed, "removed unfinished files of an earlier run");
        }
        let steps = Steps::default();
        // Nothing is known yet: the first shortage looks.
        let due_s = AtomicI64::new(i64::MIN);
        let next_expiry = Mutex::default();
        let opened = (std::time::Instant::now(), clock.now());
        let lost = Lost::default();
        let inner = Inner { config, clock, opened, layout, keys, usage, steps, lost, next_expiry, due_s };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// As [`Store::health`], but removes no file, for commands beside a service: what only a cleaning would end is a
    /// shortage.
    pub async fn probe(&self) -> StoreHealth {
        self.blocking(|inner| inner.health(|| false)).await.unwrap_or_else(probe_did_not_finish)
    }

    /// Makes a new link key for the store in `root`. Services that have it open sign their next files with
    /// it. Links that were signed before stay valid until they expire, at most `link_lifetime` from now; with
    /// `end_links` they end at once.
    ///
    /// Does file I/O on the calling thread.
    ///
    /// # Errors
    /// [`OpenError`] if there is no store or no key, or if either cannot be used.
    pub fn rotate_key(root: &Path, link_lifetime: Duration, end_links: bool) -> Result<Rotated, OpenError> {
        if !root.is_dir() {
            return Err(OpenError::NoKey { root: root.to_owned() });
        }
        keys::rotate(&Layout::open(root)?, root, Timestamp::now(), link_lifetime, end_links)
    }

    /// Opens the file that `token` grants access to, as [`Links::follow`].
    ///
    /// # Errors
    /// See [`LinkError`], which has the status for each.
    pub async fn open_link(&self, token: &str) -> Result<Download, LinkError> {
        match self.find(token).await? {
            Found::Here(download) => Ok(download),
            Found::Absent(_) => Err(LinkError::Gone),
        }
    }

    /// Makes a link of this store to a file that is, or will be, in an object store under `name`. Nothing is
    /// stored here.
    #[must_use]
    pub fn sign_link(
        &self,
        name: &ObjectName,
        file: &NewFile,
        digest: [u8; DIGEST_BYTES],
    ) -> (Link, Timestamp) {
        let claims = self.inner.claims(name, file, digest);
        (self.inner.link(&claims), claims.expires_at)
    }

    /// Checks `token` and opens its file if it is here.
    ///
    /// # Errors
    /// As [`LocalStore::open_link`], without [`LinkError::Gone`].
    pub async fn find(&self, token: &str) -> Result<Found, LinkError> {
        let inner = &self.inner;
        let now = inner.clock.now();
        let claims = inner.keys.ring(&inner.layout).verify(token, now).ok_or(LinkError::Invalid)?;
        if now >= claims.expires_at {
            return Err(LinkError::Expired { expired_at: claims.expires_at });
        }
        let name = ObjectName::new(&claims.object);
        let wanted = name.clone();
        let sha256 = support::hex(&claims.digest);
        let opened = self
            .blocking(move |inner| objects::open(&inner.layout, &wanted))
            .await
            .flatten()
            .map_err(|source| LinkError::Io { source })?;
        let Some((file, metadata)) = opened else {
            return Ok(Found::Absent(Absent { name, sha256, expires_at: claims.expires_at }));
        };
        Ok(Found::Here(Download {
            file: file.into(),
            size_bytes: metadata.len(),
            file_name: claims.file_name,
            media_type: claims.media_type,
            expires_at: claims.expires_at,
            sha256,
        }))
    }

    /// Runs a put on a thread that may block.
    pub(super) async fn putting(
        &self,
        op: impl FnOnce(&Inner) -> Result<StoredFile, PutError> + Send + 'static,
    ) -> Result<StoredFile, PutError> {
        self.blocking(op)
            .await
            .unwrap_or_else(|source| Err(PutError::Io { step: "finish the file operation", source }))
    }

    /// Whether a file that waits may be removed because its link expires then: as [`Store::clean`] decides it.
    pub(super) fn waited_enough(&self, expires_at: Timestamp) -> bool {
        let inner = &*self.inner;
        !inner.bounds(inner.clock.now()).keep_waiting(expires_at.into())
    }

    /// Runs `op` on a thread that may block. An error means that the runtime is shutting down or that
    /// `op` panicked.
    pub(super) async fn blocking<T: Send + 'static>(
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

    async fn put(&self, file: NewFile, _by: Instant) -> Result<StoredFile, PutError> {
        self.putting(move |inner| {
            let name = inner.steps.run(Step::CreateTemp, ObjectName::random)?;
            inner.put(&name, &file, StoredIn::Local)
        })
        .await
    }

    async fn health(&self) -> StoreHealth {
        self.blocking(|inner| inner.health(|| inner.make_room())).await.unwrap_or_else(probe_did_not_finish)
    }

    async fn clean(&self) -> Result<Cleaned, CleanError> {
        self.blocking(|inner| {
            let mut next_expiry = support::lock(&inner.next_expiry);
            inner.clean(&mut next_expiry)
        })
        .await
        .unwrap_or_else(|source| Err(CleanError::Io { step: "finish the file operation", source }))
    }
}

#[async_trait]
impl Links for LocalStore {
    async fn follow(&self, token: &str, _link_use: LinkUse) -> Result<Opened, LinkError> {
        self.open_link(token).await.map(Opened::File)
    }
}

impl Inner {
    pub(super) fn keeper(&self) -> Keeper<'_> {
        let Self { layout, steps, usage, config, .. } = self;
        let space = Space { bytes_max: config.bytes_max, min_free_percent: config.min_free_percent };
        Keeper { layout, steps, usage, space }
    }

    /// Stores a file under `name`, a new one; with a record if it is to wait in the spool.
    pub(super) fn put(
        &self,
        name: &ObjectName,
        file: &NewFile,
        stored_in: StoredIn,
    ) -> Result<StoredFile, PutError> {
        let digest: [u8; DIGEST_BYTES] = Sha256::digest(&file.content).into();
        let claims = || self.claims(name, file, digest);
        let keep = || match stored_in {
            StoredIn::Spool => waiting::keep(self.keeper(), name, &file.content, claims),
            StoredIn::Local | StoredIn::Directory | StoredIn::ObjectStore => {
                self.keeper().keep(name, &file.content, claims)
            }
        };
        let claims = match keep() {
            Err(error) if error.is_full() && self.make_room() => keep()?,
            kept => kept?,
        };
        let expires_at = claims.expires_at;
        self.due_s.fetch_min(due_s(expires_at.into()), Ordering::Relaxed);
        let (sha256, size_bytes) = (support::hex(&digest), file.content.len() as u64);
        tracing::debug!(request_id = file.request_id, sha256, size_bytes, "stored a file");
        Ok(StoredFile { sha256, size_bytes, url: self.link(&claims), expires_at, stored_in })
    }

    /// What a link to this file grants, from now on.
    fn claims(&self, name: &ObjectName, file: &NewFile, digest: [u8; DIGEST_BYTES]) -> Claims {
        let expires_at = later(self.clock.now(), self.config.link_lifetime);
        Claims::new(name.to_bytes(), digest, expires_at, &file.path, &file.media_type)
    }

    fn link(&self, claims: &Claims) -> Link {
        Link::Relative(format!("{FILES_ROUTE}{}", self.keys.ring(&self.layout).sign(claims)))
    }

    /// `make_room` is called if there is a shortage, and returns whether it may have ended.
    fn health(&self, make_room: impl FnOnce() -> bool) -> StoreHealth {
        let probe = || health::probe(self.keeper(), self.config.free_min_bytes);
        let probed = match probe() {
            Ok(Some(_)) if make_room() => probe(),
            probed => probed,
        };
        match probed {
            Ok(None) => StoreHealth::healthy(),
            Ok(Some(shortage)) => StoreHealth::unhealthy(shortage),
            Err(unhealthy) => unhealthy,
        }
    }

    fn bounds(&self, now: Timestamp) -> Bounds {
        let (since, opened) = self.opened;
        let steady = later(opened, since.elapsed().saturating_add(CLOCK_SET_MAX));
        Bounds::new(now, steady, self.config.retention)
    }

    /// Removes expired objects, and returns whether there were any. Looks at all files only if an object that
    /// is not listed may have expired: in a full store a put does not pay for that, whether it is refused or
    /// replaces an expired object.
    fn make_room(&self) -> bool {
        let Self { layout, usage, lost, clock, due_s, .. } = self;
        let mut next_expiry = support::lock(&self.next_expiry);
        let now = clock.now();
        let removed = next_expiry.remove_over(layout, usage, lost, self.bounds(now));
        if now.as_second() < due_s.load(Ordering::Relaxed) {
            return removed > 0;
        }
        match self.clean(&mut next_expiry) {
            Ok(cleaned) => removed + cleaned.removed > 0 || cleaned.leftovers_removed > 0,
            Err(error) => {
                tracing::warn!(%error, "failed to clean the full store");
                removed > 0
            }
        }
    }

    fn clean(&self, next_expiry: &mut NextExpiry) -> Result<Cleaned, CleanError> {
        let Self { layout, usage, lost, clock, due_s: due, .. } = self;
        let now = clock.now();
        // Before the look: files stored meanwhile lower it.
        due.store(now.as_second().saturating_add(LOOK_AGAIN_S), Ordering::Relaxed);
        match clean::clean(layout, usage, lost, self.bounds(now)) {
            Ok(outcome) => {
                if let Some(until) = outcome.next_expiry.unlisted() {
                    due.fetch_min(due_s(until), Ordering::Relaxed);
                }
                *next_expiry = outcome.next_expiry;
                Ok(outcome.cleaned)
            }
            Err(error) => {
                due.store(i64::MIN, Ordering::Relaxed);
                Err(error)
            }
        }
    }
}

fn probe_did_not_finish(error: io::Error) -> StoreHealth {
    StoreHealth::unhealthy(format!("the probe did not finish: {error}"))
}

/// When an object may be removed whose link expires at `until`, in unix seconds, rounded down.
fn due_s(until: SystemTime) -> i64 {
    let since = until
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.saturating_add(bounds::TIME_GRAIN).as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// The sum of `time` and `duration`; the end of time if that is beyond it.
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
    use crate::local::steps::{Effect, Fault, Pause, Step};

    const STEPS: [Step; 9] = [
        Step::LookForRoom,
        Step::OpenShard,
        Step::Lock,
        Step::CreateTemp,
        Step::Write,
        Step::Sync,
        Step::Stamp,
        Step::Count,
        Step::Publish,
    ];

    fn stored_bytes(store: &LocalStore) -> u64 {
        store.inner.usage.total(&store.inner.layout.lock().unwrap()).unwrap()
    }

    /// A local store is never late.
    fn by() -> Instant {
        Instant::now()
    }

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
    /// content that is already stored.
    #[tokio::test]
    async fn a_failed_put_leaves_nothing() {
        let mut reached = Vec::new();
        for stored_before in [false, true] {
            for step in STEPS {
                for (skip, after) in [(0, false), (0, true), (1, false), (1, true), (2, false), (2, true)] {
                    let place = tempfile::tempdir().unwrap();
                    let store = LocalStore::open(LocalConfig::new(place.path().join("store"))).unwrap();
                    if stored_before {
                        store.put(new_file(b"content"), by()).await.unwrap();
                    }
                    let before = files(&store.inner.config.root);
                    let counted = stored_bytes(&store);
                    store.inner.steps.plant(Fault { step, skip, effect: Effect::Fail(Errno::IO), after });
                    let result = store.put(new_file(b"content"), by()).await;
                    if store.inner.steps.unplant() {
                        assert!(result.is_ok(), "{step:?} was not reached");
                        continue;
                    }
                    reached.push(step);
                    let case = format!("{step:?} {skip} {after} {stored_before}");
                    let error = result.expect_err(&case);
                    assert!(matches!(&error, PutError::Io { step: s, .. } if *s == step.as_str()), "{case}");
                    // A rename that succeeded but reported a failure leaves complete, correct content.
                    if !(step == Step::Publish && after) {
                        assert_eq!(files(&store.inner.config.root), before, "{case}");
                        assert_eq!(stored_bytes(&store), counted, "{case}");
                    }
                    assert_eq!(fs::read_dir(place.path().join("store/tmp")).unwrap().count(), 0, "{case}");
                    // And the store works as before.
                    store.put(new_file(b"content"), by()).await.unwrap();
                    let now = files(&store.inner.config.root).len();
                    assert!(now > before.len(), "{case}");
                    assert_eq!(stored_bytes(&store), 4096 * now as u64, "{case}");
                }
            }
        }
        for step in STEPS {
            assert!(reached.contains(&step), "{step:?} never failed");
        }
    }

    #[tokio::test]
    async fn no_room_is_told_apart_at_every_step() {
        for step in STEPS {
            for (errno, full) in
                [(Errno::NOSPC, true), (Errno::DQUOT, true), (Errno::FBIG, true), (Errno::ROFS, false)]
            {
                let place = tempfile::tempdir().unwrap();
                let store = LocalStore::open(LocalConfig::new(place.path().join("store"))).unwrap();
                store.inner.steps.plant(Fault { step, skip: 0, effect: Effect::Fail(errno), after: false });
                let error = store.put(new_file(b"content"), by()).await.unwrap_err();
                assert_eq!(error.is_full(), full, "{step:?} {errno:?}");
                assert!(std::error::Error::source(&error).is_some());
            }
        }
    }

    /// The race that the lock prevents, step by step: a clean that checked an object before a put replaces
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
            async move { store.put(new_file(b"content"), by()).await }
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
