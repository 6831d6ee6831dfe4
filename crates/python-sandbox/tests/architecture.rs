//! The arrows between rooms and the fence around `unsafe`, as ARCHITECTURE.md draws them.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which crates of the workspace each crate may name outside of its tests.
const ARROWS: [(&str, &[&str]); 26] = [
    ("protocol", &[]),
    ("validator", &[]),
    ("cgroup", &[]),
    ("seccomp", &[]),
    ("confine", &["seccomp"]),
    ("ownership", &[]),
    ("storage", &["ownership"]),
    ("runtime", &["ownership"]),
    ("testkit", &[]),
    ("agent-image", &[]),
    ("agent", &["confine", "protocol", "seccomp"]),
    ("launcher", &["agent", "confine", "protocol", "seccomp"]),
    ("template", &["confine"]),
    ("executor", &["protocol"]),
    ("executor-docker", &["agent-image", "executor", "ownership", "protocol", "seccomp"]),
    ("executor-native", &["agent-image", "cgroup", "confine", "executor", "launcher", "protocol"]),
    ("service", &["executor", "storage", "validator"]),
    ("api", &["explain", "service", "storage"]),
    ("explain", &["executor", "storage"]),
    ("settings", &["executor", "ownership", "runtime"]),
    (
        "compose",
        &[
            "cgroup",
            "confine",
            "executor",
            "executor-docker",
            "executor-native",
            "runtime",
            "service",
            "settings",
            "storage",
            "validator",
        ],
    ),
    ("terminal", &[]),
    ("host-traces", &[]),
    ("doctor", &["compose", "confine", "executor", "host-traces", "runtime", "settings", "terminal"]),
    ("bench", &["compose", "executor", "host-traces", "runtime", "settings", "terminal", "validator"]),
    (
        "python-sandbox",
        &[
            "api",
            "bench",
            "compose",
            "confine",
            "doctor",
            "executor",
            "ownership",
            "runtime",
            "seccomp",
            "service",
            "settings",
            "storage",
            "terminal",
        ],
    ),
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names under `[dependencies]` in a manifest; test dependencies have their own table and are free.
fn named<'a>(manifest: &'a str, rooms: &BTreeSet<&str>) -> Vec<&'a str> {
    let table = manifest.split_once("\n[dependencies]\n").map_or("", |(_, rest)| rest);
    let table = table.split("\n[").next().unwrap_or_default();
    let names = table.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| rooms.contains(name)).collect()
}

#[test]
fn rooms_name_only_whom_they_may() {
    let allowed: BTreeMap<_, BTreeSet<&str>> =
        ARROWS.into_iter().map(|(room, names)| (room, names.iter().copied().collect())).collect();
    let rooms: BTreeSet<&str> = allowed.keys().copied().collect();
    for entry in fs::read_dir(crates()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(allowed) = allowed.get(name.as_str()) else { panic!("room `{name}` is not on the map") };
        let manifest = fs::read_to_string(entry.path().join("Cargo.toml")).unwrap();
        for other in named(&manifest, &rooms) {
            assert!(allowed.contains(other), "`{name}` must not name `{other}`");
        }
    }
}

#[test]
fn unsafe_stays_in_its_crate() {
    let mut pending = vec![crates()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let inside = path.components().any(|part| part.as_os_str() == "confine");
            if inside || path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for word in [
                "allow(unsafe_code",
                concat!("unsafe", " {"),
                concat!("unsafe", " fn"),
                concat!("unsafe", " impl"),
            ] {
                let allowed = path.ends_with("tests/architecture.rs");
                assert!(allowed || !text.contains(word), "{} contains `{word}`", path.display());
            }
        }
    }
}
