//! Checks, before any command runs, that no other user can change the files that control this program.
//!
//! Settings files are checked where they are read (`settings::sources`), the runtime where it is loaded, the
//! key and the stored files where the store is opened. This module checks their data directory, and the files
//! of an engine's TLS.

use crate::cli::Command;
use settings::Settings;
use std::path::Path;

/// The files in DOCKER_CERT_PATH.
const CERTIFICATES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// A path that must not be used: one sentence for the user.
#[derive(Debug, thiserror::Error)]
#[error("{setting} cannot be trusted: {} (hint: {hint})", support::error_chain(source))]
pub(crate) struct Refused {
    setting: &'static str,
    source: ownership::Refusal,
    hint: &'static str,
}

/// Checks the paths that the settings name, as far as the command uses them.
///
/// # Errors
/// [`Refused`]: the setting, who can change what it names, what to do.
pub(crate) fn check(command: Option<&Command>, settings: &Settings) -> Result<(), Refused> {
    if matches!(command, Some(Command::CheckConfig(_) | Command::Health | Command::Metrics)) {
        return Ok(());
    }
    // A missing directory is checked again when it is created.
    check_file(
        "DATA_DIR",
        &settings.data_dir,
        "set it to a directory that only root or this user can write to, below directories of the same kind; another user \
         may have changed the contents of this one",
    )?;
    let Some(directory) = &settings.docker.engine.certificates else { return Ok(()) };
    for name in CERTIFICATES {
        let hint = "these files decide which engine is trusted; only root or this user may write to them";
        check_file("DOCKER_CERT_PATH", &directory.join(name), hint)?;
    }
    Ok(())
}

fn check_file(setting: &'static str, path: &Path, hint: &'static str) -> Result<(), Refused> {
    ownership::check(path).map(drop).map_err(|source| Refused { setting, source, hint })
}

/// From here on, nothing that this process or its children create is writable by group or others, whatever
/// the umask was. Private files get a stricter mode where they are created. Files that `run` saves follow the
/// user's umask.
pub(crate) fn tighten_umask(command: Option<&Command>) {
    use rustix::fs::Mode;
    if matches!(command, Some(Command::Run(_))) {
        return;
    }
    let strict = Mode::WGRP | Mode::WOTH;
    let before = rustix::process::umask(strict);
    rustix::process::umask(before | strict);
}
