//! The service with containers: docker and gvisor run programs in their own back ends, as native does in the
//! other tests (kata needs KVM and was never run), an engine that is killed under load loses only the
//! programs inside, and a killed service leaves no container.
//!
//! The engine is the one that DOCKER_HOST names; `make test` starts it.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use support::{Launch, Server};

const IMAGE: &str = "python-sandbox-service-test:latest";
const SPREADSHEET: &str = "import pandas as pd\n\
    df = pd.DataFrame([{'name': 'Alice', 'age': 25}])\n\
    df.to_excel('/tmp/output/data.xlsx', index=False)\n\
    print('File created!')";

/// The engine for the tests with the image built by the command, or a reported skip.
fn engine() -> Option<String> {
    let Ok(host) = std::env::var("DOCKER_HOST") else {
        return testkit::skip("DOCKER_HOST names no engine for the tests (`make test` starts one)");
    };
    if !support::runtime_is_prepared() {
        return None;
    }
    build_image(&host);
    Some(host)
}

fn build_image(host: &str) {
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
}

fn launch(host: &str, provider: &str) -> Launch {
    Launch::new()
        .with_templates()
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

/// Every protection is proved, except those that the executor itself reports as missing.
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
            // The test kills its service.
            let _ = support::try_send("POST", &running.url("/execute"), &headers, Some(body.as_bytes()));
        });
        let is_running = || server.get("/health").json["load"]["running"] == 1;
        assert!(support::wait_until(Duration::from_secs(30), is_running), "the program does not run");
        assert!(!containers_of(host).is_empty());
        kill_process(Pid::from_child(&server.child), Signal::KILL).unwrap();
    });
    server.child.wait().unwrap();
    let next = launch(host, "docker").in_dir(&dir).start().unwrap();
    assert_eq!(next.execute(json!({ "code": "print(1)" })).json["stdout"], "1\n");
    // The engine may still be creating one that the killed service requested; nothing shows when it is done.
    std::thread::sleep(Duration::from_secs(3));
    next.stop();
    assert_none_left(host, "after SIGKILL and a new start");
}

/// A separate engine, which a test may stop and restart.
struct OwnEngine {
    /// Cleans up at the end of its input.
    script: Child,
    host: String,
    /// Its command line.
    command: Vec<String>,
    pid: Pid,
    /// The restarted one.
    second: Option<Child>,
}

impl OwnEngine {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/engine");
        let mut script = Command::new(script)
            .args(["sh", "-c", "echo \"$DOCKER_HOST\"; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut host = String::new();
        BufReader::new(script.stdout.as_mut().unwrap()).read_line(&mut host).unwrap();
        let host = host.trim().to_owned();
        let directory = Path::new(host.trim_start_matches("unix://")).parent().unwrap();
        let pid = std::fs::read_to_string(directory.join("pid")).unwrap().trim().to_owned();
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        let command = words.split_terminator('\0').map(str::to_owned).collect();
        Self { script, host, command, pid: Pid::from_raw(pid.parse().unwrap()).unwrap(), second: None }
    }

    /// As `systemctl stop` does.
    fn stop(&self) {
        kill_process(self.pid, Signal::TERM).unwrap();
    }

    fn start_again(&mut self) {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).stdout(Stdio::null()).stderr(Stdio::null());
        self.second = Some(command.spawn().unwrap());
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        if let Some(second) = &mut self.second {
            let _ = kill_process(Pid::from_child(second), Signal::TERM);
            let _ = second.wait();
        }
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}

/// One client's answers, one after the other, until it is told to stop.
fn answers(server: &Server, count: &AtomicUsize, end: &AtomicBool) -> Vec<(u16, Value)> {
    let mut answers = Vec::new();
    while !end.load(Ordering::Relaxed) {
        let answer = server.execute(json!({ "code": "print(2)" }));
        answers.push((answer.status, answer.json));
        count.fetch_add(1, Ordering::Relaxed);
    }
    answers
}

fn executor_of_one(server: &Server) -> Value {
    server.execute(json!({ "code": "print(3)" })).json["executor"].take()
}

#[test]
fn an_engine_that_is_stopped_under_load_costs_only_the_programs_inside() {
    if engine().is_none() {
        return;
    }
    let mut own = OwnEngine::start();
    build_image(&own.host);
    let launch = launch(&own.host, "docker").set("EXECUTOR_FALLBACK_PROVIDERS", "native");
    let Some(server) = launch.set("MAX_CONCURRENT", "8").start() else { return };
    assert_eq!(executor_of_one(&server), "docker");
    let (count, end) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (inside, answers) = std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            server.execute(
                json!({ "code": "import time\ntime.sleep(60)", "timeout": 30, "executor": "docker" }),
            )
        });
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(|| answers(&server, &count, &end))).collect();
        // Each client has had an answer, and the long program runs: its request was the first.
        let is_under_load = || count.load(Ordering::Relaxed) >= 6;
        assert!(support::wait_until(Duration::from_secs(60), is_under_load), "no answers");
        own.stop();
        let inside = inside.join().unwrap();
        assert!(support::wait_until(Duration::from_secs(10), || executor_of_one(&server) == "native"));
        // The old one is gone completely before another starts in the same directory.
        let old = format!("/proc/{}", own.pid);
        assert!(support::wait_until(Duration::from_secs(30), || !Path::new(&old).exists()
            || std::fs::read_to_string(format!("{old}/stat")).is_ok_and(|stat| stat.contains(") Z "))));
        own.start_again();
        assert!(support::wait_until(Duration::from_secs(60), || executor_of_one(&server) == "docker"));
        end.store(true, Ordering::Relaxed);
        (inside, clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>())
    });
    assert_eq!(inside.status, 500, "{}", inside.text());
    assert!(inside.text().contains("will not be run again"), "the message says so: {}", inside.text());
    let by = |name: &str| answers.iter().filter(|(_, json)| json["executor"] == name).count();
    assert!(by("docker") > 0 && by("native") > 0, "{} by docker, {} by native", by("docker"), by("native"));
    // Each client may have had one program inside at that time.
    let failed: Vec<_> =
        answers.iter().filter(|(status, json)| *status != 200 || json["stdout"] != "2\n").collect();
    assert!(failed.len() <= 3 && failed.iter().all(|(status, _)| *status == 500), "{failed:?}");
    server.stop();
}

/// The engine needs a moment to forget a removed container.
fn assert_none_left(host: &str, when: &str) {
    for _ in 0..50 {
        if containers_of(host).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{when}: {:?} are left", containers_of(host));
}

/// Ids of containers with our label.
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
