//! The report: the figures and their context, as tables, as JSON and as a plot.

use super::idle::IdleMemory;
use super::machine::Machine;
use super::measure::{Figures, Measured, NoFigures};
use super::overload::Overload;
use super::plot::{self, Bar, Whose};
use super::sleepers::Sleepers;
use super::soak::Soak;
use super::table::columns;
use super::targets::{self, Target};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use support::counted;

/// Raised when the meaning of a field changes; new fields do not raise it.
const SCHEMA_VERSION: u32 = 2;

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema_version: u32,
    /// Start of the run, UTC.
    date: String,
    machine: Machine,
    versions: Versions,
    method: Method,
    cases: Vec<CaseReport>,
    /// Memory of one idle sandbox.
    idle_memory: Vec<IdleMemory>,
    /// The result of `--sleepers`, if requested.
    sleepers: Option<Sleepers>,
    /// The result of `--soak`, if requested.
    soak: Option<Soak>,
    /// The result of `--overload`, if requested.
    overload: Option<Overload>,
    targets: Vec<Target>,
    skipped: Vec<Missing>,
    failed: Vec<Missing>,
}

/// The measured versions.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Versions {
    /// This program.
    pub(super) python_sandbox: String,
    /// `release` or `debug`; figures of a debug build are meaningless.
    pub(super) build: &'static str,
    /// Python in the sandbox, with the id of its runtime.
    pub(super) python: String,
    /// Python of the floor.
    pub(super) python_floor: String,
    /// Each installed peer.
    pub(super) peers: BTreeMap<&'static str, String>,
    /// The service that answered over HTTP, if there was one.
    pub(super) service: Option<String>,
}

/// The method.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Method {
    /// Samples of ordinary cases.
    pub(super) samples: usize,
    /// Warm-up turns of each case.
    pub(super) warm_up_turns: usize,
    /// Shortest rest after each turn; a long turn gets a quarter of its own time, up to a bound.
    pub(super) pause_ms: u64,
    /// That bound.
    pub(super) pause_ms_max: u64,
    /// The clock.
    pub(super) clock: &'static str,
    /// The order of the samples.
    pub(super) order: &'static str,
    /// Load average of one minute before the run.
    pub(super) load_before: Option<f64>,
    /// The same at its end: mostly the load of the run itself.
    pub(super) load_after: Option<f64>,
}

#[derive(Debug, Serialize)]
struct CaseReport {
    name: String,
    what: String,
    /// The case that is its lower bound.
    floor: Option<String>,
    /// Its median divided by that case's median.
    ratio_to_floor: Option<f64>,
    /// How many times faster it is than each measured peer: their medians divided by its own.
    times_faster: BTreeMap<String, f64>,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Debug, Serialize)]
struct Missing {
    name: String,
    reason: String,
}

/// Measurements besides the cases, or the reason why there is none.
#[derive(Debug, Default)]
pub(super) struct Extras {
    /// Memory of idle sandboxes.
    pub(super) idle: Vec<Result<IdleMemory, String>>,
    /// The result of `--sleepers`, if requested.
    pub(super) sleepers: Option<Result<Sleepers, String>>,
    /// The result of `--soak`, if requested.
    pub(super) soak: Option<Result<Soak, String>>,
    /// The result of `--overload`, if requested.
    pub(super) overload: Option<Result<Overload, String>>,
}

