//! The Docker executor and its kin pass the suite that every executor passes.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod support;

use executor::Executor;
use executor_docker::Flavour;

async fn conforms(flavour: Flavour) {
    let state = tempfile::tempdir().unwrap();
    let Some(executor) = support::executor(flavour, state.path()).await else { return };
    let failures = executor::conformance::run(&executor).await;
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
