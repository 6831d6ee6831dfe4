//! Checks the dependencies between crates, that `unsafe` stays in its crate, and that no files of a crate use
//! each other in a circle.
//!
//! [`ARROWS`] is the rule. The manifests must match it, and so must the table in `crates/README.md`, which
//! lists it in the other direction, for readers.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

#[path = "architecture/circles.rs"]
mod circles;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace crates that each crate depends on, except in its tests.
const ARROWS: [(&str, &[&str]); 36] = [
    ("protocol", &[]),
    ("contract", &[]),
    ("validator", &[]),
    ("seccomp", &[]),
    ("confine", &["seccomp"]),
    ("ownership", &[]),
    ("support", &[]),
    ("cgroup", &["support"]),
    ("terminal", &[]),
    ("host-traces", &["cgroup"]),
    ("testkit", &[]),
    ("tls", &["ownership", "support"]),
    ("redis-link", &["support", "tls"]),
    ("agent-image", &[]),
    ("storage", &["ownership", "support"]),
    ("resolver", &["support", "tls"]),
    ("storage-s3", &["ownership", "resolver", "storage", "support"]),
    ("access", &["ownership", "redis-link", "support"]),
    ("runtime", &["ownership", "support"]),
    ("agent", &["confine", "protocol", "seccomp"]),
    ("launcher", &["agent", "confine", "protocol", "seccomp"]),
    ("template", &["confine"]),
    ("executor", &["protocol", "support"]),
    ("executor-docker", &["agent-image", "executor", "ownership", "protocol", "seccomp", "support"]),
    ("executor-native", &["agent-image", "cgroup", "confine", "executor", "launcher", "protocol", "support"]),
    ("service", &["access", "executor", "storage", "support", "validator"]),
    ("explain", &["contract", "executor", "service", "support"]),
    ("telemetry", &["executor", "service", "support"]),
    ("audit", &["ownership", "service", "support"]),
    ("traces", &["resolver", "service", "support"]),
    ("api", &["contract", "explain", "service", "storage", "support", "tls"]),
    ("settings", &["executor", "ownership", "runtime", "support"]),
    (
        "compose",
        &[
            "access",
            "cgroup",
            "executor",
            "executor-docker",
            "executor-native",
            "redis-link",
            "runtime",
            "service",
            "settings",
            "storage",
            "storage-s3",
            "support",
            "validator",
        ],
    ),
    (
        "doctor",
        &[
            "cgroup",
            "compose",
            "confine",
            "executor",
            "host-traces",
            "runtime",
            "settings",
            "support",
            "terminal",
        ],
    ),
    (
        "bench",
        &["compose", "executor", "host-traces", "runtime", "settings", "support", "terminal", "validator"],
    ),
    (
        "python-sandbox",
        &[
            "access",
            "api",
            "audit",
            "bench",
            "cgroup",
            "compose",
            "confine",
            "contract",
            "doctor",
            "executor",
            "explain",
            "ownership",
            "runtime",
            "seccomp",
            "service",
            "settings",
            "support",
            "telemetry",
            "terminal",
            "tls",
            "traces",
        ],
    ),
];

/// Crates in which `unsafe` is allowed.
const UNSAFE_CRATES: [&str; 1] = ["confine"];

