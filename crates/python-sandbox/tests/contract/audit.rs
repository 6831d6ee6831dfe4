//! The audit log: a line for each execution, however it ended, and nothing of a program unless that is switched on.

use crate::keys::printed;
use crate::support::{Launch, Server, connect, wait_until};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The log is written by a thread of its own.
const WRITE_TIME_MAX: Duration = Duration::from_secs(20);

fn path_in(launch: &Launch) -> PathBuf {
    launch.work_dir().path().join("audit.log")
}

fn with_log(settings: &[(&str, &str)]) -> (Launch, PathBuf) {
    let launch = Launch::new();
    let path = path_in(&launch);
    let text = path.to_str().expect("UTF-8").to_owned();
    (launch.set("AUDIT_LOG", &text).sets(settings), path)
}

/// Every line, as JSON.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The line of this request; waits until it is written.
fn line_of(path: &Path, request_id: &str) -> Value {
    let find = || lines(path).into_iter().filter(|line| line["request_id"] == request_id).collect::<Vec<_>>();
    wait_until(WRITE_TIME_MAX, || !find().is_empty());
    let mut found = find();
    assert_eq!(found.len(), 1, "{request_id}: {found:?}");
    found.remove(0)
}

fn digest(code: &str) -> String {
    Sha256::digest(code).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn audit_has_one_line_for_each_execution_however_it_ended() {
    let (launch, path) = with_log(&[("MAX_CONCURRENT", "1"), ("MAX_WAITING", "0"), ("MAX_TIMEOUT", "60")]);
    let Some(server) = launch.start() else { return };
    let canary = "canary-of-audit-5e1b";
    let good = format!("print('{canary}')\nopen('{canary}.txt', 'w').write('{canary}')");
    let ran = server
        .execute(json!({"code": good, "stdin": canary, "env": {"A": canary}, "files": {canary: "YQ=="}}));
    assert_eq!(ran.str("/stdout"), format!("{canary}\n"));
    let line = line_of(&path, ran.header("x-request-id"));
    assert_eq!(
        (&line["event"], &line["end"], &line["outcome"], &line["success"], &line["exit_code"]),
        (&json!("execution"), &json!("ended"), &json!("exited"), &json!(true), &json!(0))
    );
    assert_eq!(line["code_sha256"], digest(&good));
    assert_eq!(
        (&line["caller"], &line["client"], &line["executor"]),
        (&json!("anonymous"), &json!("127.0.0.1"), &json!("native"))
    );
    assert_eq!(
        (line["code_bytes"].as_u64(), line["stdin_bytes"].as_u64()),
        (Some(good.len() as u64), Some(20))
    );
    assert_eq!((&line["input_files"], &line["input_bytes"]), (&json!(1), &json!(1)));
    let ended = &line["ended"];
    // The input file lies in the output directory, too.
    assert!(ended["stdout_bytes"] == 21 && ended["output_files"].as_u64() >= Some(1), "{line}");
    for time in ["validate_ms", "queue_ms", "setup_ms", "run_ms", "collect_ms", "upload_ms"] {
        assert!(line[time].is_number(), "{time}: {line}");
    }
    assert!(line["time"].as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{line}");

    let timed_out = server.execute(json!({"code": "while True: pass", "timeout": 1}));
    let line = line_of(&path, timed_out.header("x-request-id"));
    assert_eq!((&line["outcome"], &line["limit"]["name"]), (&json!("timeout"), &json!("wall_time")));
    assert_eq!(line["exit_code"], 124);
    let rejected = server.execute(json!({"code": format!("import os # {canary}")}));
    let line = line_of(&path, rejected.header("x-request-id"));
    assert_eq!((&line["end"], &line["outcome"]), (&json!("refused"), &json!("validation_failed")));
    assert_eq!(line["code_sha256"], digest(&format!("import os # {canary}")));
    assert!(line.get("run_ms").is_none() && line.get("exit_code").is_none(), "{line}");
    let invalid = server.execute(json!({"code": "print(1)", "timeout": 61}));
    let line = line_of(&path, invalid.header("x-request-id"));
    assert!(line["outcome"] == "invalid_request" && line.get("code_sha256").is_none(), "{line}");

    // One runs until its client goes away, and another is refused meanwhile.
    let slow = json!({"code": "import time\ntime.sleep(50)", "timeout": 60}).to_string();
    let mut stream = connect(&server.base);
    let head = "POST /execute HTTP/1.1\r\nhost: localhost\r\nx-request-id: gone-away\r\ncontent-type: application/json\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{slow}", slow.len()).expect("sent");
    let is_running = || server.get("/health").number("/load/running") >= 1.0;
    assert!(wait_until(WRITE_TIME_MAX, is_running), "{}", server.stderr_log());
    let busy = server.execute(json!({"code": "print(1)"}));
    assert_eq!(busy.status, 503, "{}", busy.text());
    assert_eq!(line_of(&path, busy.header("x-request-id"))["outcome"], "busy");
    drop(stream);
    let line = line_of(&path, "gone-away");
    assert_eq!((&line["end"], &line["outcome"]), (&json!("abandoned"), &json!("client_gone")));

    let page = server.get("/metrics").text();
    assert!(page.contains("\npython_sandbox_audit_up 1\n"), "{page}");
    assert_eq!(server.get("/health").json["observation"], json!({"healthy": true, "reason": null}));
    let log = server.stderr_log();
    let _dir = server.stop();
    let all = lines(&path);
    assert_eq!((&all[0]["event"], &all[all.len() - 1]["event"]), (&json!("started"), &json!("stopped")));
    let text = fs::read_to_string(&path).expect("the log");
    assert!(!text.contains(canary) && !log.contains(canary), "{text}{log}");
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o7777, 0o600);
}

