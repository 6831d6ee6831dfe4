//! Where the runtime lies, and what follows from it.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use executor::{ExecRequest, Executor, Hints, PoolSize};
use executor_native::{NativeConfig, NativeExecutor};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// Nothing is made ahead, so that what a test counts is its own.
fn alone(config: NativeConfig) -> NativeConfig {
    NativeConfig { templates: None, pool: PoolSize { min: 0, max: 0 }, ..config }
}

async fn prints(native: &NativeExecutor, code: &str) -> String {
    let mut sandbox = native.create(&Hints::default()).await.unwrap();
    let request = ExecRequest { code: code.to_owned(), ..ExecRequest::default() };
    let result = sandbox.exec(request, CancellationToken::new()).await.unwrap();
    sandbox.destroy().await;
    assert!(result.success(), "{result:?}");
    result.stdout.text
}

async fn runtime_as_health_has_it(native: &NativeExecutor) -> String {
    native.health().await.protections["runtime"].detail.clone()
}

/// The limit on the memory of all sandboxes together.
fn memory_limit(native: &NativeExecutor) -> PathBuf {
    let files = |group: PathBuf| [group.join("memory.limit_in_bytes"), group.join("memory.max")];
    native.cgroup_paths().into_iter().flat_map(files).find(|file| file.exists()).unwrap()
}

/// A launcher that copies the runtime into memory until it is killed for that would take every program with it each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_launcher_killed_for_its_copy_of_the_runtime_is_the_last_to_make_one() {
    let Some(config) = support::config_in_memory() else { return };
    let native = NativeExecutor::start(alone(config)).await.unwrap();
    let in_memory = runtime_as_health_has_it(&native).await;
    assert!(in_memory.contains("in memory"), "{in_memory}");
    let limit = memory_limit(&native);
    // The copy ends with its launcher, and the next one finds less room than it takes.
    let launcher = rustix::process::Pid::from_raw(support::launcher(&native).try_into().unwrap()).unwrap();
    rustix::process::kill_process(launcher, rustix::process::Signal::KILL).unwrap();
    while std::fs::write(&limit, (160u64 << 20).to_string()).is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(prints(&native, "print(6 * 7)").await, "42\n");
    let on_disk = runtime_as_health_has_it(&native).await;
    assert!(on_disk.contains("on its disk") && on_disk.contains("for want of memory"), "{on_disk}");
    // With room again, it still stays there.
    std::fs::write(&limit, (8u64 << 30).to_string()).unwrap();
    let launcher = rustix::process::Pid::from_raw(support::launcher(&native).try_into().unwrap()).unwrap();
    rustix::process::kill_process(launcher, rustix::process::Signal::KILL).unwrap();
    assert_eq!(prints(&native, "print(6 * 7)").await, "42\n");
    assert_eq!(runtime_as_health_has_it(&native).await, on_disk);
    native.shut_down().await;
}
