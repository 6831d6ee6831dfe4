//! An ordinary user in a login session on cgroup v2. The host need not have cgroup v2: in its own
//! mount namespace the process sees a session's cgroup, with a `systemd-run` that records how it was called.

use crate::support::{Launch, is_root};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Output;

/// No account of any host has this id.
const UID: u32 = 3_141_593;

/// The files from which the process reads its cgroups. Its pid stays the same up to the binary.
const SESSION: &str = r#"
    uid=$1 dir=$2
    shift 2
    mount --make-rprivate /
    mount --bind "$dir/groups" /sys/fs/cgroup || exit 99
    mount --bind "$dir/cgroup" /proc/$$/cgroup || exit 99
    mount --bind "$dir/mountinfo" /proc/$$/mountinfo || exit 99
    exec setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
"#;

/// Records its arguments, runtime directory and pid, and executes the command as the real one does.
const SYSTEMD_RUN: &str = r#"#!/bin/sh
    { echo "call $$ $XDG_RUNTIME_DIR"; printf '%s\n' "$@"; } >>"$SCOPE_RECORD"
    [ -z "$SCOPE_EXIT" ] || exit "$SCOPE_EXIT"
    while [ "$1" != -- ]; do shift; done
    shift
    exec "$@"
"#;

struct Session {
    launch: Launch,
    record: PathBuf,
    _bus: Option<UnixListener>,
}

impl Session {
    /// `None` if it cannot be created.
    fn new(uid: u32, with_bus: bool) -> Option<Self> {
        if !is_root() {
            return testkit::skip("a mount namespace needs root");
        }
        let owner = if uid == 0 { 0 } else { UID };
        let launch = Launch::new().owned_by(owner, owner);
        let dir = launch.work_dir().path().to_owned();
        let session = dir.join("groups/user.slice/session-3.scope");
        fs::create_dir_all(&session).expect("made");
        fs::write(session.join("cgroup.type"), "domain\n").expect("written");
        fs::write(dir.join("cgroup"), "0::/user.slice/session-3.scope\n").expect("written");
        let mount = "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        fs::write(dir.join("mountinfo"), mount).expect("written");
        let (programs, run) = (dir.join("programs"), dir.join("run"));
        fs::create_dir(&programs).expect("made");
        fs::write(programs.join("systemd-run"), SYSTEMD_RUN).expect("written");
        fs::set_permissions(programs.join("systemd-run"), fs::Permissions::from_mode(0o755)).expect("ours");
        fs::create_dir(&run).expect("made");
        let bus = with_bus.then(|| UnixListener::bind(run.join("bus")).expect("a new socket"));
        if with_bus {
            chown(run.join("bus"), Some(UID), Some(UID)).expect("given away");
        }
        let record = launch.work_dir().cwd().join("record");
        let path = std::env::var("PATH").unwrap_or_default();
        let launch = launch
            .set("PATH", &format!("{}:{path}", programs.display()))
            .set("XDG_RUNTIME_DIR", &run.to_string_lossy())
            .set("SCOPE_RECORD", &record.to_string_lossy())
            .wrapper(&[
                "unshare",
                "--mount",
                "sh",
                "-c",
                SESSION,
                "sh",
                &uid.to_string(),
                &dir.to_string_lossy(),
            ]);
        Some(Self { launch, record, _bus: bus })
    }

    fn run(&self, args: &[&str]) -> (Output, String) {
        let output = self.launch.run(args, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_ne!(output.status.code(), Some(99), "{said}");
        (output, said)
    }

    /// The arguments of `systemd-run`, line by line.
    fn calls(&self) -> Vec<String> {
        fs::read_to_string(&self.record).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

#[test]
fn in_a_login_session_the_same_command_starts_once_below_the_users_systemd() {
    let Some(session) = Session::new(UID, true) else { return };
    let code = "print('$HOME ${HOME} %h')";
    let (output, said) = session.run(&["--set", "LOG_LEVEL=ERROR", "run", "-c", code, "--json"]);
    let calls = session.calls();
    let own = session.launch.work_dir().path().join("python-sandbox");
    let words = ["--user", "--scope", "--quiet", "--property=Delegate=yes", "--", &*own.to_string_lossy()];
    let rest = ["--set", "LOG_LEVEL=ERROR", "run", "-c", code, "--json"];
    assert_eq!(calls[1..], [&words[..], &rest[..]].concat(), "once, with the same arguments\n{said}");
    assert!(
        calls[0].ends_with(&*session.launch.work_dir().path().join("run").to_string_lossy()),
        "{calls:?}"
    );
    let line =
        "started in a scope of your systemd user instance (systemd-run --user --scope -p Delegate=yes)";
    assert_eq!(said.matches(line).count(), 1, "{said}");
    // Here it still got no cgroup, and reports that instead of trying for ever.
    let answer = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(answer.contains("no right to write to"), "{answer}");
}

#[test]
fn the_exit_code_of_what_runs_below_systemd_is_the_commands() {
    let Some(session) = Session::new(UID, true) else { return };
    for (command, code) in
        [(&["run", "-c", "1"][..], "7"), (&["doctor", "--json"], "3"), (&["serve"], "5"), (&[], "4")]
    {
        let launch = session.launch.clone().set("SCOPE_EXIT", code);
        let output = launch.run(command, "");
        assert_eq!(output.status.code(), code.parse().ok(), "{command:?}: {output:?}");
    }
}

#[test]
fn commands_that_need_no_sandbox_start_where_they_are() {
    let Some(session) = Session::new(UID, true) else { return };
    for command in
        [&["check-config"][..], &["health"], &["setup", "--delegate-cgroups", "1"], &["image", "build"]]
    {
        let (_, said) = session.run(command);
        assert!(
            session.calls().is_empty() && !said.contains("systemd-run --user --scope --"),
            "{command:?}: {said}"
        );
    }
    // Nor do those with a parent cgroup, or with a container executor.
    let launch = session.launch.clone().set("NATIVE_CGROUP_PARENT", "mine");
    launch.run(&["run", "-c", "1"], "");
    assert!(session.calls().is_empty());
}

#[test]
fn without_a_systemd_of_the_user_one_command_is_named() {
    let Some(session) = Session::new(UID, false) else { return };
    let (output, _) = session.run(&["run", "-c", "1", "--json"]);
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(session.calls().is_empty());
    assert_eq!(output.status.code(), Some(2));
    // With systemd on the host the first, without it the second.
    let linger = format!("as root: loginctl enable-linger {UID}");
    assert!(answer.contains(&linger) != answer.contains("run it as root"), "{answer}");
    assert!(!answer.contains("delegate-cgroups"), "{answer}");
}

#[test]
fn on_version_2_root_is_told_that_delegated_groups_would_be_of_no_use() {
    let Some(session) = Session::new(0, true) else { return };
    let (output, said) = session.run(&["setup", "--delegate-cgroups", &UID.to_string()]);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("systemd-run --user --scope -p Delegate=yes python-sandbox serve"), "{said}");
    assert!(!said.contains("as root"), "that would not help: {said}");
    assert!(!session.launch.work_dir().path().join(format!("groups/python-sandbox-u{UID}")).exists());
}
