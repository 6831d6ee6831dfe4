//! The contract (`docs/api.md`) over HTTP: every status, every field, every page.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use axum::body::Body;
use bytes::Bytes;
use common::{World, error_body, post, settle};
use executor::OutputFile;
use executor::scripted::{Script, ScriptedReport};
use http::Request;
use protocol::{Counters, EndReason, WaitStatus};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use storage::{Link, LinkError, LinkUse, Links, NewFile, Opened, Store};

fn answers(played: ScriptedReport) -> Script {
    Script::Answer(Box::new(played))
}

#[tokio::test]
async fn the_answer_has_every_field_in_the_contracts_order() {
    let mut played = ScriptedReport::exited(0);
    played.stdout = b"Hello\n".to_vec();
    played.files = vec![OutputFile { path: "out/data.csv".into(), content: Bytes::from_static(b"a,b\n") }];
    let report = &mut played.report;
    (report.wall_time_us, report.cpu_time_us, report.resident_bytes_peak) = (2100, 1400, 9_437_184);
    // The agent, which is not part of the program, is counted too.
    report.counters = Some(Counters { memory_bytes_peak: None, pids_peak: Some(2), ..Counters::default() });
    let world = World::new(answers(played));
    let answer = world.execute(&json!({"code": "while True: break"})).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    let text = answer.text();
    let names = [
        "success",
        "stdout",
        "stderr",
        "exit_code",
        "execution_time",
        "error",
        "files",
        "request_id",
        "executor",
        "outcome",
        "usage",
        "output",
        "artifacts",
        "skipped_files",
        "warnings",
    ];
    let places: Vec<_> = names.iter().map(|name| text.find(&format!("\"{name}\":")).expect(name)).collect();
    assert!(places.is_sorted(), "{text}");
    assert_eq!(body.as_object().unwrap().len(), names.len());
    assert_eq!(body["success"], true);
    assert_eq!(body["stdout"], "Hello\n");
    assert_eq!(body["execution_time"], 0.0021);
    assert_eq!(body["error"], Value::Null);
    assert_eq!(body["request_id"], answer.header("x-request-id"));
    assert_eq!(
        body["outcome"],
        json!({"kind": "exited", "limit": null, "signal": null, "syscall": null, "message": null, "hint": null,
               "exception": null, "retryable": false})
    );
    assert_eq!(
        body["usage"],
        json!({"wall_time_ms": 2.1, "cpu_time_ms": 1.4, "memory_peak_bytes": 9_437_184, "processes_peak": 1})
    );
    assert_eq!(
        body["output"],
        json!({"stdout_bytes": 6, "stderr_bytes": 0, "stdout_truncated": false, "stderr_truncated": false})
    );
    let artifact = &body["artifacts"][0];
    assert_eq!(body["files"], json!([artifact["url"]]));
    assert_eq!((&artifact["name"], &artifact["path"]), (&json!("data.csv"), &json!("out/data.csv")));
    assert_eq!((&artifact["size_bytes"], &artifact["media_type"]), (&json!(4), &json!("text/csv")));
    assert_eq!(artifact["sha256"].as_str().unwrap().len(), 64);
    assert!(artifact["url"].as_str().unwrap().starts_with("http://sandbox.test:8000/files/"));
    assert!(artifact["expires_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(artifact["stored_in"], "local");
}

#[tokio::test]
async fn a_limit_is_named_with_value_unit_use_and_setting() {
    let mut played = ScriptedReport::ended(WaitStatus::Signaled(9), EndReason::Itself);
    let peak = Some(134_217_728);
    played.report.counters = Some(Counters { oom_kills: 1, memory_bytes_peak: peak, ..Counters::default() });
    let world = World::named("native", answers(played));
    let body = world.execute(&json!({"code": "x = 1"})).await.json();
    assert_eq!((&body["success"], &body["exit_code"]), (&json!(false), &json!(137)));
    let error = body["error"].as_str().unwrap();
    assert!(error.starts_with("the program needed more than its 134217728 bytes of memory"), "{error}");
    assert!(error.contains("; process the data in smaller chunks, or raise NATIVE_MEMORY"), "{error}");
    assert_eq!(
        body["outcome"]["limit"],
        json!({"name": "memory", "value": peak, "unit": "bytes", "used": peak, "setting": "NATIVE_MEMORY"})
    );
}

#[tokio::test]
async fn entries_that_are_not_listed_are_counted_by_the_last_one() {
    let world = World::new(answers(ScriptedReport { skipped_more: 37, ..ScriptedReport::exited(0) }));
    let body = world.execute(&json!({"code": "x = 1"})).await.json();
    assert_eq!(body["skipped_files"], json!([{"path": "(and 37 more)", "reason": "more", "count": 37}]));
}

#[tokio::test]
async fn an_unusable_executor_that_was_asked_for_is_named() {
    let world = World::new(Script::FailToCreate);
    world.get("/health").await;
    let answer = world.execute(&json!({"code": "x = 1", "executor": "memory"})).await;
    let body = error_body(&answer, 503, "executor_unavailable");
    let message = body["message"].as_str().unwrap();
    assert!(
        message.starts_with("executor `memory` is not usable: scripted to fail; usable now: none"),
        "{message}"
    );
    assert_eq!(answer.header("retry-after"), "5");
}

#[tokio::test]
async fn a_rejected_program_is_400_with_every_finding() {
    let answer = World::new(Script::Echo).execute(&json!({"code": "import os\nimport sys"})).await;
    let body = error_body(&answer, 400, "validation_failed");
    assert!(body["error"].as_str().unwrap().starts_with("Validation failed"));
    let message = body["message"].as_str().unwrap();
    assert!(message.contains("line 1, column ") && message.contains("line 2, column "), "{message}");
    assert_eq!(body["violations"].as_array().unwrap().len(), 2);
    assert_eq!(body["violations"][1]["line"], 2);
    assert!(body["violations"][1]["column"].is_u64());
    assert_eq!(body["violations"][1]["code"], "forbidden-import");
}

#[tokio::test]
async fn a_request_that_is_not_as_it_must_be_is_422_with_field_and_bound() {
    let world = World::new(Script::Echo);
    for (body, field, allowed) in [
        (json!({}), "code", "no default"),
        (json!({"code": " \n"}), "code", "50000"),
        (json!({"code": "x", "timeout": 0}), "timeout", "1 to 30 seconds"),
        (json!({"code": "x", "timeout": 31}), "timeout", "1 to 30 seconds"),
        (json!({"code": "x", "timeout": "1"}), "timeout", "an integer"),
        (json!({"code": "x", "colour": 1}), "colour", "timeout"),
        (json!({"code": "x", "files": {"../a": ""}}), "files", "relative"),
        (json!({"code": "x", "files": {"a": "!"}}), "files", "base64"),
        (json!({"code": "x", "env": {"A=B": "canary"}}), "env", "names"),
        (json!({"code": "x", "executor": "docker"}), "executor", "memory"),
        (json!({"code": "x", "stdin": "x".repeat(1024 * 1024 + 1)}), "stdin", "1048576"),
        (json!([1]), "body", "JSON object"),
    ] {
        let answer = world.execute(&body).await;
        let body = error_body(&answer, 422, "invalid_request");
        assert_eq!(body["details"]["field"], field, "{body}");
        assert!(body["details"]["allowed"].as_str().unwrap().contains(allowed), "{body}");
        assert!(!body["details"]["problem"].as_str().unwrap().is_empty());
        assert!(!answer.text().contains("canary"));
    }
    assert_eq!(world.executor.created(), 0);
}

#[tokio::test]
async fn other_requests_that_cannot_be_served_have_the_same_shape() {
    let world = World::with(Script::Echo, |_| {}, |state| state.bodies.bytes_max = 1000);
    error_body(&world.get("/nothing").await, 404, "not_found");
    error_body(&world.get("/docs/nothing.js").await, 404, "not_found");
    let answer = world.get("/execute").await;
    error_body(&answer, 405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST");
    let plain =
        Request::post("/execute").header("content-type", "text/plain").body(Body::from("{}")).unwrap();
    error_body(&world.send(plain).await, 415, "unsupported_media_type");
    let untyped = Request::post("/execute").body(Body::from("{}")).unwrap();
    error_body(&world.send(untyped).await, 415, "unsupported_media_type");
    error_body(&world.execute(&json!({"code": "x".repeat(2000)})).await, 413, "body_too_large");
    let announced = Request::post("/execute")
        .header("content-type", "application/json")
        .header("content-length", "5000")
        .body(Body::empty())
        .unwrap();
    error_body(&world.send(announced).await, 413, "body_too_large");
}

#[tokio::test]
async fn our_failures_are_500_and_say_nothing_of_the_inside() {
    let answer = World::new(Script::FailAfterStart).execute(&json!({"code": "x = 1"})).await;
    error_body(&answer, 500, "internal");
    assert!(!answer.text().contains("scripted"));
}

#[tokio::test]
async fn unusable_busy_and_stopping_are_503_with_retry_after() {
    let answer = World::new(Script::FailToCreate).execute(&json!({"code": "x = 1"})).await;
    error_body(&answer, 503, "executor_unavailable");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert!(!answer.text().contains("scripted"));

    let world = World::new(Script::Sleep);
    let spawn =
        || tokio::spawn(tower::ServiceExt::oneshot(world.router.clone(), post(&json!({"code": "x = 1"}))));
    let (running, waiting) = (spawn(), spawn());
    settle(|| world.service.load().running == 1 && world.service.load().waiting == 1).await;
    let answer = world.execute(&json!({"code": "x = 1"})).await;
    error_body(&answer, 503, "busy");
    assert!((1..=60).contains(&answer.header("retry-after").parse::<u64>().unwrap()));

    running.abort();
    waiting.abort();
    settle(|| world.service.load().running == 0).await;
    world.service.shut_down(Duration::from_secs(5)).await;
    let answer = world.execute(&json!({"code": "x = 1"})).await;
    error_body(&answer, 503, "shutting_down");
    assert!(!answer.header("retry-after").is_empty());
    let health = world.get("/health").await;
    assert_eq!((health.status.as_u16(), &health.json()["shutting_down"]), (503, &json!(true)));
}

#[tokio::test]
async fn health_has_the_contracts_fields() {
    let answer = World::new(Script::Echo).get("/health").await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!((&body["status"], &body["version"]), (&json!("healthy"), &json!("1.2.3")));
    let executor = &body["executor"];
    assert_eq!((&executor["provider"], &executor["name"]), (&json!("memory"), &json!("memory")));
    assert_eq!((&executor["healthy"], &executor["fallbacks"]), (&json!(true), &json!("docker")));
    assert_eq!(executor["available_providers"], json!(["memory"]));
    assert_eq!(executor["active_providers"], json!(["memory"]));
    let provider = &executor["providers"]["memory"];
    assert_eq!(
        (&provider["healthy"], &provider["reason"], &provider["warm"]),
        (&json!(true), &Value::Null, &json!(0))
    );
    assert_eq!(provider["protections"]["memory_only"]["enforced"], true);
    assert_eq!(
        body["storage"],
        json!({"enabled": true, "provider": "local", "healthy": true, "reason": null})
    );

    let answer = World::new(Script::FailToCreate).get("/health").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (503, &json!("unhealthy")));
    assert_eq!(answer.json()["executor"]["providers"]["memory"]["reason"], "scripted to fail");
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_safe_headers() {
    let world = World::new(Script::Echo);
    for path in ["/", "/health", "/docs", "/redoc", "/openapi.json", "/nothing", "/files/x", "/execute"] {
        let answer = world.get(path).await;
        assert_eq!(answer.header("x-request-id").len(), 26, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert!(!answer.header("cache-control").is_empty() && !answer.header("referrer-policy").is_empty());
        assert!(answer.header("access-control-allow-origin").is_empty(), "{path}");
    }
    let given = Request::get("/").header("x-request-id", "gateway-7").body(Body::empty()).unwrap();
    assert_eq!(world.send(given).await.header("x-request-id"), "gateway-7");
}

#[tokio::test]
async fn the_root_is_json_or_a_page() {
    let world = World::new(Script::Echo);
    let body = world.get("/").await.json();
    assert_eq!((&body["service"], &body["version"]), (&json!("Python Sandbox"), &json!("1.2.3")));
    assert_eq!(
        (&body["status"], &body["endpoints"]["execute"]),
        (&json!("running"), &json!("POST /execute"))
    );
    assert!(!body["description"].as_str().unwrap().is_empty());
    let browser = Request::get("/").header("accept", "text/html,*/*;q=0.8").body(Body::empty()).unwrap();
    let page = world.send(browser).await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text().contains("<h1>Python Sandbox</h1>") && !page.text().contains("<script"));
}

#[tokio::test]
async fn the_documentation_needs_no_other_host() {
    let world = World::new(Script::Echo);
    let docs = world.get("/docs").await;
    assert_eq!(docs.status, 200);
    let redoc = world.get("/redoc").await;
    let mut assets = 0;
    for page in [docs.text(), redoc.text()] {
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("\"//"), "{page}");
        for part in page
            .split("src=\"")
            .skip(1)
            .chain(page.split("rel=\"stylesheet\" type=\"text/css\" href=\"").skip(1))
        {
            let path = part.split('"').next().unwrap();
            let asset = world.get(&format!("/{path}")).await;
            assert_eq!(asset.status, 200, "{path}");
            assert!(!asset.header("content-type").is_empty());
            assets += 1;
        }
    }
    assert!(assets >= 5, "{assets}");
    let script = world.get("/redoc/redoc.standalone.js").await;
    assert!(script.bytes.len() > 500_000 && !script.text().contains("cdn.redoc.ly"));
    assert!(!script.text().contains("fonts.googleapis.com"));
    let initializer = world.get("/docs/swagger-initializer.js").await.text();
    assert!(initializer.contains("openapi.json") && initializer.contains("none"));
    assert_eq!(world.get("/docs/").await.header("location"), "../docs");
}

#[tokio::test]
async fn the_document_has_the_services_own_bounds_and_every_status() {
    let world = World::with(
        Script::Echo,
        |config| {
            config.bounds.code_chars_max = 77;
            config.bounds.timeout_s_max = 5;
        },
        |_| {},
    );
    let document = world.get("/openapi.json").await.json();
    assert_eq!(document["openapi"].as_str().unwrap().split('.').next(), Some("3"));
    assert_eq!(document["info"]["title"], "Python Sandbox");
    let request = &document["components"]["schemas"]["ExecuteRequest"];
    assert_eq!(request["additionalProperties"], false);
    assert_eq!(request["required"], json!(["code"]));
    let fields = &request["properties"];
    assert_eq!((&fields["code"]["minLength"], &fields["code"]["maxLength"]), (&json!(1), &json!(77)));
    let timeout = &fields["timeout"];
    assert_eq!(
        (&timeout["minimum"], &timeout["maximum"], &timeout["default"]),
        (&json!(1), &json!(5), &json!(5))
    );
    assert_eq!(fields["executor"]["enum"], json!(["memory", null]));
    for (name, kind) in [
        ("timeout", "integer"),
        ("stdin", "string"),
        ("files", "object"),
        ("env", "object"),
        ("executor", "string"),
    ] {
        assert_eq!(fields[name]["type"], json!([kind, "null"]), "{name}");
    }
    let responses = document["paths"]["/execute"]["post"]["responses"].as_object().unwrap();
    let statuses: Vec<_> = responses.keys().map(String::as_str).collect();
    assert_eq!(
        statuses,
        ["200", "400", "401", "403", "408", "413", "415", "421", "422", "429", "500", "503"]
    );
    assert!(responses.values().all(|response| response["content"]["application/json"]["schema"].is_object()));
    let answer = &document["components"]["schemas"]["ExecuteResponse"];
    assert_eq!(answer["required"].as_array().unwrap().len(), 15);
    assert_eq!(answer["properties"]["error"]["type"], json!(["string", "null"]));
}

#[tokio::test]
async fn a_download_is_an_attachment_with_a_safe_name() {
    let world = World::new(Script::Echo);
    let path = "a/e\u{202e}vil\"\r\nSet-Cookie: x.html";
    let new_file = NewFile {
        request_id: "1".into(),
        path: path.into(),
        media_type: "text/html".into(),
        content: Bytes::from_static(b"<script>1</script>"),
    };
    let stored = world.store.put(new_file, tokio::time::Instant::now()).await.unwrap();
    let link = stored.url.as_str();
    let answer = world.get(link).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "<script>1</script>"));
    assert!(answer.header("content-disposition").starts_with("attachment; filename=\""));
    assert!(answer.headers.get("set-cookie").is_none());
    assert_eq!(answer.header("content-length"), "18");
    assert_eq!(answer.header("etag"), format!("\"{}\"", stored.sha256));
    assert!(answer.header("content-security-policy").contains("sandbox"));
    assert!(answer.header("cache-control").starts_with("private"));

    let head = world.send(Request::head(link).body(Body::empty()).unwrap()).await;
    assert_eq!((head.status.as_u16(), head.bytes.len(), head.header("content-length")), (200, 0, "18"));
    let known =
        Request::get(link).header("if-none-match", answer.header("etag")).body(Body::empty()).unwrap();
    let known = world.send(known).await;
    assert_eq!((known.status.as_u16(), known.bytes.len()), (304, 0));

    let mut tampered = link.to_owned();
    let last = tampered.pop().unwrap();
    tampered.push(if last == 'A' { 'B' } else { 'A' });
    for bad in [tampered.as_str(), "/files/x", "/files/%FF", "/files/..%2f..%2fetc%2fpasswd"] {
        error_body(&world.get(bad).await, 403, "link_invalid");
    }
    let without = World::with(Script::Echo, |_| {}, |state| state.links = None);
    error_body(&without.get(link).await, 404, "not_found");
}

