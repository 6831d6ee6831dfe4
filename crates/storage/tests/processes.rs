//! Several processes that share one store: one key, one limit, and no clean removes what another process just
//! stored. The other processes are this test binary again, with their role in the environment.
#![allow(clippy::unwrap_used, reason = "clippy takes only #[test] functions for tests, not their helpers")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use common::{by, counted, files_below, new_file, object_path, set_expiry, token};
use storage::{LinkError, LocalConfig, LocalStore, ObjectName, Store};

const ROLE: &str = "STORAGE_TEST_ROLE";
const ROOT: &str = "STORAGE_TEST_ROOT";

/// The limit of the store that the processes fill together, and the bytes charged for each file there.
const BOUND: u64 = 100 * FILE;
const FILE: u64 = 8192;

/// How long and how often puts race with cleaners: enough to fail nearly always without the lock.
const RACE_TIME: Duration = Duration::from_secs(4);
const ROUNDS_MAX: u32 = 3000;

/// A process that is killed on drop, even if the test fails.
struct Process(Child);

impl Process {
    fn start(role: &str, root: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "another_process", "--nocapture"])
            .env(ROLE, role)
            .env(ROOT, root)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Waits until the process made the file `sign`.
    fn wait_for(&mut self, sign: &Path) {
        while !sign.exists() {
            assert!(self.0.try_wait().unwrap().is_none(), "the process ended without its sign");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn wait(mut self) {
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test: the code of the other processes.
#[tokio::test]
async fn another_process() {
    let (Some(role), Some(root)) = (std::env::var_os(ROLE), std::env::var_os(ROOT)) else { return };
    let root = Path::new(&root);
    match role.to_str().unwrap() {
        // Waits for the starting signal, opens, and leaves a link behind.
        "open" => {
            while !root.with_extension("go").exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let store = LocalStore::open(LocalConfig::new(root)).unwrap();
            let name = std::process::id().to_string();
            let stored = store.put(new_file(&name, "from all"), by()).await.unwrap();
            fs::write(root.with_extension(name), token(&stored)).unwrap();
        }
        "clean" => {
            let store = LocalStore::open(LocalConfig::new(root)).unwrap();
            fs::write(root.with_extension("cleaning"), "").unwrap();
            loop {
                store.clean().await.unwrap();
            }
        }
        // Stores until nothing fits.
        "fill" => {
            let config = LocalConfig { bytes_max: BOUND, ..LocalConfig::new(root) };
            let store = LocalStore::open(config).unwrap();
            while store.put(new_file("a.bin", vec![7; 5000]), by()).await.is_ok() {}
        }
        // Moves what waits until nothing does, and notes what it moved.
        "move" => {
            while !root.with_extension("go").exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let store = LocalStore::open(LocalConfig::new(root)).unwrap();
            let mut moved = String::new();
            while store.waiting().await.unwrap().files > 0 {
                for name in store.waiting_longest(usize::MAX).await.unwrap() {
                    if let Some(claimed) = store.claim(&name).await.unwrap() {
                        moved.push_str(name.as_str());
                        moved.push('\n');
                        claimed.finish().await.unwrap();
                    }
                }
            }
            fs::write(root.with_extension(std::process::id().to_string()), moved).unwrap();
        }
        // Holds what waits until it is killed.
        "hold" => {
            let store = LocalStore::open(LocalConfig::new(root)).unwrap();
            let name = store.waiting_longest(1).await.unwrap().remove(0);
            let _claimed = store.claim(&name).await.unwrap().unwrap();
            fs::write(root.with_extension("holding"), "").unwrap();
            std::future::pending().await
        }
        role => panic!("unknown role {role}"),
    }
}

#[tokio::test]
async fn processes_that_start_at_once_agree_on_one_key() {
    for _ in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let processes: Vec<_> = (0..8).map(|_| Process::start("open", &root)).collect();
        std::thread::sleep(Duration::from_millis(100));
        fs::write(root.with_extension("go"), "").unwrap();
        let ids: Vec<_> = processes.iter().map(|process| process.0.id()).collect();
        processes.into_iter().for_each(Process::wait);

        let store = LocalStore::open(LocalConfig::new(&root)).unwrap();
        for id in ids {
            let token = fs::read_to_string(root.with_extension(id.to_string())).unwrap();
            let download = store.open_link(&token).await.unwrap();
            assert_eq!(download.file_name, id.to_string());
        }
        assert!(files_below(&root.join("tmp")).is_empty());
        assert_eq!(files_below(&root.join("objects")).len(), 8);
    }
}

/// Not one file more than fits, whichever process stores it, even while others clean.
#[tokio::test]
async fn processes_that_share_a_store_share_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let mut cleaner = Process::start("clean", &root);
    cleaner.wait_for(&root.with_extension("cleaning"));
    let fillers: Vec<_> = (0..4).map(|_| Process::start("fill", &root)).collect();
    fillers.into_iter().for_each(Process::wait);
    drop(cleaner);
    assert_eq!(files_below(&root.join("objects")).len() as u64, BOUND / FILE);
    let store = LocalStore::open(LocalConfig::new(&root)).unwrap();
    assert_eq!(store.clean().await.unwrap().kept, BOUND / FILE);
    assert_eq!(counted(&root), BOUND);
}

/// Files are stored while another process and another thread clean: the link that a put returns must work
/// each time, and expired objects must be removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_just_given_works_while_others_clean() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store = LocalStore::open(LocalConfig::new(&root)).unwrap();
    let mut process = Process::start("clean", &root);
    process.wait_for(&root.with_extension("cleaning"));
    let cleaner = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                store.clean().await.unwrap();
            }
        }
    });
    let mut gone = 0;
    let started = Instant::now();
    for round in 0..ROUNDS_MAX {
        // On a busy host fewer rounds must do, as long as the cleaners had a chance to run.
        if started.elapsed() > RACE_TIME && gone > 0 {
            break;
        }
        let stored = store.put(new_file("a.txt", "contended"), by()).await.unwrap();
        store.open_link(token(&stored)).await.unwrap_or_else(|e| panic!("round {round}: {e}"));
        // Now it has expired, and may be removed.
        set_expiry(&object_path(&root, &stored), SystemTime::UNIX_EPOCH);
        if round % 3 == 0 {
            tokio::task::yield_now().await;
            gone += u32::from(matches!(store.open_link(token(&stored)).await, Err(LinkError::Gone)));
        }
    }
    cleaner.abort();
    // Aborted, or it panicked: then a clean failed.
    assert!(cleaner.await.is_err_and(|e| e.is_cancelled()), "a clean failed");
    drop(process);
    assert!(gone > 0, "the cleaners never removed anything, so this showed nothing");
    store.clean().await.unwrap();
    assert_eq!(counted(&root), 4096 * files_below(&root.join("objects")).len() as u64);
}

