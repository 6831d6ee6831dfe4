//! Names of what is kept in Redis.

/// The names below one prefix. The part in braces is the same in all, so that they are on one node of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// Hash: `store_id`, `enabled_at`, `version`.
    pub(crate) meta: String,
    /// Hash: a key's id -> its record as JSON.
    pub(crate) records: String,
    /// Hash: a key's id -> when it was used last, in seconds since 1970.
    pub(crate) uses: String,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        let name = |rest: &str| format!("{{{prefix}}}:{rest}");
        Self { meta: name("keys:meta"), records: name("keys:records"), uses: name("keys:uses") }
    }
}
