//! THE table of metrics: names, types, labels, buckets and help texts. `docs/metrics.md` is generated from it.
//!
//! Names and units follow Prometheus's conventions (<https://prometheus.io/docs/practices/naming/>). The values of every
//! label come from a closed set: settings, words of the API, routes. No label has a text of a client or of a program, so
//! that nobody can create series.

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its whole name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number that never decreases.
    Counter,
    /// A number with a fraction that never decreases.
    Seconds,
    /// A whole number.
    Gauge,
    /// Observations, counted in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

use Kind::{Counter, Gauge, Histogram, Seconds};

/// Seconds of work that usually takes milliseconds.
const SHORT: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Seconds of work that may take minutes.
const LONG: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0];
const MIB: f64 = 1_048_576.0;
/// Bytes of memory of one program.
const MEMORY: &[f64] =
    &[8.0 * MIB, 16.0 * MIB, 32.0 * MIB, 64.0 * MIB, 128.0 * MIB, 256.0 * MIB, 512.0 * MIB, 1024.0 * MIB];

macro_rules! catalog {
    ($($constant:ident = $kind:expr, $name:literal, [$($label:literal),*], $help:literal;)+) => {
        $(pub(crate) const $constant: Metric =
            Metric { name: $name, kind: $kind, labels: &[$($label),*], help: $help };)+

        /// All metrics.
        pub const METRICS: &[Metric] = &[$($constant),+];
    };
}

