//! The manager on a fake v2 tree, as no controller of this project's test host is on v2.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fake::{FakeOps, PEAK_AFTER_RESET, Tree};
use super::{LIMITS, ours_below};
use crate::ops::Ops;
use crate::{
    CgroupError, FreezeError, GroupLimits, GroupUsage, LimitKind, LimitState, Manager, ManagerConfig,
    SandboxGroup,
};

/// Short, as nothing in a fake tree takes time.
const CONFIG: ManagerConfig = ManagerConfig { removal_wait_ms: 200 };

fn open(tree: &Tree, ops: FakeOps) -> Manager {
    let ops: Arc<dyn Ops> = Arc::new(ops);
    Manager::open_with(&tree.layout(), CONFIG, &ops).unwrap()
}

#[test]
fn limits_are_written_and_usage_is_read() {
    let tree = Tree::new(true);
    let manager = open(&tree, FakeOps::default());
    let limits = GroupLimits { memory_bytes: (32 << 20) + 100, ..LIMITS };
    let mut sandbox = manager.create("a-1", &limits).unwrap();
    let dir = sandbox.paths()[0].clone();
    let read = |file: &str| fs::read_to_string(dir.join(file)).unwrap();
    assert_eq!(read("memory.max"), format!("{}\n", 32 << 20));
    assert_eq!(read("memory.swap.max"), "0\n");
    assert_eq!(read("memory.oom.group"), "0\n");
    assert_eq!(read("pids.max"), "20\n");
    assert_eq!(read("cpu.max"), "50000 100000\n");
    sandbox.set_limits(&GroupLimits { cpu_quota_us: None, memory_bytes: 64 << 20, ..LIMITS }).unwrap();
    assert_eq!(read("cpu.max"), "max 100000\n");
    assert_eq!(read("memory.max"), format!("{}\n", 64 << 20));
    let expected = GroupUsage {
        memory_peak_bytes: Some(4096),
        file_cache_bytes: 1025,
        oom_kills: 1,
        oom_from_outside: false,
        pids_peak: Some(3),
        pids_limit_hits: 2,
        cpu_time_us: 1234,
    };
    assert_eq!(sandbox.usage().unwrap(), expected);
    assert_eq!(sandbox.join_files().unwrap().len(), 1);
    assert!(sandbox.dir_fd().is_some());
    assert_eq!(sandbox.name(), "a-1");
    sandbox.destroy().unwrap();
    assert!(!dir.exists());
    drop(manager);
    assert!(!tree.root.join("python-sandbox").exists(), "the last instance takes the parent along");
}

#[test]
fn true_root_keeps_its_processes() {
    let tree = Tree::new(true);
    tree.put("", "cgroup.procs", "1\n2\n");
    let manager = open(&tree, FakeOps::default());
    assert_eq!(tree.text("", "cgroup.procs"), "1\n2\n");
    assert_eq!(tree.text("", "cgroup.subtree_control").trim(), "memory pids cpu");
    assert!(!tree.root.join("python-sandbox-service").exists());
    let instance = manager.paths()[0].clone();
    for group in [tree.root.join("python-sandbox"), instance] {
        assert_eq!(tree.text(group, "cgroup.subtree_control").trim(), "memory pids cpu");
    }
}

#[test]
fn own_group_is_emptied_before_controllers_are_handed_down() {
    let tree = Tree::new(false);
    tree.put("", "cgroup.procs", "1\n17\n");
    let first = open(&tree, FakeOps::default());
    assert_eq!(tree.text("", "cgroup.procs"), "");
    assert_eq!(tree.text("python-sandbox-service", "cgroup.procs"), "1\n17\n");
    assert_eq!(tree.text("", "cgroup.subtree_control").trim(), "memory pids cpu");
    first.create("x", &LIMITS).unwrap().destroy().unwrap();
    // A second service of the same group finds everything in place.
    let second = open(&tree, FakeOps::default());
    second.create("x", &LIMITS).unwrap().destroy().unwrap();
    drop(first);
    assert!(second.create("y", &LIMITS).is_ok(), "the parent stays as long as somebody is in it");
}

#[test]
fn own_group_with_foreign_processes_is_an_error_with_a_hint() {
    let tree = Tree::new(false);
    tree.put("", "cgroup.procs", "0\n17\n");
    let ops: Arc<dyn Ops> = Arc::new(FakeOps::default());
    let error = Manager::open_with(&tree.layout(), CONFIG, &ops).unwrap_err();
    assert!(error.to_string().contains("processes or child groups are still in it"), "{error}");
    assert_eq!(ours_below(&tree.root), Vec::<std::path::PathBuf>::new());
}

#[test]
fn destroy_kills_with_one_write_and_waits_for_the_kernel() {
    let tree = Tree::new(true);
    let manager = open(&tree, FakeOps::default());
    let sandbox = manager.create("full", &LIMITS).unwrap();
    let dir = sandbox.paths()[0].clone();
    fs::write(dir.join("cgroup.procs"), "100\n101\n").unwrap();
    sandbox.kill().unwrap();
    assert_eq!(fs::read_to_string(dir.join("cgroup.procs")).unwrap(), "");
    fs::write(dir.join("cgroup.procs"), "100\n101\n").unwrap();
    sandbox.destroy().unwrap();
    assert!(!dir.exists());
}

