//! Exit codes. They are a promise: scripts depend on them.

use std::process::ExitCode;

/// Everything went well.
pub const GOOD: u8 = 0;

/// The program failed or hit a limit without an exit code of its own; the validator rejected it; `doctor` found
/// something missing. `run` otherwise passes the program's own code through.
pub const PROGRAM_FAILED: u8 = 1;

/// Our fault, the host's, or bad usage: nothing is known of the program. (clap uses the same for bad usage.)
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

/// A program's own code. One that does not fit into a byte counts as failed.
#[must_use]
pub fn of_program(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(PROGRAM_FAILED))
}
