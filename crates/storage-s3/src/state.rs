//! What the store, its mover and its cleaning share: the requests, the spool, whether the store is used, and counts.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use storage::{Clock, LocalStore, ObjectName, ObjectStoreStats, SpoolStatus};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::availability::Availability;
use crate::check::{CheckStep, Checked, check};
use crate::config::S3Config;
use crate::credentials_file::read_credentials;
use crate::failure::Failure;
use crate::request::{NewObject, Requests};
use crate::retry::{Retries, random};

/// Timeout of a check.
const CHECK_TIME_MAX: Duration = Duration::from_secs(10);

/// How long the result of a look at the spool is shown.
const SPOOL_AGE_MAX: Duration = Duration::from_secs(30);

/// One object store with its spool.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: S3Config,
    pub(crate) requests: Requests,
    pub(crate) local: LocalStore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) availability: Availability,
    pub(crate) counters: Counters,
    /// A file waits, or those that wait can be moved again.
    pub(crate) waits: Notify,
    /// The store is not used any more, so its next check is due soon.
    pub(crate) fails: Notify,
    /// What waited when the spool was last looked at, and when that was. Held while it is.
    spool: tokio::sync::Mutex<Option<(Instant, Result<SpoolStatus, String>)>>,
    /// What waited then, for those who cannot wait for a look.
    waited: Mutex<SpoolStatus>,
    /// The file with the credentials could not be read the last time.
    is_unreadable: AtomicBool,
    /// When the last check ended, and whether the store can be cleaned. Held while a check runs.
    checked: tokio::sync::Mutex<Option<(Instant, Option<Failure>)>>,
}

/// What has happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) uploaded: AtomicU64,
    pub(crate) kept_locally: AtomicU64,
    pub(crate) moved: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) uploaded_bytes: AtomicU64,
}

