//! Tests that cannot run on a machine report that visibly, and `make test` counts them.

use std::fmt::Display;
use std::io::Write as _;

/// Skips the calling test because a component that it needs is missing here. Returns the empty value of the
/// test or its helper: `()`, `None`, `false`.
///
/// # Panics
/// If the environment variable `REQUIRE_ALL` is set and not empty: then a skip is a failure.
pub fn skip<T: Default>(why: impl Display) -> T {
    let is_required = std::env::var_os("REQUIRE_ALL").is_some_and(|value| !value.is_empty());
    assert!(!is_required, "a component is missing, and REQUIRE_ALL is set: {why}");
    report(&why)
}

/// Skips the calling test because what it tests does not exist on this kind of machine, such as cgroup v1.
/// Installing something cannot change that, so `REQUIRE_ALL` does not make it a failure. Returns the same as
/// [`skip`].
pub fn does_not_apply<T: Default>(why: impl Display) -> T {
    report(&format_args!("does not apply here: {why}"))
}

/// libtest captures the output of `eprintln!` in a passing test, but not direct writes to the stream.
/// `scripts/test` counts the lines that contain the first word.
fn report<T: Default>(why: &dyn Display) -> T {
    let thread = std::thread::current();
    let line = format!("SKIPPED: {}: {why}\n", thread.name().unwrap_or("a test"));
    // One write, so that lines of parallel tests do not mix. If it fails, the test continues.
    let _ = std::io::stderr().write_all(line.as_bytes());
    T::default()
}
