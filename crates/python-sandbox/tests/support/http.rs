//! A small client: returns whole answers, whatever their status.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest time for one answer: the longest program and a long queue.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(90);
/// Maximum length of an answer in bytes.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// An answer of the service.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The body as JSON; null if it is not JSON.
    pub json: Value,
}

impl Answer {
    /// The header's value; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A text field of the answer; empty if it is missing or not text.
    pub fn str(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number in the answer; -1 if it is missing or not a number.
    pub fn number(&self, pointer: &str) -> f64 {
        self.json.pointer(pointer).and_then(Value::as_f64).unwrap_or(-1.0)
    }

    /// The outcome's kind.
    pub fn kind(&self) -> &str {
        self.str("/outcome/kind")
    }
}

/// Sends one request on a new connection.
///
/// # Panics
/// If there is no answer.
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
    try_send(method, url, headers, body).unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

/// Like [`send`], for requests that may have no answer.
pub fn try_send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Result<Answer, ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .allow_non_standard_methods(true)
        .proxy(None)
        .timeout_global(Some(ANSWER_TIME_MAX * testkit::patience()))
        .build()
        .into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answered = match body {
        Some(body) => agent.run(request.body(body)?),
        None => agent.run(request.body(())?),
    };
    let mut response = answered?;
    let headers = response.headers().iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let headers = headers.collect();
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(Answer { status, headers, body, json })
}

/// A bare connection, for requests that no valid client sends.
pub fn connect(base: &str) -> TcpStream {
    let address = base.split_once("://").map_or(base, |(_, address)| address);
    let stream = TcpStream::connect(address).expect("the service listens");
    stream.set_read_timeout(Some(ANSWER_TIME_MAX)).expect("a timeout");
    stream
}

/// Writes `bytes` and reads until the service closes the connection.
pub fn exchange(base: &str, bytes: &[u8]) -> String {
    let mut stream = connect(base);
    // The service may answer and close before all is sent.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