catalog! {
    // HTTP.
    HTTP_REQUESTS = Counter, "python_sandbox_http_requests_total", ["method", "route", "status"],
        "HTTP requests by method, route and status; status 499 if the client went away, route `unmatched` if no route has the path.";
    HTTP_DURATION = Histogram(LONG), "python_sandbox_http_request_duration_seconds", ["route"],
        "Time from the head of a request until its answer was made.";
    HTTP_ERRORS = Counter, "python_sandbox_http_errors_total", ["code"],
        "HTTP answers with an error, by its code.";
    HTTP_IN_PROGRESS = Gauge, "python_sandbox_http_requests_in_progress", [],
        "HTTP requests whose answer is being made.";
    CONNECTIONS = Gauge, "python_sandbox_http_connections", [],
        "Open connections.";
    CONNECTIONS_REFUSED = Counter, "python_sandbox_http_connections_refused_total", [],
        "Connections that were refused because every one was working on a request.";
    DOWNLOADS = Gauge, "python_sandbox_http_downloads", [],
        "Output files that are being downloaded from this service.";
    DOWNLOADS_MAX = Gauge, "python_sandbox_http_downloads_limit", [],
        "Maximum number of downloads at the same time.";
    DOWNLOADS_REFUSED = Counter, "python_sandbox_http_downloads_refused_total", [],
        "Downloads that were refused because there were too many, of all clients or of one.";

    TLS_EXPIRY = Gauge, "python_sandbox_tls_certificate_expiry_timestamp_seconds", [],
        "When the TLS certificate in use expires, in seconds since 1970-01-01; 0 without TLS.";
    TLS_RELOAD_FAILED = Gauge, "python_sandbox_tls_reload_failed", [],
        "1 while the files with the TLS certificate and its key were changed and cannot be used, else 0.";

    // Executions.
    EXECUTIONS = Counter, "python_sandbox_executions_total", ["executor", "outcome", "success"],
        "Programs that have an answer, by how they ended.";
    REFUSED = Counter, "python_sandbox_executions_refused_total", ["code"],
        "Programs that were not run, or whose answer was lost, by the code of the error; `client_gone` if the client went away.";
    VALIDATE = Histogram(SHORT), "python_sandbox_validate_duration_seconds", [],
        "Time in the validator.";
    QUEUE = Histogram(LONG), "python_sandbox_queue_duration_seconds", [],
        "Time in the queue, until a slot was granted or the request was refused.";
    SETUP = Histogram(SHORT), "python_sandbox_setup_duration_seconds", ["executor", "sandbox"],
        "Time from the slot until the program began: in an idle sandbox, or in one made for it.";
    RUN = Histogram(LONG), "python_sandbox_run_duration_seconds", ["executor"],
        "Time from the program's beginning until its end.";
    COLLECT = Histogram(SHORT), "python_sandbox_collect_duration_seconds", ["executor"],
        "Time from the program's end until its last output file had arrived.";
    UPLOAD = Histogram(LONG), "python_sandbox_upload_duration_seconds", [],
        "Time to put the output files of one program into the store.";
    CPU = Seconds, "python_sandbox_execution_cpu_seconds_total", ["executor"],
        "CPU time of programs.";
    MEMORY_PEAK = Histogram(MEMORY), "python_sandbox_execution_memory_peak_bytes", ["executor"],
        "Peak of memory of each program, where it is known for the program alone.";
    OUTPUT = Counter, "python_sandbox_output_bytes_total", ["stream"],
        "Bytes that programs wrote to stdout and stderr, kept or not.";
    TRUNCATED = Counter, "python_sandbox_output_truncated_total", ["stream"],
        "Programs whose stdout or stderr was truncated.";
    ARTIFACTS = Counter, "python_sandbox_artifacts_total", [],
        "Output files that were stored.";
    ARTIFACT_BYTES = Counter, "python_sandbox_artifact_bytes_total", [],
        "Bytes of output files that were stored.";
    SKIPPED = Counter, "python_sandbox_artifacts_skipped_total", ["reason"],
        "Entries of the output directory that were not stored, by the reason; `more` for those beyond the list of an answer.";

    // Load and state.
    RUNNING = Gauge, "python_sandbox_programs_running", [],
        "Programs that hold a slot.";
    RUNNING_MAX = Gauge, "python_sandbox_programs_running_limit", [],
        "Number of slots.";
    QUEUED = Gauge, "python_sandbox_requests_queued", [],
        "Requests in the queue.";
    QUEUED_MAX = Gauge, "python_sandbox_requests_queued_limit", [],
        "Maximum length of the queue.";
    READY = Gauge, "python_sandbox_ready", [],
        "1 while work is accepted, as /health says, else 0.";
    SHUTTING_DOWN = Gauge, "python_sandbox_shutting_down", [],
        "1 once the service is stopping, else 0.";
    OBSERVER_PANICS = Counter, "python_sandbox_observer_panics_total", [],
        "Executions that metrics lack because of a bug.";
    LOG_EVENTS = Counter, "python_sandbox_log_events_total", ["level"],
        "Lines of the log.";
    AUDIT_LINES = Counter, "python_sandbox_audit_lines_total", ["result"],
        "Lines of the audit log: `written`, or `lost` because the log could not be written.";
    AUDIT_UP = Gauge, "python_sandbox_audit_up", [],
        "1 while the audit log is written, else 0: lines are being lost.";
    TRACE_SPANS = Counter, "python_sandbox_trace_spans_total", ["result"],
        "Spans of traces: `exported` to the collector, `dropped` because the queue was full, or `failed` because the collector did not take them or the service stopped first.";
    BUILD = Gauge, "python_sandbox_build_info", ["version", "target"],
        "Always 1; the labels are the version and the platform.";

    // Executors.
    EXECUTOR_UP = Gauge, "python_sandbox_executor_up", ["executor", "role"],
        "1 while programs are sent to the executor, else 0; role `first` or `fallback`.";
    EXECUTOR_FAILURES = Counter, "python_sandbox_executor_failures_total", ["executor", "kind"],
        "Failed attempts to run a program, by what caused them: the request, one sandbox, or the provider as a whole.";
    EXECUTOR_DOWNS = Counter, "python_sandbox_executor_downs_total", ["executor"],
        "How often the executor went down.";
    SECOND_ATTEMPTS = Counter, "python_sandbox_executor_second_attempts_total", ["executor"],
        "Programs that were sent to a second sandbox.";
    FAILOVERS = Counter, "python_sandbox_executor_failovers_total", ["executor"],
        "Programs that were sent to the next executor.";
    SANDBOXES = Gauge, "python_sandbox_sandboxes", ["executor"],
        "Sandboxes that exist, idle or in use.";
    REMOVING = Gauge, "python_sandbox_sandboxes_removing", ["executor"],
        "Sandboxes that are being removed.";
    SANDBOX_MEMORY = Gauge, "python_sandbox_sandboxes_memory_bytes", ["executor"],
        "Memory of all sandboxes together with the templates, as the kernel counts it.";
    SANDBOX_MEMORY_MAX = Gauge, "python_sandbox_sandboxes_memory_limit_bytes", ["executor"],
        "Limit on the memory of all sandboxes together.";
    POOL_IDLE = Gauge, "python_sandbox_pool_idle", ["executor", "template"],
        "Idle sandboxes.";
    POOL_TARGET = Gauge, "python_sandbox_pool_target", ["executor", "template"],
        "Idle sandboxes that the pool keeps ready now.";
    POOL_TAKES = Counter, "python_sandbox_pool_takes_total", ["executor", "template", "result"],
        "Sandboxes taken from the pool: idle ones, ones made for the request, and idle ones that were no longer usable.";
    SANDBOXES_MADE = Counter, "python_sandbox_sandboxes_made_total", ["executor", "template", "result"],
        "Sandboxes that were made, and attempts that failed.";
    SANDBOX_MAKE = Seconds, "python_sandbox_sandbox_make_seconds_total", ["executor", "template"],
        "Time spent making sandboxes.";
    INTERPRETERS = Counter, "python_sandbox_interpreters_total", ["executor", "template", "origin"],
        "Interpreters by origin: forked from the template, started as there are no templates, or started instead of forked.";
    TEMPLATES_REPLACED = Counter, "python_sandbox_template_replacements_total", ["executor", "template"],
        "How often a template was replaced because it provided no interpreters.";

    // The store.
    STORAGE_UP = Gauge, "python_sandbox_storage_up", ["provider"],
        "1 if the last check of the store was good, else 0.";
    STORAGE_REQUESTS = Counter, "python_sandbox_storage_requests_total", ["operation", "result"],
        "Requests to the object store, each attempt counted: `ok`, `refused` (wrong key, rights, bucket or request), `failed` (the store cannot do it now), or `unanswered`.";
    STORAGE_RETRIES = Counter, "python_sandbox_storage_retries_total", [],
        "Requests to the object store that were sent again after a failure.";
    STORAGE_UPLOADED = Counter, "python_sandbox_storage_uploaded_bytes_total", [],
        "Bytes of files that the object store has confirmed.";
    STORAGE_FILES = Counter, "python_sandbox_storage_files_total", ["event"],
        "Files for the object store: `uploaded` with the answer, `kept` on this host instead, `moved` later, `move_failed` for each failed attempt, `expired` for files that were removed before the store took them.";
    STORAGE_WAITING = Gauge, "python_sandbox_storage_waiting_files", [],
        "Files on this host that wait for the object store, counted at most every 30 seconds. Replicas that share one DATA_DIR report the same files.";
    STORAGE_WAITING_BYTES = Gauge, "python_sandbox_storage_waiting_bytes", [],
        "Bytes of the files on this host that wait for the object store.";
    STORAGE_WAITING_AGE = Gauge, "python_sandbox_storage_waiting_oldest_age_seconds", [],
        "Age of the oldest file on this host that waits for the object store; 0 if none waits. It is removed when its link ends.";
    STORAGE_DAMAGED = Gauge, "python_sandbox_storage_damaged_files", [],
        "Files on this host that will never be moved to the object store, because their records are damaged; counted at most every 30 seconds. Each is served from here until its link ends, then removed.";
    STORAGE_LINK_LIFETIME = Gauge, "python_sandbox_storage_link_lifetime_seconds", [],
        "Lifetime of links to output files (STORAGE_LINK_LIFETIME), and so the longest time that a file waits for the object store.";

    // API keys.
    KEYS_REQUIRED = Gauge, "python_sandbox_api_keys_required", [],
        "1 while callers need an API key, else 0: anyone who reaches the service may call it.";
    KEYS_UP = Gauge, "python_sandbox_api_keys_up", ["store"],
        "1 while API keys can be checked or none is required, else 0: then every request that needs one is refused.";
    KEYS_STORE_UP = Gauge, "python_sandbox_api_keys_store_up", ["store"],
        "1 if the store of API keys could be read the last time, else 0: known keys are accepted for KEY_STALE_MAX seconds, unknown ones are not.";

    // Limits of callers.
    LIMITS_REFUSED = Counter, "python_sandbox_limits_refused_total", ["limit"],
        "Requests that were refused because their caller had reached this limit; `unavailable` if limits could not be counted.";
    LIMITS_UP = Gauge, "python_sandbox_limits_up", ["store"],
        "1 while rates and quotas are counted in their store (memory, or redis with REDIS_URL), 0 while Redis does not answer.";
    LIMITS_CALLERS = Gauge, "python_sandbox_limits_callers", [],
        "Callers whose rate or quotas are in memory.";

    // The process, under the names that every Prometheus client uses.
    PROCESS_CPU = Seconds, "process_cpu_seconds_total", [],
        "User and system CPU time of the service, without sandboxes.";
    PROCESS_MEMORY = Gauge, "process_resident_memory_bytes", [],
        "Resident memory of the service.";
    PROCESS_FDS = Gauge, "process_open_fds", [],
        "Open file descriptors of the service.";
    PROCESS_FDS_MAX = Gauge, "process_max_fds", [],
        "Maximum number of open file descriptors of the service.";
    PROCESS_THREADS = Gauge, "process_threads", [],
        "Threads of the service.";
    PROCESS_START = Gauge, "process_start_time_seconds", [],
        "When the service was started, in seconds since 1970.";
}

