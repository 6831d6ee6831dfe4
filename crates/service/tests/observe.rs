//! Every execution is reported exactly once, with the phases that it reached.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use async_trait::async_trait;
use bytes::Bytes;
use executor::scripted::{Script, ScriptedExecutor};
use executor::{Executor, ExecutorError, Freshness, Health, Hints, RunErrorKind, Sandbox};
use service::{
    Chain, ExecuteCommand, ExecutionRecord, InputFile, Observer, Phase, Principal, RecordEnd, RequestContext,
    Service, ServiceConfig, Store,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use storage::{CleanError, Cleaned, NewFile, PutError, StoreHealth, StoredFile};
use tokio::time::Instant;
use validator::Policy;

/// A record, copied.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    request_id: String,
    end: &'static str,
    executor: Option<&'static str>,
    attempts: u32,
    code: Option<String>,
    inputs: (u64, u64, u64),
    phases: Vec<Phase>,
    /// Of the phases, in sequence.
    times: Vec<(Instant, Instant)>,
}

/// Keeps what it is told; panics if it has been told to.
#[derive(Debug, Default)]
struct Notes {
    seen: Mutex<Vec<Seen>>,
    panics: bool,
}

impl Observer for Notes {
    fn execution(&self, record: &ExecutionRecord<'_>) {
        assert!(!self.panics, "an observer with a bug");
        let end = match record.end {
            RecordEnd::Ended(execution) => execution.verdict.kind().as_str(),
            RecordEnd::Refused(_) => "refused",
            RecordEnd::Abandoned => "abandoned",
            _ => "unknown",
        };
        let command = record.command;
        self.seen.lock().unwrap().push(Seen {
            request_id: record.context.request_id.clone(),
            end,
            executor: record.executor,
            attempts: record.attempts,
            code: command.code.as_deref().map(str::to_owned),
            inputs: (command.stdin_bytes, command.input_files, command.input_bytes),
            phases: record.phases.iter().map(|phase| phase.phase).collect(),
            times: record.phases.iter().map(|phase| (phase.began, phase.ended)).collect(),
        });
        let summary = record.context.summary.get().expect("the summary is there before the observer is told");
        for phase in Phase::ALL {
            let time = record.phases.iter().find(|time| time.phase == phase);
            assert_eq!(summary.times[phase.index()], time.map(service::PhaseTime::duration));
        }
        assert_eq!(summary.executor, record.executor);
    }
}

impl Notes {
    /// The only record since the last call; its phases follow each other.
    fn only(&self) -> Seen {
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap());
        assert_eq!(seen.len(), 1, "{seen:?}");
        let seen = seen.remove(0);
        assert!(seen.phases.is_sorted_by_key(|phase| phase.index()), "{seen:?}");
        let instants: Vec<_> = seen.times.iter().flat_map(|(began, ended)| [*began, *ended]).collect();
        assert!(instants.is_sorted(), "{seen:?}");
        seen
    }
}

/// Never answers.
#[derive(Debug)]
struct StuckStore;

#[async_trait]
impl Store for StuckStore {
    fn provider(&self) -> &'static str {
        "stuck"
    }

    async fn put(&self, _: NewFile, _: Instant) -> Result<StoredFile, PutError> {
        std::future::pending().await
    }

    async fn health(&self) -> StoreHealth {
        StoreHealth::healthy()
    }

    async fn clean(&self) -> Result<Cleaned, CleanError> {
        Ok(Cleaned::default())
    }
}

/// Never makes a sandbox.
#[derive(Debug)]
struct StuckExecutor;

#[async_trait]
impl Executor for StuckExecutor {
    fn name(&self) -> &'static str {
        "stuck"
    }

    async fn health(&self) -> Health {
        Health::unhealthy("stuck")
    }

    async fn create(&self, _: &Hints, _: Freshness) -> Result<Sandbox, ExecutorError> {
        std::future::pending().await
    }

    async fn shut_down(&self) {}
}

struct World {
    service: Arc<Service>,
    notes: Arc<Notes>,
}

impl World {
    fn new(executor: impl Executor + 'static, store: Option<Arc<dyn Store>>) -> Self {
        let notes = Arc::new(Notes::default());
        let observer = notes.clone() as Arc<dyn Observer>;
        let policy = ServiceConfig::new(Policy::default());
        let config = ServiceConfig { running_max: 1, waiting_max: 1, observer, ..policy };
        Self { service: Service::start(config, Chain::new(vec![Arc::new(executor)]), store), notes }
    }

