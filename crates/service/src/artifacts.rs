//! Puts output files into the store. A file that cannot be stored never costs the answer.

use crate::execution::{Artifact, Skipped};
use crate::summary::SummarySlot;
use executor::OutputFile;
use futures_util::{StreamExt as _, stream};
use std::sync::Arc;
use std::time::Duration;
use storage::{NewFile, Store};
use tokio::time::Instant;

/// How much longer than [`Store::put_time`] a store may take before it is given up: one that hangs must not
/// hold the answer, or the program's slot, for ever.
const OVERTIME_MAX: Duration = Duration::from_secs(30);

/// The bytes for which a store gets one second more: no disk that works is slower.
const BYTES_A_SECOND_MIN: u64 = 1024 * 1024;

/// The files of one request that were stored, and those that were not.
#[derive(Debug, Default)]
pub(crate) struct StoredOutputs {
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) skipped: Vec<Skipped>,
}

/// Stores `files`, as many at once as the store allows; the results keep their sequence. Without a store
/// each one is skipped as `storage_disabled`. `slot` learns what may be stored.
pub(crate) async fn store_outputs(
    store: Option<&Arc<dyn Store>>,
    request_id: &str,
    slot: &SummarySlot,
    files: Vec<OutputFile>,
) -> StoredOutputs {
    let mut kept = StoredOutputs::default();
    let Some(store) = store else {
        let skipped = |file: OutputFile| Skipped { path: file.path, reason: "storage_disabled" };
        kept.skipped = files.into_iter().map(skipped).collect();
        return kept;
    };
    let times = Times::new(store.put_time(), &files);
    let puts = files.into_iter().map(|file| put(store.as_ref(), request_id, slot, file, times));
    let mut outcomes = stream::iter(puts).buffered(store.puts_at_once().max(1));
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(artifact) => kept.artifacts.push(artifact),
            Err(skipped) => kept.skipped.push(skipped),
        }
    }
    kept
}

/// When the files of one answer should be stored, and when those that are not yet are given up.
#[derive(Debug, Clone, Copy)]
struct Times {
    by: Instant,
    end: Instant,
}

impl Times {
    fn new(put_time: Duration, files: &[OutputFile]) -> Self {
        let bytes: u64 = files.iter().map(|file| file.content.len() as u64).sum();
        let by = Instant::now() + put_time;
        Self { by, end: by + OVERTIME_MAX + Duration::from_secs(bytes / BYTES_A_SECOND_MIN) }
    }
}

async fn put(
    store: &dyn Store,
    request_id: &str,
    slot: &SummarySlot,
    file: OutputFile,
    times: Times,
) -> Result<Artifact, Skipped> {
    let OutputFile { path, content } = file;
    let (media_type, size_bytes) = (storage::media_type_for(&path), content.len() as u64);
    let new_file = NewFile {
        request_id: request_id.to_owned(),
        path: path.clone(),
        media_type: media_type.clone(),
        content,
    };
    let putting = async {
        // A store that hung is not asked again for this answer: what it began may still be stored, unseen.
        if Instant::now() >= times.end {
            return None;
        }
        slot.storing(size_bytes);
        let stored = store.put(new_file, times.by).await;
        if stored.is_err() {
            slot.not_stored(size_bytes);
        }
        Some(stored)
    };
    let reason = match tokio::time::timeout_at(times.end, putting).await {
        Ok(Some(Ok(stored))) => return Ok(Artifact { path, media_type, stored }),
        // Not an internal error, and reported in the answer and by the health page: no more than a warning.
        Ok(Some(Err(error))) if error.is_full() => {
            tracing::warn!(%error, "an output file was not stored");
            "storage_full"
        }
        Ok(Some(Err(error))) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(%error, cause, "an output file was not stored");
            "storage_failed"
        }
        Ok(None) | Err(_) => {
            tracing::error!("an output file was not stored: the store did not answer in time");
            "storage_failed"
        }
    };
    Err(Skipped { path, reason })
}
