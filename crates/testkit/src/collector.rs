//! A collector of OpenTelemetry traces over HTTP that keeps what it is sent, and can be told to fail.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What it does with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Keeps it.
    Taken,
    /// Refuses it with this status, and asks to be tried again at once.
    Status(u16),
    /// Never answers.
    Nothing,
    /// Answers with a megabyte.
    Large,
    /// Keeps it, and says that it rejected this number of its spans.
    Rejected(u8),
}

/// A span, as far as tests look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenSpan {
    /// Its trace, in hexadecimal.
    pub trace_id: String,
    /// Its id, in hexadecimal.
    pub span_id: String,
    /// Its parent's id; empty if it has none.
    pub parent_id: String,
    /// Its name.
    pub name: String,
    /// Its kind, as OTLP counts.
    pub kind: i32,
    /// Its `tracestate`.
    pub state: String,
    /// Nanoseconds since 1970.
    pub began: u64,
    /// Nanoseconds since 1970.
    pub ended: u64,
    /// Whether its status is an error.
    pub failed: bool,
    /// Its attributes, with values as text.
    pub attributes: Vec<(String, String)>,
}

impl SeenSpan {
    /// The value of an attribute; empty if it has none.
    #[must_use]
    pub fn attribute(&self, key: &str) -> &str {
        self.attributes.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }
}

/// The collector. Its threads end with the process of the test.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    answers: Answers,
    spans: Vec<SeenSpan>,
    resource: Vec<(String, String)>,
    heads: Vec<String>,
    bodies: Vec<Vec<u8>>,
}

impl Collector {
    /// Starts it on a free port of loopback.
    ///
    /// # Panics
    /// If loopback has no free port.
    #[must_use]
    pub fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Shared {
            answers,
            spans: Vec::new(),
            resource: Vec::new(),
            heads: Vec::new(),
            bodies: Vec::new(),
        };
        let shared = Arc::new(Mutex::new(shared));
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // A connection that ends is what some tests are about.
                std::thread::spawn(move || serve(&client, &shared).unwrap_or_default());
            }
        });
        Self { address, shared }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does this from now on.
    pub fn set(&self, answers: Answers) {
        lock(&self.shared).answers = answers;
    }

    /// The spans that it has kept.
    #[must_use]
    pub fn spans(&self) -> Vec<SeenSpan> {
        lock(&self.shared).spans.clone()
    }

    /// The attributes of the last sender.
    #[must_use]
    pub fn resource(&self) -> Vec<(String, String)> {
        lock(&self.shared).resource.clone()
    }

    /// The head of each request, in lower case.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        lock(&self.shared).heads.clone()
    }

    /// Whether a text is anywhere in what it was sent.
    #[must_use]
    pub fn was_sent(&self, text: &str) -> bool {
        let shared = lock(&self.shared);
        shared.bodies.iter().any(|body| body.windows(text.len()).any(|window| window == text.as_bytes()))
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of one connection.
fn serve(client: &TcpStream, shared: &Mutex<Shared>) -> io::Result<()> {
    let mut reader = BufReader::new(client);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let answers = {
            let mut shared = lock(shared);
            shared.heads.push(head);
            if matches!(shared.answers, Answers::Taken | Answers::Rejected(_)) {
                keep(&mut shared, &body);
            }
            shared.bodies.push(body);
            shared.answers
        };
        let (status, answer) = match answers {
            Answers::Taken => (200, Vec::new()),
            Answers::Status(status) => (status, Vec::new()),
            // partial_success = 1 { rejected_spans = 1: count }
            Answers::Rejected(count) => (200, vec![0x0a, 2, 0x08, count]),
            Answers::Large => (200, vec![0; 1 << 20]),
            Answers::Nothing => loop {
                std::thread::park();
            },
        };
        let mut writer = client;
        let length = answer.len();
        write!(writer, "HTTP/1.1 {status} x\r\nretry-after: 0\r\ncontent-length: {length}\r\n\r\n")?;
        writer.write_all(&answer)?;
    }
}

fn keep(shared: &mut Shared, body: &[u8]) {
    let batch = ExportTraceServiceRequest::decode(body).expect("a batch of spans");
    for of_resource in batch.resource_spans {
        shared.resource = attributes(of_resource.resource.map(|resource| resource.attributes));
        let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        shared.spans.extend(spans.map(seen));
    }
}

fn seen(span: Span) -> SeenSpan {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    SeenSpan {
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
        name: span.name,
        kind: span.kind,
        state: span.trace_state,
        began: span.start_time_unix_nano,
        ended: span.end_time_unix_nano,
        failed: span.status.is_some_and(|status| status.code == 2),
        attributes: attributes(Some(span.attributes)),
    }
}

fn attributes(of: Option<Vec<KeyValue>>) -> Vec<(String, String)> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        _ => String::new(),
    };
    of.into_iter().flatten().map(|pair| (pair.key, text(pair.value))).collect()
}
