//! An executor's sandboxes through its trait, without HTTP; and the validator alone.

use super::case::{Case, Program, Sample, Turn, Worker};
use super::error::CaseError;
use async_trait::async_trait;
use executor::{Control, ExecLimits, ExecRequest, Executor, Freshness, Hints};
use std::sync::Arc;
use std::time::Instant;
use validator::Policy;

/// Creates a sandbox and runs nothing in it. Removing it does not count: no request waits for it.
#[derive(Debug)]
pub(super) struct Create(pub(super) Arc<dyn Executor>);

#[async_trait]
impl Case for Create {
    async fn turn(&mut self) -> Result<Turn, CaseError> {
        let begun = Instant::now();
        let sandbox = self.0.create(&Hints::default(), Freshness::Any).await?;
        let elapsed = begun.elapsed();
        drop(sandbox);
        Ok(Turn::of(Sample::plain(elapsed)))
    }
}

/// Gets a sandbox and runs a program in it.
#[derive(Debug)]
pub(super) struct Run {
    /// The executor, which creates the sandbox ahead or on demand.
    pub(super) executor: Arc<dyn Executor>,
    /// The program.
    pub(super) program: &'static Program,
    /// The program's limits.
    pub(super) limits: ExecLimits,
}

#[async_trait]
impl Case for Run {
    async fn turn(&mut self) -> Result<Turn, CaseError> {
        let hints = self.program.hints();
        let request =
            ExecRequest { code: self.program.code.into(), limits: self.limits, ..ExecRequest::default() };
        let begun = Instant::now();
        let sandbox = self.executor.create(&hints, Freshness::Any).await?;
        let created = begun.elapsed();
        let result = sandbox.answer_once(&request, &Control::default()).await?;
        let duration = begun.elapsed();
        self.program.check(result.success(), &result.stdout.text, &result.stderr.text)?;
        let program = result.usage.wall_time;
        let around = duration.saturating_sub(created).saturating_sub(program);
        let phases = vec![("get the sandbox", created), ("hand over, collect", around), ("program", program)];
        Ok(Turn::of(Sample { duration, phases }))
    }
}

/// Validates one program.
#[derive(Debug)]
pub(super) struct Validate {
    code: String,
    policy: Policy,
}

/// Characters of the validated program: the contract's maximum.
pub(super) const VALIDATED_CHARS: usize = 50_000;

/// Dense ordinary constructs: the most work per character.
const DENSE: &str = "\
def f(a, b=1, *c, d: int = 2, **e):
    x = [i * j for i in range(a) if i % 2 for j in c if j]
    y = {k: (v or k)[1:-1] for k, v in e.items()} if a and b else None
    return f'{x!r:>10}{y}', lambda z: z + a ** -b, not (a <= b < d)
try:
    g = f(1, 2, *[3], d=4, k='v')[0].upper()
except (ValueError, KeyError) as error:
    print(error, end='')
";

impl Validate {
    /// Validates with this policy, extended to accept the program.
    pub(super) fn new(policy: Policy) -> Self {
        let mut code = DENSE.repeat(VALIDATED_CHARS / DENSE.len());
        code.push_str(&"#".repeat(VALIDATED_CHARS - code.len()));
        // Accepting checks everything; a stricter policy that rejects would check as much.
        Self { code, policy: Policy { max_code_length: VALIDATED_CHARS, max_complexity: 0, ..policy } }
    }
}

impl Worker for Validate {
    fn sample(&mut self) -> Result<Sample, CaseError> {
        let begun = Instant::now();
        let report = validator::validate(&self.code, &self.policy);
        let duration = begun.elapsed();
        if report.violations.is_empty() {
            Ok(Sample::plain(duration))
        } else {
            Err(CaseError::Rejected(validator::render(&report.violations)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_judged_program_is_dense_and_accepted() {
        let mut case = Validate::new(Policy::default());
        assert_eq!(case.code.chars().count(), VALIDATED_CHARS);
        if let Err(error) = case.sample() {
            panic!("{error}");
        }
    }
}
