//! A case: one way to do one thing, measured repeatedly.

use super::error::{CaseError, beginning};
use async_trait::async_trait;
use executor::Hints;
use std::time::Duration;

/// One measurement.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// The total.
    pub(super) duration: Duration,
    /// Its parts in order, if the case can distinguish them. Always the same names for one case.
    pub(super) phases: Vec<(&'static str, Duration)>,
}

impl Sample {
    /// A sample without parts.
    pub(super) fn plain(duration: Duration) -> Self {
        Self { duration, phases: Vec::new() }
    }
}

/// The samples of one turn of a case.
#[derive(Debug)]
pub(super) struct Turn {
    /// One, or many if clients work concurrently.
    pub(super) samples: Vec<Sample>,
    /// From the first start to the last end, for the throughput.
    pub(super) elapsed: Duration,
}

impl Turn {
    /// A turn with a single sample.
    pub(super) fn of(sample: Sample) -> Self {
        Self { elapsed: sample.duration, samples: vec![sample] }
    }
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
    // Blocks the thread on purpose: the command does nothing else, and moving to another thread costs time.
    async fn turn(&mut self) -> Result<Turn, CaseError> {
        Ok(Turn::of(self.0.sample()?))
    }
}

/// A program whose execution is measured.
#[derive(Debug)]
pub(super) struct Program {
    /// Source.
    pub(super) code: &'static str,
    /// Its imports, as the validator finds them.
    pub(super) imports: &'static [&'static str],
    /// Its expected output.
    pub(super) stdout: &'static str,
}

impl Program {
    /// The hints for an executor.
    pub(super) fn hints(&self) -> Hints {
        let imports = self.imports.iter().map(|module| (*module).to_owned()).collect();
        Hints { imports, ..Hints::default() }
    }

    /// Checks its result.
    pub(super) fn check(&self, success: bool, stdout: &str, stderr: &str) -> Result<(), CaseError> {
        if success && stdout == self.stdout {
            return Ok(());
        }
        let (got, stderr) = (beginning(stdout), beginning(stderr));
        Err(CaseError::Wrong { wanted: self.stdout, got, stderr })
    }
}

/// A minimal program: its time is the cost of running any program.
pub(super) static PRINT: Program = Program { code: "print(1)", imports: &[], stdout: "1\n" };

/// A typical program.
pub(super) static PANDAS: Program = Program {
    code: include_str!("programs/pandas_to_excel.py"),
    imports: &["pandas"],
    stdout: "12 rows, profit 5700\n",
};

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
