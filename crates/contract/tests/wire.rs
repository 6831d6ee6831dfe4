//! What is written can be read, and is what clients have always got: `tests/golden/` holds one body of each
//! kind.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use contract::*;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::path::Path;

fn written_and_read<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    let read: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(&read, value, "{text}");
}

fn word<T: Debug + for<'a> From<&'a str>>(known: &'static [&'static str]) -> impl Strategy<Value = T> {
    prop_oneof![8 => prop::sample::select(known).prop_map(str::to_owned), 1 => ".*"]
        .prop_map(|word| T::from(&word))
}

/// Times as the service rounds them, to microseconds. (serde_json reads other numbers with an error in the
/// last bit.)
fn number() -> impl Strategy<Value = f64> {
    (0_u32..).prop_map(|microseconds| f64::from(microseconds) / 1e6)
}

fn entries() -> impl Strategy<Value = Option<Entries>> {
    option::of(vec((".*", ".*"), 0..4).prop_map(Entries))
}

fn request() -> impl Strategy<Value = ExecuteRequest> {
    let parts = (".*", option::of(any::<i64>()), option::of(".*"), entries(), entries(), option::of(".*"));
    parts.prop_map(|(code, timeout, stdin, files, env, executor)| ExecuteRequest {
        code,
        timeout,
        stdin,
        files,
        env,
        executor,
    })
}

fn findings() -> impl Strategy<Value = Vec<FindingBody>> {
    let finding = (any::<u32>(), any::<u32>(), ".*", ".*");
    vec(finding.prop_map(|(line, column, code, message)| FindingBody { line, column, code, message }), 0..3)
}

fn outcome() -> impl Strategy<Value = OutcomeBody> {
    let limit = (
        word::<LimitName>(LimitName::VALUES),
        any::<u64>(),
        word::<LimitUnit>(LimitUnit::VALUES),
        any::<Option<u64>>(),
        ".*",
    );
    let limit =
        limit.prop_map(|(name, value, unit, used, setting)| LimitBody { name, value, unit, used, setting });
    let exception = (".*", ".*", any::<Option<u32>>());
    let exception =
        exception.prop_map(|(type_name, message, line)| ExceptionBody { type_name, message, line });
    let parts = (
        word::<OutcomeKind>(OutcomeKind::VALUES),
        option::of(limit),
        any::<Option<u8>>(),
        option::of(".*"),
        option::of(".*"),
        option::of(".*"),
        option::of(exception),
        any::<bool>(),
    );
    parts.prop_map(|(kind, limit, signal, syscall, message, hint, exception, retryable)| OutcomeBody {
        kind,
        limit,
        signal,
        syscall,
        message,
        hint,
        exception,
        retryable,
    })
}

fn artifacts() -> impl Strategy<Value = Vec<ArtifactBody>> {
    let artifact = (".*", ".*", any::<u64>(), ".*", ".*", ".*", ".*", word::<StoredIn>(StoredIn::VALUES));
    let artifact =
        artifact.prop_map(|(name, path, size_bytes, media_type, sha256, url, expires_at, stored_in)| {
            ArtifactBody { name, path, size_bytes, media_type, sha256, url, expires_at, stored_in }
        });
    vec(artifact, 0..3)
}

fn skipped() -> impl Strategy<Value = Vec<SkippedBody>> {
    let entry = (".*", word::<SkipReason>(SkipReason::VALUES), any::<Option<u64>>());
    vec(entry.prop_map(|(path, reason, count)| SkippedBody { path, reason, count }), 0..3)
}

