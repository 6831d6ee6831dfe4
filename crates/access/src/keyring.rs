//! Who gets in: the keys in memory, kept up with their store.
//!
//! | `REQUIRE_API_KEY` | what is known | state |
//! |---|---|---|
//! | `false` | anything | forced off: nobody is asked, presented keys are ignored |
//! | empty | no record of a key ([`crate::enabled`]), and the store says that it never had one | off |
//! | empty | a record of a key, or the store has had one | on; never off again |
//! | empty | no record of a key, and the store was never read | unusable: an outage at the start opens nothing |
//! | empty | off, and no answer, or a lock of another process | off for `KEY_STALE_MAX`, then unusable: a key may have been created meanwhile |
//! | empty | off, and any other failure, or the record cannot be looked for | unusable |
//! | `true` | anything | on |
//! | | on, and the store has no key at all | unusable: it lost them |
//!
//! Off and on follow the store within [`POLL_INTERVAL`]. A key is accepted from memory:
//!
//! | last poll of the store | known key | unknown key |
//! |---|---|---|
//! | succeeded | accepted if the poll was sent in the last second | waits for one poll that is sent after it arrived |
//! | failed | accepted for `KEY_STALE_MAX` after the last that succeeded, then 503 | 503 at once |
//!
//! The age counts from when a poll is sent, so a change that was acknowledged before that is in it: revoking a
//! key works within a second everywhere. And a key that was just created on one service works on another at
//! the first try.

use crate::enabled;
use crate::record::KeyRecord;
use crate::secret::{Digest, KeyId, KeyText};
use crate::sqlite::SqliteStore;
use crate::store::{KeyStore, Poll, StoreError, StoreState, Version};
use crate::uses::Uses;
use jiff::Timestamp;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Time between two polls of a store.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Shortest time between two: unknown keys cause polls.
const POLL_PAUSE: Duration = Duration::from_millis(10);

/// Longest wait of a request for a poll.
const POLL_WAIT_MAX: Duration = Duration::from_millis(250);

/// Requests that wait for a poll at the same time; further ones are refused at once, as if the store had not answered:
/// one of them may have a key that is valid.
const WAITING_MAX: usize = 256;

/// Age up to which keys are accepted while the store answers: within it a revocation must work.
const AGE_MAX: Duration = Duration::from_secs(1);

/// Longest wait for the first poll, at the start.
const START_WAIT_MAX: Duration = Duration::from_secs(2);

/// `REQUIRE_API_KEY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Empty: once the first key was created.
    OnceCreated,
    /// True.
    Always,
    /// False.
    Never,
}

/// How keys are checked.
#[derive(Debug, Clone)]
pub struct KeyringConfig {
    /// Whether a key is needed.
    pub requirement: Requirement,
    /// How long known keys are accepted while their store does not answer (`KEY_STALE_MAX`).
    pub stale_max: Duration,
    /// `DATA_DIR/access`, where it is recorded that a key was created.
    pub directory: PathBuf,
}

/// Why a caller does not get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It presented no key.
    Missing,
    /// Its key is unknown, expired or revoked, or no key at all.
    Invalid,
    /// Keys cannot be checked now.
    Unavailable,
}

/// Whether keys are required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysState {
    /// No key was ever created.
    Off,
    /// They are.
    On,
    /// They are not, by `REQUIRE_API_KEY`.
    ForcedOff,
}

impl KeysState {
    /// The API's name for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::ForcedOff => "forced_off",
        }
    }
}

/// The state of the keys, for `/health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysHealth {
    /// Whether they are required.
    pub state: KeysState,
    /// Where they are.
    pub store: &'static str,
    /// Why keys cannot be checked; `None` if they can. Fixed words: the log has the details.
    pub problem: Option<&'static str>,
    /// Whether the store could be read the last time. If not, known keys are still accepted for a time.
    pub is_store_up: bool,
}

