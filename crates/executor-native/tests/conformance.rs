//! The native executor passes the conformance suite.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod support;

use host_traces::Snapshot;
use std::time::Duration;

const CLEAN_TIME_MAX: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn the_native_executor_conforms() {
    let Some(config) = support::config() else { return };
    let before = Snapshot::own(config.rootfs.as_ref());
    let Some(native) = support::native().await else { return };
    let failures = executor::conformance::run(&native).await;
    if let Some(reason) = executor::conformance::cannot_freeze(&native).await {
        let _: Option<()> = testkit::skip(format_args!("freezing: {reason}"));
    }
    executor::Executor::shut_down(&native).await;
    drop(native);
    assert_eq!(before.left_after(CLEAN_TIME_MAX), Vec::<String>::new());
    assert!(
        failures.is_empty(),
        "{} of {} failed:\n{}",
        failures.len(),
        executor::conformance::count(),
        failures.join("\n")
    );
}
