//! What the launcher and the first process of a sandbox must not inherit, however the service was started.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use executor::{Executor, Freshness, Hints, PoolSize};
use executor_native::{NativeConfig, NativeExecutor};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time for an abandoned sandbox to be gone.
const DEATH_TIME_MAX: Duration = Duration::from_secs(10);

fn status_field(pid: u32, name: &str) -> String {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return String::new() };
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

fn descriptors(pid: u32) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok()).collect()
}

/// The only sandbox of the launcher. The sandbox of the executor's own test at its start dies in the
/// background.
async fn only_child(launcher: u32) -> u32 {
    let begun = Instant::now();
    loop {
        let pids = support::children(launcher).into_iter();
        // Its other children are templates.
        let sandboxes: Vec<u32> = pids.filter(|pid| status_field(*pid, "Name") == "sandbox-agent").collect();
        match sandboxes[..] {
            [sandbox] => return sandbox,
            _ => assert!(begun.elapsed() < DEATH_TIME_MAX, "there should be one sandbox, not {sandboxes:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_has_no_descriptor_of_the_service_and_no_reach_beyond_its_mounts() {
    // As a supervisor or a shell leaks one: without close-on-exec.
    let leaked = tempfile::NamedTempFile::new().unwrap();
    rustix::io::fcntl_setfd(leaked.as_file(), rustix::io::FdFlags::empty()).unwrap();
    let Some(config) = support::config() else { return };
    // One sandbox at a time: no idle ones.
    let config = NativeConfig { pool: PoolSize { min: 0, max: 0 }, ..config };
    let Ok(native) = NativeExecutor::start(config).await else { return };
    let sandbox = native.create(&Hints::default(), Freshness::Any).await.unwrap();

    let monitor = native.monitor_pid().unwrap();
    let launcher = support::launcher(&native);
    let agent = only_child(launcher).await;
    for pid in [monitor, launcher, agent] {
        let open = descriptors(pid);
        assert!(!open.iter().any(|path| path == leaked.path()), "{pid}: {open:?}");
    }
    // CAP_DAC_READ_SEARCH is number 2: with it open_by_handle_at(2) opens any file of the runtime's disk.
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        let bits = u64::from_str_radix(&status_field(agent, set), 16).unwrap();
        assert_eq!(bits & (1 << 2), 0, "{set} {bits:x}");
    }
    drop(sandbox);
    native.shut_down().await;
}
