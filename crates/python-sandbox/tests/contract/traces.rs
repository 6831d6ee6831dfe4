//! Traces: what a collector gets of a request, and that a collector which does not work costs no request anything.

use crate::support::{Server, wait_until};
use serde_json::json;
use std::time::Duration;
use testkit::{Answers, Collector, SeenSpan};

/// Spans wait a second for others of their batch.
const EXPORT_TIME_MAX: Duration = Duration::from_secs(20);

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn start(collector: &Collector, settings: &[(&str, &str)]) -> Option<Server> {
    // By name, which the service resolves itself.
    let base = collector.base().replace("127.0.0.1", "localhost");
    Server::start(&[&[("OTEL_EXPORTER_OTLP_ENDPOINT", base.as_str())], settings].concat())
}

fn execute(server: &Server, code: &str, headers: &[(&str, &str)]) -> crate::support::Answer {
    let headers = [&[("content-type", "application/json")], headers].concat();
    server.post("/execute", json!({"code": code}).to_string().as_bytes(), &headers)
}

/// The spans of this trace, once that of the request has come, which is made last.
fn spans_of(collector: &Collector, trace_id: &str) -> Vec<SeenSpan> {
    let find = || collector.spans().into_iter().filter(|span| span.trace_id == trace_id).collect::<Vec<_>>();
    let is_there = || find().iter().any(|span| span.kind == 2);
    assert!(wait_until(EXPORT_TIME_MAX, is_there), "{:?}", collector.spans());
    find()
}

fn named<'a>(spans: &'a [SeenSpan], name: &str) -> &'a SeenSpan {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
}

#[test]
fn traces_have_a_span_for_the_request_and_each_phase_and_nothing_of_the_program() {
    let collector = Collector::start(Answers::Taken);
    let settings = [
        ("OTEL_SERVICE_NAME", "sandbox-eu"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,team=a%2Cb"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20canary-of-headers"),
    ];
    let Some(server) = start(&collector, &settings) else { return };
    let canary = "canary-of-traces-3d9f";
    let code = format!("print('{canary}')\nopen('{canary}.txt', 'w').write('{canary}')");
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let ran = execute(&server, &code, &[("traceparent", &parent), ("tracestate", "vendor=1")]);
    assert_eq!(ran.status, 200, "{}", ran.text());
    let spans = spans_of(&collector, TRACE);
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    let phases = ["validate", "queue", "setup", "run", "collect", "upload"];
    assert_eq!(spans.len(), 2 + phases.len(), "{names:?}");
    let request = named(&spans, "POST /execute");
    assert_eq!((request.parent_id.as_str(), request.state.as_str()), (CALLER, "vendor=1"));
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/execute"),
        ("http.response.status_code", "200"),
        ("client.address", "127.0.0.1"),
        ("python_sandbox.outcome", "exited"),
        ("python_sandbox.request_id", ran.header("x-request-id")),
    ] {
        assert_eq!(request.attribute(key), value, "{key}: {request:?}");
    }
    let execution = named(&spans, "execute");
    assert_eq!(execution.parent_id, request.span_id);
    for (key, value) in [
        ("python_sandbox.executor", "native"),
        ("python_sandbox.success", "true"),
        ("python_sandbox.exit_code", "0"),
        ("python_sandbox.output_files.count", "1"),
    ] {
        assert_eq!(execution.attribute(key), value, "{key}: {execution:?}");
    }
    let mut last = request.began;
    for phase in phases {
        let span = named(&spans, phase);
        assert_eq!(span.parent_id, execution.span_id, "{phase}");
        // Rounding of the two clocks.
        assert!(span.began + 5_000_000 >= last && span.ended >= span.began, "{phase}: {spans:?}");
        last = span.ended;
    }
    // The answer names the request's own span.
    assert_eq!(ran.header("traceresponse"), format!("00-{TRACE}-{}-01", request.span_id));
    assert!(server.log_line(&["access", TRACE]).is_some(), "{}", server.stderr_log());
    let resource = collector.resource();
    for (key, value) in
        [("service.name", "sandbox-eu"), ("deployment.environment.name", "test"), ("team", "a,b")]
    {
        assert!(resource.contains(&(key.to_owned(), value.to_owned())), "{key}: {resource:?}");
    }
    let head = collector.heads().remove(0);
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: bearer canary-of-headers"), "{head}");

    // A program without an answer, and one that fails: neither is an error of the service.
    let rejected = execute(&server, &format!("import os # {canary}"), &[]);
    let trace = trace_of(&rejected);
    let spans = spans_of(&collector, &trace);
    assert_eq!(named(&spans, "execute").attribute("python_sandbox.outcome"), "validation_failed");
    assert!(spans.iter().all(|span| !span.failed && span.name != "run"), "{spans:?}");
    assert!(!collector.was_sent(canary));
    let log = server.stderr_log();
    assert!(!log.contains("canary-of-headers") && !log.contains(canary), "{log}");
    server.stop();
}

