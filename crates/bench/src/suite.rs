//! The list of cases, with their requirements and what they are compared with.

use super::case::{Alone, Case, PANDAS, PRINT, Program, Worker};
use super::client::Address;
use super::contained::{Contained, Containers};
use super::floor::{DATA_MODULES, FloorSpec, Forks, Warm};
use super::host::{HostCommand, HostPython, HostWorker};
use super::load::Load;
use super::peers::Peer;
use super::sandboxed::{Create, Run, VALIDATED_CHARS, Validate};
use executor::{ExecLimits, Executor};
use runtime::Runtime;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use validator::Policy;

/// Numbers of concurrent clients in the throughput cases.
const CLIENTS: [usize; 6] = [1, 2, 8, 16, 32, 128];
/// Numbers of processes that fork concurrently: those in targets, and those compared with few clients.
const FORKERS: [usize; 3] = [1, 2, 16];

/// Cases that start an interpreter get fewer samples, those that take a quarter of a second or more still
/// fewer: a full run should take no longer than a few minutes.
const PLAIN_SHARE: usize = 2;
const SLOW_SHARE: usize = 4;
const SLOWER_SHARE: usize = 10;
const SLOWEST_SHARE: usize = 20;
/// But at least this number: a median of fewer is meaningless.
const SLOW_SAMPLES_MIN: usize = 5;
/// Throughput cases take many samples in a turn, so they get more.
const THROUGHPUT_TIMES: usize = 3;
/// Samples of all clients together in a throughput turn: many more than the idle sandboxes at its start.
const TURN_SAMPLES: usize = 320;
/// Minimum samples of one client in a turn: starting the clients must not count.
const EACH_MIN: usize = 4;
/// Samples without rests in a turn, for each container that may be idle at its start.
const UNWAITED_TIMES: usize = 3;
/// Rests of one container after such a turn, at most.
const RESTS_MAX: u32 = 8;

/// A case, or why it cannot be measured here.
pub(super) struct Entry {
    /// Its name, for `--only`.
    pub(super) name: String,
    /// What one sample is.
    pub(super) what: String,
    /// The case that is its lower bound.
    pub(super) floor: Option<String>,
    /// Peers that do the same work.
    pub(super) peers: Vec<String>,
    /// Samples to take.
    pub(super) samples: usize,
    /// Shortest rest after a turn, if the usual one is too short for its cleanup.
    pub(super) rest: Duration,
    /// The implementation, or what is missing.
    pub(super) case: Result<Box<dyn Case>, String>,
}

/// An executor in one of its modes.
pub(super) struct Candidate {
    /// The name of its cases.
    pub(super) name: String,
    /// Description of the mode.
    pub(super) how: &'static str,
    /// The executor, if it can run programs here.
    pub(super) executor: Result<Arc<dyn Executor>, String>,
}

/// The components that the cases use. Each part may be missing, with the reason.
pub(super) struct Parts {
    /// The plain interpreter.
    pub(super) python: HostPython,
    /// Other kinds of isolation.
    pub(super) peers: Vec<Peer>,
    /// The runtime of programs.
    pub(super) runtime: Runtime,
    /// Every active executor.
    pub(super) executors: Vec<Candidate>,
    /// The address of a service.
    pub(super) service: Result<Address, String>,
    /// Services whose programs run in containers.
    pub(super) contained: Vec<Contained>,
    /// Maximum number of idle containers in each of them, for each template.
    pub(super) containers_max: usize,
    /// Directory for the files of programs on the host.
    pub(super) directory: Arc<TempDir>,
    /// The limits of a program.
    pub(super) limits: ExecLimits,
    /// The validator's policy.
    pub(super) policy: Policy,
}

/// Creates all cases, in the order of the table. `samples` is the number for ordinary ones.
pub(super) fn entries(parts: &Parts, samples: usize) -> Vec<Entry> {
    let spec = |more: &[&str], compact| {
        Arc::new(FloorSpec::new(&parts.python.command, &parts.runtime, more, compact, &parts.directory))
    };
    let share = |times| samples.div_ceil(times).max(SLOW_SAMPLES_MIN);
    let (lean, data) = (spec(&[], false), spec(&DATA_MODULES, false));
    let suite = Suite { parts, samples };
    let mut entries = vec![
        suite.floor("fork-lean", "a bare fork, exit and wait; common modules imported", forks(&lean, 1, 1)),
        suite.floor("fork-data", "the same with the data template's packages imported", forks(&data, 1, 1)),
        suite.floor(
            "fork-data-compact",
            "the same with its memory in huge pages, as the template has it",
            forks(&spec(&DATA_MODULES, true), 1, 1),
        ),
    ];
    entries.extend(suite.running(
        "",
        &PRINT,
        "`print(1)`",
        "fork-lean",
        share(SLOW_SHARE),
        share(PLAIN_SHARE),
    ));
    entries.extend(suite.created());
    entries.push(suite.floor(
        "pandas-warm",
        "pandas to an Excel file, its own time in a warm interpreter, without the fork",
        Box::new(Warm::new(&data, &PANDAS)),
    ));
    let (slowest, slower) = (share(SLOWEST_SHARE), share(SLOWER_SHARE));
    entries.extend(suite.running(
        "pandas-",
        &PANDAS,
        "pandas to an Excel file",
        "pandas-warm",
        slowest,
        slower,
    ));
    entries.push(suite.floor(
        "validator",
        &format!("{VALIDATED_CHARS} characters of dense source validated"),
        alone(Validate::new(parts.policy.clone())),
    ));
    entries.extend(FORKERS.map(|count| suite.forkers(&lean, count)));
    entries.extend(CLIENTS.map(|count| suite.clients(count)));
    entries.extend(parts.contained.iter().map(|contained| suite.without_rests(contained, share(SLOW_SHARE))));
    entries
}

