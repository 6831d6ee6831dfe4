//! Many executions of ordinary and hostile programs: each must get the expected outcome, and
//! afterwards nothing may be left of them, in the service's memory or on the host.

use super::client::{Address, Client};
use super::error::beginning;
use host_traces::{Process, descendants, mib, rss_bytes};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Concurrent clients.
const CLIENTS: usize = 16;
/// Executions before the service's memory is first measured: caches and arenas are full then.
const FIRST_PART: usize = 5;
/// Time for sandboxes to be removed before its memory is measured.
const SETTLE: Duration = Duration::from_secs(1);
/// Number of wrong answers that are kept; further ones are only counted.
const SHOWN_MAX: usize = 10;

/// A program and its expected result.
#[derive(Debug)]
struct Soaked {
    name: &'static str,
    code: &'static str,
    /// Its share of a hundred executions.
    share: usize,
    /// Expected `outcome.kind`.
    kind: &'static str,
    success: bool,
    /// Its expected output, if any.
    stdout: Option<&'static str>,
    /// Timeout in seconds, if not the service's default.
    timeout_s: Option<u32>,
}

/// Shorthand for a row; without a timeout it gets the default.
macro_rules! soaked {
    ($share:literal, $name:literal, $kind:literal, $success:literal, $stdout:expr) => {
        soaked!($share, $name, $kind, $success, $stdout, None)
    };
    ($share:literal, $name:literal, $kind:literal, $success:literal, $stdout:expr, $timeout_s:expr) => {
        Soaked {
            name: $name,
            code: include_str!(concat!("programs/soak/", $name, ".py")),
            share: $share,
            kind: $kind,
            success: $success,
            stdout: $stdout,
            timeout_s: $timeout_s,
        }
    };
}

/// The mixture: programs that need much CPU or memory are rare, so that the run does not take too long.
static PROGRAMS: [Soaked; 11] = [
    soaked!(50, "words", "exited", true, Some("[[\"the\", 3], [\"quick\", 1]]\n")),
    soaked!(10, "raises", "exited", false, Some("")),
    soaked!(10, "reads_host", "exited", true, Some("[]\n")),
    soaked!(9, "calls_home", "exited", true, Some("refused\n")),
    soaked!(5, "kills_itself", "signal", false, Some("")),
    soaked!(5, "floods", "exited", true, None),
    soaked!(5, "leaves_orphans", "exited", true, Some("gone\n")),
    soaked!(2, "fork_bomb", "process_limit", false, Some("")),
    soaked!(2, "memory_hog", "out_of_memory", false, Some("")),
    soaked!(1, "fills_disk", "disk_limit", false, Some("")),
    soaked!(1, "never_ends", "timeout", false, Some(""), Some(1)),
];

/// The result.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Soak {
    /// Number of programs that were sent.
    pub(super) executions: usize,
    /// Programs without an answer with status 200.
    pub(super) lost: usize,
    /// Programs with an unexpected outcome.
    pub(super) wrong: usize,
    /// The first few of both.
    pub(super) shown: Vec<String>,
    /// Executions per second.
    pub(super) per_second: f64,
    /// Number of each outcome.
    pub(super) outcomes: BTreeMap<String, usize>,
    /// Resident memory of the service after the first fifth, in MiB.
    pub(super) rss_before_mib: Option<f64>,
    /// The same at the end.
    pub(super) rss_after_mib: Option<f64>,
    /// Leftovers on the host after the service was stopped.
    pub(super) leftovers: Vec<String>,
}

/// Settings of the service: the protections must hold without the validator.
pub(super) fn settings() -> Vec<(&'static str, String)> {
    vec![("FORBIDDEN_IMPORTS", String::new()), ("MAX_WAITING", "1024".to_owned())]
}

