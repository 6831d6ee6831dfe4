//! Files that control the service are used only if no other user can change them: settings files, the data
//! directory, the runtime. Creating files of another user needs root.

use crate::support::{Launch, command, is_root, runtime_is_prepared};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Output;

/// A user id that owns nothing on any host.
const OTHER: u32 = 3_141_593;
/// Another ordinary user's id.
const USER: u32 = 3_141_594;

/// Every command that uses such files, with arguments that have an effect.
const COMMANDS: [&[&str]; 6] = [
    &["serve"],
    &["run", "-c", "print('ran')"],
    &["doctor"],
    &["bench", "--samples", "10", "--only", "fork-lean"],
    &["setup"],
    &["image", "export"],
];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ready() -> bool {
    if !is_root() {
        return testkit::skip("files of another user take root to make");
    }
    true
}

/// A service that starts although it should not is ended instead of waited for.
fn launch() -> Launch {
    Launch::new().wrapper(&["timeout", "20"])
}

fn give(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).expect("given away");
}

fn check_refused(output: &Output, words: &[&str]) {
    assert_eq!(output.status.code(), Some(2), "{}", said(output));
    assert!(output.stdout.is_empty());
    for word in words {
        assert!(said(output).contains(word), "{word} is not in: {}", said(output));
    }
}

#[test]
fn settings_of_a_directory_of_another_user_stop_every_command() {
    if !ready() {
        return;
    }
    let other = OTHER.to_string();
    for (file, text, named, without) in [
        (".env", "APP_NAME=theirs\n", "--env-file", "--no-env-file"),
        ("python-sandbox.toml", "app_name = 'theirs'\n", "--config", "--no-config"),
    ] {
        let launch = launch().file(file, text);
        let cwd = launch.work_dir().cwd();
        let shows = |args: &[&str]| {
            let output = launch.run(&[args, &["check-config"]].concat(), "");
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
            (String::from_utf8_lossy(&output.stdout).contains("theirs"), said(&output))
        };
        assert!(shows(&[]).0, "writable only by root");
        // Owner of the directory, of the file, of a link and of its target.
        let elsewhere = launch.work_dir().path().join("elsewhere");
        for case in 0..3 {
            match case {
                0 => give(&cwd, OTHER),
                1 => {
                    give(&cwd, 0);
                    give(&cwd.join(file), OTHER);
                }
                _ => {
                    fs::rename(cwd.join(file), &elsewhere).expect("moved");
                    std::os::unix::fs::symlink(&elsewhere, cwd.join(file)).expect("linked");
                }
            }
            for args in COMMANDS.into_iter().chain([&["check-config"][..]]) {
                check_refused(&launch.run(args, ""), &[file, &other, named, without]);
            }
            let (is_read, warning) = shows(&[named, file]);
            assert!(is_read && warning.contains("warning") && warning.contains(&other), "{warning}");
            assert_eq!(shows(&[without]), (false, String::new()));
        }
    }
}

#[test]
fn an_ordinary_user_takes_no_settings_from_another_one() {
    if !ready() {
        return;
    }
    let launch = launch().file(".env", "APP_NAME=theirs\n").user(USER, USER);
    let cwd = launch.work_dir().cwd();
    for (uid, is_good) in [(USER, true), (0, true), (OTHER, false)] {
        give(&cwd, uid);
        let output = launch.run(&["check-config"], "");
        assert_eq!(output.status.success(), is_good, "{uid}: {}", said(&output));
    }
    check_refused(&launch.run(&["check-config"], ""), &[&OTHER.to_string(), "--env-file"]);
}

