//! From settings to parts: the runtime, the executors, the store, the service's configuration.

use crate::settings::Settings;
use crate::unusable::Unusable;
use executor::{Chain, Executor, PoolSize, SandboxLimits};
use executor_docker::{DockerConfig, DockerExecutor, Flavour, ImageSource};
use executor_native::{NativeConfig, NativeExecutor};
use runtime::{LoadError, Runtime};
use service::{Bounds, ServiceConfig};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use storage::{LocalConfig, LocalStore, OpenError};
use validator::Policy;

/// Seconds for a program where the request names none (contract); never more than `MAX_TIMEOUT`.
const TIMEOUT_S_DEFAULT: u32 = 10;

/// The root file system that programs run in: the operator's own, or the one that `setup` made.
///
/// # Errors
/// When there is none, with the command that makes it.
pub(crate) fn load_runtime(settings: &Settings) -> Result<Runtime, LoadError> {
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
pub(crate) fn load_runtime_if_needed(settings: &Settings) -> Result<Option<Runtime>, LoadError> {
    match load_runtime(settings) {
        Err(LoadError::NotPrepared { .. } | LoadError::OtherList { .. })
            if !settings.active_providers().contains(&executor_native::PROVIDER) =>
        {
            Ok(None)
        }
        loaded => loaded.map(Some),
    }
}

/// Starts the active executors, in their order. One that cannot start is in the chain all the same, unhealthy,
/// with the reason, and with hints for the `command` that was typed.
pub(crate) async fn start_executors(
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
                    executor_native::PROVIDER,
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

/// Makes the control groups of our own container writable, where the settings ask for it.
///
/// # Errors
/// With what fixes it.
pub(crate) fn prepare_cgroups(settings: &Settings) -> Result<(), String> {
    if !settings.native_cgroup_remount {
        return Ok(());
    }
    cgroup::make_writable().map(drop).map_err(|error| executor::error_chain(&error))
}

async fn start_native(settings: &Settings, runtime: &Runtime, command: &'static str) -> Arc<dyn Executor> {
    if let Err(why) = prepare_cgroups(settings) {
        return Arc::new(Unusable::new(executor_native::PROVIDER, format!("failed to {why}")));
    }
    let config = NativeConfig {
        rootfs: runtime.rootfs.clone(),
        interpreter: runtime.interpreter.clone(),
        env: runtime.env.clone(),
        runtime_memory_bytes: settings.native_runtime_memory,
        disk_read_bytes_max: settings.native_disk_read_max,
        limits: settings.native_limits,
        templates: settings.native_templates.clone(),
        pool: settings.native_pool,
        totals: settings.native_totals,
        cgroup_parent: settings.native_cgroup_parent.clone(),
        command,
        fail_cell_at: None,
        fail_program_at: None,
    };
    match NativeExecutor::start(config).await {
        Ok(executor) => Arc::new(executor),
        Err(error) => Arc::new(Unusable::new(executor_native::PROVIDER, executor::error_chain(&error))),
    }
}

/// A container executor. The engine may come later: until it is there, the executor says what is missing.
fn start_docker(settings: &Settings, flavour: Flavour, runtime: Option<&str>) -> Arc<dyn Executor> {
    let docker = &settings.docker;
    // A fallback that nobody needs must not keep containers.
    let min = if settings.provider == flavour.name() { docker.pool.min } else { 0 };
    let config = DockerConfig {
        flavour,
        engine: docker.engine.clone(),
        runtime: runtime.map(str::to_owned),
        image: docker.image.clone(),
        timeout: docker.timeout,
        limits: docker.limits,
        memory_swap_bytes: docker.memory_swap_bytes,
        templates: docker.templates.clone(),
        pool: PoolSize { min, max: docker.pool.max },
        state_dir: settings.data_dir.join("docker").join(flavour.name()),
    };
    let state_dir = config.state_dir.clone();
    match DockerExecutor::new(config) {
        Ok(executor) => Arc::new(executor),
        Err(error) => Arc::new(Unusable::new(
            flavour.name(),
            format!("failed to write its state to {}: {error} (hint: set DATA_DIR)", state_dir.display()),
        )),
    }
}

/// What the sandbox image is made from.
pub(crate) fn image_source(runtime: &Runtime) -> ImageSource {
    ImageSource {
        rootfs: runtime.rootfs.clone(),
        interpreter: runtime.interpreter.clone(),
        env: runtime.env.clone(),
        runtime_id: runtime.id.clone(),
    }
}

/// What a sandbox of this executor may use.
pub(crate) fn limits_of(settings: &Settings, executor: &str) -> SandboxLimits {
    if executor == executor_native::PROVIDER { settings.native_limits } else { settings.docker.limits }
}

/// Opens the store of output files; `None` when storage is off.
///
/// # Errors
/// When the directory cannot be used.
pub(crate) fn open_store(settings: &Settings) -> Result<Option<Arc<LocalStore>>, OpenError> {
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

/// Where the local store keeps its files.
pub(crate) fn files_dir(settings: &Settings) -> PathBuf {
    settings.data_dir.join("files")
}

/// The service's configuration.
pub(crate) fn service_config(settings: &Settings, runtime: Option<&Runtime>) -> ServiceConfig {
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
pub(crate) fn no_runtime(error: &LoadError) -> String {
    format!("there is no Python runtime to run programs in: {}", executor::error_chain(error))
}

/// Longest time for the executors to remove what they keep ready.
pub(crate) const EXECUTORS_STOP_TIME_MAX: Duration = Duration::from_secs(15);

/// Shuts the executors down, within a bound: a stuck one must not keep the process alive.
pub(crate) async fn stop_executors(chain: &Chain) {
    if tokio::time::timeout(EXECUTORS_STOP_TIME_MAX, chain.shut_down()).await.is_err() {
        tracing::error!("an executor did not stop; the next start removes what it left");
    }
}
