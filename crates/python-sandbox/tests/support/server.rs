//! A running service and the requests of tests.

use super::http::{self, Answer};
use super::launch::{Guard, Launch, WorkDir};
use super::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::borrow::Borrow;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Longest time for a start: the executor runs a program as a check.
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest time for an orderly stop, including running programs.
const STOP_TIME_MAX: Duration = Duration::from_secs(45);

/// A running service. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    /// `http://127.0.0.1:PORT`, or `https:` with TLS.
    pub base: String,
    /// The process.
    pub child: Child,
    /// Its directory.
    pub dir: Arc<WorkDir>,
    guard: Guard,
}

impl Server {
    /// Starts the service with these settings and waits until it is ready; `None` with a reported skip if no
    /// runtime is prepared.
    pub fn start(settings: &[(&str, &str)]) -> Option<Self> {
        Launch::new().sets(settings).start()
    }

    /// [`Server::start`] with the templates of the default settings, see [`Launch::with_templates`].
    pub fn start_with_templates(settings: &[(&str, &str)]) -> Option<Self> {
        Launch::new().sets(settings).with_templates().start()
    }

    /// # Panics
    /// If the service does not become ready, with its log.
    pub(super) fn from_launch(launch: Launch) -> Self {
        let log_before = std::fs::read_to_string(launch.dir.log()).unwrap_or_default().len();
        let mut child = launch.spawn();
        let guard = Guard::over(child.id(), launch.dir.path());
        let mut base = None;
        let mut ended = None;
        wait_until(START_TIME_MAX * testkit::patience(), || {
            let log = std::fs::read_to_string(launch.dir.log()).unwrap_or_default();
            base = base_in(log.get(log_before..).unwrap_or_default());
            ended = child.try_wait().ok().flatten();
            base.is_some() || ended.is_some()
        });
        let dir = Arc::clone(&launch.dir);
        let server = Self { base: base.unwrap_or_default(), child, dir, guard };
        assert!(!server.base.is_empty(), "the service did not start ({ended:?}):\n{}", server.stderr_log());
        if launch.wait_for_health {
            server.get("/health");
        }
        server
    }

    /// `POST /execute`.
    pub fn execute(&self, body: impl Borrow<Value>) -> Answer {
        self.try_execute(body).unwrap_or_else(|error| panic!("no answer: {error}\n{}", self.stderr_log()))
    }

    /// `POST /execute`, for requests that may get no answer because the service ends.
    pub fn try_execute(&self, body: impl Borrow<Value>) -> Result<Answer, String> {
        let (url, body) = (self.url("/execute"), body.borrow().to_string());
        let headers = [("content-type", "application/json")];
        http::try_send("POST", &url, &headers, Some(body.as_bytes())).map_err(|error| error.to_string())
    }

    /// `POST /execute` with only a program, which must be run (200).
    pub fn program(&self, code: &str) -> Answer {
        let answer = self.execute(json!({"code": code}));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    /// The program's output; it must succeed.
    pub fn output_of(&self, code: &str) -> String {
        let answer = self.program(code);
        assert_eq!(answer.json["success"], true, "{}", answer.text());
        answer.str("/stdout").to_owned()
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[])
    }

    /// `POST` of any bytes.
    pub fn post(&self, path: &str, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        http::send("POST", &self.url(path), headers, Some(body))
    }

    /// Any method without a body.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        http::send(method, &self.url(path), headers, None)
    }

    /// The absolute address of a path; an absolute address is returned unchanged.
    pub fn url(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) }
    }

    /// Everything the service wrote to standard error.
    pub fn stderr_log(&self) -> String {
        std::fs::read_to_string(self.dir.log()).unwrap_or_default()
    }

    /// Waits until a line of the log contains all of `words`, and returns it.
    pub fn log_line(&self, words: &[&str]) -> Option<String> {
        let mut found = None;
        wait_until(Duration::from_secs(5), || {
            let log = self.stderr_log();
            found = log.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned);
            found.is_some()
        });
        found
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("the service is there");
    }

    /// Waits until the process ends.
    ///
    /// # Panics
    /// If it does not end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until(STOP_TIME_MAX * testkit::patience(), || {
            status = self.child.try_wait().expect("a child of ours");
            status.is_some()
        });
        status.unwrap_or_else(|| panic!("the service did not stop:\n{}", self.stderr_log()))
    }

    /// Stops the service in order: SIGTERM, exit code 0.
    ///
    /// # Panics
    /// If it ends otherwise.
    pub fn stop(mut self) -> Arc<WorkDir> {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "signal {:?}:\n{}", status.signal(), self.stderr_log());
        Arc::clone(&self.dir)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.guard.dismiss();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of the service:\n{}", self.stderr_log());
        }
    }
}

/// The address in the line that reports readiness.
fn base_in(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("ready") && line.contains("://"))?;
    let (before, rest) = line.split_once("://")?;
    let scheme = if before.ends_with("https") { "https" } else { "http" };
    let address: String = rest.chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
    Some(format!("{scheme}://{address}"))
}

/// One service for all tests of a module, with every template: a start costs as much as many requests.
#[derive(Debug)]
pub struct Shared {
    settings: &'static [(&'static str, &'static str)],
    server: OnceLock<Option<Server>>,
}

impl Shared {
    /// Not started before the first [`Shared::get`].
    pub const fn new(settings: &'static [(&'static str, &'static str)]) -> Self {
        Self { settings, server: OnceLock::new() }
    }

    /// The service; `None` with a reported skip if no runtime is prepared.
    pub fn get(&self) -> Option<&Server> {
        self.server.get_or_init(|| Server::start_with_templates(self.settings)).as_ref()
    }
}
