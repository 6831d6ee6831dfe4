//! The project's performance targets, compared with the run: met, or missed by how much.

use super::idle::IdleMemory;
use super::measure::{Figures, Measured};
use super::overload::{Flood, Overload};
use super::sleepers::Sleepers;
use super::soak::Soak;
use serde::Serialize;
use std::time::Duration;

/// Part of the unloaded rate that a flooded service must still run.
const FLOODED_PART_MIN: f64 = 0.8;
/// How much longer a caller may wait at the 99th percentile because another one floods the service.
const CALLER_TIMES_MAX: f64 = 2.0;
/// Descriptors of the service that may be open after a flood and were not before: of sandboxes in the pool.
const FLOODED_DESCRIPTORS_MAX: f64 = 64.0;

/// A megabyte in MiB: memory targets are in megabytes.
const MB_IN_MIB: f64 = 1_000_000.0 / 1_048_576.0;
/// Growth of the service in MiB that is tolerated as noise of the allocator.
const GROWTH_MIB_MAX: f64 = 4.0;
/// Milliseconds over a warm interpreter that the pandas program may cost, unless its fork costs more.
const PANDAS_OVER_MS: f64 = 4.0;
/// Multiple of the data template's fork that it may cost otherwise.
const PANDAS_OVER_FORKS: f64 = 1.2;

/// The side of its limit on which a figure must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bound {
    /// Not more.
    AtMost,
    /// Not less.
    AtLeast,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Target {
    /// Description of the comparison.
    pub(super) target: String,
    /// The side.
    pub(super) bound: Bound,
    /// The required value.
    pub(super) limit: f64,
    /// A better value to aim for.
    pub(super) aim: Option<f64>,
    /// Unit of both.
    pub(super) unit: &'static str,
    /// The measured value; `None` if one of its cases was not measured.
    pub(super) measured: Option<f64>,
    /// Whether it is met; `None` if `measured` is.
    pub(super) met: Option<bool>,
    /// The result as text.
    pub(super) verdict: String,
}

/// The measured cases, by name.
struct Run<'a>(&'a [Measured]);

impl Run<'_> {
    fn figures(&self, name: &str) -> Option<&Figures> {
        self.0.iter().find(|case| case.name == name)?.result.as_ref().ok()
    }

    fn p50(&self, name: &str) -> Option<f64> {
        Some(self.figures(name)?.latency.p50_ms)
    }

    fn p99(&self, name: &str) -> Option<f64> {
        self.figures(name)?.latency.p99_ms
    }

    fn per_second(&self, name: &str) -> Option<f64> {
        Some(self.figures(name)?.per_second)
    }

    /// A median divided by another.
    fn over(&self, name: &str, other: &str) -> Option<f64> {
        ratio(self.p50(name), self.p50(other))
    }
}

fn ratio(over: Option<f64>, under: Option<f64>) -> Option<f64> {
    Some(over? / under.filter(|under| *under > 0.0)?)
}

