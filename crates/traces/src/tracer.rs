//! Makes spans of what has ended.

use crate::client::Client;
use crate::config::Config;
use crate::exporter::{Counts, Exporter};
use crate::ids;
use crate::span::{self, Clock, Parent, SpanKind};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use resolver::ClientError;
use service::{Execution, ExecutionRecord, Observer, Phase, RecordEnd, TraceContext};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The methods that have a name of their own; a span of another one is `HTTP` (semantic conventions, "HTTP server span").
const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"];

/// Routes that machines ask for every few seconds: there is nothing to learn from a trace of them, unless a caller has
/// one.
const POLLED_ROUTES: [&str; 2] = ["/health", "/metrics"];

/// See the module.
#[derive(Debug)]
pub struct Tracer {
    sampler: crate::Sampler,
    exporter: Exporter,
}

/// A request that has its answer.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What [`Tracer::begin`] returned for it.
    pub place: &'a TraceContext,
    /// The caller's place.
    pub parent: Option<&'a TraceContext>,
    /// Its id.
    pub request_id: &'a str,
    /// Its method, as sent.
    pub method: &'a str,
    /// The template of its path.
    pub route: &'a str,
    /// The status; 499 if the client went away before.
    pub status: u16,
    /// Its result in one word, or the code of the error.
    pub outcome: &'a str,
    /// The client's address.
    pub client: IpAddr,
    /// The name of its API key.
    pub key: Option<&'a str>,
    /// How long it took, until now.
    pub duration: Duration,
}

impl Tracer {
    /// Starts the task that exports, so it must be called within a tokio runtime. Does not connect.
    ///
    /// # Errors
    /// [`ClientError`]: the authorities of the collector cannot be read or trusted.
    pub fn start(config: Config) -> Result<Arc<Self>, ClientError> {
        let client = Client::new(&config)?;
        let named = [
            span::text("service.name", config.service_name),
            span::text("service.version", config.service_version),
            // Tells the processes of one service apart.
            span::text("service.instance.id", support::hex(&ids::trace_id())),
        ];
        let given = config.resource.into_iter().map(|(key, value)| span::text(&key, value));
        let is_new = |given: &KeyValue| named.iter().all(|named| named.key != given.key);
        let resource = given.filter(is_new).chain(named.clone()).collect();
        let exporter = Exporter::start(client, config.timeout, resource, config.service_version);
        Ok(Arc::new(Self { sampler: config.sampler, exporter }))
    }

    /// The place of a request in a trace: in that of its caller, or in a new one.
    #[must_use]
    pub fn begin(&self, parent: Option<&TraceContext>) -> TraceContext {
        let trace_id = parent.map_or_else(ids::trace_id, |parent| parent.trace_id);
        TraceContext {
            trace_id,
            span_id: ids::span_id(),
            sampled: self.sampler.records(parent, &trace_id),
            state: parent.and_then(|parent| parent.state.clone()),
        }
    }

    /// A request that began has its answer, or its client went away.
    pub fn answered(&self, request: &Request<'_>) {
        let is_polled = POLLED_ROUTES.contains(&request.route) && request.parent.is_none();
        if !request.place.sampled || is_polled {
            return;
        }
        self.exporter.put([request_span(request)]);
    }

    /// Spans so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.exporter.counts()
    }

    /// Exports what is left, within this time. Spans that are made later are dropped.
    pub async fn finish(&self, time_max: Duration) {
        self.exporter.finish(time_max).await;
    }
}

impl Observer for Tracer {
    fn execution(&self, record: &ExecutionRecord<'_>) {
        if let Some(place) = record.context.trace.as_ref().filter(|place| place.sampled) {
            self.exporter.put(execution_spans(place, record));
        }
    }
}

fn request_span(request: &Request<'_>) -> Span {
    let clock = Clock::new();
    let known = METHODS.contains(&request.method);
    let (method, name) = if known { (request.method, request.method) } else { ("_OTHER", "HTTP") };
    let has_route = request.route.starts_with('/');
    let name = if has_route { format!("{name} {}", request.route) } else { name.to_owned() };
    let parent = request.parent.map(|parent| Parent { span_id: parent.span_id, is_remote: true });
    let began = clock.now().checked_sub(request.duration).unwrap_or(clock.now());
    let mut span = span::span(request.place, parent, name, SpanKind::Server, &clock, (began, clock.now()));
    span.attributes = vec![
        span::text("http.request.method", method),
        span::text("client.address", request.client.to_string()),
        span::text("python_sandbox.request_id", request.request_id),
        span::text("python_sandbox.outcome", request.outcome),
    ];
    if has_route {
        span.attributes.push(span::text("http.route", request.route));
    }
    if let Some(key) = request.key {
        span.attributes.push(span::text("python_sandbox.key.name", key));
    }
    // It was never sent to a client that went away.
    if request.status != 499 {
        span.attributes.push(span::number("http.response.status_code", request.status));
    }
    if request.status >= 500 {
        span.attributes.push(span::text("error.type", request.outcome));
        span.status = span::failed();
    }
    span
}