/// An object store that has every file but some.
#[derive(Debug)]
struct ElsewhereLinks;

#[async_trait::async_trait]
impl Links for ElsewhereLinks {
    async fn follow(&self, token: &str, link_use: LinkUse) -> Result<Opened, LinkError> {
        let to = match (token, link_use) {
            ("away", _) => return Err(LinkError::Unavailable { retry_after_s: 5 }),
            ("broken", _) => "https://bucket.example/\r\nset-cookie: x",
            (_, LinkUse::Get) => "https://bucket.example/object?signed=for-get",
            (_, LinkUse::Head) => "https://bucket.example/object?signed=for-head",
        };
        Ok(Opened::Elsewhere { to: Link::Absolute(to.into()), sha256: "ab".repeat(32) })
    }
}

#[tokio::test]
async fn a_link_to_a_file_elsewhere_redirects_and_is_not_kept() {
    let world = World::with(Script::Echo, |_| {}, |state| state.links = Some(Arc::new(ElsewhereLinks)));
    for (request, method) in [(Request::get("/files/x"), "get"), (Request::head("/files/x"), "head")] {
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.bytes.len()), (302, 0));
        let signed = format!("https://bucket.example/object?signed=for-{method}");
        assert_eq!(answer.header("location"), signed);
        // The next download needs a link that is valid then, and the object store must not learn this one.
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
    let known = Request::get("/files/x").header("if-none-match", format!("\"{}\"", "ab".repeat(32)));
    let known = world.send(known.body(Body::empty()).unwrap()).await;
    assert_eq!((known.status.as_u16(), known.header("location")), (304, ""));

    let away = world.get("/files/away").await;
    let body = error_body(&away, 503, "storage_unavailable");
    assert!(body["error"].as_str().unwrap().contains("try again in 5 seconds"), "{body}");
    assert_eq!(away.header("retry-after"), "5");
    let broken = world.get("/files/broken").await;
    error_body(&broken, 500, "internal");
    assert!(broken.headers.get("set-cookie").is_none());
}

