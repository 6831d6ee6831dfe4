//! Figures that the service's parts count or measure themselves: read when a page is rendered, so that they cost nothing
//! before.

use crate::catalog;
use crate::object_store::ObjectStoreMetrics;
use crate::process::Process;
use crate::registry::{Registry, advance, set};
use prometheus::{Counter, CounterVec, Error, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use service::{ExecutorSnapshot, KeysState, Limit, LimitsSnapshot, ServiceSnapshot};
use std::time::Duration;

/// Figures of parts that the service does not know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings {
    /// Open connections.
    pub connections: u64,
    /// Connections that were refused since the start.
    pub connections_refused: u64,
    /// Downloads of output files.
    pub downloads: Downloads,
    /// Lines of the log since the start, by [`LEVELS`].
    pub log_events: [u64; LEVELS.len()],
    /// The TLS certificate; `None` without TLS.
    pub certificate: Option<Certificate>,
    /// The audit log; `None` without one.
    pub audit: Option<AuditLines>,
    /// Traces; `None` without them.
    pub traces: Option<TraceSpans>,
}

/// Downloads of output files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Downloads {
    /// In progress.
    pub running: u64,
    /// Maximum number of these.
    pub most: u64,
    /// Refused since the start.
    pub refused: u64,
}

/// Spans since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceSpans {
    /// Taken by the collector.
    pub exported: u64,
    /// Dropped as the queue was full.
    pub dropped: u64,
    /// Not taken by the collector.
    pub failed: u64,
}

/// A TLS certificate in use.
#[derive(Debug, Clone, Copy)]
pub struct Certificate {
    /// When it expires, in seconds since 1970-01-01.
    pub expires: i64,
    /// Its files were changed, and cannot be used.
    pub reload_failed: bool,
}

/// Lines of the audit log since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditLines {
    /// Written.
    pub written: u64,
    /// Lost.
    pub lost: u64,
    /// Whether lines are being lost.
    pub is_failing: bool,
}

/// The levels of [`Surroundings::log_events`], in its sequence.
pub const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// See the module.
#[derive(Debug)]
pub(crate) struct Pulled {
    connections: IntGauge,
    connections_refused: IntCounter,
    downloads: IntGauge,
    downloads_max: IntGauge,
    downloads_refused: IntCounter,
    log_events: Vec<IntCounter>,
    tls_expiry: IntGauge,
    tls_reload_failed: IntGauge,
    audit_lines: IntCounterVec,
    audit_up: IntGaugeVec,
    trace_spans: IntCounterVec,
    running: IntGauge,
    running_max: IntGauge,
    queued: IntGauge,
    queued_max: IntGauge,
    ready: IntGauge,
    shutting_down: IntGauge,
    observer_panics: IntCounter,
    executor_up: IntGaugeVec,
    executor_failures: IntCounterVec,
    executor_downs: IntCounterVec,
    second_attempts: IntCounterVec,
    failovers: IntCounterVec,
    sandboxes: IntGaugeVec,
    removing: IntGaugeVec,
    memory: IntGaugeVec,
    memory_max: IntGaugeVec,
    pool_idle: IntGaugeVec,
    pool_target: IntGaugeVec,
    pool_takes: IntCounterVec,
    made: IntCounterVec,
    make_time: CounterVec,
    interpreters: IntCounterVec,
    replaced: IntCounterVec,
    storage_up: IntGaugeVec,
    object_store: ObjectStoreMetrics,
    keys_required: IntGauge,
    keys_up: IntGaugeVec,
    keys_store_up: IntGaugeVec,
    /// By [`Limit::NAMES`], and those for no limit last.
    limits_refused: Vec<IntCounter>,
    limits_up: IntGaugeVec,
    limits_callers: IntGauge,
    process_cpu: Counter,
    process_memory: IntGauge,
    process_fds: IntGaugeVec,
    process_fds_max: IntGaugeVec,
    process_threads: IntGauge,
    process_start: IntGauge,
}

