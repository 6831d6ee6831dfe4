//! A worked example of an executor: sandboxes made with bubblewrap. See docs/executors.md.
//!
//! It passes the conformance suite, but does not meet the guarantees: nothing limits memory and processes
//! here. So its health reports unhealthy, and the service would never run a program on it. What a real
//! executor adds is in `crates/executor-docker`: limits, counters, a pool, the removal of leftovers.
//!
//! ```bash
//! cargo run --package bubblewrap-executor -- /var/lib/python-sandbox
//! ```

use async_trait::async_trait;
use executor::{
    Backing, Executor, ExecutorError, Freshness, Health, Hints, KernelCounts, Sandbox, SandboxLimits,
};
use runtime::Runtime;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

const NAME: &str = "bubblewrap";
const READY_TIME_MAX: Duration = Duration::from_secs(20);
/// The limits in verdicts; bubblewrap enforces none of them.
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

    /// Starts a process in new namespaces, the agent, and opens a stream to it.
    async fn create(&self, _: &Hints, _: Freshness) -> Result<Sandbox, ExecutorError> {
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
        let (stream, backing) = (tokio::io::join(output, input), Bubblewrap(child));
        let opened = Sandbox::open(NAME, LIMITS, stream, backing, READY_TIME_MAX).await;
        opened.map(|(sandbox, _)| sandbox)
    }

    async fn shut_down(&self) {}
}

/// The process around a sandbox; dropping this kills it, and everything inside with it.
#[derive(Debug)]
struct Bubblewrap(Child);

impl Backing for Bubblewrap {
    fn is_alive(&self) -> bool {
        self.0.id().is_some()
    }

    /// Nothing is counted outside: only what the agent reads from a cgroup, if it has one, is available.
    fn counts(&self, reported: Option<&protocol::Counters>) -> KernelCounts {
        KernelCounts::reported(reported)
    }

    fn is_lossless(&self) -> bool {
        true
    }
}

#[tokio::main]
#[allow(clippy::print_stderr, reason = "an example prints to the terminal")]
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
