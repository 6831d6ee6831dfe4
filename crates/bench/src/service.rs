//! The service under load, as a separate process.

use runtime::Runtime;
use rustix::process::{Pid, Signal, kill_process};
use settings::Settings;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest time for the service to start, including its executors' checks.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// Longest time for the service to stop before it is killed.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);
/// The text before the address in the line that the service prints when it is ready.
const READY_MESSAGE: &str = " is ready at ";

/// The service as a child process on a free port on loopback, with the settings of this command except the
/// port and those that its kind of run needs, and with its own files, which are removed with it. Dropping it
/// stops it.
#[derive(Debug)]
pub(super) struct ServiceProcess {
    /// `http://127.0.0.1:PORT`.
    pub(super) base: String,
    child: Child,
    data_dir: TempDir,
}

/// Why the service is not running.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServiceError {
    /// An operating system call failed.
    #[error("failed to {step}")]
    Io {
        /// The step that failed.
        step: &'static str,
        #[source]
        source: io::Error,
    },
    /// It ended, or printed nothing in time.
    #[error("the service did not start: {0}")]
    NotReady(String),
    /// It has no API key.
    #[error("failed to create an API key: {0}")]
    NoKey(String),
}

impl ServiceProcess {
    /// Starts the service and waits until it is ready. `flags` are the settings of this command's own line;
    /// `more` override them.
    ///
    /// # Errors
    /// If it does not become ready, with its output.
    pub(super) fn start(
        flags: &[OsString],
        settings: &Settings,
        runtime: &Runtime,
        more: &[(&str, String)],
    ) -> Result<Self, ServiceError> {
        let failed = |step| move |source| ServiceError::Io { step, source };
        let program = std::env::current_exe().map_err(failed("find this program"))?;
        // On the same file system as the real data directory, so that storing a file has the same cost.
        let data_dir = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(&settings.data_dir)
            .map_err(failed("create a directory for its files"))?;
        let with = |name: &str, value: &std::ffi::OsStr| {
            let mut pair = OsString::from(format!("{name}="));
            pair.push(value);
            [OsString::from("--set"), pair]
        };
        let mut child = Command::new(program)
            .args(flags)
            // The last value of a name wins.
            .args(with("DATA_DIR", data_dir.path().as_os_str()))
            .args(with("RUNTIME_ROOTFS", runtime.rootfs.as_os_str()))
            .args(with("LOG_FORMAT", "text".as_ref()))
            .args(with("LOG_LEVEL", "error".as_ref()))
            .args(more.iter().flat_map(|(name, value)| with(name, value.as_ref())))
            .args(["serve", "--host", "127.0.0.1", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Its own process group: otherwise Ctrl-C would reach the service too, and it would treat our
            // signal as a second one, exit at once and leave its sandboxes behind.
            .process_group(0)
            .spawn()
            .map_err(failed("start the service"))?;
        let ready = child.stderr.take().map(watch);
        // From here on, dropping it stops the child.
        let mut service = Self { base: String::new(), child, data_dir };
        let said = ready.and_then(|ready| ready.recv_timeout(START_TIME_MAX).ok());
        service.base = match said {
            Some(Ok(base)) => base,
            Some(Err(said)) => return Err(ServiceError::NotReady(said)),
            None => return Err(ServiceError::NotReady("it took too long".to_owned())),
        };
        Ok(service)
    }

    /// Creates an API key in its store. From the first one on it asks for one.
    ///
    /// # Errors
    /// If the command fails, with its output.
    pub(super) fn create_key(&self, name: &str) -> Result<String, ServiceError> {
        let failed = |step| move |source| ServiceError::Io { step, source };
        let mut data_dir = OsString::from("DATA_DIR=");
        data_dir.push(self.data_dir.path());
        let output = Command::new(std::env::current_exe().map_err(failed("find this program"))?)
            .arg("--set")
            .arg(data_dir)
            .args(["keys", "create", "--name", name])
            .stdin(Stdio::null())
            .output()
            .map_err(failed("create an API key"))?;
        if !output.status.success() {
            return Err(ServiceError::NoKey(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Its pid.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// Reads the service's output until it ends, so that it never blocks on the pipe. Returns its address, or all
/// its output if it ends without one.
fn watch(stderr: std::process::ChildStderr) -> mpsc::Receiver<Result<String, String>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = String::new();
        let mut is_ready = false;
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if is_ready {
                continue;
            }
            match base_in(&line) {
                Some(base) => {
                    is_ready = true;
                    // The receiver is gone: the service is being stopped.
                    let _ = sender.send(Ok(base));
                }
                None => said = said + &line + "\n",
            }
        }
        if !is_ready {
            let _ = sender.send(Err(said));
        }
    });
    receiver
}

/// The address in the line that reports readiness.
fn base_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(READY_MESSAGE)?;
    let base = rest.split_whitespace().next()?;
    base.starts_with("http://").then(|| base.to_owned())
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        // SIGTERM first: if it is killed, it leaves cgroups for the next start to remove.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let begun = Instant::now();
        while begun.elapsed() < STOP_TIME_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_where_the_service_says_it() {
        let line =
            "Python Sandbox 0.1.0 is ready at http://127.0.0.1:41001 (docs: http://127.0.0.1:41001/docs)";
        assert_eq!(base_in(line).as_deref(), Some("http://127.0.0.1:41001"));
        assert_eq!(base_in("failed to listen on http://"), None);
    }
}
