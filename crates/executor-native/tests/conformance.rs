//! The native executor passes the conformance suite.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod support;

#[tokio::test(flavor = "multi_thread")]
async fn the_native_executor_conforms() {
    let Some(native) = support::native().await else { return };
    let failures = executor::conformance::run(&native).await;
    executor::Executor::shut_down(&native).await;
    assert!(
        failures.is_empty(),
        "{} of {} failed:\n{}",
        failures.len(),
        executor::conformance::count(),
        failures.join("\n")
    );
}
