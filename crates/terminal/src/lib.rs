//! Output of every command: results on standard output, messages on standard error, and an exit code
//! ([`exit`]).
//!
//! A closed pipe (`python-sandbox ... | head`) is ignored; `println!` would panic.

pub mod exit;
mod progress;

pub use progress::Progress;

use std::io::Write;

/// Writes a result to standard output.
pub fn result(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes a message and a newline to standard error.
pub fn message(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes a program's standard error unchanged.
pub fn program_stderr(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