impl Pulled {
    pub(crate) fn new(registry: &Registry, version: &str, target: &str) -> Result<Self, Error> {
        let gauge = |metric| registry.gauges(metric)?.get_metric_with_label_values::<&str>(&[]);
        let log_events = registry.counters(&catalog::LOG_EVENTS)?;
        let refused = registry.counters(&catalog::LIMITS_REFUSED)?;
        let build = registry.gauges(&catalog::BUILD)?;
        build.get_metric_with_label_values(&[version, target])?.set(1);
        Ok(Self {
            connections: gauge(&catalog::CONNECTIONS)?,
            connections_refused: registry.counter(&catalog::CONNECTIONS_REFUSED)?,
            downloads: gauge(&catalog::DOWNLOADS)?,
            downloads_max: gauge(&catalog::DOWNLOADS_MAX)?,
            downloads_refused: registry.counter(&catalog::DOWNLOADS_REFUSED)?,
            log_events: LEVELS
                .iter()
                .map(|level| log_events.get_metric_with_label_values(&[level]))
                .collect::<Result<_, Error>>()?,
            tls_expiry: gauge(&catalog::TLS_EXPIRY)?,
            tls_reload_failed: gauge(&catalog::TLS_RELOAD_FAILED)?,
            audit_lines: registry.counters(&catalog::AUDIT_LINES)?,
            trace_spans: registry.counters(&catalog::TRACE_SPANS)?,
            audit_up: registry.gauges(&catalog::AUDIT_UP)?,
            running: gauge(&catalog::RUNNING)?,
            running_max: gauge(&catalog::RUNNING_MAX)?,
            queued: gauge(&catalog::QUEUED)?,
            queued_max: gauge(&catalog::QUEUED_MAX)?,
            ready: gauge(&catalog::READY)?,
            shutting_down: gauge(&catalog::SHUTTING_DOWN)?,
            observer_panics: registry.counter(&catalog::OBSERVER_PANICS)?,
            executor_up: registry.gauges(&catalog::EXECUTOR_UP)?,
            executor_failures: registry.counters(&catalog::EXECUTOR_FAILURES)?,
            executor_downs: registry.counters(&catalog::EXECUTOR_DOWNS)?,
            second_attempts: registry.counters(&catalog::SECOND_ATTEMPTS)?,
            failovers: registry.counters(&catalog::FAILOVERS)?,
            sandboxes: registry.gauges(&catalog::SANDBOXES)?,
            removing: registry.gauges(&catalog::REMOVING)?,
            memory: registry.gauges(&catalog::SANDBOX_MEMORY)?,
            memory_max: registry.gauges(&catalog::SANDBOX_MEMORY_MAX)?,
            pool_idle: registry.gauges(&catalog::POOL_IDLE)?,
            pool_target: registry.gauges(&catalog::POOL_TARGET)?,
            pool_takes: registry.counters(&catalog::POOL_TAKES)?,
            made: registry.counters(&catalog::SANDBOXES_MADE)?,
            make_time: registry.seconds(&catalog::SANDBOX_MAKE)?,
            interpreters: registry.counters(&catalog::INTERPRETERS)?,
            replaced: registry.counters(&catalog::TEMPLATES_REPLACED)?,
            storage_up: registry.gauges(&catalog::STORAGE_UP)?,
            object_store: ObjectStoreMetrics::new(registry)?,
            keys_required: gauge(&catalog::KEYS_REQUIRED)?,
            keys_up: registry.gauges(&catalog::KEYS_UP)?,
            keys_store_up: registry.gauges(&catalog::KEYS_STORE_UP)?,
            limits_refused: Limit::NAMES
                .iter()
                .chain(&["unavailable"])
                .map(|limit| refused.get_metric_with_label_values(&[limit]))
                .collect::<Result<_, Error>>()?,
            limits_up: registry.gauges(&catalog::LIMITS_UP)?,
            limits_callers: gauge(&catalog::LIMITS_CALLERS)?,
            process_cpu: registry.seconds(&catalog::PROCESS_CPU)?.get_metric_with_label_values::<&str>(&[])?,
            process_memory: gauge(&catalog::PROCESS_MEMORY)?,
            process_fds: registry.gauges(&catalog::PROCESS_FDS)?,
            process_fds_max: registry.gauges(&catalog::PROCESS_FDS_MAX)?,
            process_threads: gauge(&catalog::PROCESS_THREADS)?,
            process_start: gauge(&catalog::PROCESS_START)?,
        })
    }

