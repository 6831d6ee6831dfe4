//! The local store and the spool in it, for commands beside a running service.

use crate::{OpenStoreError, local_config, object_store};
use settings::Settings;
use storage::{LocalStore, OpenError, SpoolStatus};
use storage_s3::Flushed;

/// What a check of the local store has found.
#[derive(Debug, Clone)]
pub struct LocalCheck {
    /// There is a store; else the service can make it at its start.
    pub is_there: bool,
    /// What is wrong, and how to fix it; `None` if a file can be stored.
    pub problem: Option<String>,
}

/// Checks the local store of the settings. Makes none.
///
/// # Errors
/// If the directory cannot be used.
pub async fn check_local_store(settings: &Settings) -> Result<LocalCheck, OpenStoreError> {
    match LocalStore::open_existing(local_config(settings)) {
        Ok(store) => Ok(LocalCheck { is_there: true, problem: store.probe().await.reason }),
        Err(OpenError::NoStore { root }) => {
            LocalStore::check_can_be_made(&root)?;
            Ok(LocalCheck { is_there: false, problem: None })
        }
        Err(error) => Err(error.into()),
    }
}

/// What waits for an object store in the data directory.
///
/// # Errors
/// If there is no store yet, and none is made, or if the directory cannot be used or listed.
pub async fn spool_status(settings: &Settings) -> Result<SpoolStatus, OpenStoreError> {
    LocalStore::open_existing(local_config(settings))?.waiting().await.map_err(OpenStoreError::Spool)
}

/// Moves what waits to the object store of the settings now, each file by one process alone: services may run.
/// `None` if the settings have no object store.
///
/// # Errors
/// If there is no store yet, and none is made, or if the directory or the settings cannot be used.
pub async fn flush_spool(settings: &Settings) -> Result<Option<Flushed>, OpenStoreError> {
    let Some(store) = settings.storage.object_store.as_ref().filter(|_| settings.storage.enabled) else {
        return Ok(None);
    };
    let local = LocalStore::open_existing(local_config(settings))?;
    object_store::flush_spool(store, settings, local).await.map(Some)
}
