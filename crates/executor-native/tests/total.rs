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

/// The weights of the sandboxes' groups, in the unit of the kernel's version.
fn cpu_weights(native: &NativeExecutor) -> Vec<u64> {
    let groups = native.cgroup_paths().into_iter().flat_map(|path| std::fs::read_dir(path).unwrap());
    let sandboxes =
        groups.map(Result::unwrap).filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"c-"));
    let weight = |group: std::path::PathBuf| {
        let text = ["cpu.shares", "cpu.weight"].map(|name| std::fs::read_to_string(group.join(name)).ok());
        text.into_iter().flatten().next()?.trim().parse().ok()
    };
    let mut weights: Vec<u64> = sandboxes.filter_map(|entry| weight(entry.path())).collect();
    weights.sort_unstable();
    weights
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_yields_has_a_quarter_of_the_weight_of_others() {
    let Some(config) = support::config() else { return };
    let config = NativeConfig { templates: None, pool: PoolSize { min: 0, max: 0 }, ..config };
    let native = NativeExecutor::start(config).await.unwrap();
    // The executor's own test of itself is being removed.
    for _ in 0..500 {
        if cpu_weights(&native).is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let usual = native.create(&Hints::default(), Freshness::Any).await.unwrap();
    let yields = Hints { yields: true, ..Hints::default() };
    let yielding = native.create(&yields, Freshness::Any).await.unwrap();
    let weights = cpu_weights(&native);
    assert!(weights == [25, 100] || weights == [256, 1024], "{weights:?}");
    drop((usual, yielding));
    native.shut_down().await;
}
