//! From the service's types to the contract's. Moves every text; copies none of a program's output.

use contract::{
    ArtifactBody, Details, ErrorBody, ErrorCode, ExecuteResponse, ExecutorBody, FindingBody, HealthResponse,
    HealthStatus, KeysBody, KeysState, LoadBody, ObservationBody, OutputBody, ProtectionBody, ProviderBody,
    SkipReason, SkippedBody, StorageBody, StoredIn, UsageBody,
};
use service::{
    Artifact, Captured, ExecuteError, Execution, Finding, Health, HealthReport, InvalidField, KeysHealth,
    Limit, Limited, Load, Skipped, StorageStatus, Usage,
};
use std::time::Duration;
use support::{counted, one_line, plain_lines};

/// The answer for `execution`, with links below `base_url`.
#[must_use]
pub fn answer(execution: Execution, base_url: &str) -> ExecuteResponse {
    let verdict = &execution.verdict;
    let explained = crate::outcome(verdict, execution.executor, execution.unseen_expression);
    let artifacts: Vec<_> =
        execution.artifacts.into_iter().map(|stored| artifact(stored, base_url)).collect();
    ExecuteResponse {
        success: verdict.success(),
        exit_code: verdict.exit_code,
        execution_time: rounded(execution.usage.wall_time.as_secs_f64(), 1e6),
        error: explained.error,
        files: artifacts.iter().map(|artifact| artifact.url.clone()).collect(),
        request_id: execution.request_id,
        executor: execution.executor.to_owned(),
        outcome: explained.outcome,
        usage: usage(execution.usage),
        output: output(&execution.stdout, &execution.stderr),
        stdout: execution.stdout.text,
        stderr: execution.stderr.text,
        artifacts,
        skipped_files: skipped(execution.skipped, execution.skipped_more),
        warnings: execution.warnings.into_iter().map(finding).collect(),
    }
}

/// Rounds off the noise of binary fractions: `scale` is what one unit of the last digit divides.
fn rounded(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}

fn milliseconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3, 1e3)
}

fn usage(used: Usage) -> UsageBody {
    UsageBody {
        wall_time_ms: milliseconds(used.wall_time),
        cpu_time_ms: milliseconds(used.cpu_time),
        memory_peak_bytes: used.memory_bytes_peak,
        processes_peak: used.pids_peak,
    }
}

fn output(stdout: &Captured, stderr: &Captured) -> OutputBody {
    OutputBody {
        stdout_bytes: stdout.bytes,
        stderr_bytes: stderr.bytes,
        stdout_truncated: stdout.truncated,
        stderr_truncated: stderr.truncated,
    }
}

fn artifact(artifact: Artifact, base_url: &str) -> ArtifactBody {
    ArtifactBody {
        name: artifact.name(),
        url: artifact.stored.url.resolve(base_url),
        size_bytes: artifact.stored.size_bytes,
        sha256: artifact.stored.sha256,
        expires_at: artifact.stored.expires_at.to_string(),
        stored_in: StoredIn::from(artifact.stored.stored_in.as_str()),
        media_type: artifact.media_type,
        path: artifact.path,
    }
}

/// The list, and one entry for what is not in it.
fn skipped(listed: Vec<Skipped>, more: u64) -> Vec<SkippedBody> {
    // Clients that do not know `count` show the path.
    let rest = (more > 0).then(|| SkippedBody {
        path: format!("(and {more} more)"),
        reason: SkipReason::More,
        count: Some(more),
    });
    let listed = listed.into_iter().map(|Skipped { path, reason }| SkippedBody {
        path,
        reason: SkipReason::from(reason),
        count: None,
    });
    listed.chain(rest).collect()
}

fn finding(finding: Finding) -> FindingBody {
    let Finding { line, column, code, message } = finding;
    FindingBody { line, column, code: code.to_owned(), message: plain_lines(&message) }
}

/// Why there is no answer. No text in it hides or reorders anything: parts of it are a client's.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The body, whose `request_id` is empty.
    body: ErrorBody,
    /// When to try again, in seconds.
    retry_after_s: Option<u64>,
}

impl Refusal {
    /// A refusal whose two texts are the same sentence.
    #[must_use]
    pub fn new(code: ErrorCode, message: &str) -> Self {
        let body = ErrorBody::new(code, one_line(message), plain_lines(message), String::new());
        Self { body, retry_after_s: None }
    }