#[test]
fn a_data_directory_that_another_user_made_first_is_refused() {
    if !ready() {
        return;
    }
    let launch = launch();
    let data = launch.work_dir().data();
    let entries = || fs::read_dir(&data).expect("there").count();
    let before = entries();
    give(&data, OTHER);
    for args in COMMANDS {
        check_refused(&launch.run(args, ""), &["DATA_DIR", &OTHER.to_string(), &data.to_string_lossy()]);
    }
    assert_eq!(entries(), before, "nothing was written there");
    // Another user's link, in a directory such as /tmp, to a valid directory.
    let shared = launch.work_dir().path().join("shared");
    fs::create_dir(&shared).expect("made");
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).expect("ours");
    give(&data, 0);
    let link = shared.join("data");
    std::os::unix::fs::symlink(&data, &link).expect("linked");
    let by_link = launch.set("DATA_DIR", &link.to_string_lossy());
    assert_eq!(
        by_link.run(&["image", "export", "--set", "RUNTIME_ROOTFS=/nowhere"], "").status.code(),
        Some(2)
    );
    assert!(!said(&by_link.run(&["run", "-c", "x"], "")).contains("DATA_DIR"), "a link of ours is trusted");
    std::os::unix::fs::lchown(&link, Some(OTHER), Some(OTHER)).expect("given away");
    check_refused(&by_link.run(&["serve"], ""), &["DATA_DIR", &OTHER.to_string()]);
}

/// The smallest tree that is accepted as a root file system.
fn tree(at: &Path) {
    for name in ["proc", "dev", "sys", "tmp", "usr/bin", "usr/lib/python3.12/site-packages/package"] {
        fs::create_dir_all(at.join(name)).expect("made");
    }
    for file in
        ["usr/lib/python3.12/os.py", "usr/bin/python3", "usr/lib/python3.12/site-packages/package/a.py"]
    {
        fs::write(at.join(file), "").expect("written");
    }
}

#[test]
fn a_runtime_that_another_user_can_change_is_refused() {
    if !ready() {
        return;
    }
    let launch = launch();
    let rootfs = launch.work_dir().path().join("tree");
    tree(&rootfs);
    let launch = launch.set("RUNTIME_ROOTFS", &rootfs.to_string_lossy());
    for name in ["", "usr/bin/python3", "usr/lib/python3.12/site-packages/package/a.py"] {
        let path = if name.is_empty() { rootfs.clone() } else { rootfs.join(name) };
        give(&path, OTHER);
        let output = launch.run(&["serve"], "");
        check_refused(&output, &["RUNTIME_ROOTFS", &OTHER.to_string(), &path.to_string_lossy()]);
        let (code, findings) = crate::command_line::doctor(&launch);
        assert_eq!(code, Some(1));
        let named = findings.iter().any(|finding| finding.to_string().contains(&OTHER.to_string()));
        assert!(named, "{findings:#?}");
        give(&path, 0);
    }
}

/// Everything that the service creates, with an umask of 0.
#[test]
fn what_the_service_makes_does_not_follow_the_umask() {
    if !runtime_is_prepared() {
        return;
    }
    let launch = Launch::new().wrapper(&["sh", "-c", "umask 000; exec \"$@\"", "sh"]);
    let data = launch.work_dir().data();
    let Some(server) = launch.start() else { return };
    let answer = server.program("open('f', 'w').write('x')");
    assert_eq!(server.get(answer.str("/files/0")).text(), "x");
    let mode = |path: &Path| fs::symlink_metadata(path).expect("there").mode() & 0o7777;
    let listed =
        command(&["find", &data.to_string_lossy(), "-mindepth", "1", "!", "-type", "l"]).expect("listed");
    let paths: Vec<PathBuf> = listed.lines().map(PathBuf::from).collect();
    assert!(paths.iter().any(|path| path.starts_with(data.join("docker/docker"))), "{listed}");
    for path in paths {
        let is_private = path.starts_with(data.join("files")) || path.starts_with(data.join("docker/docker"));
        let forbidden = if is_private { 0o077 } else { 0o022 };
        assert_eq!(mode(&path) & forbidden, 0, "{}: {:o}", path.display(), mode(&path));
    }
    server.stop();
}