#[test]
fn busy_groups_are_tried_again_for_a_bounded_time_and_then_when_asked() {
    let tree = Tree::new(true);
    let ops = Arc::new(FakeOps::default());
    let shared: Arc<dyn Ops> = Arc::<FakeOps>::clone(&ops);
    let manager = Manager::open_with(&tree.layout(), CONFIG, &shared).unwrap();
    let sandbox = manager.create("slow", &LIMITS).unwrap();
    ops.busy_count.store(5, Ordering::SeqCst);
    sandbox.destroy().unwrap();

    let sandbox = manager.create("stuck", &LIMITS).unwrap();
    let paths = sandbox.paths();
    ops.busy_count.store(usize::MAX, Ordering::SeqCst);
    match sandbox.destroy() {
        Err(CgroupError::NotRemoved { paths: left }) => assert_eq!(left, paths),
        other => panic!("{other:?}"),
    }
    for report in [manager.sweep(), manager.retry_leftovers(&|| true)] {
        assert_eq!(report.failures.len(), 1, "{report:?}");
    }
    ops.busy_count.store(0, Ordering::SeqCst);
    assert!(manager.retry_leftovers(&|| false).failures.is_empty());
    assert!(paths[0].exists(), "it was told to stop");
    assert!(manager.retry_leftovers(&|| true).failures.is_empty());
    assert!(!paths[0].exists());
}