    /// Names the invalid field.
    #[must_use]
    pub fn invalid(field: InvalidField) -> Self {
        let InvalidField { field, problem, allowed } = field;
        let (field, problem) = (one_line(&field), one_line(&problem));
        let mut refusal =
            Self::new(ErrorCode::InvalidRequest, &format!("`{field}` {problem}; allowed: {allowed}"));
        refusal.body.details = Some(Details { field, problem, allowed });
        refusal
    }

    /// Too much load; try again in `retry_after_s` seconds.
    #[must_use]
    pub fn busy(message: &str, retry_after_s: u64) -> Self {
        Self::unavailable(ErrorCode::Busy, message, retry_after_s)
    }

    /// The object store that has the file does not answer; try again in `retry_after_s` seconds.
    #[must_use]
    pub fn storage_unavailable(retry_after_s: u64) -> Self {
        let message = "the file is in the object store, which does not answer";
        Self::unavailable(ErrorCode::StorageUnavailable, message, retry_after_s)
    }

    /// API keys cannot be checked; try again in `retry_after_s` seconds.
    #[must_use]
    pub fn keys_unavailable(retry_after_s: u64) -> Self {
        Self::unavailable(ErrorCode::KeysUnavailable, "API keys cannot be checked now", retry_after_s)
    }

    /// An internal error. The details belong in the log, not here.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "internal error; the log has the details under this request id")
    }

    fn unavailable(code: ErrorCode, message: &str, retry_after_s: u64) -> Self {
        let message = format!("{message}; try again in {}", counted(retry_after_s, "second"));
        Self { retry_after_s: Some(retry_after_s), ..Self::new(code, &message) }
    }

    fn rejected(violations: Vec<Finding>, rendered: &str) -> Self {
        let count = violations.len();
        let first = violations.first().map(|v| v.message.as_str()).unwrap_or_default();
        let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
        let mut refusal = Self::new(ErrorCode::ValidationFailed, rendered);
        refusal.body.error = one_line(&format!("Validation failed: {first}{more}"));
        refusal.body.violations = Some(violations.into_iter().map(finding).collect());
        refusal
    }

    /// The same with other texts, for a reader who may see what the log says.
    #[must_use]
    pub fn reworded(mut self, error: &str, message: &str) -> Self {
        (self.body.error, self.body.message) = (one_line(error), plain_lines(message));
        self
    }

    /// The kind of error.
    #[must_use]
    pub fn code(&self) -> &ErrorCode {
        &self.body.code
    }

    /// When to try again, in seconds.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }

    /// The body for the request with this id.
    #[must_use]
    pub fn into_body(self, request_id: &str) -> ErrorBody {
        ErrorBody { request_id: request_id.to_owned(), ..self.body }
    }
}

impl From<Limited> for Refusal {
    fn from(limited: Limited) -> Self {
        let over = match limited {
            Limited::Over(over) => over,
            Limited::Unavailable { retry_after_s } => {
                let message = "the limits of this caller cannot be counted now";
                return Self::unavailable(ErrorCode::LimitsUnavailable, message, retry_after_s);
            }
        };
        let caller = if over.is_key { "this API key" } else { "this address" };
        let (code, message) = match over.limit {
            Limit::Rate { per_minute, burst } => (
                ErrorCode::RateLimited,
                format!("{caller} may send {} a minute, {burst} at once", counted(per_minute, "request")),
            ),
            Limit::Concurrent { max } => (
                ErrorCode::ConcurrencyLimited,
                format!("{caller} may have {} at the same time, running or waiting", counted(max, "request")),
            ),
            Limit::Cpu { seconds, period } => (
                ErrorCode::QuotaExceeded,
                format!(
                    "{caller} has used its {} in {}",
                    counted(seconds, "CPU second"),
                    counted(period.as_secs(), "second")
                ),
            ),
            Limit::Stored { bytes, period } => (
                ErrorCode::QuotaExceeded,
                format!(
                    "{caller} has stored its {} of output files in {}",
                    counted(bytes, "byte"),
                    counted(period.as_secs(), "second")
                ),
            ),
        };
        Self::unavailable(code, &message, over.retry_after_s)
    }
}