/// Builds the entries.
struct Suite<'a> {
    parts: &'a Parts,
    samples: usize,
}

impl Suite<'_> {
    /// A case that others are compared with, or that stands alone.
    fn floor(&self, name: &str, what: &str, case: Box<dyn Case>) -> Entry {
        Entry {
            name: name.to_owned(),
            what: what.to_owned(),
            floor: None,
            peers: Vec::new(),
            samples: self.samples,
            rest: Duration::ZERO,
            case: Ok(case),
        }
    }

    /// One program in every mode: the peers, each executor, the service. `slow` samples if a container or
    /// a virtual machine is started, `plain` if an interpreter is.
    fn running(
        &self,
        prefix: &str,
        program: &'static Program,
        what: &str,
        floor: &str,
        slow: usize,
        plain: usize,
    ) -> Vec<Entry> {
        let parts = self.parts;
        let host = |command: &HostCommand| alone(HostWorker::new(command, program, &parts.directory));
        let peer = |name: &str, how: &str, samples, case| Entry {
            name: format!("{prefix}{name}"),
            what: format!("{what}, {how}"),
            floor: None,
            peers: Vec::new(),
            samples,
            rest: Duration::ZERO,
            case,
        };
        let mut entries = vec![peer("python", "a plain process", plain, Ok(host(&parts.python.command)))];
        for Peer { name, what, found } in &parts.peers {
            let case = found.as_ref().map(|found| host(&found.command)).map_err(Clone::clone);
            entries.push(peer(name, what, if *name == "bwrap" { plain } else { slow }, case));
        }
        let peers: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        let ours = |name: &str, how: &str, samples, case| Entry {
            floor: Some(floor.to_owned()),
            peers: peers.clone(),
            ..peer(name, how, samples, case)
        };
        let limits = parts.limits;
        for Candidate { name, how, executor } in &parts.executors {
            let run =
                executor.clone().map(|executor| Box::new(Run { executor, program, limits }) as Box<dyn Case>);
            // A new interpreter imports everything again.
            let samples = if *how == FRESH { plain } else { self.samples };
            entries.push(ours(name, how, samples, run));
        }
        entries.push(ours(
            "http",
            "the service over HTTP, one client, rests between",
            self.samples,
            load(&parts.service, program, 1, 1),
        ));
        for Contained { containers, service } in &parts.contained {
            let rest = containers.rest(program);
            let how = format!(
                "the service over HTTP with {}, {} s between",
                containers.provider,
                rest.as_secs_f64()
            );
            let case = load(service, program, 1, 1);
            entries.push(Entry { rest, ..ours(&containers.case(), &how, slow, case) });
        }
        entries
    }

    /// Empty sandboxes of executors without a pool; taking an idle one costs nothing.
    fn created(&self) -> Vec<Entry> {
        let made_now = self.parts.executors.iter().filter(|candidate| candidate.how != WAITING);
        let entry = |Candidate { name, how, executor }: &Candidate| Entry {
            name: format!("{name}-create"),
            what: format!("a sandbox, {how}, made and left empty"),
            floor: Some("fork-lean".to_owned()),
            peers: Vec::new(),
            samples: self.samples,
            rest: Duration::ZERO,
            case: executor.clone().map(|executor| Box::new(Create(executor)) as Box<dyn Case>),
        };
        made_now.map(entry).collect()
    }

    fn forkers(&self, spec: &Arc<FloorSpec>, count: usize) -> Entry {
        let at_once =
            if count == 1 { "one process".to_owned() } else { format!("{count} processes at once") };
        Entry {
            samples: self.samples * THROUGHPUT_TIMES,
            ..self.floor(
                &format!("fork-lean-x{count}"),
                &format!("a bare fork, exit and wait, {at_once} without a pause"),
                forks(spec, count, each(count)),
            )
        }
    }

    fn clients(&self, count: usize) -> Entry {
        let at_once = if count == 1 { "one client".to_owned() } else { format!("{count} clients at once") };
        Entry {
            name: format!("http-x{count}"),
            what: format!("`print(1)`, the service over HTTP, {at_once} without a pause"),
            floor: FORKERS.contains(&count).then(|| format!("fork-lean-x{count}")),
            peers: Vec::new(),
            samples: self.samples * THROUGHPUT_TIMES,
            rest: Duration::ZERO,
            case: load(&self.parts.service, &PRINT, count, each(count)),
        }
    }

    /// One client that uses containers faster than they are created: most are created while it waits.
    fn without_rests(&self, contained: &Contained, samples: usize) -> Entry {
        let Contained { containers, service } = contained;
        let Containers { provider, .. } = containers;
        let waiting = self.parts.containers_max.max(1);
        let each = (UNWAITED_TIMES * waiting).min(TURN_SAMPLES);
        Entry {
            name: containers.case_without_rests(),
            what: format!("`print(1)`, the service over HTTP with {provider}, one client without a pause"),
            floor: Some("fork-lean-x1".to_owned()),
            peers: Vec::new(),
            samples,
            // Everything that it used is created again.
            rest: containers.rest(&PRINT) * u32::try_from(waiting).unwrap_or(u32::MAX).min(RESTS_MAX),
            case: load(service, &PRINT, 1, each),
        }
    }
}