/// One for the execution, and one for each of its phases.
fn execution_spans(request: &TraceContext, record: &ExecutionRecord<'_>) -> Vec<Span> {
    let clock = Clock::new();
    let (place, parent) = span::below(request);
    let began = record.phases.first().map_or(clock.now(), |phase| phase.began);
    let mut whole =
        span::span(&place, Some(parent), "execute", SpanKind::Internal, &clock, (began, clock.now()));
    whole.attributes = execution_attributes(record);
    // The end of a program is its own; only what the service could not do is an error.
    if let RecordEnd::Refused(error) = record.end
        && matches!(error.code(), "internal" | "executor_unavailable")
    {
        whole.attributes.push(span::text("error.type", error.code()));
        whole.status = span::failed();
    }
    let phases = record.phases.iter().map(|time| {
        let (place, parent) = span::below(&place);
        let times: (Instant, Instant) = (time.began, time.ended);
        span::span(&place, Some(parent), name_of(time.phase), SpanKind::Internal, &clock, times)
    });
    let phases: Vec<_> = phases.collect();
    [whole].into_iter().chain(phases).collect()
}

fn name_of(phase: Phase) -> &'static str {
    match phase {
        Phase::Validate => "validate",
        Phase::Queue => "queue",
        Phase::Setup => "setup",
        Phase::Run => "run",
        Phase::Collect => "collect",
        Phase::Upload => "upload",
    }
}

fn execution_attributes(record: &ExecutionRecord<'_>) -> Vec<KeyValue> {
    let command = record.command;
    let mut attributes = vec![
        span::number("python_sandbox.attempts", record.attempts),
        span::number("python_sandbox.stdin.size", command.stdin_bytes),
        span::number("python_sandbox.input_files.count", command.input_files),
        span::number("python_sandbox.input_files.size", command.input_bytes),
    ];
    if let Some(code) = &command.code {
        attributes.push(span::number("python_sandbox.code.size", code.len()));
    }
    if let Some(executor) = record.executor {
        attributes.push(span::text("python_sandbox.executor", executor));
    }
    if let Some(sandbox) = record.sandbox {
        attributes.push(span::flag("python_sandbox.sandbox.was_idle", sandbox.was_idle));
    }
    match record.end {
        RecordEnd::Ended(execution) => attributes.extend(result_attributes(execution)),
        RecordEnd::Refused(error) => attributes.push(span::text("python_sandbox.outcome", error.code())),
        // A later end of the service's is none of ours.
        _ => attributes.push(span::text("python_sandbox.outcome", "client_gone")),
    }
    attributes
}

fn result_attributes(execution: &Execution) -> Vec<KeyValue> {
    let (verdict, usage) = (&execution.verdict, &execution.usage);
    let mut attributes = vec![
        span::text("python_sandbox.outcome", verdict.kind().as_str()),
        span::flag("python_sandbox.success", verdict.success()),
        span::number("python_sandbox.exit_code", verdict.exit_code),
        span::seconds("python_sandbox.cpu_time", usage.cpu_time),
        span::number("python_sandbox.memory_peak", usage.memory_bytes_peak),
        span::number("python_sandbox.stdout.size", execution.stdout.bytes),
        span::number("python_sandbox.stderr.size", execution.stderr.bytes),
        span::number("python_sandbox.output_files.count", execution.artifacts.len()),
    ];
    if let Some(hit) = verdict.limit {
        attributes.push(span::text("python_sandbox.limit", hit.limit.as_str()));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// The semantic conventions, "HTTP server span": an error of the client's is none of the server's.
    #[test]
    fn only_what_the_service_could_not_do_is_an_error() {
        let place = TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true, state: None };
        for (status, is_error) in
            [(200, false), (304, false), (429, false), (499, false), (500, true), (503, true)]
        {
            let span = request_span(&Request {
                place: &place,
                parent: None,
                request_id: "1",
                method: "GET",
                route: "/execute",
                status,
                outcome: "word",
                client: Ipv4Addr::LOCALHOST.into(),
                key: None,
                duration: Duration::from_millis(1),
            });
            let has = |key: &str| span.attributes.iter().any(|attribute| attribute.key == key);
            assert_eq!((span.status.is_some(), has("error.type")), (is_error, is_error), "{status}");
            // To a client that went away none was sent.
            assert_eq!(has("http.response.status_code"), status != 499, "{status}");
        }
    }
}
