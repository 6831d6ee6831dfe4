//! Tests of cgroups: detection on texts, a fake v2 tree on plain directories, faults in every step, and the
//! real groups of this host.

mod detect;
mod fake;
mod fake_tests;
mod faults;
mod gather;
mod reads;
mod real;
mod real_sweep;
mod real_user;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::HostView;
use crate::instance::is_instance_name;
use crate::limits::GroupLimits;

/// Limits that suit every test that does not test limits.
const LIMITS: GroupLimits =
    GroupLimits { memory_bytes: 32 << 20, pids_max: 20, cpu_quota_us: Some(50_000), cpu_period_us: 100_000 };

/// This host, for a process in the initial user namespace.
fn host_view() -> HostView {
    let euid = rustix::process::geteuid().as_raw();
    HostView { euid, command: "serve", container_options: "--the-options" }
}

/// A name that no other test of any run has at the same time.
pub(super) fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Every group of ours below `dir`: instances and sandboxes' groups.
fn ours_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let dirs = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir());
    dirs.flat_map(|path| {
        let mut found = ours_below(&path);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if is_instance_name(name) || name.starts_with("c-") || name.starts_with("k-") {
            found.push(path);
        }
        found
    })
    .collect()
}
