//! Why a case has no figure, or a request has no answer.

use executor::ExecutorError;
use std::io;

/// Why a case has no figure.
#[derive(Debug, thiserror::Error)]
pub(super) enum CaseError {
    /// The program does not exist or cannot be started.
    #[error("failed to start `{program}`")]
    Start {
        /// Its path or name.
        program: String,
        #[source]
        source: io::Error,
    },
    /// A command that was asked for its version failed.
    #[error("`{program}` does not work here: {said}")]
    Unsuitable {
        /// Its name.
        program: String,
        /// Its output.
        said: String,
    },
    /// The program did not print the expected output, so its time is meaningless.
    #[error("the program did not print {wanted:?} but {got:?}, and on standard error {stderr:?}")]
    Wrong {
        /// The expected output.
        wanted: &'static str,
        /// Its output.
        got: String,
        /// Its standard error, which may show the reason.
        stderr: String,
    },
    /// The process that forks for the floor is gone or sends invalid output.
    #[error("the floor's interpreter failed: {0}")]
    Floor(String),
    /// The executor failed.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// No answer.
    #[error("failed to send a request to the service")]
    Http(#[from] ClientError),
    /// An unexpected answer.
    #[error("the service answered with status {status}: {body}")]
    Answer {
        /// Its status.
        status: u16,
        /// Its first characters.
        body: String,
    },
    /// The program to validate was rejected: rejecting is different work.
    #[error("the validator rejected its program: {0}")]
    Rejected(String),
    /// A client of ours panicked.
    #[error("a client failed")]
    Client,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// Not `http://host[:port][/path]`.
    #[error("`{0}` is not an address of a service: expected http://HOST:PORT, without TLS")]
    Address(String),
    /// The connection.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It was closed before the answer was complete.
    #[error("the service closed the connection before its answer was complete")]
    Closed,
    /// No answer in time.
    #[error("the service did not answer within {wait_s} s")]
    TooLate {
        /// The time limit in seconds.
        wait_s: u64,
    },
    /// Not an answer of our service.
    #[error("failed to parse the response: {0}")]
    Strange(&'static str),
}

/// The beginning of a text, enough to see what went wrong.
pub(super) fn beginning(text: &str) -> String {
    text.chars().take(300).collect()
}
