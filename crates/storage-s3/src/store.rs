//! The object store as the service sees it: `Store` and `Links`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use storage::{
    CleanError, Cleaned, Clock, Found, Link, LinkError, LinkUse, Links, LocalStore, NewFile, ObjectName,
    ObjectStoreStats, Opened, PutError, Store, StoreHealth, StoredFile, StoredIn, download_name,
};
use support::counted;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::body::Content;
use crate::clean::Pass;
use crate::config::{GivenLinks, OpenError, S3Config};
use crate::failure::{Failure, FailureKind};
use crate::mover;
use crate::request::{NewObject, Requests};
use crate::state::{Core, StoreCounts, count};
use crate::watch;

/// How many files of one answer are sent at once.
const PUTS_AT_ONCE: usize = 4;

/// How long storing the files of one answer may delay it.
const PUT_TIME: Duration = Duration::from_secs(15);

/// The part of that which is left to keep a file on this host instead.
const KEEP_TIME: Duration = Duration::from_secs(3);

/// A request that had less time than this says nothing about the store when it is late.
const FAIR_TIME: Duration = Duration::from_secs(5);

/// How long the result of a check is shown while the store is used. A check is four requests.
const CHECK_AGE_MAX: Duration = Duration::from_secs(60);

/// Lifetime of a link that a link of our own redirects to.
const REDIRECT_LIFETIME: Duration = Duration::from_secs(300);

/// Stores files in an object store, and on this host while that does not take them.
///
/// Everything that is open in the background ends when it is dropped; what was being moved waits again.
#[derive(Debug)]
pub struct S3Store {
    core: Arc<Core>,
    pass: Pass,
    mover: JoinHandle<()>,
    watch: JoinHandle<()>,
}

impl S3Store {
    /// Opens the store with `local` as its spool, and begins to move what waits there. Does not wait for the object
    /// store. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] if the settings cannot be those of an object store.
    pub fn open(config: S3Config, local: LocalStore, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let requests = Requests::open(&config, Arc::clone(&clock))?;
        let core = Arc::new(Core::new(config, requests, local, clock));
        let mover = tokio::spawn(mover::run(Arc::clone(&core)));
        let watch = tokio::spawn(watch::run(Arc::clone(&core)));
        Ok(Self { core, pass: Pass::default(), mover, watch })
    }

    /// Files since the start.
    #[must_use]
    pub fn counts(&self) -> StoreCounts {
        self.core.counts()
    }

    /// Sends a file with the answer; `None` if it must be kept here.
    async fn upload(&self, name: &ObjectName, file: &NewFile, by: Instant) -> Option<StoredFile> {
        let core = &*self.core;
        let begun = Instant::now();
        let by = by.checked_sub(KEEP_TIME).filter(|by| *by > begun)?;
        if core.availability.is_away() {
            return None;
        }
        let digest = digest(file.content.clone()).await?;
        let object = NewObject {
            content: Content::Bytes(file.content.clone()),
            digest,
            file_name: download_name(&file.path),
            media_type: file.media_type.clone(),
        };
        if let Err(failure) = core.upload(name, object, by).await {
            let was_fair = failure.kind != FailureKind::Timeout || by - begun >= FAIR_TIME;
            if failure.kind.is_of_the_store() && was_fair {
                core.note_failed(&failure);
            } else {
                let reason = core.explain(&failure);
                tracing::warn!(%failure, reason, "the object store did not take a file in time; it is kept on this host");
            }
            return None;
        }
        count(&core.counters.uploaded);
        // Only now: the link lives from the answer on.
        let (own_link, expires_at) = core.local.sign_link(name, file, digest);
        let credentials = core.requests.credentials();
        let url = match &core.config.links {
            GivenLinks::Public(base) => core.requests.bucket().public_link(base, name),
            GivenLinks::Presigned if !credentials.are_temporary() => {
                let lifetime = core.config.link_lifetime;
                // The time that the expiry is counted from, in whole seconds.
                let now = expires_at.checked_sub(lifetime).unwrap_or_else(|_| core.now());
                core.requests.bucket().link(&credentials, name, LinkUse::Get, lifetime, now)
            }
            GivenLinks::Presigned | GivenLinks::Own => own_link,
        };
        let (sha256, size_bytes) = (support::hex(&digest), file.content.len() as u64);
        tracing::debug!(request_id = file.request_id, sha256, size_bytes, "stored a file");
        Some(StoredFile { sha256, size_bytes, url, expires_at, stored_in: StoredIn::ObjectStore })
    }

