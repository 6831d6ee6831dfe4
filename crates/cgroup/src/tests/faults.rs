//! Fails every single step of open, create, destroy, close and sweep in turn, and checks for leftovers: on
//! the fake v2 tree, and on the real host.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;

use super::fake::{FakeOps, Faulty, Tree};
use super::real::{Host, run_in};
use super::{LIMITS, ours_below};
use crate::layout::Layout;
use crate::ops::{HostOps, Ops};
use crate::{Manager, ManagerConfig, SandboxGroup};

const CONFIG: ManagerConfig = ManagerConfig { removal_wait_ms: 500 };
/// No operation has this many steps; ends a test that would otherwise loop.
const STEPS_MAX: usize = 500;

/// `fill` puts processes into a group.
fn fails_cleanly_everywhere(layout: &Layout, inner: Arc<dyn Ops>, fill: fn(&SandboxGroup) -> Option<Child>) {
    let faulty = Faulty::new(inner);
    let ops: Arc<dyn Ops> = Arc::<Faulty>::clone(&faulty);
    let open = || Manager::open_with(layout, CONFIG, &ops);
    let parts: Vec<&Path> = layout.hierarchies().iter().map(|part| &*part.parent).collect();
    // Used only once a sandbox is frozen, and then as long as the instance exists.
    let late: Vec<&Path> = layout.freezer.iter().map(|part| &*part.parent).collect();
    let left_late = || late.iter().map(|dir| ours_below(dir).len()).sum::<usize>();
    let left = || -> Vec<PathBuf> { parts.iter().flat_map(|dir| ours_below(dir)).collect() };
    let parts_count = parts.len();

    each_step("open", &faulty, || {
        let opened = open();
        let is_ok = opened.is_ok();
        drop(opened);
        assert_eq!(left(), Vec::<PathBuf>::new());
        is_ok
    });

    let manager = open().unwrap();
    each_step("create", &faulty, || {
        let created = manager.create("sandbox", &LIMITS);
        if created.is_err() {
            assert_eq!(left().len(), parts_count, "only the instance is left: {:?}", left());
        }
        created.is_ok()
    });

    each_step("freeze and thaw", &faulty, || {
        let fault = faulty.suspend();
        // One that has frozen nothing before.
        let manager = open().unwrap();
        let mut sandbox = manager.create("sandbox", &LIMITS).unwrap();
        let child = fill(&sandbox);
        faulty.resume(fault);
        let done = sandbox.freeze().and_then(|()| sandbox.thaw());
        let fault = faulty.suspend();
        assert_ne!(done.is_ok(), !fault, "{done:?}");
        sandbox.thaw().unwrap();
        sandbox.freeze().unwrap();
        sandbox.destroy().unwrap();
        if let Some(mut child) = child {
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
        drop(manager);
        assert_eq!((left().len(), left_late()), (parts_count, 0), "{:?}", left());
        faulty.resume(fault);
        done.is_ok()
    });

    for (name, is_full, is_frozen) in
        [("destroy empty", false, false), ("destroy full", true, false), ("destroy frozen", true, true)]
    {
        each_step(name, &faulty, || {
            // The fault is for destroy alone.
            let fault = faulty.suspend();
            let mut sandbox = manager.create("sandbox", &LIMITS).unwrap();
            let child = if is_full { fill(&sandbox) } else { None };
            if is_frozen {
                sandbox.freeze().unwrap();
            }
            faulty.resume(fault);
            let destroyed = sandbox.destroy();
            let fault = faulty.suspend();
            if destroyed.is_err() {
                assert!(manager.sweep().failures.is_empty());
            }
            assert_eq!(left().len(), parts_count, "{:?}", left());
            assert!(left_late() <= 1, "only the instance is left");
            if let Some(mut child) = child {
                assert_eq!(child.wait().unwrap().signal(), Some(9));
            }
            faulty.resume(fault);
            true
        });
    }
    drop(manager);

    each_step("close and sweep", &faulty, || {
        let fault = faulty.suspend();
        let manager = open().unwrap();
        let mut sandbox = manager.create("sandbox", &LIMITS).unwrap();
        sandbox.freeze().unwrap();
        faulty.resume(fault);
        drop(sandbox);
        drop(manager);
        let fault = faulty.suspend();
        let next = open().unwrap();
        faulty.resume(fault);
        let _a_fault_may_hit_this_one = next.sweep();
        let fault = faulty.suspend();
        let report = next.sweep();
        assert!(report.failures.is_empty(), "{report:?}");
        assert_eq!(report.instances_live, 0);
        assert_eq!((left().len(), left_late()), (parts_count, 0), "{:?}", left());
        drop(next);
        faulty.resume(fault);
        true
    });
}

/// Runs `operation` with a fault in step 0, 1, 2, ... until it has no more steps; it returns whether it
/// succeeded.
fn each_step(name: &str, faulty: &Faulty, mut operation: impl FnMut() -> bool) {
    for step in 0..STEPS_MAX {
        faulty.arm(step);
        let succeeded = operation();
        if !faulty.fired() {
            assert!(succeeded, "{name} failed without a fault");
            assert!(step > 0, "{name} has no steps");
            println!("{name}: {step} steps, each failed once");
            return;
        }
    }
    panic!("{name} has more than {STEPS_MAX} steps");
}

fn fill_fake(sandbox: &SandboxGroup) -> Option<Child> {
    std::fs::write(sandbox.paths()[0].join("cgroup.procs"), "100\n101\n").unwrap();
    None
}

#[test]
fn nothing_is_left_on_a_fake_v2_host() {
    let tree = Tree::new(true);
    fails_cleanly_everywhere(&tree.layout(), Arc::new(FakeOps::default()), fill_fake);
}

#[test]
fn nothing_is_left_in_a_fake_v2_container() {
    let tree = Tree::new(false);
    tree.put("", "cgroup.procs", "1\n");
    fails_cleanly_everywhere(&tree.layout(), Arc::new(FakeOps::default()), fill_fake);
    assert_eq!(tree.text("python-sandbox-service", "cgroup.procs"), "1\n");
}

#[test]
fn nothing_is_left_on_this_host() {
    let Some(host) = Host::ready() else { return };
    fails_cleanly_everywhere(&host.layout, Arc::new(HostOps), |sandbox| {
        Some(run_in(sandbox, "exec sleep 1000"))
    });
}