    /// Takes over what the service counts. The caller makes sure that no other call runs meanwhile: counters advance by
    /// the difference to what they show.
    pub(crate) fn service(&self, snapshot: &ServiceSnapshot) {
        let load = &snapshot.load;
        set(&self.running, load.running as u64);
        set(&self.running_max, load.running_max as u64);
        set(&self.queued, load.waiting as u64);
        set(&self.queued_max, load.waiting_max as u64);
        set(&self.ready, u64::from(snapshot.ready));
        set(&self.shutting_down, u64::from(snapshot.shutting_down));
        advance(&self.observer_panics, snapshot.observer_panics);
        for (index, executor) in snapshot.executors.iter().enumerate() {
            self.executor(executor, if index == 0 { "first" } else { "fallback" });
        }
        let keys = &snapshot.keys;
        set(&self.keys_required, u64::from(keys.state == KeysState::On));
        set(&self.keys_up.with_label_values(&[keys.store]), u64::from(keys.problem.is_none()));
        set(&self.keys_store_up.with_label_values(&[keys.store]), u64::from(keys.is_store_up));
        self.limits(&snapshot.limits);
        if let Some(storage) = snapshot.storage {
            set(&self.storage_up.with_label_values(&[storage.provider]), u64::from(storage.is_up));
            if let Some(stats) = &storage.object_store {
                self.object_store.show(stats);
            }
        }
    }

    fn limits(&self, limits: &LimitsSnapshot) {
        for (counter, count) in
            self.limits_refused.iter().zip(limits.refused.iter().chain([&limits.unavailable]))
        {
            advance(counter, *count);
        }
        let (store, is_up) = limits.shared_up.map_or(("memory", true), |is_up| ("redis", is_up));
        set(&self.limits_up.with_label_values(&[store]), u64::from(is_up));
        set(&self.limits_callers, limits.callers);
    }

    fn executor(&self, executor: &ExecutorSnapshot, role: &str) {
        let stats = &executor.stats;
        let name = stats.name;
        set(&self.executor_up.with_label_values(&[name, role]), u64::from(executor.is_up));
        let failures = &stats.failures;
        for (kind, count) in
            [("request", failures.request), ("sandbox", failures.sandbox), ("provider", failures.provider)]
        {
            advance(&self.executor_failures.with_label_values(&[name, kind]), count);
        }
        for (counters, count) in [
            (&self.executor_downs, stats.downs),
            (&self.second_attempts, stats.second_attempts),
            (&self.failovers, stats.failovers),
        ] {
            advance(&counters.with_label_values(&[name]), count);
        }
        let own = &stats.executor;
        for (gauges, number) in [
            (&self.sandboxes, own.sandboxes),
            (&self.removing, own.removing),
            (&self.memory, own.memory_bytes),
            (&self.memory_max, own.memory_bytes_max),
        ] {
            if let Some(number) = number {
                set(&gauges.with_label_values(&[name]), number);
            }
        }
        for template in &own.templates {
            let (labels, pool) = ([name, &*template.name], &template.pool);
            set(&self.pool_idle.with_label_values(&labels), pool.idle);
            set(&self.pool_target.with_label_values(&labels), pool.target);
            advance(&self.replaced.with_label_values(&labels), template.replaced);
            advance_time(&self.make_time.with_label_values(&labels), pool.make_time);
            let of = |counters: &IntCounterVec, result: &str, count: u64| {
                advance(&counters.with_label_values(&[name, &*template.name, result]), count);
            };
            of(&self.pool_takes, "idle", pool.taken_idle);
            of(&self.pool_takes, "made", pool.taken_made);
            of(&self.pool_takes, "unusable", pool.unusable);
            of(&self.made, "made", pool.made);
            of(&self.made, "failed", pool.failed);
            if let Some(interpreters) = &template.interpreters {
                of(&self.interpreters, "forked", interpreters.forked);
                of(&self.interpreters, "started", interpreters.started);
                of(&self.interpreters, "started_instead", interpreters.started_instead);
            }
        }
    }

