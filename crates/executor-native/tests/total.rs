//! Limits on all sandboxes together.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use executor::{Control, ExecRequest, ExecResult, Executor, Freshness, Hints, Limit, OutcomeKind, PoolSize};
use executor_native::{NativeConfig, NativeExecutor, Total, Totals};

async fn exec(native: &NativeExecutor, code: &str) -> ExecResult {
    let sandbox = native.create(&Hints::default(), Freshness::Any).await.unwrap();
    let request = ExecRequest { code: code.into(), ..ExecRequest::default() };
    sandbox.answer_once(&request, &Control::default()).await.unwrap()
}

/// Two programs, each within its own 128 MiB, want more than the 160 MiB that both share.
#[tokio::test(flavor = "multi_thread")]
async fn programs_within_their_limits_do_not_exceed_the_limit_on_all() {
    let Some(config) = support::config() else { return };
    let total = 160 << 20;
    let config = NativeConfig {
        templates: None,
        pool: PoolSize { min: 0, max: 0 },
        totals: Totals { memory: Total::Fixed(total), pids: Total::Fixed(500) },
        ..config
    };
    let Ok(native) = NativeExecutor::start(config).await else { return };
    let health = native.health().await;
    for name in ["memory_total_limit", "process_total_limit"] {
        assert!(health.protections[name].enforced, "{name}: {:?}", health.protections[name]);
    }
    let greedy = "import time\nx = bytearray(b'x') * (100 << 20)\ntime.sleep(8)";
    let (first, second) = tokio::join!(exec(&native, greedy), exec(&native, greedy));
    let killed: Vec<_> =
        [first, second].into_iter().filter(|result| result.kind() == OutcomeKind::OutOfMemory).collect();
    assert!(!killed.is_empty(), "more than the limit on all was used");
    for result in killed {
        let limit = result.verdict.limit.unwrap();
        assert_eq!((limit.limit, limit.value), (Limit::MemoryTotal, total));
        let shared = result.verdict.evidence.memory_shared;
        assert_eq!(shared.and_then(|shared| shared.bytes_max), Some(total));
    }
    assert!(exec(&native, "print(1)").await.success());
    native.shut_down().await;
}
