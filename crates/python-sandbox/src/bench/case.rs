//! What a case is: one way to do one thing, measured again and again.

use super::client::ClientError;
use async_trait::async_trait;
use executor::{ExecutorError, Hints};
use std::io;
use std::time::Duration;

/// One measurement.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// All of it.
    pub(super) duration: Duration,
    /// Its parts in their order, where a case can tell them apart. Always the same names for one case.
    pub(super) phases: Vec<(&'static str, Duration)>,
}

impl Sample {
    /// One without parts.
    pub(super) fn plain(duration: Duration) -> Self {
        Self { duration, phases: Vec::new() }
    }
}

/// What a case measured in one turn.
#[derive(Debug)]
pub(super) struct Turn {
    /// One, or many where clients work at the same time.
    pub(super) samples: Vec<Sample>,
    /// From the first start to the last end, for the throughput.
    pub(super) elapsed: Duration,
}

impl Turn {
    /// One sample, and nothing besides.
    pub(super) fn of(sample: Sample) -> Self {
        Self { elapsed: sample.duration, samples: vec![sample] }
    }
}

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

/// One case.
#[async_trait]
pub(super) trait Case: Send {
    /// Takes one turn.
    async fn turn(&mut self) -> Result<Turn, CaseError>;
}

/// Work that blocks its thread for one sample.
pub(super) trait Worker: Send {
    /// Takes one sample.
    fn sample(&mut self) -> Result<Sample, CaseError>;
}

/// One worker, one sample a turn.
pub(super) struct Alone(pub(super) Box<dyn Worker>);

#[async_trait]
impl Case for Alone {
    // It blocks the thread on purpose: the command does nothing else, and moving to another thread costs time.
    async fn turn(&mut self) -> Result<Turn, CaseError> {
        Ok(Turn::of(self.0.sample()?))
    }
}

/// A program whose running is measured.
#[derive(Debug)]
pub(super) struct Program {
    /// Source.
    pub(super) code: &'static str,
    /// What it imports, as the validator finds it.
    pub(super) imports: &'static [&'static str],
    /// What it must print.
    pub(super) stdout: &'static str,
}

impl Program {
    /// What an executor is told of it.
    pub(super) fn hints(&self) -> Hints {
        let imports = self.imports.iter().map(|module| (*module).to_owned()).collect();
        Hints { imports, ..Hints::default() }
    }

    /// Checks that it did what it must.
    pub(super) fn check(&self, success: bool, stdout: &str, stderr: &str) -> Result<(), CaseError> {
        if success && stdout == self.stdout {
            return Ok(());
        }
        let (got, stderr) = (beginning(stdout), beginning(stderr));
        Err(CaseError::Wrong { wanted: self.stdout, got, stderr })
    }
}

/// The least that a program can do: what is left is the price of running one at all.
pub(super) static PRINT: Program = Program { code: "print(1)", imports: &[], stdout: "1\n" };

/// What people use a sandbox for.
pub(super) static PANDAS: Program = Program {
    code: include_str!("programs/pandas_to_excel.py"),
    imports: &["pandas"],
    stdout: "12 rows, profit 5700\n",
};

/// Enough of a text to see what went wrong.
pub(super) fn beginning(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(u32);

    impl Worker for Count {
        fn sample(&mut self) -> Result<Sample, CaseError> {
            self.0 += 1;
            if self.0 > 1 { Err(CaseError::Client) } else { Ok(Sample::plain(Duration::from_millis(1))) }
        }
    }

    #[tokio::test]
    async fn a_turn_has_a_sample_or_an_error() {
        let mut alone = Alone(Box::new(Count(0)));
        assert_eq!(alone.turn().await.unwrap().samples.len(), 1);
        assert!(alone.turn().await.is_err());
    }

    #[test]
    fn a_program_that_did_something_else_has_no_time() {
        assert!(PRINT.check(true, "1\n", "").is_ok());
        assert!(PRINT.check(false, "1\n", "").is_err());
        assert!(PRINT.check(true, "", "").is_err());
    }

    #[test]
    fn the_hints_are_those_that_the_validator_would_give() {
        for program in [&PRINT, &PANDAS] {
            let report = validator::validate(program.code, &validator::Policy::default());
            assert_eq!(program.hints().imports, report.imports.into_iter().collect());
        }
    }
}
