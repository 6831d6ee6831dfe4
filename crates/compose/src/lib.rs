//! Builds the service's parts from the settings: runtime, executors, stores, configuration.
//!
//! The only crate that names every executor and store: its users (the binary, doctor, bench) see only
//! settings and the traits of `executor` and `storage`.

mod containers;
mod directory_store;
mod keys;
mod limits;
mod native;
mod object_store;
mod spool;
mod unavailable;

pub use containers::{BuildError, BuildStep, build_image, engine_address, write_image_tree};
pub use keys::{OpenKeysError, access_dir, key_store, open_keyring};
pub use limits::open_limits;
pub use native::{NATIVE, apparmor_fix, host_view, prepare_cgroups, uses_native};
pub use object_store::{ObjectStoreError, StoreCheck, check_object_store};
pub use spool::{LocalCheck, check_local_store, flush_spool, spool_status};
pub use storage::SpoolStatus;
pub use storage_s3::Flushed;

use containers::start_docker;
use directory_store::DirectoryStore;
use executor::{Chain, Executor, SandboxLimits};
use executor_docker::Flavour;
use native::start_native;
use runtime::{LoadError, Runtime};
use service::{Bounds, ServiceConfig, Store};
use settings::Settings;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use storage::{Links, LocalConfig, LocalStore, OpenError, Rotated};
use unavailable::UnavailableExecutor;
use validator::Policy;

/// Default timeout of a program in seconds (contract); never more than `MAX_TIMEOUT`.
const TIMEOUT_S_DEFAULT: u32 = 10;

/// The root file system that programs run in: the operator's own, or the one that `setup` prepared.
///
/// # Errors
/// If there is none, with the command that prepares it.
pub fn load_runtime(settings: &Settings) -> Result<Runtime, LoadError> {
    match &settings.runtime_rootfs {
        Some(rootfs) => Runtime::from_rootfs(rootfs),
        None => Runtime::load_list(&settings.data_dir, settings.runtime_packages),
    }
}

/// The same, but `None` if only container executors are active: their programs run in the sandbox image, so
/// they need no runtime.
///
/// # Errors
/// If there is none and an executor needs it.
pub fn load_runtime_if_needed(settings: &Settings) -> Result<Option<Runtime>, LoadError> {
    match load_runtime(settings) {
        Err(LoadError::NotPrepared { .. } | LoadError::OtherList { .. }) if !uses_native(settings) => {
            Ok(None)
        }
        loaded => loaded.map(Some),
    }
}

/// Starts the active executors, in order. One that cannot start is still in the chain, unhealthy,
/// with the reason, and with hints for the `command` that was typed.
pub async fn start_executors(
    settings: &Settings,
    runtime: Option<&Runtime>,
    command: &'static str,
) -> Vec<Arc<dyn Executor>> {
    let mut executors: Vec<Arc<dyn Executor>> = Vec::new();
    for name in settings.active_providers() {
        let executor = match name {
            "native" => match runtime {
                Some(runtime) => start_native(settings, runtime, command).await,
                None => Arc::new(UnavailableExecutor::new(
                    NATIVE,
                    "there is no Python runtime (hint: python-sandbox setup)".to_owned(),
                )),
            },
            "docker" => start_docker(settings, Flavour::Docker, None),
            "gvisor" => start_docker(settings, Flavour::Gvisor, Some(&settings.docker.gvisor_runtime)),
            "kata" => start_docker(settings, Flavour::Kata, Some(&settings.docker.kata_runtime)),
            // The settings accept no other name; a new name in their list must be added here too.
            _ => continue,
        };
        executors.push(executor);
    }
    executors
}

/// The limits of this executor's sandboxes.
#[must_use]
pub fn limits_of(settings: &Settings, executor: &str) -> SandboxLimits {
    if executor == NATIVE { settings.native_limits } else { settings.docker.limits }
}

/// The store of output files, by its two interfaces.
#[derive(Debug, Clone)]
pub struct OpenStore {
    /// Keeps files.
    pub store: Arc<dyn Store>,
    /// Opens links to them.
    pub links: Arc<dyn Links>,
}