/// The name of the cgroup in which the service with this pid creates its sandboxes, read from the idle ones.
pub(super) fn instance(pid: u32) -> Option<String> {
    let groups = |process: Process| std::fs::read_to_string(format!("/proc/{}/cgroup", process.pid)).ok();
    descendants(pid).into_iter().filter_map(groups).find_map(|text| instance_in(&text))
}

/// It begins with `i-` (`cgroup`), in whichever hierarchy.
fn instance_in(groups: &str) -> Option<String> {
    groups.split(['/', '\n']).find(|part| part.starts_with("i-")).map(str::to_owned)
}

/// Leftovers of this service only: the cgroups of another service that died meanwhile do not count.
/// Processes and mounts always count.
pub(super) fn own(leftovers: Vec<String>, instance: Option<&str>) -> Vec<String> {
    let is_own = |left: &String| {
        !left.starts_with("cgroup") || instance.is_none_or(|instance| left.contains(instance))
    };
    leftovers.into_iter().filter(is_own).collect()
}

/// How an execution failed.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    Lost(String),
    Outcome(String),
}

/// Sends this number of programs to the service with this pid. If `stop` is cancelled it ends early with the
/// result so far.
pub(super) async fn run(address: &Address, pid: u32, count: usize, stop: &CancellationToken) -> Soak {
    let mut soak = Soak::default();
    let requests: Arc<Vec<Vec<u8>>> =
        Arc::new(PROGRAMS.iter().map(|soaked| soaked.request(address)).collect());
    let begun = Instant::now();
    let first = count.div_ceil(FIRST_PART);
    part(address, &requests, 0..first, stop, &mut soak).await;
    let paused = Instant::now();
    tokio::time::sleep(SETTLE).await;
    soak.rss_before_mib = rss_bytes(pid).map(mib);
    let pause = paused.elapsed();
    part(address, &requests, first..count, stop, &mut soak).await;
    soak.per_second = soak.executions as f64 / begun.elapsed().saturating_sub(pause).as_secs_f64();
    tokio::time::sleep(SETTLE).await;
    soak.rss_after_mib = rss_bytes(pid).map(mib);
    soak
}

async fn part(
    address: &Address,
    requests: &Arc<Vec<Vec<u8>>>,
    numbers: std::ops::Range<usize>,
    stop: &CancellationToken,
    soak: &mut Soak,
) {
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let mut working = JoinSet::new();
    for _ in 0..CLIENTS {
        let (next, requests, stop) = (Arc::clone(&next), Arc::clone(requests), stop.clone());
        let mut client = Client::new(address);
        working.spawn(async move {
            let mut ended = Vec::new();
            while !stop.is_cancelled() {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= numbers.end {
                    break;
                }
                let which = which(number);
                ended.push(match client.send(&requests[which]).await {
                    Ok(answer) if answer.status == 200 => PROGRAMS[which].check(&answer.body),
                    Ok(answer) => Err(Wrong::Lost(support::error_chain(&answer.unexpected()))),
                    Err(error) => Err(Wrong::Lost(support::error_chain(&error))),
                });
            }
            ended
        });
    }
    while let Some(client) = working.join_next().await {
        let ended = client.unwrap_or_else(|error| vec![Err(Wrong::Lost(error.to_string()))]);
        ended.into_iter().for_each(|ended| soak.note(ended));
    }
}

/// The program of an execution: the step is coprime to a hundred, so that the kinds mix.
fn which(number: usize) -> usize {
    let mut place = number * 37 % 100;
    for (which, soaked) in PROGRAMS.iter().enumerate() {
        if place < soaked.share {
            return which;
        }
        place -= soaked.share;
    }
    0
}

impl Soaked {
    fn request(&self, address: &Address) -> Vec<u8> {
        let mut body = serde_json::json!({ "code": self.code });
        if let Some(timeout_s) = self.timeout_s {
            body["timeout"] = timeout_s.into();
        }
        address.execute(&body)
    }

