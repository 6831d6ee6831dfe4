//! Whether what this program takes orders from can be changed by nobody else, asked before any command uses it.
//!
//! Settings files are judged where they are read (`settings::sources`), the runtime where it is loaded, the key and the
//! stored files where the store is opened; this is the data directory that holds those, and the files of an engine's TLS.

use crate::cli::Command;
use settings::Settings;
use std::path::Path;

/// The files in DOCKER_CERT_PATH.
const CERTIFICATES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// A place that is not to be used: one sentence for the user.
#[derive(Debug, thiserror::Error)]
#[error("{setting} is not to be used: {} (hint: {hint})", executor::error_chain(source))]
pub(crate) struct Refused {
    setting: &'static str,
    source: ownership::Refusal,
    hint: &'static str,
}

/// Judges the places that the settings name, as far as the command uses them.
///
/// # Errors
/// [`Refused`]: the setting, who can change what it names, what to do.
pub(crate) fn check(command: Option<&Command>, settings: &Settings) -> Result<(), Refused> {
    if matches!(command, Some(Command::CheckConfig(_) | Command::Health)) {
        return Ok(());
    }
    // One that is missing is judged again by who makes it.
    judge(
        "DATA_DIR",
        &settings.data_dir,
        "set it to a directory that only root or this user can write to, below directories of the same kind; what is in \
         this one may not be yours",
    )?;
    let Some(directory) = &settings.docker.engine.certificates else { return Ok(()) };
    for name in CERTIFICATES {
        let hint = "the engine that these files name is trusted; only root or this user may write to them";
        judge("DOCKER_CERT_PATH", &directory.join(name), hint)?;
    }
    Ok(())
}

fn judge(setting: &'static str, path: &Path, hint: &'static str) -> Result<(), Refused> {
    ownership::check(path).map(drop).map_err(|source| Refused { setting, source, hint })
}

/// Nothing that is made from here on, by children too, can be written to by group or others, whatever the umask was.
/// What is private has a mode of its own where it is made. Files that `run` saves are the user's own business.
pub(crate) fn tighten_umask(command: Option<&Command>) {
    use rustix::fs::Mode;
    if matches!(command, Some(Command::Run(_))) {
        return;
    }
    let strict = Mode::WGRP | Mode::WOTH;
    let before = rustix::process::umask(strict);
    rustix::process::umask(before | strict);
}