#[tokio::test]
async fn hostile_names_of_artifacts_reach_json_only_as_json() {
    let path = "\u{1b}[31m\"\n<b>\u{202e}.txt";
    let files = vec![OutputFile { path: path.into(), content: Bytes::from_static(b"1") }];
    let world = World::new(answers(ScriptedReport { files, ..ScriptedReport::exited(0) }));
    let body = world.execute(&json!({"code": "x = 1"})).await.json();
    assert_eq!(body["artifacts"][0]["path"], path);
    assert_eq!(body["artifacts"][0]["name"], "_[31m___b__.txt");
    let public =
        World::with(Script::Echo, |_| {}, |state| state.public_url = Some("https://s.example/".into()));
    let body = public.execute(&json!({"code": "x", "files": {"a": "YQ=="}})).await.json();
    assert!(body["files"][0].as_str().unwrap().starts_with("https://s.example/files/"));
}

#[tokio::test]
async fn only_names_of_this_service_are_served() {
    let world = World::new(Script::Echo);
    let with = |path: &str, host: &str| Request::get(path).header("host", host).body(Body::empty()).unwrap();
    for path in ["/", "/health", "/docs", "/openapi.json", "/files/x", "/nothing"] {
        let answer = world.send(with(path, "evil.example")).await;
        let body = error_body(&answer, 421, "host_not_allowed");
        assert!(body["message"].as_str().unwrap().contains("ALLOWED_HOSTS"), "{body}");
        error_body(&world.send(with(path, "evil/../@x")).await, 400, "bad_request");
        assert_ne!(world.send(with(path, "127.0.0.1:1")).await.status, 421);
        let mut twice = with(path, "localhost");
        twice.headers_mut().append("host", "localhost".parse().unwrap());
        error_body(&world.send(twice).await, 400, "bad_request");
    }
    let mut rebound = post(&json!({"code": "x = 1"}));
    rebound.headers_mut().insert("host", "evil.example:8000".parse().unwrap());
    error_body(&world.send(rebound).await, 421, "host_not_allowed");
    assert_eq!(world.executor.created(), 0);
}