/// All targets, in the order of the report.
pub(super) fn evaluate(
    measured: &[Measured],
    idle: &[IdleMemory],
    sleepers: Option<&Sleepers>,
    soak: Option<&Soak>,
) -> Vec<Target> {
    let run = Run(measured);
    let idle = |name: &str| idle.iter().find(|memory| memory.sandbox == name);
    let times = |target: &str, limit, aim, measured| at_most(target, limit, aim, "x", measured);
    let faster = |ours: &str, theirs: &str, limit| {
        let target = format!("`{ours}`: times faster than `{theirs}`, p50");
        at_least(&target, limit, None, "x", run.over(theirs, ours))
    };
    let over_warm = run.p50("pandas-http").zip(run.p50("pandas-warm")).map(|(ours, warm)| ours - warm);
    let data_fork = run.p50("fork-data-compact").unwrap_or(0.0);
    let mut targets = vec![
        times("`http` over `fork-lean`, p50", 4.0, Some(3.0), run.over("http", "fork-lean")),
        times("`http-x1` over `fork-lean-x1`, p50", 4.0, Some(3.0), run.over("http-x1", "fork-lean-x1")),
        times("`http`: p99 over its p50", 5.0, None, ratio(run.p99("http"), run.p50("http"))),
        times("`http-x1`: p99 over its p50", 5.0, None, ratio(run.p99("http-x1"), run.p50("http-x1"))),
        at_least(
            "`http-x16` over `fork-lean-x16`, per second",
            0.25,
            Some(0.5),
            "x",
            ratio(run.per_second("http-x16"), run.per_second("fork-lean-x16")),
        ),
        at_most(
            "`pandas-http` over `pandas-warm`, p50; 4 ms or 1.2 `fork-data-compact`",
            PANDAS_OVER_MS.max(PANDAS_OVER_FORKS * data_fork),
            None,
            "ms",
            over_warm,
        ),
        faster("pandas-http", "pandas-python", 10.0),
        faster("http", "bwrap", 10.0),
        faster("pandas-http", "pandas-bwrap", 10.0),
        faster("http", "docker", 100.0),
        faster("pandas-http", "pandas-docker", 100.0),
        faster("http-docker", "docker", 20.0),
        faster("http-gvisor", "docker-runsc", 10.0),
        at_most(
            "an idle sandbox alone, PSS",
            1.5 * MB_IN_MIB,
            None,
            "MiB",
            idle("lean").map(|memory| memory.cell_mib),
        ),
        at_most(
            "an idle sandbox with the data interpreter, PSS",
            8.0 * MB_IN_MIB,
            None,
            "MiB",
            idle("data").map(|memory| memory.sandbox_mib),
        ),
    ];
    let count = sleepers.map_or(1000, |sleepers| sleepers.programs);
    targets.extend([
        at_most(
            &format!("{count} sleeping programs: not ended at their timeout"),
            0.0,
            None,
            "",
            sleepers.map(|sleepers| sleepers.failed() as f64),
        ),
        at_most(
            &format!("{count} sleeping programs: latest end after its timeout"),
            1.0,
            None,
            "s",
            // Nothing timed out: then there is no such figure.
            sleepers.filter(|sleepers| sleepers.timed_out > 0).map(|sleepers| sleepers.beyond_max_s),
        ),
    ]);
    let count = soak.map_or(10_000, |soak| soak.executions);
    let soaked = |what: &str, limit, unit, figure: fn(&Soak) -> Option<f64>| {
        at_most(&format!("{count} mixed executions: {what}"), limit, None, unit, soak.and_then(figure))
    };
    targets.extend([
        soaked("lost", 0.0, "", |soak| Some(soak.lost as f64)),
        soaked("wrong outcomes", 0.0, "", |soak| Some(soak.wrong as f64)),
        soaked("leftovers on the host", 0.0, "", |soak| Some(soak.leftovers.len() as f64)),
        soaked("growth of the service", GROWTH_MIB_MAX, "MiB", Soak::growth_mib),
    ]);
    targets
}

/// The targets of `--overload`.
pub(super) fn of_overload(found: &Overload) -> Vec<Target> {
    let queue_ms = Duration::from_secs(found.queue_timeout_s).as_millis() as f64;
    let of_flood = |flood: &Flood| {
        let name = format!("flood of {} clients", flood.clients);
        let grown = flood.descriptors[1] as f64 - flood.descriptors[0] as f64;
        [
            at_least(
                &format!("{name}: part of the unloaded rate"),
                FLOODED_PART_MIN,
                None,
                "x",
                Some(flood.part()),
            ),
            at_most(
                &format!("{name}: p99; the queue's bound and twice the unloaded p99"),
                queue_ms + 2.0 * flood.unloaded_p99_ms,
                None,
                "ms",
                Some(flood.p99_ms),
            ),
            at_most(
                &format!("{name}: descriptors left open"),
                FLOODED_DESCRIPTORS_MAX,
                None,
                "",
                Some(grown.max(0.0)),
            ),
            at_most(&format!("{name}: wrong answers"), 0.0, None, "", Some(flood.wrong.len() as f64)),
        ]
    };
    let mut targets: Vec<_> = found.floods.iter().flat_map(of_flood).collect();
    if let Some(callers) = &found.callers {
        let name = format!("two keys, {} clients of one flood", callers.clients);
        targets.extend([
            at_most(
                &format!("{name}: p99 of the other over its unloaded p99"),
                CALLER_TIMES_MAX,
                None,
                "x",
                ratio(Some(callers.p99_ms), Some(callers.unloaded_p99_ms)),
            ),
            at_most(&format!("{name}: lost of the other"), 0.0, None, "", Some(callers.lost as f64)),
        ]);
    }
    targets
}

