//! The service as an ordinary user: with delegated cgroups it keeps every guarantee, and where it cannot, it
//! reports that and runs nothing. Creating the user needs root.

use crate::answers::check_shape;
use crate::command_line::doctor;
use crate::errors::check_error;
use crate::rights::check_every_thread;
use crate::support::{Launch, Server, command, is_root, runtime_is_prepared};
use confine::NESTED_SERVICE_CAPABILITIES;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Mutex;

/// Users are created and removed one at a time: `useradd` locks its files.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A user of this test alone. Dropping it removes the user and its cgroups.
struct User {
    name: String,
    uid: u32,
    gid: u32,
    groups: Vec<PathBuf>,
}

impl User {
    /// `None` with a reported skip if none can be created.
    fn new(number: u32) -> Option<Self> {
        if !runtime_is_prepared() {
            return None;
        }
        if !is_root() {
            return testkit::skip("making a user needs root");
        }
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // An id that was never used: cgroups of an earlier user with the same id may exist.
        let uid = 300_000 + std::process::id() * 8 + number;
        let name = format!("sandbox-test-{uid}");
        let wanted = uid.to_string();
        let made = ["useradd", "--no-log-init", "--no-create-home", "--user-group", "--uid", &wanted, &name];
        if let Err(error) = command(&made) {
            return testkit::skip(&error);
        }
        let gid = command(&["id", "-g", &name]).expect("the user was made");
        Some(Self { gid: gid.trim().parse().expect("a number"), name, uid, groups: Vec::new() })
    }

    /// The command that an operator runs once.
    fn delegate(&mut self) {
        self.delegate_with(&[]);
    }

    /// The same with limits; returns the command's output.
    fn delegate_with(&mut self, limits: &[&str]) -> String {
        let args = [&["setup", "--delegate-cgroups", &self.name], limits].concat();
        let output = Launch::new().run(&args, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        self.groups =
            said.lines().filter_map(|line| line.split(" may now use ").nth(1)).map(PathBuf::from).collect();
        assert!(!self.groups.is_empty(), "{said}");
        said
    }

    fn launch(&self) -> Launch {
        Launch::new().with_templates().user(self.uid, self.gid).set("FORBIDDEN_IMPORTS", "")
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for group in &self.groups {
            let _ = std::fs::remove_dir(group);
        }
        let _ = command(&["userdel", &self.name]);
    }
}

fn check_walls(server: &Server, uid: u32) {
    let health = server.get("/health");
    assert_eq!((health.status, health.str("/status")), (200, "healthy"), "{}", health.text());
    let answer = server.program("open('f', 'w').write('x')\nprint('works')");
    check_shape(&answer);
    assert_eq!(answer.str("/stdout"), "works\n", "{}", answer.text());
    assert_eq!(server.get(answer.str("/files/0")).text(), "x");
    for (code, kind) in [
        ("x = b'x' * (300 << 20)\nprint(len(x))", "out_of_memory"),
        (
            "import threading, time\nfor _ in range(99): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
            "process_limit",
        ),
        ("open('/tmp/big', 'wb').write(bytes(65 << 20))", "disk_limit"),
        ("import socket\nsocket.socket()", "denied_syscall"),
        ("import time\ntime.sleep(9)", "timeout"),
        ("import os\nos.kill(os.getpid(), 11)", "signal"),
    ] {
        // Only a program that should time out gets a short timeout.
        let timeout = if kind == "timeout" { 2 } else { 20 };
        let answer = server.execute(json!({"code": code, "timeout": timeout}));
        check_shape(&answer);
        assert_eq!(answer.kind(), kind, "{code}: {}", answer.text());
    }
    // Neither the service's files nor its processes are reachable, though user and program may share an id.
    let data = server.dir.data();
    let code = format!(
        "import os, glob
for path in ({:?}, '/etc/shadow', '/home', '/root'):
    try: print('SEEN', path, os.listdir(path))
    except OSError: pass
for path in glob.glob('/proc/[0-9]*/environ'):
    try: text = open(path, 'rb').read()
    except OSError: continue
    if b'DATA_DIR' in text: print('SEEN', path)
for pid in range(1, 400):
    if pid == os.getpid(): continue
    try: os.kill(pid, 0); print('SEEN', pid)
    except OSError: pass
print('end')",
        data.display()
    );
    let looked = server.program(&code);
    let stdout = looked.str("/stdout");
    assert!(stdout.ends_with("end\n"), "{}", looked.text());
    for line in stdout.lines().filter(|line| line.starts_with("SEEN")) {
        // An empty directory of the runtime does not count; pid 1 is the agent, if there is only one id.
        assert!(line.ends_with("[]") || line == "SEEN 1", "{line} (uid {uid})");
    }
}

#[test]
fn with_delegated_control_groups_an_ordinary_user_serves() {
    let Some(mut user) = User::new(0) else { return };
    user.delegate();
    let Some(server) = user.launch().start() else { return };
    check_walls(&server, user.uid);
    check_every_thread(&server, 0, 0);
    server.stop();
    let (code, findings) = doctor(&user.launch());
    let wrong: Vec<_> = findings.iter().filter(|finding| finding["state"] != "proved").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(code, Some(0));
}

/// As in an unprivileged LXC container: uid 0 of its own user namespace has no privileges on the host, so it
/// must not be treated as root.
#[test]
fn root_of_another_user_namespace_serves_as_an_ordinary_user() {
    if !is_root() {
        return testkit::skip("root is wanted, for which the runtime and the groups are");
    }
    let inside = ["unshare", "--user", "--map-root-user"];
    // As with `PrivateUsers=yes` for root.
    let Some(server) = Launch::new().with_templates().set("FORBIDDEN_IMPORTS", "").wrapper(&inside).start()
    else {
        return;
    };
    check_walls(&server, 0);
    check_every_thread(&server, NESTED_SERVICE_CAPABILITIES.bits(), u64::MAX);
    server.stop();
}

/// On v1 a process in there is in none of the user's other cgroups.
#[test]
fn delegated_groups_have_the_limits_that_root_gives_and_it_is_said_where_there_is_none() {
    if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        return testkit::does_not_apply("on cgroup v2 systemd delegates, and sets the limits");
    }
    let Some(mut user) = User::new(7) else { return };
    let said = user.delegate_with(&["--memory-max", "64m", "--pids-max", "50", "--cpu-quota", "50000"]);
    assert!(said.contains("memory: 64m; processes and threads: 50; CPU: 50000 of each 100000"), "{said}");
    assert!(!said.contains("no limit"), "{said}");
    let group = user.groups.iter().find(|group| group.join("memory.limit_in_bytes").exists());
    let group = group.expect("a memory cgroup").to_string_lossy().into_owned();
    let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
    let allocates = || {
        let join = "echo $$ >\"$1/cgroup.procs\" && exec python3 -c \"print(len(bytearray(200 << 20)))\"";
        let as_user =
            ["setpriv", "--reuid", &uid, "--regid", &gid, "--clear-groups", "sh", "-c", join, "sh", &group];
        command(&as_user).is_ok()
    };
    assert!(!allocates(), "200 MiB in a group with 64");
    let limits = crate::support::command(&["cat", &format!("{group}/memory.limit_in_bytes")]);
    assert_eq!(limits.expect("readable").trim(), (64 << 20).to_string());
    assert!(user.delegate_with(&[]).contains("memory: 64m"), "limits stay");
    let said = user.delegate_with(&["--memory-max", "max"]);
    assert!(said.contains("memory: no limit") && said.contains("(hint: --memory-max)"), "{said}");
    assert!(said.contains("elsewhere do not apply to programs there"), "{said}");
    assert!(allocates());
}