fn response() -> impl Strategy<Value = ExecuteResponse> {
    let usage = (number(), number(), any::<u64>(), any::<Option<u64>>());
    let usage = usage.prop_map(|(wall_time_ms, cpu_time_ms, memory_peak_bytes, processes_peak)| UsageBody {
        wall_time_ms,
        cpu_time_ms,
        memory_peak_bytes,
        processes_peak,
    });
    let output = (any::<u64>(), any::<u64>(), any::<bool>(), any::<bool>());
    let output = output.prop_map(|(stdout_bytes, stderr_bytes, stdout_truncated, stderr_truncated)| {
        OutputBody { stdout_bytes, stderr_bytes, stdout_truncated, stderr_truncated }
    });
    let ended = (any::<bool>(), ".*", ".*", any::<i32>(), number(), option::of(".*"), vec(".*", 0..3));
    let rest = (".*", ".*", outcome(), usage, output, artifacts(), skipped(), findings());
    (ended, rest).prop_map(|(ended, rest)| {
        let (success, stdout, stderr, exit_code, execution_time, error, files) = ended;
        let (request_id, executor, outcome, usage, output, artifacts, skipped_files, warnings) = rest;
        ExecuteResponse {
            success,
            stdout,
            stderr,
            exit_code,
            execution_time,
            error,
            files,
            request_id,
            executor,
            outcome,
            usage,
            output,
            artifacts,
            skipped_files,
            warnings,
        }
    })
}

fn error() -> impl Strategy<Value = ErrorBody> {
    let details = (".*", ".*", ".*");
    let details = details.prop_map(|(field, problem, allowed)| Details { field, problem, allowed });
    let code = word::<ErrorCode>(ErrorCode::VALUES);
    (code, ".*", ".*", ".*", option::of(details), option::of(findings())).prop_map(
        |(code, error, message, request_id, details, violations)| ErrorBody {
            details,
            violations,
            ..ErrorBody::new(code, error, message, request_id)
        },
    )
}

fn health() -> impl Strategy<Value = HealthResponse> {
    let protection = (any::<bool>(), ".*").prop_map(|(enforced, detail)| ProtectionBody { enforced, detail });
    let provider = (any::<bool>(), option::of(".*"), btree_map(".*", protection, 0..3), any::<usize>());
    let provider = provider.prop_map(|(healthy, reason, protections, warm)| ProviderBody {
        healthy,
        reason,
        protections,
        warm,
    });
    let executor = (
        ".*",
        option::of(".*"),
        any::<bool>(),
        ".*",
        vec(".*", 0..3),
        vec(".*", 0..3),
        btree_map(".*", provider, 0..3),
    );
    let executor = executor.prop_map(
        |(provider, name, healthy, fallbacks, available_providers, active_providers, providers)| {
            ExecutorBody {
                provider,
                name,
                healthy,
                fallbacks,
                available_providers,
                active_providers,
                providers,
            }
        },
    );
    let storage = (any::<bool>(), ".*", any::<bool>(), option::of(".*"));
    let storage = storage.prop_map(|(enabled, provider, healthy, reason)| StorageBody {
        enabled,
        provider,
        healthy,
        reason,
    });
    let load = any::<(usize, usize, usize, usize)>();
    let load = load.prop_map(|(running, running_max, waiting, waiting_max)| LoadBody {
        running,
        running_max,
        waiting,
        waiting_max,
    });
    let state = word::<KeysState>(KeysState::VALUES);
    let keys = (state, ".*", any::<bool>(), option::of(".*"));
    let keys = keys.prop_map(|(state, store, healthy, reason)| KeysBody { state, store, healthy, reason });
    let observation = (any::<bool>(), option::of(".*"));
    let observation = observation.prop_map(|(healthy, reason)| ObservationBody { healthy, reason });
    let status = word::<HealthStatus>(HealthStatus::VALUES);
    (status, ".*", executor, storage, keys, observation, load, any::<bool>()).prop_map(
        |(status, version, executor, storage, keys, observation, load, shutting_down)| HealthResponse {
            status,
            version,
            executor,
            storage,
            keys,
            observation,
            load,
            shutting_down,
        },
    )
}

