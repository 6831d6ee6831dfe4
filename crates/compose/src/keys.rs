//! The API keys, as the settings say.

use access::{KeyFile, KeyStore, Keyring, KeyringConfig, RedisStore, Requirement, SqliteStore, enabled};
use redis_link::{InvalidAddress, RedisConfig};
use secrecy::ExposeSecret;
use settings::{KeyStoreSettings, RedisSettings, Settings};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait of the service for another process that changes the keys.
const SERVICE_WAIT_MAX: Duration = Duration::from_millis(200);

/// Longest wait of the service for an answer of Redis on keys: within a second a revocation must work.
const SERVICE_REDIS_WAIT_MAX: Duration = Duration::from_millis(400);

/// Longest wait of a command for another process, or for Redis.
const COMMAND_WAIT_MAX: Duration = Duration::from_secs(5);

/// Why the keys cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum OpenKeysError {
    /// `REDIS_URL` is none.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// The operating system starts no thread.
    #[error("failed to start the thread of the API keys")]
    Thread(#[source] io::Error),
}

/// The directory of the embedded store, and of the record that a key was ever created.
#[must_use]
pub fn access_dir(settings: &Settings) -> PathBuf {
    settings.data_dir.join("access")
}

/// How Redis is reached, with at most this long for each call.
pub(crate) fn redis_config(redis: &RedisSettings, time_max: Duration) -> Result<RedisConfig, InvalidAddress> {
    let address = redis.url.expose_secret().parse()?;
    Ok(RedisConfig { address, ca_file: redis.ca_file.clone(), time_max })
}

fn store(
    settings: &Settings,
    wait_max: Duration,
    redis_wait_max: Duration,
) -> Result<Box<dyn KeyStore>, InvalidAddress> {
    Ok(match &settings.access.key_store {
        KeyStoreSettings::File(path) => Box::new(KeyFile::new(path)),
        KeyStoreSettings::Embedded => Box::new(SqliteStore::new(&access_dir(settings), wait_max)),
        KeyStoreSettings::Redis(redis) => {
            Box::new(RedisStore::new(redis_config(redis, redis_wait_max)?, &redis.prefix))
        }
    })
}

/// The store of keys, for the commands that change it.
///
/// # Errors
/// If `REDIS_URL` is no address.
pub fn key_store(settings: &Settings) -> Result<Box<dyn KeyStore>, InvalidAddress> {
    store(settings, COMMAND_WAIT_MAX, COMMAND_WAIT_MAX)
}

/// Starts to follow the keys. Warns if they are switched off although some were created.
///
/// # Errors
/// [`OpenKeysError`].
pub fn open_keyring(settings: &Settings) -> Result<Arc<Keyring>, OpenKeysError> {
    let requirement = match settings.access.require_key {
        None => Requirement::OnceCreated,
        Some(true) => Requirement::Always,
        Some(false) => Requirement::Never,
    };
    let directory = access_dir(settings);
    let is_file = matches!(settings.access.key_store, KeyStoreSettings::File(_));
    if requirement == Requirement::Never && (is_file || enabled::is_recorded(&directory).unwrap_or(true)) {
        tracing::warn!("REQUIRE_API_KEY=false: API keys were created, but nobody is asked for one");
    }
    let redis_wait_max = match &settings.access.key_store {
        KeyStoreSettings::Redis(redis) => redis.timeout.min(SERVICE_REDIS_WAIT_MAX),
        KeyStoreSettings::Embedded | KeyStoreSettings::File(_) => SERVICE_REDIS_WAIT_MAX,
    };
    let config = KeyringConfig { requirement, stale_max: settings.access.stale_max, directory };
    let open = || store(settings, SERVICE_WAIT_MAX, redis_wait_max);
    let uses = if is_file { None } else { Some(open()?) };
    Keyring::open(config, open()?, uses).map_err(OpenKeysError::Thread)
}
