//! Why a case has no figure, or a request no answer.

use executor::ExecutorError;
use std::io;

/// Why a case has no figure.
#[derive(Debug, thiserror::Error)]
pub(super) enum CaseError {
    /// The program is not there or cannot be started.
    #[error("failed to start `{program}`")]
    Start {
        /// Its path or name.
        program: String,
        #[source]
        source: io::Error,
    },
    /// A command that was asked what it is ended badly.
    #[error("`{program}` does not work here: {said}")]
    Unfit {
        /// Its name.
        program: String,
        /// What it said.
        said: String,
    },
    /// The program ran and did not print what it must: then its time says nothing.
    #[error("the program did not print {wanted:?} but {got:?}, and on standard error {stderr:?}")]
    Wrong {
        /// What it must print.
        wanted: &'static str,
        /// What it printed.
        got: String,
        /// Why, perhaps.
        stderr: String,
    },
    /// The process that forks for the floor is gone or says nonsense.
    #[error("the floor's interpreter failed: {0}")]
    Floor(String),
    /// The executor's fault.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// No answer.
    #[error("failed to ask the service")]
    Http(#[from] ClientError),
    /// An answer that is not the one that is measured.
    #[error("the service answered with status {status}: {body}")]
    Answer {
        /// Its status.
        status: u16,
        /// Its beginning.
        body: String,
    },
    /// The program to judge is not accepted: rejecting is other work.
    #[error("the validator rejected its program: {0}")]
    Rejected(String),
    /// A client of ours panicked.
    #[error("a client ended badly")]
    Client,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// Not `http://host[:port][/path]`.
    #[error("`{0}` is no address of a service: http://HOST:PORT is wanted, without TLS")]
    Address(String),
    /// The connection.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It was closed in the middle.
    #[error("the service closed the connection before its answer was complete")]
    Closed,
    /// Nothing came.
    #[error("the service did not answer within {wait_s} s")]
    TooLate {
        /// How long it had, in seconds.
        wait_s: u64,
    },
    /// Not what a service of ours sends.
    #[error("the answer is not understood: {0}")]
    Strange(&'static str),
}

/// Enough of a text to see what went wrong.
pub(super) fn beginning(text: &str) -> String {
    text.chars().take(300).collect()
}
