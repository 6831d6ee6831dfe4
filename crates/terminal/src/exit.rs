//! Exit codes. They are part of the interface: scripts depend on them.

use std::process::ExitCode;

/// Success.
pub const GOOD: u8 = 0;

/// The program failed or hit a limit without its own exit code; the validator rejected it; `doctor` found
/// something missing. Otherwise `run` passes the program's exit code through.
pub const PROGRAM_FAILED: u8 = 1;

/// An internal error, a problem of the host, or invalid usage: says nothing about the program. (clap uses the same code
/// for invalid usage.)
pub const OUR_FAULT: u8 = 2;

/// [`GOOD`].
#[must_use]
pub fn good() -> ExitCode {
    ExitCode::from(GOOD)
}

/// [`PROGRAM_FAILED`].
#[must_use]
pub fn program_failed() -> ExitCode {
    ExitCode::from(PROGRAM_FAILED)
}

/// [`OUR_FAULT`].
#[must_use]
pub fn our_fault() -> ExitCode {
    ExitCode::from(OUR_FAULT)
}

/// The program's own exit code. A code that does not fit into a byte counts as failed.
#[must_use]
pub fn of_program(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(PROGRAM_FAILED))
}
