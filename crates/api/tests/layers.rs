//! Layers of one's own: where they run, and what becomes of their answers.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use api::{Answered, HttpObserver, refusal};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use common::{World, error_body, post};
use contract::ErrorCode;
use http::StatusCode;
use serde_json::json;
use service::TraceContext;
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
struct Codes(Mutex<Vec<(String, u16, Option<String>)>>);

impl HttpObserver for Codes {
    fn began(&self, _: Option<&TraceContext>) -> Option<TraceContext> {
        None
    }

    fn answered(&self, answered: &Answered<'_>) {
        let code = answered.code.map(str::to_owned);
        self.0.lock().unwrap().push((answered.route.to_owned(), answered.status, code));
    }
}

/// Answers by the path: each way in which a layer may end a request.
async fn layer(request: Request, next: Next) -> Response {
    match request.headers().get("x-layer").map(|value| value.to_str().unwrap().to_owned()).as_deref() {
        Some("refuse") => refusal(ErrorCode::Forbidden, "not from here"),
        Some("bare") => Response::builder().status(StatusCode::IM_A_TEAPOT).body(Body::from("me")).unwrap(),
        Some("panic") => panic!("of the layer"),
        _ => {
            let mut response = next.run(request).await;
            response.headers_mut().insert("x-layer", "was here".parse().unwrap());
            response
        }
    }
}

fn request(path: &str, value: &str) -> Request<Body> {
    Request::get(path).header("x-layer", value).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn what_a_layer_answers_is_an_answer_like_any_other() {
    let codes = Arc::new(Codes::default());
    let observer = Arc::clone(&codes);
    let world =
        World::layered(|state| state.observer = observer, |routes: Router| routes.layer(from_fn(layer)));
    let refused = world.send(request("/health", "refuse")).await;
    assert_eq!(error_body(&refused, 403, "forbidden")["message"], "not from here");
    // Without a code of its own it gets that of its status.
    assert_eq!(error_body(&world.send(request("/health", "bare")).await, 418, "bad_request")["stdout"], "");
    error_body(&world.send(request("/health", "panic")).await, 500, "internal");
    let passed = world.execute(&json!({"code": "x"})).await;
    assert_eq!((passed.status.as_u16(), passed.header("x-layer")), (200, "was here"));
    assert_eq!(passed.header("x-content-type-options"), "nosniff");
    // Routes that do not exist have it too.
    let missing = world.get("/nowhere").await;
    error_body(&missing, 404, "not_found");
    assert_eq!(missing.header("x-layer"), "was here");
    let seen: Vec<_> = codes.0.lock().unwrap().clone();
    let told = |route: &str, status, code: Option<&str>| (route.to_owned(), status, code.map(str::to_owned));
    assert_eq!(
        seen,
        [
            told("/health", 403, Some("forbidden")),
            told("/health", 418, Some("bad_request")),
            told("/health", 500, Some("internal")),
            told("/execute", 200, None),
            told("unmatched", 404, Some("not_found")),
        ]
    );
}

#[tokio::test]
async fn a_layer_sees_no_request_that_the_gate_refuses() {
    let world = World::layered(|_| {}, |routes: Router| routes.layer(from_fn(layer)));
    let mut foreign = post(&json!({"code": "x"}));
    foreign.headers_mut().insert("host", "evil.example".parse().unwrap());
    let refused = world.send(foreign).await;
    error_body(&refused, 421, "host_not_allowed");
    assert_eq!(refused.header("x-layer"), "");
}
