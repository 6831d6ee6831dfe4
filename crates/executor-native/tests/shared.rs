//! Nothing that a program can lock, or be slowed down by, is shared with another sandbox.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic where it stands")]

mod support;

use executor::{Control, ExecLimits, ExecRequest, Executor as _, Freshness, Hints};
use executor_native::NativeConfig;
use std::time::Duration;

/// Locks files that every sandbox can reach, as a whole and by record; then sleeps if told to.
const LOCKING: &str = r#"
import errno, fcntl, os, sys, time
for path in (os.__file__, "/", "/usr", "/dev/null", "/dev/urandom", "/proc/self/status"):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(os.open("/dev/null", os.O_WRONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("BREACH", path, "is locked by another sandbox")
print("locked", flush=True)
time.sleep(float(sys.stdin.read() or 0))
"#;

/// Whole-file locks of the processes below this one (proc_locks(5)): builds and engines on this host take and release
/// theirs meanwhile.
fn locks_held() -> usize {
    let own = host_traces::pids_below(std::process::id());
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let is_own = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let pid = fields.nth(3).and_then(|pid| pid.parse().ok());
        line.contains("FLOCK") && pid.is_some_and(|pid| own.contains(&pid))
    };
    locks.lines().filter(is_own).count()
}

async fn a_lock_is_its_sandboxs_own(config: NativeConfig) {
    let Ok(native) = executor_native::NativeExecutor::start(config).await else { panic!("it starts") };
    let before = locks_held();
    let first = native.create(&Hints::default(), Freshness::Any).await.unwrap();
    let second = native.create(&Hints::default(), Freshness::Any).await.unwrap();
    let control = Control::default();
    let holding = tokio::spawn({
        let control = control.clone();
        async move {
            let request = ExecRequest {
                code: LOCKING.into(),
                stdin: b"20".to_vec().into(),
                limits: ExecLimits { wall_time: Duration::from_secs(25), ..ExecLimits::default() },
                ..ExecRequest::default()
            };
            first.answer_once(&request, &control).await
        }
    });
    for _ in 0..400 {
        if locks_held() >= before + 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(locks_held() >= before + 6, "the first program holds its locks");
    let request = ExecRequest { code: LOCKING.into(), ..ExecRequest::default() };
    let result = second.answer_once(&request, &Control::default()).await.unwrap();
    assert_eq!(result.stdout.text, "locked\n", "{}", result.stderr.text);
    control.cancel();
    let held = holding.await.unwrap().unwrap();
    assert!(held.stdout.text.starts_with("locked"), "{}", held.stdout.text);
    native.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_its_sandboxs_own_whether_the_runtime_is_in_memory_or_not() {
    let Some(config) = support::config() else { return };
    a_lock_is_its_sandboxs_own(config.clone()).await;
    a_lock_is_its_sandboxs_own(NativeConfig { runtime_memory_bytes: 4 << 30, ..config }).await;
}