    /// The outcome if it is the expected one.
    fn check(&self, body: &[u8]) -> Result<String, Wrong> {
        let wrong = |what: &str| {
            let text = beginning(&String::from_utf8_lossy(body));
            Wrong::Outcome(format!("{}: {what}: {text}", self.name))
        };
        let answer: Value = serde_json::from_slice(body).map_err(|_| wrong("no JSON"))?;
        let kind = answer["outcome"]["kind"].as_str().unwrap_or_default();
        if kind != self.kind {
            return Err(wrong(&format!("{} expected", self.kind)));
        }
        if answer["success"] != self.success {
            return Err(wrong(&format!("success {} expected", self.success)));
        }
        if self.stdout.is_some_and(|stdout| answer["stdout"] != stdout) {
            return Err(wrong("unexpected output"));
        }
        Ok(kind.to_owned())
    }
}

impl Soak {
    fn note(&mut self, ended: Result<String, Wrong>) {
        self.executions += 1;
        let text = match ended {
            Ok(kind) => {
                *self.outcomes.entry(kind).or_default() += 1;
                return;
            }
            Err(Wrong::Lost(text)) => {
                self.lost += 1;
                text
            }
            Err(Wrong::Outcome(text)) => {
                self.wrong += 1;
                text
            }
        };
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(text);
        }
    }

    /// How much the service grew, in MiB.
    pub(super) fn growth_mib(&self) -> Option<f64> {
        Some(self.rss_after_mib? - self.rss_before_mib?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hundred_has_the_mixture() {
        assert_eq!(PROGRAMS.iter().map(|soaked| soaked.share).sum::<usize>(), 100);
        let mut counts = [0; PROGRAMS.len()];
        (300..400).for_each(|number| counts[which(number)] += 1);
        assert_eq!(counts.to_vec(), PROGRAMS.iter().map(|soaked| soaked.share).collect::<Vec<_>>());
    }

    #[test]
    fn answers_are_held_against_what_a_program_deserves() {
        let words = &PROGRAMS[0];
        let body = |kind: &str, success: bool, stdout: &str| {
            serde_json::json!({"success": success, "stdout": stdout, "outcome": {"kind": kind}}).to_string()
        };
        let right = words.stdout.unwrap();
        assert_eq!(words.check(body("exited", true, right).as_bytes()), Ok("exited".to_owned()));
        for wrong in [body("signal", true, right), body("exited", false, right), body("exited", true, "2\n")]
        {
            assert!(matches!(words.check(wrong.as_bytes()), Err(Wrong::Outcome(_))), "{wrong}");
        }
        assert!(words.check(b"busy").is_err());
    }

    #[test]
    fn groups_of_another_service_are_not_ours() {
        let groups = "5:pids:/\n4:cpu:/python-sandbox/i-12ab/c-7\n0::/\n";
        assert_eq!(instance_in(groups).as_deref(), Some("i-12ab"));
        assert_eq!(instance_in("0::/user.slice\n"), None);
        let left = ["process 7", "cgroup /a/i-12ab/c-1", "cgroup /a/i-99/c-1"];
        let left = || left.map(str::to_owned).to_vec();
        assert_eq!(own(left(), Some("i-12ab")), left()[..2]);
        assert_eq!(own(left(), None), left());
    }

    #[test]
    fn the_count_tells_lost_from_wrong() {
        let mut soak = Soak { rss_before_mib: Some(20.0), rss_after_mib: Some(21.5), ..Soak::default() };
        soak.note(Ok("exited".to_owned()));
        soak.note(Err(Wrong::Lost("closed".to_owned())));
        (0..20).for_each(|_| soak.note(Err(Wrong::Outcome("other".to_owned()))));
        assert_eq!((soak.executions, soak.lost, soak.wrong, soak.shown.len()), (22, 1, 20, SHOWN_MAX));
        assert_eq!((soak.growth_mib(), soak.outcomes["exited"]), (Some(1.5), 1));
    }
}
