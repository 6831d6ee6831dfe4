//! An executor on the engine that DOCKER_HOST names, with the sandbox image built from the prepared runtime,
//! or a loud skip. `make test` starts such an engine.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part")]

use executor::{
    Control, ExecLimits, ExecRequest, Executor, Freshness, Hints, PoolSize, SandboxLimits, TemplateSpec,
};
use executor_docker::{DockerConfig, DockerExecutor, EngineAddress, Flavour, ImageSource};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use testkit::corpus::{Observation, Program};

/// The image of the tests: not the operator's.
pub(crate) const IMAGE: &str = "python-sandbox-test:latest";

/// The address of the engine for tests.
pub(crate) fn host() -> Option<String> {
    std::env::var("DOCKER_HOST").ok()
}

/// As the docker command line finds it.
pub(crate) fn address() -> EngineAddress {
    EngineAddress { host: host(), certificates: std::env::var_os("DOCKER_CERT_PATH").map(PathBuf::from) }
}

/// The contract's default limits, but a whole CPU: the duration is not under test.
pub(crate) fn config(flavour: Flavour, state_dir: &Path) -> DockerConfig {
    DockerConfig {
        flavour,
        engine: address(),
        runtime: (flavour == Flavour::Gvisor).then(|| "runsc".to_owned()),
        image: IMAGE.to_owned(),
        timeout: Duration::from_secs(30),
        limits: SandboxLimits {
            memory_bytes: 128 << 20,
            cpu_quota_us: 100_000,
            cpu_period_us: 100_000,
            pids_max: 50,
            disk_bytes: 64 << 20,
            disk_inodes: 8192,
        },
        memory_swap_bytes: 128 << 20,
        templates: vec![TemplateSpec {
            name: "data".to_owned(),
            preload: vec!["numpy".into(), "pandas".into()],
        }],
        pool: PoolSize { min: 1, max: 4 },
        state_dir: state_dir.to_owned(),
    }
}

/// Makes the image if the engine has none of this version.
pub(crate) async fn build_image() -> Result<(), String> {
    let runtime = runtime::Runtime::load(&testkit::data_dir()).map_err(|error| error.to_string())?;
    let source = ImageSource {
        rootfs: runtime.rootfs,
        interpreter: runtime.interpreter,
        env: runtime.env,
        runtime_id: runtime.id,
    };
    let built = executor_docker::build_image(&address(), IMAGE, &source, |_| ()).await;
    built.map(drop).map_err(|error| support::error_chain(&error))
}

/// A healthy executor, or a loud skip.
pub(crate) async fn executor(flavour: Flavour, state_dir: &Path) -> Option<DockerExecutor> {
    if host().is_none() {
        return testkit::skip("DOCKER_HOST names no engine for the tests (`make test` starts one)");
    }
    let executor = DockerExecutor::new(config(flavour, state_dir)).unwrap();
    let mut health = executor.health().await;
    if health.reason.as_ref().is_some_and(|reason| reason.contains("image build")) {
        build_image().await.unwrap();
        health = executor.health().await;
    }
    match health.reason {
        None => Some(executor),
        Some(reason) => testkit::skip(&reason),
    }
}

/// Runs one program in a fresh sandbox.
pub(crate) async fn run(executor: &dyn Executor, code: &str) -> executor::ExecResult {
    let request = ExecRequest { code: code.into(), ..ExecRequest::default() };
    let sandbox = executor.create(&Hints::default(), Freshness::Any).await.unwrap();
    sandbox.answer_once(&request, &Control::default()).await.unwrap()
}

/// Runs a program of the corpus.
pub(crate) async fn observe(executor: &dyn Executor, program: &Program) -> Observation {
    let inputs = program.inputs().into_iter();
    let request = ExecRequest {
        code: program.code.as_str().into(),
        stdin: program.stdin().into(),
        files: inputs.map(|(path, content)| executor::InputFile { path, content: content.into() }).collect(),
        env: program.env().into_iter().collect(),
        limits: ExecLimits { wall_time: Duration::from_secs(program.timeout_s()), ..ExecLimits::default() },
    };
    let hints = Hints::of(&request, program.imports());
    let sandbox = match executor.create(&hints, Freshness::Any).await {
        Ok(sandbox) => sandbox,
        Err(error) => {
            return Observation { stderr: error.chain(), kind: "fault".into(), ..Observation::default() };
        }
    };
    // Creating a sandbox is not part of the program's time.
    let begun = Instant::now();
    let result = sandbox.answer_once(&request, &Control::default()).await;
    match result {
        Ok(result) => Observation {
            success: result.success(),
            exit_code: result.verdict.exit_code.into(),
            kind: result.kind().as_str().to_owned(),
            stdout: result.stdout.text,
            stderr: result.stderr.text,
            stdout_truncated: result.stdout.truncated,
            stderr_truncated: result.stderr.truncated,
            artifacts: result.files.into_iter().map(|file| file.path).collect(),
            skipped: result.skipped.into_iter().map(|s| (s.path, s.reason.as_str().to_owned())).collect(),
            elapsed_s: begun.elapsed().as_secs_f64(),
        },
        Err(error) => Observation { stderr: error.chain(), kind: "fault".into(), ..Observation::default() },
    }
}
