//! `health`: asks the service on this machine whether it accepts work. For container engines and supervisors,
//! in images that contain only this program.

use crate::local_request::{get, reachable};
use settings::Settings;
use std::process::ExitCode;
use terminal::exit;

/// Runs the command.
pub(crate) fn run(settings: &Settings) -> ExitCode {
    let (host, port) = (reachable(&settings.host), settings.port);
    match get((host, port), settings.tls.as_ref(), "/health", None) {
        Ok((status, body)) => {
            terminal::result(&format!("{}\n", body.trim_end()));
            if status == 200 { exit::success() } else { exit::program_failed() }
        }
        Err(error) => {
            terminal::message(&format!(
                "the service at {host} port {port} does not answer: {error} (hint: HOST, PORT and TLS_CERT_FILE must be \
                 those of the service)"
            ));
            exit::program_failed()
        }
    }
}