/// Why the store of output files cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    /// The directory cannot be used.
    #[error(transparent)]
    Local(#[from] OpenError),
    /// The files that wait for an object store cannot be listed.
    #[error("failed to list the files that wait for an object store")]
    Spool(#[source] io::Error),
    /// The settings are those of no object store.
    #[error("the object store cannot be used (STORAGE_PROVIDER)")]
    Object(#[from] ObjectStoreError),
}

/// Opens the store of output files; `None` if storage is off. An object store has the local one as its spool. Does not
/// wait for the object store, and checks it and moves files in the background.
///
/// # Errors
/// If the directory cannot be used, or if the settings are those of no object store.
pub async fn open_store(settings: &Settings) -> Result<Option<OpenStore>, OpenStoreError> {
    if !settings.storage.enabled {
        return Ok(None);
    }
    let local = open_local(settings)?;
    if let Some(object_store) = &settings.storage.object_store {
        let store = Arc::new(object_store::open(object_store, settings, local)?);
        return Ok(Some(OpenStore { store: store.clone(), links: store }));
    }
    warn_of_spool(&local).await;
    let store = Arc::new(local);
    Ok(Some(OpenStore { store: store.clone(), links: store }))
}

/// Opens the local store: the store itself, or the spool of an object store.
fn open_local(settings: &Settings) -> Result<LocalStore, OpenError> {
    LocalStore::open(local_config(settings))
}

fn local_config(settings: &Settings) -> LocalConfig {
    LocalConfig {
        link_lifetime: settings.storage.link_lifetime,
        retention: settings.storage.file_lifetime,
        bytes_max: settings.storage.bytes_max,
        min_free_percent: settings.storage.min_free_percent,
        free_min_bytes: settings.exec_limits_max.files_total_bytes_max,
        ..LocalConfig::new(files_dir(settings))
    }
}

/// Warns of files that wait for an object store that is no longer configured.
async fn warn_of_spool(store: &LocalStore) {
    match store.waiting().await {
        Ok(SpoolStatus { files: 0, .. }) => {}
        Ok(SpoolStatus { files, bytes, .. }) => tracing::warn!(
            files,
            bytes,
            "files wait for an object store, but none is configured (STORAGE_PROVIDER): they are served from here until \
             their links expire"
        ),
        Err(error) => tracing::warn!(%error, "failed to count the files that wait for an object store"),
    }
}

/// Opens the store of `run --out DIR`: plain files below that directory, which is created if it is missing.
/// Existing files are not replaced.
///
/// # Errors
/// An I/O error, if the directory cannot be created or the path is not a directory.
pub fn open_directory(directory: &Path) -> io::Result<Arc<dyn Store>> {
    Ok(Arc::new(DirectoryStore::open(directory)?))
}

/// Creates a new key for download links. Links of earlier keys stay valid until they expire, or become
/// invalid at once with `end_links`. A running service uses the new key without a restart; the settings must
/// be its own.
///
/// # Errors
/// If there is no store yet, or its keys cannot be read, written or trusted.
pub fn rotate_link_key(settings: &Settings, end_links: bool) -> Result<Rotated, OpenError> {
    LocalStore::rotate_key(&files_dir(settings), settings.storage.link_lifetime, end_links)
}

/// Directory of the local store.
#[must_use]
pub fn files_dir(settings: &Settings) -> PathBuf {
    settings.data_dir.join("files")
}

/// The service's configuration.
#[must_use]
pub fn service_config(settings: &Settings, runtime: Option<&Runtime>) -> ServiceConfig {
    let limits = settings.exec_limits_max;
    let timeout_s_max = u32::try_from(limits.wall_time.as_secs()).unwrap_or(u32::MAX);
    // The Python version of an image is not known here; its interpreter rejects syntax that is too new.
    let (major, minor, _) = runtime.map_or(runtime::NEWEST_PYTHON, |runtime| runtime.python_version);
    let validator = &settings.validator;
    let policy = Policy {
        forbidden_imports: validator.forbidden_imports.iter().cloned().collect(),
        max_code_length: validator.code_chars_max,
        max_complexity: validator.complexity_max,
        python: (major, minor),
    };
    let executors = std::iter::once(&settings.provider).chain(&settings.fallback_providers);
    let cpus = executors.map(|name| match name.as_str() {
        "native" => settings.native_limits.cpu_count(),
        _ => settings.docker.limits.cpu_count(),
    });
    ServiceConfig {
        sandbox_cpus: cpus.max().unwrap_or(1),
        bounds: Bounds {
            code_chars_max: validator.code_chars_max,
            timeout_s_default: TIMEOUT_S_DEFAULT.min(timeout_s_max),
            timeout_s_max,
            exec: limits,
            ..Bounds::default()
        },
        running_max: settings.load.concurrent_max,
        waiting_max: settings.load.waiting_max,
        queue_time_max: settings.load.queue_timeout,
        reserve_percent: settings.load.fair_reserve_percent,
        ..ServiceConfig::new(policy)
    }
}

/// The message for a missing runtime.
#[must_use]
pub fn no_runtime(error: &LoadError) -> String {
    format!("there is no Python runtime to run programs in: {}", support::error_chain(error))
}

/// Longest time for the executors to remove their sandboxes.
const EXECUTORS_STOP_TIME_MAX: Duration = Duration::from_secs(15);

/// Shuts the executors down within a bound: a stuck one must not keep the process alive.
pub async fn stop_executors(chain: &Chain) {
    if tokio::time::timeout(EXECUTORS_STOP_TIME_MAX, chain.shut_down()).await.is_err() {
        tracing::error!("an executor did not shut down in time; the next start removes its leftovers");
    }
}
