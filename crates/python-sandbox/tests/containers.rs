//! The service with containers: each provider's answer comes from its own back end, and a killed service leaves none.
//!
//! The engine is the one that DOCKER_HOST names; `make test` starts it.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that fails may panic where it stands")]

mod support;

use serde_json::json;
use std::process::Command;
use std::time::Duration;
use support::{Launch, Server};

const IMAGE: &str = "python-sandbox-service-test:latest";
const SPREADSHEET: &str = "import pandas as pd\n\
    df = pd.DataFrame([{'name': 'Alice', 'age': 25}])\n\
    df.to_excel('/tmp/output/data.xlsx', index=False)\n\
    print('File created!')";

/// The engine for the tests with the image built by the command, or a loud skip.
fn engine() -> Option<String> {
    let Ok(host) = std::env::var("DOCKER_HOST") else {
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "DOCKER_HOST names no engine for the tests");
        eprintln!("SKIPPED: DOCKER_HOST names no engine for the tests (`make test` starts one)");
        return None;
    };
    if !support::runtime_is_prepared() {
        return None;
    }
    let built = Command::new(env!("CARGO_BIN_EXE_python-sandbox"))
        .args([
            "image",
            "build",
            "--set",
            &format!("DOCKER_HOST={host}"),
            "--set",
            &format!("DOCKER_IMAGE={IMAGE}"),
        ])
        .env("DATA_DIR", testkit::data_dir())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success() && words.contains("is ready: sha256:"), "{words}");
    Some(host)
}

fn launch(host: &str, provider: &str) -> Launch {
    Launch::new()
        .set("EXECUTOR_PROVIDER", provider)
        .set("EXECUTOR_FALLBACK_PROVIDERS", "")
        .set("DOCKER_HOST", host)
        .set("DOCKER_IMAGE", IMAGE)
        .set("DOCKER_POOL_SIZE", "2")
        .set("FORBIDDEN_IMPORTS", "")
}

fn kernel_of(server: &Server) -> String {
    let answer = server.execute(json!({ "code": "import os\nprint(os.uname().release)" }));
    answer.json["stdout"].as_str().unwrap().trim().to_owned()
}

#[test]
fn containers() {
    let Some(host) = engine() else { return };
    let own_kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim().to_owned();
    for provider in ["docker", "gvisor"] {
        let Some(server) = launch(&host, provider).start() else { return };
        let answer = server.execute(json!({ "code": SPREADSHEET, "timeout": 30 }));
        assert_eq!(answer.json["stdout"], "File created!\n", "{provider}: {}", answer.text());
        assert_eq!(answer.json["executor"], provider);
        assert_eq!(answer.json["artifacts"][0]["name"], "data.xlsx");
        assert_eq!(kernel_of(&server) == own_kernel, provider == "docker", "{provider}");
        let health = server.get("/health").json;
        assert_eq!(health["executor"]["name"], provider);
        server.stop();
        assert_none_left(&host, &format!("{provider} stopped"));
        doctor(&host, provider);
    }
    killed_service_leaves_no_container(&host);
}

/// Every wall is proved, but those that the executor says itself that it has not.
fn doctor(host: &str, provider: &str) {
    let settings = [
        format!("EXECUTOR_PROVIDER={provider}"),
        "EXECUTOR_FALLBACK_PROVIDERS=".to_owned(),
        format!("DOCKER_HOST={host}"),
        format!("DOCKER_IMAGE={IMAGE}"),
        "PORT=0".to_owned(),
    ];
    let examined = Command::new(env!("CARGO_BIN_EXE_python-sandbox"))
        .args(["doctor", "--json"])
        .args(settings.iter().flat_map(|setting| ["--set", setting]))
        .env("DATA_DIR", testkit::data_dir())
        .output()
        .unwrap();
    let findings: serde_json::Value = serde_json::from_slice(&examined.stdout).unwrap();
    let findings = findings.as_array().unwrap();
    assert!(findings.len() > 40, "{findings:?}");
    let fallen: Vec<_> = findings.iter().filter(|finding| finding["state"] != "proved").collect();
    let known = |name: &serde_json::Value| provider == "gvisor" && name == "file count limit";
    assert!(
        fallen.iter().all(|finding| finding["state"] == "missing" && known(&finding["name"])),
        "{provider}: {fallen:?}"
    );
    assert_none_left(host, &format!("doctor of {provider}"));
}

fn killed_service_leaves_no_container(host: &str) {
    let Some(mut server) = launch(host, "docker").start() else { return };
    let dir = std::sync::Arc::clone(&server.dir);
    std::thread::scope(|scope| {
        let running = &server;
        scope.spawn(move || {
            let body = json!({ "code": "while True: pass", "timeout": 30 }).to_string();
            let headers = [("content-type", "application/json")];
            // Its service is killed under it.
            let _ = support::try_send("POST", &running.url("/execute"), &headers, Some(body.as_bytes()));
        });
        std::thread::sleep(Duration::from_secs(2));
        assert!(!containers_of(host).is_empty());
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&server.child),
            rustix::process::Signal::KILL,
        )
        .unwrap();
    });
    server.child.wait().unwrap();
    let next = launch(host, "docker").in_dir(&dir).start().unwrap();
    assert_eq!(next.execute(json!({ "code": "print(1)" })).json["stdout"], "1\n");
    // The engine may still be making one that the killed service asked for.
    std::thread::sleep(Duration::from_secs(3));
    next.stop();
    assert_none_left(host, "after SIGKILL and a new start");
}

/// The engine needs a moment to forget one that is gone.
fn assert_none_left(host: &str, when: &str) {
    for _ in 0..50 {
        if containers_of(host).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{when}: {:?} are left", containers_of(host));
}

/// Ids of containers that carry our label.
fn containers_of(host: &str) -> Vec<String> {
    let socket = host.trim_start_matches("unix://");
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    let filters = "%7B%22label%22%3A%5B%22python-sandbox.owner%22%5D%7D";
    let request = format!(
        "GET /containers/json?all=1&filters={filters} HTTP/1.0\r\nHost: engine\r\nConnection: close\r\n\r\n"
    );
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let found: serde_json::Value = serde_json::from_str(body.trim()).unwrap();
    found.as_array().unwrap().iter().map(|container| container["Id"].to_string()).collect()
}
