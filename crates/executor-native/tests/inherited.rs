//! What the launcher and the first process of a cell must not have, whatever the service was started with.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use executor::Executor;
use std::path::PathBuf;

fn status_field(pid: u32, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

fn descriptors(pid: u32) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_has_no_descriptor_of_the_service_and_no_reach_beyond_its_mounts() {
    // As a supervisor or a shell leaves one behind: without close-on-exec.
    let leaked = tempfile::NamedTempFile::new().unwrap();
    rustix::io::fcntl_setfd(leaked.as_file(), rustix::io::FdFlags::empty()).unwrap();
    let Some(native) = support::native().await else { return };
    let sandbox = native.create().await.unwrap();

    let launcher = native.launcher_pid().unwrap();
    let children =
        std::fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children")).unwrap_or_default();
    let cells: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(cells.len(), 1, "{children}");
    for pid in [launcher, cells[0]] {
        let open = descriptors(pid);
        assert!(!open.iter().any(|path| path == leaked.path()), "{pid}: {open:?}");
    }
    // CAP_DAC_READ_SEARCH is number 2: with it open_by_handle_at(2) opens any file of the runtime's disk.
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        let bits = u64::from_str_radix(&status_field(cells[0], set), 16).unwrap();
        assert_eq!(bits & (1 << 2), 0, "{set} {bits:x}");
    }
    sandbox.destroy().await;
    native.shut_down().await;
}
