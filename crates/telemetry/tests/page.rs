//! The page over a real service whose executor is scripted: its counts are those of what was run.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use async_trait::async_trait;
use executor::scripted::{Script, ScriptedExecutor, ScriptedReport};
use executor::{
    Executor, ExecutorError, ExecutorStats, Freshness, Health, Hints, InterpreterStats, PoolStats, Sandbox,
    TemplateStats,
};
use service::{Chain, ExecuteCommand, ObjectStoreStats, Principal, RequestContext, Service, ServiceConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use storage::{CleanError, Cleaned, NewFile, PutError, Store, StoreHealth, StoredFile};
use telemetry::{AuditLines, Certificate, Config, Downloads, METRICS, Surroundings, Telemetry, TraceSpans};
use validator::Policy;

const ROUTES: [&str; 11] = ["/", "/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h", "/i", "/j"];

fn telemetry(executors: &[&'static str]) -> Telemetry {
    let read = || Surroundings {
        connections: 3,
        connections_refused: 2,
        downloads: Downloads { running: 11, most: 12, refused: 13 },
        log_events: [1, 2, 3, 4, 5],
        certificate: Some(Certificate { expires: 1_900_000_000, reload_failed: true }),
        audit: Some(AuditLines { written: 6, lost: 7, is_failing: true }),
        traces: Some(TraceSpans { exported: 8, dropped: 9, failed: 10 }),
    };
    let config = Config {
        version: "1.2.3",
        target: "x86_64-linux",
        executors,
        routes: &ROUTES,
        error_codes: &["busy", "internal"],
        skip_reasons: &["symlink", "more"],
        surroundings: Box::new(read),
    };
    Telemetry::start(config).unwrap()
}

/// Each series with its value.
fn samples(page: &[u8]) -> BTreeMap<String, f64> {
    let text = std::str::from_utf8(page).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// Waits until the page may be made again.
async fn fresh(telemetry: &Telemetry) -> BTreeMap<String, f64> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    samples(&telemetry.page.render().unwrap())
}

fn sum(samples: &BTreeMap<String, f64>, name: &str) -> f64 {
    let own = |series: &&String| series.split('{').next() == Some(name);
    samples.keys().filter(own).map(|series| samples[series]).sum()
}

/// Counts itself, with a template.
#[derive(Debug)]
struct Counting {
    inner: ScriptedExecutor,
    count: AtomicU64,
}

#[async_trait]
impl Executor for Counting {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn create(&self, hints: &Hints, freshness: Freshness) -> Result<Sandbox, ExecutorError> {
        self.inner.create(hints, freshness).await
    }

    fn stats(&self) -> ExecutorStats {
        let count = self.count.load(Ordering::SeqCst);
        let pool = PoolStats {
            idle: 7,
            target: 8,
            taken_idle: count,
            make_time: Duration::from_millis(1500),
            ..PoolStats::default()
        };
        let interpreters = Some(InterpreterStats { forked: count, ..InterpreterStats::default() });
        let template = |name: String| TemplateStats { name: name.into(), pool, interpreters, replaced: 1 };
        ExecutorStats {
            templates: (0..6).map(|number| template(format!("t{number}"))).collect(),
            sandboxes: Some(9),
            removing: Some(1),
            memory_bytes: Some(1 << 40),
            memory_bytes_max: None,
        }
    }

    async fn shut_down(&self) {}
}

fn start(telemetry: &Telemetry, executors: Vec<Arc<dyn Executor>>) -> Arc<Service> {
    let observer = telemetry.executions.clone();
    let config = ServiceConfig { running_max: 4, observer, ..ServiceConfig::new(Policy::default()) };
    let service = Service::start(config, Chain::new(executors), None);
    telemetry.page.watch(Arc::downgrade(&service));
    service
}

async fn run(service: &Service, code: &str) -> bool {
    let command = ExecuteCommand { code: code.to_owned(), ..ExecuteCommand::default() };
    service.execute(&RequestContext::new("id", Principal::Operator), command).await.is_ok()
}

const PEAK_BYTES: u32 = 48 << 20;

/// The same after 1.5 s of CPU time and with a peak of memory.
fn used(mut report: ScriptedReport) -> ScriptedReport {
    report.report.cpu_time_us = 1_500_000;
    report.report.resident_bytes_peak = u64::from(PEAK_BYTES);
    report
}

#[tokio::test]
async fn counts_start_at_0_and_are_those_of_what_was_run() {
    let telemetry = telemetry(&["memory", "other"]);
    let report = ScriptedReport {
        stdout: b"12345".to_vec(),
        skipped: vec![("link".to_owned(), protocol::SkipReason::Symlink)],
        skipped_more: 4,
        ..used(ScriptedReport::exited(3))
    };
    let failing = ScriptedExecutor::named("memory", Script::Answer(Box::new(report)));
    let service = start(&telemetry, vec![Arc::new(failing)]);
    service.health().await;
    let before = samples(&telemetry.page.render().unwrap());
    for series in [
        r#"python_sandbox_executions_total{executor="memory",outcome="exited",success="true"}"#,
        r#"python_sandbox_executions_total{executor="other",outcome="timeout",success="false"}"#,
        r#"python_sandbox_executions_refused_total{code="client_gone"}"#,
        r#"python_sandbox_http_errors_total{code="busy"}"#,
        r#"python_sandbox_artifacts_skipped_total{reason="more"}"#,
        r#"python_sandbox_setup_duration_seconds_count{executor="memory",sandbox="idle"}"#,
        "python_sandbox_upload_duration_seconds_count",
    ] {
        assert_eq!(before.get(series), Some(&0.0), "{series}");
    }
    for _ in 0..3 {
        assert!(run(&service, "x = 1").await);
    }
    assert!(!run(&service, "import os").await);
    assert_eq!(samples(&telemetry.page.render().unwrap()), before, "rendered four times a second at most");
    let after = fresh(&telemetry).await;
    for (series, value) in [
        (r#"python_sandbox_executions_total{executor="memory",outcome="exited",success="false"}"#, 3.0),
        (r#"python_sandbox_executions_refused_total{code="validation_failed"}"#, 1.0),
        ("python_sandbox_validate_duration_seconds_count", 4.0),
        ("python_sandbox_queue_duration_seconds_count", 3.0),
        (r#"python_sandbox_setup_duration_seconds_count{executor="memory",sandbox="made"}"#, 3.0),
        (r#"python_sandbox_run_duration_seconds_count{executor="memory"}"#, 3.0),
        (r#"python_sandbox_collect_duration_seconds_count{executor="memory"}"#, 3.0),
        (r#"python_sandbox_output_bytes_total{stream="stdout"}"#, 15.0),
        (r#"python_sandbox_artifacts_skipped_total{reason="symlink"}"#, 3.0),
        (r#"python_sandbox_artifacts_skipped_total{reason="more"}"#, 12.0),
        ("python_sandbox_programs_running_limit", 4.0),
        ("python_sandbox_ready", 1.0),
        (r#"python_sandbox_executor_up{executor="memory",role="first"}"#, 1.0),
        (r#"python_sandbox_log_events_total{level="debug"}"#, 4.0),
        ("python_sandbox_http_connections", 3.0),
        ("python_sandbox_http_connections_refused_total", 2.0),
        ("python_sandbox_tls_certificate_expiry_timestamp_seconds", 1_900_000_000.0),
        ("python_sandbox_tls_reload_failed", 1.0),
        (r#"python_sandbox_audit_lines_total{result="written"}"#, 6.0),
        (r#"python_sandbox_audit_lines_total{result="lost"}"#, 7.0),
        ("python_sandbox_audit_up", 0.0),
        (r#"python_sandbox_trace_spans_total{result="exported"}"#, 8.0),
        (r#"python_sandbox_trace_spans_total{result="dropped"}"#, 9.0),
        (r#"python_sandbox_trace_spans_total{result="failed"}"#, 10.0),
        (r#"python_sandbox_execution_cpu_seconds_total{executor="memory"}"#, 4.5),
        (r#"python_sandbox_execution_memory_peak_bytes_sum{executor="memory"}"#, 3.0 * f64::from(PEAK_BYTES)),
        ("python_sandbox_http_downloads", 11.0),
        ("python_sandbox_http_downloads_limit", 12.0),
        ("python_sandbox_http_downloads_refused_total", 13.0),
        (r#"python_sandbox_build_info{target="x86_64-linux",version="1.2.3"}"#, 1.0),
    ] {
        assert_eq!(after.get(series), Some(&value), "{series}");
    }
    assert_eq!(sum(&after, "python_sandbox_executions_total"), 3.0);
    // Whatever the name of the store: none is away, and no key is required.
    for (name, value) in
        [("api_keys_up", 1.0), ("api_keys_store_up", 1.0), ("api_keys_required", 0.0), ("limits_up", 1.0)]
    {
        assert_eq!(sum(&after, &format!("python_sandbox_{name}")), value, "{name}");
    }
    assert!(after["process_open_fds"] > 2.0 && after.contains_key("process_cpu_seconds_total"));
    service.shut_down(Duration::ZERO).await;
    let stopping = fresh(&telemetry).await;
    assert_eq!((stopping["python_sandbox_ready"], stopping["python_sandbox_shutting_down"]), (0.0, 1.0));
}

#[tokio::test]
async fn counts_of_an_executor_advance_and_its_sizes_are_those_now() {
    let telemetry = telemetry(&["memory"]);
    let inner = ScriptedExecutor::named("memory", Script::Echo);
    let executor = Arc::new(Counting { inner, count: AtomicU64::new(5) });
    let _service = start(&telemetry, vec![executor.clone()]);
    let takes = r#"python_sandbox_pool_takes_total{executor="memory",result="idle",template="t0"}"#;
    let seconds = r#"python_sandbox_sandbox_make_seconds_total{executor="memory",template="t5"}"#;
    for count in [5, 5, 8] {
        executor.count.store(count, Ordering::SeqCst);
        let page = fresh(&telemetry).await;
        assert_eq!((page[takes], page[seconds]), (count as f64, 1.5));
        assert_eq!(page[r#"python_sandbox_pool_idle{executor="memory",template="t0"}"#], 7.0);
        assert_eq!(page[r#"python_sandbox_sandboxes_memory_bytes{executor="memory"}"#], (1u64 << 40) as f64);
        let limit = r#"python_sandbox_sandboxes_memory_limit_bytes{executor="memory"}"#;
        assert!(!page.contains_key(limit), "what there is not has no series");
    }
}

/// With everything that clients can cause and more templates and executors than anybody has.
#[tokio::test]
async fn the_number_of_series_is_bounded_and_each_metric_is_described() {
    let names = ["a", "b", "c", "d", "e"];
    let telemetry = telemetry(&names);
    let executors = names.map(|name| {
        let inner = ScriptedExecutor::named(name, Script::Echo);
        Arc::new(Counting { inner, count: AtomicU64::new(1) }) as Arc<dyn Executor>
    });
    let service = start(&telemetry, executors.into());
    for route in ROUTES.into_iter().chain(["/nowhere"]) {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
            for status in 100..=600 {
                telemetry.http.began();
                telemetry.http.answered(method, route, status, Duration::ZERO, Some("busy"));
            }
        }
    }
    service.health().await;
    let page = telemetry.page.render().unwrap();
    let series = samples(&page);
    assert!(series.len() < 3000, "{}", series.len());
    let described: BTreeSet<_> = String::from_utf8(page.to_vec())
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next().map(str::to_owned))
        .collect();
    // No store, and no limit on the memory.
    let is_missing = |name: &str| {
        name.starts_with("python_sandbox_storage_") || name == "python_sandbox_sandboxes_memory_limit_bytes"
    };
    for metric in METRICS {
        assert_eq!(described.contains(metric.name), !is_missing(metric.name), "{}", metric.name);
    }
}

/// A store that counts itself, and whose object store has files waiting.
#[derive(Debug)]
struct CountingStore;

#[async_trait]
impl Store for CountingStore {
    fn provider(&self) -> &'static str {
        "s3"
    }

    async fn put(&self, _file: NewFile, _by: tokio::time::Instant) -> Result<StoredFile, PutError> {
        Err(PutError::NoRoom { reason: "a test".into() })
    }

    async fn health(&self) -> StoreHealth {
        StoreHealth::unhealthy("a test")
    }

    async fn clean(&self) -> Result<Cleaned, CleanError> {
        Ok(Cleaned::default())
    }

    fn object_store(&self) -> Option<ObjectStoreStats> {
        Some(ObjectStoreStats {
            requests: [[1, 2, 3, 4], [5; 4], [6; 4], [7; 4], [8, 8, 8, 9]],
            retries: 10,
            uploaded_bytes: 11,
            uploaded: 12,
            kept_locally: 13,
            moved: 14,
            expired: 15,
            move_failed: 16,
            waiting: 17,
            waiting_bytes: 18,
            waiting_longest: Duration::from_secs(3600),
            damaged: 19,
            link_lifetime: Duration::from_secs(18_000),
        })
    }
}

#[tokio::test]
async fn the_object_store_is_shown_as_it_counts_itself() {
    let telemetry = telemetry(&["memory"]);
    let observer = telemetry.executions.clone();
    let config = ServiceConfig { observer, ..ServiceConfig::new(Policy::default()) };
    let executor: Arc<dyn Executor> = Arc::new(ScriptedExecutor::named("memory", Script::Echo));
    let service = Service::start(config, Chain::new(vec![executor]), Some(Arc::new(CountingStore)));
    telemetry.page.watch(Arc::downgrade(&service));
    service.health().await;
    let page = samples(&telemetry.page.render().unwrap());
    let of = |name: &str| page[&format!("python_sandbox_storage_{name}")];
    assert_eq!(of(r#"up{provider="s3"}"#), 0.0);
    for (operation, result, count) in
        [("put", "ok", 1.0), ("put", "refused", 2.0), ("put", "failed", 3.0), ("put", "unanswered", 4.0)]
            .into_iter()
            .chain([
                ("get", "ok", 5.0),
                ("head", "ok", 6.0),
                ("list", "failed", 7.0),
                ("delete", "unanswered", 9.0),
            ])
    {
        let series = format!(r#"requests_total{{operation="{operation}",result="{result}"}}"#);
        assert_eq!(of(&series), count, "{series}");
    }
    assert_eq!((of("retries_total"), of("uploaded_bytes_total")), (10.0, 11.0));
    let files = ["uploaded", "kept", "moved", "expired", "move_failed"]
        .map(|event| of(&format!(r#"files_total{{event="{event}"}}"#)));
    assert_eq!(files, [12.0, 13.0, 14.0, 15.0, 16.0]);
    assert_eq!((of("waiting_files"), of("waiting_bytes")), (17.0, 18.0));
    assert_eq!((of("waiting_oldest_age_seconds"), of("link_lifetime_seconds")), (3600.0, 18_000.0));
    assert_eq!(of("damaged_files"), 19.0);
}

#[tokio::test]
async fn a_page_outlives_its_service() {
    let telemetry = telemetry(&["memory"]);
    let service = start(&telemetry, vec![Arc::new(ScriptedExecutor::named("memory", Script::Echo))]);
    drop(service);
    assert_eq!(samples(&telemetry.page.render().unwrap())["python_sandbox_http_connections"], 3.0);
}
