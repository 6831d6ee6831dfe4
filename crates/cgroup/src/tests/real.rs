//! Real groups on this host: limits that are enforced, counts, killing and removing.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fake::Faulty;
use super::{LIMITS, host_view, ours_below, unique};
use crate::layout::{Hierarchy, Layout};
use crate::ops::{HostOps, Ops};
use crate::{
    CgroupError, Controller, FreezeError, GroupLimits, LimitState, Manager, ManagerConfig, SandboxGroup,
};

/// A separate parent for one test, in each hierarchy of this host; removed when dropped.
pub(super) struct Host {
    pub(super) layout: Layout,
    pub(super) parent: String,
}

impl Host {
    /// `None`, and a skip, where this host cannot run the test.
    pub(super) fn ready() -> Option<Self> {
        let parent = unique("python-sandbox-test");
        let why = if rustix::process::geteuid().is_root() {
            match Layout::detect_host(&host_view(), Some(&parent)) {
                Ok(layout) => return Some(Self { layout, parent }),
                Err(error) => error.to_string(),
            }
        } else {
            "not root".to_owned()
        };
        testkit::skip(&why)
    }

    pub(super) fn open(&self) -> Manager {
        Manager::open(self.layout.clone(), ManagerConfig::default()).unwrap()
    }

    /// Every group of ours in this test's parent.
    pub(super) fn ours(&self) -> Vec<PathBuf> {
        self.everywhere().flat_map(|part| ours_below(&part.parent)).collect()
    }

    fn everywhere(&self) -> impl Iterator<Item = &Hierarchy> {
        self.layout.hierarchies().iter().chain(&self.layout.io).chain(&self.layout.freezer)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for hierarchy in self.everywhere() {
            let top = HostOps.open_dir(rustix::fs::CWD, &hierarchy.top).unwrap();
            let mut patience = crate::remove::Patience::new(Duration::from_secs(5));
            let at = std::os::fd::AsFd::as_fd(&top);
            let removed = crate::remove::remove_tree(&HostOps, at, &self.parent, &mut patience, &mut 0);
            if !std::thread::panicking() {
                removed.unwrap();
            }
        }
    }
}

/// Starts a shell that waits for a line, moves it into the group, and lets it run `script` there.
pub(super) fn run_in(sandbox: &SandboxGroup, script: &str) -> Child {
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("read line; {script}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for file in sandbox.join_files().unwrap() {
        rustix::io::write(&file, child.id().to_string().as_bytes()).unwrap();
    }
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    child
}

pub(super) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_true() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn memory_hog_is_killed_and_counted() {
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let sandbox = manager.create("hog", &LIMITS).unwrap();
    let mut child = run_in(&sandbox, "exec python3 -I -S -c 'bytearray(200 << 20)'");
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let usage = sandbox.usage().unwrap();
    assert!(usage.oom_kills >= 1, "{usage:?}");
    let peak = usage.memory_peak_bytes.unwrap();
    assert!((20 << 20..=32 << 20).contains(&peak), "{usage:?}");
    // The other sandbox is not affected, and the same program with more memory runs.
    let roomy = manager.create("roomy", &GroupLimits { memory_bytes: 300 << 20, ..LIMITS }).unwrap();
    let mut child = run_in(&roomy, "exec python3 -I -S -c 'bytearray(200 << 20)'");
    assert!(child.wait().unwrap().success());
    assert_eq!(roomy.usage().unwrap().oom_kills, 0);
    sandbox.destroy().unwrap();
    roomy.destroy().unwrap();
}

#[test]
fn process_limit_is_counted() {
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let sandbox = manager.create("forks", &GroupLimits { pids_max: 5, ..LIMITS }).unwrap();
    let mut child = run_in(&sandbox, "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait");
    wait_until("the process limit", || sandbox.usage().unwrap().pids_limit_hits >= 1);
    let usage = sandbox.usage().unwrap();
    assert!(usage.pids_peak.is_none_or(|peak| peak == 5), "{usage:?}");
    sandbox.destroy().unwrap();
    child.wait().unwrap();
    let sandbox = manager.create("calm", &LIMITS).unwrap();
    assert!(run_in(&sandbox, "sleep 0; true").wait().unwrap().success());
    assert_eq!(sandbox.usage().unwrap().pids_limit_hits, 0);
}

#[test]
fn cpu_quota_holds_and_cpu_time_is_counted() {
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let limits = GroupLimits { cpu_quota_us: Some(10_000), cpu_period_us: 50_000, ..LIMITS };
    let sandbox = manager.create("busy", &limits).unwrap();
    let start = Instant::now();
    let mut child = run_in(&sandbox, "while :; do :; done");
    std::thread::sleep(Duration::from_millis(1_000));
    sandbox.kill().unwrap();
    let wall_us = u64::try_from(start.elapsed().as_micros()).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let used_us = sandbox.usage().unwrap().cpu_time_us;
    // A fifth of one CPU, with a period's grace on both ends.
    assert!(used_us > 1_000 && used_us < wall_us / 5 + 100_000, "{used_us} of {wall_us}");
}

