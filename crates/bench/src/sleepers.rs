//! Many concurrent sandboxes, all asleep: none may fail before its timeout, and each must end at its timeout.

use super::client::{Address, Answer, Client};
use super::error::ClientError;
use host_traces::{available_bytes, descendants, mib, pss_bytes};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The program.
const SLEEP: &str = "import time\ntime.sleep(1000)\n";
/// Its timeout.
const TIMEOUT_S: u32 = 20;
/// The moment at which all should sleep and none has ended: then their memory is added up.
const LOOK_AFTER: Duration = Duration::from_secs(16);
/// Interval at which processes and memory are read.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Number of failures that are kept; further ones are only counted.
const SHOWN_MAX: usize = 5;

/// The result.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Sleepers {
    /// Number of programs.
    pub(super) programs: usize,
    /// Their timeout in seconds.
    pub(super) timeout_s: u32,
    /// Peak number of the service's processes, without itself and those that existed before.
    pub(super) processes_most: usize,
    /// Number of programs that ended at their timeout.
    pub(super) timed_out: usize,
    /// How the others ended; the first few.
    pub(super) others: Vec<String>,
    /// Largest deviation from the timeout, in seconds.
    pub(super) beyond_max_s: f64,
    /// From the first request to the last answer, in seconds.
    pub(super) total_s: f64,
    /// Proportional memory (PSS) of the service's processes while all slept, in MiB.
    pub(super) pss_mib: Option<f64>,
    /// Largest drop of the machine's available memory since the beginning, in MiB; includes the kernel's own.
    pub(super) machine_mib: f64,
}

/// Settings that allow this number of programs to run concurrently.
pub(super) fn settings(count: usize) -> Vec<(&'static str, String)> {
    vec![
        ("MAX_CONCURRENT", count.to_string()),
        ("MAX_WAITING", count.to_string()),
        ("MAX_TIMEOUT", (TIMEOUT_S * 2).to_string()),
        ("QUEUE_TIMEOUT", "60".to_owned()),
    ]
}

/// Raises the limit on open files of this process, and of the service that it starts next, to the maximum:
/// each program needs a connection here, and a few descriptors there. The usual soft limit of 1,024 is for
/// programs that use select(2).
pub(super) fn raise_file_limit() {
    let most = getrlimit(Resource::Nofile).maximum;
    // If that is refused the limit stays; programs that get no connection then fail with that error.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
}

/// Runs this number of sleeping programs on the service with this pid.
pub(super) async fn run(address: &Address, pid: u32, count: usize) -> Sleepers {
    let available = || available_bytes().unwrap_or(0);
    let (processes_before, available_before) = (descendants(pid).len(), available());
    let request = address.execute(&serde_json::json!({ "code": SLEEP, "timeout": TIMEOUT_S }));
    let begun = Instant::now();
    let mut asleep = JoinSet::new();
    for _ in 0..count {
        let (mut client, request) = (Client::new(address), request.clone());
        asleep.spawn(async move { ended(client.send(&request).await) });
    }
    let mut found = Sleepers { programs: count, timeout_s: TIMEOUT_S, ..Sleepers::default() };
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut available_least = available_before;
    loop {
        tokio::select! {
            ended = asleep.join_next() => match ended {
                Some(ended) => found.note(ended.unwrap_or_else(|error| Err(error.to_string()))),
                None => break,
            },
            _ = looks.tick() => {
                available_least = available_least.min(available());
                let processes = descendants(pid);
                found.processes_most =
                    found.processes_most.max(processes.len().saturating_sub(processes_before));
                if found.pss_mib.is_none() && begun.elapsed() > LOOK_AFTER {
                    let pids = processes.iter().map(|process| process.pid).chain([pid]);
                    found.pss_mib = Some(mib(pids.filter_map(pss_bytes).sum()));
                }
            }
        }
    }
    found.total_s = begun.elapsed().as_secs_f64();
    found.machine_mib = mib(available_before.saturating_sub(available_least));
    found
}

/// The run time of a program that timed out; or how else it ended.
fn ended(answer: Result<Answer, ClientError>) -> Result<f64, String> {
    let answer = answer.map_err(|error| support::error_chain(&error))?;
    let body: Value = answer
        .good()
        .and_then(|body| serde_json::from_slice(body).map_err(|_| answer.unexpected()))
        .map_err(|error| support::error_chain(&error))?;
    match (body["outcome"]["kind"].as_str(), body["execution_time"].as_f64()) {
        (Some("timeout"), Some(lived_s)) => Ok(lived_s),
        (kind, _) => Err(format!("{}: {}", kind.unwrap_or("no outcome"), body["outcome"]["message"])),
    }
}

impl Sleepers {
    fn note(&mut self, ended: Result<f64, String>) {
        match ended {
            Ok(lived_s) => {
                self.timed_out += 1;
                // A program that ended too early by the agent's clock would be wrong too.
                self.beyond_max_s = self.beyond_max_s.max((lived_s - f64::from(self.timeout_s)).abs());
            }
            Err(other) if self.others.len() < SHOWN_MAX => self.others.push(other),
            Err(_) => {}
        }
    }

    /// Programs that ended other than by timeout.
    pub(super) fn failed(&self) -> usize {
        self.programs - self.timed_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<Answer, ClientError> {
        Ok(Answer { status, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn only_an_end_by_time_is_right() {
        let timeout = r#"{"execution_time": 20.25, "outcome": {"kind": "timeout"}}"#;
        assert_eq!(ended(answer(200, timeout)), Ok(20.25));
        let other = r#"{"execution_time": 1.0, "outcome": {"kind": "signal", "message": "m"}}"#;
        assert!(ended(answer(200, other)).is_err_and(|text| text.contains("signal")));
        assert!(ended(answer(503, "busy")).is_err_and(|text| text.contains("503")));
        assert!(ended(Err(ClientError::Closed)).is_err());
    }

    #[test]
    fn failures_are_counted_and_some_are_shown() {
        let mut found = Sleepers { programs: 10, timeout_s: 20, ..Sleepers::default() };
        found.note(Ok(20.5));
        found.note(Ok(20.1));
        (0..8).for_each(|_| found.note(Err("gone".to_owned())));
        assert_eq!((found.failed(), found.others.len(), found.beyond_max_s), (8, SHOWN_MAX, 0.5));
    }
}
