//! Spans as OTLP has them. Names of attributes are those of OpenTelemetry's semantic conventions where those have one, and
//! begin with `python_sandbox.` otherwise.

use crate::ids;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use service::TraceContext;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

pub(crate) use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

/// Of a span's flags: it is known whether its parent is in another process (`SpanFlags`, opentelemetry/proto/trace/v1).
const HAS_IS_REMOTE: u32 = 0x100;
/// It is.
const IS_REMOTE: u32 = 0x200;

/// From the monotonic clock, in which everything is measured, to the time of day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    now: Instant,
    day_now: Duration,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let day_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { now: Instant::now(), day_now }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Nanoseconds since 1970.
    fn nanos(&self, at: Instant) -> u64 {
        let ago = self.now.saturating_duration_since(at);
        u64::try_from(self.day_now.saturating_sub(ago).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The parent of a span, which may be in another process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parent {
    pub(crate) span_id: [u8; 8],
    pub(crate) is_remote: bool,
}

/// A span with its own place in a trace.
pub(crate) fn span(
    place: &TraceContext,
    parent: Option<Parent>,
    name: impl Into<String>,
    kind: SpanKind,
    clock: &Clock,
    (began, ended): (Instant, Instant),
) -> Span {
    let remote = match parent {
        Some(Parent { is_remote: true, .. }) => IS_REMOTE,
        _ => 0,
    };
    Span {
        trace_id: place.trace_id.to_vec(),
        span_id: place.span_id.to_vec(),
        trace_state: place.state.as_deref().unwrap_or_default().to_owned(),
        parent_span_id: parent.map(|parent| parent.span_id.to_vec()).unwrap_or_default(),
        flags: u32::from(place.sampled) | HAS_IS_REMOTE | remote,
        name: name.into(),
        kind: kind.into(),
        start_time_unix_nano: clock.nanos(began),
        end_time_unix_nano: clock.nanos(ended.max(began)),
        ..Span::default()
    }
}

/// The place of a new span below this one.
pub(crate) fn below(place: &TraceContext) -> (TraceContext, Parent) {
    let parent = Parent { span_id: place.span_id, is_remote: false };
    (TraceContext { span_id: ids::span_id(), ..place.clone() }, parent)
}

/// The status of a span that failed.
pub(crate) fn failed() -> Option<Status> {
    Some(Status { code: StatusCode::Error.into(), message: String::new() })
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub(crate) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

pub(crate) fn number(key: &str, value: impl TryInto<i64>) -> KeyValue {
    attribute(key, Value::IntValue(value.try_into().unwrap_or(i64::MAX)))
}

pub(crate) fn seconds(key: &str, value: Duration) -> KeyValue {
    attribute(key, Value::DoubleValue(value.as_secs_f64()))
}

pub(crate) fn flag(key: &str, value: bool) -> KeyValue {
    attribute(key, Value::BoolValue(value))
}

/// A batch of spans of this service.
pub(crate) fn resource_spans(resource: Vec<KeyValue>, version: &str, spans: Vec<Span>) -> ResourceSpans {
    let scope = InstrumentationScope {
        name: "python-sandbox".to_owned(),
        version: version.to_owned(),
        ..InstrumentationScope::default()
    };
    ResourceSpans {
        resource: Some(Resource { attributes: resource, ..Resource::default() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sampled: bool, parent: Option<Parent>) -> Span {
        let place = TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled, state: None };
        let clock = Clock::new();
        let (began, ended) = (clock.now() - Duration::from_millis(1500), clock.now());
        span(&place, parent, "a", SpanKind::Internal, &clock, (began, ended))
    }

    /// As opentelemetry/proto/trace/v1 has them: the flags of W3C Trace Context in the lowest byte.
    #[test]
    fn flags_say_whether_it_is_sampled_and_where_the_parent_is() {
        let parent = |is_remote| Some(Parent { span_id: [3; 8], is_remote });
        for (sampled, parent, flags) in [
            (true, None, 0x101),
            (false, None, 0x100),
            (true, parent(false), 0x101),
            (true, parent(true), 0x301),
            (false, parent(true), 0x300),
        ] {
            let span = at(sampled, parent);
            assert_eq!(span.flags, flags, "{sampled} {parent:?}");
            assert_eq!(span.parent_span_id.is_empty(), parent.is_none());
        }
    }

    #[test]
    fn times_are_nanoseconds_of_the_day_and_never_run_backwards() {
        let span = at(true, None);
        assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 1_500_000_000);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        assert!(now - u128::from(span.end_time_unix_nano) < 60_000_000_000, "{span:?}");
        let place = TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true, state: None };
        let clock = Clock::new();
        let backwards = (clock.now(), clock.now() - Duration::from_secs(1));
        let span = super::span(&place, None, "a", SpanKind::Internal, &clock, backwards);
        assert_eq!(span.start_time_unix_nano, span.end_time_unix_nano);
    }
}
