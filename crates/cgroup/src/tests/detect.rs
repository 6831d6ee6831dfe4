//! Detection on captured and handwritten hosts.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::detect::OwnProc;
use crate::scope::scope_helps_here;
use crate::{DetectError, FsView, Layout};

/// A host: entries are `<rw> <path>` or `<rw> <path> = <text>`, with `w` for what this user may write. A
/// group with an entry `<group>/delegate` carries systemd's mark.
struct View {
    euid: u32,
    entries: BTreeMap<PathBuf, (bool, String)>,
    in_container: bool,
    is_unit: bool,
}

impl View {
    fn new(euid: u32, entries: &[&str]) -> Self {
        let parse = |entry: &&str| {
            let (mode, rest) = entry.split_once(' ').unwrap();
            let (path, text) = rest.split_once(" = ").unwrap_or((rest, ""));
            (PathBuf::from(path), (mode == "w", text.to_owned()))
        };
        Self { euid, entries: entries.iter().map(parse).collect(), in_container: false, is_unit: false }
    }
}

impl FsView for View {
    fn euid(&self) -> u32 {
        self.euid
    }
    fn exists(&self, path: &Path) -> bool {
        self.entries.contains_key(path)
    }
    fn writable(&self, path: &Path) -> bool {
        self.entries.get(path).is_some_and(|(writable, _)| *writable)
    }
    fn read(&self, path: &Path) -> io::Result<String> {
        self.entries.get(path).map(|(_, text)| text.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn is_delegated(&self, group: &Path) -> bool {
        self.exists(&group.join("delegate"))
    }
    fn in_container(&self) -> bool {
        self.in_container
    }
    fn is_unit(&self) -> bool {
        self.is_unit
    }
    fn command(&self) -> &str {
        "run"
    }
    fn container_options(&self) -> &str {
        "--cap-add SYS_ADMIN"
    }
}

/// Every hierarchy as `<version> <controllers> <parent>[ own <group>]`, or the error's text.
fn detect(cgroup: &str, mountinfo: &str, view: &View, parent: Option<&str>) -> Result<Vec<String>, String> {
    let layout = Layout::detect(cgroup, mountinfo, view, parent).map_err(|error| error.to_string())?;
    let line = |hierarchy: &crate::Hierarchy| {
        let names: Vec<_> = hierarchy.controllers.iter().map(|controller| controller.name()).collect();
        let own = hierarchy.own.as_ref().map(|own| format!(" own {}", own.display())).unwrap_or_default();
        format!("{:?} {} {}{own}", hierarchy.version, names.join(","), hierarchy.parent.display())
    };
    Ok(layout.hierarchies().iter().map(line).collect())
}

#[track_caller]
fn finds(host: (&str, &str), euid: u32, entries: &[&str], expected: &[&str]) {
    let found = detect(host.0, host.1, &View::new(euid, entries), None);
    assert_eq!(found.as_deref(), Ok(expected.map_to_owned().as_slice()));
}

#[track_caller]
fn refuses(host: (&str, &str), euid: u32, entries: &[&str], parts: &[&str], absent: &[&str]) {
    let error = detect(host.0, host.1, &View::new(euid, entries), None).unwrap_err();
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    for part in absent {
        assert!(!error.contains(part), "`{part}` is in: {error}");
    }
}

trait MapToOwned {
    fn map_to_owned(&self) -> Vec<String>;
}

impl MapToOwned for [&str] {
    fn map_to_owned(&self) -> Vec<String> {
        self.iter().map(|&text| text.to_owned()).collect()
    }
}

/// Captured on a microVM: every v1 controller by itself, beside an empty v2 hierarchy.
const SEPARATE_V1: (&str, &str) = (
    "9:name=systemd:/\n8:pids:/\n7:blkio:/\n6:freezer:/\n5:devices:/\n4:memory:/process_api/97e4e587\n3:cpuset:/\n\
     2:cpuacct:/\n1:cpu:/\n0::/\n",
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
     32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
     33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n\
     34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n\
     35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
     39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\
     40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
     41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
);

const SEPARATE_V1_ROOT: &[&str] = &[
    "w /sys/fs/cgroup/cpu",
    "w /sys/fs/cgroup/cpuacct",
    "w /sys/fs/cgroup/memory",
    "w /sys/fs/cgroup/pids",
    "w /sys/fs/cgroup/unified",
    "r /sys/fs/cgroup/unified/cgroup.controllers = hugetlb\n",
];

#[test]
fn separate_v1_as_root() {
    finds(
        SEPARATE_V1,
        0,
        SEPARATE_V1_ROOT,
        &[
            "V1 memory /sys/fs/cgroup/memory/python-sandbox",
            "V1 pids /sys/fs/cgroup/pids/python-sandbox",
            "V1 cpu /sys/fs/cgroup/cpu/python-sandbox",
            "V1 cpuacct /sys/fs/cgroup/cpuacct/python-sandbox",
        ],
    );
}

/// Where reads can be limited, or the problem and its fix.
fn io_of(host: (&str, &str), euid: u32, entries: &[&str]) -> Result<String, String> {
    let layout = Layout::detect(host.0, host.1, &View::new(euid, entries), None).unwrap();
    let part = |io: &crate::Hierarchy| format!("{:?} {}", io.version, io.parent.display());
    layout.io.as_ref().map(part).map_err(|problem| format!("{}: {}", problem.reason, problem.fix))
}

/// The group that limits reads may be missing, and everything else is still found.
#[test]
fn the_controller_of_reads_is_no_condition() {
    let missing = io_of(SEPARATE_V1, 0, SEPARATE_V1_ROOT).unwrap_err();
    assert!(missing.starts_with("not mounted: ") && missing.contains("-o blkio"), "{missing}");
    let mount = "36 31 0:34 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio\n";
    let mounts = format!("{}{mount}", SEPARATE_V1.1);
    let with_blkio = (SEPARATE_V1.0, mounts.as_str());
    let root = [SEPARATE_V1_ROOT, &["w /sys/fs/cgroup/blkio"]].concat();
    let found = "V1 /sys/fs/cgroup/blkio/python-sandbox";
    assert_eq!(io_of(with_blkio, 0, &root).as_deref(), Ok(found));
    let user = [SEPARATE_V1_USER, &["r /sys/fs/cgroup/blkio"]].concat();
    let missing = io_of(with_blkio, 1000, &user).unwrap_err();
    assert!(missing.contains("setup --delegate-cgroups"), "{missing}");
    let user = [&user[..], &["w /sys/fs/cgroup/blkio/python-sandbox-u1000"]].concat();
    assert_eq!(io_of(with_blkio, 1000, &user).unwrap(), format!("{found}-u1000"));

    let scope = (&*format!("0::{SCOPE}\n"), V2_MOUNT);
    let io_in = |controllers: &str| {
        let entries = scope_entries(controllers);
        io_of(scope, 1000, &entries.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let missing = io_in("cpu memory pids").unwrap_err();
    assert!(
        missing.starts_with("not enabled") && missing.contains("Delegate=cpu io memory pids"),
        "{missing}"
    );
    assert_eq!(io_in("cpu io memory pids").unwrap(), format!("V2 /sys/fs/cgroup{SCOPE}/python-sandbox"));
}

/// Only v1 needs a controller for freezing, which may be missing too.
#[test]
fn the_controller_of_the_freezer_is_no_condition() {
    let freezer = |host: (&str, &str), euid, entries: &[&str]| {
        let layout = Layout::detect(host.0, host.1, &View::new(euid, entries), None).unwrap();
        layout.freezer.map(|found| found.parent).map_err(|problem| problem.fix)
    };
    let missing = freezer(SEPARATE_V1, 0, SEPARATE_V1_ROOT).unwrap_err();
    assert!(missing.contains("-o freezer"), "{missing}");
    let together = SEPARATE_V1.1.replace("cgroup rw,memory", "cgroup rw,memory,freezer");
    let shared = freezer((SEPARATE_V1.0, &together), 0, SEPARATE_V1_ROOT).unwrap_err();
    assert!(shared.contains("a hierarchy of its own"), "{shared}");
    let reads = "37 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio,freezer\n";
    let root = [SEPARATE_V1_ROOT, &["w /sys/fs/cgroup/blkio"]].concat();
    let shared = freezer((SEPARATE_V1.0, &format!("{}{reads}", SEPARATE_V1.1)), 0, &root).unwrap_err();
    assert!(shared.contains("a hierarchy of its own"), "{shared}");
    let mount = "37 31 0:35 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n";
    let mounts = format!("{}{mount}", SEPARATE_V1.1);
    let host = (SEPARATE_V1.0, mounts.as_str());
    let root = [SEPARATE_V1_ROOT, &["w /sys/fs/cgroup/freezer"]].concat();
    assert_eq!(freezer(host, 0, &root), Ok("/sys/fs/cgroup/freezer/python-sandbox".into()));
    let user = [SEPARATE_V1_USER, &["r /sys/fs/cgroup/freezer"]].concat();
    assert!(freezer(host, 1000, &user).unwrap_err().contains("setup --delegate-cgroups"));
    let user = [&user[..], &["w /sys/fs/cgroup/freezer/python-sandbox-u1000"]].concat();
    assert_eq!(freezer(host, 1000, &user), Ok("/sys/fs/cgroup/freezer/python-sandbox-u1000".into()));
}

const SEPARATE_V1_USER: &[&str] = &[
    "r /sys/fs/cgroup/cpu",
    "r /sys/fs/cgroup/cpuacct",
    "r /sys/fs/cgroup/memory",
    "r /sys/fs/cgroup/pids",
    "w /sys/fs/cgroup/cpu/python-sandbox-u1000",
    "w /sys/fs/cgroup/cpuacct/python-sandbox-u1000",
    "w /sys/fs/cgroup/memory/python-sandbox-u1000",
    "w /sys/fs/cgroup/pids/python-sandbox-u1000",
];

#[test]
fn separate_v1_as_user_with_delegation() {
    finds(
        SEPARATE_V1,
        1000,
        SEPARATE_V1_USER,
        &[
            "V1 memory /sys/fs/cgroup/memory/python-sandbox-u1000",
            "V1 pids /sys/fs/cgroup/pids/python-sandbox-u1000",
            "V1 cpu /sys/fs/cgroup/cpu/python-sandbox-u1000",
            "V1 cpuacct /sys/fs/cgroup/cpuacct/python-sandbox-u1000",
        ],
    );
}

#[test]
fn separate_v1_as_user_names_exactly_what_is_missing() {
    let command = "sudo python-sandbox setup --delegate-cgroups";
    let all = ["`memory`: no delegated", "`pids`: no", "`cpu`: no", "`cpuacct`: no", command];
    refuses(SEPARATE_V1, 1000, &SEPARATE_V1_USER[..4], &all, &[]);
    // Delegated to another user.
    refuses(SEPARATE_V1, 1001, SEPARATE_V1_USER, &["python-sandbox-u1001", command], &["u1000"]);
    // One missing, one existing but with another owner.
    let mut entries = SEPARATE_V1_USER.to_vec();
    entries.retain(|entry| *entry != "w /sys/fs/cgroup/pids/python-sandbox-u1000");
    refuses(SEPARATE_V1, 1000, &entries, &["`pids`: no delegated", command], &["`memory`", "`cpu`"]);
    entries.push("r /sys/fs/cgroup/pids/python-sandbox-u1000");
    refuses(SEPARATE_V1, 1000, &entries, &["`pids`: no right to write to", command], &["`memory`", "`cpu`"]);
}

/// Debian 9 to 10 and CentOS 7 in their default: systemd on v1, `cpu` and `cpuacct` together.
const SYSTEMD_V1: (&str, &str) = (
    "11:memory:/user.slice\n10:pids:/user.slice/user-1000.slice/session-1.scope\n5:cpu,cpuacct:/user.slice\n\
     4:net_cls,net_prio:/\n1:name=systemd:/user.slice/user-1000.slice/session-1.scope\n",
    "26 18 0:22 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755\n\
     27 26 0:23 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,xattr,release_agent=/lib/x,name=systemd\n\
     31 26 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:12 - cgroup cgroup rw,cpu,cpuacct\n\
     32 26 0:28 / /sys/fs/cgroup/memory rw,nosuid shared:13 - cgroup cgroup rw,memory\n\
     36 26 0:32 / /sys/fs/cgroup/pids rw,nosuid shared:17 - cgroup cgroup rw,pids\n",
);

#[test]
fn systemd_v1_shares_one_group_for_cpu_and_cpuacct() {
    finds(
        SYSTEMD_V1,
        0,
        &["w /sys/fs/cgroup/cpu,cpuacct", "w /sys/fs/cgroup/memory", "w /sys/fs/cgroup/pids"],
        &[
            "V1 memory /sys/fs/cgroup/memory/python-sandbox",
            "V1 pids /sys/fs/cgroup/pids/python-sandbox",
            "V1 cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct/python-sandbox",
        ],
    );
}

#[test]
fn systemd_hybrid_uses_v1_where_the_controllers_are() {
    let cgroup = format!("{}0::/user.slice/user-1000.slice/session-1.scope\n", SYSTEMD_V1.0);
    let mounts = format!(
        "{}28 26 0:24 / /sys/fs/cgroup/unified rw,nosuid shared:11 - cgroup2 cgroup2 rw,nsdelegate\n",
        SYSTEMD_V1.1
    );
    finds(
        (&cgroup, &mounts),
        0,
        &[
            "w /sys/fs/cgroup/cpu,cpuacct",
            "w /sys/fs/cgroup/memory",
            "w /sys/fs/cgroup/pids",
            "w /sys/fs/cgroup/unified",
            "r /sys/fs/cgroup/unified/cgroup.controllers = ",
        ],
        &[
            "V1 memory /sys/fs/cgroup/memory/python-sandbox",
            "V1 pids /sys/fs/cgroup/pids/python-sandbox",
            "V1 cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct/python-sandbox",
        ],
    );
}

#[test]
fn split_hybrid_uses_both_versions() {
    finds(
        (
            "3:cpu,cpuacct:/\n0::/init\n",
            "31 26 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
             28 26 0:24 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        ),
        0,
        &[
            "w /sys/fs/cgroup/cpu",
            "w /sys/fs/cgroup/unified",
            "w /sys/fs/cgroup/unified/cgroup.procs",
            "w /sys/fs/cgroup/unified/cgroup.subtree_control",
            "r /sys/fs/cgroup/unified/cgroup.controllers = memory pids io",
        ],
        &[
            "V2 memory,pids /sys/fs/cgroup/unified/python-sandbox",
            "V1 cpu,cpuacct /sys/fs/cgroup/cpu/python-sandbox",
        ],
    );
}

const V2_MOUNT: &str =
    "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

const V2_TRUE_ROOT: &[&str] = &[
    "w /sys/fs/cgroup",
    "w /sys/fs/cgroup/cgroup.procs",
    "w /sys/fs/cgroup/cgroup.subtree_control",
    "r /sys/fs/cgroup/cgroup.controllers = cpuset cpu io memory hugetlb pids rdma misc\n",
];

#[test]
fn systemd_v2_as_root() {
    finds(
        ("0::/system.slice/python-sandbox.service\n", V2_MOUNT),
        0,
        V2_TRUE_ROOT,
        &["V2 memory,pids,cpu,cpuacct /sys/fs/cgroup/python-sandbox"],
    );
}

#[test]
fn systemd_v2_as_root_without_memory_controller() {
    let mut entries = V2_TRUE_ROOT[..3].to_vec();
    entries.push("r /sys/fs/cgroup/cgroup.controllers = cpuset cpu io pids\n");
    let host = ("0::/system.slice/x.service\n", V2_MOUNT);
    refuses(host, 0, &entries, &["`memory`: not enabled", "cgroup_disable=memory"], &["`pids`", "`cpu`"]);
}

const SESSION: (&str, &str) = ("0::/user.slice/user-1000.slice/session-3.scope\n", V2_MOUNT);
const SESSION_DIR: &str = "/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope";
const SYSTEMD: &str = "r /run/systemd/system";
const BUS: &str = "w /run/user/1000/bus";

fn session_entries(more: &[&str]) -> Vec<String> {
    let session =
        ["r /sys/fs/cgroup", &format!("r {SESSION_DIR}"), &format!("r {SESSION_DIR}/cgroup.type = domain\n")];
    session.iter().chain(more).map(|&entry| entry.to_owned()).collect()
}

/// Whether restarting below the user's systemd helps, on a view that `change` prepares.
fn scope_helps(host: (&str, &str), euid: u32, entries: &[String], change: impl FnOnce(&mut View)) -> bool {
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let mut view = View::new(euid, &entries);
    change(&mut view);
    scope_helps_here(&OwnProc { cgroup: host.0.to_owned(), mountinfo: host.1.to_owned() }, &view)
}

#[test]
fn systemd_v2_as_user_in_a_login_session_names_the_one_command_that_helps_there() {
    let run = "systemd-run --user --scope -p Delegate=yes python-sandbox run";
    let linger = "loginctl enable-linger 1000";
    let unit = "`Delegate=yes` to the [Service] section";
    let never = "setup --delegate-cgroups";
    for (more, is_unit, hint) in [
        (vec![SYSTEMD, BUS], false, run),
        // As after su.
        (vec![SYSTEMD], false, linger),
        (vec![SYSTEMD, BUS], true, unit),
        // No systemd at all.
        (vec![], false, "run it as root"),
    ] {
        let entries = session_entries(&more);
        let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        let mut view = View::new(1000, &entries);
        view.is_unit = is_unit;
        let error = detect(SESSION.0, SESSION.1, &view, None).unwrap_err();
        let expected =
            format!("`memory`, `pids`, `cpu`, `cpuacct`: no right to write to `{SESSION_DIR}` (hint: ");
        assert!(error.contains(&expected), "{error}");
        let absent = [run, linger, unit, never].into_iter().filter(|other| *other != hint);
        assert!(error.contains(hint), "{error}");
        assert!(absent.into_iter().all(|other| !error.contains(other)), "{error}");
    }
}

#[test]
fn a_start_below_the_users_systemd_helps_where_the_own_group_is_not_the_users() {
    let entries = session_entries(&[]);
    assert!(scope_helps(SESSION, 1000, &entries, |_| {}));
    assert!(!scope_helps(SESSION, 1000, &entries, |view| view.is_unit = true), "it would leave the unit");
    assert!(!scope_helps(SESSION, 0, &entries, |_| {}), "root needs none");
    let v1: Vec<String> = SEPARATE_V1_USER[..4].map_to_owned();
    assert!(!scope_helps(SEPARATE_V1, 1000, &v1, |_| {}), "v1 knows no scopes");

    let host = (&*format!("0::{SCOPE}\n"), V2_MOUNT);
    let mut scope = scope_entries("cpu memory pids");
    assert!(scope_helps(host, 1000, &scope, |_| {}), "a terminal's scope is systemd's");
    scope.push(format!("r /sys/fs/cgroup{SCOPE}/delegate"));
    assert!(!scope_helps(host, 1000, &scope, |_| {}), "this one was delegated to us");
    let leaf = (&*format!("0::{SCOPE}/python-sandbox-service\n"), V2_MOUNT);
    assert!(!scope_helps(leaf, 1000, &scope, |_| {}));
    // What is missing is not the group.
    let mut lacking = scope_entries("memory pids");
    lacking.push(format!("r /sys/fs/cgroup{SCOPE}/delegate"));
    assert!(!scope_helps(host, 1000, &lacking, |_| {}));
    // A unit created by another user, as with User=: not ours to leave.
    let service = "/sys/fs/cgroup/system.slice/x.service";
    let unit: Vec<String> =
        scope.iter().map(|entry| entry.replace(&format!("/sys/fs/cgroup{SCOPE}"), service)).collect();
    assert!(!scope_helps(("0::/system.slice/x.service\n", V2_MOUNT), 1000, &unit, |_| {}));
}

#[test]
fn systemd_v2_as_root_stays_in_a_group_that_was_left_to_it() {
    let dir = "/sys/fs/cgroup/system.slice/python-sandbox.service";
    let mut entries: Vec<String> = V2_TRUE_ROOT.map_to_owned();
    entries.extend(
        [
            "",
            "/cgroup.procs",
            "/cgroup.subtree_control",
            "/cgroup.type = domain",
            "/cgroup.controllers = cpu memory pids",
        ]
        .map(|file| format!("w {dir}{file}")),
    );
    let own = format!("V2 memory,pids,cpu,cpuacct {dir}/python-sandbox own {dir}");
    let global = "V2 memory,pids,cpu,cpuacct /sys/fs/cgroup/python-sandbox";
    let finds = |entries: &[String], in_container: bool, cgroup: &str| {
        let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        let mut view = View::new(0, &entries);
        view.in_container = in_container;
        detect(cgroup, V2_MOUNT, &view, None).unwrap()
    };
    let unit = "0::/system.slice/python-sandbox.service\n";
    let leaf = "0::/system.slice/python-sandbox.service/python-sandbox-service\n";
    assert_eq!(finds(&entries, false, unit), [global], "without Delegate=yes it is managed by systemd");
    // A container that sees the host's hierarchy: its limits are on its own group.
    assert_eq!(finds(&entries, true, unit), [&*own]);
    assert_eq!(finds(&entries, true, "0::/\n"), [global], "there is no own group to stay in");
    let mut with_systemd = entries.clone();
    with_systemd.push(SYSTEMD.to_owned());
    assert_eq!(finds(&with_systemd, true, unit), [global], "as on WSL: systemd marks what is ours");
    entries.push(format!("r {dir}/delegate"));
    assert_eq!(finds(&entries, false, unit), [&*own]);
    assert_eq!(finds(&entries, false, leaf), [&*own]);
}

const SCOPE: &str = "/user.slice/user-1000.slice/user@1000.service/app.slice/run-r7.scope";

fn scope_entries(controllers: &str) -> Vec<String> {
    let dir = format!("/sys/fs/cgroup{SCOPE}");
    vec![
        "r /sys/fs/cgroup".into(),
        format!("w {dir}"),
        format!("w {dir}/cgroup.procs"),
        format!("w {dir}/cgroup.subtree_control"),
        format!("r {dir}/cgroup.type = domain\n"),
        format!("r {dir}/cgroup.controllers = {controllers}\n"),
    ]
}

#[test]
fn systemd_v2_as_user_in_a_delegated_scope_and_again_in_its_leaf() {
    let entries = scope_entries("cpu memory pids");
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let dir = format!("/sys/fs/cgroup{SCOPE}");
    let expected = format!("V2 memory,pids,cpu,cpuacct {dir}/python-sandbox own {dir}");
    finds((&format!("0::{SCOPE}\n"), V2_MOUNT), 1000, &entries, &[&expected]);
    finds((&format!("0::{SCOPE}/python-sandbox-service\n"), V2_MOUNT), 1000, &entries, &[&expected]);
}

#[test]
fn systemd_v2_as_user_without_the_cpu_controller() {
    let entries = scope_entries("memory pids");
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let host = (&*format!("0::{SCOPE}\n"), V2_MOUNT);
    refuses(
        host,
        1000,
        &entries,
        &["`cpu`: not enabled", "delegate.conf", "python-sandbox run"],
        &["`memory`", "`cpuacct`"],
    );
}

const V2_CONTAINER: &[&str] = &[
    "w /sys/fs/cgroup",
    "r /sys/fs/cgroup/cgroup.type = domain\n",
    "w /sys/fs/cgroup/cgroup.procs",
    "w /sys/fs/cgroup/cgroup.subtree_control",
    "r /sys/fs/cgroup/cgroup.controllers = cpuset cpu io memory hugetlb pids rdma\n",
];

#[test]
fn docker_v2_privileged_has_to_leave_its_root() {
    let mount =
        "799 793 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n";
    finds(
        ("0::/\n", mount),
        0,
        V2_CONTAINER,
        &["V2 memory,pids,cpu,cpuacct /sys/fs/cgroup/python-sandbox own /sys/fs/cgroup"],
    );
}

#[test]
fn docker_v2_by_default_is_read_only() {
    let mount =
        "799 793 0:30 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n";
    let all = [
        "`memory`, `pids`, `cpu`, `cpuacct`: mounted read-only",
        "NATIVE_CGROUP_REMOUNT",
        "ProtectControlGroups=no",
        "mount -o remount,rw /sys/fs/cgroup",
    ];
    refuses(("0::/\n", mount), 0, V2_CONTAINER, &all, &[]);
}

const DOCKER_V1: (&str, &str) = (
    "12:pids:/docker/0123abcd\n9:cpu,cpuacct:/docker/0123abcd\n4:memory:/docker/0123abcd\n1:name=systemd:/docker/0123abcd\n",
    "650 640 0:26 /docker/0123abcd /sys/fs/cgroup/cpu,cpuacct RW,nosuid master:12 - cgroup cgroup rw,cpu,cpuacct\n\
     651 640 0:27 /docker/0123abcd /sys/fs/cgroup/memory RW,nosuid master:13 - cgroup cgroup rw,memory\n\
     652 640 0:28 /docker/0123abcd /sys/fs/cgroup/pids RW,nosuid master:17 - cgroup cgroup rw,pids\n",
);

#[test]
fn docker_v1_by_default_and_privileged() {
    let entries = ["w /sys/fs/cgroup/cpu,cpuacct", "w /sys/fs/cgroup/memory", "w /sys/fs/cgroup/pids"];
    let read_only = DOCKER_V1.1.replace("RW", "ro");
    refuses((DOCKER_V1.0, &read_only), 0, &entries, &["`pids`: mounted read-only"], &["delegate-cgroups"]);
    finds(
        (DOCKER_V1.0, &DOCKER_V1.1.replace("RW", "rw")),
        0,
        &entries,
        &[
            "V1 memory /sys/fs/cgroup/memory/python-sandbox",
            "V1 pids /sys/fs/cgroup/pids/python-sandbox",
            "V1 cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct/python-sandbox",
        ],
    );
    // Both mounts visible: the one that can be written counts.
    let both = format!("{}{}", read_only, DOCKER_V1.1.replace("RW", "rw").replace("/sys/fs/cgroup", "/cg"));
    finds(
        (DOCKER_V1.0, &both),
        0,
        &["w /cg/cpu,cpuacct", "w /cg/memory", "w /cg/pids"],
        &[
            "V1 memory /cg/memory/python-sandbox",
            "V1 pids /cg/pids/python-sandbox",
            "V1 cpu,cpuacct /cg/cpu,cpuacct/python-sandbox",
        ],
    );
}

#[test]
fn rootless_container_root_without_rights_on_v1() {
    let entries = ["r /sys/fs/cgroup/cpu,cpuacct", "r /sys/fs/cgroup/memory", "r /sys/fs/cgroup/pids"];
    let mounts = DOCKER_V1.1.replace("RW", "rw");
    let all = ["`memory`: no right", "`pids`: no right", "`cpu`, `cpuacct`: no right", "--cap-add SYS_ADMIN"];
    refuses((DOCKER_V1.0, &mounts), 0, &entries, &all, &["--privileged"]);
}

#[test]
fn host_without_any_cgroup_mount() {
    let host = ("0::/\n", "22 27 0:21 / /proc rw - proc proc rw\n");
    refuses(host, 0, &[], &["`memory`, `pids`, `cpu`, `cpuacct`: not mounted", "mount -t cgroup2"], &[]);
    refuses((SEPARATE_V1.0, ""), 0, &[], &["mount -t cgroup -o pids"], &[]);
}

#[test]
fn group_outside_of_the_namespace() {
    let mut entries = V2_CONTAINER.to_vec();
    refuses(("0::/../other\n", V2_MOUNT), 0, &entries, &["own group `/../other`", "--cgroupns=private"], &[]);
    let bound = V2_MOUNT.replace("0:30 / ", "0:30 /../.. ");
    refuses(("0::/\n", &bound), 0, &entries, &["outside the mount"], &[]);
    entries[1] = "r /sys/fs/cgroup/cgroup.type = threaded\n";
    refuses(("0::/\n", V2_MOUNT), 0, &entries, &["below threaded group", "`domain`"], &[]);
}

#[test]
fn explicit_parent_counts_from_the_mount() {
    let v1 = View::new(0, SEPARATE_V1_ROOT);
    let found = detect(SEPARATE_V1.0, SEPARATE_V1.1, &v1, Some("a/b")).unwrap();
    assert_eq!(found[1], "V1 pids /sys/fs/cgroup/pids/a/b");
    let v2 = View::new(0, V2_TRUE_ROOT);
    let found = detect("0::/system.slice/x.service\n", V2_MOUNT, &v2, Some("a/b")).unwrap();
    assert_eq!(found, ["V2 memory,pids,cpu,cpuacct /sys/fs/cgroup/a/b"]);
    // A parent below our own group, which therefore must be emptied first.
    let entries = scope_entries("cpu memory pids");
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let below = format!("{}/boxes", &SCOPE[1..]);
    let found = detect(&format!("0::{SCOPE}\n"), V2_MOUNT, &View::new(1000, &entries), Some(&below)).unwrap();
    let dir = format!("/sys/fs/cgroup{SCOPE}");
    assert_eq!(found, [format!("V2 memory,pids,cpu,cpuacct {dir}/boxes own {dir}")]);
}

#[test]
fn explicit_parent_is_a_plain_relative_path() {
    for parent in ["", "..", "a/../b", "/a", "a//b", "a/.", "a/", "a\0b", "a\nb"] {
        let found =
            Layout::detect(SEPARATE_V1.0, SEPARATE_V1.1, &View::new(0, SEPARATE_V1_ROOT), Some(parent));
        assert!(matches!(found, Err(DetectError::BadParent { .. })), "{parent:?}");
    }
}
