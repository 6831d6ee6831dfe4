//! `metrics`: prints the metrics of the service on this machine. For operators and probes, in images that contain only
//! this program.

use crate::local_request::{get, reachable};
use settings::{MetricsSettings, Settings};
use std::process::ExitCode;
use terminal::exit;

/// The variable with the API key for a service that requires one.
const KEY_VARIABLE: &str = "PYTHON_SANDBOX_API_KEY";

/// Runs the command.
pub(crate) fn run(settings: &Settings) -> ExitCode {
    let (host, port, tls) = match &settings.metrics {
        MetricsSettings::Off => return failed("metrics are switched off (hint: METRICS_ENABLED=true)"),
        MetricsSettings::WithApi => (settings.host.as_str(), settings.port, settings.tls.as_ref()),
        MetricsSettings::Alone { host, port } => (host.as_str(), *port, None),
    };
    let host = reachable(host);
    let key = std::env::var(KEY_VARIABLE).ok();
    if key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
        return failed(&format!("{KEY_VARIABLE} is not an API key"));
    }
    match get((host, port), tls, "/metrics", key.as_deref()) {
        Ok((200, page)) => {
            terminal::result(&page);
            exit::success()
        }
        Ok((401 | 403, _)) => failed(&format!(
            "the service at {host} port {port} requires an API key with the scope `metrics` (hint: set {KEY_VARIABLE})"
        )),
        Ok((status, _)) => failed(&format!(
            "the service at {host} port {port} answers /metrics with {status} (hint: METRICS_ENABLED and METRICS_PORT must \
             be those of the service)"
        )),
        Err(error) => failed(&format!(
            "the service at {host} port {port} does not answer: {error} (hint: HOST, PORT, TLS_CERT_FILE, METRICS_HOST \
             and METRICS_PORT must be those of the service)"
        )),
    }
}

fn failed(message: &str) -> ExitCode {
    terminal::message(message);
    exit::program_failed()
}
