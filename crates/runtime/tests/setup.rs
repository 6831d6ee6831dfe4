//! A real set-up, from download to check. Slow (about a minute) and it needs the network once, so it runs
//! only when `PYTHON_SANDBOX_TEST_DATA` names a data directory (kept, so that the next run is fast) or
//! `REQUIRE_ALL` is set.
#![allow(clippy::unwrap_used, reason = "a failed assumption is a failed test")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use runtime::{PackageList, Progress, Runtime, SetupOptions, setup};

/// Records the progress.
#[derive(Default)]
struct Recorder {
    steps: Vec<String>,
    details: Vec<String>,
}

impl Progress for Recorder {
    fn step(&mut self, index: usize, total: usize, name: &str) {
        self.steps.push(format!("{index}/{total} {name}"));
    }
    fn detail(&mut self, text: &str) {
        self.details.push(text.to_owned());
    }
}

#[test]
fn a_runtime_is_prepared_once_and_then_found() {
    let Some(data) = data_dir() else {
        return testkit::skip(
            "set PYTHON_SANDBOX_TEST_DATA (a directory that is kept) or REQUIRE_ALL to prepare a real runtime",
        );
    };
    let options = SetupOptions { data_dir: data.path.clone(), python: None, packages: None, force: false };
    let mut recorder = Recorder::default();
    let runtime = setup(&options, &mut recorder).unwrap();
    println!("{:#?}\n{:#?}", recorder.steps, recorder.details);

    check_tree(&runtime);
    assert_eq!(Runtime::load(&data.path).unwrap(), runtime);
    for name in
        ["numpy", "pandas", "scipy", "matplotlib", "seaborn", "openpyxl", "requests", "pillow", "tzdata"]
    {
        assert!(runtime.packages.iter().any(|package| package.name == name), "{name}");
    }
    let list = runtime.list.unwrap();
    let has_all = runtime.packages.iter().any(|package| package.name == "scikit-learn");
    assert_eq!(has_all, list == PackageList::Full);
    takes_what_was_announced(&runtime, list);
    // The tree contains everything that an operator's own one must.
    assert_eq!(Runtime::from_rootfs(&runtime.rootfs).unwrap().packages, runtime.packages);

    let mut second = Recorder::default();
    assert_eq!(setup(&options, &mut second).unwrap(), runtime);
    assert!(second.steps.is_empty(), "a ready runtime is not made again: {:?}", second.steps);
}

/// The announced cost of a set-up is right within a fifth.
fn takes_what_was_announced(runtime: &Runtime, list: PackageList) {
    let manifest = fs::read_to_string(runtime.rootfs.with_file_name("runtime.json")).unwrap();
    let size = serde_json::from_str::<serde_json::Value>(&manifest).unwrap()["size_bytes"].as_u64().unwrap();
    let (announced, made) = (list.cost().disk_mb, size / 1_000_000);
    assert!(made.abs_diff(announced) < announced / 5, "{list}: {announced} MB announced, {made} MB made");
}

/// Every entry belongs to us, has a plain mode, and no link leads out.
fn check_tree(runtime: &Runtime) {
    let owner = fs::metadata(&runtime.rootfs).unwrap().uid();
    let mut waiting = vec![runtime.rootfs.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            assert_eq!(metadata.uid(), owner, "{}", path.display());
            if ["run/program", "run/sandbox", "etc/passwd", "etc/group"]
                .iter()
                .any(|own| path == runtime.rootfs.join(own))
            {
                // The program's file, users and groups: the agent writes them for each sandbox.
                let target = fs::read_link(&path).unwrap();
                assert!(
                    target.starts_with("../tmp/.sandbox") || target.starts_with("../run/sandbox"),
                    "{target:?}"
                );
            } else if metadata.is_symlink() {
                let target =
                    fs::canonicalize(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert!(target.starts_with(&runtime.rootfs), "{} -> {}", path.display(), target.display());
            } else if metadata.is_dir() {
                assert_eq!(metadata.mode() & 0o7777, 0o755, "{}", path.display());
                waiting.push(path);
            } else {
                assert!([0o644, 0o755].contains(&(metadata.mode() & 0o7777)), "{}", path.display());
                assert!(metadata.is_file(), "{}", path.display());
            }
        }
    }
    for name in ["proc", "dev", "sys", "tmp"] {
        assert_eq!(fs::read_dir(runtime.rootfs.join(name)).unwrap().count(), 0, "/{name} is not empty");
    }
    no_path_of_the_build_is_left(&runtime.rootfs);
}

/// No module, cache or setting contains the path of the directory in which the tree was made.
fn no_path_of_the_build_is_left(rootfs: &Path) {
    let needle = rootfs.parent().and_then(Path::parent).unwrap();
    let grep = Command::new("grep").args(["-rlF", "--"]).arg(needle).arg(rootfs).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&grep.stdout), "", "files that name {}", needle.display());
}

struct DataDir {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

fn data_dir() -> Option<DataDir> {
    if let Some(path) = std::env::var_os("PYTHON_SANDBOX_TEST_DATA") {
        return Some(DataDir { path: path.into(), _temporary: None });
    }
    std::env::var_os("REQUIRE_ALL")?;
    let temporary = tempfile::tempdir().unwrap();
    Some(DataDir { path: temporary.path().to_owned(), _temporary: Some(temporary) })
}