/// The metrics as a page of the documents.
#[cfg(test)]
fn page() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         `GET /metrics` returns them in Prometheus's text format, version 0.0.4. Generated from the table in \
         `crates/telemetry/src/catalog.rs` by `make generate`; a test keeps them equal.\n\n\
         Counters start at 0 with the service. A series of a closed set of labels exists from the start, so `increase()` \
         sees the first event; those of `python_sandbox_http_requests_total` exist from their first request. Metrics of parts that are off \
         are missing. There are fewer than 3000 series, whatever clients send; the page is rendered at most four times a \
         second.\n\n\
         | name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for Metric { name, kind, labels, help } in METRICS {
        let kind = match kind {
            Counter | Seconds => "counter",
            Gauge => "gauge",
            Histogram(_) => "histogram",
        };
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        text.push_str(&format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", ")));
    }
    text.push_str("\n| histogram | upper bounds of the buckets |\n|---|---|\n");
    for Metric { name, kind, .. } in METRICS {
        let Histogram(buckets) = kind else { continue };
        let bounds: Vec<_> = buckets.iter().map(ToString::to_string).collect();
        text.push_str(&format!("| `{name}` | {} |\n", bounds.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// With `UPDATE_GOLDEN=1` writes the file instead.
    #[test]
    fn the_document_is_the_catalog() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, page()).expect("the checkout is writable");
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == page(), "docs/metrics.md does not match the catalog; run `make generate`");
    }

    #[test]
    fn names_follow_the_conventions() {
        let mut seen = BTreeSet::new();
        for Metric { name, kind, labels, help } in METRICS {
            assert!(seen.insert(*name), "{name} twice");
            let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(plain(name) && labels.iter().all(|label| plain(label)), "{name}");
            assert!(name.starts_with("python_sandbox_") || name.starts_with("process_"), "{name}");
            assert_eq!(name.ends_with("_total"), matches!(kind, Counter | Seconds), "{name}");
            assert!(!matches!(kind, Seconds) || name.ends_with("_seconds_total"), "{name}");
            assert!(help.ends_with('.') && !help.contains('|') && !help.contains('\n'), "{name}");
            if let Histogram(buckets) = kind {
                assert!(buckets.is_sorted_by(|a, b| a < b), "{name}");
                assert!(name.ends_with("_seconds") || name.ends_with("_bytes"), "{name}: its unit");
            }
        }
    }
}
