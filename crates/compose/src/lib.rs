//! From settings to parts: the runtime, the executors, the stores, the service's configuration.
//!
//! The only crate that names every executor and store: whoever uses it (the binary, doctor, bench) has settings and the
//! traits of `executor` and `storage`.

mod containers;
mod directory_store;
mod native;
mod unusable;

pub use containers::{BuildError, BuildStep, build_image, engine_address, write_image_tree};
pub use native::{NATIVE, apparmor_fix, host_view, prepare_cgroups, uses_native};

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
use storage::{LocalConfig, LocalStore, OpenError, Rotated};
use unusable::Unusable;
use validator::Policy;

/// Seconds for a program where the request names none (contract); never more than `MAX_TIMEOUT`.
const TIMEOUT_S_DEFAULT: u32 = 10;

/// The root file system that programs run in: the operator's own, or the one that `setup` made.
///
/// # Errors
/// When there is none, with the command that makes it.
pub fn load_runtime(settings: &Settings) -> Result<Runtime, LoadError> {
    match &settings.runtime_rootfs {
        Some(rootfs) => Runtime::from_rootfs(rootfs),
        None => Runtime::load_list(&settings.data_dir, settings.runtime_packages),
    }
}

/// The same where only a container executor is active: its programs run in the sandbox image, so a service of theirs may
/// do without a runtime (`None`).
///
/// # Errors
/// When there is none and an executor needs it.
pub fn load_runtime_if_needed(settings: &Settings) -> Result<Option<Runtime>, LoadError> {
    match load_runtime(settings) {
        Err(LoadError::NotPrepared { .. } | LoadError::OtherList { .. }) if !uses_native(settings) => {
            Ok(None)
        }
        loaded => loaded.map(Some),
    }
}

/// Starts the active executors, in their order. One that cannot start is in the chain all the same, unhealthy,
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
                None => Arc::new(Unusable::new(
                    NATIVE,
                    "there is no Python runtime (hint: python-sandbox setup)".to_owned(),
                )),
            },
            "docker" => start_docker(settings, Flavour::Docker, None),
            "gvisor" => start_docker(settings, Flavour::Gvisor, Some(&settings.docker.gvisor_runtime)),
            "kata" => start_docker(settings, Flavour::Kata, Some(&settings.docker.kata_runtime)),
            // The settings let nothing else through; a new name in their list belongs here too.
            _ => continue,
        };
        executors.push(executor);
    }
    executors
}

/// What a sandbox of this executor may use.
#[must_use]
pub fn limits_of(settings: &Settings, executor: &str) -> SandboxLimits {
    if executor == NATIVE { settings.native_limits } else { settings.docker.limits }
}

/// Opens the store of output files; `None` when storage is off.
///
/// # Errors
/// When the directory cannot be used.
pub fn open_store(settings: &Settings) -> Result<Option<Arc<LocalStore>>, OpenError> {
    if !settings.storage.enabled {
        return Ok(None);
    }
    let config = LocalConfig {
        link_lifetime: settings.storage.link_lifetime,
        retention: settings.storage.file_lifetime,
        bytes_max: settings.storage.bytes_max,
        min_free_percent: settings.storage.min_free_percent,
        free_min_bytes: settings.exec_limits_max.files_total_bytes_max,
        ..LocalConfig::new(files_dir(settings))
    };
    LocalStore::open(config).map(|store| Some(Arc::new(store)))
}

/// Opens the store of `run --out DIR`: plain files below that directory, which is made when it is missing. No file that is
/// there already is replaced.
///
/// # Errors
/// The operating system's, when the directory cannot be made or is none.
pub fn open_directory(directory: &Path) -> io::Result<Arc<dyn Store>> {
    Ok(Arc::new(DirectoryStore::open(directory)?))
}

/// Makes a new key for download links. Links of earlier keys stay valid until they end, or end now with `end_links`. A
/// service that runs takes the new key without a restart; the settings must be its own.
///
/// # Errors
/// When there is no store yet, or its keys cannot be read, written or trusted.
pub fn rotate_link_key(settings: &Settings, end_links: bool) -> Result<Rotated, OpenError> {
    LocalStore::rotate_key(&files_dir(settings), settings.storage.link_lifetime, end_links)
}

/// Where the local store keeps its files.
fn files_dir(settings: &Settings) -> PathBuf {
    settings.data_dir.join("files")
}

/// The service's configuration.
#[must_use]
pub fn service_config(settings: &Settings, runtime: Option<&Runtime>) -> ServiceConfig {
    let limits = settings.exec_limits_max;
    let timeout_s_max = u32::try_from(limits.wall_time.as_secs()).unwrap_or(u32::MAX);
    // Of an image the version is not known here. What is too new for its interpreter, that refuses by itself.
    let (major, minor, _) = runtime.map_or(runtime::NEWEST_PYTHON, |runtime| runtime.python_version);
    let validator = &settings.validator;
    let policy = Policy {
        forbidden_imports: validator.forbidden_imports.iter().cloned().collect(),
        max_code_length: validator.code_chars_max,
        max_complexity: validator.complexity_max,
        python: (major, minor),
    };
    ServiceConfig {
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
        ..ServiceConfig::new(policy)
    }
}

/// What to say when there is no runtime.
#[must_use]
pub fn no_runtime(error: &LoadError) -> String {
    format!("there is no Python runtime to run programs in: {}", executor::error_chain(error))
}

/// Longest time for the executors to remove what they keep ready.
const EXECUTORS_STOP_TIME_MAX: Duration = Duration::from_secs(15);

/// Shuts the executors down, within a bound: a stuck one must not keep the process alive.
pub async fn stop_executors(chain: &Chain) {
    if tokio::time::timeout(EXECUTORS_STOP_TIME_MAX, chain.shut_down()).await.is_err() {
        tracing::error!("an executor did not stop; the next start removes what it left");
    }
}