#[tokio::test]
async fn pages_of_other_sites_send_no_programs() {
    let world =
        World::with(Script::Echo, |_| {}, |state| state.cors_origins = vec!["https://app.example".into()]);
    let from = |origin: &str| {
        let mut request = post(&json!({"code": "x = 1"}));
        request.headers_mut().insert("origin", origin.parse().unwrap());
        request
    };
    for origin in ["null", "https://evil.example", "http://sandbox.test", "http://localhost:8000"] {
        let body = error_body(&world.send(from(origin)).await, 403, "origin_not_allowed");
        assert!(body["message"].as_str().unwrap().contains("CORS_ORIGINS"), "{body}");
    }
    assert_eq!(world.executor.created(), 0);
    for origin in ["http://sandbox.test:8000", "https://app.example"] {
        assert_eq!(world.send(from(origin)).await.status, 200, "{origin}");
    }
    let get = Request::get("/docs").header("origin", "null").body(Body::empty()).unwrap();
    assert_eq!(world.send(get).await.status, 200);
}

#[tokio::test]
async fn a_compressed_body_is_415_and_names_what_is_read() {
    let world = World::new(Script::Echo);
    let coded = |coding: &str| {
        let mut request = post(&json!({"code": "x = 1"}));
        request.headers_mut().insert("content-encoding", coding.parse().unwrap());
        request
    };
    let answer = world.send(coded("gzip")).await;
    let body = error_body(&answer, 415, "unsupported_media_type");
    assert!(body["message"].as_str().unwrap().contains("gzip"), "{body}");
    assert_eq!(answer.header("accept-encoding"), "identity");
    assert_eq!(world.send(coded("identity")).await.status, 200);
}

