//! What a case is: one way to do one thing, measured again and again.

use async_trait::async_trait;
use executor::ExecutorError;
use std::io;
use std::time::{Duration, Instant};

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
    /// The executor's fault.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// No answer.
    #[error("failed to ask the service")]
    Http(#[from] Box<ureq::Error>),
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
        let sample = self.0.sample()?;
        Ok(Turn { elapsed: sample.duration, samples: vec![sample] })
    }
}

/// Samples that each client takes in one turn: enough that starting the clients' threads does not count.
const CLIENT_SAMPLES: usize = 10;

/// Workers that work at the same time, each one sample after the other without a pause.
pub(super) struct Together(pub(super) Vec<Box<dyn Worker>>);

#[async_trait]
impl Case for Together {
    async fn turn(&mut self) -> Result<Turn, CaseError> {
        let begun = Instant::now();
        let all = std::thread::scope(|scope| {
            let clients: Vec<_> = self
                .0
                .iter_mut()
                .map(|worker| {
                    scope
                        .spawn(|| (0..CLIENT_SAMPLES).map(|_| worker.sample()).collect::<Result<Vec<_>, _>>())
                })
                .collect();
            let ended = clients.into_iter().map(|client| client.join().unwrap_or(Err(CaseError::Client)));
            ended.collect::<Result<Vec<_>, _>>()
        });
        let elapsed = begun.elapsed();
        Ok(Turn { samples: all?.into_iter().flatten().collect(), elapsed })
    }
}

/// A program whose running is measured.
#[derive(Debug)]
pub(super) struct Program {
    /// Source.
    pub(super) code: &'static str,
    /// What it must print.
    pub(super) stdout: &'static str,
}

impl Program {
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
pub(super) static PRINT: Program = Program { code: "print(1)", stdout: "1\n" };

/// What people use a sandbox for.
pub(super) static PANDAS: Program =
    Program { code: include_str!("programs/pandas_to_excel.py"), stdout: "12 rows, profit 5700\n" };

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
            if self.0 > 15 { Err(CaseError::Client) } else { Ok(Sample::plain(Duration::from_millis(1))) }
        }
    }

    #[tokio::test]
    async fn a_turn_has_the_samples_of_all_clients_or_an_error() {
        let mut alone = Alone(Box::new(Count(0)));
        assert_eq!(alone.turn().await.unwrap().samples.len(), 1);
        let mut together = Together(vec![Box::new(Count(0)), Box::new(Count(0))]);
        assert_eq!(together.turn().await.unwrap().samples.len(), 2 * CLIENT_SAMPLES);
        assert!(together.turn().await.is_err());
    }

    #[test]
    fn a_program_that_did_something_else_has_no_time() {
        assert!(PRINT.check(true, "1\n", "").is_ok());
        assert!(PRINT.check(false, "1\n", "").is_err());
        assert!(PRINT.check(true, "", "").is_err());
    }
}