/// Why keys cannot be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    /// For everyone.
    reason: &'static str,
    /// For the operator.
    detail: String,
}

impl Problem {
    fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// The store has no key.
    fn lost() -> Self {
        Self::new("the key store is empty although API keys were created", LOST)
    }
}

/// The keys.
#[derive(Debug)]
pub struct Keyring {
    shared: Arc<Shared>,
    /// Wakes the thread; it ends when this is dropped. `None` if there is none.
    wake: Option<SyncSender<()>>,
    /// When keys were used; `None` if that is not kept.
    uses: Option<Uses>,
}

#[derive(Debug)]
struct Shared {
    config: KeyringConfig,
    store: &'static str,
    epoch: Instant,
    snapshot: RwLock<Arc<Snapshot>>,
    /// When the last poll was sent that has ended, whatever its result.
    polled: watch::Sender<Duration>,
    waiting: AtomicUsize,
}

/// What is known.
#[derive(Debug, Clone, Default)]
struct Snapshot {
    keys: Arc<HashMap<KeyId, Arc<KeyRecord>>>,
    mode: Mode,
    version: Option<Version>,
    /// When the last poll was sent that succeeded; `None` before the first.
    asked_at: Option<Duration>,
    /// Why the last poll failed.
    failure: Option<Problem>,
    /// Keys were required once.
    was_on: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Mode {
    #[default]
    Off,
    On,
    /// On, but no key can be checked.
    Unusable(Problem),
}

/// A presented key.
enum Presented<'a> {
    Nothing,
    /// No key can look like this.
    Malformed,
    Key(&'a KeyText, Digest),
}

#[derive(Debug)]
enum Verdict {
    Open,
    Granted(Arc<KeyRecord>),
    Denied(Denied),
    /// Only a new poll can tell.
    Ask,
}

impl Keyring {
    /// Nobody is asked for a key.
    #[must_use]
    pub fn off() -> Arc<Self> {
        let directory = PathBuf::new();
        let config = KeyringConfig { requirement: Requirement::Never, stale_max: AGE_MAX, directory };
        Arc::new(Self { shared: Arc::new(Shared::new(config, "none")), wake: None, uses: None })
    }

