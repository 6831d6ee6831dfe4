//! What the observer of requests is told, and the page of metrics.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use api::{Answered, HttpObserver, MetricsPage, metrics_router};
use axum::body::Body;
use bytes::Bytes;
use common::{World, error_body, post, settle};
use executor::scripted::Script;
use http::Request;
use http_body_util::BodyExt;
use serde_json::json;
use service::TraceContext;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// An answer, copied.
type Told = (String, String, u16, Option<String>);

#[derive(Debug, Default)]
struct Notes {
    began: AtomicUsize,
    answered: Mutex<Vec<Told>>,
}

impl HttpObserver for Notes {
    fn began(&self, _: Option<&TraceContext>) -> Option<TraceContext> {
        self.began.fetch_add(1, Ordering::SeqCst);
        None
    }

    fn answered(&self, answered: &Answered<'_>) {
        let Answered { method, route, status, code, .. } = *answered;
        let told = (method.to_owned(), route.to_owned(), status, code.map(str::to_owned));
        self.answered.lock().unwrap().push(told);
    }
}

fn told(method: &str, route: &str, status: u16, code: Option<&str>) -> Told {
    (method.to_owned(), route.to_owned(), status, code.map(str::to_owned))
}

#[tokio::test]
async fn each_request_begins_and_is_answered_once_under_its_route() {
    let notes = Arc::new(Notes::default());
    let observer = Arc::clone(&notes);
    let world = World::with(Script::Sleep, |_| {}, |state| state.observer = observer);
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let foreign = Request::get("/health").header("host", "evil.example").body(Body::empty()).unwrap();
    for request in [
        get("/health"),
        get("/files/secret"),
        get("/secret"),
        Request::delete("/execute").body(Body::empty()).unwrap(),
        foreign,
        post(&json!({"code": "import os"})),
    ] {
        world.send(request).await;
    }
    // The client goes away.
    let router = world.router.clone();
    let gone = tokio::spawn(async move { router.oneshot(post(&json!({"code": "x = 1"}))).await.map(drop) });
    settle(|| world.executor.created() == 1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let expected = [
        told("GET", "/health", 200, None),
        told("GET", "/files/{token}", 403, Some("link_invalid")),
        told("GET", "unmatched", 404, Some("not_found")),
        told("DELETE", "/execute", 405, Some("method_not_allowed")),
        told("GET", "/health", 421, Some("host_not_allowed")),
        told("POST", "/execute", 400, Some("validation_failed")),
        told("POST", "/execute", 499, None),
    ];
    assert_eq!(*notes.answered.lock().unwrap(), expected);
    assert_eq!(notes.began.load(Ordering::SeqCst), expected.len());
}

#[derive(Debug)]
struct Page(Result<&'static str, &'static str>);

impl MetricsPage for Page {
    fn render(&self) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.map(|page| Bytes::from_static(page.as_bytes()))?)
    }
}

#[tokio::test]
async fn the_page_is_served_as_it_is_or_not_at_all() {
    let with = |page: Option<Page>| {
        World::with(
            Script::Echo,
            |_| {},
            |state| {
                state.metrics = page.map(|page| Arc::new(page) as Arc<dyn MetricsPage>);
            },
        )
    };
    let answer = with(Some(Page(Ok("up 1\n")))).get("/metrics").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "up 1\n"));
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let body = error_body(&with(None).get("/metrics").await, 404, "not_found");
    assert!(body["message"].as_str().is_some_and(|text| text.contains("METRICS_ENABLED")), "{body}");
    let failed = error_body(&with(Some(Page(Err("secret cause")))).get("/metrics").await, 500, "internal");
    assert!(!failed.to_string().contains("secret"), "{failed}");
}

#[tokio::test]
async fn a_port_of_its_own_has_the_page_alone() {
    let page: Arc<dyn MetricsPage> = Arc::new(Page(Ok("up 1\n")));
    let router = metrics_router(page, &["metrics.example".to_owned()], "127.0.0.1:9102".parse().unwrap());
    for (method, path, host, status) in [
        ("GET", "/metrics", "127.0.0.1:9102", 200),
        ("HEAD", "/metrics", "metrics.example", 200),
        ("POST", "/metrics", "localhost", 405),
        ("GET", "/", "localhost", 404),
        ("POST", "/execute", "localhost", 404),
        ("GET", "/metrics", "evil.example", 421),
    ] {
        let request = Request::builder().method(method).uri(path).header("host", host);
        let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path} {host}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.as_ref() == b"up 1\n", (method, status) == ("GET", 200), "{method} {path} {host}");
    }
}