#[test]
fn kernel_without_cgroup_kill_and_unkillable_process_is_reported() {
    let tree = Tree::new(true);
    let ops = Arc::new(FakeOps { lacks: &["cgroup.kill"], ..FakeOps::default() });
    let shared: Arc<dyn Ops> = Arc::<FakeOps>::clone(&ops);
    let manager = Manager::open_with(&tree.layout(), CONFIG, &shared).unwrap();
    let sandbox = manager.create("zombie", &LIMITS).unwrap();
    let dir = sandbox.paths()[0].clone();
    fs::write(dir.join("cgroup.procs"), "0\n").unwrap();
    assert!(matches!(sandbox.kill(), Err(CgroupError::NotKilled { .. })));
    let pids_writes = || {
        let writes = ops.writes.lock().unwrap();
        writes.iter().filter(|write| write.starts_with("pids.max=")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(pids_writes(), ["pids.max=20", "pids.max=0", "pids.max=20"], "forks are stopped meanwhile");
    assert_eq!(fs::read_to_string(dir.join("pids.max")).unwrap(), "20\n", "forks are allowed again");
    assert!(matches!(sandbox.destroy(), Err(CgroupError::NotRemoved { .. })));
    fs::write(dir.join("cgroup.procs"), "").unwrap();
    drop(manager);
    assert!(!dir.exists());
}

/// After a reset, an earlier kill for the sandbox's own limit does not make a later one look like that.
#[test]
fn a_reset_separates_what_was_counted_before_from_what_came_after() {
    let tree = Tree::new(true);
    for resets_peak in [true, false] {
        let manager = open(&tree, FakeOps { resets_peak, ..FakeOps::default() });
        let mut sandbox = manager.create("twice", &LIMITS).unwrap();
        let dir = sandbox.paths()[0].clone();
        let put = |file: &str, text: &str| fs::write(dir.join(file), text).unwrap();
        put("memory.peak", &format!("{}\n", 32 << 20));
        put("memory.events", "oom 1\noom_kill 1\n");
        let from_outside = |sandbox: &SandboxGroup| sandbox.usage().unwrap().oom_from_outside;
        assert!(!from_outside(&sandbox));
        assert_eq!(sandbox.reset_memory_peak(), resets_peak);
        put("memory.events", "oom 1\noom_kill 2\n");
        assert!(from_outside(&sandbox), "its own limit was not reached since");
        put("memory.events", "oom 2\noom_kill 3\n");
        assert!(!from_outside(&sandbox));

        assert_eq!(sandbox.reset_memory_peak(), resets_peak);
        let peak = |sandbox: &SandboxGroup| sandbox.usage().unwrap().memory_peak_bytes;
        if resets_peak {
            assert_eq!(peak(&sandbox), Some(0));
            put(PEAK_AFTER_RESET, "8192\n");
            assert_eq!(peak(&sandbox), Some(8192));
            // A peak at the limit counts, whatever the events say.
            put(PEAK_AFTER_RESET, &format!("{}\n", 32 << 20));
            assert!(!from_outside(&sandbox));
        } else {
            assert_eq!(peak(&sandbox), Some(32 << 20), "the sandbox's");
            assert!(from_outside(&sandbox));
        }
    }
}

#[test]
fn freezing_waits_for_the_kernel_and_a_frozen_group_is_removed() {
    let tree = Tree::new(true);
    let manager = open(&tree, FakeOps::default());
    let mut sandbox = manager.create("icy", &LIMITS).unwrap();
    let dir = sandbox.paths()[0].clone();
    let events = || fs::read_to_string(dir.join("cgroup.events")).unwrap();
    fs::write(dir.join("cgroup.procs"), "100\n101\n").unwrap();
    sandbox.thaw().unwrap();
    assert!(events().contains("frozen 0"), "nothing to do");
    for _ in 0..2 {
        sandbox.freeze().unwrap();
        assert!(events().contains("frozen 1"));
        sandbox.freeze().unwrap();
        sandbox.thaw().unwrap();
        assert!(events().contains("frozen 0"));
    }
    sandbox.freeze().unwrap();
    sandbox.destroy().unwrap();
    assert!(!dir.exists());
}

#[test]
fn a_kernel_that_never_reports_frozen_is_an_error_and_the_sandbox_runs_on() {
    let tree = Tree::new(true);
    let ops = Arc::new(FakeOps { ignores: &["cgroup.freeze"], ..FakeOps::default() });
    let shared: Arc<dyn Ops> = Arc::<FakeOps>::clone(&ops);
    let manager = Manager::open_with(&tree.layout(), CONFIG, &shared).unwrap();
    let mut sandbox = manager.create("warm", &LIMITS).unwrap();
    let error = sandbox.freeze().unwrap_err();
    assert!(matches!(&error, FreezeError::TooSlow { path } if *path == sandbox.paths()[0]), "{error}");
    assert!(!error.is_unsupported());
    let last = ops.writes.lock().unwrap().last().cloned();
    assert_eq!(last.as_deref(), Some("cgroup.freeze=0"));
    sandbox.destroy().unwrap();
}

#[test]
fn a_kernel_without_a_freezer_is_named() {
    let tree = Tree::new(true);
    let manager = open(&tree, FakeOps { lacks: &["cgroup.freeze"], ..FakeOps::default() });
    let mut sandbox = manager.create("old", &LIMITS).unwrap();
    let error = sandbox.freeze().unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("Linux 5.2"), "{error}");
    sandbox.thaw().unwrap();
}

#[test]
fn check_reports_each_wall_by_itself() {
    let tree = Tree::new(true);
    let manager = open(&tree, FakeOps { lacks: &["pids.max"], ..FakeOps::default() });
    let limits_checked = manager.check();
    for limit in &limits_checked {
        match (limit.kind, &limit.state) {
            (LimitKind::Pids, LimitState::Missing { why, fix }) => {
                assert!(why.contains("pids.max") && fix.contains("CONFIG_CGROUP_PIDS"), "{why} {fix}");
            }
            (kind, state) => assert_eq!((kind, state), (limit.kind, &LimitState::Enforced)),
        }
    }
    assert_eq!(limits_checked.len(), 4);
    assert!(ours_below(&tree.root).iter().all(|path| path.starts_with(&manager.paths()[0])));
    assert_eq!(ours_below(&tree.root).len(), 1, "the scratch group is gone");
}

#[test]
fn names_and_limits_are_refused_before_anything_is_made() {
    let tree = Tree::new(true);
    let manager = open(&tree, FakeOps::default());
    let long = "x".repeat(65);
    for name in ["", "a/b", "..", "a.b", "ü", "a b", &long] {
        assert!(matches!(manager.create(name, &LIMITS), Err(CgroupError::BadName { .. })), "{name:?}");
    }
    let none = GroupLimits { pids_max: 0, ..LIMITS };
    assert!(matches!(manager.create("a", &none), Err(CgroupError::BadLimit { field: "pids_max", .. })));
    let _first = manager.create("tasks", &LIMITS).unwrap();
    assert!(
        matches!(manager.create("tasks", &LIMITS), Err(CgroupError::NameTaken { name }) if name == "tasks")
    );
    assert_eq!(ours_below(&tree.root).len(), 2);
}

#[test]
fn value_that_the_kernel_does_not_hold_is_an_error() {
    let tree = Tree::new(true);
    for file in ["memory.max", "memory.swap.max", "pids.max", "cpu.max"] {
        let ignores: &'static [&'static str] = Box::leak(Box::new([file]));
        let manager = open(&tree, FakeOps { ignores, ..FakeOps::default() });
        let error = manager.create("deaf", &LIMITS).unwrap_err();
        assert!(matches!(&error, CgroupError::NotKept { path, .. } if path.ends_with(file)), "{error}");
        assert_eq!(ours_below(&tree.root), manager.paths(), "nothing is left");
    }
}

#[test]
fn newborn_instance_that_a_sweeper_takes_is_made_again() {
    let tree = Tree::new(true);
    let manager = open(&tree, FakeOps { swept_count: AtomicUsize::new(3), ..FakeOps::default() });
    manager.create("sandbox", &LIMITS).unwrap().destroy().unwrap();
    assert_eq!(ours_below(&tree.root), manager.paths());
    let ops: Arc<dyn Ops> =
        Arc::new(FakeOps { swept_count: AtomicUsize::new(usize::MAX), ..FakeOps::default() });
    let error = Manager::open_with(&tree.layout(), CONFIG, &ops).unwrap_err();
    assert!(matches!(error, CgroupError::Contended { .. }), "{error}");
}
