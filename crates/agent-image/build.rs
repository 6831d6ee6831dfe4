//! Builds the guest agent as a static executable and leaves it in `OUT_DIR`.
//!
//! It is a build within the build because it needs another link mode (`crt-static`) and another profile than the
//! rest, and cargo has no stable way to depend on an executable. Its target directory is inside ours, so the two
//! never wait for each other's lock.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let out = PathBuf::from(variable("OUT_DIR"));
    let crates = Path::new(&variable("CARGO_MANIFEST_DIR")).join("..");
    for path in ["agent", "confine", "protocol", "../runtime/runner.py", "../Cargo.lock", "../Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", crates.join(path).display());
    }
    let target = variable("TARGET");
    let status = Command::new(variable("CARGO"))
        .args(["build", "--locked", "--profile", "agent", "--bin", "sandbox-agent", "--target", &target])
        .arg("--manifest-path")
        .arg(crates.join("agent/Cargo.toml"))
        .arg("--target-dir")
        .arg(out.join("target"))
        // The outer build's flags are for another kind of executable; its wrappers (clippy) for another job.
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_TARGET_DIR")
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .status()
        .unwrap_or_else(|error| panic!("failed to run cargo for the agent: {error}"));
    assert!(
        status.success(),
        "failed to build the agent (hint: a static C library is needed; on Debian, libc6-dev)"
    );
    let built = out.join("target").join(&target).join("agent/sandbox-agent");
    fs::copy(&built, out.join("sandbox-agent"))
        .unwrap_or_else(|error| panic!("failed to copy the agent: {error}"));
}