impl Report {
    /// Assembles the report of a run.
    pub(super) fn new(
        date: String,
        machine: Machine,
        versions: Versions,
        method: Method,
        measured: Vec<Measured>,
        besides: Extras,
    ) -> Self {
        let mut failed = Vec::new();
        let mut note = |name: &str, reason| failed.push(Missing { name: name.to_owned(), reason });
        let idle = besides.idle.into_iter();
        let idle_memory: Vec<_> =
            idle.filter_map(|found| found.map_err(|reason| note("idle-memory", reason)).ok()).collect();
        let sleepers =
            besides.sleepers.and_then(|found| found.map_err(|reason| note("sleepers", reason)).ok());
        let soak = besides.soak.and_then(|found| found.map_err(|reason| note("soak", reason)).ok());
        let overload =
            besides.overload.and_then(|found| found.map_err(|reason| note("overload", reason)).ok());
        let mut targets = targets::evaluate(&measured, &idle_memory, sleepers.as_ref(), soak.as_ref());
        targets.extend(overload.as_ref().map(targets::of_overload).unwrap_or_default());
        let medians: Vec<(String, f64)> = measured
            .iter()
            .filter_map(|case| Some((case.name.clone(), case.result.as_ref().ok()?.latency.p50_ms)))
            .collect();
        let median = |name: &str| medians.iter().find(|(known, _)| known == name).map(|(_, ms)| *ms);
        let (mut cases, mut skipped) = (Vec::new(), Vec::new());
        for Measured { name, what, floor, peers, result } in measured {
            match result {
                Ok(figures) => {
                    let floor_ms = floor.as_deref().and_then(median).filter(|ms| *ms > 0.0);
                    let ratio_to_floor = floor_ms.map(|ms| figures.latency.p50_ms / ms);
                    let ours_ms = figures.latency.p50_ms;
                    let faster = peers.into_iter().filter_map(|peer| Some((median(&peer)? / ours_ms, peer)));
                    let times_faster = faster.map(|(times, peer)| (peer, times)).collect();
                    cases.push(CaseReport { name, what, floor, ratio_to_floor, times_faster, figures });
                }
                Err(NoFigures::Skipped(reason)) => skipped.push(Missing { name, reason }),
                Err(NoFigures::Failed(reason)) => failed.push(Missing { name, reason }),
            }
        }
        Self {
            schema_version: SCHEMA_VERSION,
            date,
            machine,
            versions,
            method,
            cases,
            idle_memory,
            sleepers,
            soak,
            overload,
            targets,
            skipped,
            failed,
        }
    }

    /// Whether a case failed; skipped ones did not.
    pub(super) fn has_failures(&self) -> bool {
        !self.failed.is_empty()
    }

    /// As JSON, with a final newline.
    ///
    /// # Errors
    /// Never with these types, according to serde_json's documentation.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// As a plot, in SVG.
    pub(super) fn svg(&self) -> String {
        let whose = |case: &CaseReport| match &case.floor {
            Some(_) => Whose::Ours,
            None if case.name.starts_with("fork-") || case.name == "pandas-warm" => Whose::Floor,
            // Client counts without a measured fork rate have no floor.
            None if case.name.starts_with("http-") || case.name == "validator" => Whose::Ours,
            None => Whose::Peer,
        };
        let bar = |case: &CaseReport| {
            let latency = &case.figures.latency;
            Bar {
                name: case.name.clone(),
                p50_ms: latency.p50_ms,
                p99_ms: latency.p99_ms,
                whose: whose(case),
            }
        };
        let bars: Vec<Bar> = self.cases.iter().map(bar).collect();
        let (machine, version) = (&self.machine, &self.versions.python_sandbox);
        let cores = counted(machine.cores, "core");
        let title = format!("python-sandbox {version}, {}, {cores}, {}", machine.cpu, self.date);
        plot::svg(&title, &bars)
    }

