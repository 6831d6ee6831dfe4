//! The interface to whatever keeps the keys.

use crate::record::{Change, Ended, KeyRecord};
use crate::secret::KeyId;
use jiff::Timestamp;
use redis_link::Failed;
use std::collections::HashMap;
use std::fmt;

/// Keys in one store; more are refused. All of them are in the memory of every service.
pub(crate) const KEYS_MAX: usize = 10_000;

/// Keeps the records of keys. Its calls block, so they are made on a thread of their own, and each must end
/// within a second.
pub trait KeyStore: fmt::Debug + Send {
    /// `embedded`, `redis`, `file`.
    fn name(&self) -> &'static str;

    /// The records, if they are not those of `seen`.
    ///
    /// # Errors
    /// If it cannot be read now; the next call tries again.
    fn poll(&mut self, seen: Option<&Version>) -> Result<Poll, StoreError>;

    /// Makes a change, wholly and durably or not at all.
    ///
    /// # Errors
    /// If it was not made.
    fn write(&mut self, change: &Change) -> Result<(), StoreError>;

    /// Records when keys were used last: not a time before the recorded one (unless that is in the future by more than a
    /// minute, as a wrong clock once said), nor one of a key that is unknown or revoked.
    /// Changes no version: services do not ask for it. A store that keeps no uses does nothing.
    ///
    /// # Errors
    /// If they may not all be recorded.
    fn note_uses(&mut self, _uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        Ok(())
    }

    /// When keys were used last, of those whose use was recorded; `None` if this store keeps no uses.
    ///
    /// # Errors
    /// If it cannot be read.
    fn uses(&mut self) -> Result<Option<HashMap<KeyId, Timestamp>>, StoreError> {
        Ok(None)
    }

    /// What the operator should know of how the store keeps its records, if it can be asked.
    fn caution(&mut self) -> Option<String> {
        None
    }
}

/// Identifies one state of one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Another store has another one.
    pub store: [u8; 16],
    /// Raised by each change.
    pub number: u64,
}

/// The answer of a store.
#[derive(Debug)]
pub struct Poll {
    /// What the store says of itself.
    pub state: StoreState,
    /// All records; `None` if they are those of the version that was seen.
    pub records: Option<Vec<KeyRecord>>,
}

/// What a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreState {
    /// No key was ever created in it.
    Never,
    /// A key was created in it. Records are never removed wholly, so without one it has lost them.
    Enabled(Version),
    /// The operator named it, so keys are required; it may have none.
    Named(Version),
}

/// Why a store did not do it. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its files cannot be used.
    #[error("failed to {step} `{path}`")]
    Io {
        /// The step, in the infinitive.
        step: &'static str,
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Another user can change it.
    #[error("the key store cannot be trusted")]
    Untrusted(#[from] ownership::Refusal),
    /// SQLite's error.
    #[error("failed to {step} the key store")]
    Sqlite {
        /// The step, in the infinitive.
        step: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// Redis's error.
    #[error(transparent)]
    Redis(#[from] Failed),
    /// It cannot be asked at all.
    #[error("failed to start a runtime for the connection to Redis")]
    Runtime(#[source] std::io::Error),
    /// Others changed it at the same time, again and again.
    #[error("the keys were changed by others at the same time (hint: run the command again)")]
    Contended,
    /// Its content is not what this version writes.
    #[error("the key store has invalid content: {0}")]
    Content(String),
    /// There is another key of this name.
    #[error(
        "there is already a key with the name `{0}` (hint: revoke it, rotate it, or choose another name)"
    )]
    NameTaken(String),
    /// No such key.
    #[error("there is no key `{0}` (hint: python-sandbox keys list)")]
    Unknown(String),
    /// The key was revoked.
    #[error("the key `{0}` was revoked (hint: python-sandbox keys create)")]
    Revoked(String),
    /// Too many keys.
    #[error("there are {KEYS_MAX} keys, the most that a store can have")]
    Full,
    /// The store is changed by its owner alone.
    #[error("the keys are in KEY_FILE, which this program does not change: {0}")]
    ReadOnly(&'static str),
}

impl From<Ended> for StoreError {
    fn from(Ended(id): Ended) -> Self {
        Self::Revoked(id.to_string())
    }
}

impl StoreError {
    /// What failed, in fixed words: `/health` is open to everyone, and the full text has paths, user names, and names
    /// of keys.
    pub(crate) fn public_reason(&self) -> &'static str {
        match self {
            Self::Untrusted(_) => "another user could change the key store",
            Self::Content(_) => "the key store has invalid content",
            Self::Redis(Failed::Away(_)) => "Redis does not answer (REDIS_URL)",
            Self::Redis(Failed::TooOld(_)) => {
                "Redis is too old: 6.0 or newer is needed, or Valkey (REDIS_URL)"
            }
            Self::Redis(Failed::Authorities(_)) => "REDIS_CA_FILE cannot be used",
            Self::Redis(Failed::Login) => "Redis refuses the login (REDIS_URL)",
            Self::Redis(Failed::Refused(_)) => "Redis answers with an error",
            Self::Io { .. } | Self::Sqlite { .. } | Self::Runtime(_) => "the key store cannot be read",
            // Of changes alone.
            Self::Contended
            | Self::NameTaken(_)
            | Self::Unknown(_)
            | Self::Revoked(_)
            | Self::Full
            | Self::ReadOnly(_) => "the key store cannot be changed",
        }
    }

    /// Whether the next call may succeed although nobody repairs anything: no answer, or another process has the lock.
    pub(crate) fn is_temporary(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        match self {
            Self::Redis(Failed::Away(_)) | Self::Runtime(_) => true,
            Self::Sqlite { source, .. } => {
                matches!(source.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
            }
            _ => false,
        }
    }

    /// The error with all its causes in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        support::error_chain(self)
    }
}