/// Clients of a service that send one program.
fn load(
    service: &Result<Address, String>,
    program: &'static Program,
    clients: usize,
    each: usize,
) -> Result<Box<dyn Case>, String> {
    let address = service.as_ref().map_err(Clone::clone)?;
    let load = Load::new(address, program, clients, each).map_err(|error| error.to_string())?;
    Ok(Box::new(load))
}

/// An executor that keeps sandboxes ready.
pub(super) const WAITING: &str = "from the warm pool";
/// An executor that creates a sandbox for each program and forks the interpreter from a template.
pub(super) const FORKED: &str = "without a pool";
/// An executor that creates a sandbox and starts an interpreter for each program.
pub(super) const FRESH: &str = "cold: a fresh interpreter";

/// Samples of each of this number of clients in a throughput turn.
fn each(clients: usize) -> usize {
    (TURN_SAMPLES / clients).max(EACH_MIN)
}

fn forks(spec: &Arc<FloorSpec>, count: usize, each: usize) -> Box<dyn Case> {
    Box::new(Forks::new(spec, count, each))
}

fn alone(worker: impl Worker + 'static) -> Box<dyn Case> {
    Box::new(Alone(Box::new(worker)))
}

/// Keeps the named cases and those that they are compared with. Without names it keeps all. Names in `parts`
/// are accepted too and keep no case.
///
/// # Errors
/// An unknown name, with the known ones.
pub(super) fn only(entries: Vec<Entry>, names: &[String], parts: &[&str]) -> Result<Vec<Entry>, String> {
    if names.is_empty() {
        return Ok(entries);
    }
    let mut known = entries.iter().map(|entry| entry.name.as_str()).chain(parts.iter().copied());
    if let Some(unknown) = names.iter().find(|name| known.clone().all(|known| known != **name)) {
        let known: Vec<&str> = known.by_ref().collect();
        return Err(format!("there is no case `{unknown}`; known cases: {}", known.join(", ")));
    }
    let mut kept: BTreeSet<String> = names.iter().cloned().collect();
    let chosen = entries.iter().filter(|entry| names.contains(&entry.name));
    kept.extend(chosen.flat_map(|entry| entry.floor.iter().chain(&entry.peers).cloned()));
    Ok(entries.into_iter().filter(|entry| kept.contains(&entry.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, floor: Option<&str>, peers: &[&str]) -> Entry {
        let floor = floor.map(str::to_owned);
        let peers = peers.iter().map(|name| (*name).to_owned()).collect();
        Entry {
            name: name.into(),
            what: String::new(),
            floor,
            peers,
            samples: 1,
            rest: Duration::ZERO,
            case: Err("a test".into()),
        }
    }

    #[test]
    fn a_chosen_case_brings_what_it_is_compared_with() {
        let all = || vec![entry("a", None, &[]), entry("b", Some("a"), &[]), entry("c", Some("a"), &["b"])];
        let names = |chosen: &[&str]| {
            let chosen: Vec<String> = chosen.iter().map(|name| (*name).to_owned()).collect();
            only(all(), &chosen, &["memory"])
                .map(|kept| kept.into_iter().map(|entry| entry.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), 3);
        assert_eq!(names(&["b"]).unwrap(), ["a", "b"]);
        assert_eq!(names(&["c"]).unwrap(), ["a", "b", "c"]);
        assert!(names(&["memory"]).unwrap().is_empty());
        assert!(names(&["d"]).unwrap_err().contains("a, b, c, memory"));
    }

    #[test]
    fn a_turn_of_throughput_is_long_for_every_number_of_clients() {
        for count in CLIENTS.into_iter().chain(FORKERS) {
            assert!(each(count) >= EACH_MIN && each(count) * count >= TURN_SAMPLES);
        }
    }
}
