//! The report: everything that somebody needs to judge the figures, as a table and as JSON.

use super::machine::Machine;
use super::measure::{Figures, Measured, NoFigures};
use serde::Serialize;
use std::fmt::Write;

/// Raised when the meaning of a field changes; new fields do not raise it.
const SCHEMA_VERSION: u32 = 1;

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema_version: u32,
    /// When the run began, UTC.
    date: String,
    machine: Machine,
    versions: Versions,
    method: Method,
    cases: Vec<CaseReport>,
    skipped: Vec<Missing>,
    failed: Vec<Missing>,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Versions {
    /// This program.
    pub(super) python_sandbox: String,
    /// `release` or `debug`; figures of a debug build are worth nothing.
    pub(super) build: &'static str,
    /// Python in the sandbox, with the id of its runtime.
    pub(super) python: String,
    /// Python of the floor.
    pub(super) python_floor: String,
    /// Bubblewrap, when it is there.
    pub(super) bubblewrap: Option<String>,
    /// The service that answered over HTTP, when there was one.
    pub(super) service: Option<String>,
}

/// How it was measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Method {
    /// Samples of ordinary cases.
    pub(super) samples: usize,
    /// Turns of each case before the first sample.
    pub(super) warm_up_turns: usize,
    /// Rest after each turn.
    pub(super) pause_ms: u64,
    /// Where times come from.
    pub(super) clock: &'static str,
    /// In which order.
    pub(super) order: &'static str,
    /// Load average of one minute before the run.
    pub(super) load_before: Option<f64>,
    /// The same at its end: mostly the run itself.
    pub(super) load_after: Option<f64>,
}

#[derive(Debug, Serialize)]
struct CaseReport {
    name: String,
    what: String,
    /// The case that it is compared with.
    floor: Option<String>,
    /// Its median over that case's median.
    ratio_to_floor: Option<f64>,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Debug, Serialize)]
struct Missing {
    name: String,
    reason: String,
}

impl Report {
    /// Puts a run together.
    pub(super) fn new(
        date: String,
        machine: Machine,
        versions: Versions,
        method: Method,
        measured: Vec<Measured>,
    ) -> Self {
        let medians: Vec<(String, f64)> = measured
            .iter()
            .filter_map(|case| Some((case.name.clone(), case.result.as_ref().ok()?.latency.p50_ms)))
            .collect();
        let median = |name: &str| medians.iter().find(|(known, _)| known == name).map(|(_, ms)| *ms);
        let (mut cases, mut skipped, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for Measured { name, what, floor, result } in measured {
            match result {
                Ok(figures) => {
                    let floor_ms = floor.as_deref().and_then(median).filter(|ms| *ms > 0.0);
                    let ratio_to_floor = floor_ms.map(|ms| figures.latency.p50_ms / ms);
                    cases.push(CaseReport { name, what, floor, ratio_to_floor, figures });
                }
                Err(NoFigures::Skipped(reason)) => skipped.push(Missing { name, reason }),
                Err(NoFigures::Failed(reason)) => failed.push(Missing { name, reason }),
            }
        }
        Self { schema_version: SCHEMA_VERSION, date, machine, versions, method, cases, skipped, failed }
    }

    /// Whether a case went wrong; one that is skipped did not.
    pub(super) fn has_failures(&self) -> bool {
        !self.failed.is_empty()
    }

    /// As JSON, with a final newline.
    ///
    /// # Errors
    /// Never with these types, says serde_json's documentation; it has no way to say so in types.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// As text: head, table, where the time goes, what is missing.
    pub(super) fn text(&self) -> String {
        let mut text = self.head();
        text.push('\n');
        text += &columns(&self.table());
        let phases = self.phases();
        if phases.len() > 1 {
            text += "\nWhere the time goes:\n";
            text += &columns(&phases);
        }
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
        let gib = machine.memory_bytes as f64 / f64::from(1 << 30);
        let load = |load: Option<f64>| load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
        let or_none = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
        let lines = [
            ("date", self.date.clone()),
            ("machine", format!("{}, {} cores, {gib:.1} GiB{virtual_machine}", machine.cpu, machine.cores)),
            ("kernel", machine.kernel.clone()),
            ("load", format!("{} before, {} after", load(method.load_before), load(method.load_after))),
            ("ours", format!("python-sandbox {}, {} build", versions.python_sandbox, versions.build)),
            ("service", or_none(&versions.service)),
            ("sandbox", format!("Python {}", versions.python)),
            ("floor", format!("Python {}", versions.python_floor)),
            ("bubblewrap", or_none(&versions.bubblewrap)),
            (
                "method",
                format!(
                    "{} samples a case unless the table says otherwise, {} turns of warm-up dropped, {}, {} ms of rest \
                     after each turn, {}",
                    method.samples, method.warm_up_turns, method.order, method.pause_ms, method.clock
                ),
            ),
        ];
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

/// Rows under one another: the first and the last column to the left, the numbers between to the right.
fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if *width == 0 {
                continue;
            }
            let left = column == 0 || column + 1 == count;
            line += &if left { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measure::Phase;
    use crate::bench::stats::Distribution;
    use serde_json::json;
    use std::time::Duration;

    fn figures(ms: u64) -> Figures {
        let samples = vec![Duration::from_millis(ms); 20];
        let Some(latency) = Distribution::of(samples) else { panic!("there are samples") };
        let phases = vec![Phase { name: "all", distribution: latency.clone() }];
        Figures { latency, per_second: 1000.0 / ms as f64, phases }
    }

    fn measured(name: &str, floor: Option<&str>, result: Result<Figures, NoFigures>) -> Measured {
        Measured { name: name.into(), what: "a test".into(), floor: floor.map(str::to_owned), result }
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
                bubblewrap: None,
                service: None,
            },
            Method {
                samples: 20,
                warm_up_turns: 3,
                pause_ms: 10,
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
        )
    }

    #[test]
    fn json_has_a_stable_shape() {
        let value: serde_json::Value = serde_json::from_str(&report().json().unwrap()).unwrap();
        assert_eq!(value["schema_version"], 1);
        assert_eq!(value["machine"]["cpu"], "A CPU");
        assert_eq!(value["versions"]["bubblewrap"], serde_json::Value::Null);
        assert_eq!(value["method"]["load_before"], 0.5);
        let all = json!({
            "samples": 20, "min_ms": 25.0, "p50_ms": 25.0, "p95_ms": 25.0, "p99_ms": null, "max_ms": 25.0,
            "mean_ms": 25.0, "name": "all",
        });
        assert_eq!(
            value["cases"][1],
            json!({
                "name": "native", "what": "a test", "floor": "python", "ratio_to_floor": 2.5, "samples": 20,
                "min_ms": 25.0, "p50_ms": 25.0, "p95_ms": 25.0, "p99_ms": null, "max_ms": 25.0, "mean_ms": 25.0,
                "per_second": 40.0, "phases": [all],
            })
        );
        // A floor that was not measured gives no ratio.
        assert_eq!(value["cases"][2]["ratio_to_floor"], serde_json::Value::Null);
        assert_eq!(value["skipped"], json!([{"name": "bwrap", "reason": "not here"}]));
        assert_eq!(value["failed"], json!([{"name": "http", "reason": "status 500"}]));
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
        assert!(text.contains("\nskipped: bwrap: not here\nfailed: http: status 500\n"), "{text}");
    }
}