    pub(crate) fn surroundings(&self, surroundings: &Surroundings) {
        set(&self.connections, surroundings.connections);
        advance(&self.connections_refused, surroundings.connections_refused);
        let Downloads { running, most, refused } = surroundings.downloads;
        set(&self.downloads, running);
        set(&self.downloads_max, most);
        advance(&self.downloads_refused, refused);
        for (counter, count) in self.log_events.iter().zip(surroundings.log_events) {
            advance(counter, count);
        }
        let certificate = surroundings.certificate.as_ref();
        self.tls_expiry.set(certificate.map_or(0, |certificate| certificate.expires));
        self.tls_reload_failed.set(certificate.is_some_and(|certificate| certificate.reload_failed).into());
        if let Some(AuditLines { written, lost, is_failing }) = surroundings.audit {
            for (result, count) in [("written", written), ("lost", lost)] {
                advance(&self.audit_lines.with_label_values(&[result]), count);
            }
            set(&self.audit_up.with_label_values::<&str>(&[]), u64::from(!is_failing));
        }
        if let Some(TraceSpans { exported, dropped, failed }) = surroundings.traces {
            for (result, count) in [("exported", exported), ("dropped", dropped), ("failed", failed)] {
                advance(&self.trace_spans.with_label_values(&[result]), count);
            }
        }
    }

    pub(crate) fn process(&self, process: &Process) {
        advance_time(&self.process_cpu, process.cpu_time);
        set(&self.process_memory, process.resident_bytes);
        set(&self.process_threads, process.threads);
        set(&self.process_start, process.started_s);
        for (gauges, number) in [(&self.process_fds, process.fds), (&self.process_fds_max, process.fds_max)] {
            if let Some(number) = number {
                set(&gauges.with_label_values::<&str>(&[]), number);
            }
        }
    }
}

