//! Tests that cannot run on a machine say so where a person sees it, and `make test` counts them.

use std::fmt::Display;
use std::io::Write as _;

/// Skips the calling test because something that it needs is missing here. Returns what the test or its helper returns
/// for "nothing": `()`, `None`, `false`.
///
/// # Panics
/// When the environment variable `REQUIRE_ALL` is set and not empty: then a skip is a failure.
pub fn skip<T: Default>(why: impl Display) -> T {
    let is_required = std::env::var_os("REQUIRE_ALL").is_some_and(|value| !value.is_empty());
    assert!(!is_required, "a component is missing, and REQUIRE_ALL is set: {why}");
    report(&why)
}

/// Skips the calling test because what it tests does not exist on this kind of machine, such as cgroup v1. Nothing can be
/// installed to change that, so `REQUIRE_ALL` does not make it a failure. Returns as [`skip`] does.
pub fn does_not_apply<T: Default>(why: impl Display) -> T {
    report(&format_args!("does not apply here: {why}"))
}

/// libtest captures what `eprintln!` prints in a test that passes, but not what is written to the stream itself.
/// `scripts/test` counts the lines that hold the first word.
fn report<T: Default>(why: &dyn Display) -> T {
    let thread = std::thread::current();
    let line = format!("SKIPPED: {}: {why}\n", thread.name().unwrap_or("a test"));
    // One write, so that lines of parallel tests do not mix. Where there is nobody to tell, the test goes on.
    let _ = std::io::stderr().write_all(line.as_bytes());
    T::default()
}
