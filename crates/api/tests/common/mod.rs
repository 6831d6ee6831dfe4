//! A service over an in-memory executor, and requests to it without a connection.
#![allow(dead_code, reason = "every test binary uses its own part of this")]

use api::{ApiState, AppInfo, router_with};
use axum::Router;
use axum::body::Body;
use executor::Executor;
use executor::scripted::{Script, ScriptedExecutor};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service::{Chain, Service, ServiceConfig};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use storage::{LocalConfig, LocalStore};
use tower::ServiceExt;
use tracing_subscriber::fmt::MakeWriter;
use validator::Policy;

/// The service under test and its executor.
pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) service: Arc<Service>,
    pub(crate) executor: Arc<ScriptedExecutor>,
    pub(crate) store: Arc<LocalStore>,
    _directory: tempfile::TempDir,
}

/// A fully read answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

impl World {
    pub(crate) fn new(script: Script) -> Self {
        Self::with(script, |_| {}, |_| {})
    }

    /// With layers of one's own.
    pub(crate) fn layered(set: impl FnOnce(&mut ApiState), add: impl FnOnce(Router) -> Router) -> Self {
        let executor = ScriptedExecutor::named("memory", Script::Echo);
        Self::with_parts(executor, |_| {}, set, add)
    }

    /// With an executor of this name, which decides the settings that an answer names.
    pub(crate) fn named(executor: &'static str, script: Script) -> Self {
        Self::with_executor(ScriptedExecutor::named(executor, script), |_| {}, |_| {})
    }

    pub(crate) fn with(
        script: Script,
        configure: impl FnOnce(&mut ServiceConfig),
        set: impl FnOnce(&mut ApiState),
    ) -> Self {
        Self::with_executor(ScriptedExecutor::named("memory", script), configure, set)
    }

    fn with_executor(
        executor: ScriptedExecutor,
        configure: impl FnOnce(&mut ServiceConfig),
        set: impl FnOnce(&mut ApiState),
    ) -> Self {
        Self::with_parts(executor, configure, set, |routes| routes)
    }

    fn with_parts(
        executor: ScriptedExecutor,
        configure: impl FnOnce(&mut ServiceConfig),
        set: impl FnOnce(&mut ApiState),
        add: impl FnOnce(Router) -> Router,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalStore::open(LocalConfig::new(directory.path())).unwrap());
        let executor = Arc::new(executor);
        let mut config =
            ServiceConfig { running_max: 1, waiting_max: 1, ..ServiceConfig::new(Policy::default()) };
        configure(&mut config);
        let chain = Chain::new(vec![executor.clone() as Arc<dyn Executor>]);
        let service = Service::start(config, chain, Some(store.clone()));
        let info = AppInfo {
            name: "Python Sandbox".into(),
            version: "1.2.3".into(),
            provider: "memory".into(),
            fallbacks: vec!["docker".into()],
            available_providers: vec!["memory".into()],
        };
        let mut state = ApiState::new(service.clone(), info, "127.0.0.1:8000".parse().unwrap());
        state.links = Some(store.clone());
        state.allowed_hosts = vec!["sandbox.test".into()];
        set(&mut state);
        Self { router: router_with(state, add), service, executor, store, _directory: directory }
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        // Every client sends one.
        request.headers_mut().entry("host").or_insert(HeaderValue::from_static("localhost:8000"));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn execute(&self, body: &Value) -> Answer {
        self.send(post(body)).await
    }
}

/// What a subscriber writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// `POST /execute` with this body.
pub(crate) fn post(body: &Value) -> Request<Body> {
    Request::post("/execute")
        .header("content-type", "application/json")
        .header("host", "sandbox.test:8000")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// Checks the shape of an error body and returns it.
pub(crate) fn error_body(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    for (name, value) in [
        ("success", json!(false)),
        ("stdout", json!("")),
        ("stderr", json!("")),
        ("exit_code", json!(-1)),
        ("execution_time", json!(0.0)),
        ("files", json!([])),
        ("code", json!(code)),
        ("request_id", json!(answer.header("x-request-id"))),
    ] {
        assert_eq!(body[name], value, "{name} of {body}");
    }
    assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()));
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()));
    body
}

/// Waits until `condition` holds; the tests' own timeout is the bound.
pub(crate) async fn settle(condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waited).await.expect("it settles");
}