#[test]
fn destroy_kills_everything_and_removes_every_group() {
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    for end in ["destroy", "drop"] {
        let sandbox = manager.create("sleepers", &LIMITS).unwrap();
        let paths = sandbox.paths();
        assert!(paths.iter().all(|path| path.is_dir()));
        let mut child = run_in(&sandbox, "sleep 1000 & sleep 1000 & trap '' TERM INT; wait");
        wait_until("the children", || sandbox.usage().unwrap().pids_peak.is_none_or(|peak| peak >= 3));
        if end == "drop" {
            drop(sandbox)
        } else {
            sandbox.destroy().unwrap()
        }
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(paths.iter().all(|path| !path.exists()), "{end}: {paths:?}");
    }
    drop(manager);
    assert_eq!(host.ours(), Vec::<PathBuf>::new());
}

/// What a process that forks all the time does while its tasks are moved and stopped.
const FORKS: &str = "while :; do sh -c : & sh -c : & wait; done";

#[test]
fn a_frozen_sandbox_uses_no_cpu_time_until_it_is_thawed() {
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let cpu_time_us = |sandbox: &SandboxGroup| sandbox.usage().unwrap().cpu_time_us;
    for script in ["while :; do :; done", FORKS] {
        let limits = GroupLimits { cpu_quota_us: None, ..LIMITS };
        let mut sandbox = manager.create("icy", &limits).unwrap();
        let mut busy = manager.create("busy", &limits).unwrap();
        let mut children = [run_in(&sandbox, script), run_in(&busy, script)];
        for _ in 0..3 {
            sandbox.freeze().unwrap();
            let (used, of_other) = (cpu_time_us(&sandbox), cpu_time_us(&busy));
            wait_until("CPU time of the other", || cpu_time_us(&busy) > of_other + 50_000);
            assert_eq!(cpu_time_us(&sandbox), used, "{script}");
            sandbox.freeze().unwrap();
            sandbox.thaw().unwrap();
            wait_until("CPU time after the thaw", || cpu_time_us(&sandbox) > used);
        }
        sandbox.freeze().unwrap();
        sandbox.destroy().unwrap();
        busy.freeze().unwrap();
        drop(busy);
        for child in &mut children {
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
    }
    drop(manager);
    assert_eq!(host.ours(), Vec::<PathBuf>::new());
}

#[test]
fn a_frozen_sandbox_that_is_killed_can_be_used_again() {
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let mut sandbox = manager.create("icy", &LIMITS).unwrap();
    let mut child = run_in(&sandbox, "exec sleep 1000");
    sandbox.freeze().unwrap();
    sandbox.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    sandbox.thaw().unwrap();
    assert!(run_in(&sandbox, "sleep 0; true").wait().unwrap().success());
}

/// A freezer that never gets there is an error after the waiting time, and everything runs on.
#[test]
fn a_freezer_that_does_not_finish_is_given_up() {
    let Some(host) = Host::ready() else { return };
    let faulty = Faulty::new(Arc::new(HostOps));
    let ops: Arc<dyn Ops> = Arc::<Faulty>::clone(&faulty);
    let manager = Manager::open_with(&host.layout, ManagerConfig { removal_wait_ms: 200 }, &ops).unwrap();
    let mut sandbox = manager.create("stuck", &LIMITS).unwrap();
    let mut child = run_in(&sandbox, "while :; do :; done");
    let (file, text) = match sandbox.dir_fd() {
        Some(_) => ("cgroup.events", "populated 1\nfrozen 0\n"),
        None => ("freezer.state", "FREEZING\n"),
    };
    faulty.claim(Some((file, text)));
    assert!(matches!(sandbox.freeze(), Err(FreezeError::TooSlow { .. })));
    faulty.claim(None);
    let used = sandbox.usage().unwrap().cpu_time_us;
    wait_until("CPU time afterwards", || sandbox.usage().unwrap().cpu_time_us > used);
    sandbox.thaw().unwrap();
    sandbox.destroy().unwrap();
    child.wait().unwrap();
}

#[test]
fn fork_bomb_is_destroyed() {
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let limits = GroupLimits { pids_max: 60, memory_bytes: 256 << 20, cpu_quota_us: None, ..LIMITS };
    let sandbox = manager.create("bomb", &limits).unwrap();
    let mut child = run_in(&sandbox, "b() { while :; do b & done; }; b");
    wait_until("the process limit", || sandbox.usage().unwrap().pids_limit_hits >= 1);
    sandbox.kill().unwrap();
    child.wait().unwrap();
    // Dead processes count until they are reaped, here by the first process of the host.
    let pids_dir = host.layout.of(Controller::Pids).parent.clone();
    let pids_dir = sandbox.paths().into_iter().find(|path| path.starts_with(&pids_dir)).unwrap();
    let read = |file: &str| std::fs::read_to_string(pids_dir.join(file)).unwrap();
    assert_eq!(read("pids.max"), "60\n");
    wait_until("the reaping", || read("pids.current") == "0\n");
    assert!(run_in(&sandbox, "sleep 0; true").wait().unwrap().success(), "a killed group remains usable");
    let mut again = run_in(&sandbox, "b() { while :; do b & done; }; b");
    std::thread::sleep(Duration::from_millis(100));
    sandbox.destroy().unwrap();
    again.wait().unwrap();
    drop(manager);
    assert_eq!(host.ours(), Vec::<PathBuf>::new());
}

#[test]
fn process_that_joined_only_one_hierarchy_is_found() {
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let count = host.layout.hierarchies().len();
    for index in 0..count {
        let sandbox = manager.create("half", &LIMITS).unwrap();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        rustix::io::write(&sandbox.join_files().unwrap()[index], child.id().to_string().as_bytes()).unwrap();
        sandbox.destroy().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}

#[test]
fn a_process_joins_by_writing_zero() {
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let sandbox = manager.create("zero", &LIMITS).unwrap();
    let writes: String =
        sandbox.paths().iter().map(|path| format!("echo 0 > {}/cgroup.procs && ", path.display())).collect();
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{writes} grep -c c-zero /proc/self/cgroup"))
        .output()
        .unwrap();
    let count = String::from_utf8(status.stdout).unwrap();
    assert_eq!(count.trim(), sandbox.paths().len().to_string());
}

#[test]
fn limits_can_be_raised_and_lowered() {
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let mut sandbox = manager.create("elastic", &LIMITS).unwrap();
    for (memory_bytes, quota, period) in
        [(128 << 20, None, 100_000), (2 << 20, Some(5_000), 20_000), (64 << 20, Some(400_000), 1_000_000)]
    {
        let limits = GroupLimits { memory_bytes, pids_max: 20, cpu_quota_us: quota, cpu_period_us: period };
        sandbox.set_limits(&limits).unwrap();
    }
    // Below the current usage: refused on v1, and the group can still be removed.
    let child =
        run_in(&sandbox, "exec python3 -I -S -c 'import time; x = bytearray(40 << 20); time.sleep(1000)'");
    wait_until("the memory", || {
        sandbox.usage().unwrap().memory_peak_bytes.is_none_or(|peak| peak > 40 << 20)
    });
    if sandbox.dir_fd().is_none() {
        let error = sandbox.set_limits(&LIMITS).unwrap_err();
        assert!(matches!(error, CgroupError::Step { step: "write", .. }), "{error:?}");
    }
    sandbox.destroy().unwrap();
    { child }.wait().unwrap();
}

#[test]
fn check_finds_every_wall() {
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let limits_checked = manager.check();
    assert_eq!(limits_checked.len(), 4);
    assert!(limits_checked.iter().all(|limit| limit.state == LimitState::Enforced), "{limits_checked:?}");
    assert_eq!(host.ours().len(), host.layout.hierarchies().len(), "the scratch group is gone");
}

#[test]
fn descriptors_are_close_on_exec_and_groups_are_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let sandbox = manager.create("shut", &LIMITS).unwrap();
    for path in manager.paths().iter().chain(&sandbox.paths()) {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{path:?}");
    }
    let files = sandbox.join_files().unwrap();
    let seen = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    let seen = String::from_utf8(seen.stdout).unwrap();
    assert!(!seen.contains(&host.parent), "{seen}");
    drop(files);
}

/// Prints the time; asserts only that it works, as a bound would fail on a noisy host.
#[test]
fn create_and_destroy_are_timed() {
    const ROUNDS: usize = 200;
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let (mut create_us, mut destroy_us) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let sandbox = manager.create("timed", &LIMITS).unwrap();
        create_us.push(start.elapsed().as_micros());
        let start = Instant::now();
        sandbox.destroy().unwrap();
        destroy_us.push(start.elapsed().as_micros());
    }
    for (name, times) in [("create", &mut create_us), ("destroy", &mut destroy_us)] {
        times.sort_unstable();
        let (p50, p99) = (times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
        println!(
            "{name}: p50 {p50} us, p99 {p99} us, {ROUNDS} rounds, {} hierarchies",
            manager.paths().len()
        );
    }
}
