//! The fast path: that it is taken, that programs of one template share no secret, and that failures around
//! it cost no program.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod support;

use executor::{Control, ExecRequest, ExecResult, Executor, ExecutorStats, Freshness, Hints, PoolSize};
use executor_native::{NativeConfig, NativeExecutor, OriginCounts};
use host_traces::pids_below;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::time::Duration;

fn hints(imports: &[&str]) -> Hints {
    Hints { imports: imports.iter().map(|name| (*name).to_owned()).collect(), ..Hints::default() }
}

async fn exec(native: &NativeExecutor, imports: &[&str], code: &str) -> ExecResult {
    let sandbox = native.create(&hints(imports), Freshness::Any).await.unwrap();
    let request = ExecRequest { code: code.into(), ..ExecRequest::default() };
    sandbox.answer_once(&request, &Control::default()).await.unwrap()
}

async fn printed(native: &NativeExecutor, imports: &[&str], code: &str) -> String {
    let result = exec(native, imports, code).await;
    assert!(result.success(), "{result:?}");
    result.stdout.text
}

fn of<'a>(counts: &'a [OriginCounts], template: &str) -> &'a OriginCounts {
    counts.iter().find(|count| count.template == template).unwrap()
}

/// Time for a template to be ready (again): its pause, and its imports on a busy machine.
const RETURN_TIME_MAX: Duration = Duration::from_secs(60);

/// Processes below the launcher with this name: templates are `python3`, sandboxes `sandbox-agent`.
fn below_launcher(native: &NativeExecutor, name: &str) -> Vec<u32> {
    let pids = support::children(support::launcher(native)).into_iter();
    let is_named = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|text| text.trim().starts_with(name))
    };
    pids.filter(is_named).collect()
}

fn kill(pid: u32) {
    let _ = kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL);
}

async fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is_true() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not happen");
}

/// Runs programs until one was forked from this template, and returns how many had been by then.
async fn until_forked(native: &NativeExecutor, template: &str, imports: &[&str]) -> OriginCounts {
    let forked_before = of(&native.origins(), template).forked;
    let forked = async {
        loop {
            printed(native, imports, "print(1)").await;
            let counts = native.origins();
            if of(&counts, template).forked > forked_before {
                return of(&counts, template).clone();
            }
        }
    };
    tokio::time::timeout(RETURN_TIME_MAX, forked).await.expect("a program from the template")
}

/// One line for each source of randomness; each must differ between any two programs.
const SECRETS: &str = "
import os, random, secrets, ssl, sys, tempfile, uuid
print(random.random())
print(random.Random().random())
print(random.SystemRandom().random())
print(uuid.uuid4())
print(uuid.uuid1().node, uuid.uuid1().clock_seq)
print(secrets.token_hex(8))
print(ssl.RAND_bytes(8).hex())
print(os.urandom(8).hex())
print(tempfile.mktemp())
";

const SECRETS_OF_NUMPY: &str = "
import numpy
print(numpy.random.rand())
print(numpy.random.default_rng().random())
print(numpy.random.RandomState().rand())
print(numpy.random.permutation(1000)[:8])
import pandas
print(pandas.Series(range(1000)).sample(4).tolist())
";