impl From<ExecuteError> for Refusal {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Invalid(field) => Self::invalid(field),
            ExecuteError::Rejected { violations, rendered } => Self::rejected(violations, &rendered),
            ExecuteError::ExecutorForbidden { name, allowed } => {
                let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
                let message = format!("this API key may not use the executor `{name}`; allowed: {allowed}");
                Self::new(ErrorCode::Forbidden, &message)
            }
            ExecuteError::Busy { retry_after_s } => {
                Self::busy("the service is busy and its queue is full", retry_after_s)
            }
            ExecuteError::ShuttingDown { retry_after_s } => {
                Self::unavailable(ErrorCode::ShuttingDown, "the service is stopping", retry_after_s)
            }
            ExecuteError::Unavailable { retry_after_s, selected, .. } => {
                let message = match selected {
                    Some(selected) => {
                        let other = if selected.usable.is_empty() {
                            ""
                        } else {
                            " (omit `executor` to use one of these)"
                        };
                        format!("{selected}{other}, see /health; the program was not run")
                    }
                    None => "no executor is usable, see /health; the program was not run".to_owned(),
                };
                Self::unavailable(ErrorCode::ExecutorUnavailable, &message, retry_after_s)
            }
            ExecuteError::Executor(_) => {
                let message = "the executor failed while the program ran: it may have done part of its work, and will not be run \
                               again; the log has the details under this request id";
                Self::new(ErrorCode::Internal, message)
            }
            _ => Self::internal(),
        }
    }
}

/// What is configured, beside what the service reports of itself.
#[derive(Debug, Clone, Copy)]
pub struct Configured<'a> {
    /// The service's version.
    pub version: &'a str,
    /// The executor that is tried first (`EXECUTOR_PROVIDER`).
    pub provider: &'a str,
    /// The fallbacks (`EXECUTOR_FALLBACK_PROVIDERS`), active or not.
    pub fallbacks: &'a [String],
    /// Executors that this build knows.
    pub available_providers: &'a [String],
    /// The executors in use, in the order in which they are tried.
    pub active_providers: &'a [&'static str],
}

/// The answer of `GET /health`.
#[must_use]
pub fn health(report: &HealthReport, configured: Configured<'_>) -> HealthResponse {
    let probed = report.probed.as_ref();
    let active = configured.active_providers.iter().map(|name| (*name).to_owned());
    HealthResponse {
        status: HealthStatus::from(report.status.as_str()),
        version: configured.version.to_owned(),
        executor: ExecutorBody {
            provider: configured.provider.to_owned(),
            name: probed.in_use.map(str::to_owned),
            healthy: probed.in_use.is_some(),
            fallbacks: configured.fallbacks.join(","),
            available_providers: configured.available_providers.to_vec(),
            active_providers: active.collect(),
            providers: probed.providers.iter().map(|p| (p.name.to_owned(), provider(&p.health))).collect(),
        },
        storage: storage(probed.storage.as_ref()),
        keys: keys(&report.keys),
        observation: ObservationBody {
            healthy: report.problem.is_none(),
            reason: report.problem.map(str::to_owned),
        },
        load: load(report.load),
        shutting_down: report.shutting_down,
    }
}

fn provider(health: &Health) -> ProviderBody {
    let protections = health.protections.iter().map(|(name, protection)| {
        let (enforced, detail) = (protection.enforced, protection.detail.clone());
        ((*name).to_owned(), ProtectionBody { enforced, detail })
    });
    ProviderBody {
        healthy: health.healthy,
        reason: health.reason.clone(),
        protections: protections.collect(),
        warm: health.warm,
    }
}

fn storage(status: Option<&StorageStatus>) -> StorageBody {
    match status {
        Some(storage) => StorageBody {
            enabled: true,
            provider: storage.provider.to_owned(),
            healthy: storage.health.healthy,
            reason: storage.health.reason.clone(),
        },
        None => StorageBody { enabled: false, provider: "disabled".to_owned(), healthy: true, reason: None },
    }
}

fn keys(keys: &KeysHealth) -> KeysBody {
    KeysBody {
        state: KeysState::from(keys.state.as_str()),
        store: keys.store.to_owned(),
        healthy: keys.problem.is_none(),
        reason: keys.problem.map(str::to_owned),
    }
}

