//! A worked example of an executor: sandboxes that bubblewrap makes, in 150 lines. See docs/executors.md.
//!
//! It holds the conformance suite, but not the promises: nothing bounds memory and processes here. So its health says
//! that it is not healthy, and the service would never run a program on it. What a real one adds is in
//! `crates/executor-docker`: limits, counters, a pool, the removal of leftovers.
//!
//! ```bash
//! cargo run --package bubblewrap-executor -- /var/lib/python-sandbox
//! ```

use async_trait::async_trait;
use executor::guest::{Guest, GuestError};
use executor::verdict::{self, Evidence, Facts, SettingNames};
use executor::{
    ExecRequest, ExecResult, Executor, ExecutorError, Health, Hints, Sandbox, SandboxLimits, Usage,
};
use runtime::Runtime;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use tokio::io::Join;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

const NAME: &str = "bubblewrap";
const READY_TIME_MAX: Duration = Duration::from_secs(20);
/// What the words of a verdict name. There are no such settings here.
const SETTINGS: SettingNames = SettingNames { memory: "-", pids: "-", disk: "-", inodes: "-" };
/// What the verdicts speak of; bubblewrap holds none of it.
const LIMITS: SandboxLimits = SandboxLimits {
    memory_bytes: u64::MAX,
    cpu_quota_us: 100_000,
    cpu_period_us: 100_000,
    pids_max: u32::MAX,
    disk_bytes: u64::MAX,
    disk_inodes: u64::MAX,
};

#[derive(Debug)]
struct BubblewrapExecutor {
    runtime: Runtime,
    agent: PathBuf,
}

#[async_trait]
impl Executor for BubblewrapExecutor {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn health(&self) -> Health {
        Health::unhealthy("bubblewrap limits neither memory nor processes (hint: this is an example)")
    }

    /// The place: a process with walls, whose first process is the agent, and a stream to it.
    async fn create(&self, _: &Hints) -> Result<Box<dyn Sandbox>, ExecutorError> {
        let failed = |error: std::io::Error| ExecutorError::before_start(NAME, "start bubblewrap", error);
        let mut child = Command::new("bwrap")
            .args(["--unshare-all", "--as-pid-1", "--die-with-parent", "--ro-bind"])
            .arg(&self.runtime.rootfs)
            .args([
                "/",
                "--proc",
                "/proc",
                "--dev",
                "/dev",
                "--tmpfs",
                "/tmp",
                "--tmpfs",
                "/run",
                "--ro-bind",
            ])
            .arg(&self.agent)
            .args(["/run/agent", "/run/agent", "init", &self.runtime.interpreter])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
        };
        let mut guest = Guest::new(tokio::io::join(output, input));
        guest
            .ready(READY_TIME_MAX)
            .await
            .map_err(|error| ExecutorError::before_start(NAME, "set a sandbox up", error))?;
        Ok(Box::new(BubblewrapSandbox { guest, _child: child }))
    }

    async fn shut_down(&self) {}
}

#[derive(Debug)]
struct BubblewrapSandbox {
    guest: Guest<Join<ChildStdout, ChildStdin>>,
    /// Killed when this is dropped, and everything inside with it.
    _child: Child,
}

#[async_trait]
impl Sandbox for BubblewrapSandbox {
    async fn exec(
        &mut self,
        request: ExecRequest,
        cancel: CancellationToken,
    ) -> Result<ExecResult, ExecutorError> {
        let exec = request.limits;
        let (answer, result) = self.guest.exec(request, cancel).await;
        let lost = |error| ExecutorError::of_guest(NAME, "run the program", answer.started, error);
        result.map_err(lost)?;
        let Some(report) = &answer.report else { return Err(lost(GuestError::Gone)) };
        let evidence = Evidence::default();
        let facts = Facts { report, evidence, exec: &exec, sandbox: &LIMITS, settings: SETTINGS };
        let (outcome, exit_code) = verdict::judge(&facts);
        let (stdout, stderr) = answer.captured();
        let usage = Usage {
            wall_time: Duration::from_micros(report.wall_time_us),
            cpu_time: Duration::from_micros(report.cpu_time_us),
            memory_bytes_peak: report.resident_bytes_peak,
            pids_peak: None,
        };
        Ok(ExecResult {
            outcome,
            exit_code,
            stdout,
            stderr,
            usage,
            files: answer.files,
            skipped: answer.skipped,
            skipped_more: answer.skipped_more,
        })
    }

    async fn destroy(self: Box<Self>) {}
}

#[tokio::main]
#[allow(clippy::print_stderr, reason = "an example speaks to its reader")]
async fn main() -> ExitCode {
    match conformance().await {
        Ok(failures) if failures.is_empty() => {
            eprintln!("all {} checks passed", executor::conformance::count());
            ExitCode::SUCCESS
        }
        Ok(failures) => {
            eprintln!("{}", failures.join("\n"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn conformance() -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let data_dir = std::env::args_os().nth(1).ok_or("usage: bubblewrap-executor DATA_DIR")?;
    let directory = tempfile::tempdir()?;
    let agent = directory.path().join("agent");
    std::fs::write(&agent, agent_image::AGENT)?;
    std::fs::set_permissions(&agent, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let executor = BubblewrapExecutor { runtime: Runtime::load(data_dir.as_ref())?, agent };
    Ok(executor::conformance::run(&executor).await)
}
