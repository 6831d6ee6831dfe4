//! The service's log: one line per request, and no text of a client or a program forges or hides one.

use crate::keys::printed;
use crate::support::{Launch, Server, exchange};
use serde_json::{Value, json};

/// What ends a line, moves a terminal's cursor, or reverses text.
const FORGED: &str = "x\n2026-01-01T00:00:00Z  INFO forged\r\n{\"level\":\"INFO\",\"forged\":true}\u{1b}[2J\u{9b}1A\u{85}\u{2028}\u{2029}\u{202e}\u{2066}\u{200b}";

/// Sends such texts in every field that has one.
fn send_forged(server: &Server) {
    let print = format!("import sys\nprint({FORGED:?}, file=sys.stderr)\nprint({FORGED:?})");
    let name = FORGED.replace('/', "");
    let write = format!("open({name:?}, 'w').write('1')");
    for body in [
        json!({"code": print}),
        json!({"code": write}),
        json!({"code": "print(1)", "files": {FORGED: "YQ=="}}),
        json!({"code": "print(1)", "env": {FORGED: FORGED}}),
        json!({"code": "print(1)", "executor": FORGED}),
        json!({"code": "print(1)", FORGED: FORGED}),
        json!({"code": FORGED}),
        json!({"code": "print(1)", "stdin": FORGED}),
    ] {
        let answer = server.execute(&body);
        assert!([200, 400, 422].contains(&answer.status), "{}", answer.text());
    }
    let path = "/%0a%1b[2J%E2%80%A8?x=%0aforged";
    for head in [
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n"),
        "GET / HTTP/1.1\r\nhost: localhost\r\norigin: http://\u{202e}forged\u{1b}[2J\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: \u{202e}forged\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: localhost\r\nx-request-id: forged\u{2028}\u{1b}[2J\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: \u{202e}forged\r\ntraceparent: \u{2028}\r\n"
            .to_owned(),
    ] {
        exchange(&server.base, format!("{head}connection: close\r\n\r\n").as_bytes());
    }
}

/// Every line of the log, in which each character must be visible.
fn visible_lines(server: &Server) -> Vec<String> {
    let log = server.stderr_log();
    for line in log.lines() {
        let hidden: Vec<_> = line.chars().filter(|c| !::support::is_visible(*c)).collect();
        assert!(hidden.is_empty(), "{hidden:?} in {line}");
    }
    log.lines().map(str::to_owned).collect()
}

#[test]
fn logs_as_json_have_one_object_per_line_whatever_clients_send() {
    let settings = [("LOG_FORMAT", "json"), ("LOG_LEVEL", "trace"), ("AUDIT_LOG", "stderr")];
    // Templates write to the log as well.
    let Some(server) = Server::start_with_templates(&settings) else { return };
    send_forged(&server);
    for line in visible_lines(&server) {
        let json: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(json.is_object() && json.get("forged").is_none(), "{line}");
        assert!(json["timestamp"].is_string() != json["time"].is_string(), "{line}");
    }
    server.stop();
}

#[test]
fn logs_as_text_have_no_line_that_a_client_made() {
    let Some(server) = Server::start(&[("LOG_LEVEL", "trace")]) else { return };
    send_forged(&server);
    let lines = visible_lines(&server);
    let is_ours = |line: &String| {
        let mut words = line.split_whitespace();
        let time = words.next().unwrap_or_default();
        let level = words.next().unwrap_or_default();
        // The line of readiness is a message for people.
        line.contains(" is ready at http://")
            || (time.ends_with('Z') && !time.starts_with("2026-01-01T00:00:00Z"))
                && ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level)
    };
    let forged: Vec<_> = lines.iter().filter(|line| !is_ours(line)).collect();
    assert!(forged.is_empty(), "{forged:?}");
    server.stop();
}

#[test]
fn logs_have_one_line_per_request_with_key_executor_outcome_and_times() {
    let launch = Launch::new().set("LOG_FORMAT", "json");
    let key = printed(&launch.run(&["keys", "create", "--name", "naïve \"ci\" 文"], ""));
    let Some(server) = launch.start() else { return };
    let headers = [("content-type", "application/json"), ("x-api-key", key.as_str())];
    let code = "print('canary-of-logs-77c2')\nopen('canary-of-logs-77c2', 'w').write('canary-of-logs-77c2')";
    let ran = server.post("/execute", json!({"code": code}).to_string().as_bytes(), &headers);
    assert_eq!(ran.status, 200, "{}", ran.text());
    let id = ran.header("x-request-id");
    server.log_line(&["\"target\":\"access\"", id]).expect("its line");
    let log = server.stderr_log();
    let of_request = log.lines().filter(|line| line.contains(id) && line.contains("\"target\":\"access\""));
    let lines: Vec<Value> = of_request.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    for (field, expected) in [
        ("/method", json!("POST")),
        ("/path", json!("/execute")),
        ("/status", json!(200)),
        ("/outcome", json!("exited")),
        ("/client", json!("127.0.0.1")),
        ("/key", json!("naïve \"ci\" 文")),
        ("/executor", json!("native")),
        ("/span/request_id", json!(id)),
    ] {
        assert_eq!(line.pointer(field), Some(&expected), "{field}: {line}");
    }
    let times = ["duration_ms", "validate_ms", "queue_ms", "setup_ms", "run_ms", "collect_ms", "upload_ms"];
    assert!(times.iter().all(|time| line[time].is_number()), "{line}");
    assert!(!log.contains("canary-of-logs-77c2") && !log.contains(&key[14..]), "{log}");
    server.stop();
}