    fn scripted(script: Script) -> Self {
        Self::new(ScriptedExecutor::named("memory", script), None)
    }

    async fn run(&self, command: ExecuteCommand) -> Seen {
        let _ = self.service.execute(&context(), command).await;
        self.notes.only()
    }

    /// Starts an execution, and lets everything run until nothing goes on.
    async fn begin(&self, command: ExecuteCommand) -> tokio::task::JoinHandle<()> {
        let service = Arc::clone(&self.service);
        let task = tokio::spawn(async move { drop(service.execute(&context(), command).await) });
        settle().await;
        task
    }

    /// The record of one whose caller goes away when nothing goes on any more.
    async fn abandon(&self, command: ExecuteCommand) -> Seen {
        let task = self.begin(command).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        self.notes.only()
    }
}

fn context() -> RequestContext {
    RequestContext::new("id-1", Principal::Operator)
}

fn program(code: &str) -> ExecuteCommand {
    ExecuteCommand { code: code.into(), ..ExecuteCommand::default() }
}

fn with_file() -> ExecuteCommand {
    let file = InputFile { path: "a".into(), content: Bytes::from_static(b"xyz") };
    ExecuteCommand { files: vec![file], stdin: "in".into(), ..program("x = 1") }
}

/// Tasks and the validator's thread come to rest. With paused time this sleep ends only when nothing else can go on.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

use Phase::{Collect, Queue, Run, Setup, Upload, Validate};

