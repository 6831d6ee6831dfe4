//! The list of cases: what is measured, what it needs, what it is compared with.

use super::case::{Alone, Case, PANDAS, PRINT, Program, Together, Worker};
use super::host::{Bubblewrap, HostCommand, HostPython, HostWorker};
use super::http::HttpWorker;
use super::sandboxed::{Cold, Create, VALIDATED_CHARS, Validate};
use executor::{ExecLimits, Executor};
use std::collections::BTreeSet;
use std::sync::Arc;
use tempfile::TempDir;
use validator::Policy;

/// Clients that work at the same time in the cases of throughput.
const CLIENTS: [usize; 3] = [1, 2, 8];

/// Cases whose samples take long get a quarter of them.
const SLOW_SHARE: usize = 4;

/// A case, or why there is none here.
pub(super) struct Entry {
    /// Its name, as `--only` takes it.
    pub(super) name: String,
    /// What one sample is.
    pub(super) what: String,
    /// The case that it is compared with.
    pub(super) floor: Option<String>,
    /// Samples to take.
    pub(super) samples: usize,
    /// How to take them; or what is missing.
    pub(super) case: Result<Box<dyn Case>, String>,
}

/// An active executor.
pub(super) struct Candidate {
    /// Its name.
    pub(super) name: &'static str,
    /// Itself, when it can run programs here.
    pub(super) executor: Result<Arc<dyn Executor>, String>,
}

/// What the cases work with. Each part may be missing, with the reason.
pub(super) struct Parts {
    /// The plain interpreter.
    pub(super) python: HostPython,
    /// Bubblewrap with the same interpreter.
    pub(super) bubblewrap: Result<Bubblewrap, String>,
    /// Every active executor.
    pub(super) executors: Vec<Candidate>,
    /// The address of a service.
    pub(super) service: Result<String, String>,
    /// Where programs on the host leave their files.
    pub(super) directory: Arc<TempDir>,
    /// What a program may use.
    pub(super) limits: ExecLimits,
    /// What the validator judges by.
    pub(super) policy: Policy,
}

/// Makes all cases, in the order of the table. `samples` is the number for ordinary ones.
pub(super) fn entries(parts: &Parts, samples: usize) -> Vec<Entry> {
    let mut entries = running(parts, "", &PRINT, "`print(1)`", samples);
    for Candidate { name, executor } in &parts.executors {
        let create = executor.clone().map(|executor| Box::new(Create(executor)) as Box<dyn Case>);
        entries.push(Entry {
            name: format!("{name}-create"),
            what: format!("a sandbox of `{name}`, made and left empty"),
            floor: Some("python".to_owned()),
            samples,
            case: create,
        });
    }
    let slow = samples.div_ceil(SLOW_SHARE);
    entries.extend(running(parts, "pandas-", &PANDAS, "pandas to an Excel file", slow));
    entries.push(Entry {
        name: "validator".to_owned(),
        what: format!("{VALIDATED_CHARS} characters of dense source judged"),
        floor: None,
        samples,
        case: Ok(alone(Validate::new(parts.policy.clone()))),
    });
    for count in CLIENTS {
        let at_once = if count == 1 { "one client".to_owned() } else { format!("{count} clients at once") };
        let python = (0..count).map(|_| boxed(host(&parts.python.command, &PRINT, &parts.directory)));
        entries.push(Entry {
            name: format!("python-x{count}"),
            what: format!("`print(1)`, plain processes, {at_once} without a pause"),
            floor: None,
            samples,
            case: Ok(Box::new(Together(python.collect()))),
        });
        let http = parts.service.clone().map(|base| {
            let clients = (0..count).map(|_| boxed(HttpWorker::new(&base, &PRINT)));
            Box::new(Together(clients.collect())) as Box<dyn Case>
        });
        entries.push(Entry {
            name: format!("http-x{count}"),
            what: format!("`print(1)`, over HTTP, {at_once} without a pause"),
            floor: Some(format!("python-x{count}")),
            samples,
            case: http,
        });
    }
    entries
}

/// One program in every way there is, the floor first.
fn running(parts: &Parts, prefix: &str, program: &'static Program, what: &str, samples: usize) -> Vec<Entry> {
    let floor = format!("{prefix}python");
    let entry = |way: &str, how: &str, case| Entry {
        name: format!("{prefix}{way}"),
        what: format!("{what}, {how}"),
        floor: (way != "python").then(|| floor.clone()),
        samples,
        case,
    };
    let plain = alone(host(&parts.python.command, program, &parts.directory));
    let mut entries = vec![entry("python", "a plain process: the floor", Ok(plain))];
    let wrapped = match &parts.bubblewrap {
        Ok(bubblewrap) => Ok(alone(host(&bubblewrap.command, program, &parts.directory))),
        Err(why) => Err(why.clone()),
    };
    entries.push(entry("bwrap", "bubblewrap", wrapped));
    for Candidate { name, executor } in &parts.executors {
        let limits = parts.limits;
        let cold =
            executor.clone().map(|executor| Box::new(Cold { executor, program, limits }) as Box<dyn Case>);
        entries.push(entry(name, &format!("`{name}`, cold"), cold));
    }
    let http = parts.service.clone().map(|base| alone(HttpWorker::new(&base, program)));
    entries.push(entry("http", "the service over HTTP, cold", http));
    entries
}

fn host(command: &HostCommand, program: &'static Program, directory: &Arc<TempDir>) -> HostWorker {
    HostWorker::new(command, program, directory)
}

fn boxed(worker: impl Worker + 'static) -> Box<dyn Worker> {
    Box::new(worker)
}

fn alone(worker: impl Worker + 'static) -> Box<dyn Case> {
    Box::new(Alone(boxed(worker)))
}

/// Keeps the cases that are named, and those that they are compared with. No name keeps all.
///
/// # Errors
/// A name that no case has, with those that there are.
pub(super) fn only(entries: Vec<Entry>, names: &[String]) -> Result<Vec<Entry>, String> {
    if names.is_empty() {
        return Ok(entries);
    }
    if let Some(unknown) = names.iter().find(|name| entries.iter().all(|entry| entry.name != **name)) {
        let known: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        return Err(format!("there is no case `{unknown}`; there are {}", known.join(", ")));
    }
    let mut kept: BTreeSet<String> = names.iter().cloned().collect();
    let floors =
        entries.iter().filter(|entry| kept.contains(&entry.name)).filter_map(|entry| entry.floor.clone());
    kept.extend(floors.collect::<Vec<_>>());
    Ok(entries.into_iter().filter(|entry| kept.contains(&entry.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, floor: Option<&str>) -> Entry {
        let floor = floor.map(str::to_owned);
        Entry { name: name.into(), what: String::new(), floor, samples: 1, case: Err("a test".into()) }
    }

    #[test]
    fn a_chosen_case_brings_its_floor() {
        let all = || vec![entry("a", None), entry("b", Some("a")), entry("c", Some("a"))];
        let names = |chosen: &[&str]| {
            let chosen: Vec<String> = chosen.iter().map(|name| (*name).to_owned()).collect();
            only(all(), &chosen).map(|kept| kept.into_iter().map(|entry| entry.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), 3);
        assert_eq!(names(&["c"]).unwrap(), ["a", "c"]);
        assert!(names(&["d"]).unwrap_err().contains("a, b, c"));
    }
}
