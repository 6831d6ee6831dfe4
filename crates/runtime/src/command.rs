//! Runs helper programs: with a fixed environment, no input, and the output kept for the error.

use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitStatus, Stdio};

/// How much of a failed program's output is kept in an error, from its end, in bytes: the reason is in the
/// last lines.
const OUTPUT_TAIL_BYTES: usize = 8 * 1024;

/// Variables of our environment that helpers get, by exact name. All others are removed, so that a variable
/// such as `PYTHONPATH`, `LD_PRELOAD` or `PIP_TARGET` cannot change what is built.
const KEPT_NAMES: [&str; 22] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "PIP_TRUSTED_HOST",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_PROXY",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_TIMEOUT",
    "PIP_RETRIES",
    "PIP_CONFIG_FILE",
];

/// The proxy settings, which are read in either case.
const KEPT_PROXY_NAMES: [&str; 4] = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];

/// How a helper program failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It could not be started.
    #[error("`{program}` could not be started")]
    Start {
        /// The program.
        program: String,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// It exited with a failure.
    #[error("`{program}` ended with {status}:\n{output}")]
    Failed {
        /// The program.
        program: String,
        /// Its exit status.
        status: ExitStatus,
        /// The end of its output, both streams.
        output: String,
    },
}

/// A command with the fixed environment, an empty input, and messages in English.
pub(crate) fn command(program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    command.env_clear().envs(std::env::vars_os().filter(|(name, _)| is_kept(&name.to_string_lossy())));
    command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// Whether a variable of ours is passed to helpers.
fn is_kept(name: &str) -> bool {
    KEPT_NAMES.contains(&name) || KEPT_PROXY_NAMES.contains(&name.to_ascii_lowercase().as_str())
}

/// Runs a command to its end and returns its standard output.
pub(crate) fn run(command: &mut Command) -> Result<String, CommandError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.output().map_err(|source| CommandError::Start { program: program.clone(), source })?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(stdout.into_owned());
    }
    let both = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let output_tail = tail(both.trim(), OUTPUT_TAIL_BYTES).to_owned();
    Err(CommandError::Failed { program, status: output.status, output: output_tail })
}

/// The end of a text, at most this number of bytes, cut at a character boundary.
fn tail(text: &str, bytes_max: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes_max))..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_pip_needs_and_nothing_that_bends_python() {
        for name in ["PATH", "HTTPS_PROXY", "no_proxy", "PIP_INDEX_URL", "SSL_CERT_FILE"] {
            assert!(is_kept(name), "{name}");
        }
        for name in ["PYTHONPATH", "PYTHONHOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "PIP_TARGET", "PIP_USER"] {
            assert!(!is_kept(name), "{name}");
        }
    }

    #[test]
    fn a_failure_carries_the_end_of_both_streams() {
        let error = run(command("sh").args(["-c", "echo out; echo why >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("out") && text.contains("why") && text.contains('3'), "{text}");
    }

    #[test]
    fn the_tail_is_cut_at_a_character() {
        assert_eq!(tail("aéb", 2), "b");
        assert_eq!(tail("aéb", 3), "éb");
        assert_eq!(tail("ab", 9), "ab");
    }
}
