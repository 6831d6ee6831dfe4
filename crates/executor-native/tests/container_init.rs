//! The agent as the first process of another program's container, over its standard input and output: the
//! basis of the Docker, gVisor, Kata and Firecracker executors. The container here is bubblewrap's.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod support;

use executor::guest::{Execution, Guest};
use executor::{Control, Event, EventSink, ExecRequest, InputFile};
use protocol::{EndReason, WaitStatus};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// The output of a program.
#[derive(Default)]
struct Prints(String);

impl EventSink for Prints {
    fn take(&mut self, event: Event<'_>) {
        if let Event::Output { stream: protocol::OutputStream::Stdout, data } = event {
            self.0.push_str(&String::from_utf8_lossy(data));
        }
    }
}

/// Starts the agent as pid 1 of a bubblewrap container with the runtime as its root.
fn start(agent: &std::path::Path) -> Option<Child> {
    let config = support::config()?;
    if Command::new("bwrap").arg("--version").stdout(Stdio::null()).as_std_mut().status().is_err() {
        return testkit::skip("bubblewrap (apt-get install bubblewrap)");
    }
    let child = Command::new("bwrap")
        .args(["--unshare-all", "--as-pid-1", "--die-with-parent", "--ro-bind"])
        .arg(&config.rootfs)
        .args(["/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run", "--ro-bind"])
        .arg(agent)
        .args(["/run/agent", "/run/agent", "init", &config.interpreter, "--env", "FROM_RUNTIME=yes"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    Some(child)
}

#[tokio::test]
async fn the_agent_serves_as_first_process_of_a_container() {
    let directory = tempfile::tempdir().unwrap();
    let agent = directory.path().join("agent");
    std::fs::write(&agent, agent_image::AGENT).unwrap();
    std::fs::set_permissions(&agent, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let cases: [(&str, WaitStatus, &str); 4] = [
        (
            "import os; print(os.getppid(), os.environ['FROM_RUNTIME'], open('in.txt').read())",
            WaitStatus::Exited(0),
            "1 yes data\n",
        ),
        ("import sys; sys.exit(7)", WaitStatus::Exited(7), ""),
        ("import os; os.abort()", WaitStatus::Signaled(6), ""),
        (
            "import socket\ntry: socket.socket()\nexcept OSError as e: print(e.errno)",
            WaitStatus::Exited(0),
            "1\n",
        ),
    ];
    for (code, status, stdout) in cases {
        let Some(mut child) = start(&agent) else { return };
        let stream = tokio::io::join(child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let mut guest = Guest::new(stream);
        guest.ready(Duration::from_secs(10)).await.unwrap();
        let request = ExecRequest {
            code: code.into(),
            files: vec![InputFile { path: "in.txt".into(), content: "data".into() }],
            ..ExecRequest::default()
        };
        let mut events = Prints::default();
        let execution = Execution { id: 1, keep: false, request: &request };
        let (progress, result) = guest.execute(execution, &Control::default(), &mut events).await;
        result.unwrap();
        let report = progress.report.as_ref().unwrap();
        assert_eq!((report.status, report.reason), (status, EndReason::Itself), "{code}");
        assert_eq!(events.0, stdout);
        assert_eq!(report.denied.len(), usize::from(code.contains("socket")));
        assert!(child.wait().await.unwrap().success(), "the agent ends with its execution");
    }
}