#[tokio::test]
async fn processes_that_share_a_spool_move_each_file_once() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store = LocalStore::open(LocalConfig::new(&root)).unwrap();
    let mut names = Vec::new();
    for _ in 0..100 {
        names.push(ObjectName::random().unwrap());
    }
    for name in &names {
        store.put_waiting(name.clone(), new_file("a.bin", vec![7; 5000])).await.unwrap();
    }
    let movers: Vec<_> = (0..4).map(|_| Process::start("move", &root)).collect();
    let ids: Vec<_> = movers.iter().map(|process| process.0.id()).collect();
    fs::write(root.with_extension("go"), "").unwrap();
    movers.into_iter().for_each(Process::wait);
    let mut moved = Vec::new();
    for id in ids {
        let text = fs::read_to_string(root.with_extension(id.to_string())).unwrap();
        moved.extend(text.lines().map(str::to_owned));
    }
    let mut expected: Vec<_> = names.iter().map(|name| name.as_str().to_owned()).collect();
    moved.sort();
    expected.sort();
    assert_eq!(moved, expected);
    assert_eq!(counted(&root), 0);
}

#[tokio::test]
async fn a_killed_process_holds_no_file_of_the_spool() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store = LocalStore::open(LocalConfig::new(&root)).unwrap();
    let name = ObjectName::random().unwrap();
    store.put_waiting(name.clone(), new_file("a.txt", "held")).await.unwrap();
    let mut process = Process::start("hold", &root);
    process.wait_for(&root.with_extension("holding"));
    assert!(store.claim(&name).await.unwrap().is_none());
    drop(process);
    store.claim(&name).await.unwrap().unwrap().finish().await.unwrap();
    assert!(files_below(&root.join("objects")).is_empty() && files_below(&root.join("waiting")).is_empty());
}

/// A process that is killed while it works leaves nothing that the next start does not remove.
#[tokio::test]
async fn a_killed_process_blocks_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store = LocalStore::open(LocalConfig::new(&root)).unwrap();
    for _ in 0..5 {
        let mut process = Process::start("clean", &root);
        process.wait_for(&root.with_extension("cleaning"));
        drop(process);
        fs::remove_file(root.with_extension("cleaning")).unwrap();
        let put = store.put(new_file("a.txt", "after a kill"), by());
        tokio::time::timeout(Duration::from_secs(10), put).await.expect("the lock is free").unwrap();
    }
}
