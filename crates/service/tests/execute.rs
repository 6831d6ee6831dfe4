//! The use cases from outside: execute with its bounds and files, admission, stopping, health.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use access::{Allowance, Limits, LimitsConfig};
use async_trait::async_trait;
use bytes::Bytes;
use executor::scripted::{Script, ScriptedExecutor, ScriptedReport};
use executor::{Executor, OutcomeKind, OutputFile};
use service::{
    Chain, ExecuteCommand, ExecuteError, InputFile, Principal, RequestContext, Service, ServiceConfig,
    Status, Store, Subscriber,
};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use storage::{
    CleanError, Cleaned, Link, LocalConfig, LocalStore, NewFile, PutError, StoreHealth, StoredFile, StoredIn,
};
use tokio::time::Instant;
use validator::Policy;

fn chain(script: Script) -> (Chain, Arc<ScriptedExecutor>) {
    let executor = Arc::new(ScriptedExecutor::named("memory", script));
    (Chain::new(vec![executor.clone() as Arc<dyn Executor>]), executor)
}

fn config() -> ServiceConfig {
    ServiceConfig { running_max: 1, waiting_max: 1, ..ServiceConfig::new(Policy::default()) }
}

fn service(script: Script) -> Arc<Service> {
    Service::start(config(), chain(script).0, None)
}

fn program(code: &str) -> ExecuteCommand {
    ExecuteCommand { code: code.into(), ..ExecuteCommand::default() }
}

async fn run(service: &Service, command: ExecuteCommand) -> Result<service::Execution, ExecuteError> {
    service.execute(&RequestContext::new("id-1", Principal::Anonymous(Subscriber::Loopback)), command).await
}

/// A store that refuses some names.
#[derive(Debug)]
struct MoodyStore;

#[async_trait]
impl Store for MoodyStore {
    fn provider(&self) -> &'static str {
        "moody"
    }

    async fn put(&self, file: NewFile, _by: Instant) -> Result<StoredFile, PutError> {
        let source = io::Error::other("moody");
        match file.path.as_str() {
            "full" => Err(PutError::Full { step: "write", source }),
            "broken" => Err(PutError::Io { step: "write", source }),
            _ => std::future::pending().await,
        }
    }

    async fn health(&self) -> StoreHealth {
        StoreHealth::unhealthy("moody")
    }

    async fn clean(&self) -> Result<Cleaned, CleanError> {
        Ok(Cleaned::default())
    }
}

