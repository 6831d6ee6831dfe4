//! Every field of an answer: its type and its meaning.

use crate::support::{Answer, Launch};
use crate::{default_server, open_server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Field names and types of the contract; `?` may be null.
const SHAPE: &[(&str, &str)] = &[
    ("/success", "bool"),
    ("/stdout", "string"),
    ("/stderr", "string"),
    ("/exit_code", "integer"),
    ("/execution_time", "number"),
    ("/error", "string?"),
    ("/files", "array"),
    ("/request_id", "string"),
    ("/executor", "string"),
    ("/outcome/kind", "string"),
    ("/outcome/limit", "object?"),
    ("/outcome/signal", "integer?"),
    ("/outcome/message", "string?"),
    ("/outcome/hint", "string?"),
    ("/outcome/retryable", "bool"),
    ("/usage/wall_time_ms", "number"),
    ("/usage/cpu_time_ms", "number"),
    ("/usage/memory_peak_bytes", "integer"),
    ("/output/stdout_bytes", "integer"),
    ("/output/stderr_bytes", "integer"),
    ("/output/stdout_truncated", "bool"),
    ("/output/stderr_truncated", "bool"),
    ("/artifacts", "array"),
    ("/skipped_files", "array"),
    ("/warnings", "array"),
];

fn fits(value: &Value, kind: &str) -> bool {
    match kind.strip_suffix('?') {
        Some(kind) => value.is_null() || fits(value, kind),
        None => match kind {
            "bool" => value.is_boolean(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "array" => value.is_array(),
            _ => value.is_object(),
        },
    }
}

/// Checks the properties of every answer to a program that was run.
pub(crate) fn check_shape(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    for (pointer, kind) in SHAPE {
        let value =
            answer.json.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not in {}", answer.text()));
        assert!(fits(value, kind), "{pointer} is {value}, not {kind}");
    }
    let success = answer.json["success"] == true;
    assert_eq!(success, answer.kind() == "exited" && answer.json["exit_code"] == 0, "{}", answer.text());
    assert_eq!(success, answer.json["error"].is_null(), "{}", answer.text());
    let error = answer.str("/error");
    assert!(!error.contains('\n'), "one sentence: {error}");
    let urls: Vec<&Value> =
        answer.json["artifacts"].as_array().into_iter().flatten().map(|artifact| &artifact["url"]).collect();
    let files: Vec<&Value> = answer.json["files"].as_array().into_iter().flatten().collect();
    assert_eq!(files, urls, "`files` are the urls of `artifacts`");
    assert_eq!(answer.str("/request_id"), answer.header("x-request-id"));
    assert!(answer.number("/execution_time") >= 0.0);
    let difference = answer.number("/execution_time") * 1000.0 - answer.number("/usage/wall_time_ms");
    assert!(difference.abs() < 1.0, "two fields, one clock: {}", answer.text());
}

#[test]
fn the_first_request_after_the_start_is_answered_like_every_other() {
    let Some(server) = Launch::new().with_templates().without_waiting().start() else { return };
    let answer = server.program("print('Hello')");
    check_shape(&answer);
    assert_eq!(answer.str("/stdout"), "Hello\n");
    server.stop();
}

#[test]
fn a_good_program_has_every_field_and_no_complaint() {
    let Some(server) = default_server() else { return };
    let answer = server.program("print('Hello')");
    check_shape(&answer);
    assert_eq!(answer.json["success"], true);
    assert_eq!(answer.json["stderr"], "");
    assert_eq!(answer.json["exit_code"], 0);
    assert_eq!(answer.json["executor"], "native");
    for nothing in ["/error", "/outcome/limit", "/outcome/signal", "/outcome/message", "/outcome/hint"] {
        assert_eq!(answer.json.pointer(nothing), Some(&Value::Null), "{nothing}");
    }
    assert_eq!(answer.json["outcome"]["retryable"], false);
    assert_eq!(answer.json["output"]["stdout_bytes"], 6);
    assert_eq!(answer.json["output"]["stderr_bytes"], 0);
    for empty in ["files", "artifacts", "skipped_files", "warnings"] {
        assert_eq!(answer.json[empty], json!([]), "{empty}");
    }
    // An empty interpreter uses some MiB and never the whole limit.
    let peak = answer.number("/usage/memory_peak_bytes");
    assert!((1e6..1.28e8).contains(&peak), "{peak}");
}

#[test]
fn the_first_seven_fields_are_the_originals_in_the_originals_order() {
    let Some(server) = default_server() else { return };
    let text = server.program("print(1)").text();
    let places: Vec<_> =
        ["success", "stdout", "stderr", "exit_code", "execution_time", "error", "files", "request_id"]
            .iter()
            .map(|name| text.find(&format!("\"{name}\":")).expect("the field is there"))
            .collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn times_are_the_programs_own() {
    let Some(server) = default_server() else { return };
    let begun = Instant::now();
    let asleep = server.program("import time\ntime.sleep(0.5)");
    let elapsed = begun.elapsed();
    let wall = asleep.number("/usage/wall_time_ms");
    // The clock starts when the agent notices the start, on a busy machine some milliseconds late.
    assert!(wall >= 450.0 && Duration::from_secs_f64(wall / 1000.0) <= elapsed, "{wall} of {elapsed:?}");
    assert!(asleep.number("/usage/cpu_time_ms") < 400.0, "sleeping costs no CPU: {}", asleep.text());
    let busy =
        server.program("import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass");
    assert!(busy.number("/usage/cpu_time_ms") >= 290.0, "{}", busy.text());
    let cheap = server.program("pass").number("/usage/wall_time_ms");
    assert!(cheap < 400.0, "set-up is not the program's time: {cheap} ms");
}

#[test]
fn memory_and_processes_are_those_of_the_whole_program() {
    let Some(server) = open_server() else { return };
    let code = "import subprocess, sys\nx = bytes(range(256)) * (40 << 12)\n\
                subprocess.run([sys.executable, '-c', 'pass'], check=True)\nprint(len(x))";
    let answer = server.program(code);
    assert_eq!(answer.str("/stdout"), "41943040\n", "{}", answer.text());
    assert!(answer.number("/usage/memory_peak_bytes") > 41_943_040.0, "{}", answer.text());
    assert!(answer.number("/usage/processes_peak") >= 2.0, "{}", answer.text());
}

#[test]
fn warnings_are_remarks_and_do_not_stop_a_program() {
    let Some(server) = default_server() else { return };
    let answer = server.program("print(1)\nwhile True:\n    pass\n    break");
    let endless =
        server.execute(json!({"code": "print(1, flush=True)\nwhile True:\n    pass", "timeout": 1}));
    check_shape(&answer);
    check_shape(&endless);
    let warning = &endless.json["warnings"][0];
    assert_eq!(
        (&warning["line"], &warning["code"]),
        (&json!(2), &json!("infinite-loop")),
        "{}",
        endless.text()
    );
    assert!(warning["column"].is_u64() && warning["message"].is_string());
    assert_eq!((endless.kind(), endless.str("/stdout")), ("timeout", "1\n"));
}

#[test]
fn request_ids_are_ours_or_the_clients_and_in_every_log_line() {
    let Some(server) = open_server() else { return };
    let answer = server.program("print(1)");
    let id = answer.header("x-request-id");
    assert_eq!(id.len(), 26, "{id}");
    let line = server.log_line(&[id, "/execute"]).expect("a line of the access log");
    let line: Value = serde_json::from_str(&line).expect("a JSON line");
    assert_eq!(
        (&line["status"], &line["outcome"], &line["method"]),
        (&json!(200), &json!("exited"), &json!("POST"))
    );
    assert!(line["duration_ms"].is_u64());
    assert_ne!(server.program("print(1)").header("x-request-id"), id, "each request has its own");
    let mine = server.send("GET", "/health", &[("x-request-id", "my-id_7")]);
    assert_eq!(mine.header("x-request-id"), "my-id_7");
    assert!(server.log_line(&["my-id_7"]).is_some());
    for bad in ["a b", "a;b", "<x>", &"x".repeat(65)] {
        let answer = server.send("GET", "/health", &[("x-request-id", bad)]);
        assert_eq!(answer.header("x-request-id").len(), 26, "{bad}");
    }
    let Some(server) = default_server() else { return };
    let answer = server.program("print(1)");
    assert!(server.log_line(&[answer.header("x-request-id"), "/execute", "200", "exited"]).is_some());
}