#[tokio::test(start_paused = true)]
async fn each_way_out_is_reported_once_with_the_phases_that_were_reached() {
    let seen = World::scripted(Script::Echo).run(with_file()).await;
    assert_eq!((seen.end, seen.executor, seen.attempts), ("exited", Some("memory"), 1));
    assert_eq!(seen.phases, [Validate, Queue, Setup, Run, Collect], "without a store nothing is uploaded");
    assert_eq!((seen.request_id.as_str(), seen.code.as_deref()), ("id-1", Some("x = 1")));
    assert_eq!(seen.inputs, (2, 1, 3));

    let seen = World::scripted(Script::Sleep).run(program("x = 1")).await;
    assert_eq!((seen.end, seen.phases.as_slice()), ("timeout", &[Validate, Queue, Setup, Run, Collect][..]));
    let (began, ended) = seen.times[3];
    assert_eq!((ended - began).as_secs(), 10, "the program's own time");

    let seen = World::scripted(Script::Echo).run(program(" ")).await;
    assert_eq!((seen.end, seen.code, seen.phases), ("refused", None, vec![]));
    let seen = World::scripted(Script::Echo).run(program("import os")).await;
    assert_eq!((seen.end, seen.attempts, seen.phases), ("refused", 0, vec![Validate]));
    let seen = World::scripted(Script::FailToCreate).run(program("x = 1")).await;
    assert_eq!((seen.end, seen.attempts, seen.phases), ("refused", 1, vec![Validate, Queue, Setup]));
    let fails = Script::FailBeforeStart(RunErrorKind::Sandbox);
    let seen = World::scripted(fails).run(program("x = 1")).await;
    assert_eq!((seen.end, seen.attempts, seen.phases), ("refused", 2, vec![Validate, Queue, Setup]));
    let seen = World::scripted(Script::FailAfterStart).run(program("x = 1")).await;
    assert_eq!((seen.end, seen.executor), ("refused", Some("memory")));
    assert_eq!(seen.phases, [Validate, Queue, Setup, Run]);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_a_full_service_are_reported() {
    let world = World::scripted(Script::Sleep);
    let running = world.begin(program("x = 1")).await;
    let (service, deadline) = (Arc::clone(&world.service), Instant::now() + Duration::from_secs(1));
    let waiting = tokio::spawn(async move {
        let context = RequestContext { deadline: Some(deadline), ..context() };
        drop(service.execute(&context, program("x = 1")).await);
    });
    settle().await;
    let full = world.run(program("x = 1")).await;
    assert_eq!((full.end, full.phases), ("refused", vec![]));
    waiting.await.unwrap();
    let too_late = world.notes.only();
    assert_eq!((too_late.end, too_late.phases.as_slice()), ("refused", &[Validate, Queue][..]));
    let (began, ended) = too_late.times[1];
    assert!(ended > began && ended.duration_since(deadline) < Duration::from_millis(2), "{too_late:?}");
    assert!(ended >= deadline, "{too_late:?}");
    running.await.unwrap();
    assert_eq!(world.notes.only().end, "timeout");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_is_reported_wherever_its_program_is() {
    let sleeping = World::scripted(Script::Sleep);
    let seen = sleeping.abandon(program("x = 1")).await;
    assert_eq!((seen.end, seen.executor, seen.attempts), ("abandoned", Some("memory"), 1));
    assert_eq!(seen.phases, [Validate, Queue, Setup, Run]);

    let running = sleeping.begin(program("x = 1")).await;
    let seen = sleeping.abandon(program("x = 1")).await;
    assert_eq!((seen.end, seen.attempts, seen.phases), ("abandoned", 0, vec![Validate, Queue]));
    running.abort();
    assert!(running.await.is_err());
    assert_eq!(sleeping.notes.only().end, "abandoned");

    let seen = World::new(StuckExecutor, None).abandon(program("x = 1")).await;
    assert_eq!((seen.end, seen.executor, seen.attempts), ("abandoned", Some("stuck"), 1));
    assert_eq!(seen.phases, [Validate, Queue, Setup]);

    let echo = ScriptedExecutor::named("memory", Script::Echo);
    let seen = World::new(echo, Some(Arc::new(StuckStore))).abandon(with_file()).await;
    assert_eq!((seen.end, seen.phases.len(), seen.phases.last()), ("abandoned", 6, Some(&Upload)));

    let world = World::scripted(Script::Echo);
    let (service, long) = (Arc::clone(&world.service), "x = 1\n".repeat(8000));
    let execution = async move { drop(service.execute(&context(), program(&long)).await) };
    let mut polled = testkit::Polled::new(execution);
    assert!(polled.poll().is_none(), "a thread of the validator has it");
    drop(polled);
    let seen = world.notes.only();
    assert!(seen.end == "abandoned" && seen.phases.starts_with(&[Validate]), "{seen:?}");
}

#[tokio::test]
async fn an_observer_that_panics_costs_no_answer_and_is_counted() {
    let observer = Arc::new(Notes { panics: true, ..Notes::default() });
    let config = ServiceConfig { observer, ..ServiceConfig::new(Policy::default()) };
    let chain = Chain::new(vec![Arc::new(ScriptedExecutor::named("memory", Script::Echo))]);
    let service = Service::start(config, chain, None);
    for _ in 0..2 {
        let answer = service.execute(&context(), program("x = 1")).await.unwrap();
        assert_eq!(answer.stdout.text, "x = 1");
    }
    assert_eq!(service.snapshot().observer_panics, 2);
}

#[tokio::test]
async fn a_snapshot_has_what_probes_chain_and_admission_know() {
    let broken = Arc::new(ScriptedExecutor::named("broken", Script::FailToCreate));
    let working = Arc::new(ScriptedExecutor::named("working", Script::Echo));
    let chain = Chain::new(vec![broken as Arc<dyn Executor>, working]);
    let service = Service::start(ServiceConfig::new(Policy::default()), chain, Some(Arc::new(StuckStore)));
    let before = service.snapshot();
    assert!(!before.ready && before.storage.is_none(), "nothing is known yet");
    assert!(before.executors.iter().all(|executor| !executor.is_up));
    service.health().await;
    service.execute(&context(), program("x = 1")).await.unwrap();
    let snapshot = service.snapshot();
    assert!(snapshot.ready && !snapshot.shutting_down);
    let names: Vec<_> = snapshot.executors.iter().map(|e| (e.stats.name, e.is_up, e.stats.downs)).collect();
    assert_eq!(names, [("broken", false, 1), ("working", true, 0)]);
    let storage = snapshot.storage.map(|storage| (storage.provider, storage.is_up));
    assert_eq!((storage, snapshot.load.running_max), (Some(("stuck", true)), 2));
    service.shut_down(Duration::ZERO).await;
    let after = service.snapshot();
    assert!(after.shutting_down && !after.ready);
}
