//! The API keys, as the settings say.

use access::{KeyFile, KeyStore, Keyring, KeyringConfig, Requirement, SqliteStore, enabled};
use settings::Settings;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait of the service for another process that changes the keys.
const SERVICE_WAIT_MAX: Duration = Duration::from_millis(200);

/// Longest wait of a command for another process.
const COMMAND_WAIT_MAX: Duration = Duration::from_secs(5);

/// The directory of the embedded store, and of the record that a key was ever created.
#[must_use]
pub fn access_dir(settings: &Settings) -> PathBuf {
    settings.data_dir.join("access")
}

fn store(settings: &Settings, wait_max: Duration) -> Box<dyn KeyStore> {
    match &settings.access.key_file {
        Some(path) => Box::new(KeyFile::new(path)),
        None => Box::new(SqliteStore::new(&access_dir(settings), wait_max)),
    }
}

/// The store of keys, for the commands that change it.
#[must_use]
pub fn key_store(settings: &Settings) -> Box<dyn KeyStore> {
    store(settings, COMMAND_WAIT_MAX)
}

/// Starts to follow the keys. Warns if they are switched off although some were created.
///
/// # Errors
/// If no thread can be started.
pub fn open_keyring(settings: &Settings) -> io::Result<Arc<Keyring>> {
    let requirement = match settings.access.require_key {
        None => Requirement::OnceCreated,
        Some(true) => Requirement::Always,
        Some(false) => Requirement::Never,
    };
    let directory = access_dir(settings);
    if requirement == Requirement::Never
        && (settings.access.key_file.is_some() || enabled::is_recorded(&directory).unwrap_or(true))
    {
        tracing::warn!("REQUIRE_API_KEY=false: API keys were created, but nobody is asked for one");
    }
    let config = KeyringConfig { requirement, stale_max: settings.access.stale_max, directory };
    Keyring::open(config, store(settings, SERVICE_WAIT_MAX))
}