    /// Starts to follow `store`, on a thread of its own, and waits for its first answer, at most two seconds. `uses`: another
    /// connection to the same store, to which is written when keys were used, once a minute and by [`Keyring::finish`]; none
    /// if that is not kept.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn open(
        config: KeyringConfig,
        store: Box<dyn KeyStore>,
        uses: Option<Box<dyn KeyStore>>,
    ) -> std::io::Result<Arc<Self>> {
        let shared = Arc::new(Shared::new(config, store.name()));
        if shared.config.requirement == Requirement::Never {
            return Ok(Arc::new(Self { shared, wake: None, uses: None }));
        }
        let (wake, woken) = sync_channel(1);
        let (sender, first) = sync_channel(1);
        std::thread::Builder::new().name("keys".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.follow(store, &woken, &sender)
        })?;
        // Without an answer keys cannot be checked; that is the state until one comes.
        let _ = first.recv_timeout(START_WAIT_MAX);
        let uses = uses.map(Uses::start).transpose()?;
        Ok(Arc::new(Self { shared, wake: Some(wake), uses }))
    }

    /// Writes which keys were used since the last write; later uses are not recorded. Blocks for at most `time_max`; false if
    /// it has not ended then.
    #[must_use]
    pub fn finish(&self, time_max: Duration) -> bool {
        self.uses.as_ref().is_none_or(|uses| uses.finish(time_max))
    }

    /// Lets a caller in who presents this text, or none. `None`: keys are not required.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn authenticate(&self, presented: Option<&[u8]>) -> Result<Option<Arc<KeyRecord>>, Denied> {
        let snapshot = self.shared.snapshot();
        if snapshot.mode == Mode::Off {
            return Ok(None);
        }
        let key = presented.map(KeyText::parse);
        let presented = match &key {
            None => Presented::Nothing,
            Some(None) => Presented::Malformed,
            Some(Some(key)) => Presented::Key(key, key.digest()),
        };
        let stale_max = self.shared.config.stale_max;
        let arrived = self.shared.epoch.elapsed();
        let mut verdict = snapshot.judge(&presented, Timestamp::now(), arrived, stale_max, false);
        if matches!(verdict, Verdict::Ask) {
            self.wait_for_poll(arrived).await?;
            let now = self.shared.epoch.elapsed();
            verdict = self.shared.snapshot().judge(&presented, Timestamp::now(), now, stale_max, true);
        }
        match verdict {
            Verdict::Open => Ok(None),
            Verdict::Granted(record) => {
                if let Some(uses) = &self.uses {
                    uses.note(record.id, Timestamp::now());
                }
                Ok(Some(record))
            }
            Verdict::Denied(denied) => Err(denied),
            Verdict::Ask => Err(Denied::Unavailable),
        }
    }

    /// Waits for the end of a poll that is sent after `arrived`.
    async fn wait_for_poll(&self, arrived: Duration) -> Result<(), Denied> {
        let waiting = Waiting::new(&self.shared.waiting);
        if waiting.others >= WAITING_MAX {
            return Err(Denied::Unavailable);
        }
        let mut polled = self.shared.polled.subscribe();
        if let Some(wake) = &self.wake
            && let Err(TrySendError::Disconnected(())) = wake.try_send(())
        {
            return Err(Denied::Unavailable);
        }
        let fresh = polled.wait_for(|sent| *sent >= arrived);
        match tokio::time::timeout(POLL_WAIT_MAX, fresh).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Denied::Unavailable),
        }
    }

    /// Whether callers need a key now.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.shared.snapshot().mode != Mode::Off
    }

    /// The state of the keys.
    #[must_use]
    pub fn health(&self) -> KeysHealth {
        let shared = &self.shared;
        let snapshot = shared.snapshot();
        let health = |state, problem| {
            let is_store_up = snapshot.failure.is_none();
            KeysHealth { state, store: shared.store, problem, is_store_up }
        };
        match (&snapshot.mode, shared.config.requirement) {
            (_, Requirement::Never) => KeysHealth { is_store_up: true, ..health(KeysState::ForcedOff, None) },
            (Mode::Off, _) => health(KeysState::Off, None),
            (Mode::Unusable(problem), _) => health(KeysState::On, Some(problem.reason)),
            (Mode::On, _) => {
                health(KeysState::On, snapshot.problem(shared.epoch.elapsed(), shared.config.stale_max))
            }
        }
    }

    /// The number of keys that can be used now; `None` if the store was not read yet.
    #[must_use]
    pub fn usable_keys(&self) -> Option<usize> {
        let snapshot = self.shared.snapshot();
        snapshot.asked_at?;
        let now = Timestamp::now();
        Some(snapshot.keys.values().filter(|record| record.is_usable(now)).count())
    }
}

