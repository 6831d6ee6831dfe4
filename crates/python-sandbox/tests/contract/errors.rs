//! Every error status over real HTTP, and the properties that all error bodies share.

use crate::support::{Answer, Launch, Server, connect, exchange};
use crate::{SERVICE_CANARY, default_server, open_server};
use serde_json::json;
use std::io::Write;
use std::time::{Duration, Instant};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Checks the properties of every error body.
pub(crate) fn check_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.str("/code")), (status, code), "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    for (field, value) in [
        ("success", json!(false)),
        ("stdout", json!("")),
        ("stderr", json!("")),
        ("exit_code", json!(-1)),
        ("files", json!([])),
    ] {
        assert_eq!(answer.json[field], value, "{field}: {}", answer.text());
    }
    assert_eq!(answer.number("/execution_time"), 0.0);
    assert!(!answer.str("/error").is_empty() && !answer.str("/message").is_empty(), "{}", answer.text());
    assert_eq!(answer.str("/request_id"), answer.header("x-request-id"));
    assert!(!answer.str("/request_id").is_empty());
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    if status == 503 {
        let seconds: u64 = answer.header("retry-after").parse().expect("seconds");
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
}

#[test]
fn a_rejected_program_is_400_with_every_finding() {
    let Some(server) = default_server() else { return };
    let answer = server.execute(
        json!({"code": "import os\nx = 1\nimport subprocess as s, json\nfrom socket import socket"}),
    );
    check_error(&answer, 400, "validation_failed");
    assert!(answer.str("/error").starts_with("Validation failed"), "{}", answer.text());
    let violations = answer.json["violations"].as_array().cloned().unwrap_or_default();
    let found: Vec<_> = violations.iter().map(|v| (v["line"].as_u64(), v["column"].is_u64())).collect();
    assert_eq!(found, [(Some(1), true), (Some(3), true), (Some(4), true)], "{}", answer.text());
    for (violation, module) in violations.iter().zip(["os", "subprocess", "socket"]) {
        let message = violation["message"].as_str().unwrap_or_default();
        assert!(message.contains(module), "{message}");
        assert!(answer.str("/message").contains(module));
        assert!(violation["code"].is_string());
    }
    for line in ["1", "3", "4"] {
        assert!(answer.str("/message").contains(line));
    }
    let syntax = server.execute(json!({"code": "print(1)\nif x:\nprint(2)"}));
    check_error(&syntax, 400, "validation_failed");
    assert_eq!(syntax.json["violations"][0]["line"], 3, "{}", syntax.text());
    let id = answer.header("x-request-id");
    assert!(server.log_line(&[id, "400", "validation_failed"]).is_some());
}

#[test]
fn a_syntax_error_says_what_lies_behind_it() {
    let Some(server) = default_server() else { return };
    for (code, line, column, words) in [
        ("```python\nprint(1)\n```", 1, 0, "remove the Markdown fence (```) and send only the code"),
        ("x = 1\n!pip install seaborn", 2, 0, "packages cannot be installed"),
        ("%matplotlib inline\nprint(1)", 1, 0, "notebook magic command"),
        ("print(“hi”)", 1, 6, "typographic quote"),
    ] {
        let answer = server.execute(json!({"code": code}));
        check_error(&answer, 400, "validation_failed");
        let violation = &answer.json["violations"][0];
        assert_eq!((&violation["line"], &violation["column"]), (&json!(line), &json!(column)), "{violation}");
        for text in ["/error", "/message", "/violations/0/message"] {
            assert!(answer.str(text).contains(words), "{text}: {}", answer.text());
        }
    }
}

#[test]
fn unknown_paths_are_404_and_wrong_methods_405_with_allow() {
    let Some(server) = default_server() else { return };
    for path in
        ["/nowhere", "/execute/", "/health/x", "/files", "/docs/../etc/passwd", "/docs/%2e%2e%2fetc", "//"]
    {
        check_error(&server.get(path), 404, "not_found");
    }
    for (method, path, allow) in [
        ("GET", "/execute", "POST"),
        ("PUT", "/execute", "POST"),
        ("DELETE", "/health", "GET,HEAD"),
        ("POST", "/", "GET,HEAD"),
        ("POST", "/openapi.json", "GET,HEAD"),
        ("PATCH", "/files/abc", "GET,HEAD"),
        ("OPTIONS", "/execute", "POST"),
    ] {
        let answer = server.send(method, path, &[]);
        check_error(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow").replace(' ', ""), allow, "{method} {path}");
    }
    let brew = server.send("BREW", "/execute", &[]);
    check_error(&brew, 405, "method_not_allowed");
}

#[test]
fn only_json_is_read() {
    let Some(server) = default_server() else { return };
    let body = br#"{"code":"print(1)"}"#;
    for wrong in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data"]
    {
        check_error(
            &server.post("/execute", body, &[("content-type", wrong)]),
            415,
            "unsupported_media_type",
        );
    }
    check_error(&server.post("/execute", body, &[]), 415, "unsupported_media_type");
    for right in ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"] {
        assert_eq!(server.post("/execute", body, &[("content-type", right)]).status, 200, "{right}");
    }
}

