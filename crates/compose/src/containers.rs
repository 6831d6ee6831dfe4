//! Container executors (Docker, gVisor, Kata) and the image in which their programs run.

use crate::unavailable::UnavailableExecutor;
use executor::{Executor, PoolSize};
use executor_docker::{DockerConfig, DockerExecutor, EngineAddress, Flavour, ImageSource};
use runtime::Runtime;
use settings::{EngineSettings, Settings};
use std::io::{self, Write};
use std::sync::Arc;

pub use executor_docker::{BuildError, BuildStep};

/// A container executor. The engine may start later: until then the executor reports what is missing.
pub(crate) fn start_docker(
    settings: &Settings,
    flavour: Flavour,
    runtime: Option<&str>,
) -> Arc<dyn Executor> {
    let docker = &settings.docker;
    // An unused fallback must not keep containers.
    let min = if settings.provider == flavour.name() { docker.pool.min } else { 0 };
    let config = DockerConfig {
        flavour,
        engine: address(&docker.engine),
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
        Err(error) => Arc::new(UnavailableExecutor::new(
            flavour.name(),
            format!("failed to write its state to {}: {error} (hint: set DATA_DIR)", state_dir.display()),
        )),
    }
}

/// The address of the engine that these settings select, `unix://PATH` or `tcp://HOST:PORT`.
#[must_use]
pub fn engine_address(engine: &EngineSettings) -> String {
    executor_docker::engine_address(engine.host.as_deref())
}

/// Builds the sandbox image (DOCKER_IMAGE) from the runtime on the engine, and returns its id.
///
/// # Errors
/// The step that failed, with its fix.
pub async fn build_image(
    settings: &Settings,
    runtime: &Runtime,
    progress: impl Fn(BuildStep) + Send + Sync + 'static,
) -> Result<String, BuildError> {
    let docker = &settings.docker;
    executor_docker::build_image(&address(&docker.engine), &docker.image, &image_source(runtime), progress)
        .await
}

/// Writes the content of the sandbox image, the runtime and the guest agent, as a tar archive.
///
/// # Errors
/// An I/O error of the runtime's files or of `to`.
pub fn write_image_tree(runtime: &Runtime, to: impl Write) -> io::Result<()> {
    executor_docker::write_tree(&runtime.rootfs, to, &|_| ())
}

/// The content of the sandbox image.
fn image_source(runtime: &Runtime) -> ImageSource {
    ImageSource {
        rootfs: runtime.rootfs.clone(),
        interpreter: runtime.interpreter.clone(),
        env: runtime.env.clone(),
        runtime_id: runtime.id.clone(),
    }
}

fn address(engine: &EngineSettings) -> EngineAddress {
    EngineAddress { host: engine.host.clone(), certificates: engine.certificates.clone() }
}