fn service_info() -> impl Strategy<Value = ServiceInfo> {
    (".*", ".*", ".*", btree_map(".*", ".*", 0..4), ".*").prop_map(
        |(service, version, status, endpoints, description)| ServiceInfo {
            service,
            version,
            status,
            endpoints,
            description,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        request in request(), response in response(), error in error(), health in health(), info in service_info(),
    ) {
        written_and_read(&request);
        written_and_read(&response);
        written_and_read(&error);
        written_and_read(&health);
        written_and_read(&info);
    }
}

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a golden file as the type, and compares what the type writes with the file, byte by byte.
fn golden<T: Serialize + DeserializeOwned>(name: &str) -> T {
    let text = text(name);
    let value: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(serde_json::to_string_pretty(&value).unwrap() + "\n", text, "{name}");
    value
}

#[test]
fn bodies_are_what_they_have_always_been() {
    let request: ExecuteRequest = golden("request.json");
    assert_eq!(request.files.unwrap().0[0].0, "data.csv");
    golden::<ExecuteRequest>("request-least.json");
    let success: ExecuteResponse = golden("success.json");
    assert_eq!((success.success, success.outcome.kind), (true, OutcomeKind::Exited));
    let limit: ExecuteResponse = golden("out-of-memory.json");
    assert_eq!(limit.outcome.limit.unwrap().name, LimitName::Memory);
    let skipped = limit.skipped_files.iter().map(|entry| &entry.reason).collect::<Vec<_>>();
    assert_eq!(skipped, [&SkipReason::Symlink, &SkipReason::More]);
    let health: HealthResponse = golden("health.json");
    assert_eq!(health.status, HealthStatus::Degraded);
    golden::<ServiceInfo>("service-info.json");
}

/// One file for each code; it must read as that code, not as one that this version does not know.
#[test]
fn every_error_has_its_body() {
    for code in ErrorCode::VALUES {
        let body: ErrorBody = golden(&format!("errors/{code}.json"));
        assert_eq!(body.code.as_str(), *code);
        assert!(!matches!(body.code, ErrorCode::Other(_)), "{code}");
        let ErrorBody { code, error, message, request_id, details, violations, .. } = body.clone();
        assert_eq!(
            ErrorBody { details, violations, ..ErrorBody::new(code, error, message, request_id) },
            body
        );
    }
}

fn value(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

#[test]
fn an_answer_of_a_later_version_is_read() {
    let mut answer = value("success.json");
    answer["of a later version"] = json!({"a": 1});
    answer["outcome"]["kind"] = json!("of a later version");
    answer["outcome"]["another"] = json!(null);
    let read: ExecuteResponse = serde_json::from_value(answer).unwrap();
    assert_eq!(read.outcome.kind, OutcomeKind::Other("of a later version".into()));
    // Passed on as it came.
    assert_eq!(serde_json::to_value(&read).unwrap()["outcome"]["kind"], "of a later version");
    let mut error = value("errors/busy.json");
    (error["code"], error["hint"]) = (json!("quota_reached"), json!("x"));
    let read: ErrorBody = serde_json::from_value(error).unwrap();
    assert_eq!(read.code, ErrorCode::Other("quota_reached".into()));
}

#[test]
fn a_request_of_a_later_version_is_refused() {
    let mut request = value("request.json");
    request["of a later version"] = json!(1);
    let error = serde_json::from_value::<ExecuteRequest>(request).unwrap_err().to_string();
    assert!(error.contains("of a later version"), "{error}");
}

#[test]
fn entries_keep_their_order_and_their_duplicates() {
    let text = r#"{"code":"x","env":{"B":"1","A":"2","B":"3"}}"#;
    let request: ExecuteRequest = serde_json::from_str(text).unwrap();
    let names: Vec<_> = request.env.iter().flat_map(|env| &env.0).map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["B", "A", "B"]);
    assert_eq!(serde_json::to_string(&request).unwrap(), text);
}