    /// As text: head, table, ratios, phases, memory, targets, skipped and failed cases.
    pub(super) fn text(&self) -> String {
        let mut text = self.head();
        if !self.cases.is_empty() {
            text += &format!("\n{}", columns(&self.table()));
        }
        let parts = [
            ("Times faster than each peer, by p50:", self.faster()),
            ("Where the time goes:", self.phases()),
            ("Memory of one idle sandbox, MiB of PSS:", self.memory()),
        ];
        for (title, rows) in parts.iter().filter(|(_, rows)| rows.len() > 1) {
            text += &format!("\n{title}\n{}", columns(rows));
        }
        text += &self.sleepers.as_ref().map(sleepers_text).unwrap_or_default();
        text += &self.soak.as_ref().map(soak_text).unwrap_or_default();
        text += &self.overload.as_ref().map(overload_text).unwrap_or_default();
        text += &format!("\nTargets:\n{}", columns(&self.targets()));
        text.push('\n');
        for (title, list) in [("skipped", &self.skipped), ("failed", &self.failed)] {
            for Missing { name, reason } in list {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{title}: {name}: {reason}");
            }
        }
        text
    }

    fn head(&self) -> String {
        let (machine, versions, method) = (&self.machine, &self.versions, &self.method);
        let virtual_machine = if machine.virtual_machine { ", virtual machine" } else { "" };
        let (cores, gib) = (counted(machine.cores, "core"), machine.memory_bytes as f64 / f64::from(1 << 30));
        let load = |load: Option<f64>| load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
        let or_none = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
        let lines = [
            ("date", self.date.clone()),
            ("machine", format!("{}, {cores}, {gib:.1} GiB{virtual_machine}", machine.cpu)),
            ("kernel", machine.kernel.clone()),
            ("load", format!("{} before, {} after", load(method.load_before), load(method.load_after))),
            ("ours", format!("python-sandbox {}, {} build", versions.python_sandbox, versions.build)),
            ("service", or_none(&versions.service)),
            ("sandbox", format!("Python {}", versions.python)),
            ("floor", format!("Python {}", versions.python_floor)),
            (
                "method",
                format!(
                    "{} samples a case unless the table says otherwise, {} turns of warm-up dropped, {}, a quarter of each \
                     turn's time as rest after it ({} to {} ms, longer where the table says so), {}",
                    method.samples,
                    method.warm_up_turns,
                    method.order,
                    method.pause_ms,
                    method.pause_ms_max,
                    method.clock
                ),
            ),
        ];
        let peers = versions.peers.iter().map(|(name, version)| (*name, version.clone()));
        let lines: Vec<_> = lines.into_iter().chain(peers).collect();
        lines.iter().fold(String::new(), |text, (name, value)| text + &format!("{name:<11} {value}\n"))
    }

    fn table(&self) -> Vec<Vec<String>> {
        let head = ["case", "n", "p50 ms", "p95 ms", "p99 ms", "per s", "ratio", "one sample is"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for case in &self.cases {
            let latency = &case.figures.latency;
            rows.push(vec![
                case.name.clone(),
                latency.samples.to_string(),
                time(Some(latency.p50_ms)),
                time(latency.p95_ms),
                time(latency.p99_ms),
                format!("{:.1}", case.figures.per_second),
                case.ratio_to_floor.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
                case.what.clone(),
            ]);
        }
        rows
    }

    /// Our cases compared with the measured peers; a column for each peer, with one name for every program.
    fn faster(&self) -> Vec<Vec<String>> {
        let short = |peer: &str| peer.strip_prefix("pandas-").unwrap_or(peer).to_owned();
        let compared = || self.cases.iter().filter(|case| !case.times_faster.is_empty());
        let mut peers: Vec<String> = Vec::new();
        for peer in compared().flat_map(|case| case.times_faster.keys()).map(|peer| short(peer)) {
            if !peers.contains(&peer) {
                peers.push(peer);
            }
        }
        let head = ["case".to_owned()].into_iter().chain(peers.iter().cloned()).chain([String::new()]);
        let mut rows = vec![head.collect::<Vec<_>>()];
        for case in compared() {
            let times = |peer: &String| case.times_faster.iter().find(|(name, _)| short(name) == *peer);
            let cell = |peer| times(peer).map_or_else(|| "-".to_owned(), |(_, times)| format!("{times:.1}"));
            let row = [case.name.clone()].into_iter().chain(peers.iter().map(cell)).chain([String::new()]);
            rows.push(row.collect());
        }
        rows
    }

    fn memory(&self) -> Vec<Vec<String>> {
        let head = ["sandbox", "n", "all of it", "sandbox alone", "interpreter alone", ""];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.idle_memory.iter().map(|memory| {
            vec![
                memory.sandbox.clone(),
                memory.sandboxes.to_string(),
                format!("{:.2}", memory.sandbox_mib),
                format!("{:.2}", memory.cell_mib),
                format!("{:.2}", memory.interpreter_mib),
                String::new(),
            ]
        }));
        rows
    }

