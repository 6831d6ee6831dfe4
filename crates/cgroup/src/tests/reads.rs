//! The limit on reads: where it is found, on a fake v2 tree, and on the disk of this host.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fake::{FakeOps, Tree};
use super::real::Host;
use crate::ops::Ops;
use crate::{CgroupError, Disk, Manager, ManagerConfig, ReadLimitError, Reads};

const MIB: u64 = 1 << 20;

/// The disk of this build's directory; `None`, reported, if that has no block device of its own.
fn disk() -> Option<Disk> {
    let found = Disk::of(Path::new(env!("CARGO_MANIFEST_DIR")));
    found.map_or_else(|error| testkit::does_not_apply(&error), Some)
}

fn open(tree: &Tree, ops: FakeOps) -> (Manager, Reads) {
    let ops: Arc<dyn Ops> = Arc::new(ops);
    let manager = Manager::open_with(&tree.layout(), ManagerConfig { removal_wait_ms: 200 }, &ops).unwrap();
    let reads = manager.reads();
    (manager, reads)
}

#[test]
fn on_v2_the_limit_is_the_instances_and_is_handed_down_for_it_alone() {
    let tree = Tree::new(true);
    let (manager, reads) = open(&tree, FakeOps::default());
    let handed_down = |group: &str| tree.text(group, "cgroup.subtree_control").contains("io");
    assert!(!handed_down("") && !handed_down("python-sandbox"), "not requested yet");
    assert!(reads.join_file().unwrap().is_none(), "all groups are below the instance");
    reads.limit(Disk::for_tests(8, 16), 100 * MIB).unwrap();
    assert!(handed_down("") && handed_down("python-sandbox"));
    let instance = manager.paths()[0].clone();
    let text = fs::read_to_string(instance.join("io.max")).unwrap();
    assert_eq!(text, "8:16 rbps=104857600 riops=1600\n");
    let below = fs::read_to_string(instance.join("cgroup.subtree_control")).unwrap();
    assert!(!below.contains("io"), "no sandbox accounts it separately: {below}");
    drop((manager, reads));
    assert!(!tree.root.join("python-sandbox").exists());
}

#[test]
fn a_kernel_that_does_not_keep_the_limit_is_an_error() {
    let tree = Tree::new(true);
    let (_manager, reads) = open(&tree, FakeOps { ignores: &["io.max"], ..FakeOps::default() });
    let error = reads.limit(Disk::for_tests(8, 16), MIB).unwrap_err();
    assert!(matches!(error, ReadLimitError::Cgroup(CgroupError::NotKept { .. })), "{error}");
}

/// Each v1 file of the throttle has the disk's line, and a process that joins is in the group with what it
/// starts.
#[test]
fn on_this_host_the_limit_is_set_and_ends_with_the_service() {
    let (Some(host), Some(disk)) = (Host::ready(), disk()) else { return };
    if let Err(problem) = &host.layout.io {
        return testkit::does_not_apply(format_args!("no limit on reads: {problem:?}"));
    }
    let manager = host.open();
    let reads = manager.reads();
    let before = host.ours();
    let join = reads.join_file().unwrap();
    reads.limit(disk, MIB).unwrap();
    reads.limit(disk, 100 * MIB).unwrap();
    let Some(join) = join else { return };
    let made: Vec<PathBuf> = host.ours().into_iter().filter(|group| !before.contains(group)).collect();
    let [group] = &made[..] else { panic!("one group for all: {made:?}") };
    let text = |file: &str| fs::read_to_string(group.join(file)).unwrap();
    assert_eq!(text("blkio.throttle.read_bps_device"), format!("{disk} {}\n", 100 * MIB));
    assert_eq!(text("blkio.throttle.read_iops_device"), format!("{disk} 1600\n"));
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    rustix::io::write(&join, child.id().to_string().as_bytes()).unwrap();
    assert_eq!(text("cgroup.procs"), format!("{}\n", child.id()));
    drop((reads, manager));
    child.wait().unwrap();
    assert_eq!(host.ours(), Vec::<PathBuf>::new());
}

/// What a killed service leaves, which carries no lock itself.
#[test]
fn a_group_without_an_owner_is_swept_and_that_of_a_living_service_is_not() {
    let Some(host) = Host::ready() else { return };
    let (manager, living) = (host.open(), host.open());
    let Ok(io) = &host.layout.io else { return };
    if manager.instance.part_of_reads().is_some() || living.reads().join_file().is_err() {
        return;
    }
    let orphan = io.parent.join(format!("i-{:032x}", 7));
    fs::create_dir_all(&orphan).unwrap();
    let report = manager.sweep();
    assert!(report.failures.is_empty(), "{report:?}");
    assert!(!orphan.exists());
    assert!(io.parent.join(&living.instance.name).exists(), "its owner is alive");
}
