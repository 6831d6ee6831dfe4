//! What the log contains and what it never contains. A separate binary: the subscriber is global to the
//! process.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{Lines, World};
use executor::scripted::Script;
use http::Request;
use serde_json::json;
use storage::{NewFile, Store};

#[tokio::test]
async fn each_line_has_the_request_id_and_none_has_a_secret() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let canary = "canary-7f3a";
    let world = World::new(Script::Echo);
    let ran = world
        .execute(&json!({"code": format!("x = '{canary}'"), "env": {"A": canary}, "stdin": canary,
                         "files": {canary: "YQ=="}}))
        .await;
    assert_eq!(ran.status, 200);
    for body in [
        json!({"code": "x", "env": {"A B": canary}}),
        json!({"code": "x", "timeout": canary}),
        json!({"code": format!("import os\nx = '{canary}'")}),
    ] {
        assert!(!world.execute(&body).await.text().contains(canary), "{body}");
    }
    let file = NewFile {
        request_id: "1".into(),
        path: "a".into(),
        media_type: "text/plain".into(),
        content: "x".into(),
    };
    let link = world.store.put(file, tokio::time::Instant::now()).await.unwrap().url.as_str().to_owned();
    assert_eq!(world.get(&link).await.status, 200);
    assert_eq!(world.get(&format!("/{canary}?key={canary}")).await.status, 404);
    for path in ["/health", "/openapi.json", "/"] {
        assert!(!world.get(path).await.text().contains(canary));
    }
    let failing = World::new(Script::FailAfterStart);
    let request =
        Request::get("/health").header("x-request-id", canary).body(axum::body::Body::empty()).unwrap();
    assert_eq!(failing.send(request).await.status, 200);
    let failed = failing.execute(&json!({"code": "x = 1"})).await;

    let log = lines.text();
    let token = link.rsplit('/').next().unwrap();
    assert!(!log.contains(token), "a link is a right: {log}");
    let leaks: Vec<_> =
        log.lines().filter(|line| line.contains(canary) && !line.contains("request_id=canary")).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
    let access: Vec<_> = log.lines().filter(|line| line.contains(" access: ")).collect();
    assert_eq!(access.len(), 11, "{log}");
    assert!(access.iter().all(|line| line.contains("request_id=")));
    assert!(
        access[0].contains(ran.header("x-request-id")) && access[0].contains("outcome=\"exited\""),
        "{}",
        access[0]
    );
    assert!(
        access[4].contains("path=\"/files/{token}\"") && access[4].contains("status=200"),
        "{}",
        access[4]
    );
    assert!(access[5].contains("path=\"unmatched\"") && access[5].contains("outcome=\"not_found\""));
    let id = failed.header("x-request-id");
    assert!(
        log.lines().any(|line| line.contains(id) && line.contains("the guest agent disconnected")),
        "{log}"
    );
}
