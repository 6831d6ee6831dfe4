//! Where the runtime is, and the consequences.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use executor::{Control, ExecRequest, Executor, Freshness, Hints, PoolSize};
use executor_native::{NativeConfig, NativeExecutor};
use std::path::{Path, PathBuf};

/// Nothing is pre-created, so that the counts of a test are its own.
fn alone(config: NativeConfig) -> NativeConfig {
    NativeConfig { templates: None, pool: PoolSize { min: 0, max: 0 }, ..config }
}

async fn prints(native: &NativeExecutor, code: &str) -> String {
    let sandbox = native.create(&Hints::default(), Freshness::Any).await.unwrap();
    let request = ExecRequest { code: code.into(), ..ExecRequest::default() };
    let result = sandbox.answer_once(&request, &Control::default()).await.unwrap();
    assert!(result.success(), "{result:?}");
    result.stdout.text
}

async fn runtime_as_health_has_it(native: &NativeExecutor) -> String {
    native.health().await.protections["runtime"].detail.clone()
}

/// The limit on the memory of all sandboxes together.
fn memory_limit(native: &NativeExecutor) -> PathBuf {
    let files = |group: PathBuf| [group.join("memory.limit_in_bytes"), group.join("memory.max")];
    native.cgroup_paths().into_iter().flat_map(files).find(|file| file.exists()).unwrap()
}

/// The largest file of the runtime, with its size.
fn largest_file(rootfs: &Path) -> (u64, PathBuf) {
    let mut largest = (0, PathBuf::new());
    let mut directories = vec![rootfs.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                largest = largest.max((entry.metadata().unwrap().len(), entry.path()));
            }
        }
    }
    largest
}

/// The cgroup that limits reads on v1: in the blkio hierarchy, by the instance's name.
fn v1_reads_group(native: &NativeExecutor) -> Option<PathBuf> {
    let instance = native.cgroup_paths().into_iter().next().unwrap();
    let hierarchy = Path::new("/sys/fs/cgroup/blkio");
    let group = hierarchy.join(instance.parent()?.file_name()?).join(instance.file_name()?);
    hierarchy.exists().then_some(group)
}

/// Bytes that the kernel counted for the cgroup as read from all disks (blkio-controller.rst): `254:0 Read
/// 4096`.
fn bytes_read(group: &Path) -> u64 {
    let text = std::fs::read_to_string(group.join("blkio.throttle.io_service_bytes")).unwrap();
    let reads = text.lines().filter_map(|line| line.split_once(" Read ")?.1.parse::<u64>().ok());
    reads.sum()
}

/// What is in use at that moment stays in the cache, so this needs several attempts at times.
const ATTEMPTS_MAX: u32 = 10;

