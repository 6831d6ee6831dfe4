//! Connects the API and the logs with the metrics, which know neither.

use crate::log_counts::LogCounts;
use api::{Answered, ConnectionCounts, HttpObserver, MetricsPage};
use audit::{AuditLog, Counts, OpenError, Target};
use bytes::Bytes;
use contract::{ErrorCode, SkipReason};
use settings::{AuditSettings, AuditTarget};
use std::sync::Arc;
use telemetry::{AuditLines, Certificate, Config, HttpMetrics, Page, StartError, Surroundings, Telemetry};
use tls::{Status, Tls};

/// Makes the metrics of a service with these executors.
///
/// # Errors
/// [`StartError`].
pub(crate) fn start(
    executors: &[&'static str],
    connections: ConnectionCounts,
    log: LogCounts,
    tls: Option<Arc<Tls>>,
    audit: Option<Arc<AuditLog>>,
) -> Result<Telemetry, StartError> {
    let surroundings = move || Surroundings {
        connections: connections.open(),
        connections_refused: connections.refused(),
        log_events: log.get(),
        certificate: tls.as_ref().map(|tls| certificate(tls.status())),
        audit: audit.as_ref().map(|audit| {
            let Counts { written, lost, is_failing } = audit.counts();
            AuditLines { written, lost, is_failing }
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

/// Metrics as the observer of the API.
#[derive(Debug)]
pub(crate) struct Requests(pub(crate) Arc<HttpMetrics>);

impl HttpObserver for Requests {
    fn began(&self) {
        self.0.began();
    }

    fn answered(&self, answered: &Answered<'_>) {
        let Answered { method, route, status, duration, code } = *answered;
        self.0.answered(method, route, status, duration, code);
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