/// The trace that an answer names.
fn trace_of(answer: &crate::support::Answer) -> String {
    answer.header("traceresponse").split('-').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn traces_are_sampled_as_the_caller_says_and_by_the_ratio_otherwise() {
    let collector = Collector::start(Answers::Taken);
    let settings = [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.0")];
    let Some(server) = start(&collector, &settings) else { return };
    let without = execute(&server, "print(1)", &[]);
    assert!(without.header("traceresponse").ends_with("-00"), "{:?}", without.headers);
    let unsampled = format!("00-{}-{CALLER}-00", TRACE.replace('0', "1"));
    execute(&server, "print(1)", &[("traceparent", &unsampled)]);
    execute(&server, "print(1)", &[("traceparent", &format!("00-{TRACE}-{CALLER}-01"))]);
    spans_of(&collector, TRACE);
    // An invalid header is none.
    let invalid = execute(&server, "print(1)", &[("traceparent", "00-\u{2028}")]);
    assert!(invalid.header("traceresponse").ends_with("-00"), "{:?}", invalid.headers);
    server.stop();
    assert!(collector.spans().iter().all(|span| span.trace_id == TRACE), "{:?}", collector.spans());
}

#[test]
fn traces_that_no_collector_takes_cost_no_request_anything_and_are_counted() {
    let collector = Collector::start(Answers::Nothing);
    let Some(server) = start(&collector, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")]) else { return };
    for _ in 0..20 {
        assert_eq!(execute(&server, "print(1)", &[]).str("/stdout"), "1\n");
    }
    let metric = |result: &str| {
        let page = server.get("/metrics").text();
        let name = format!("python_sandbox_trace_spans_total{{result=\"{result}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&name)).map(str::to_owned);
        line.and_then(|count| count.parse::<f64>().ok()).unwrap_or(-1.0)
    };
    assert!(wait_until(EXPORT_TIME_MAX, || metric("failed") > 0.0), "{}", server.stderr_log());
    assert_eq!(metric("exported"), 0.0);
    assert_eq!(server.get("/health").str("/status"), "healthy");
    let said = server.stderr_log().matches("traces are not exported").count();
    assert_eq!(said, 1, "{}", server.stderr_log());
    collector.set(Answers::Status(400));
    assert_eq!(execute(&server, "print(2)", &[]).str("/stdout"), "2\n");
    collector.set(Answers::Taken);
    let is_back = || {
        execute(&server, "print(3)", &[]);
        metric("exported") > 0.0
    };
    assert!(wait_until(EXPORT_TIME_MAX, is_back), "{}", server.stderr_log());
    assert!(server.log_line(&["traces are exported again"]).is_some());
    server.stop();
}

#[test]
fn traces_are_exported_before_the_service_stops_and_a_hanging_collector_does_not_hold_it() {
    let collector = Collector::start(Answers::Taken);
    let Some(server) = start(&collector, &[]) else { return };
    let ran = execute(&server, "print(1)", &[]);
    server.stop();
    assert!(collector.spans().iter().any(|span| span.trace_id == trace_of(&ran) && span.kind == 2));

    let collector = Collector::start(Answers::Nothing);
    let Some(server) = start(&collector, &[]) else { return };
    execute(&server, "print(1)", &[]);
    // Its own bound is far above that of the export.
    let dir = server.stop();
    let log = std::fs::read_to_string(dir.log()).expect("the log");
    assert!(log.contains("the last spans were not exported"), "{log}");
}

#[test]
fn traces_are_off_by_default() {
    let Some(server) = crate::default_server() else { return };
    let answer = execute(server, "print(1)", &[("traceparent", &format!("00-{TRACE}-{CALLER}-01"))]);
    assert_eq!((answer.status, answer.header("traceresponse")), (200, ""));
    assert!(!server.get("/metrics").text().contains("python_sandbox_trace_spans_total{"));
}

#[test]
fn traces_have_no_setting_that_is_ignored_in_silence() {
    for (name, value, why) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "0 to 1"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp, none"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "http://"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
    ] {
        let output = crate::support::run(&[(name, value)], &["check-config"], "");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(name) && message.contains(why), "{message}");
    }
    let output =
        crate::support::run(&[("OTEL_EXPORTER_OTLP_HEADERS", "x=canary\u{1},=")], &["check-config"], "");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && !message.contains("canary"), "{message}");
}