/// Nothing runs, health is 503 with the reason, and `doctor` names the command that fixes it.
fn check_refusal(launch: &Launch, fix: &str) {
    let Some(server) = launch.clone().start() else { return };
    let health = server.get("/health");
    assert_eq!((health.status, health.str("/status")), (503, "unhealthy"), "{}", health.text());
    assert!(!health.str("/executor/providers/native/reason").is_empty(), "{}", health.text());
    check_error(&server.execute(json!({"code": "print(1)"})), 503, "executor_unavailable");
    server.stop();
    let (code, findings) = doctor(launch);
    assert_eq!(code, Some(1));
    let fixes: Vec<&str> = findings
        .iter()
        .filter(|finding| finding["kind"] == "host" && finding["state"] != "proved")
        .filter_map(|finding| finding["fix"].as_str())
        .collect();
    assert!(fixes.iter().any(|given| given.contains(fix)), "{fix} is not in {fixes:#?}");
    assert!(findings.iter().all(|finding| finding["state"] != "FAILED"), "{findings:#?}");
}

#[test]
fn without_control_groups_nothing_runs_and_doctor_says_what_to_type() {
    let Some(user) = User::new(1) else { return };
    check_refusal(&user.launch(), "setup --delegate-cgroups");
}

/// In a user namespace created by root, where the limit on further ones is 0, and then as the user.
#[test]
fn where_user_namespaces_are_refused_nothing_runs_and_doctor_says_what_to_type() {
    // Beside the process that becomes the service: the id mappings of its new namespace, which another
    // process must write.
    const OUTER: &str = r#"
        (
            while [ "$(readlink /proc/$$/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do sleep 0.05; done
            printf '0 0 1\n%s %s 1\n' "$1" "$1" >/proc/$$/uid_map
            printf '0 0 1\n%s %s 1\n' "$2" "$2" >/proc/$$/gid_map
        ) &
        exec unshare --user sh -c "$3" wait "$@"
    "#;
    // A program that starts before the mappings are written has no capabilities; the next one has them.
    const WAIT: &str = r#"
        while [ -z "$(cat /proc/self/gid_map)" ]; do sleep 0.05; done
        exec sh -c "$4" limit "$@"
    "#;
    const LIMIT: &str = r#"
        echo 0 >/proc/sys/user/max_user_namespaces || exit 99
        uid=$1 gid=$2
        shift 4
        exec setpriv --reuid "$uid" --regid "$gid" --clear-groups "$@"
    "#;
    let Some(mut user) = User::new(2) else { return };
    user.delegate();
    let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
    let launch = Launch::new()
        .owned_by(user.uid, user.gid)
        .wrapper(&["sh", "-c", OUTER, "outer", &uid, &gid, WAIT, LIMIT]);
    check_refusal(&launch, "user.max_user_namespaces");
}
