//! Sources of settings, with the real binary: precedence, and errors that stop startup.

use crate::support::{Launch, runtime_is_prepared};
use serde_json::json;

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn command_line_over_environment_over_dotenv_over_file_over_default() {
    let launch = Launch::new()
        .file(
            "python-sandbox.toml",
            "app_name = 'toml'\nmax_timeout = 3\nmax_file_count = 3\nmax_code_length = 300\n",
        )
        .file(".env", "APP_NAME=dotenv\nMAX_TIMEOUT=4 # seconds\nexport MAX_FILE_COUNT='4'\n")
        .set("APP_NAME", "environment")
        .set("MAX_TIMEOUT", "5")
        .args(&["--set", "APP_NAME=command line"]);
    let Some(server) = launch.start() else { return };
    assert_eq!(server.get("/").str("/service"), "command line");
    let timeout = server.execute(json!({"code": "print(1)", "timeout": 99}));
    assert!(timeout.str("/message").contains("1 to 5 seconds"), "environment: {}", timeout.text());
    let files = json!({"a": "", "b": "", "c": "", "d": "", "e": ""});
    let count = server.execute(json!({"code": "print(1)", "files": files}));
    assert!(count.str("/message").contains("at most 4 files"), ".env: {}", count.text());
    let length = server.execute(json!({"code": "#".repeat(301)}));
    assert!(length.str("/message").contains("1 to 300 characters"), "file: {}", length.text());
    server.stop();
}

#[test]
fn a_file_of_another_name_is_read_when_it_is_named() {
    let launch = Launch::new()
        .file("python-sandbox.toml", "app_name = 'not this one'\n")
        .file("other.toml", "APP_NAME = 'other'\nforbidden_imports = ['json']\n")
        .args(&["--config", "other.toml"]);
    let Some(server) = launch.start() else { return };
    assert_eq!(server.get("/").str("/service"), "other");
    assert_eq!(server.execute(json!({"code": "import json"})).status, 400);
    server.stop();
}

#[test]
fn what_is_wrong_stops_the_start_with_name_value_and_what_is_allowed() {
    for (name, value, words) in [
        ("MAX_TIMEOUT", "soon", &["MAX_TIMEOUT", "soon", "1", "3600"][..]),
        ("MAX_TIMEOUT", "0", &["MAX_TIMEOUT", "1", "3600"]),
        ("NATIVE_MEMORY", "1k", &["NATIVE_MEMORY", "1k", "16"]),
        ("EXECUTOR_PROVIDER", "natif", &["EXECUTOR_PROVIDER", "natif", "native"]),
        ("EXECUTOR_PROVIDER", "firecracker", &["EXECUTOR_PROVIDER", "firecracker", "native"]),
        ("STORAGE_ENABLED", "perhaps", &["STORAGE_ENABLED", "perhaps", "true"]),
        ("STORAGE_PROVIDER", "ftp", &["STORAGE_PROVIDER", "ftp", "local"]),
        ("PORT", "99999", &["PORT", "99999", "65535"]),
        ("LOG_FORMAT", "xml", &["LOG_FORMAT", "xml", "json"]),
        ("FORBIDDEN_IMPORTS", "os;sys", &["FORBIDDEN_IMPORTS", "os;sys"]),
        ("PUBLIC_URL", "sandbox", &["PUBLIC_URL", "sandbox", "http"]),
        ("NATIVE_CGROUP_PARENT", "/a/../b", &["NATIVE_CGROUP_PARENT", "/a/../b", "/python-sandbox"]),
        ("MAX_TIMOUT", "5", &["MAX_TIMOUT", "did you mean MAX_TIMEOUT?"]),
        ("NATIVE_MEMROY", "64m", &["NATIVE_MEMROY", "did you mean NATIVE_MEMORY?"]),
        ("EXECUTOR_FOO", "x", &["EXECUTOR_FOO"]),
    ] {
        let output = Launch::new().own_port().set(name, value).run(&["serve"], "");
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {}", said(&output));
        for word in words {
            assert!(said(&output).contains(word), "{word} is not in: {}", said(&output));
        }
    }
}

#[test]
fn a_misspelt_name_in_a_file_stops_the_start_with_its_line() {
    for (file, text, place) in [
        (".env", "PORT=0\nNATIVE_MEMROY=64m\n", ".env:2"),
        (".env", "PORT=0\nAP_NAME=x\n", ".env:2"),
        ("python-sandbox.toml", "port = 0\n\nmax_timout = 5\n", "python-sandbox.toml:3"),
        ("python-sandbox.toml", "port = \n", "python-sandbox.toml:1"),
    ] {
        let output = Launch::new().own_port().file(file, text).run(&["serve"], "");
        assert_eq!(output.status.code(), Some(2), "{file} {text}: {}", said(&output));
        assert!(said(&output).contains(place), "{place} is not in: {}", said(&output));
    }
    let output = Launch::new().own_port().run(&["serve", "--config", "nowhere.toml"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("nowhere.toml"));
    let output = Launch::new().own_port().run(&["serve", "--set", "AP_NAME=x"], "");
    assert!(said(&output).contains("APP_NAME"), "{}", said(&output));
}

#[test]
fn no_error_prints_a_secret() {
    let canary = "canary-of-a-setting";
    for (name, file) in [
        ("STORAGE_R2_SECRET_KEYS", ""),
        ("STORAGE_R2_SECRET_KEY", "STORAGE_R2_SECRET_KEY=\"canary-of-a-setting\nPORT=0\n"),
    ] {
        let output = Launch::new()
            .own_port()
            .set(name, canary)
            .set("PORT", "x")
            .file(".env", file)
            .run(&["serve"], "");
        assert_eq!(output.status.code(), Some(2));
        assert!(!said(&output).contains(canary), "{}", said(&output));
    }
    let output = Launch::new().set("STORAGE_R2_SECRET_KEY", canary).run(&["check-config"], "");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!String::from_utf8_lossy(&output.stdout).contains(canary));
}

#[test]
fn names_of_other_programs_do_not_stop_the_start() {
    let launch = Launch::new()
        .set("DOCKER_HOST", "unix:///run/docker.sock")
        .set("DOCKER_BUILDKIT", "1")
        .set("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        .set("PYTHONUNBUFFERED", "1")
        .set("LANG", "C.UTF-8");
    let Some(server) = launch.start() else { return };
    assert_eq!(server.get("/health").status, 200);
    server.stop();
}

#[test]
fn the_example_is_a_dotenv_that_starts() {
    if !runtime_is_prepared() {
        return;
    }
    let example = Launch::new().run(&["check-config", "--example"], "");
    assert_eq!(example.status.code(), Some(0));
    let text = String::from_utf8_lossy(&example.stdout).into_owned();
    assert!(text.contains("MAX_TIMEOUT") && text.contains("NATIVE_MEMORY"));
    let Some(server) = Launch::new().file(".env", &text).start() else { return };
    assert_eq!(server.output_of("print(1)"), "1\n");
    server.stop();
}