fn at_most(target: &str, limit: f64, aim: Option<f64>, unit: &'static str, measured: Option<f64>) -> Target {
    Target::new(target, Bound::AtMost, limit, aim, unit, measured)
}

fn at_least(target: &str, limit: f64, aim: Option<f64>, unit: &'static str, measured: Option<f64>) -> Target {
    Target::new(target, Bound::AtLeast, limit, aim, unit, measured)
}

impl Target {
    fn new(
        target: &str,
        bound: Bound,
        limit: f64,
        aim: Option<f64>,
        unit: &'static str,
        measured: Option<f64>,
    ) -> Self {
        let is_within = |measured: f64, limit: f64| match bound {
            Bound::AtMost => measured <= limit,
            Bound::AtLeast => measured >= limit,
        };
        let met = measured.map(|measured| is_within(measured, limit));
        let verdict = match (measured, met) {
            (Some(measured), Some(true)) => match aim {
                Some(aim) if is_within(measured, aim) => "met, the aim too".to_owned(),
                Some(_) => "met, not the aim".to_owned(),
                None => "met".to_owned(),
            },
            (Some(measured), _) => format!("MISSED by {}", distance(measured, limit, unit)),
            (None, _) => "not measured".to_owned(),
        };
        Self { target: target.to_owned(), bound, limit, aim, unit, measured, met, verdict }
    }

    /// The limit as text.
    pub(super) fn wanted(&self) -> String {
        let side = match self.bound {
            Bound::AtMost => "at most",
            Bound::AtLeast => "at least",
        };
        let aim = self.aim.map_or_else(String::new, |aim| format!(", aim {}", number(aim, self.unit)));
        format!("{side} {}{aim}", number(self.limit, self.unit))
    }

    /// The figure as text.
    pub(super) fn found(&self) -> String {
        self.measured.map_or_else(|| "-".to_owned(), |measured| number(measured, self.unit))
    }
}

/// A figure with its unit; one without a unit is a count.
fn number(value: f64, unit: &str) -> String {
    match unit {
        "" => format!("{value:.0}"),
        _ if value == value.trunc() && value.abs() < 1e6 => format!("{value:.0} {unit}"),
        _ => format!("{value:.2} {unit}"),
    }
}

