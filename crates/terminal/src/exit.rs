//! Exit codes. They are part of the interface: scripts depend on them.

use std::process::ExitCode;

/// Success.
pub const SUCCESS: u8 = 0;

/// The program failed or hit a limit without its own exit code; the validator rejected it; `doctor` found
/// something missing. Otherwise `run` passes the program's exit code through.
pub const PROGRAM_FAILED: u8 = 1;

/// An internal error, a problem of the host, or invalid usage: says nothing about the program. (clap uses the
/// same code for invalid usage.)
pub const INTERNAL_ERROR: u8 = 2;

/// [`SUCCESS`].
#[must_use]
pub fn success() -> ExitCode {
    ExitCode::from(SUCCESS)
}

/// [`PROGRAM_FAILED`].
#[must_use]
pub fn program_failed() -> ExitCode {
    ExitCode::from(PROGRAM_FAILED)
}

/// [`INTERNAL_ERROR`].
#[must_use]
pub fn internal_error() -> ExitCode {
    ExitCode::from(INTERNAL_ERROR)
}

/// The program's own exit code. A code that does not fit into a byte counts as failed.
#[must_use]
pub fn of_program(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(PROGRAM_FAILED))
}
