//! A failure affects nothing else, is reported truthfully, and leaves nothing behind.
//!
//! One test, because all of its parts compare the whole host before and after.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod support;

use executor::{
    Control, ExecRequest, ExecResult, Executor, ExecutorError, Freshness, Hints, OutcomeKind, PoolSize,
};
use executor_native::{NativeExecutor, StartError};
use host_traces::{Scope, Snapshot};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CLEAN_TIME_MAX: Duration = Duration::from_secs(10);

async fn exec(executor: &dyn Executor, code: &str) -> Result<ExecResult, ExecutorError> {
    let sandbox = executor.create(&Hints::default(), Freshness::Any).await?;
    let request = ExecRequest { code: code.into(), ..ExecRequest::default() };
    sandbox.answer_once(&request, &Control::default()).await
}

fn assert_clean(before: &Snapshot, after: &str) {
    let left = before.left_after(CLEAN_TIME_MAX);
    assert!(left.is_empty(), "after {after}: {left:?}");
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_and_leftovers() {
    let before = Snapshot::now(Scope::Host);
    if support::native().await.is_none() {
        return;
    }
    assert_clean(&before, "an executor that ran nothing");
    every_step_of_the_launcher_fails_alone(&before).await;
    every_step_of_a_cell_fails_alone(&before).await;
    every_step_of_a_program_fails_alone(&before).await;
    a_killed_launcher_costs_only_the_programs_inside(&before).await;
    a_stopped_launcher_ends_with_the_executor(&before).await;
    frozen_sandboxes_hold_up_nothing(&before).await;
    an_abandoned_run_ends(&before).await;
    many_runs_leave_nothing(&before).await;
}

async fn every_step_of_the_launcher_fails_alone(before: &Snapshot) {
    for wanted in launcher::LAUNCHER_STEPS {
        let mut config = support::config().unwrap();
        config.fail_cell_at = Some(wanted.to_owned());
        match NativeExecutor::start(config).await {
            Err(StartError::Refused { step, .. }) => assert_eq!(step, wanted),
            other => panic!("{wanted}: {other:?}"),
        }
        assert_clean(before, wanted);
    }
}

/// What cannot end by itself is ended from outside, with everything it started.
async fn a_stopped_launcher_ends_with_the_executor(before: &Snapshot) {
    let native = support::native().await.unwrap();
    let launcher = rustix::process::Pid::from_raw(support::launcher(&native).try_into().unwrap()).unwrap();
    rustix::process::kill_process(launcher, rustix::process::Signal::STOP).unwrap();
    native.shut_down().await;
    drop(native);
    assert_clean(before, "a stopped launcher");
}

async fn every_step_of_a_cell_fails_alone(before: &Snapshot) {
    for step in launcher::SETUP_STEPS.map(launcher::SetupStep::as_str) {
        let mut config = support::config().unwrap();
        config.fail_cell_at = Some(step.to_owned());
        match NativeExecutor::start(config).await {
            Err(StartError::SelfTest(text)) => assert!(text.contains(step), "{step}: {text}"),
            other => panic!("{step}: {other:?}"),
        }
        assert_clean(before, step);
    }
}

async fn every_step_of_a_program_fails_alone(before: &Snapshot) {
    for forked in [true, false] {
        for step in confine::PROGRAM_STEPS.into_iter().filter(|step| step.is_of(forked)) {
            let mut config = support::config().unwrap();
            config.templates = forked.then(Vec::new);
            config.pool = PoolSize { min: 0, max: 0 };
            config.fail_program_at = Some(step as u8);
            match NativeExecutor::start(config).await {
                Err(StartError::SelfTest(text)) => assert!(text.contains(step.as_str()), "{step:?}: {text}"),
                other => panic!("{step:?} (forked: {forked}): {other:?}"),
            }
            assert_clean(before, step.as_str());
        }
    }
}

async fn a_killed_launcher_costs_only_the_programs_inside(before: &Snapshot) {
    let native = Arc::new(support::native().await.unwrap());
    let running = tokio::spawn({
        let native = Arc::clone(&native);
        async move { exec(native.as_ref(), "import time; time.sleep(20)").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let pid = rustix::process::Pid::from_raw(native.monitor_pid().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let begun = Instant::now();
    let error = running.await.unwrap().unwrap_err();
    assert!(error.program_may_have_run, "a program that ran must not be sent elsewhere: {error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    for _ in 0..3 {
        assert!(exec(native.as_ref(), "print(1)").await.unwrap().success());
    }
    assert!(native.health().await.healthy);
    native.shut_down().await;
    drop(native);
    assert_clean(before, "a killed launcher");
}

/// On cgroup v1 a frozen process does not die, and what waits for its death waits too, such as the launcher's
/// end.
async fn frozen_sandboxes_hold_up_nothing(before: &Snapshot) {
    let native = support::native().await.unwrap();
    let frozen = async || {
        let mut sandbox = native.create(&Hints::default(), Freshness::Any).await.unwrap();
        sandbox.freeze().await.unwrap();
        sandbox
    };
    let (of_the_first, dropped_at_once) = (frozen().await, frozen().await);
    drop(dropped_at_once);
    let pid = rustix::process::Pid::from_raw(native.monitor_pid().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let deadline = Instant::now() + CLEAN_TIME_MAX;
    while of_the_first.is_alive() {
        assert!(Instant::now() < deadline, "it outlives its launcher");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // One that was being made meanwhile is gone too.
    let _ = exec(&native, "print(1)").await;
    for _ in 0..3 {
        assert!(exec(&native, "print(1)").await.unwrap().success());
    }
    let of_the_second = frozen().await;
    drop(of_the_first);
    native.shut_down().await;
    drop(of_the_second);
    drop(native);
    assert_clean(before, "frozen sandboxes");
}

async fn an_abandoned_run_ends(before: &Snapshot) {
    let native = support::native().await.unwrap();
    for wait_ms in [0, 1, 5, 20, 300] {
        let run = exec(&native, "while True: pass");
        let _ = tokio::time::timeout(Duration::from_millis(wait_ms), run).await;
    }
    // A second executor's sweep must not touch the first one's sandboxes.
    let other = support::native().await.unwrap();
    let result = exec(&native, "print('still here')").await.unwrap();
    assert_eq!((result.kind(), result.stdout.text.as_str()), (OutcomeKind::Exited, "still here\n"));
    other.shut_down().await;
    native.shut_down().await;
    assert!(matches!(exec(&native, "print(1)").await, Err(error) if !error.program_may_have_run));
    drop((native, other));
    assert_clean(before, "abandoned runs");
}

async fn many_runs_leave_nothing(before: &Snapshot) {
    // As many are idle after the runs as before: each holds descriptors.
    let mut config = support::config().unwrap();
    config.pool = PoolSize { min: 2, max: 2 };
    let native = NativeExecutor::start(config).await.unwrap();
    exec(&native, "print(1)").await.unwrap();
    let waiting = 2 * native.origins().len();
    let deadline = Instant::now() + CLEAN_TIME_MAX;
    while native.health().await.warm < waiting && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Used sandboxes are removed in the background.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let descriptors = open_descriptors();
    for number in 0..200 {
        let result = exec(&native, &format!("print({number})")).await.unwrap();
        assert_eq!(result.stdout.text, format!("{number}\n"));
    }
    let deadline = Instant::now() + CLEAN_TIME_MAX;
    while open_descriptors() > descriptors && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(open_descriptors() <= descriptors, "{} descriptors, {descriptors} before", open_descriptors());
    native.shut_down().await;
    drop(native);
    assert_clean(before, "200 runs");
}
