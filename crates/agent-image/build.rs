//! Builds the guest agent and the launcher as static executables, and the templates' shared object, and
//! leaves them in `OUT_DIR`.
//!
//! They are builds within the build because they need other link modes and another profile than the rest, and
//! cargo has no stable way to express such a dependency. They use a target directory inside ours, so that no
//! build waits for another's lock.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let crates = Path::new(&variable("CARGO_MANIFEST_DIR")).join("..");
    let sources = [
        "agent",
        "confine",
        "launcher",
        "protocol",
        "seccomp",
        "template",
        "../runtime/runner",
        "../Cargo.lock",
        "../Cargo.toml",
    ];
    for path in sources {
        println!("cargo:rerun-if-changed={}", crates.join(path).display());
    }
    for (package, executable) in [("agent", "sandbox-agent"), ("launcher", "sandbox-launcher")] {
        build(
            &crates,
            package,
            &["--bin", executable],
            "-Ctarget-feature=+crt-static",
            executable,
            "a static C library is needed; on Debian, libc6-dev",
        );
    }
    build(
        &crates,
        "template",
        &["--features", "image"],
        "",
        "libsandbox_template.so",
        "a C linker is needed",
    );
}

fn build(crates: &Path, package: &str, what: &[&str], flags: &str, file: &str, hint: &str) {
    let out = PathBuf::from(variable("OUT_DIR"));
    let target = variable("TARGET");
    let status = Command::new(variable("CARGO"))
        .args(["build", "--locked", "--profile", "agent", "--target", &target])
        .args(what)
        .arg("--manifest-path")
        .arg(crates.join(package).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(out.join("target"))
        // The outer build's flags are for another kind of file; its wrappers (clippy) for another job.
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_TARGET_DIR")
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .status()
        .unwrap_or_else(|error| panic!("failed to run cargo for `{package}`: {error}"));
    assert!(status.success(), "failed to build `{package}` (hint: {hint})");
    let built = out.join("target").join(&target).join("agent").join(file);
    fs::copy(&built, out.join(file)).unwrap_or_else(|error| panic!("failed to copy `{file}`: {error}"));
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