fn load(load: Load) -> LoadBody {
    let Load { running, running_max, waiting, waiting_max, .. } = load;
    LoadBody { running, running_max, waiting, waiting_max }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{LimitName, LimitUnit, OutcomeKind};
    use executor::Limit;
    use protocol::SkipReason as Skip;

    /// The contract's enums take any string; one that they do not know would be a value that docs/api.md does
    /// not list.
    #[test]
    fn the_contract_knows_every_value_of_the_service() {
        use executor::OutcomeKind as Kind;
        for kind in Kind::ALL {
            assert!(!matches!(OutcomeKind::from(kind.as_str()), OutcomeKind::Other(_)), "{kind:?}");
        }
        for limit in [
            Limit::WallTime,
            Limit::Memory,
            Limit::MemoryTotal,
            Limit::Pids,
            Limit::DiskBytes,
            Limit::DiskInodes,
            Limit::Output,
        ] {
            assert!(!matches!(LimitName::from(limit.as_str()), LimitName::Other(_)), "{limit:?}");
            assert!(!matches!(LimitUnit::from(limit.unit()), LimitUnit::Other(_)), "{limit:?}");
        }
        for reason in [
            Skip::Symlink,
            Skip::HardLink,
            Skip::Fifo,
            Skip::Socket,
            Skip::Device,
            Skip::NameNotUtf8,
            Skip::TooLarge,
            Skip::TotalTooLarge,
            Skip::TooMany,
            Skip::TooDeep,
            Skip::Unreadable,
            Skip::NotInOutput,
        ] {
            assert!(!matches!(SkipReason::from(reason.as_str()), SkipReason::Other(_)), "{reason:?}");
        }
        use service::StoredIn as In;
        for stored_in in [In::Local, In::Directory, In::Spool, In::ObjectStore] {
            assert!(!matches!(StoredIn::from(stored_in.as_str()), StoredIn::Other(_)), "{stored_in:?}");
        }
        for state in [service::KeysState::Off, service::KeysState::On, service::KeysState::ForcedOff] {
            assert!(!matches!(KeysState::from(state.as_str()), KeysState::Other(_)), "{state:?}");
        }
        for status in [service::Status::Healthy, service::Status::Degraded, service::Status::Unhealthy] {
            assert!(!matches!(HealthStatus::from(status.as_str()), HealthStatus::Other(_)), "{status:?}");
        }
    }

    /// Metrics count by the service's name for an error, clients see the contract's.
    #[test]
    fn an_error_has_the_same_code_for_metrics_and_clients() {
        let failed = || executor::ExecutorError::before_start("native", "start", "x");
        let errors = [
            ExecuteError::Invalid(InvalidField::new("code", "is empty", "text")),
            ExecuteError::Rejected { violations: Vec::new(), rendered: String::new() },
            ExecuteError::ExecutorForbidden { name: "docker".to_owned(), allowed: Vec::new() },
            ExecuteError::Busy { retry_after_s: 1 },
            ExecuteError::ShuttingDown { retry_after_s: 1 },
            ExecuteError::Unavailable { retry_after_s: 1, selected: None, reasons: Vec::new() },
            ExecuteError::Executor(failed()),
            ExecuteError::Internal { step: "validate", source: "x".into() },
        ];
        let mut codes = std::collections::BTreeSet::new();
        for error in errors {
            let code = error.code();
            codes.insert(code);
            assert_eq!(Refusal::from(error).code().as_str(), code);
        }
        assert_eq!(codes, ExecuteError::CODES.into());
    }

    #[test]
    fn a_caller_learns_which_limit_it_reached_and_when_it_is_free_again() {
        let period = std::time::Duration::from_secs(3600);
        let over = |limit, is_key| {
            let over = service::Over { limit, is_key, retry_after_s: 7, standing: None };
            Refusal::from(Limited::Over(over)).into_body("id")
        };
        for (limit, is_key, code, text) in [
            (
                service::Limit::Rate { per_minute: 100, burst: 20 },
                true,
                "rate_limited",
                "this API key may send 100 requests a minute, 20 at once; try again in 7 seconds",
            ),
            (
                service::Limit::Concurrent { max: 2 },
                false,
                "concurrency_limited",
                "this address may have 2 requests at the same time, running or waiting; try again in 7 seconds",
            ),
            (
                service::Limit::Cpu { seconds: 60, period },
                true,
                "quota_exceeded",
                "this API key has used its 60 CPU seconds in 3600 seconds; try again in 7 seconds",
            ),
            (
                service::Limit::Stored { bytes: 1024, period },
                true,
                "quota_exceeded",
                "this API key has stored its 1024 bytes of output files in 3600 seconds; try again in 7 seconds",
            ),
            (
                service::Limit::Rate { per_minute: 1, burst: 1 },
                true,
                "rate_limited",
                "this API key may send 1 request a minute, 1 at once; try again in 7 seconds",
            ),
            (
                service::Limit::Cpu { seconds: 1, period: period / 3600 },
                false,
                "quota_exceeded",
                "this address has used its 1 CPU second in 1 second; try again in 7 seconds",
            ),
        ] {
            let body = over(limit, is_key);
            assert_eq!((body.code.as_str(), body.error.as_str()), (code, text));
        }
        let soon = Refusal::keys_unavailable(1).into_body("id").error;
        assert!(soon.ends_with("; try again in 1 second"), "{soon}");
        let unavailable = Refusal::from(Limited::Unavailable { retry_after_s: 2 });
        assert_eq!(
            (unavailable.code().as_str(), unavailable.retry_after_s()),
            ("limits_unavailable", Some(2))
        );
    }

    fn finding_at(line: u32, message: &str) -> Finding {
        Finding { line, column: 0, code: "forbidden-import", message: message.to_owned() }
    }

    #[test]
    fn every_refusal_has_its_code_and_says_when_to_try_again() {
        let unavailable =
            |selected| ExecuteError::Unavailable { retry_after_s: 5, selected, reasons: vec![] };
        let internal =
            ExecuteError::Internal { step: "validate the program", source: "canary".to_owned().into() };
        for (error, code, retry_after_s) in [
            (ExecuteError::Invalid(InvalidField::new("a", "b", "c")), ErrorCode::InvalidRequest, None),
            (
                ExecuteError::Rejected { violations: vec![], rendered: String::new() },
                ErrorCode::ValidationFailed,
                None,
            ),
            (
                ExecuteError::ExecutorForbidden { name: "docker".into(), allowed: vec!["native".into()] },
                ErrorCode::Forbidden,
                None,
            ),
            (ExecuteError::Busy { retry_after_s: 2 }, ErrorCode::Busy, Some(2)),
            (ExecuteError::ShuttingDown { retry_after_s: 3 }, ErrorCode::ShuttingDown, Some(3)),
            (unavailable(None), ErrorCode::ExecutorUnavailable, Some(5)),
            (internal, ErrorCode::Internal, None),
        ] {
            let refusal = Refusal::from(error);
            assert_eq!((refusal.code(), refusal.retry_after_s()), (&code, retry_after_s));
            let body = refusal.into_body("id");
            assert_eq!((body.request_id.as_str(), body.exit_code), ("id", -1));
            assert!(!format!("{body:?}").contains("canary"));
        }
    }

    #[test]
    fn a_rejection_counts_its_findings_and_hides_nothing() {
        let violations = vec![finding_at(1, "bad\u{202e}"), finding_at(2, "worse"), finding_at(3, "worst")];
        let error = ExecuteError::Rejected { violations, rendered: "line 1: bad\u{202e}\nline 2".into() };
        let body = Refusal::from(error).into_body("id");
        assert_eq!(body.error, "Validation failed: bad\\u202e (and 2 more)");
        assert_eq!(body.message, "line 1: bad\\u202e\nline 2");
        let violations = body.violations.unwrap();
        assert_eq!((violations.len(), violations[0].message.as_str()), (3, "bad\\u202e"));
    }

    #[test]
    fn entries_that_are_not_listed_are_the_last_one() {
        let listed = vec![Skipped { path: "a".into(), reason: "symlink" }];
        let entries = skipped(listed.clone(), 0);
        assert_eq!(entries, [SkippedBody { path: "a".into(), reason: SkipReason::Symlink, count: None }]);
        let last = skipped(listed, 37).pop().unwrap();
        assert_eq!(
            (last.path.as_str(), last.reason, last.count),
            ("(and 37 more)", SkipReason::More, Some(37))
        );
    }
}