/// Drops a file from the page cache, as far as no process has it mapped (posix_fadvise(2): what is not yet on the disk stays).
fn drop_from_page_cache(path: &Path) {
    let file = std::fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// Reads of a program that miss the page cache are counted in the cgroup with the limit, whichever way its
/// process was made.
#[tokio::test(flavor = "multi_thread")]
async fn reads_from_the_runtimes_disk_are_bounded_for_all_sandboxes() {
    let Some(config) = support::config() else { return };
    let (size, file) = largest_file(&config.rootfs);
    let in_sandbox = Path::new("/").join(file.strip_prefix(&config.rootfs).unwrap());
    let config =
        NativeConfig { disk_read_bytes_max: Some(64 << 20), templates: Some(Vec::new()), ..alone(config) };
    let native = NativeExecutor::start(config).await.unwrap();
    let health = native.health().await;
    assert!(health.protections["runtime"].enforced, "without the limit, everything else holds");
    let detail = runtime_as_health_has_it(&native).await;
    if detail.contains("no limit on reads") {
        return testkit::does_not_apply(&detail);
    }
    let (_, disk) = detail.split_once("at most 64 MiB per second from disk ").unwrap();
    let disk = disk.split_once(' ').unwrap().0.to_owned();
    let Some(group) = v1_reads_group(&native) else {
        let text = std::fs::read_to_string(native.cgroup_paths()[0].join("io.max")).unwrap();
        assert!(text.starts_with(&format!("{disk} rbps={} ", 64 << 20)), "{text}");
        native.shut_down().await;
        return;
    };
    let text = std::fs::read_to_string(group.join("blkio.throttle.read_bps_device")).unwrap();
    assert_eq!(text, format!("{disk} {}\n", 64 << 20));
    let code = format!("print(len(open({:?}, 'rb').read()))", in_sandbox.display());
    let mut read = 0;
    for _ in 0..ATTEMPTS_MAX {
        drop_from_page_cache(&file);
        let before = bytes_read(&group);
        assert_eq!(prints(&native, &code).await, format!("{size}\n"));
        read = bytes_read(&group) - before;
        if read >= size / 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    assert!(read >= size / 2, "{read} of {size} bytes were counted");
    // The launcher, its template, the first process of a sandbox, and the interpreter in it.
    let sandbox = native.create(&Hints::default(), Freshness::Any).await.unwrap();
    let launcher = support::launcher(&native);
    let below = support::children(launcher);
    let all: Vec<u32> = [launcher].into_iter().chain(host_traces::pids_below(launcher)).collect();
    assert!(all.len() > below.len() + 1, "an interpreter is in the sandbox: {all:?}");
    let inside = std::fs::read_to_string(group.join("cgroup.procs")).unwrap();
    for pid in all {
        assert!(inside.lines().any(|line| line == pid.to_string()), "{pid} is not in it: {inside}");
    }
    drop(sandbox);
    native.shut_down().await;
    drop(native);
    assert!(!group.exists(), "it ends with the service");
}

/// A service that reads nothing from a disk pays nothing for the limit.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_runtime_in_memory_no_group_for_reads_is_made() {
    let Some(config) = support::config_in_memory() else { return };
    let config = NativeConfig { disk_read_bytes_max: Some(64 << 20), ..alone(config) };
    let native = NativeExecutor::start(config).await.unwrap();
    assert!(v1_reads_group(&native).is_none_or(|group| !group.exists()));
    let io_max = native.cgroup_paths()[0].join("io.max");
    assert!(std::fs::read_to_string(io_max).unwrap_or_default().is_empty());
    native.shut_down().await;
}

/// A launcher killed for copying the runtime into memory would take every program with it each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_launcher_killed_for_its_copy_of_the_runtime_is_the_last_to_make_one() {
    let Some(config) = support::config_in_memory() else { return };
    let native = NativeExecutor::start(alone(config)).await.unwrap();
    let in_memory = runtime_as_health_has_it(&native).await;
    let mib = in_memory.strip_prefix("a sealed copy in memory, ").unwrap().strip_suffix(" MiB").unwrap();
    let too_little = (mib.parse::<u64>().unwrap() << 20) / 4 * 3;
    let limit = memory_limit(&native);
    // The copy ends with its launcher, and the next launcher finds less memory than it needs.
    let launcher = rustix::process::Pid::from_raw(support::launcher(&native).try_into().unwrap()).unwrap();
    rustix::process::kill_process(launcher, rustix::process::Signal::KILL).unwrap();
    while std::fs::write(&limit, too_little.to_string()).is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(prints(&native, "print(6 * 7)").await, "42\n");
    let on_disk = runtime_as_health_has_it(&native).await;
    assert!(on_disk.contains("on its disk") && on_disk.contains("for lack of memory"), "{on_disk}");
    // Even with enough memory again, it stays there.
    std::fs::write(&limit, (8u64 << 30).to_string()).unwrap();
    let launcher = rustix::process::Pid::from_raw(support::launcher(&native).try_into().unwrap()).unwrap();
    rustix::process::kill_process(launcher, rustix::process::Signal::KILL).unwrap();
    assert_eq!(prints(&native, "print(6 * 7)").await, "42\n");
    assert_eq!(runtime_as_health_has_it(&native).await, on_disk);
    native.shut_down().await;
}
