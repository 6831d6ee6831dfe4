//! `/metrics`: what it counts is what clients saw, and it shows nothing of theirs.

use crate::support::{Launch, Server, exchange, wait_until};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// The page is rendered at most this often.
const PAGE_AGE_MAX: Duration = Duration::from_millis(250);

/// The series of a page with their values.
type Samples = BTreeMap<String, f64>;

fn parse(page: &str) -> Samples {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').expect("a series and its value");
        (series.to_owned(), value.parse().expect("a number"))
    };
    lines.map(sample).collect()
}

fn samples(server: &Server) -> Samples {
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200, "{}", answer.text());
    parse(&answer.text())
}

fn sum(samples: &Samples, name: &str) -> f64 {
    let own = samples.iter().filter(|(series, _)| series.split('{').next() == Some(name));
    own.map(|(_, value)| value).sum()
}

/// Waits for a page that is as wanted, at most until no page can be older than what was counted; returns the last.
fn wait_for(server: &Server, is_so: impl Fn(&Samples) -> bool) -> Samples {
    let mut last = samples(server);
    wait_until(20 * PAGE_AGE_MAX, || {
        last = samples(server);
        is_so(&last)
    });
    last
}

#[test]
fn counts_start_at_0_and_are_what_clients_saw() {
    let canary = "canary-of-metrics-91d4";
    let settings = [("MAX_CONCURRENT", "2"), ("EXECUTOR_FALLBACK_PROVIDERS", "")];
    let Some(server) = Server::start(&settings) else { return };
    let before = samples(&server);
    assert_eq!(sum(&before, "python_sandbox_executions_total"), 0.0);
    assert_eq!(sum(&before, "python_sandbox_executions_refused_total"), 0.0);
    assert_eq!((before["python_sandbox_ready"], before["python_sandbox_programs_running_limit"]), (1.0, 2.0));

    let file = format!("print('{canary}')\nopen('{canary}.txt', 'w').write('12345')");
    let bodies = [
        json!({"code": "print(1)"}),
        json!({"code": "raise SystemExit(3)"}),
        json!({"code": "while True: pass", "timeout": 1}),
        json!({"code": "x = ['x' * 1000000 for _ in range(1000)]"}),
        json!({"code": file, "stdin": canary, "env": {"NAME": canary}}),
        json!({"code": format!("import os # {canary}")}),
        json!({"code": "", "env": {"A": canary}}),
    ];
    let mut seen: BTreeMap<(String, bool), u32> = BTreeMap::new();
    let mut refused: BTreeMap<String, u32> = BTreeMap::new();
    std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..4).map(|_| scope.spawn(|| bodies.each_ref().map(|body| server.execute(body)))).collect();
        for answer in clients.into_iter().flat_map(|client| client.join().expect("no panic")) {
            if answer.status == 200 {
                let success = answer.json["success"] == true;
                *seen.entry((answer.kind().to_owned(), success)).or_default() += 1;
            } else {
                *refused.entry(answer.str("/code").to_owned()).or_default() += 1;
            }
        }
    });
    assert!(seen.len() >= 4 && refused.len() == 2, "{seen:?} {refused:?}");
    let (ran, not_run) = (seen.values().sum::<u32>(), refused.values().sum::<u32>());
    let page = wait_for(&server, |page| {
        sum(page, "python_sandbox_executions_total") == f64::from(ran)
            && sum(page, "python_sandbox_executions_refused_total") == f64::from(not_run)
    });
    for ((kind, success), count) in seen {
        let labels = format!("{{executor=\"native\",outcome=\"{kind}\",success=\"{success}\"}}");
        assert_eq!(page[&format!("python_sandbox_executions_total{labels}")], f64::from(count), "{labels}");
    }
    for (code, count) in refused {
        let counted = &page[&format!("python_sandbox_executions_refused_total{{code=\"{code}\"}}")];
        assert_eq!(*counted, f64::from(count), "{code}");
        assert_eq!(page[&format!("python_sandbox_http_errors_total{{code=\"{code}\"}}")], f64::from(count));
    }
    assert_eq!(sum(&page, "python_sandbox_executions_total"), f64::from(ran));
    assert_eq!(page["python_sandbox_artifacts_total"], 4.0);
    assert_eq!(page["python_sandbox_artifact_bytes_total"], 20.0);
    assert_eq!(page["python_sandbox_upload_duration_seconds_count"], 4.0);
    let ran_in =
        |phase: &str| page[&format!("python_sandbox_{phase}_duration_seconds_count{{executor=\"native\"}}")];
    assert_eq!((ran_in("run"), ran_in("collect")), (f64::from(ran), f64::from(ran)));
    assert_eq!(sum(&page, "python_sandbox_setup_duration_seconds_count"), f64::from(ran));
    assert!(sum(&page, "python_sandbox_pool_takes_total") >= f64::from(ran));
    assert!(sum(&page, "python_sandbox_interpreters_total") >= f64::from(ran));
    assert!(page["python_sandbox_sandboxes_memory_bytes{executor=\"native\"}"] > 0.0);
    // Four loops of a second, which may get little of a busy host.
    assert!(page["python_sandbox_execution_cpu_seconds_total{executor=\"native\"}"] > 0.2);
    assert!(page["process_resident_memory_bytes"] > 1e6 && page["process_open_fds"] > 3.0);

    let text = server.get("/metrics").text();
    assert!(!text.contains(canary), "{text}");
    server.stop();
}

