//! What the tests of several crates share. Never part of the service.
//!
//! - [`corpus`]: reads the programs of `corpus/` with their headers and judges what came of them.
//! - [`planted`]: a runtime with a module of the test's own.
//! - [`skip()`], [`does_not_apply`]: how a test says that it cannot run here.

pub mod corpus;
pub mod planted;
mod skip;

pub use skip::{does_not_apply, skip};

use std::path::PathBuf;

/// The data directory with the prepared runtime: `make test` prepares it and names it.
#[must_use]
pub fn data_dir() -> PathBuf {
    std::env::var_os("PYTHON_SANDBOX_TEST_DATA")
        .map_or_else(|| PathBuf::from("/var/lib/python-sandbox"), PathBuf::from)
}

/// By how much more time than on an idle machine everything may take: what `PYTHON_SANDBOX_TEST_PATIENCE` says, else 1.
/// For hosts whose processor is emulated.
///
/// # Panics
/// When it is no number from 1 up.
#[must_use]
pub fn patience() -> u32 {
    std::env::var("PYTHON_SANDBOX_TEST_PATIENCE").map_or(1, |value| match value.parse() {
        Ok(factor) if factor >= 1 => factor,
        _ => panic!("PYTHON_SANDBOX_TEST_PATIENCE is `{value}`, not a whole number from 1 up"),
    })
}
