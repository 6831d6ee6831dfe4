//! The example as a process: its layer acts, and programs still run.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longest time for a start, and for one answer.
const TIME_MAX: Duration = Duration::from_secs(60);

/// The example, and its log. Dropping it kills it.
struct Example {
    process: Child,
    base: String,
    log: Receiver<String>,
    _data: tempfile::TempDir,
}

impl Example {
    /// `None` with a reported skip if no runtime is prepared.
    fn start() -> Option<Self> {
        if let Err(error) = runtime::Runtime::load(&testkit::data_dir()) {
            return testkit::skip(&error);
        }
        if !rustix::process::geteuid().is_root() {
            return testkit::skip("root, which the example needs for cgroups");
        }
        let data = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(testkit::data_dir().join("runtime"), data.path().join("runtime")).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_custom-layer"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs([("PORT", "0"), ("EXECUTOR_FALLBACK_PROVIDERS", ""), ("NATIVE_TEMPLATES", "")])
            .env("DATA_DIR", data.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, log) = channel();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
        });
        let mut example = Self { process, base: String::new(), log, _data: data };
        let line = example.line("listening");
        let at = line.find("http://").unwrap();
        example.base = line[at..].trim_matches(|c: char| c == '"' || c.is_whitespace()).to_owned();
        Some(example)
    }

    /// The next line of the log with this word.
    fn line(&self, word: &str) -> String {
        let mut read = Vec::new();
        loop {
            match self.log.recv_timeout(TIME_MAX) {
                Ok(line) if line.contains(word) => return line,
                Ok(line) => read.push(line),
                Err(error) => panic!("no `{word}` ({error}) in:\n{}", read.join("\n")),
            }
        }
    }

    /// Status, header `server-timing` and body of an answer.
    fn send(&self, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> (u16, String, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(TIME_MAX))
            .build()
            .into();
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut response =
            agent.run(request.header("content-type", "application/json").body(text).unwrap()).unwrap();
        let timing = response.headers().get("server-timing").map(|value| value.to_str().unwrap().to_owned());
        let body = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap_or_default();
        (response.status().as_u16(), timing.unwrap_or_default(), body)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn programs_of_tenants_run_and_others_do_not() {
    let Some(mut example) = Example::start() else { return };
    let program = json!({"code": "print(6 * 7)"});
    for headers in [&[][..], &[("x-tenant", "a b")]] {
        let (status, timing, body) = example.send("/execute", headers, Some(&program));
        assert_eq!((status, &body["code"]), (400, &json!("bad_request")), "{body}");
        assert!(body["error"].as_str().unwrap().contains("X-Tenant"), "{body}");
        assert!(timing.starts_with("total;dur="), "{timing}");
    }
    // In the access log like every answer.
    example.line("bad_request");
    let (status, timing, body) = example.send("/execute", &[("x-tenant", "acme")], Some(&program));
    assert_eq!((status, &body["stdout"]), (200, &json!("42\n")), "{body}");
    assert!(timing.starts_with("total;dur="), "{timing}");
    let line = example.line("acme");
    assert!(line.contains(body["request_id"].as_str().unwrap()), "{line}");
    assert_eq!(example.send("/health", &[], None).0, 200);

    let pid = Pid::from_raw(i32::try_from(example.process.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(example.process.wait().unwrap().success());
}

/// What the document shows is in the example, line by line.
#[test]
fn the_document_shows_this_code() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let lines = |text: &str| text.lines().map(|line| format!("{}\n", line.trim())).collect::<String>();
    let code = lines(&(read("src/layer.rs") + &read("src/main.rs")));
    let document = read("../../docs/extending.md");
    let shown: Vec<_> =
        document.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(shown.len(), 2);
    for part in shown {
        assert!(code.contains(&lines(part)), "not in the example:\n{part}");
    }
}
