//! Connects the API and the logs with the metrics, which know neither.

use crate::log_counts::LogCounts;
use api::{Answered, ConnectionCounts, Downloads, HttpObserver, MetricsPage};
use audit::{AuditLog, Counts, OpenError, Target};
use bytes::Bytes;
use contract::{ErrorCode, SkipReason};
use http::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use service::TraceContext;
use settings::{AuditSettings, AuditTarget, TracesSettings};
use std::sync::Arc;
use telemetry::{
    AuditLines, Certificate, Config, HttpMetrics, Page, StartError, Surroundings, Telemetry, TraceSpans,
};
use tls::{Status, Tls};
use traces::{ClientError, Sampler, Tracer};

/// Makes the metrics of a service with these executors.
///
/// # Errors
/// [`StartError`].
pub(crate) fn start(
    executors: &[&'static str],
    connections: ConnectionCounts,
    downloads: Downloads,
    log: LogCounts,
    tls: Option<Arc<Tls>>,
    audit: Option<Arc<AuditLog>>,
    tracer: Option<Arc<Tracer>>,
) -> Result<Telemetry, StartError> {
    let surroundings = move || Surroundings {
        connections: connections.open(),
        connections_refused: connections.refused(),
        downloads: telemetry::Downloads {
            running: downloads.running(),
            most: downloads.most(),
            refused: downloads.refused(),
        },
        log_events: log.get(),
        certificate: tls.as_ref().map(|tls| certificate(tls.status())),
        audit: audit.as_ref().map(|audit| {
            let Counts { written, lost, is_failing } = audit.counts();
            AuditLines { written, lost, is_failing }
        }),
        traces: tracer.as_ref().map(|tracer| {
            let traces::Counts { exported, dropped, failed } = tracer.counts();
            TraceSpans { exported, dropped, failed }
        }),
    };
    Telemetry::start(Config {
        version: env!("CARGO_PKG_VERSION"),
        target: &format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        executors,
        routes: &api::ROUTES,
        error_codes: ErrorCode::VALUES,
        skip_reasons: SkipReason::VALUES,
        surroundings: Box::new(surroundings),
    })
}

fn certificate(status: Status) -> Certificate {
    Certificate { expires: status.expires.as_second(), reload_failed: status.reload_failed }
}

/// Opens the audit log that the settings name.
///
/// # Errors
/// [`OpenError`].
pub(crate) fn start_audit(settings: &AuditSettings) -> Result<Option<Arc<AuditLog>>, OpenError> {
    let target = match &settings.target {
        AuditTarget::Off => return Ok(None),
        AuditTarget::Stderr => Target::Stderr,
        AuditTarget::File(path) => Target::File(path.clone()),
    };
    let version = env!("CARGO_PKG_VERSION");
    AuditLog::start(audit::Config { target, programs: settings.programs, version }).map(Some)
}

/// Starts the traces that the settings ask for.
///
/// # Errors
/// One sentence for the operator.
pub(crate) fn start_traces(settings: Option<&TracesSettings>) -> Result<Option<Arc<Tracer>>, String> {
    let Some(settings) = settings else { return Ok(None) };
    let mut headers = Vec::new();
    for (name, value) in &settings.headers {
        let value = HeaderValue::from_str(value.expose_secret());
        let (Ok(name), Ok(mut value)) = (HeaderName::from_bytes(name.as_bytes()), value) else {
            return Err(format!("OTEL_EXPORTER_OTLP_HEADERS has `{name}`, which cannot be a header"));
        };
        value.set_sensitive(true);
        headers.push((name, value));
    }
    let config = traces::Config {
        endpoint: settings.endpoint.parse().map_err(|error| {
            format!("OTEL_EXPORTER_OTLP_ENDPOINT = `{}` cannot be called: {error}", settings.endpoint)
        })?,
        headers,
        timeout: settings.timeout,
        ca_file: settings.ca_file.clone(),
        sampler: Sampler { is_parent_based: settings.is_parent_based, ratio: settings.ratio },
        service_name: settings.service_name.clone(),
        service_version: env!("CARGO_PKG_VERSION"),
        resource: settings.resource.clone(),
    };
    let failed =
        |error: ClientError| format!("OTEL_EXPORTER_OTLP_CERTIFICATE: {}", support::error_chain(&error));
    Tracer::start(config).map(Some).map_err(failed)
}

/// Metrics and traces as the observer of the API.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) metrics: Arc<HttpMetrics>,
    pub(crate) tracer: Option<Arc<Tracer>>,
}

impl HttpObserver for Requests {
    fn began(&self, parent: Option<&TraceContext>) -> Option<TraceContext> {
        self.metrics.began();
        self.tracer.as_ref().map(|tracer| tracer.begin(parent))
    }

    fn answered(&self, answered: &Answered<'_>) {
        let Answered { method, route, status, duration, code, .. } = *answered;
        self.metrics.answered(method, route, status, duration, code);
        if let (Some(tracer), Some(place)) = (&self.tracer, answered.trace) {
            let Answered { outcome, request_id, client, key, parent, .. } = *answered;
            tracer.answered(&traces::Request {
                place,
                parent,
                request_id,
                method,
                route,
                status,
                outcome,
                client,
                key,
                duration,
            });
        }
    }
}

/// The page of metrics as the API serves it.
#[derive(Debug)]
pub(crate) struct ServedPage(pub(crate) Arc<Page>);

impl MetricsPage for ServedPage {
    fn render(&self) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.render()?)
    }
}
