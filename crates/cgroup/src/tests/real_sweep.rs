//! Sweeping on this host: after SIGKILL of the owner, beside live services, and in races.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::real::{Host, run_in, wait_until};
use super::{LIMITS, host_view};
use crate::{Layout, Manager, ManagerConfig};

const OWNER_PARENT: &str = "CGROUP_TEST_OWNER_PARENT";
const OWNER_FREEZES: &str = "CGROUP_TEST_OWNER_FREEZES";

/// Not a test by itself: the code of the service that is killed, run when the environment requests it.
#[test]
fn helper_owner() {
    let Ok(parent) = std::env::var(OWNER_PARENT) else { return };
    let layout = Layout::detect_host(&host_view(), Some(&parent)).unwrap();
    let manager = Manager::open(layout, ManagerConfig::default()).unwrap();
    let mut sandbox = manager.create("victim", &LIMITS).unwrap();
    let mut orphan = run_in(&sandbox, "exec sleep 1000");
    if std::env::var_os(OWNER_FREEZES).is_some() {
        sandbox.freeze().unwrap();
    }
    eprintln!("owner ready {}", orphan.id());
    // Until killed, but not forever in case the test died first.
    std::thread::sleep(Duration::from_secs(60));
    drop(sandbox);
    orphan.wait().unwrap();
}

/// Starts [`helper_owner`] in a separate process; returns it with the pid of the process in its sandbox.
fn start_owner(host: &Host, freezes: bool) -> (Child, u32) {
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .envs(freezes.then_some((OWNER_FREEZES, "1")))
        .args([&format!("{module}::helper_owner"), "--exact", "--nocapture", "--test-threads=1"])
        .env(OWNER_PARENT, &host.parent)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stderr.take().unwrap()).lines().map_while(Result::ok);
    let ready = lines.filter_map(|line| line.strip_prefix("owner ready ").map(str::to_owned)).next();
    (owner, ready.expect("the helper gets ready").parse().unwrap())
}

/// A zombie counts as dead: its parent died, and it waits to be reaped here.
fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])))
}

#[test]
fn killed_owner_is_swept_and_live_sibling_is_not() {
    let Some(host) = Host::ready() else { return };
    let sibling = host.open();
    let sibling_cell = sibling.create("neighbour", &LIMITS).unwrap();
    let mut neighbour = run_in(&sibling_cell, "exec sleep 1000");
    let (mut owner, orphan) = start_owner(&host, false);
    let count = host.layout.hierarchies().len();
    let manager = host.open();

    let report = manager.sweep();
    assert_eq!((report.instances_removed, report.instances_live), (0, 2), "while alive: {report:?}");
    assert!(is_running(orphan));

    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(is_running(orphan), "the program outlives a killed service");
    let report = manager.sweep();
    assert_eq!((report.instances_removed, report.instances_live), (1, 1), "{report:?}");
    assert!(report.processes_killed >= 1 && report.failures.is_empty(), "{report:?}");
    let end = Instant::now() + Duration::from_secs(5);
    while is_running(orphan) {
        assert!(Instant::now() < end, "the orphan is still running");
    }
    assert!(neighbour.try_wait().unwrap().is_none(), "the other sandbox's program is still running");
    assert_eq!(host.ours().len(), 3 * count, "two instances and one sandbox: {:?}", host.ours());

    sibling_cell.destroy().unwrap();
    neighbour.wait().unwrap();
    drop((sibling, manager));
    assert_eq!(host.ours(), Vec::<PathBuf>::new());
}

/// On v1 SIGKILL alone does not end it.
#[test]
fn a_frozen_sandbox_of_a_killed_owner_is_swept() {
    let Some(host) = Host::ready() else { return };
    let (mut owner, orphan) = start_owner(&host, true);
    owner.kill().unwrap();
    owner.wait().unwrap();
    let manager = host.open();
    let report = manager.sweep();
    assert!(report.failures.is_empty(), "{report:?}");
    assert_eq!(report.instances_removed, 1, "{report:?}");
    wait_until("the end of the orphan", || !is_running(orphan));
    drop(manager);
    assert_eq!(host.ours(), Vec::<PathBuf>::new());
}

#[test]
fn parts_of_an_instance_are_swept_and_other_groups_are_not() {
    let Some(host) = Host::ready() else { return };
    let manager = host.open();
    let hierarchies = host.layout.hierarchies();
    let mut ours = Vec::new();
    for (index, hierarchy) in hierarchies.iter().enumerate() {
        // As after a crash while creating or removing.
        let part = hierarchy.parent.join(format!("i-{index:032x}"));
        fs::create_dir_all(part.join("c-sandbox")).unwrap();
        ours.push(part);
    }
    let foreign: Vec<PathBuf> =
        ["i-short", "other", &format!("i-{}", "G".repeat(32)), &format!("x-{:032x}", 1)]
            .iter()
            .map(|name| hierarchies[0].parent.join(name))
            .collect();
    foreign.iter().for_each(|path| fs::create_dir(path).unwrap());

    let report = manager.sweep();
    assert_eq!(report.instances_removed, ours.len(), "{report:?}");
    assert!(report.failures.is_empty(), "{report:?}");
    assert!(ours.iter().all(|path| !path.exists()));
    assert!(foreign.iter().all(|path| path.exists()));
    foreign.iter().for_each(|path| fs::remove_dir(path).unwrap());
}

/// Opening, sweeping and leaving at the same time, where the last one to leave removes the parent used by the
/// next.
#[test]
fn services_that_come_and_go_do_not_hurt_each_other() {
    const SERVICES: usize = 4;
    const ROUNDS: usize = 15;
    let Some(mut host) = Host::ready() else { return };
    host.layout.hierarchies.iter_mut().for_each(|hierarchy| hierarchy.parent_is_ours = true);
    std::thread::scope(|scope| {
        for _ in 0..SERVICES {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let manager = host.open();
                    let sandbox = manager.create("sandbox", &LIMITS).unwrap();
                    let report = manager.sweep();
                    assert!(report.failures.is_empty(), "{report:?}");
                    assert!(sandbox.usage().is_ok(), "no live group was swept");
                    sandbox.destroy().unwrap();
                }
            });
        }
    });
    assert!(host.layout.hierarchies().iter().all(|hierarchy| !hierarchy.parent.exists()));
}