#[tokio::test]
async fn cors_is_only_for_listed_origins_and_never_with_credentials() {
    let world =
        World::with(Script::Echo, |_| {}, |state| state.cors_origins = vec!["https://app.example".into()]);
    let ask = |origin: &str| {
        Request::options("/execute")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
            .body(Body::empty())
            .unwrap()
    };
    let allowed = world.send(ask("https://app.example")).await;
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.example");
    assert!(allowed.header("access-control-allow-credentials").is_empty());
    assert!(world.send(ask("https://other.example")).await.header("access-control-allow-origin").is_empty());
    error_body(&World::new(Script::Echo).send(ask("https://app.example")).await, 405, "method_not_allowed");
}

/// An executor with a bug.
#[derive(Debug)]
struct Panics;

#[async_trait::async_trait]
impl executor::Executor for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }

    async fn health(&self) -> executor::Health {
        executor::Health::unhealthy("it panics")
    }

    async fn create(
        &self,
        _: &executor::Hints,
        _: executor::Freshness,
    ) -> Result<executor::Sandbox, executor::ExecutorError> {
        panic!("an internal detail")
    }

    async fn shut_down(&self) {}
}

#[tokio::test]
async fn a_panic_is_a_500_of_the_same_shape() {
    let world = World::with(
        Script::Echo,
        |_| {},
        |state| {
            let chain = service::Chain::new(vec![std::sync::Arc::new(Panics)]);
            let config = service::ServiceConfig::new(validator::Policy::default());
            state.service = service::Service::start(config, chain, None);
        },
    );
    for _ in 0..5 {
        // More often than there are slots: a panic returns its slot.
        let answer = world.execute(&json!({"code": "x = 1"})).await;
        error_body(&answer, 500, "internal");
        assert!(!answer.text().contains("internal detail"));
    }
}