#[tokio::test(flavor = "multi_thread")]
async fn siblings_share_no_random_numbers() {
    let Some(native) = support::native().await else { return };
    for (template, imports, code) in [
        ("lean", &[][..], SECRETS.to_owned()),
        ("data", &["pandas"][..], format!("{SECRETS}{SECRETS_OF_NUMPY}")),
    ] {
        // While its template is being made, a program gets a newly started interpreter.
        let before = until_forked(&native, template, imports).await;
        let mut seen: Vec<BTreeSet<String>> = Vec::new();
        for _ in 0..4 {
            let text = printed(&native, imports, &code).await;
            for (number, line) in text.lines().enumerate() {
                if seen.len() <= number {
                    seen.push(BTreeSet::new());
                }
                let is_new = seen[number].insert(line.to_owned());
                assert!(is_new, "{template}: two programs printed `{line}` in line {number}");
            }
        }
        let counts = native.origins();
        let count = of(&counts, template);
        let is_fast = count.forked >= before.forked + 4 && count.started == before.started;
        assert!(is_fast, "the slow path was taken: {counts:?}");
    }
    native.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_imports_choose_the_template_and_what_it_lacks_is_imported_later() {
    let Some(native) = support::native().await else { return };
    let loaded = "import sys; print(sorted({'numpy', 'scipy', 'pandas'} & set(sys.modules)))";
    assert_eq!(printed(&native, &[], loaded).await, "[]\n");
    assert_eq!(printed(&native, &["pandas"], loaded).await, "['numpy', 'pandas']\n");
    // An import that is hidden from the validator only takes longer.
    let hidden = "m = __import__('num' + 'py'); print(m.arange(3).sum())";
    assert_eq!(printed(&native, &[], hidden).await, "3\n");
    assert_eq!(
        printed(&native, &["pandas"], "import scipy.linalg as s; print(s.det([[2, 0], [0, 3]]))").await,
        "6.0\n"
    );
    native.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_template_costs_no_program_and_comes_back() {
    let Some(native) = support::native().await else { return };
    for round in 0..3 {
        let templates = below_launcher(&native, "python3");
        assert_eq!(templates.len(), 2, "lean and data");
        for pid in templates {
            kill(pid);
        }
        for number in 0..6 {
            let imports: &[&str] = if number % 2 == 0 { &[] } else { &["pandas"] };
            let code = format!("print({round}, {number})");
            assert_eq!(printed(&native, imports, &code).await, format!("{round} {number}\n"));
        }
        // The next sandbox that wants it restarts it, once its pause is over.
        let templates_are_back = async {
            while below_launcher(&native, "python3").len() < 2 {
                for imports in [&[][..], &["pandas"][..]] {
                    printed(&native, imports, "print(1)").await;
                }
            }
        };
        tokio::time::timeout(RETURN_TIME_MAX, templates_are_back).await.expect("two new templates");
    }
    until_forked(&native, "data", &["pandas"]).await;
    native.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sandboxes_killed_while_they_wait_are_not_used() {
    let Some(native) = support::native().await else { return };
    for _ in 0..5 {
        eventually("an idle sandbox", || !below_launcher(&native, "sandbox-agent").is_empty()).await;
        for pid in below_launcher(&native, "sandbox-agent") {
            kill(pid);
        }
        eventually("their end", || {
            below_launcher(&native, "sandbox-agent").iter().all(|pid| !pids_below(*pid).is_empty())
        })
        .await;
        assert_eq!(printed(&native, &[], "print('alive')").await, "alive\n");
    }
    native.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_interpreter_shares_nothing() {
    let Some(config) = support::config() else { return };
    let config = NativeConfig { templates: None, pool: PoolSize { min: 0, max: 0 }, ..config };
    let Ok(native) = NativeExecutor::start(config).await else { return };
    let code = "print(hash('a'), id(object()))";
    let (one, other) = (printed(&native, &[], code).await, printed(&native, &[], code).await);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (words(&one), words(&other));
    assert_ne!(one[0], other[0], "the seed of hashes");
    assert_ne!(one[1], other[1], "the layout of the address space");
    let counts = native.origins();
    assert!(counts.iter().all(|count| count.forked == 0), "{counts:?}");
    native.shut_down().await;
}

/// OpenBLAS starts its threads at import; a template must end them before it forks, and a fork starts its
/// own.
#[tokio::test(flavor = "multi_thread")]
async fn numeric_threads_start_again_in_a_fork() {
    let Some(mut config) = support::config() else { return };
    config.limits.cpu_quota_us = 2 * config.limits.cpu_period_us;
    let Ok(native) = NativeExecutor::start(config).await else { return };
    let code = "
import numpy, os
a = numpy.ones((600, 600))
print(int((a @ a)[0, 0]), os.cpu_count())
";
    assert_eq!(printed(&native, &["numpy"], code).await, "600 2\n");
    let counts = native.origins();
    assert!(of(&counts, "data").forked > 0 && of(&counts, "data").started == 0, "{counts:?}");
    native.shut_down().await;
}

/// Makes that many sandboxes and returns the network namespaces of their first processes.
fn networks(native: &NativeExecutor) -> BTreeSet<std::path::PathBuf> {
    let sandboxes = below_launcher(native, "sandbox-agent");
    sandboxes.iter().filter_map(|pid| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn living_cells_share_no_network_and_dead_ones_leave_theirs() {
    let Some(config) = support::config() else { return };
    let config = NativeConfig { pool: PoolSize { min: 0, max: 0 }, ..config };
    let Ok(native) = NativeExecutor::start(config).await else { return };
    eventually("the end of the start's own test", || networks(&native).is_empty()).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(native.create(&Hints::default(), Freshness::Any).await.unwrap());
    }
    let first = networks(&native);
    assert_eq!(first.len(), 4, "{first:?}");
    assert!(!first.contains(&std::fs::read_link("/proc/self/ns/net").unwrap()));
    drop(held);
    // Of the processes: they leave their namespaces before the launcher can know that they are dead.
    eventually("their end", || below_launcher(&native, "sandbox-agent").is_empty()).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(native.create(&Hints::default(), Freshness::Any).await.unwrap());
    }
    let second = networks(&native);
    assert_eq!(second.len(), 3, "{second:?}");
    assert!(second.is_subset(&first), "{second:?} are not of {first:?}");
    drop(held);
    native.shut_down().await;
}

/// A case that the kernel's collector is slow with: a socket that no process has open any more, still in its
/// namespace.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_holds_a_socket_is_not_used_again() {
    use rustix::net::{AddressFamily, SocketType, socket};
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    use std::os::fd::AsFd;

    let Some(config) = support::config() else { return };
    let config = NativeConfig { pool: PoolSize { min: 0, max: 0 }, ..config };
    let Ok(native) = NativeExecutor::start(config).await else { return };
    eventually("the end of the start's own test", || networks(&native).is_empty()).await;
    let first = native.create(&Hints::default(), Freshness::Any).await.unwrap();
    let used = networks(&native);
    let sandboxes = below_launcher(&native, "sandbox-agent");
    let network = std::fs::File::open(format!("/proc/{}/ns/net", sandboxes.first().unwrap())).unwrap();
    // A thread of its own, which drops its namespace reference when it ends.
    let made = std::thread::spawn(move || {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
        socket(AddressFamily::UNIX, SocketType::STREAM, None)
    });
    // An ordinary user may not enter it.
    let Ok(left) = made.join().unwrap() else { return };
    drop(first);
    eventually("its end", || below_launcher(&native, "sandbox-agent").is_empty()).await;
    let second = native.create(&Hints::default(), Freshness::Any).await.unwrap();
    assert_eq!(networks(&native).len(), 1);
    assert!(networks(&native).is_disjoint(&used), "a namespace that is not empty is used again");
    drop((second, left));
    native.shut_down().await;
}

/// What metrics show of this executor.
#[tokio::test(flavor = "multi_thread")]
async fn counts_and_sizes_are_those_of_the_sandboxes() {
    let Some(native) = support::native().await else { return };
    until_forked(&native, "lean", &[]).await;
    let before = native.stats();
    for _ in 0..3 {
        assert_eq!(printed(&native, &[], "print(1)").await, "1\n");
    }
    let stats = native.stats();
    let lean = |stats: &ExecutorStats| {
        let template =
            stats.templates.iter().find(|template| &*template.name == "lean").expect("always there");
        (template.pool.taken_idle + template.pool.taken_made, template.interpreters.expect("counted"))
    };
    let ((takes_before, _), (takes, interpreters)) = (lean(&before), lean(&stats));
    assert_eq!(takes, takes_before + 3);
    assert!(interpreters.forked >= 3 && interpreters.started == 0, "{interpreters:?}");
    let idle: u64 = stats.templates.iter().map(|template| template.pool.idle).sum();
    assert!(stats.sandboxes >= Some(idle.min(1)), "{stats:?}");
    let memory = stats.memory_bytes.expect("the kernel counts it");
    assert!(memory > 1 << 20 && stats.memory_bytes_max.is_none_or(|limit| memory < limit), "{stats:?}");
    native.shut_down().await;
    let after = native.stats();
    assert_eq!((after.sandboxes, after.removing), (Some(0), Some(0)), "{after:?}");
}
