//! What a store reports of its object store, for metrics.

use std::time::Duration;

/// A kind of request to an object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreOperation {
    /// Store an object.
    Put,
    /// Read one.
    Get,
    /// Ask whether one exists.
    Head,
    /// List objects.
    List,
    /// Remove one.
    Delete,
}

impl StoreOperation {
    /// All of them, in the sequence of [`ObjectStoreStats::requests`].
    pub const ALL: [Self; 5] = [Self::Put, Self::Get, Self::Head, Self::List, Self::Delete];

    /// Its name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
        }
    }
}

/// The result of a request to an object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreResult {
    /// Done. That an object does not exist counts as done, too.
    Ok,
    /// The store answered that it will not do it: the key, its rights, the bucket, or the request is wrong.
    Refused,
    /// The store answered that it cannot do it now, or the content arrived damaged.
    Failed,
    /// No answer: no connection, a timeout, or a connection that ended early.
    Unanswered,
}

impl StoreResult {
    /// All of them, in the sequence of [`ObjectStoreStats::requests`].
    pub const ALL: [Self; 4] = [Self::Ok, Self::Refused, Self::Failed, Self::Unanswered];

    /// Its name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unanswered => "unanswered",
        }
    }
}

/// What a store has done with its object store since the start, and what waits for it now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectStoreStats {
    /// Requests that have ended, each attempt counted: by [`StoreOperation::ALL`], then by [`StoreResult::ALL`].
    pub requests: [[u64; StoreResult::ALL.len()]; StoreOperation::ALL.len()],
    /// Requests that were repeated after a failure.
    pub retries: u64,
    /// Bytes of files that the object store has confirmed.
    pub uploaded_bytes: u64,
    /// Files that the object store has taken with the answer.
    pub uploaded: u64,
    /// Files that were kept on this host instead.
    pub kept_locally: u64,
    /// Files that were moved to the object store later.
    pub moved: u64,
    /// Files that were removed because their link expired before the object store took them.
    pub expired: u64,
    /// Attempts to move a file that failed.
    pub move_failed: u64,
    /// Files that wait for the object store, as last counted.
    pub waiting: u64,
    /// Their length together, in bytes.
    pub waiting_bytes: u64,
    /// How long the oldest of them has waited; zero if none waits.
    pub waiting_longest: Duration,
    /// Files whose record is damaged, not among those that wait, as last counted.
    pub damaged: u64,
    /// Lifetime of a link; a file that waits for longer is removed.
    pub link_lifetime: Duration,
}
