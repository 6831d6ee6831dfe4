//! Programs that are installed on this machine: their path, their version, how they run Python.

use super::error::{CaseError, beginning};
use super::host::HostCommand;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A working program.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The command that runs a program in it.
    pub(super) command: HostCommand,
    /// The version that it reports.
    pub(super) version: String,
}

/// A program's output, or why there is none.
pub(super) fn ask(program: &str, arguments: &[&str]) -> Result<String, CaseError> {
    ask_with(program, arguments, &[])
}

/// A program's output with these variables added to our own, or why there is none.
pub(super) fn ask_with(
    program: &str,
    arguments: &[&str],
    env: &[(String, OsString)],
) -> Result<String, CaseError> {
    let mut command = Command::new(find_program(program));
    command.args(arguments).envs(env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    let failed = |source| CaseError::Start { program: program.to_owned(), source };
    let output = command.output().map_err(failed)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(CaseError::Unsuitable { program: program.to_owned(), said: beginning(&text(&output.stderr)) })
}

/// A program's path: the programs' environment has a different `PATH`.
pub(super) fn find_program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|directory| directory.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| PathBuf::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_or_why_it_says_nothing() {
        assert_eq!(ask("echo", &["a", "b"]).expect("echo is everywhere"), "a b");
        assert!(matches!(ask("false", &[]), Err(CaseError::Unsuitable { .. })));
        assert!(matches!(ask("no-such-program", &[]), Err(CaseError::Start { .. })));
    }
}