    fn targets(&self) -> Vec<Vec<String>> {
        let mut rows = vec![["target", "wanted", "measured", "verdict"].map(str::to_owned).to_vec()];
        let row = |target: &Target| {
            vec![target.target.clone(), target.wanted(), target.found(), target.verdict.clone()]
        };
        rows.extend(self.targets.iter().map(row));
        rows
    }

    fn phases(&self) -> Vec<Vec<String>> {
        let mut rows = vec![["case", "", "p50 ms", "p95 ms", "p99 ms", "part"].map(str::to_owned).to_vec()];
        for case in &self.cases {
            for phase in &case.figures.phases {
                let part = &phase.distribution;
                rows.push(vec![
                    case.name.clone(),
                    String::new(),
                    time(Some(part.p50_ms)),
                    time(part.p95_ms),
                    time(part.p99_ms),
                    phase.name.to_owned(),
                ]);
            }
        }
        rows
    }
}

/// Milliseconds with as many digits as say something.
fn time(ms: Option<f64>) -> String {
    match ms {
        None => "-".to_owned(),
        Some(ms) if ms < 100.0 => format!("{ms:.2}"),
        Some(ms) => format!("{ms:.0}"),
    }
}

fn sleepers_text(found: &Sleepers) -> String {
    let memory = found.pss_mib.map_or_else(String::new, |mib| format!(" {mib:.0} MiB of PSS in all,"));
    let mut text = format!(
        "\n{} sleeping programs, each for {} s: {} ended at their timeout, at most {:.2} s away from it; {} processes \
         at the peak,{memory} {:.0} MiB less for the machine; {:.1} s from the first request to the last answer\n",
        found.programs,
        found.timeout_s,
        found.timed_out,
        found.beyond_max_s,
        found.processes_most,
        found.machine_mib,
        found.total_s
    );
    text.extend(found.others.iter().map(|other| format!("  unexpected: {other}\n")));
    text
}

fn soak_text(found: &Soak) -> String {
    let mib = |mib: Option<f64>| mib.map_or_else(|| "unknown".to_owned(), |mib| format!("{mib:.1} MiB"));
    let outcomes: Vec<String> =
        found.outcomes.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let mut text = format!(
        "\n{} mixed executions: {:.0} per second; {} lost, {} wrong, others {}; service {} after the first fifth, {} at \
         the end; {}\n",
        found.executions,
        found.per_second,
        found.lost,
        found.wrong,
        outcomes.join(", "),
        mib(found.rss_before_mib),
        mib(found.rss_after_mib),
        counted(found.leftovers.len(), "leftover")
    );
    let shown = found.shown.iter().map(|wrong| format!("  unexpected: {wrong}\n"));
    text.extend(shown.chain(found.leftovers.iter().map(|left| format!("  left: {left}\n"))));
    text
}

