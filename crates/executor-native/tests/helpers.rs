//! Privileges of the processes around programs, and of code that a template imports: it can neither see nor
//! reach anything of the host, and does not outlive its service.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use confine::{AGENT_CAPABILITIES, LAUNCHER_CAPABILITIES, TEMPLATE_CAPABILITIES};
use executor::{Executor, Freshness, Hints, PoolSize, TemplateSpec};
use executor_native::{NativeConfig, NativeExecutor};
use seccomp::{Arch, syscall_number};
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use testkit::planted::Planted;

/// Time for a template to import, and for killed processes to be gone.
const TIME_MAX: Duration = Duration::from_secs(20);

fn status(pid: u32, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

fn capabilities(pid: u32, set: &str) -> u64 {
    u64::from_str_radix(&status(pid, set), 16).unwrap()
}

/// Its pids in the nested pid namespaces, from this test's on.
fn pids(pid: u32) -> Vec<u32> {
    status(pid, "NSpid").split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn name(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < TIME_MAX, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn helpers_have_the_rights_they_use() {
    let Some(config) = support::config() else { return };
    let config = NativeConfig { pool: PoolSize { min: 0, max: 0 }, ..config };
    let Ok(native) = NativeExecutor::start(config).await else { return };
    let sandbox = native.create(&Hints::default(), Freshness::Any).await.unwrap();
    let monitor = native.monitor_pid().unwrap();
    let launcher = support::launcher(&native);
    let below =
        |wanted: &str| support::children(launcher).into_iter().find(|pid| name(*pid).starts_with(wanted));
    let template = eventually("a template", || below("python")).await;
    let agent = eventually("a sandbox", || below("sandbox-agent")).await;

    let own = capabilities(std::process::id(), "CapBnd");
    let expected = [
        (monitor, "sandbox-monitor", 0, 1),
        (launcher, "sandbox-agent", LAUNCHER_CAPABILITIES.bits(), 1),
        (template, "python3", TEMPLATE_CAPABILITIES.bits(), 2),
        (agent, "sandbox-agent", AGENT_CAPABILITIES.bits(), 2),
    ];
    for (pid, called, kept, filters) in expected {
        let what = format!("{called} {pid}");
        assert!(name(pid).starts_with(called), "{what} is {}", name(pid));
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            assert_eq!(capabilities(pid, set), kept & own, "{what}: {set}");
        }
        assert_eq!(status(pid, "NoNewPrivs"), "1", "{what}");
        assert_eq!(status(pid, "Seccomp"), "2", "{what}");
        // Since Linux 5.9.
        let count = status(pid, "Seccomp_filters");
        assert!(count.is_empty() || count == filters.to_string(), "{what}: {count} filters");
        let score: i32 =
            std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap().trim().parse().unwrap();
        if [template, agent].contains(&pid) {
            assert!(score >= 0, "{what}: only the launcher itself is protected, not {score}");
        }
    }
    let depth = pids(monitor).len();
    assert_eq!(pids(launcher)[depth..], [1], "the first process of a namespace");
    assert_eq!(pids(template).len(), depth + 1);
    assert_eq!(pids(agent)[depth + 1..], [1]);
    let standard = |pid: u32, number: i32| std::fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap();
    assert_eq!(standard(agent, 2), Path::new("/dev/null"), "no sandbox process writes to the service's log");
    assert!(standard(launcher, 2).to_string_lossy().starts_with("pipe:"));
    assert_ne!(standard(launcher, 2), standard(std::process::id(), 2));
    drop(sandbox);
    native.shut_down().await;
}

/// Calls that an import has no use for, with arguments that would have an effect.
const TRIED: [(&str, &str); 33] = [
    ("bpf", "0, B, 72"),
    ("perf_event_open", "B, -1, 0, -1, 0"),
    ("mount", "b'none', b'/tmp', b'tmpfs', 0, 0"),
    ("umount2", "b'/tmp', 2"),
    ("fsopen", "b'tmpfs', 0"),
    ("open_tree", "-100, b'/', 1"),
    ("move_mount", "0, b'', -100, b'/tmp', 4"),
    ("pivot_root", "b'.', b'.'"),
    ("ptrace", "0x4206, 1, 0, 0"),
    ("process_vm_readv", "1, B, 1, B, 1, 0"),
    ("pidfd_getfd", "0, 0, 0"),
    ("kcmp", "1, 1, 0, 0, 0"),
    ("init_module", "B, 8, b''"),
    ("finit_module", "0, b'', 0"),
    ("delete_module", "b'x', 0"),
    ("kexec_load", "0, 0, 0, 0"),
    ("reboot", "0, 0, 0, 0"),
    ("swapon", "b'/tmp/x', 0"),
    ("open_by_handle_at", "-100, B, 0"),
    ("name_to_handle_at", "-100, b'/', B, B, 0"),
    ("keyctl", "22, 0, -2"),
    ("add_key", "b'user', b'x', b'y', 1, -2"),
    ("userfaultfd", "0"),
    ("io_uring_setup", "1, B"),
    ("syslog", "3, B, 64"),
    ("fanotify_init", "0, 0"),
    ("quotactl", "0, 0, 0, 0"),
    ("acct", "b'/tmp/x'"),
    ("clock_settime", "0, B"),
    ("sethostname", "b't', 1"),
    ("unshare", "0x10020000"),
    ("setns", "0, 0"),
    ("socket", "16, 3, 0"),
];

/// A module that makes all of these calls when it is imported, records the results, and leaves a process
/// behind.
fn probing_module() -> String {
    let mut text = "import ctypes, errno, os, time\n\
         libc = ctypes.CDLL(None, use_errno=True)\n\
         B, out = ctypes.create_string_buffer(b'\\1' * 8 + b'\\0' * 120), []\n\
         def call(name, number, *arguments):\n    \
             ctypes.set_errno(0)\n    \
             result = libc.syscall(number, *arguments)\n    \
             out.append('%s %s' % (name, 'done' if result >= 0 else errno.errorcode[ctypes.get_errno()]))\n"
        .to_owned();
    for (name, arguments) in TRIED {
        if let Some(number) = syscall_number(Arch::native(), name) {
            writeln!(text, "call('{name}', {number}, {arguments})").unwrap();
        }
    }
    text.push_str(
        "out.append('processes %d' % max(int(name) for name in os.listdir('/proc') if name.isdigit()))\n\
         if os.fork() == 0:\n    \
             open('/proc/self/comm', 'w').write('left-by-import')\n    \
             time.sleep(600)\n    \
             os._exit(0)\n\
         open('/tmp/tried.part', 'w').write('\\n'.join(out))\n\
         os.rename('/tmp/tried.part', '/tmp/tried')\n",
    );
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_reaches_nothing_and_outlives_nothing() {
    let Some(config) = support::config() else { return };
    let directory = tempfile::tempdir().unwrap();
    let planted = match Planted::new(directory.path(), &config.rootfs, "probing", &probing_module()) {
        Ok(planted) => planted,
        Err(error) => {
            return testkit::skip(format_args!("an overlay of the runtime: {error}"));
        }
    };
    let probing = TemplateSpec { name: "probing".to_owned(), preload: vec!["probing".to_owned()] };
    let config = NativeConfig {
        rootfs: planted.rootfs.clone(),
        templates: Some(vec![probing]),
        pool: PoolSize { min: 0, max: 0 },
        ..config
    };
    let native = NativeExecutor::start(config).await.unwrap();
    let launcher = support::launcher(&native);
    let read = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/root/tmp/tried")).ok();
    let tried = eventually("the import", || support::children(launcher).into_iter().find_map(read)).await;
    for line in tried.lines() {
        match line.split_once(' ').unwrap() {
            // The namespace is young; the host's processes have other numbers, or are many.
            ("processes", most) => assert!(most.parse::<u32>().unwrap() < 100, "{tried}"),
            (name, result) => assert_eq!(result, "ENOSYS", "{name}"),
        }
    }
    assert!(tried.lines().count() > 20, "{tried}");
    let left = || host_traces::pids_below(native.monitor_pid().unwrap());
    let left =
        eventually("what the import left", || left().into_iter().find(|pid| name(*pid) == "left-by-import"));
    let left = left.await;
    let groups = std::fs::read_to_string(format!("/proc/{left}/cgroup")).unwrap();
    assert!(groups.contains("/h-launcher"), "what an import starts is in the launcher's group: {groups}");
    native.shut_down().await;
    eventually("the end of what the import left", || (name(left) != "left-by-import").then_some(())).await;
}
