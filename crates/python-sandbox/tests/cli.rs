//! The real binary's command line: usage errors, settings, and the use of stdout and stderr.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output};

/// A run in an empty directory with an empty environment, so that the machine's own settings have no effect.
fn run(directory: &Path, environment: &[(&str, &str)], args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_python-sandbox"))
        .args(args)
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .env("XDG_DATA_HOME", directory.join("data"))
        .env("DATA_DIR", directory.join("data"))
        .envs(environment.iter().copied())
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn check_config_prints_every_setting_and_no_secret() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join(".env"), "STORAGE_R2_SECRET_KEY=canary-77\nMAX_TIMEOUT=5\n")
        .expect("written");
    let output = run(directory.path(), &[("PORT", "9001")], &["check-config", "--set", "DEBUG=true"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    let line = |name: &str| {
        let found = stdout.lines().find(|line| line.split_whitespace().next() == Some(name));
        found
            .unwrap_or_else(|| panic!("{name} is not in {stdout}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("PORT"), "PORT 9001 environment");
    assert_eq!(line("DEBUG"), "DEBUG true command line, --set");
    assert_eq!(line("MAX_TIMEOUT"), "MAX_TIMEOUT 5 .env:2");
    assert_eq!(line("NATIVE_MEMORY"), "NATIVE_MEMORY 128m default");
    assert_eq!(line("STORAGE_R2_SECRET_KEY"), "STORAGE_R2_SECRET_KEY *** .env:1");
    assert!(!stdout.contains("canary-77"));
}

#[test]
fn wrong_settings_stop_every_command_with_code_2_and_all_problems() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for command in ["serve", "doctor", "check-config"] {
        let wrong = [("PORT", "http"), ("MAX_FILE_SIZ", "1"), ("STORAGE_R2_SECRET_KEYX", "canary-77")];
        let output = run(directory.path(), &wrong, &[command]);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        let stderr = text(&output.stderr);
        for expected in [
            "3 places",
            "PORT = `http` (environment)",
            "did you mean MAX_FILE_SIZE?",
            "STORAGE_R2_SECRET_KEY?",
        ] {
            assert!(stderr.contains(expected), "{expected} is not in {stderr}");
        }
        assert!(!stderr.contains("canary-77"));
    }
}

#[test]
fn bad_usage_is_code_2_and_help_is_code_0() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for args in [&["run"][..], &["fly"], &["run", "a.py", "-c", "x"], &["serve", "--no-such-flag"]] {
        assert_eq!(run(directory.path(), &[], args).status.code(), Some(2), "{args:?}");
    }
    for args in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let output = run(directory.path(), &[], args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn without_a_runtime_the_message_names_the_command_that_makes_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for args in [&["serve", "--port", "0"][..], &["run", "-c", "print(1)"]] {
        let output = run(directory.path(), &[], args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains("python-sandbox setup"), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn doctor_without_a_runtime_lists_every_wall_as_missing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = run(directory.path(), &[], &["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    let walls: Vec<_> =
        findings.as_array().into_iter().flatten().filter(|finding| finding["kind"] == "wall").collect();
    assert!(walls.len() >= 20, "{} walls", walls.len());
    assert!(walls.iter().all(|wall| wall["state"] == "missing" && wall["fix"] == "python-sandbox setup"));
}

#[test]
fn a_wrong_root_file_system_names_its_setting() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = run(directory.path(), &[("RUNTIME_ROOTFS", "/no/such/tree")], &["run", "-c", "print(1)"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("`/no/such/tree` (RUNTIME_ROOTFS)"), "{stderr}");
    // `setup` would not fix it.
    assert!(!stderr.contains("python-sandbox setup"), "{stderr}");
}

#[test]
fn doctor_names_what_is_missing_once() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = run(directory.path(), &[], &["doctor"]);
    let stdout = text(&output.stdout);
    assert_eq!(stdout.matches("not tried").count(), 1, "{stdout}");
}

#[test]
fn run_reads_a_missing_file_as_our_fault() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = run(directory.path(), &[], &["run", "nowhere.py"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("nowhere.py"));
}

#[test]
fn delegating_to_nobody_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = run(directory.path(), &[], &["setup", "--delegate-cgroups", "no-such-user-here"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no-such-user-here"));
}

#[test]
fn a_service_of_containers_alone_needs_no_runtime() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let containers = [
        ("EXECUTOR_PROVIDER", "docker"),
        ("EXECUTOR_FALLBACK_PROVIDERS", ""),
        ("DOCKER_HOST", "unix:///nonexistent/docker.sock"),
    ];
    let output = run(directory.path(), &containers, &["run", "-c", "print(1)"]);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("no Docker engine") && !stderr.contains("runtime"), "{stderr}");
    let with_native = [containers[0], ("EXECUTOR_FALLBACK_PROVIDERS", "native"), containers[2]];
    let output = run(directory.path(), &with_native, &["run", "-c", "print(1)"]);
    assert!(text(&output.stderr).contains("python-sandbox setup"), "{}", text(&output.stderr));
}

#[test]
fn health_says_what_the_service_says() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port().to_string();
    for (status, code) in [("200 OK", 0), ("503 Service Unavailable", 1)] {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
        let output = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().expect("asked");
                let mut request = [0; 512];
                let length = stream.read(&mut request).expect("read");
                assert!(request[..length].starts_with(b"GET /health HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).expect("written");
            });
            run(directory.path(), &[("HOST", "0.0.0.0"), ("PORT", &port)], &["health"])
        });
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(code), "{}\n"));
    }
    drop(listener);
    let output = run(directory.path(), &[("PORT", &port)], &["health"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&port), "{}", text(&output.stderr));
}
