//! Puts output files into the store. A file that cannot be stored never costs the answer.

use crate::execution::{Artifact, Skipped};
use executor::OutputFile;
use std::sync::Arc;
use std::time::Duration;
use storage::{NewFile, Store, StoredFile};

/// Timeout for one file: a store that hangs must not hold the answer, or the program's slot, for ever.
const PUT_TIME_MAX: Duration = Duration::from_secs(30);

/// The files of one request that were stored, and those that were not.
#[derive(Debug, Default)]
pub(crate) struct StoredOutputs {
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) skipped: Vec<Skipped>,
}

/// Stores `files`, in their order. Without a store each one is skipped as `storage_disabled`.
pub(crate) async fn store_outputs(
    store: Option<&Arc<dyn Store>>,
    request_id: &str,
    files: Vec<OutputFile>,
) -> StoredOutputs {
    let mut kept = StoredOutputs::default();
    for file in files {
        let outcome = match store {
            Some(store) => put(store.as_ref(), request_id, &file).await,
            None => Err("storage_disabled"),
        };
        match outcome {
            Ok((media_type, stored)) => kept.artifacts.push(Artifact { path: file.path, media_type, stored }),
            Err(reason) => kept.skipped.push(Skipped { path: file.path, reason }),
        }
    }
    kept
}

async fn put(
    store: &dyn Store,
    request_id: &str,
    file: &OutputFile,
) -> Result<(String, StoredFile), &'static str> {
    let media_type = storage::media_type_for(&file.path);
    let new_file = NewFile {
        request_id: request_id.to_owned(),
        path: file.path.clone(),
        media_type: media_type.clone(),
        content: file.content.clone(),
    };
    match tokio::time::timeout(PUT_TIME_MAX, store.put(new_file)).await {
        Ok(Ok(stored)) => Ok((media_type, stored)),
        // Not an internal error, and reported in the answer and by the health page: no more than a warning.
        Ok(Err(error)) if error.is_full() => {
            tracing::warn!(%error, "an output file was not stored");
            Err("storage_full")
        }
        Ok(Err(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(%error, cause, "an output file was not stored");
            Err("storage_failed")
        }
        Err(_elapsed) => {
            tracing::error!(
                limit_s = PUT_TIME_MAX.as_secs(),
                "an output file was not stored: the store did not answer"
            );
            Err("storage_failed")
        }
    }
}
