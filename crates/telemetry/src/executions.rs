//! Counts executions: every figure of a record, into handles that were made at the start.

use crate::catalog;
use crate::registry::Registry;
use executor::{OutcomeKind, PeakScope};
use prometheus::{Counter, Error, Histogram, IntCounter};
use service::{Captured, ExecuteError, Execution, ExecutionRecord, Observer, Phase, RecordEnd};

/// The code in `executions_refused_total` of an execution whose caller went away.
const CLIENT_GONE: &str = "client_gone";
/// The reason of skipped entries that an answer only counts.
const MORE: &str = "more";

/// See the module. An observation takes no lock and allocates nothing.
#[derive(Debug)]
pub struct ExecutionMetrics {
    executors: Vec<PerExecutor>,
    refused: Vec<(&'static str, IntCounter)>,
    validate: Histogram,
    queue: Histogram,
    upload: Histogram,
    stdout: StreamMetrics,
    stderr: StreamMetrics,
    artifacts: IntCounter,
    artifact_bytes: IntCounter,
    skipped: Vec<(&'static str, IntCounter)>,
}

/// The metrics of one executor.
#[derive(Debug)]
struct PerExecutor {
    name: &'static str,
    /// By the position of the outcome in [`OutcomeKind::ALL`].
    outcomes: Vec<IntCounter>,
    /// Programs that exited with another code than 0; those with 0 are in `outcomes`.
    failed: IntCounter,
    /// For sandboxes that were idle, and for those made for the request.
    setup_idle: Histogram,
    setup_made: Histogram,
    run: Histogram,
    collect: Histogram,
    cpu: Counter,
    memory: Histogram,
}

/// The metrics of one output stream.
#[derive(Debug)]
struct StreamMetrics {
    bytes: IntCounter,
    truncated: IntCounter,
}

impl ExecutionMetrics {
    /// `skip_reasons` are the API's.
    pub(crate) fn new(
        registry: &Registry,
        executors: &[&'static str],
        skip_reasons: &[&'static str],
    ) -> Result<Self, Error> {
        let by_word = |metric, words: &mut dyn Iterator<Item = &'static str>| {
            let counters = registry.counters(metric)?;
            words
                .map(|word| Ok((word, counters.get_metric_with_label_values(&[word])?)))
                .collect::<Result<Vec<_>, Error>>()
        };
        let bytes = registry.counters(&catalog::OUTPUT)?;
        let truncated = registry.counters(&catalog::TRUNCATED)?;
        let stream = |name: &str| {
            Ok::<_, Error>(StreamMetrics {
                bytes: bytes.get_metric_with_label_values(&[name])?,
                truncated: truncated.get_metric_with_label_values(&[name])?,
            })
        };
        let mut codes = ExecuteError::CODES.into_iter().chain([CLIENT_GONE]);
        let mut reasons = skip_reasons.iter().copied().filter(|reason| *reason != MORE).chain([MORE]);
        Ok(Self {
            executors: PerExecutor::all(registry, executors)?,
            refused: by_word(&catalog::REFUSED, &mut codes)?,
            validate: registry.histogram(&catalog::VALIDATE)?,
            queue: registry.histogram(&catalog::QUEUE)?,
            upload: registry.histogram(&catalog::UPLOAD)?,
            stdout: stream("stdout")?,
            stderr: stream("stderr")?,
            artifacts: registry.counter(&catalog::ARTIFACTS)?,
            artifact_bytes: registry.counter(&catalog::ARTIFACT_BYTES)?,
            skipped: by_word(&catalog::SKIPPED, &mut reasons)?,
        })
    }

    fn phases(&self, record: &ExecutionRecord<'_>, executor: Option<&PerExecutor>) {
        for time in record.phases {
            let histogram = match time.phase {
                Phase::Validate => Some(&self.validate),
                Phase::Queue => Some(&self.queue),
                Phase::Upload => Some(&self.upload),
                // Only if it led to a program, as the others say nothing about sandboxes.
                Phase::Setup => executor.zip(record.sandbox).map(|(executor, sandbox)| {
                    if sandbox.was_idle { &executor.setup_idle } else { &executor.setup_made }
                }),
                Phase::Run => executor.map(|executor| &executor.run),
                Phase::Collect => executor.map(|executor| &executor.collect),
            };
            if let Some(histogram) = histogram {
                histogram.observe(time.duration().as_secs_f64());
            }
        }
    }

    fn refused(&self, code: &str) {
        count(&self.refused, code, 1);
    }

    fn results(&self, execution: &Execution) {
        for (metrics, captured) in [(&self.stdout, &execution.stdout), (&self.stderr, &execution.stderr)] {
            metrics.add(captured);
        }
        for artifact in &execution.artifacts {
            self.artifacts.inc();
            self.artifact_bytes.inc_by(artifact.stored.size_bytes);
        }
        for skipped in &execution.skipped {
            count(&self.skipped, skipped.reason, 1);
        }
        if execution.skipped_more > 0 {
            count(&self.skipped, MORE, execution.skipped_more);
        }
    }
}

impl Observer for ExecutionMetrics {
    fn execution(&self, record: &ExecutionRecord<'_>) {
        let executor =
            record.executor.and_then(|name| self.executors.iter().find(|executor| executor.name == name));
        self.phases(record, executor);
        match record.end {
            RecordEnd::Ended(execution) => {
                if let Some(executor) = executor {
                    executor.ended(execution);
                }
                self.results(execution);
            }
            RecordEnd::Refused(error) => self.refused(error.code()),
            // A later end of the service's is none of ours.
            _ => self.refused(CLIENT_GONE),
        }
    }
}

impl PerExecutor {
    fn all(registry: &Registry, names: &[&'static str]) -> Result<Vec<Self>, Error> {
        let outcomes = registry.counters(&catalog::EXECUTIONS)?;
        let setup = registry.histograms(&catalog::SETUP)?;
        let run = registry.histograms(&catalog::RUN)?;
        let collect = registry.histograms(&catalog::COLLECT)?;
        let cpu = registry.seconds(&catalog::CPU)?;
        let memory = registry.histograms(&catalog::MEMORY_PEAK)?;
        let outcome = |name: &str, kind: OutcomeKind, success: bool| {
            let success = if success { "true" } else { "false" };
            outcomes.get_metric_with_label_values(&[name, kind.as_str(), success])
        };
        let one = |name: &&'static str| -> Result<Self, Error> {
            let name = *name;
            let kinds = OutcomeKind::ALL.into_iter();
            Ok(Self {
                name,
                outcomes: kinds
                    .map(|kind| outcome(name, kind, kind == OutcomeKind::Exited))
                    .collect::<Result<_, Error>>()?,
                failed: outcome(name, OutcomeKind::Exited, false)?,
                setup_idle: setup.get_metric_with_label_values(&[name, "idle"])?,
                setup_made: setup.get_metric_with_label_values(&[name, "made"])?,
                run: run.get_metric_with_label_values(&[name])?,
                collect: collect.get_metric_with_label_values(&[name])?,
                cpu: cpu.get_metric_with_label_values(&[name])?,
                memory: memory.get_metric_with_label_values(&[name])?,
            })
        };
        names.iter().map(one).collect()
    }

    fn ended(&self, execution: &Execution) {
        let (verdict, usage) = (&execution.verdict, &execution.usage);
        let kind = verdict.kind();
        let counter = if kind == OutcomeKind::Exited && !verdict.success() {
            Some(&self.failed)
        } else {
            let index = OutcomeKind::ALL.iter().position(|known| *known == kind);
            index.and_then(|index| self.outcomes.get(index))
        };
        if let Some(counter) = counter {
            counter.inc();
        }
        self.cpu.inc_by(usage.cpu_time.as_secs_f64());
        if usage.memory_peak_scope == PeakScope::Execution && usage.memory_bytes_peak > 0 {
            self.memory.observe(usage.memory_bytes_peak as f64);
        }
    }
}

impl StreamMetrics {
    fn add(&self, captured: &Captured) {
        if captured.bytes > 0 {
            self.bytes.inc_by(captured.bytes);
        }
        if captured.truncated {
            self.truncated.inc();
        }
    }
}

/// Adds to the counter of this word. All words are known, so one that is not is a bug; it must not cost the others.
fn count(counters: &[(&'static str, IntCounter)], word: &str, by: u64) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == word) {
        counter.inc_by(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor::SandboxOrigin;
    use service::{CommandFacts, PhaseTime, Principal, RequestContext};
    use std::time::Duration;
    use tokio::time::Instant;

    /// The times of phases that took 0.25 s, 0.5 s, 0.75 s and so on.
    fn phases() -> [PhaseTime; Phase::COUNT] {
        let began = Instant::now();
        let length = |phase: Phase| Duration::from_millis(250 * (phase.index() as u64 + 1));
        Phase::ALL.map(|phase| PhaseTime { phase, began, ended: began + length(phase) })
    }

    #[test]
    fn each_phase_is_counted_in_seconds_under_its_own_name() {
        let registry = Registry::default();
        let metrics = ExecutionMetrics::new(&registry, &["native"], &[]).unwrap();
        let context = RequestContext::new("id", Principal::Operator);
        let origin = |was_idle| SandboxOrigin { template: "t".into(), was_idle };
        for was_idle in [true, false] {
            metrics.execution(&ExecutionRecord {
                context: &context,
                command: &CommandFacts::default(),
                end: RecordEnd::Abandoned,
                executor: Some("native"),
                sandbox: Some(&origin(was_idle)),
                attempts: 1,
                phases: &phases(),
            });
        }
        let page = registry.render().unwrap();
        for (series, seconds) in [
            ("validate_duration_seconds_sum", 2.0 * 0.25),
            ("queue_duration_seconds_sum", 2.0 * 0.5),
            (r#"setup_duration_seconds_sum{executor="native",sandbox="idle"}"#, 0.75),
            (r#"setup_duration_seconds_sum{executor="native",sandbox="made"}"#, 0.75),
            (r#"run_duration_seconds_sum{executor="native"}"#, 2.0),
            (r#"collect_duration_seconds_sum{executor="native"}"#, 2.0 * 1.25),
            ("upload_duration_seconds_sum", 2.0 * 1.5),
        ] {
            assert!(page.contains(&format!("\npython_sandbox_{series} {seconds}\n")), "{series}: {page}");
        }
    }
}