/// Files since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Files that the object store has taken with the answer.
    pub uploaded: u64,
    /// Files that were kept on this host instead.
    pub kept_locally: u64,
    /// Files that were moved to the object store later.
    pub moved: u64,
    /// Files that were removed because their link expired before the object store took them.
    pub expired: u64,
    /// Attempts to move a file that failed.
    pub failed: u64,
}

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Core {
    pub(crate) fn new(
        config: S3Config,
        requests: Requests,
        local: LocalStore,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            config,
            requests,
            local,
            clock,
            availability: Availability::default(),
            counters: Counters::default(),
            waits: Notify::new(),
            fails: Notify::new(),
            spool: tokio::sync::Mutex::default(),
            waited: Mutex::default(),
            is_unreadable: AtomicBool::new(false),
            checked: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Files since the start.
    pub(crate) fn counts(&self) -> StoreCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreCounts {
            uploaded: read(&self.counters.uploaded),
            kept_locally: read(&self.counters.kept_locally),
            moved: read(&self.counters.moved),
            // By the mover or, while the object store is away, by a cleaning.
            expired: self.local.lost(),
            failed: read(&self.counters.failed),
        }
    }

    /// What is wrong, for the operator.
    pub(crate) fn explain(&self, failure: &Failure) -> String {
        failure.explain(self.config.provider)
    }

    /// Sends one file until the store has it, `by` is over, or the store is no longer used.
    pub(crate) async fn upload(
        &self,
        name: &ObjectName,
        object: NewObject,
        by: Instant,
    ) -> Result<(), Failure> {
        let mut retries = Retries::default();
        let size_bytes = object.content.size_bytes();
        loop {
            let failure = match self.requests.put(name, object.clone(), by).await {
                Ok(()) => {
                    self.counters.uploaded_bytes.fetch_add(size_bytes, Ordering::Relaxed);
                    return Ok(());
                }
                Err(failure) => failure,
            };
            let left = by.saturating_duration_since(Instant::now());
            let Some(wait) = retries.next(&failure, left, random()) else { return Err(failure) };
            if self.availability.is_away() {
                return Err(failure);
            }
            tokio::time::sleep(wait).await;
            if self.availability.is_away() {
                return Err(failure);
            }
            self.requests.counts().note_retry();
        }
    }

    /// A request has failed in a way that others would too.
    pub(crate) fn note_failed(&self, failure: &Failure) {
        if self.availability.failed(failure) {
            tracing::warn!(
                %failure,
                reason = self.explain(failure),
                "the object store is not used until it works; files are kept on this host and moved then"
            );
            self.fails.notify_one();
        }
    }

    /// Checks the store, unless that was done within `age_max`, and uses it or not accordingly.
    pub(crate) async fn check(&self, age_max: Duration) {
        let mut last = self.checked.lock().await;
        if last.as_ref().is_some_and(|(at, _)| at.elapsed() < age_max) {
            return;
        }
        let checked = check(&self.requests, Instant::now() + CHECK_TIME_MAX).await;
        match needed(&checked) {
            None => {
                if self.availability.works() {
                    tracing::info!("the object store works again");
                    self.waits.notify_one();
                }
            }
            Some(failure) => {
                let was_used = !self.availability.is_away();
                if self.availability.check_failed(failure) {
                    tracing::warn!(%failure, reason = self.explain(failure), "the object store cannot be used");
                }
                if was_used {
                    self.fails.notify_one();
                }
            }
        }
        let cleaning = checked.into_iter().filter(|one| !is_needed(one.step)).find_map(|one| one.failure);
        let before = last.take().and_then(|(_, failure)| failure);
        if let Some(failure) = &cleaning
            && before.as_ref().map(|before| before.kind) != Some(failure.kind)
        {
            tracing::warn!(
                %failure,
                "the object store cannot be listed or its files cannot be removed, so old files stay (hint: grant \
                 ListBucket and DeleteObject, or let a lifecycle rule of the bucket remove them)"
            );
        }
        *last = Some((Instant::now(), cleaning));
    }

    /// Reads the file with the credentials again, if there is one. While it cannot be read, the earlier ones are used.
    pub(crate) async fn renew_credentials(&self) {
        let Some(path) = self.config.credentials_file.clone() else { return };
        // An error means that the runtime is shutting down.
        let Ok(read) = tokio::task::spawn_blocking(move || read_credentials(&path)).await else { return };
        match read {
            Ok(credentials) => {
                self.is_unreadable.store(false, Ordering::Relaxed);
                if !credentials.equals(&self.requests.credentials()) {
                    self.requests.set_credentials(credentials);
                    self.availability.check_soon();
                    tracing::info!("the credentials of the object store have changed");
                }
            }
            Err(error) => {
                if !self.is_unreadable.swap(true, Ordering::Relaxed) {
                    let cause =
                        std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(%error, cause, "the earlier credentials of the object store are used");
                }
            }
        }
    }

    /// What waits, or did lately, or why that is not known. One look at a time, also if its callers go away: it takes
    /// long if much waits.
    pub(crate) async fn spool_status(self: &Arc<Self>) -> Result<SpoolStatus, String> {
        let core = Arc::clone(self);
        let look = tokio::spawn(async move {
            let mut last = core.spool.lock().await;
            if let Some((at, status)) = &*last
                && at.elapsed() < SPOOL_AGE_MAX
            {
                return status.clone();
            }
            let status = core.local.waiting().await.map_err(|error| error.to_string());
            if let Ok(status) = &status {
                *support::lock(&core.waited) = *status;
            }
            *last = Some((Instant::now(), status.clone()));
            status
        });
        look.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// A file waits now. If it is the first, the next who asks what waits looks at once.
    pub(crate) fn note_one_waits(&self) {
        if support::lock(&self.waited).files == 0
            && let Ok(mut last) = self.spool.try_lock()
        {
            *last = None;
        }
        self.waits.notify_one();
    }

    /// Nothing waits any more, so that the next who asks what waits looks at once.
    pub(crate) async fn note_none_waits(&self) {
        *self.spool.lock().await = None;
    }

    /// What has happened since the start, and what waited when the spool was last looked at.
    pub(crate) fn stats(&self) -> ObjectStoreStats {
        let StoreCounts { uploaded, kept_locally, moved, expired, failed } = self.counts();
        let waited = *support::lock(&self.waited);
        // A clock that was set back makes no age.
        let longest = waited.oldest_since.map(|since| self.now().duration_since(since));
        let waiting_longest =
            longest.and_then(|longest| Duration::try_from(longest).ok()).unwrap_or_default();
        ObjectStoreStats {
            requests: self.requests.counts().requests(),
            retries: self.requests.counts().retries(),
            uploaded_bytes: self.counters.uploaded_bytes.load(Ordering::Relaxed),
            uploaded,
            kept_locally,
            moved,
            expired,
            move_failed: failed,
            waiting: waited.files,
            waiting_bytes: waited.bytes,
            waiting_longest,
            damaged: waited.damaged,
            link_lifetime: self.config.link_lifetime,
        }
    }

    /// Whether the last check could list the store and remove files.
    pub(crate) async fn can_clean(&self) -> bool {
        self.checked.lock().await.as_ref().is_some_and(|(_, failure)| failure.is_none())
    }
}

/// The first failure of what storing files needs.
fn needed(checked: &[Checked]) -> Option<&Failure> {
    checked.iter().filter(|one| is_needed(one.step)).find_map(|one| one.failure.as_ref())
}

/// Whether storing files needs it; only cleaning needs the others.
fn is_needed(step: CheckStep) -> bool {
    match step {
        CheckStep::Put | CheckStep::Link => true,
        CheckStep::List | CheckStep::Delete => false,
    }
}