/// The distance of a figure from its limit, in its unit and in percent of a limit that is not 0.
fn distance(measured: f64, limit: f64, unit: &str) -> String {
    let by = (measured - limit).abs();
    let percent = if limit > 0.0 { format!(" ({:.0} %)", by / limit * 100.0) } else { String::new() };
    number(by, unit) + &percent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::NoFigures;
    use crate::stats::Distribution;
    use std::time::Duration;

    fn case(name: &str, micros: u64, per_second: f64) -> Measured {
        let samples = vec![Duration::from_micros(micros); 100];
        let Some(latency) = Distribution::of(samples) else { panic!("there are samples") };
        let figures = Figures { latency, per_second, phases: Vec::new() };
        let (what, floor, peers) = (String::new(), None, Vec::new());
        Measured { name: name.to_owned(), what, floor, peers, result: Ok(figures) }
    }

    fn verdict<'a>(targets: &'a [Target], beginning: &str) -> &'a Target {
        let found = targets.iter().find(|target| target.target.starts_with(beginning));
        found.unwrap_or_else(|| panic!("no target `{beginning}`"))
    }

    #[test]
    fn targets_are_held_against_the_run() {
        let skipped =
            Measured { result: Err(NoFigures::Skipped("not here".to_owned())), ..case("docker", 1, 1.0) };
        let run = [
            case("fork-lean", 300, 3000.0),
            case("http", 1050, 900.0),
            case("fork-lean-x16", 600, 3000.0),
            case("http-x16", 9000, 600.0),
            case("pandas-warm", 20_000, 50.0),
            case("pandas-http", 25_000, 40.0),
            case("fork-data-compact", 5_000, 200.0),
            case("bwrap", 16_800, 50.0),
            skipped,
            case("http-gvisor", 8_000, 100.0),
            case("docker-runsc", 72_000, 10.0),
        ];
        let lean = IdleMemory {
            sandbox: "lean".into(),
            sandboxes: 16,
            sandbox_mib: 3.0,
            cell_mib: 0.5,
            interpreter_mib: 2.5,
        };
        let sleepers = Sleepers { programs: 100, timed_out: 98, beyond_max_s: 1.5, ..Sleepers::default() };
        let targets = evaluate(&run, &[lean], Some(&sleepers), None);
        let words = |beginning: &str| {
            let target = verdict(&targets, beginning);
            (target.wanted(), target.found(), target.verdict.clone())
        };
        let expect = |wanted: &str, found: &str, verdict: &str| {
            (wanted.to_owned(), found.to_owned(), verdict.to_owned())
        };
        assert_eq!(words("`http` over"), expect("at most 4 x, aim 3 x", "3.50 x", "met, not the aim"));
        assert_eq!(words("`http`: p99"), expect("at most 5 x", "1 x", "met"));
        assert_eq!(
            words("`http-x16`"),
            expect("at least 0.25 x, aim 0.50 x", "0.20 x", "MISSED by 0.05 x (20 %)")
        );
        // 1.2 forks of 5 ms are more than 4 ms.
        assert_eq!(words("`pandas-http` over"), expect("at most 6 ms", "5 ms", "met"));
        assert_eq!(words("`http`: times faster than `bwrap`").1, "16 x");
        assert_eq!(words("`http`: times faster than `docker`").2, "not measured");
        assert_eq!(words("`http-docker`: times faster").2, "not measured");
        assert_eq!(
            words("`http-gvisor`: times faster"),
            expect("at least 10 x", "9 x", "MISSED by 1 x (10 %)")
        );
        assert_eq!(words("an idle sandbox alone").2, "met");
        assert_eq!(words("an idle sandbox with").2, "not measured");
        assert_eq!(words("100 sleeping programs: not"), expect("at most 0", "2", "MISSED by 2"));
        assert_eq!(words("100 sleeping programs: latest").2, "MISSED by 0.50 s (50 %)");
        assert_eq!(verdict(&targets, "10000 mixed executions: lost").met, None);
    }

    #[test]
    fn a_flood_that_starves_the_service_misses_its_targets() {
        let flood = Flood {
            clients: 680,
            unloaded_per_second: 400.0,
            unloaded_p99_ms: 50.0,
            per_second: 100.0,
            p99_ms: 30_050.0,
            descriptors: [100, 900],
            ..Flood::default()
        };
        let calm = Flood { per_second: 380.0, descriptors: [100, 90], ..flood.clone() };
        let found = Overload { queue_timeout_s: 30, floods: vec![flood, calm], ..Overload::default() };
        let met: Vec<_> = of_overload(&found).iter().map(|target| target.met).collect();
        let verdicts = |all: [bool; 4]| all.map(Some);
        assert_eq!(met[..4], verdicts([false, true, false, true]));
        assert_eq!(met[4..], verdicts([true; 4]));
    }

    #[test]
    fn a_clean_soak_meets_its_targets() {
        let soak = Soak {
            executions: 500,
            rss_before_mib: Some(30.0),
            rss_after_mib: Some(31.0),
            ..Soak::default()
        };
        let targets = evaluate(&[], &[], None, Some(&soak));
        let met = |target: &&Target| target.met == Some(true);
        assert_eq!(targets.iter().filter(met).count(), 4);
        assert!(targets.iter().filter(|target| !met(target)).all(|target| target.measured.is_none()));
    }
}