#[test]
fn audit_names_the_key_and_has_its_changes() {
    let (launch, path) = with_log(&[]);
    let key = printed(&launch.run(&["keys", "create", "--name", "nightly"], ""));
    let Some(server) = launch.clone().start() else { return };
    let run = |key: &str| {
        let headers = [("content-type", "application/json"), ("x-api-key", key)];
        server.post("/execute", json!({"code": "print(1)"}).to_string().as_bytes(), &headers)
    };
    let ran = run(&key);
    assert_eq!(ran.status, 200, "{}", ran.text());
    let line = line_of(&path, ran.header("x-request-id"));
    assert_eq!((&line["caller"], &line["key"]), (&json!("key"), &json!("nightly")));
    let rotated = printed(&launch.run(&["keys", "rotate", "nightly"], ""));
    assert!(launch.run(&["keys", "revoke", "nightly"], "").status.success());
    // Without a valid key there is no execution.
    let refused = wait_until(WRITE_TIME_MAX, || run(&rotated).status == 401);
    assert!(refused, "{}", server.stderr_log());
    server.stop();
    let all = lines(&path);
    let changes: Vec<_> = all.iter().filter(|line| line["event"] == "key").collect();
    let words: Vec<_> = changes.iter().map(|line| line["change"].as_str().unwrap_or_default()).collect();
    assert_eq!(words, ["created", "rotated", "revoked"]);
    let uid = u64::from(rustix::process::getuid().as_raw());
    assert!(
        changes.iter().all(|change| change["key"] == "nightly" && change["key_id"] == line["key_id"]),
        "{all:?}"
    );
    assert!(changes.iter().all(|change| change["uid"].as_u64() == Some(uid)), "{all:?}");
    let text = fs::read_to_string(&path).expect("the log");
    for secret in [&key[14..], &rotated[14..]] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn audit_has_programs_only_where_that_is_switched_on() {
    let (launch, path) = with_log(&[("LOG_PROGRAMS", "true"), ("MAX_OUTPUT_SIZE", "100000")]);
    let Some(server) = launch.start() else { return };
    let code = "print('é' * 20000)\nprint(input(), end='')\n# \u{2028}\u{202e}\n";
    let stdin = "only-on-standard-input";
    let ran = server.execute(json!({"code": code, "stdin": stdin}));
    let line = line_of(&path, ran.header("x-request-id"));
    assert_eq!(line["program"]["code"], code);
    assert_eq!(line["program"]["stdout"].as_str().map(str::len), Some(16 * 1024), "bounded");
    assert!(line["ended"]["stdout_bytes"].as_u64() > Some(40_000), "{line}");
    assert!(!fs::read_to_string(&path).expect("the log").contains(['\u{2028}', '\u{202e}']));
    assert!(!server.stderr_log().contains("print('é'"));
    server.stop();
}

#[test]
fn audit_follows_its_name_and_says_when_it_cannot_be_written() {
    let (launch, path) = with_log(&[]);
    let Some(server) = launch.start() else { return };
    let first = server.program("print(1)");
    line_of(&path, first.header("x-request-id"));
    // As logrotate does.
    let moved = path.with_extension("log.1");
    fs::rename(&path, &moved).expect("moved");
    let second = server.program("print(2)");
    line_of(&path, second.header("x-request-id"));
    assert!(lines(&moved).iter().all(|line| line["request_id"] != second.header("x-request-id")));

    // Nobody can write to a directory, root neither.
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    let third = server.program("print(3)");
    assert_eq!(third.str("/stdout"), "3\n");
    let is_degraded = || server.get("/health").str("/status") == "degraded";
    assert!(wait_until(WRITE_TIME_MAX, is_degraded), "{}", server.stderr_log());
    let health = server.get("/health");
    assert_eq!((health.status, health.str("/observation/reason")), (200, "the audit log cannot be written"));
    server.program("print(4)");
    let lost =
        || server.get("/metrics").text().contains("\npython_sandbox_audit_lines_total{result=\"lost\"} 2\n");
    assert!(wait_until(WRITE_TIME_MAX, lost), "{}", server.get("/metrics").text());
    assert!(server.get("/metrics").text().contains("\npython_sandbox_audit_up 0\n"));
    let said = |text: &str| server.stderr_log().matches(text).count();
    assert_eq!(said("the audit log cannot be written: executions go on"), 1, "{}", server.stderr_log());

    fs::remove_dir(&path).expect("removed");
    let is_healthy = || server.get("/health").str("/status") == "healthy";
    assert!(wait_until(WRITE_TIME_MAX, is_healthy), "{}", server.stderr_log());
    let last = server.program("print(5)");
    line_of(&path, last.header("x-request-id"));
    let gap: Vec<_> = lines(&path).into_iter().filter(|line| line["event"] == "lost").collect();
    assert!(gap.len() == 1 && gap[0]["lines"] == 2, "{gap:?}");
    server.stop();
}

#[test]
fn audit_between_the_lines_of_the_log_is_json_of_its_own() {
    let Some(server) = Server::start(&[("AUDIT_LOG", "stderr"), ("LOG_FORMAT", "json")]) else { return };
    let ran = server.program("print(1)");
    let id = ran.header("x-request-id");
    let line = server.log_line(&["\"event\":\"execution\"", id]).expect("its line");
    assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON")["outcome"], "exited");
    server.stop();
}

#[test]
fn audit_log_that_cannot_be_opened_stops_the_start() {
    let launch = Launch::new();
    let link = launch.work_dir().path().join("link.log");
    std::os::unix::fs::symlink("/dev/null", &link).expect("linked");
    for (path, why) in
        [("/nonexistent/audit.log", "No such file"), (link.to_str().expect("UTF-8"), "failed to open")]
    {
        let output = launch.clone().set("AUDIT_LOG", path).run(&["serve"], "");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(
            message.contains(path) && message.contains(why) && message.contains("AUDIT_LOG"),
            "{message}"
        );
    }
}