#[test]
fn the_page_is_plain_text_for_get_and_head_alone() {
    let Some(server) = crate::default_server() else { return };
    let answer = server.get("/metrics");
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.text().contains("# TYPE python_sandbox_executions_total counter\n"));
    let head = server.send("HEAD", "/metrics", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    crate::errors::check_error(&server.post("/metrics", b"", &[]), 405, "method_not_allowed");
    let foreign =
        exchange(&server.base, b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert!(foreign.starts_with("HTTP/1.1 421"), "{foreign}");
}

#[test]
fn no_path_or_method_of_a_client_makes_a_series() {
    let Some(server) = Server::start(&[]) else { return };
    let request = |number: usize, last: &str| {
        format!("X{number} /{number}/%0a{{x=\"y\"}} HTTP/1.1\r\nHost: h{number}.localhost\r\n{last}\r\n")
    };
    let send = |numbers: std::ops::Range<usize>| {
        let close = request(numbers.end, "Connection: close\r\n");
        let text: String = numbers.map(|number| request(number, "")).chain([close]).collect();
        exchange(&server.base, text.as_bytes())
    };
    send(0..1);
    let count = |page: &Samples| sum(page, "python_sandbox_http_requests_total");
    let before = wait_for(&server, |page| count(page) >= 3.0);
    let answers = send(0..200);
    assert_eq!(answers.matches("HTTP/1.1 404").count(), 201, "{answers}");
    let after = wait_for(&server, |page| count(page) >= count(&before) + 201.0);
    let unmatched = "python_sandbox_http_requests_total{method=\"other\",route=\"unmatched\",status=\"404\"}";
    assert_eq!(after[unmatched], before[unmatched] + 201.0);
    // The requests for the page itself may be new.
    let names = |page: &Samples| {
        let others = page.keys().filter(|series| !series.contains("route=\"/metrics\""));
        others.cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&after), names(&before));
    server.stop();
}

#[test]
fn a_client_that_goes_away_is_counted() {
    let Some(server) = Server::start(&[]) else { return };
    let body = json!({"code": "import time\ntime.sleep(20)", "timeout": 30}).to_string();
    let head =
        "POST /execute HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ";
    let mut stream = crate::support::connect(&server.base);
    std::io::Write::write_all(&mut stream, format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes())
        .expect("sent");
    let running = wait_for(&server, |page| page["python_sandbox_programs_running"] == 1.0);
    assert_eq!(running["python_sandbox_programs_running"], 1.0);
    drop(stream);
    let gone = "python_sandbox_executions_refused_total{code=\"client_gone\"}";
    assert_eq!(wait_for(&server, |page| page[gone] == 1.0)[gone], 1.0);
    let line = server.log_line(&["access", "499", "client_gone", "setup_ms"]);
    assert!(line.is_some(), "{}", server.stderr_log());
    server.stop();
}

#[test]
fn metrics_can_be_off_or_alone_on_a_port_of_their_own() {
    let Some(off) = Server::start(&[("METRICS_ENABLED", "false")]) else { return };
    crate::errors::check_error(&off.get("/metrics"), 404, "not_found");
    off.stop();

    let Some(server) = Server::start(&[("METRICS_PORT", "0")]) else { return };
    crate::errors::check_error(&server.get("/metrics"), 404, "not_found");
    let line = server.log_line(&["http://127.0.0.1:", "/metrics"]).expect("the address is in the log");
    let start = line.find("http://").expect("an address");
    let url: String = line[start..].chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
    let base = url.strip_suffix("/metrics").expect("the page's address").to_owned();
    let page = crate::support::send("GET", &url, &[], None);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("\npython_sandbox_ready 1\n"), "{}", page.text());
    for path in ["/", "/health", "/execute"] {
        let answer = crate::support::send("GET", &format!("{base}{path}"), &[], None);
        crate::errors::check_error(&answer, 404, "not_found");
    }
    let foreign =
        exchange(&base, b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert!(foreign.starts_with("HTTP/1.1 421"), "{foreign}");
    server.stop();
}

#[test]
fn the_command_prints_the_page() {
    let Some(server) = crate::default_server() else { return };
    let port = server.base.rsplit(':').next().unwrap_or_default();
    let metrics = |settings: &[(&str, &str)]| {
        let output = Launch::new().own_port().sets(settings).run(&["metrics"], "");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, page, _) = metrics(&[("PORT", port)]);
    assert_eq!(code, Some(0));
    assert!(parse(&page).contains_key("python_sandbox_ready"), "{page}");
    let (code, page, message) = metrics(&[("METRICS_ENABLED", "false")]);
    assert_eq!((code, page.as_str()), (Some(1), ""));
    assert!(message.contains("METRICS_ENABLED=true"), "{message}");
    let (code, _, message) = metrics(&[("METRICS_PORT", "1")]);
    assert!(code == Some(1) && message.contains("127.0.0.1 port 1 does not answer"), "{message}");
}
