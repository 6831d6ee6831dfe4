//! The line of the access log for each way in which a request ends. A separate binary: the subscriber is global to
//! the process.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{Lines, World, post, settle};
use executor::scripted::{Script, ScriptedReport};
use serde_json::json;
use std::sync::Arc;

const PHASES: [&str; 5] = ["validate_ms=", "queue_ms=", "setup_ms=", "run_ms=", "collect_ms="];

#[tokio::test]
async fn a_line_has_executor_phases_and_trace_where_they_are_known() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let last = || lines.text().lines().rfind(|line| line.contains(" access: ")).unwrap().to_owned();
    let phases = |line: &str| PHASES.iter().filter(|name| line.contains(&format!(" {name}"))).count();

    let world = World::new(Script::Echo);
    let mut request = post(&json!({"code": "x = 1", "files": {"a": "YQ=="}}));
    let trace = "0af7651916cd43dd8448eb211c80319c";
    request.headers_mut().insert("traceparent", format!("00-{trace}-b7ad6b7169203331-01").parse().unwrap());
    assert_eq!(world.send(request).await.status, 200);
    let line = last();
    assert!(
        line.contains("executor=\"memory\"") && line.contains(&format!("trace_id=\"{trace}\"")),
        "{line}"
    );
    assert!(line.contains(" client=127.0.0.1 "), "{line}");
    assert!(phases(&line) == PHASES.len() && line.contains(" upload_ms="), "{line}");

    let mut request = post(&json!({"code": "import os"}));
    request.headers_mut().insert("traceparent", "00-invalid".parse().unwrap());
    assert_eq!(world.send(request).await.status, 400);
    let line = last();
    assert!(phases(&line) == 1 && line.contains(" validate_ms="), "{line}");
    assert!(!line.contains("executor=") && !line.contains("trace_id="), "{line}");

    assert_eq!(world.get("/health").await.status, 200);
    assert_eq!(phases(&last()), 0);

    let failing = World::new(Script::FailAfterStart);
    assert_eq!(failing.execute(&json!({"code": "x = 1"})).await.status, 500);
    let line = last();
    assert!(phases(&line) == 4 && line.contains("executor=\"memory\""), "{line}");

    // The client goes away: the line has what was reached.
    let sleeping = Arc::new(World::new(Script::Sleep));
    let leave = async |phases_min: usize, is_there: &dyn Fn() -> bool| {
        let (world, request) = (Arc::clone(&sleeping), post(&json!({"code": "x = 1"})));
        let task = tokio::spawn(async move { world.send(request).await.status });
        settle(is_there).await;
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        let line = last();
        assert!(line.contains("status=499") && line.contains("outcome=\"client_gone\""), "{line}");
        assert_eq!(phases(&line), phases_min, "{line}");
        line
    };
    let line = leave(4, &|| sleeping.executor.created() == 1).await;
    assert!(line.contains("executor=\"memory\""), "{line}");
    settle(|| sleeping.service.load().running == 0).await;
    let other = Arc::clone(&sleeping);
    let running = tokio::spawn(async move { other.execute(&json!({"code": "x = 1"})).await.status });
    settle(|| sleeping.executor.created() == 2).await;
    let line = leave(2, &|| sleeping.service.load().waiting == 1).await;
    assert!(!line.contains("executor="), "{line}");
    running.abort();
}

/// Names that a program chooses reach no line.
#[tokio::test]
async fn names_of_files_are_in_no_line() {
    let file = |path: &str| executor::OutputFile { path: path.to_owned(), content: "x".into() };
    let forged = ["a\nERROR forged", "a\u{1b}[2J", "a\u{202e}b"].map(file);
    let report = ScriptedReport { files: forged.into(), ..ScriptedReport::exited(0) };
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let world = World::new(Script::Answer(Box::new(report)));
    assert_eq!(world.execute(&json!({"code": "x = 1"})).await.status, 200);
    drop(guard);
    let text = lines.text();
    assert!(text.contains(" access: ") && !text.contains("forged") && !text.contains('\u{1b}'), "{text}");
    assert!(!text.contains('\u{202e}'), "{text}");
}