fn overload_text(found: &Overload) -> String {
    let mut text = format!(
        "\nFloods of {} s; the service admits {} requests at once, each waits at most {} s:\n",
        found.flood_s, found.capacity, found.queue_timeout_s
    );
    for flood in &found.floods {
        text += &format!(
            "  {} clients: {:.0} programs per second of {:.0} unloaded, p50 {:.0} ms, p99 {:.0} ms (unloaded {:.0} ms); \
             {:.0} refusals per second, {} without an answer; {} descriptors before, {} after; {:.1} MiB \
             before, {:.1} MiB after\n",
            flood.clients,
            flood.per_second,
            flood.unloaded_per_second,
            flood.p50_ms,
            flood.p99_ms,
            flood.unloaded_p99_ms,
            flood.refused_per_second,
            counted(flood.unanswered, "request"),
            flood.descriptors[0],
            flood.descriptors[1],
            flood.rss_mib[0],
            flood.rss_mib[1]
        );
        text.extend(flood.wrong.iter().map(|wrong| format!("  unexpected: {wrong}\n")));
    }
    if let Some(callers) = &found.callers {
        text += &format!(
            "  two keys, {} clients of one flood ({:.0} programs per second): {} requests of the other, p50 {:.2} ms, p99 \
             {:.2} ms (unloaded {:.2} ms, {:.2} ms), {} lost\n",
            callers.clients,
            callers.flood_per_second,
            callers.requests,
            callers.p50_ms,
            callers.p99_ms,
            callers.unloaded_p50_ms,
            callers.unloaded_p99_ms,
            callers.lost
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Phase;
    use crate::overload::{Callers, Flood};
    use crate::stats::Distribution;
    use serde_json::json;
    use std::time::Duration;

    fn figures(ms: u64) -> Figures {
        let samples = vec![Duration::from_millis(ms); 20];
        let Some(latency) = Distribution::of(samples) else { panic!("there are samples") };
        let phases = vec![Phase { name: "all", distribution: latency.clone() }];
        Figures { latency, per_second: 1000.0 / ms as f64, phases }
    }

    fn measured(name: &str, floor: Option<&str>, result: Result<Figures, NoFigures>) -> Measured {
        let peers = if name == "native" { vec!["python".into(), "bwrap".into()] } else { Vec::new() };
        Measured { name: name.into(), what: "a test".into(), floor: floor.map(str::to_owned), peers, result }
    }

    fn report() -> Report {
        Report::new(
            "2026-01-01T00:00:00Z".into(),
            Machine {
                cpu: "A CPU".into(),
                cores: 2,
                virtual_machine: true,
                memory_bytes: 1 << 30,
                kernel: "Linux 6.18".into(),
            },
            Versions {
                python_sandbox: "0.1.0".into(),
                build: "release",
                python: "3.11.7".into(),
                python_floor: "3.11.7".into(),
                peers: BTreeMap::from([("bwrap", "0.8.0".to_owned())]),
                service: None,
            },
            Method {
                samples: 20,
                warm_up_turns: 3,
                pause_ms: 10,
                pause_ms_max: 100,
                clock: "monotonic clock",
                order: "cases take turns",
                load_before: Some(0.5),
                load_after: None,
            },
            vec![
                measured("python", None, Ok(figures(10))),
                measured("native", Some("python"), Ok(figures(25))),
                measured("orphan", Some("bwrap"), Ok(figures(5))),
                measured("bwrap", Some("python"), Err(NoFigures::Skipped("not here".into()))),
                measured("http", Some("python"), Err(NoFigures::Failed("status 500".into()))),
            ],
            Extras {
                idle: vec![
                    Ok(IdleMemory {
                        sandbox: "lean".into(),
                        sandboxes: 16,
                        sandbox_mib: 2.5,
                        cell_mib: 0.5,
                        interpreter_mib: 2.0,
                    }),
                    Err("no cgroups".into()),
                ],
                sleepers: Some(Ok(Sleepers {
                    programs: 100,
                    timeout_s: 20,
                    timed_out: 99,
                    others: vec!["signal: killed".into()],
                    ..Sleepers::default()
                })),
                overload: Some(Ok(Overload {
                    flood_s: 60,
                    capacity: 68,
                    queue_timeout_s: 30,
                    floods: vec![Flood { clients: 680, ..Flood::default() }],
                    callers: Some(Callers { clients: 160, ..Callers::default() }),
                })),
                soak: Some(Ok(Soak {
                    executions: 10,
                    leftovers: vec!["process 7".into()],
                    ..Soak::default()
                })),
            },
        )
    }

    #[test]
    fn json_has_a_stable_shape() {
        let value: serde_json::Value = serde_json::from_str(&report().json().unwrap()).unwrap();
        assert_eq!(value["schema_version"], 2);
        assert_eq!(value["machine"]["cpu"], "A CPU");
        assert_eq!(value["versions"]["peers"], json!({"bwrap": "0.8.0"}));
        assert_eq!(value["method"]["load_before"], 0.5);
        let all = json!({
            "samples": 20, "min_ms": 25.0, "p50_ms": 25.0, "p95_ms": 25.0, "p99_ms": null, "max_ms": 25.0,
            "mean_ms": 25.0, "name": "all",
        });
        assert_eq!(
            value["cases"][1],
            json!({
                "name": "native", "what": "a test", "floor": "python", "ratio_to_floor": 2.5,
                "times_faster": {"python": 0.4}, "samples": 20,
                "min_ms": 25.0, "p50_ms": 25.0, "p95_ms": 25.0, "p99_ms": null, "max_ms": 25.0, "mean_ms": 25.0,
                "per_second": 40.0, "phases": [all],
            })
        );
        // A floor that was not measured gives no ratio.
        assert_eq!(value["cases"][2]["ratio_to_floor"], serde_json::Value::Null);
        assert_eq!(value["skipped"], json!([{"name": "bwrap", "reason": "not here"}]));
        let failed = [("idle-memory", "no cgroups"), ("http", "status 500")];
        assert_eq!(
            value["failed"],
            json!(failed.map(|(name, reason)| json!({"name": name, "reason": reason})))
        );
        assert_eq!(value["idle_memory"][0]["sandbox_mib"], 2.5);
        assert_eq!(value["sleepers"]["timed_out"], 99);
        assert_eq!(value["soak"]["leftovers"], json!(["process 7"]));
        let cell = value["targets"].as_array().unwrap().iter().find(|target| target["measured"] == 0.5);
        let cell = cell.unwrap();
        assert_eq!(
            (&cell["met"], &cell["bound"], &cell["unit"]),
            (&json!(true), &json!("at_most"), &json!("MiB"))
        );
        assert!(report().has_failures());
    }

    #[test]
    fn the_table_is_aligned_and_says_what_is_missing() {
        let text = report().text();
        assert!(text.contains("\nmachine     A CPU, 2 cores, 1.0 GiB, virtual machine\n"), "{text}");
        assert!(
            text.contains("\ncase     n  p50 ms  p95 ms  p99 ms  per s  ratio  one sample is\n"),
            "{text}"
        );
        assert!(text.contains("\nnative  20   25.00   25.00       -   40.0   2.50  a test\n"), "{text}");
        assert!(text.contains("\ncase    python\nnative     0.4\n"), "{text}");
        assert!(text.contains("\nlean     16       2.50           0.50               2.00\n"), "{text}");
        assert!(
            text.contains("\n  unexpected: signal: killed\n") && text.contains("\n  left: process 7\n"),
            "{text}"
        );
        assert!(text.contains("\nTargets:\ntarget") && text.contains("MISSED by 1\n"), "{text}");
        let missing =
            "\nskipped: bwrap: not here\nfailed: idle-memory: no cgroups\nfailed: http: status 500\n";
        assert!(text.contains(missing), "{text}");
    }

    #[test]
    fn the_picture_has_every_case_that_was_measured() {
        let svg = report().svg();
        for name in ["python", "native", "orphan"] {
            assert!(svg.contains(&format!(">{name}</text>")), "{svg}");
        }
        assert!(svg.contains(">python-sandbox 0.1.0, A CPU, 2 cores, 2026-01-01T00:00:00Z</text>"), "{svg}");
    }
}