fn advance_time(counter: &Counter, time: Duration) {
    // A counter of seconds refuses a negative difference, which rounding could make.
    counter.inc_by((time.as_secs_f64() - counter.get()).max(0.0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor::{ExecutorStats, FailureStats, InterpreterStats, LinkStats, PoolStats, TemplateStats};
    use service::{KeysHealth, Load};

    fn executor() -> ExecutorSnapshot {
        let template = TemplateStats {
            name: "t".into(),
            pool: PoolStats {
                idle: 1,
                target: 2,
                taken_idle: 3,
                taken_made: 4,
                unusable: 5,
                made: 6,
                failed: 7,
                make_time: Duration::from_millis(8500),
            },
            interpreters: Some(InterpreterStats { forked: 9, started: 10, started_instead: 11 }),
            replaced: 12,
        };
        let stats = LinkStats {
            name: "native",
            is_down: false,
            downs: 13,
            failures: FailureStats { request: 14, sandbox: 15, provider: 16 },
            second_attempts: 17,
            failovers: 18,
            executor: ExecutorStats {
                templates: vec![template],
                sandboxes: Some(19),
                removing: Some(20),
                memory_bytes: Some(21),
                memory_bytes_max: Some(22),
            },
        };
        ExecutorSnapshot { is_up: true, stats }
    }

    /// With a number of its own for each.
    #[test]
    fn each_figure_is_shown_under_its_own_name() {
        let registry = Registry::default();
        let pulled = Pulled::new(&registry, "1", "t").unwrap();
        let snapshot = ServiceSnapshot {
            load: Load { running: 31, running_max: 32, waiting: 33, waiting_max: 34, refused: 35 },
            ready: true,
            shutting_down: false,
            executors: vec![executor()],
            storage: None,
            keys: KeysHealth { state: KeysState::On, store: "redis", problem: None, is_store_up: false },
            limits: LimitsSnapshot {
                refused: [41, 42, 43, 44],
                unavailable: 45,
                shared_up: Some(false),
                callers: 46,
            },
            observer_panics: 47,
        };
        let process = Process {
            cpu_time: Duration::from_millis(51_500),
            resident_bytes: 52,
            threads: 53,
            started_s: 54,
            fds: Some(55),
            fds_max: Some(56),
        };
        for _ in 0..2 {
            pulled.service(&snapshot);
            pulled.process(&process);
        }
        let page = registry.render().unwrap();
        for (series, value) in [
            ("programs_running", "31"),
            ("programs_running_limit", "32"),
            ("requests_queued", "33"),
            ("requests_queued_limit", "34"),
            ("observer_panics_total", "47"),
            (r#"executor_failures_total{executor="native",kind="request"}"#, "14"),
            (r#"executor_failures_total{executor="native",kind="sandbox"}"#, "15"),
            (r#"executor_failures_total{executor="native",kind="provider"}"#, "16"),
            (r#"executor_downs_total{executor="native"}"#, "13"),
            (r#"executor_second_attempts_total{executor="native"}"#, "17"),
            (r#"executor_failovers_total{executor="native"}"#, "18"),
            (r#"sandboxes{executor="native"}"#, "19"),
            (r#"sandboxes_removing{executor="native"}"#, "20"),
            (r#"sandboxes_memory_bytes{executor="native"}"#, "21"),
            (r#"sandboxes_memory_limit_bytes{executor="native"}"#, "22"),
            (r#"pool_idle{executor="native",template="t"}"#, "1"),
            (r#"pool_target{executor="native",template="t"}"#, "2"),
            (r#"pool_takes_total{executor="native",result="idle",template="t"}"#, "3"),
            (r#"pool_takes_total{executor="native",result="made",template="t"}"#, "4"),
            (r#"pool_takes_total{executor="native",result="unusable",template="t"}"#, "5"),
            (r#"sandboxes_made_total{executor="native",result="made",template="t"}"#, "6"),
            (r#"sandboxes_made_total{executor="native",result="failed",template="t"}"#, "7"),
            (r#"sandbox_make_seconds_total{executor="native",template="t"}"#, "8.5"),
            (r#"interpreters_total{executor="native",origin="forked",template="t"}"#, "9"),
            (r#"interpreters_total{executor="native",origin="started",template="t"}"#, "10"),
            (r#"interpreters_total{executor="native",origin="started_instead",template="t"}"#, "11"),
            (r#"template_replacements_total{executor="native",template="t"}"#, "12"),
            ("api_keys_required", "1"),
            (r#"api_keys_up{store="redis"}"#, "1"),
            (r#"api_keys_store_up{store="redis"}"#, "0"),
            (r#"limits_refused_total{limit="rate"}"#, "41"),
            (r#"limits_refused_total{limit="concurrent"}"#, "42"),
            (r#"limits_refused_total{limit="cpu"}"#, "43"),
            (r#"limits_refused_total{limit="stored"}"#, "44"),
            (r#"limits_refused_total{limit="unavailable"}"#, "45"),
            (r#"limits_up{store="redis"}"#, "0"),
            ("limits_callers", "46"),
        ] {
            assert!(page.contains(&format!("\npython_sandbox_{series} {value}\n")), "{series}: {page}");
        }
        for (series, value) in [
            ("cpu_seconds_total", "51.5"),
            ("resident_memory_bytes", "52"),
            ("threads", "53"),
            ("start_time_seconds", "54"),
            ("open_fds", "55"),
            ("max_fds", "56"),
        ] {
            assert!(page.contains(&format!("\nprocess_{series} {value}\n")), "{series}: {page}");
        }
    }
}
