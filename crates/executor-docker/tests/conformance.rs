//! The Docker executor and its variants pass the conformance suite.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod support;

use executor::{Control, ExecRequest, Executor, Freshness, Hints, InputFile, OutcomeKind};
use executor_docker::{DockerExecutor, Flavour};

async fn conforms(flavour: Flavour) {
    let state = tempfile::tempdir().unwrap();
    let Some(executor) = support::executor(flavour, state.path()).await else { return };
    let failures = executor::conformance::run(&executor).await;
    if let Some(reason) = executor::conformance::cannot_freeze(&executor).await {
        let _: Option<()> = testkit::skip(format_args!("freezing: {reason}"));
    }
    executor.shut_down().await;
    let (failed, all) = (failures.len(), executor::conformance::count());
    assert!(failures.is_empty(), "{failed} of {all} failed:\n{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_conforms() {
    conforms(Flavour::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gvisor_conforms() {
    conforms(Flavour::Gvisor).await;
}

/// The idle interpreter is killed while its agent, which keeps running, writes the files.
#[tokio::test(flavor = "multi_thread")]
async fn input_files_that_take_the_memory_are_out_of_memory() {
    let state = tempfile::tempdir().unwrap();
    if support::executor(Flavour::Docker, state.path()).await.is_none() {
        return;
    }
    let mut config = support::config(Flavour::Docker, state.path());
    (config.limits.memory_bytes, config.memory_swap_bytes) = (64 << 20, 64 << 20);
    config.limits.disk_bytes = 512 << 20;
    let executor = DockerExecutor::new(config).unwrap();
    let content = vec![0; 200 << 20].into();
    let request = ExecRequest {
        code: "print('ran')".into(),
        files: vec![InputFile { path: "large".into(), content }],
        ..ExecRequest::default()
    };
    let sandbox = executor.create(&Hints::default(), Freshness::Any).await.unwrap();
    let result = sandbox.answer_once(&request, &Control::default()).await.unwrap();
    executor.shut_down().await;
    assert_eq!((result.kind(), result.verdict.exit_code), (OutcomeKind::OutOfMemory, 137), "{result:?}");
    assert_eq!(result.stdout.text, "");
}
