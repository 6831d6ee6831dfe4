//! Counts of what was asked of the object store.

use std::sync::atomic::{AtomicU64, Ordering};

use storage::{StoreOperation, StoreResult};

use crate::failure::{Failure, FailureKind};

type ByResult<T> = [T; StoreResult::ALL.len()];

/// Requests that have ended, each attempt counted.
#[derive(Debug, Default)]
pub(crate) struct RequestCounts {
    /// By [`StoreOperation::ALL`], then by [`StoreResult::ALL`].
    requests: [ByResult<AtomicU64>; StoreOperation::ALL.len()],
    retries: AtomicU64,
}

impl RequestCounts {
    /// Counts a request with this result, and returns that.
    pub(crate) fn note<T>(&self, operation: StoreOperation, sent: Result<T, Failure>) -> Result<T, Failure> {
        let result = result_of(sent.as_ref().err().map(|failure| failure.kind));
        // Both enumerations are numbered in the sequence of their lists.
        let counter = self.requests.get(operation as usize).and_then(|results| results.get(result as usize));
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// Counts a request that is sent again.
    pub(crate) fn note_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn requests(&self) -> [ByResult<u64>; StoreOperation::ALL.len()] {
        self.requests.each_ref().map(|results| results.each_ref().map(|count| count.load(Ordering::Relaxed)))
    }

    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }
}

/// The result of a request that failed in this way, or did not.
fn result_of(failed: Option<FailureKind>) -> StoreResult {
    match failed {
        None | Some(FailureKind::NotFound) => StoreResult::Ok,
        Some(
            FailureKind::Unreachable
            | FailureKind::UnknownHost
            | FailureKind::Timeout
            | FailureKind::Cut
            | FailureKind::Tls,
        ) => StoreResult::Unanswered,
        Some(
            FailureKind::ServerError | FailureKind::Busy | FailureKind::Interrupted | FailureKind::Damaged,
        ) => StoreResult::Failed,
        Some(
            FailureKind::NoSuchBucket
            | FailureKind::WrongRegion
            | FailureKind::UnknownKey
            | FailureKind::WrongSecret
            | FailureKind::ExpiredToken
            | FailureKind::Clock
            | FailureKind::Forbidden
            | FailureKind::Unexpected,
        ) => StoreResult::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_counted_once_where_it_belongs() {
        for (index, operation) in StoreOperation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, index);
        }
        for (index, result) in StoreResult::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, index);
        }
        let counts = RequestCounts::default();
        let failed = |kind| Err::<(), _>(Failure::without_answer(kind));
        assert!(counts.note(StoreOperation::Put, Ok(())).is_ok());
        for kind in [FailureKind::Timeout, FailureKind::Forbidden, FailureKind::Busy, FailureKind::Unexpected]
        {
            assert!(counts.note(StoreOperation::Put, failed(kind)).is_err());
        }
        // What is asked to be removed and is not there: done.
        assert!(counts.note(StoreOperation::Delete, failed(FailureKind::NotFound)).is_err());
        counts.note_retry();
        let none = [0; 4];
        assert_eq!(counts.requests(), [[1, 2, 1, 1], none, none, none, [1, 0, 0, 0]]);
        assert_eq!(counts.retries(), 1);
    }
}