/// One of the requests that wait for a poll.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    others: usize,
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        Self { count, others: count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    fn new(config: KeyringConfig, store: &'static str) -> Self {
        let mode = match config.requirement {
            Requirement::Never => Mode::Off,
            _ => {
                let reason = "the key store was not read yet";
                Mode::Unusable(Problem::new(reason, reason))
            }
        };
        Self {
            config,
            store,
            epoch: Instant::now(),
            snapshot: RwLock::new(Arc::new(Snapshot { mode, ..Snapshot::default() })),
            polled: watch::Sender::new(Duration::ZERO),
            waiting: AtomicUsize::new(0),
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The thread: polls the store until nobody wakes it any more.
    fn follow(&self, mut store: Box<dyn KeyStore>, woken: &Receiver<()>, first: &SyncSender<()>) {
        let mut was_asked = false;
        loop {
            let sent = self.epoch.elapsed();
            let before = self.snapshot();
            let polled = store.poll(before.version.as_ref());
            let recorded = enabled::is_recorded(&self.config.directory);
            let now = before.next(&self.config, recorded, polled, sent);
            self.report(&before, &now);
            if !was_asked && now.failure.is_none() && now.mode != Mode::Off {
                was_asked = true;
                if let Some(caution) = store.caution() {
                    tracing::warn!("{caution}");
                }
            }
            *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(now);
            self.polled.send_replace(sent);
            let _ = first.try_send(());
            std::thread::sleep(POLL_PAUSE);
            match woken.recv_timeout(POLL_INTERVAL) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Records that keys are required, and logs what changed.
    fn report(&self, before: &Snapshot, now: &Snapshot) {
        if now.mode == Mode::On
            && let Err(error) = enabled::record(&self.config.directory)
            && before.mode != Mode::On
        {
            tracing::warn!(%error, "failed to record that API keys are required; the key store alone knows it");
        }
        let problem = |snapshot: &Snapshot| match &snapshot.mode {
            Mode::Unusable(problem) => Some(problem.clone()),
            _ => snapshot.failure.clone(),
        };
        match (problem(before), problem(now)) {
            (was, Some(problem)) if was.as_ref() != Some(&problem) => {
                tracing::error!(store = self.store, problem = problem.detail, "API keys cannot be checked");
                if problem == Problem::lost()
                    && let Some(hint) = other_store(self.store, &self.config.directory)
                {
                    tracing::error!(store = self.store, "{hint}");
                }
            }
            (Some(_), None) if before.asked_at.is_some() => {
                tracing::info!(store = self.store, "API keys can be checked again");
            }
            _ => {}
        }
        if before.asked_at.is_none() {
            return;
        }
        if now.mode == Mode::On && before.mode == Mode::Off {
            tracing::info!(store = self.store, "API keys are required from now on");
        }
        if let (Some(was), Some(is)) = (&before.version, &now.version)
            && was.store != is.store
        {
            tracing::warn!(store = self.store, "the key store was replaced by another");
        }
        // Unknown keys cause a hundred polls a second, and there may be 10,000 keys.
        if before.has_keys_of(now) {
            return;
        }
        for (id, record) in now.keys.iter() {
            let name = record.name.as_str();
            match before.keys.get(id) {
                None => tracing::info!(key = %id, name, "API key created"),
                Some(was) if was.revoked_at.is_none() && record.revoked_at.is_some() => {
                    tracing::info!(key = %id, name, "API key revoked");
                }
                Some(was) if !was.digest.is(&record.digest) => {
                    tracing::info!(key = %id, name, "API key rotated");
                }
                Some(_) => {}
            }
        }
    }
}

impl Snapshot {
    /// Whether the keys were not read again since.
    fn has_keys_of(&self, later: &Self) -> bool {
        Arc::ptr_eq(&self.keys, &later.keys)
    }

    /// The state after a poll that was sent at `sent`.
    fn next(
        &self,
        config: &KeyringConfig,
        recorded: std::io::Result<bool>,
        polled: Result<Poll, StoreError>,
        sent: Duration,
    ) -> Self {
        let was_on = self.was_on || config.requirement == Requirement::Always || matches!(recorded, Ok(true));
        let failed = |problem: Problem, is_temporary: bool| {
            let age = self.asked_at.map_or(Duration::MAX, |asked| sent.saturating_sub(asked));
            let mode = match self.mode {
                Mode::On => Mode::On,
                Mode::Off if !was_on && is_temporary && age <= config.stale_max => Mode::Off,
                Mode::Off | Mode::Unusable(_) => Mode::Unusable(problem.clone()),
            };
            Self { mode, failure: Some(problem), was_on, ..self.clone() }
        };
        let poll = match (polled, recorded) {
            (Ok(poll), Ok(_)) => poll,
            (Err(error), recorded) => {
                let is_temporary = error.is_temporary() && recorded.is_ok();
                return failed(Problem::new(error.public_reason(), error.chain()), is_temporary);
            }
            (Ok(_), Err(error)) => {
                let reason = "it cannot be read whether API keys were created";
                let detail = format!("failed to look for `access/enabled` in DATA_DIR: {error}");
                return failed(Problem::new(reason, detail), false);
            }
        };
        let (version, may_be_empty) = match poll.state {
            StoreState::Never => {
                let mode = if was_on { Mode::Unusable(Problem::lost()) } else { Mode::Off };
                return Self { mode, asked_at: Some(sent), was_on, ..Self::default() };
            }
            StoreState::Enabled(version) => (version, false),
            StoreState::Named(version) => (version, true),
        };
        let keys = match poll.records {
            None => Arc::clone(&self.keys),
            Some(records) => {
                Arc::new(records.into_iter().map(|record| (record.id, Arc::new(record))).collect())
            }
        };
        let mode = if keys.is_empty() && !may_be_empty { Mode::Unusable(Problem::lost()) } else { Mode::On };
        Self { keys, mode, version: Some(version), asked_at: Some(sent), failure: None, was_on: true }
    }

    /// Whether a caller gets in. `has_waited`: a poll was sent after it arrived.
    fn judge(
        &self,
        presented: &Presented<'_>,
        now: Timestamp,
        elapsed: Duration,
        stale_max: Duration,
        has_waited: bool,
    ) -> Verdict {
        match self.mode {
            Mode::Off => return Verdict::Open,
            Mode::Unusable(_) => return Verdict::Denied(Denied::Unavailable),
            Mode::On => {}
        }
        let (key, digest) = match presented {
            Presented::Nothing => return Verdict::Denied(Denied::Missing),
            Presented::Malformed => return Verdict::Denied(Denied::Invalid),
            Presented::Key(key, digest) => (key, digest),
        };
        let age = self.asked_at.map_or(Duration::MAX, |sent| elapsed.saturating_sub(sent));
        let known = self.keys.get(&key.id()).filter(|record| record.has_text(digest, now));
        match (known, &self.failure) {
            (Some(record), failure) => {
                let age_max = if failure.is_some() { stale_max } else { AGE_MAX };
                if age <= age_max && record.is_usable(now) {
                    Verdict::Granted(Arc::clone(record))
                } else if age <= age_max {
                    Verdict::Denied(Denied::Invalid)
                } else if failure.is_some() || has_waited {
                    Verdict::Denied(Denied::Unavailable)
                } else {
                    Verdict::Ask
                }
            }
            (None, Some(_)) => Verdict::Denied(Denied::Unavailable),
            (None, None) if has_waited => Verdict::Denied(Denied::Invalid),
            (None, None) => Verdict::Ask,
        }
    }

    /// Why no key is accepted; `None` if known ones are.
    fn problem(&self, elapsed: Duration, stale_max: Duration) -> Option<&'static str> {
        let age = self.asked_at.map_or(Duration::MAX, |sent| elapsed.saturating_sub(sent));
        self.failure.as_ref().filter(|_| age > stale_max).map(|problem| problem.reason)
    }
}

/// The operator's text for a store without keys.
const LOST: &str = "the key store is empty although API keys were created (hint: check DATA_DIR, KEY_STORE and REDIS_URL, or \
                    restore the store, or run `python-sandbox keys create`, or set REQUIRE_API_KEY=false)";

/// The likely reason why the store of this name is empty: the keys are in the embedded one.
pub(crate) fn other_store(store: &str, directory: &Path) -> Option<String> {
    let path = SqliteStore::path_in(directory);
    (store != SqliteStore::NAME && path.exists()).then(|| {
        format!(
            "there are API keys in `{}`, but the {store} store is used, because of KEY_STORE, KEY_FILE or REDIS_URL (hint: \
             create the keys again there, or set KEY_STORE=embedded)",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests;