    /// What is wrong with the object store, for operators; `None` if it works.
    async fn problem(&self) -> Option<String> {
        let core = &self.core;
        if !core.availability.is_away() {
            core.check(CHECK_AGE_MAX).await;
        }
        // For metrics also while it works: files may wait that the store does not take.
        let status = core.spool_status().await;
        let reason = core.explain(&core.availability.away()?.failure);
        let waiting = match status {
            Ok(waiting) if waiting.files > 0 => {
                let (files, bytes) = (counted(waiting.files, "file"), counted(waiting.bytes, "byte"));
                format!("; waiting on this host: {files} ({bytes})")
            }
            Ok(_) => String::new(),
            Err(error) => format!("; the files that wait on this host cannot be listed: {error}"),
        };
        Some(reason + &waiting)
    }
}

/// SHA-256 of the content; `None` if the runtime is shutting down.
async fn digest(content: Bytes) -> Option<[u8; 32]> {
    tokio::task::spawn_blocking(move || Sha256::digest(&content).into()).await.ok()
}

impl Drop for S3Store {
    fn drop(&mut self) {
        self.mover.abort();
        self.watch.abort();
    }
}

#[async_trait]
impl Store for S3Store {
    fn provider(&self) -> &'static str {
        self.core.config.provider.as_str()
    }

    fn puts_at_once(&self) -> usize {
        PUTS_AT_ONCE
    }

    fn put_time(&self) -> Duration {
        PUT_TIME
    }

    async fn put(&self, file: NewFile, by: Instant) -> Result<StoredFile, PutError> {
        let name = ObjectName::random().map_err(|source| PutError::Io { step: "name the file", source })?;
        if let Some(stored) = self.upload(&name, &file, by).await {
            return Ok(stored);
        }
        // The same name: if the object store has the file after all, it is replaced by itself.
        let stored = self.core.local.put_waiting(name, file).await?;
        count(&self.core.counters.kept_locally);
        self.core.note_one_waits();
        Ok(stored)
    }

    async fn health(&self) -> StoreHealth {
        let (problem, spool) = tokio::join!(self.problem(), self.core.local.health());
        let spool = spool.reason.map(|reason| format!("files cannot be kept on this host: {reason}"));
        match (problem, spool) {
            (None, None) => StoreHealth::healthy(),
            (Some(one), None) | (None, Some(one)) => StoreHealth::unhealthy(one),
            (Some(problem), Some(spool)) => StoreHealth::unhealthy(format!("{problem}; {spool}")),
        }
    }

    async fn clean(&self) -> Result<Cleaned, CleanError> {
        let local = self.core.local.clean().await?;
        if self.core.availability.is_away() || !self.core.can_clean().await {
            return Ok(local);
        }
        match self.pass.go_on(&self.core).await {
            Ok(cleaned) => Ok(Cleaned {
                removed: local.removed + cleaned.removed,
                kept: local.kept + cleaned.kept,
                failed: local.failed + cleaned.failed,
                ..local
            }),
            // The next cleaning goes on.
            Err(failure) => {
                let reason = self.core.explain(&failure);
                tracing::warn!(%failure, reason, "failed to clean the object store");
                Ok(local)
            }
        }
    }

    fn object_store(&self) -> Option<ObjectStoreStats> {
        Some(self.core.stats())
    }
}

#[async_trait]
impl Links for S3Store {
    async fn follow(&self, token: &str, link_use: LinkUse) -> Result<Opened, LinkError> {
        let core = &*self.core;
        let absent = match core.local.find(token).await? {
            Found::Here(download) => return Ok(Opened::File(download)),
            Found::Absent(absent) => absent,
        };
        if let Some(away) = core.availability.away()
            && !can_download(&away.failure)
        {
            let left = away.check_at.saturating_duration_since(Instant::now());
            return Err(LinkError::Unavailable { retry_after_s: left.as_secs() + 1 });
        }
        let now = core.now();
        let left = Duration::try_from(absent.expires_at.duration_since(now)).unwrap_or_default();
        let lifetime = left.clamp(Duration::from_secs(1), REDIRECT_LIFETIME);
        let credentials = core.requests.credentials();
        let to: Link = core.requests.bucket().link(&credentials, &absent.name, link_use, lifetime, now);
        Ok(Opened::Elsewhere { to, sha256: absent.sha256 })
    }
}

/// Whether a store that does not take files may still give them out.
fn can_download(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::Forbidden | FailureKind::NotFound | FailureKind::Unexpected | FailureKind::Tls
    )
}
