//! The corpora on the native executor, without the service around it.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod support;

use executor::{Control, ExecLimits, ExecRequest, Executor, Freshness, Hints, InputFile};
use std::time::{Duration, Instant};
use testkit::corpus::{Observation, Program};

async fn observe(executor: &dyn Executor, program: &Program) -> Observation {
    let request = ExecRequest {
        code: program.code.as_str().into(),
        stdin: program.stdin().into(),
        files: program
            .inputs()
            .into_iter()
            .map(|(path, content)| InputFile { path, content: content.into() })
            .collect(),
        env: program.env().into_iter().collect(),
        limits: ExecLimits { wall_time: Duration::from_secs(program.timeout_s()), ..ExecLimits::default() },
    };
    let hints = Hints::of(&request, program.imports());
    let begun = Instant::now();
    let sandbox = match executor.create(&hints, Freshness::Any).await {
        Ok(sandbox) => sandbox,
        Err(error) => {
            return Observation { stderr: error.chain(), kind: "fault".into(), ..Observation::default() };
        }
    };
    let result = sandbox.answer_once(&request, &Control::default()).await;
    match result {
        Ok(result) => Observation {
            success: result.success(),
            exit_code: result.verdict.exit_code.into(),
            kind: result.kind().as_str().to_owned(),
            stdout: result.stdout.text,
            stderr: result.stderr.text,
            stdout_truncated: result.stdout.truncated,
            stderr_truncated: result.stderr.truncated,
            artifacts: result.files.into_iter().map(|file| file.path).collect(),
            skipped: result.skipped.into_iter().map(|s| (s.path, s.reason.as_str().to_owned())).collect(),
            elapsed_s: begun.elapsed().as_secs_f64(),
        },
        Err(error) => Observation { stderr: error.chain(), kind: "fault".into(), ..Observation::default() },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn corpora() {
    let Some(native) = support::native_with_science().await else { return };
    let failures =
        testkit::corpus::failures(native.name(), async |program| observe(&native, program).await).await;
    native.shut_down().await;
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}