/// Accepted circles: the crate, its files, and the reason.
const CIRCLES: [(&str, &[&str], &str); 1] = [(
    "ownership",
    &["image", "mounts", "path_walk"],
    "the path to a file crosses mounts, one of which may be of an image file, which has a path itself",
)];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn names() -> BTreeSet<String> {
    let entries = fs::read_dir(crates()).unwrap().flatten().filter(|entry| entry.path().is_dir());
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Cargo's metadata of the manifests, without external crates, so that it needs neither the network nor a
/// download.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"])
        .arg(crates().join("../Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The dependencies between the packages: for every target, including build scripts and renamed dependencies.
fn arrows(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let packages = list(&metadata["packages"]);
    let directory =
        |package: &Value| Path::new(&text(&package["manifest_path"])).parent().unwrap().to_owned();
    let by_directory: BTreeMap<PathBuf, String> =
        packages.iter().map(|package| (directory(package), text(&package["name"]))).collect();
    let depends_on = |package: &Value| {
        let outside_of_tests = |dependency: &Value| dependency["kind"] != "dev";
        let dependencies = list(&package["dependencies"]).into_iter().filter(outside_of_tests);
        dependencies
            .filter_map(|dependency| by_directory.get(Path::new(dependency["path"].as_str()?)).cloned())
            .collect()
    };
    packages.iter().map(|package| (text(&package["name"]), depends_on(package))).collect()
}

fn rule() -> BTreeMap<String, BTreeSet<String>> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    ARROWS.iter().map(|(name, names)| ((*name).to_owned(), owned(names))).collect()
}

#[test]
fn rooms_name_only_whom_they_may() {
    let mut found = arrows(&metadata());
    // The examples depend on the crates that they demonstrate.
    found.retain(|name, _| names().contains(name));
    let rule = rule();
    assert_eq!(found.keys().collect::<Vec<_>>(), rule.keys().collect::<Vec<_>>(), "crates and ARROWS");
    for (name, depends_on) in found {
        assert_eq!(depends_on, rule[&name], "dependencies of `{name}` in its manifest (left) and in ARROWS");
    }
}

#[test]
fn every_kind_of_dependency_is_an_arrow() {
    let dependency = |name: &str, kind: Value, rename: Value, target: Value| serde_json::json!({"name": name, "kind": kind, "rename": rename, "target": target, "path": format!("/{name}")});
    let package = |name: &str, dependencies: Vec<Value>| serde_json::json!({"name": name, "manifest_path": format!("/{name}/Cargo.toml"), "dependencies": dependencies});
    let none = || Value::Null;
    let dependencies = vec![
        dependency("plain", none(), none(), none()),
        dependency("built", "build".into(), none(), none()),
        dependency("aliased", none(), "other".into(), none()),
        dependency("targeted", none(), none(), "cfg(unix)".into()),
        dependency("tested", "dev".into(), none(), none()),
        serde_json::json!({"name": "of-others", "kind": null, "rename": null, "target": null}),
    ];
    let others = ["plain", "built", "aliased", "targeted", "tested"].map(|name| package(name, Vec::new()));
    let packages: Vec<Value> = others.into_iter().chain([package("top", dependencies)]).collect();
    let found = arrows(&serde_json::json!({ "packages": packages }));
    assert_eq!(found["top"], ["aliased", "built", "plain", "targeted"].map(str::to_owned).into());
}

/// `crates/README.md`: the crates that may name each crate.
#[test]
fn the_readers_table_is_the_same() {
    let text = fs::read_to_string(crates().join("README.md")).unwrap();
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let read: BTreeMap<String, BTreeSet<String>> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            assert_eq!(cells.len(), 5, "three columns: {row}");
            assert!(cells[2].trim().len() > 10, "its purpose: {row}");
            (quoted(cells[1]).into_iter().collect(), quoted(cells[3]))
        })
        .collect();
    let rule = rule();
    let named_by = |name: &String| {
        rule.iter().filter(|(_, names)| names.contains(name)).map(|(other, _)| other.clone()).collect()
    };
    let wanted: BTreeMap<String, BTreeSet<String>> =
        rule.keys().map(|name| (name.clone(), named_by(name))).collect();
    for (name, named_by) in &wanted {
        assert_eq!(read.get(name), Some(named_by), "row of `{name}` in crates/README.md (left) and ARROWS");
    }
    assert_eq!(read.len(), wanted.len(), "crates/README.md lists a crate that does not exist");
}

#[test]
fn unsafe_stays_in_its_crate() {
    for name in names().iter().filter(|name| !UNSAFE_CRATES.contains(&name.as_str())) {
        let manifest = fs::read_to_string(crates().join(name).join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true\n"),
            "`{name}` does not inherit the workspace's lints"
        );
        let mut pending = vec![crates().join(name)];
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(directory).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    pending.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    assert_eq!(unsafe_in(&text), None, "{}", path.display());
                }
            }
        }
    }
}

/// The first line with unsafe code, or with a lint level for it in an attribute (`allow`, `expect` and
/// similar).
fn unsafe_in(text: &str) -> Option<&str> {
    let opens = |line: &str, word: &str| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + word.len()..].trim_start();
            let is_word = !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '"' | '`'));
            let is_code =
                ["{", "(", "fn ", "impl", "extern", "trait "].iter().any(|next| after.starts_with(next));
            is_word && (is_code || after.is_empty())
        })
    };
    let is_unsafe = |line: &&str| {
        let code = line.split("//").next().unwrap_or_default();
        opens(code, "unsafe") || code.contains(concat!("unsafe", "_code"))
    };
    text.lines().find(is_unsafe)
}

#[test]
fn unsafe_is_found_however_it_is_written() {
    let word = "unsafe";
    for rest in
        [" {", " fn f() {}", " impl Send for S {}", " extern \"C\" {}", " trait T {}", "{", "(no_mangle)"]
    {
        let line = format!("    {word}{rest}");
        assert_eq!(unsafe_in(&format!("fn f() {{\n{line}\n}}")), Some(line.as_str()));
    }
    for level in ["allow", "expect", "warn"] {
        let line = format!("#![{level}(dead_code, {word}_code, reason = \"x\")]");
        assert_eq!(unsafe_in(&line), Some(line.as_str()));
    }
    assert_eq!(unsafe_in(&format!("// {word} {{\nlet not_{word} = 1;\nfn is_{word}() {{}}")), None);
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut found = BTreeMap::new();
    for name in names() {
        for circle in circles::Sources::read(&crates().join(&name).join("src")).circles() {
            found.insert((name.clone(), circle), ());
        }
    }
    for (name, files, reason) in CIRCLES {
        let files: BTreeSet<String> = files.iter().map(|file| (*file).to_owned()).collect();
        let known = found.remove(&(name.to_owned(), files));
        assert!(known.is_some(), "the circle of `{name}` in CIRCLES is gone: {reason}");
    }
    let left: Vec<String> = found.keys().map(|(name, files)| format!("`{name}`: {files:?}")).collect();
    assert!(left.is_empty(), "files that use each other: {left:#?}");
}