#[test]
fn a_body_over_the_bound_is_413_however_it_is_sent() {
    let Some(server) = Server::start(&[("MAX_BODY_SIZE", "4k")]) else { return };
    let body = |bytes: usize| {
        let frame = r#"{"code":"print(1) #"}"#.len();
        json!({"code": format!("print(1) #{}", "x".repeat(bytes - frame))}).to_string()
    };
    assert_eq!(server.post("/execute", body(4096).as_bytes(), &[JSON]).status, 200);
    let answer = server.post("/execute", body(4097).as_bytes(), &[JSON]);
    check_error(&answer, 413, "body_too_large");
    assert!(answer.str("/message").contains("4096") && answer.str("/message").contains("MAX_BODY_SIZE"));
    // In chunks, without an announced length.
    let chunk = format!("1001\r\n{}\r\n", "x".repeat(0x1001));
    let head = "POST /execute HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = exchange_until_status(&server, format!("{head}{chunk}").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // An announced length alone costs nothing.
    let head = "POST /execute HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n";
    let answer = exchange_until_status(&server, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    server.stop();
}

/// The first bytes of the answer.
fn exchange_until_status(server: &Server, bytes: &[u8]) -> String {
    use std::io::Read;
    let mut stream = connect(&server.base);
    stream.write_all(bytes).expect("sent");
    let mut answer = vec![0; 1024];
    let count = stream.read(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

#[test]
fn what_is_not_http_is_answered_or_closed_and_never_served() {
    let Some(server) = default_server() else { return };
    for bytes in [
        &b"NONSENSE\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /execute HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\
          content-length: 6\r\n\r\n{\"co\"}",
        b"PRJ * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut bytes = bytes.to_vec();
        bytes.extend_from_slice(b"\r\n\r\n");
        let answer = exchange(&server.base, &bytes);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    // HTTP/2 is served, so its preface gets settings (RFC 9113, 3.4: a frame of type 4), but what follows here is no frame.
    let answer = exchange(&server.base, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    assert_eq!(answer.as_bytes().get(3), Some(&4), "{answer:?}");
    assert!(!answer.contains("HTTP/1.1"), "{answer:?}");
    assert_eq!(server.output_of("print(1)"), "1\n");
}

/// Requests of a page whose own name resolves to this service (DNS rebinding), and of other sites' pages.
#[test]
fn other_names_and_other_sites_are_refused() {
    let Some(server) = default_server() else { return };
    let with = |method: &str, path: &str, headers: &str| {
        let body = r#"{"code":"print(1)"}"#;
        let text = format!(
            "{method} {path} HTTP/1.1\r\n{headers}connection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        exchange(&server.base, text.as_bytes())
    };
    let port = server.base.rsplit(':').next().unwrap_or_default();
    for (method, path) in [("GET", "/health"), ("GET", "/"), ("GET", "/nothing"), ("POST", "/execute")] {
        let answer = with(method, path, &format!("host: rebound.example:{port}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 421") && answer.contains("\"host_not_allowed\""), "{answer}");
        assert!(answer.contains("ALLOWED_HOSTS"), "{answer}");
        for headers in ["", "host: localhost\r\nhost: localhost\r\n", "host: local host\r\n", "host:\r\n"] {
            let answer = with(method, path, headers);
            assert!(answer.starts_with("HTTP/1.1 400"), "{headers}: {answer}");
        }
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8000", "a.localhost", "192.0.2.1"] {
        let answer = with("POST", "/execute", &format!("host: {host}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }
    for (origin, status) in [
        ("http://localhost:8000", 200),
        ("null", 403),
        ("http://localhost:3000", 403),
        ("https://evil.example", 403),
        ("http://localhost:8000.evil.example", 403),
    ] {
        let answer = with("POST", "/execute", &format!("host: localhost:8000\r\norigin: {origin}\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{origin}: {answer}");
        assert_eq!(answer.contains("\"origin_not_allowed\""), status == 403, "{answer}");
    }
    assert!(with("GET", "/docs", "host: localhost\r\norigin: null\r\n").starts_with("HTTP/1.1 200"));
    check_error(&server.send("GET", "/", &[("host", "rebound.example")]), 421, "host_not_allowed");
}

#[test]
fn a_compressed_body_is_415() {
    let Some(server) = default_server() else { return };
    let body = br#"{"code":"print(1)"}"#;
    for coding in ["gzip", "br", "deflate, identity", "unheard-of"] {
        let answer = server.post("/execute", body, &[JSON, ("content-encoding", coding)]);
        check_error(&answer, 415, "unsupported_media_type");
        assert_eq!(answer.header("accept-encoding"), "identity");
    }
    assert_eq!(server.post("/execute", body, &[JSON, ("content-encoding", "identity")]).status, 200);
}

#[test]
fn a_full_waiting_line_is_503_at_once_and_empties_again() {
    let settings = [("MAX_CONCURRENT", "1"), ("MAX_WAITING", "1"), ("FORBIDDEN_IMPORTS", "")];
    let Some(server) = Server::start(&settings) else { return };
    let sleep = json!({"code": "import time\ntime.sleep(1.5)\nprint('done')"});
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.execute(&sleep));
        wait_for_load(&server, "running", 1);
        let second = scope.spawn(|| server.execute(&sleep));
        wait_for_load(&server, "waiting", 1);
        let third = server.execute(&sleep);
        check_error(&third, 503, "busy");
        assert!(!second.is_finished(), "it was refused at once, not when a slot was free");
        // A program that can never run is refused as such even if the service is full.
        check_error(&server.execute(json!({"code": "print(1)", "timeout": 99})), 422, "invalid_request");
        let health = server.get("/health");
        assert_eq!((health.status, &health.json["load"]["running_max"]), (200, &json!(1)));
        for waited in [first, second] {
            let answer = waited.join().expect("an answer");
            assert_eq!(answer.str("/stdout"), "done\n", "{}", answer.text());
            assert!(
                answer.number("/execution_time") < 2.5,
                "waiting is not the program's time: {}",
                answer.text()
            );
        }
    });
    assert_eq!(server.output_of("print('again')"), "again\n");
    server.stop();
}

#[test]
fn a_wait_over_queue_timeout_is_503() {
    let settings = [("MAX_CONCURRENT", "1"), ("QUEUE_TIMEOUT", "1")];
    let Some(server) = Server::start(&settings) else { return };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.execute(json!({"code": "import time\ntime.sleep(3)"})));
        wait_for_load(&server, "running", 1);
        let begun = Instant::now();
        let second = server.execute(json!({"code": "print(1)"}));
        // Without the bound it would run after the first has ended.
        check_error(&second, 503, "busy");
        assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
        assert_eq!(first.join().expect("an answer").json["success"], true);
    });
    server.stop();
}

/// Waits until `/health` shows this many.
pub(crate) fn wait_for_load(server: &Server, what: &str, count: u64) {
    let reached = crate::support::wait_until(Duration::from_secs(10), || {
        server.get("/health").json["load"][what].as_u64() == Some(count)
    });
    assert!(reached, "{what} is not {count}");
}

#[test]
fn no_executor_is_503_with_the_reason_in_health_alone() {
    // No cgroup can be created below a file: the native executor cannot enforce its limits.
    let launch = Launch::new().set("NATIVE_CGROUP_PARENT", "/cgroup.procs/no-such-group-of-the-tests");
    let Some(server) = launch.start() else { return };
    let health = server.get("/health");
    assert_eq!((health.status, health.str("/status")), (503, "unhealthy"), "{}", health.text());
    assert_eq!(health.json["executor"]["healthy"], false);
    assert!(health.json["executor"]["name"].is_null());
    let reason = health.str("/executor/providers/native/reason");
    assert!(!reason.is_empty(), "{}", health.text());
    let answer = server.execute(json!({"code": "print(1)"}));
    check_error(&answer, 503, "executor_unavailable");
    assert!(!answer.text().contains("/sys/fs/cgroup"), "the detail is for the log: {}", answer.text());
    assert!(server.log_line(&[answer.header("x-request-id"), "no executor is usable"]).is_some());
    server.stop();
}

#[test]
fn no_secret_is_in_an_answer_or_in_the_log() {
    let Some(server) = open_server() else { return };
    let client = "canary-of-the-client-91ac";
    // Everything a program can read of its environment.
    let code = "import os, glob
print(dict(os.environ))
for path in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline') + glob.glob('/proc/*/maps'):
    try: print(open(path, 'rb').read())
    except OSError as error: print(error)
for path in ('/etc', '/root', '/home', '/var', '/proc', '/sys', '/tmp', '/run'):
    try: print(os.listdir(path))
    except OSError as error: print(error)";
    let answer = server.program(code);
    assert!(!answer.text().contains(SERVICE_CANARY), "{}", answer.text());
    let used = server.execute(json!({
        "code": format!("import os\nassert os.environ['KEY'] == {client:?}\nprint({client:?})\nraise ValueError({client:?})"),
        "stdin": client, "env": {"KEY": client}, "files": {"f": crate::support::base64(client.as_bytes())},
    }));
    assert!(used.str("/stdout").contains(client), "{}", used.text());
    for body in [
        json!({"code": format!("import x y {client}")}),
        json!({"code": "print(1)", "env": {"A B": client}}),
        json!({"code": "print(1)", "stdin": [client]}),
        json!({"code": "print(1)", "timeout": client}),
    ] {
        let answer = server.execute(&body);
        assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
    }
    for path in ["/", "/health", "/openapi.json"] {
        assert!(!server.get(path).text().contains(SERVICE_CANARY), "{path}");
    }
    server.log_line(&[used.header("x-request-id")]).expect("its line is there");
    let log = server.stderr_log();
    assert!(!log.contains(SERVICE_CANARY) && !log.contains(client), "a secret is in the log");
}