#[tokio::test]
async fn a_program_runs_and_its_files_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalStore::open(LocalConfig::new(directory.path())).unwrap());
    let service = Service::start(config(), chain(Script::Echo).0, Some(store));
    let files = ["b/c.csv", "a.txt"]
        .map(|path| InputFile { path: path.into(), content: Bytes::from_static(b"x,y\n") });
    let answer = run(&service, ExecuteCommand { files: files.into(), ..program("print(1)") }).await.unwrap();
    assert!(answer.verdict.success());
    assert_eq!(
        (answer.executor, answer.stdout.text.as_str(), answer.request_id.as_str()),
        ("memory", "print(1)", "id-1")
    );
    let names: Vec<_> = answer.artifacts.iter().map(|artifact| artifact.name()).collect();
    let paths: Vec<_> = answer.artifacts.iter().map(|a| (a.path.as_str(), a.media_type.as_str())).collect();
    assert_eq!(names, ["a.txt", "c.csv"]);
    assert_eq!(paths, [("a.txt", "text/plain"), ("b/c.csv", "text/csv")]);
    assert_eq!(answer.artifacts[0].stored.size_bytes, 4);
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_kept_are_skipped_and_the_answer_is_not_lost() {
    let files =
        ["broken", "full", "hangs"].map(|path| OutputFile { path: path.into(), content: Bytes::new() });
    let script =
        Script::Answer(Box::new(ScriptedReport { files: files.into(), ..ScriptedReport::exited(0) }));
    let reasons =
        |answer: service::Execution| -> Vec<_> { answer.skipped.into_iter().map(|s| s.reason).collect() };

    let moody = Service::start(config(), chain(script.clone()).0, Some(Arc::new(MoodyStore)));
    let answer = run(&moody, program("x = 1")).await.unwrap();
    assert!(answer.verdict.success() && answer.artifacts.is_empty());
    assert_eq!(reasons(answer), ["storage_failed", "storage_full", "storage_failed"]);

    let off = Service::start(config(), chain(script).0, None);
    assert_eq!(reasons(run(&off, program("x = 1")).await.unwrap()), ["storage_disabled"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_is_charged_what_it_may_have_used_and_stored() {
    let allowance = Allowance { cpu_seconds: 10, stored_bytes: 1000, ..Allowance::default() };
    let hangs = OutputFile { path: "hangs".into(), content: Bytes::from_static(&[0; 2000]) };
    let refused = OutputFile { path: "full".into(), content: Bytes::from_static(&[0; 2000]) };
    let answer =
        |file| Script::Answer(Box::new(ScriptedReport { files: vec![file], ..ScriptedReport::exited(0) }));
    for (script, cpus, may_go_on) in [
        (answer(hangs), 1, false),
        (answer(refused), 1, true),
        (Script::Sleep, 1, true),
        (Script::Sleep, 4, false),
    ] {
        let limits = Limits::local(LimitsConfig { default: allowance, ..LimitsConfig::default() });
        let config = ServiceConfig { limits, sandbox_cpus: cpus, ..config() };
        let service = Service::start(config, chain(script.clone()).0, Some(Arc::new(MoodyStore)));
        let context = RequestContext::new("id", Principal::Anonymous(Subscriber::Loopback));
        let ticket = service.enter(&context).await.unwrap();
        let running = service.execute(&context, program("x = 1"));
        // It is dropped there.
        let _ = tokio::time::timeout(Duration::from_secs(5), running).await;
        drop(ticket);
        let context = RequestContext::new("id", Principal::Anonymous(Subscriber::Loopback));
        assert_eq!(service.enter(&context).await.is_ok(), may_go_on, "{script:?} {cpus}");
    }
}

#[tokio::test]
async fn a_program_that_has_ended_is_charged_once_what_it_used_and_stored() {
    let report = |cpu_time_us, bytes| {
        let file = OutputFile { path: "a".into(), content: vec![0; bytes].into() };
        let mut report = ScriptedReport { files: vec![file], ..ScriptedReport::exited(0) };
        report.report.cpu_time_us = cpu_time_us;
        report
    };
    // Two fit into a quota of 10 s or 1000 bytes, and the third begins below it.
    for (report, default) in [
        (report(4_000_000, 0), Allowance { cpu_seconds: 10, ..Allowance::default() }),
        (report(0, 400), Allowance { stored_bytes: 1000, ..Allowance::default() }),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalStore::open(LocalConfig::new(directory.path())).unwrap());
        let limits = Limits::local(LimitsConfig { default, ..LimitsConfig::default() });
        let config = ServiceConfig { limits, ..config() };
        let service = Service::start(config, chain(Script::Answer(Box::new(report))).0, Some(store));
        let mut ended = 0;
        loop {
            let context = RequestContext::new("id", Principal::Anonymous(Subscriber::Loopback));
            let Ok(ticket) = service.enter(&context).await else { break };
            let execution = service.execute(&context, program("x = 1")).await.unwrap();
            ticket.ended(&execution);
            ended += 1;
            assert!(ended < 9, "{default:?}: nothing is charged");
        }
        assert_eq!(ended, 3, "{default:?}");
    }
}

/// A store that needs a second for each file, two at once, and knows how many it is storing.
#[derive(Debug, Default)]
struct SlowStore {
    running: AtomicUsize,
    running_peak: AtomicUsize,
    /// When each put began, and its deadline.
    deadlines: Mutex<Vec<(Instant, Instant)>>,
}

#[async_trait]
impl Store for SlowStore {
    fn provider(&self) -> &'static str {
        "slow"
    }

    fn puts_at_once(&self) -> usize {
        2
    }

    fn put_time(&self) -> Duration {
        Duration::from_secs(7)
    }

    async fn put(&self, file: NewFile, by: Instant) -> Result<StoredFile, PutError> {
        self.deadlines.lock().unwrap().push((Instant::now(), by));
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.running_peak.fetch_max(running, Ordering::Relaxed);
        // The first ones end last.
        let turn: u64 = file.path.parse().unwrap();
        tokio::time::sleep(Duration::from_secs(10 - turn)).await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        Ok(StoredFile {
            sha256: String::new(),
            size_bytes: 0,
            url: Link::Relative(file.path),
            expires_at: "2030-01-01T00:00:00Z".parse().unwrap(),
            stored_in: StoredIn::Local,
        })
    }

    async fn health(&self) -> StoreHealth {
        StoreHealth::healthy()
    }

    async fn clean(&self) -> Result<Cleaned, CleanError> {
        Ok(Cleaned::default())
    }
}

#[tokio::test(start_paused = true)]
async fn files_are_stored_as_many_at_once_as_the_store_allows_with_one_deadline() {
    let files = ["1", "2", "3", "4"].map(|path| OutputFile { path: path.into(), content: Bytes::new() });
    let script =
        Script::Answer(Box::new(ScriptedReport { files: files.into(), ..ScriptedReport::exited(0) }));
    let store = Arc::new(SlowStore::default());
    let service = Service::start(config(), chain(script).0, Some(store.clone()));
    let answer = run(&service, program("x = 1")).await.unwrap();
    let stored: Vec<_> = answer.artifacts.iter().map(|a| (a.path.as_str(), a.stored.url.as_str())).collect();
    assert_eq!(stored, [("1", "1"), ("2", "2"), ("3", "3"), ("4", "4")]);
    assert_eq!(store.running_peak.load(Ordering::Relaxed), 2);
    let deadlines = store.deadlines.lock().unwrap();
    let by = deadlines[0].0 + Duration::from_secs(7);
    assert!(deadlines.len() == 4 && deadlines.iter().all(|put| put.1 == by), "{deadlines:?}");
}

/// The slot of the program is free again within a bound, however many files it left.
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_given_up_once_for_all_files() {
    let files = (0..9).map(|number| OutputFile { path: number.to_string(), content: Bytes::new() });
    let script =
        Script::Answer(Box::new(ScriptedReport { files: files.collect(), ..ScriptedReport::exited(0) }));
    let moody = Service::start(config(), chain(script).0, Some(Arc::new(MoodyStore)));
    let begun = Instant::now();
    let answer = run(&moody, program("x = 1")).await.unwrap();
    assert!(answer.skipped.len() == 9 && answer.skipped.iter().all(|s| s.reason == "storage_failed"));
    // Once for all, not once for each.
    assert!(begun.elapsed() < Duration::from_secs(120));
}

#[tokio::test]
async fn a_rejected_program_never_reaches_an_executor() {
    let (chain, executor) = chain(Script::Echo);
    let service = Service::start(config(), chain, None);
    let ExecuteError::Rejected { violations, rendered } =
        run(&service, program("\nimport os")).await.unwrap_err()
    else {
        panic!("expected a rejection");
    };
    assert_eq!((violations.len(), violations[0].line, violations[0].code), (1, 2, "forbidden-import"));
    assert!(rendered.starts_with("line 2, column "));
    assert!(matches!(run(&service, program(" ")).await, Err(ExecuteError::Invalid(_))));
    assert_eq!(executor.created(), 0);
    let answer = run(&service, program("while True:\n    x = 1")).await.unwrap();
    assert_eq!(answer.warnings[0].code, "infinite-loop");
}

#[tokio::test]
async fn failures_of_executors_are_errors_and_failures_of_programs_are_answers() {
    let broken = run(&service(Script::FailToCreate), program("x = 1")).await.unwrap_err();
    assert!(
        matches!(&broken, ExecuteError::Unavailable { retry_after_s: 1.., reasons, .. } if reasons.len() == 1)
    );
    assert!(broken.chain().contains("scripted to fail"));
    let failed = run(&service(Script::FailAfterStart), program("x = 1")).await.unwrap_err();
    assert!(matches!(failed, ExecuteError::Executor(_)));

    let script = Script::Answer(Box::new(ScriptedReport::exited(3)));
    let answer = run(&service(script), program("x = 1")).await.unwrap();
    assert_eq!((answer.verdict.success(), answer.verdict.exit_code), (false, 3));
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_was_asked_for_and_is_not_usable_is_named_with_those_that_are() {
    let broken = Arc::new(ScriptedExecutor::named("broken", Script::FailToCreate));
    let working = Arc::new(ScriptedExecutor::named("working", Script::Echo));
    let chain = Chain::new(vec![broken as Arc<dyn Executor>, working.clone()]);
    let service = Service::start(config(), chain, None);
    service.health().await;
    let command = || ExecuteCommand { executor: Some("broken".into()), ..program("x = 1") };
    let wait_s = async || match run(&service, command()).await {
        Err(ExecuteError::Unavailable { retry_after_s, selected: Some(selected), .. }) => {
            assert_eq!(
                selected.to_string(),
                "executor `broken` is not usable: scripted to fail; usable now: working"
            );
            retry_after_s
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(wait_s().await, 5);
    // An executor that has been down for long will not recover soon.
    tokio::time::sleep(Duration::from_secs(42)).await;
    assert_eq!(wait_s().await, 42);
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(wait_s().await, 60);
    assert_eq!(working.created(), 0, "no other executor runs it");
    let unknown = ExecuteCommand { executor: Some("other".into()), ..program("x = 1") };
    let Err(ExecuteError::Invalid(field)) = run(&service, unknown).await else { panic!("it is not active") };
    assert_eq!((field.field.as_str(), field.allowed.as_str()), ("executor", "one of broken, working"));
}

#[tokio::test]
async fn a_request_that_no_sandbox_can_do_is_the_clients() {
    let script = Script::FailBeforeStart(executor::RunErrorKind::Request);
    let refused = run(&service(script), program("x = 1")).await.unwrap_err();
    assert!(matches!(&refused, ExecuteError::Invalid(field) if field.field == "files"), "{refused:?}");
}

#[tokio::test]
async fn one_runs_one_waits_the_next_is_refused_and_a_client_that_leaves_frees_its_slot() {
    let (chain, executor) = chain(Script::Sleep);
    let service = Service::start(config(), chain, None);
    let spawn = || {
        let service = Arc::clone(&service);
        tokio::spawn(async move { run(&service, program("x = 1")).await })
    };
    let running = spawn();
    settle(|| executor.created() == 1).await;
    let waiting = spawn();
    settle(|| service.load().waiting == 1).await;
    let refused = run(&service, program("x = 1")).await.unwrap_err();
    assert!(matches!(refused, ExecuteError::Busy { retry_after_s: 1..=60 }));
    // A request that can never run gets that error, not that the service is busy.
    assert!(matches!(run(&service, program("")).await, Err(ExecuteError::Invalid(_))));

    running.abort();
    settle(|| executor.created() == 2 && service.load().waiting == 0).await;
    assert_eq!(executor.destroyed(), 1);
    waiting.abort();
    settle(|| service.load().running == 0 && executor.destroyed() == 2).await;
}

/// The caller is gone: its slot in the queue is freed.
#[tokio::test(start_paused = true)]
async fn a_request_past_its_deadline_leaves_the_queue() {
    let (chain, executor) = chain(Script::Sleep);
    let service = Service::start(config(), chain, None);
    let first = tokio::spawn({
        let service = Arc::clone(&service);
        async move { run(&service, program("x = 1")).await }
    });
    settle(|| executor.created() == 1).await;
    let begun = tokio::time::Instant::now();
    let deadline = Some(begun + Duration::from_secs(2));
    let context =
        RequestContext { deadline, ..RequestContext::new("id", Principal::Anonymous(Subscriber::Loopback)) };
    let refused = service.execute(&context, program("x = 1")).await;
    assert!(matches!(refused, Err(ExecuteError::Busy { .. })), "{refused:?}");
    assert_eq!((begun.elapsed(), executor.created()), (Duration::from_secs(2), 1));
    first.abort();
}

#[tokio::test]
async fn cancelling_is_an_answer() {
    let (chain, executor) = chain(Script::Sleep);
    let service = Service::start(config(), chain, None);
    let context = RequestContext::new("id", Principal::Anonymous(Subscriber::Loopback));
    let task = tokio::spawn({
        let (service, context) = (Arc::clone(&service), context.clone());
        async move { service.execute(&context, program("x = 1")).await }
    });
    settle(|| executor.created() == 1).await;
    context.cancel.cancel();
    let answer = task.await.unwrap().unwrap();
    assert_eq!((answer.verdict.kind(), answer.verdict.retryable()), (OutcomeKind::Cancelled, true));
}

#[tokio::test]
async fn stopping_refuses_new_work_then_cancels_what_is_left_and_answers_it() {
    let (chain, executor) = chain(Script::Sleep);
    let service = Service::start(config(), chain, None);
    let task = tokio::spawn({
        let service = Arc::clone(&service);
        async move { run(&service, program("x = 1")).await }
    });
    settle(|| executor.created() == 1).await;
    let stopping = tokio::spawn({
        let service = Arc::clone(&service);
        async move { service.shut_down(Duration::from_millis(100)).await }
    });
    tokio::task::yield_now().await;
    let refused = run(&service, program("x = 1")).await.unwrap_err();
    assert!(matches!(refused, ExecuteError::ShuttingDown { retry_after_s: 1.. }));
    assert_eq!(service.health().await.status, Status::Unhealthy);
    stopping.await.unwrap();
    assert_eq!(task.await.unwrap().unwrap().verdict.kind(), OutcomeKind::Cancelled);
    service.shut_down(Duration::from_millis(1)).await;
}

#[tokio::test]
async fn stopping_waits_for_what_runs() {
    let (chain, executor) = chain(Script::Sleep);
    let service = Service::start(config(), chain, None);
    let task = tokio::spawn({
        let service = Arc::clone(&service);
        async move { run(&service, ExecuteCommand { timeout_s: Some(1), ..program("x = 1") }).await }
    });
    settle(|| executor.created() == 1).await;
    service.shut_down(Duration::from_secs(20)).await;
    assert_eq!(task.await.unwrap().unwrap().verdict.kind(), OutcomeKind::Timeout);
}

#[tokio::test]
async fn health_is_what_executors_and_store_say() {
    let good = service(Script::Echo).health().await;
    assert_eq!((good.status, good.probed.in_use, good.ready()), (Status::Healthy, Some("memory"), true));
    let bad = service(Script::FailToCreate).health().await;
    assert_eq!((bad.status, bad.probed.in_use, bad.ready()), (Status::Unhealthy, None, false));
    let moody = Service::start(config(), chain(Script::Echo).0, Some(Arc::new(MoodyStore)));
    assert_eq!(moody.health().await.status, Status::Degraded);
}

/// Waits until `condition` holds; the tests' own timeout is the bound.
async fn settle(condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waited).await.expect("it settles");
}

#[tokio::test]
async fn further_programs_of_one_caller_yield_while_another_is_active() {
    let (chain, executor) = chain(Script::Sleep);
    let service = Service::start(ServiceConfig { running_max: 8, ..config() }, chain, None);
    // Two of a caller that is alone, the only one of another, and a third of the first.
    let mut running = Vec::new();
    for number in [1, 1, 2, 1] {
        let before = executor.created();
        let caller = Principal::Anonymous(Subscriber::V4([192, 0, 2, number]));
        let (service, context) = (Arc::clone(&service), RequestContext::new("id-1", caller));
        running.push(tokio::spawn(async move { service.execute(&context, program("1")).await }));
        while executor.created() == before {
            tokio::task::yield_now().await;
        }
    }
    while executor.yielding() == 0 {
        tokio::task::yield_now().await;
    }
    running.iter().for_each(tokio::task::JoinHandle::abort);
    for ended in running {
        ended.await.unwrap_err();
    }
    assert_eq!(executor.yielding(), 1);
}
