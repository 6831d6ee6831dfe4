//! An unprivileged user on this host, before and after root delegates groups.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::real::Host;
use super::{LIMITS, host_view, unique};
use crate::{
    Bound, DelegateError, DelegatedLimits, Layout, LimitState, Manager, ManagerConfig, Version, delegate,
};

/// No account of any host has this id.
const UID: u32 = 3_141_592;
const USER_MODE: &str = "CGROUP_TEST_USER_MODE";

/// Not a test by itself: what the unprivileged user does, run when the environment requests it.
#[test]
fn helper_user() {
    match std::env::var(USER_MODE).as_deref() {
        Ok("refused") => {
            let error = Layout::detect_host(&host_view(), None).unwrap_err().to_string();
            assert!(error.contains("sudo python-sandbox setup --delegate-cgroups"), "{error}");
            assert!(error.contains(&format!("python-sandbox-u{UID}")), "{error}");
            let refused = delegate(&host_view(), UID, UID, &DelegatedLimits::default()).unwrap_err();
            assert!(matches!(refused, DelegateError::NotRoot), "{refused}");
        }
        Ok("works") => {
            let manager =
                Manager::open(Layout::detect_host(&host_view(), None).unwrap(), ManagerConfig::default())
                    .unwrap();
            assert!(manager.check().iter().all(|limit| limit.state == LimitState::Enforced));
            let mut sandbox = manager.create("mine", &LIMITS).unwrap();
            let mut child = super::real::run_in(&sandbox, "exec sleep 1000");
            assert_eq!(sandbox.usage().unwrap().oom_kills, 0);
            assert_eq!(sandbox.freeze().is_ok(), manager.instance.freezer.is_ok());
            sandbox.destroy().unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(9));
            assert_eq!(manager.reads().join_file().is_ok(), manager.instance.io.is_ok());
            let own = format!("python-sandbox-u{UID}");
            let above = manager.paths()[0].ancestors().find(|path| path.ends_with(&own)).unwrap().to_owned();
            assert!(
                fs::write(above.join("memory.limit_in_bytes"), "-1").is_err(),
                "limits of the parent are root's"
            );
            assert!(manager.sweep().failures.is_empty());
        }
        _ => {}
    }
}

/// Removes what the test created, also when it fails.
struct Made {
    program: PathBuf,
    groups: Vec<PathBuf>,
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in &self.groups {
            let _reported_by_the_assert_below = fs::remove_dir(path);
        }
        let _same = fs::remove_file(&self.program);
    }
}

fn run_as_user(program: &Path, mode: &str) {
    let (_, module) = module_path!().split_once("::").unwrap();
    let output = Command::new(program)
        .args([&format!("{module}::helper_user"), "--exact", "--nocapture", "--test-threads=1"])
        .env(USER_MODE, mode)
        .current_dir("/")
        .uid(UID)
        .gid(UID)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{mode}: {text}");
}

#[test]
fn user_is_refused_before_and_works_after_delegation() {
    let Some(host) = Host::ready() else { return };
    if host.layout.hierarchies().iter().any(|hierarchy| hierarchy.version == Version::V2) {
        return testkit::does_not_apply("on v2 the user must be started in the delegated group");
    }
    // The build directory may not be accessible to others.
    let program = std::env::temp_dir().join(unique("cgroup-user-test"));
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut made = Made { program, groups: Vec::new() };

    run_as_user(&made.program, "refused");
    let unlimited = delegate(&host_view(), UID, UID, &DelegatedLimits::default()).unwrap();
    made.groups = unlimited.directories.clone();
    assert_eq!(
        delegate(&host_view(), UID, UID, &DelegatedLimits::default()).unwrap(),
        unlimited,
        "may be repeated"
    );
    assert_eq!((unlimited.memory_bytes, unlimited.pids_max, unlimited.cpu_quota_us), (None, None, None));
    // Lower, raise, and off again: memory and its sum with swap must be written in the right order.
    for (memory, pids, cpu) in [(1 << 30, 500, 50_000), (256 << 20, 100, 20_000), (2 << 30, 1000, 150_000)] {
        let limits = DelegatedLimits {
            memory_bytes: Some(Bound::At(memory)),
            pids_max: Some(Bound::At(pids)),
            cpu_quota_us: Some(Bound::At(cpu)),
        };
        let limited = delegate(&host_view(), UID, UID, &limits).unwrap();
        assert_eq!(
            (limited.memory_bytes, limited.pids_max, limited.cpu_quota_us),
            (Some(memory), Some(pids), Some(cpu))
        );
        assert_eq!(
            delegate(&host_view(), UID, UID, &DelegatedLimits::default()).unwrap(),
            limited,
            "they are kept"
        );
    }
    let late = host.layout.io.iter().filter(|io| io.version == Version::V1).chain(&host.layout.freezer);
    assert_eq!(made.groups.len(), host.layout.hierarchies().len() + late.count());
    run_as_user(&made.program, "works");
    let off = Some(Bound::Max);
    let limits = DelegatedLimits { memory_bytes: off, pids_max: off, cpu_quota_us: off };
    assert_eq!(delegate(&host_view(), UID, UID, &limits).unwrap(), unlimited);
    for path in &made.groups {
        fs::remove_dir(path).unwrap();
    }
    assert!(matches!(delegate(&host_view(), 0, 0, &DelegatedLimits::default()), Err(DelegateError::ToRoot)));
}
