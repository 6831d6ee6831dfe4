//! The corpora in containers, without the service around them.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod support;

use executor::Executor;
use executor_docker::Flavour;

/// One after the other: programs that take as much as they can would load each other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn corpora(flavour: Flavour) {
    let _alone = ALONE.lock().await;
    let state = tempfile::tempdir().unwrap();
    let Some(executor) = support::executor(flavour, state.path()).await else { return };
    let failures = testkit::corpus::failures(executor.name(), async |program| {
        support::observe(&executor, program).await
    })
    .await;
    executor.shut_down().await;
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn docker() {
    corpora(Flavour::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gvisor() {
    corpora(Flavour::Gvisor).await;
}
