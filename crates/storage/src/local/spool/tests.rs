//! The spool with failures and kills at every step, damaged records, and claims that exclude each other.

use std::fs;
use std::os::unix::fs::{FileExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustix::io::Errno;

use super::*;
use crate::links::LinkError;
use crate::local::config::{LocalConfig, OpenError};
use crate::local::steps::{Effect, Fault, Step};
use crate::local::store::FILES_ROUTE;
use crate::store::Store as _;

/// The steps of a put.
const PUT_STEPS: [Step; 10] = [
    Step::LookForRoom,
    Step::OpenShard,
    Step::Lock,
    Step::CreateTemp,
    Step::Write,
    Step::Sync,
    Step::Stamp,
    Step::Count,
    Step::Publish,
    Step::SyncDirectory,
];

const CONTENT: &[u8] = b"content";

/// The bytes charged for it and its record.
const CHARGED: u64 = 2 * 4096;

fn open(root: &Path) -> LocalStore {
    LocalStore::open(LocalConfig::new(root)).unwrap()
}

fn new_file() -> NewFile {
    NewFile {
        request_id: "test".into(),
        path: "sub/out.csv".into(),
        media_type: "text/csv".into(),
        content: Bytes::from_static(CONTENT),
    }
}

async fn put(store: &LocalStore) -> (ObjectName, StoredFile) {
    let name = ObjectName::random().unwrap();
    let stored = store.put_waiting(name.clone(), new_file()).await.unwrap();
    (name, stored)
}

fn token(stored: &StoredFile) -> &str {
    stored.url.as_str().strip_prefix(FILES_ROUTE).unwrap()
}

fn counted(store: &LocalStore) -> u64 {
    store.inner.usage.total(&store.inner.layout.lock().unwrap()).unwrap()
}

/// The files of the store, except the lock, the key and the sum.
fn files(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders: Vec<_> = ["tmp", "objects", "waiting"].map(|name| root.join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

fn record(root: &Path, name: &ObjectName) -> std::path::PathBuf {
    root.join("waiting").join(name.shard()).join(name.as_str())
}

fn object(root: &Path, name: &ObjectName) -> std::path::PathBuf {
    root.join("objects").join(name.shard()).join(name.as_str())
}

async fn content(store: &LocalStore, token: &str) -> Result<Vec<u8>, LinkError> {
    let mut download = store.open_link(token).await?;
    let mut content = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut download.file, &mut content).await.unwrap();
    Ok(content)
}

#[tokio::test]
async fn a_file_that_waits_is_served_until_the_object_store_has_it() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    assert_eq!(store.waiting().await.unwrap(), SpoolStatus::default());
    let (name, stored) = put(&store).await;
    assert_eq!((stored.stored_in, stored.size_bytes), (StoredIn::Spool, 7));
    assert_eq!(counted(&store), CHARGED);
    let status = store.waiting().await.unwrap();
    assert_eq!((status.files, status.bytes), (1, 7));
    assert!(status.oldest_since.is_some());

    // After a restart too.
    let store = open(place.path());
    assert_eq!(content(&store, token(&stored)).await.unwrap(), CONTENT);
    assert_eq!(store.clean().await.unwrap().kept, 1);
    assert_eq!(store.waiting_longest(9).await.unwrap(), std::slice::from_ref(&name));
    let claimed = store.claim(&name).await.unwrap().unwrap();
    assert_eq!((claimed.file_name(), claimed.media_type()), ("out.csv", "text/csv"));
    assert_eq!((claimed.name(), claimed.size_bytes(), claimed.expires_at()), (&name, 7, stored.expires_at));
    assert_eq!(support::hex(claimed.digest()), stored.sha256);
    let mut read = [0; CONTENT.len()];
    for _ in 0..2 {
        claimed.file().read_exact_at(&mut read, 0).unwrap();
        assert_eq!(read, CONTENT);
    }
    claimed.finish().await.unwrap();
    assert!(matches!(store.open_link(token(&stored)).await, Err(LinkError::Gone)));
    assert_eq!((files(place.path()), counted(&store)), (Vec::new(), 0));
    assert_eq!(store.waiting().await.unwrap(), SpoolStatus::default());
}

/// Fails each step in turn, each time it is run, before and after its effect.
#[tokio::test]
async fn a_failed_put_into_the_spool_leaves_nothing() {
    for step in PUT_STEPS {
        for after in [false, true] {
            for skip in 0.. {
                let place = tempfile::tempdir().unwrap();
                let store = open(place.path());
                store.inner.steps.plant(Fault { step, skip, effect: Effect::Fail(Errno::IO), after });
                let result = store.put_waiting(ObjectName::random().unwrap(), new_file()).await;
                let case = format!("{step:?} {skip} {after}");
                if store.inner.steps.unplant() {
                    assert!(result.is_ok() && skip > 0, "{case} was never reached");
                    break;
                }
                let error = result.expect_err(&case);
                assert!(matches!(&error, PutError::Io { step: s, .. } if *s == step.as_str()), "{case}");
                assert_eq!((files(place.path()), counted(&store)), (Vec::new(), 0), "{case}");
                // And the store works as before.
                put(&store).await;
                assert_eq!((files(place.path()).len(), counted(&store)), (2, CHARGED), "{case}");
            }
        }
    }
}

/// What a test cannot see, as no power fails: that each sync is made.
#[tokio::test]
async fn both_files_and_every_directory_above_them_are_synced() {
    // The object, again for its time, and the record; the directories of both, those above them, and the root.
    for (step, count) in [(Step::Sync, 3), (Step::SyncDirectory, 5)] {
        for skip in [count - 1, count] {
            let place = tempfile::tempdir().unwrap();
            let store = open(place.path());
            store.inner.steps.plant(Fault { step, skip, effect: Effect::Fail(Errno::IO), after: false });
            let result = store.put_waiting(ObjectName::random().unwrap(), new_file()).await;
            assert_eq!(result.is_ok(), skip == count, "{step:?} {skip}");
        }
    }
}

const STEP: &str = "STORAGE_TEST_STEP";
const ROOT: &str = "STORAGE_TEST_ROOT";

/// Not a test: the process that is killed. It stores a file, gives out its link, stores another, and moves the
/// first.
#[tokio::test]
async fn another_process() {
    let (Some(step), Some(root)) = (std::env::var_os(STEP), std::env::var_os(ROOT)) else { return };
    let (step, root) = (step.into_string().unwrap(), Path::new(&root));
    let [step, skip, after] = step.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let steps = PUT_STEPS.into_iter().chain([Step::Remove]);
    let step = steps.into_iter().find(|known| format!("{known:?}") == step).unwrap();
    let (skip, after) = (skip.parse().unwrap(), after == "true");
    let store = open(root);
    store.inner.steps.plant(Fault { step, skip, effect: Effect::Kill, after });
    let (name, stored) = put(&store).await;
    fs::write(root.with_extension("link"), token(&stored)).unwrap();
    put(&store).await;
    let claimed = store.claim(&name).await.unwrap().unwrap();
    fs::write(root.with_extension("moved"), "").unwrap();
    claimed.finish().await.unwrap();
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_step_loses_no_link() {
    for step in PUT_STEPS.into_iter().chain([Step::Remove]) {
        for after in [false, true] {
            for skip in 0.. {
                let place = tempfile::tempdir().unwrap();
                let root = place.path().join("store");
                let case = format!("{step:?} {skip} {after}");
                let status = Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "local::spool::tests::another_process", "--nocapture"])
                    .env(STEP, &case)
                    .env(ROOT, &root)
                    .stdout(std::process::Stdio::null())
                    .status()
                    .unwrap();
                if status.success() {
                    assert!(skip > 0, "{case} was never reached");
                    break;
                }
                assert_eq!(status.signal(), Some(9), "{case}");
                check_what_is_left(&root, &case).await;
            }
        }
    }
}

/// After a restart: every link that was given out works, or the object store has its file; what was begun can
/// be finished, and nothing else is left.
async fn check_what_is_left(root: &Path, case: &str) {
    let store = open(root);
    let link = fs::read_to_string(root.with_extension("link"));
    let moved = root.with_extension("moved").exists();
    if let Ok(link) = &link
        && !moved
    {
        assert_eq!(content(&store, link).await.unwrap(), CONTENT, "{case}");
        assert!(store.waiting().await.unwrap().files >= 1, "{case}");
    }
    for name in store.waiting_longest(9).await.unwrap() {
        if let Some(claimed) = store.claim(&name).await.unwrap() {
            let mut read = [0; CONTENT.len()];
            claimed.file().read_exact_at(&mut read, 0).unwrap();
            assert_eq!(read, CONTENT, "{case}");
            claimed.finish().await.unwrap();
        }
    }
    store.clean().await.unwrap();
    let left = files(root);
    // At most an object that got its name before its record did: it has no link, and goes when that would
    // expire.
    assert!(left.len() <= 1 && left.iter().all(|file| file.starts_with("objects/")), "{case}: {left:?}");
    assert_eq!(counted(&store), 4096 * left.len() as u64, "{case}");
}

/// A process that another test starts at that moment has the lock's descriptor, too, until it executes its program (flock(2)).
async fn claim_when_free(store: &LocalStore, name: &ObjectName) -> Claimed {
    for _ in 0..1000 {
        if let Some(claimed) = store.claim(name).await.unwrap() {
            return claimed;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is not free again");
}

#[tokio::test]
async fn claims_exclude_each_other() {
    let place = tempfile::tempdir().unwrap();
    let (one, other) = (open(place.path()), open(place.path()));
    let (name, _) = put(&one).await;
    let claimed = one.claim(&name).await.unwrap().unwrap();
    assert!(one.claim(&name).await.unwrap().is_none() && other.claim(&name).await.unwrap().is_none());
    drop(claimed);
    claim_when_free(&other, &name).await.finish().await.unwrap();
    assert!(one.claim(&name).await.unwrap().is_none(), "it no longer waits");
    assert!(one.claim(&ObjectName::random().unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_damaged_record_moves_nothing_and_costs_no_download() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let (_, another) = put(&store).await;
    let others = fs::read(record(place.path(), &store.waiting_longest(1).await.unwrap()[0])).unwrap();
    let long = [others.clone(), vec![0; 1000]].concat();
    for damage in [&b""[..], b"rubbish", &others, &others[..others.len() - 1], &long] {
        let (name, stored) = put(&store).await;
        let record = record(place.path(), &name);
        fs::write(&record, damage).unwrap();
        assert!(store.claim(&name).await.unwrap().is_none());
        assert!(!record.exists() && record.with_extension("bad").exists());
        // Once is enough.
        assert_eq!(store.waiting_longest(9).await.unwrap().len(), 1);
        let seen = store.waiting().await.unwrap();
        assert_eq!((seen.files, seen.bytes, seen.damaged), (1, CONTENT.len() as u64, 1));
        assert!(store.claim(&name).await.unwrap().is_none());
        assert_eq!(store.clean().await.unwrap().kept, 2);
        assert_eq!(
            (counted(&store), content(&store, token(&stored)).await.unwrap()),
            (2 * CHARGED, CONTENT.into())
        );
        // Its link expires.
        let file = fs::File::open(object(place.path(), &name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let lost = store.lost();
        store.clean().await.unwrap();
        assert_eq!((files(place.path()).len(), counted(&store)), (2, CHARGED));
        assert_eq!(store.lost(), lost + 1, "it existed nowhere else");
        assert_eq!(store.waiting().await.unwrap().damaged, 0);
    }
    assert_eq!(content(&store, token(&another)).await.unwrap(), CONTENT);
}

#[tokio::test]
async fn a_record_goes_with_its_object() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    // Left by a process that was killed between the two.
    let (claimed, cleaned) = (put(&store).await.0, put(&store).await.0);
    for name in [&claimed, &cleaned] {
        fs::remove_file(object(place.path(), name)).unwrap();
    }
    assert_eq!(store.waiting().await.unwrap(), SpoolStatus::default());
    assert!(store.claim(&claimed).await.unwrap().is_none());
    assert!(!record(place.path(), &claimed).exists());
    assert_eq!(store.clean().await.unwrap().leftovers_removed, 1);
    assert_eq!((files(place.path()), counted(&store)), (Vec::new(), 0));

    // Its link expires before any object store took it.
    let (name, _) = put(&store).await;
    fs::File::open(object(place.path(), &name)).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(store.lost(), 0, "leftovers of files that were moved");
    assert_eq!(store.clean().await.unwrap().removed, 1);
    assert_eq!((files(place.path()), counted(&store)), (Vec::new(), 0));
    assert_eq!(store.lost(), 1);

    // The same for the mover, which finds nothing to count if a clean was faster.
    for (is_cleaned, lost) in [(false, 2), (true, 3)] {
        let (name, _) = put(&store).await;
        let claimed = store.claim(&name).await.unwrap().unwrap();
        if is_cleaned {
            fs::File::open(object(place.path(), &name))
                .unwrap()
                .set_modified(SystemTime::UNIX_EPOCH)
                .unwrap();
            assert_eq!(store.clean().await.unwrap().removed, 1);
        }
        claimed.give_up().await.unwrap();
        assert_eq!((files(place.path()), store.lost()), (Vec::new(), lost));
    }
    // A file that an object store took, or that waits for none, is not lost.
    let (name, _) = put(&store).await;
    store.claim(&name).await.unwrap().unwrap().finish().await.unwrap();
    store.put(new_file(), tokio::time::Instant::now()).await.unwrap();
    let [kept] = &files(place.path())[..] else { panic!("one file") };
    fs::File::open(place.path().join(kept)).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!((store.clean().await.unwrap().removed, store.lost()), (1, 3));
}

#[tokio::test]
async fn those_that_have_waited_longest_come_first() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let mut names = Vec::new();
    for age_s in [30, 10, 40, 20] {
        let (name, _) = put(&store).await;
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age_s);
        fs::File::open(record(place.path(), &name)).unwrap().set_modified(since).unwrap();
        names.push(name);
    }
    // 40, 30, 20 and 10 seconds.
    let sorted = [2, 0, 3, 1].map(|index: usize| names[index].clone());
    assert_eq!(store.waiting_longest(9).await.unwrap(), sorted);
    assert_eq!(store.waiting_longest(2).await.unwrap(), sorted[..2]);
    let oldest = store.waiting().await.unwrap().oldest_since.unwrap();
    assert_eq!(oldest.as_second(), 1_000_000 - 40);
}

#[tokio::test]
async fn the_spool_counts_towards_the_limit() {
    let place = tempfile::tempdir().unwrap();
    let config = LocalConfig { bytes_max: 2 * CHARGED + 4096, ..LocalConfig::new(place.path()) };
    let store = LocalStore::open(config).unwrap();
    put(&store).await;
    let (name, _) = put(&store).await;
    let refused = store.put_waiting(ObjectName::random().unwrap(), new_file()).await.unwrap_err();
    assert!(
        matches!(&refused, PutError::NoRoom { reason } if reason.contains("STORAGE_MAX_SIZE")),
        "{refused}"
    );
    store.claim(&name).await.unwrap().unwrap().finish().await.unwrap();
    put(&store).await;
}

#[tokio::test]
async fn planted_symlinks_are_not_followed_for_records() {
    let place = tempfile::tempdir().unwrap();
    let store = open(&place.path().join("store"));
    let (name, _) = put(&store).await;
    let elsewhere = place.path().join("elsewhere");
    fs::rename(record(&place.path().join("store"), &name), &elsewhere).unwrap();
    symlink(&elsewhere, record(&place.path().join("store"), &name)).unwrap();
    assert!(store.claim(&name).await.is_err());
    assert!(elsewhere.exists());

    let root = place.path().join("other");
    drop(open(&root));
    symlink(place.path(), root.join("waiting")).unwrap();
    let error = LocalStore::open(LocalConfig::new(&root)).unwrap_err();
    assert!(matches!(error, OpenError::Directory { path, .. } if path == root.join("waiting")));
}

/// Shows what it is set to; the time since the start goes on as it does.
#[derive(Debug)]
struct SetClock(std::sync::Mutex<jiff::Timestamp>);

impl crate::Clock for SetClock {
    fn now(&self) -> jiff::Timestamp {
        *self.0.lock().unwrap()
    }
}

#[tokio::test]
async fn a_clock_that_jumps_removes_no_file_that_waits() {
    let place = tempfile::tempdir().unwrap();
    let start = jiff::Timestamp::now();
    let clock = std::sync::Arc::new(SetClock(std::sync::Mutex::new(start)));
    let store = LocalStore::open_with_clock(LocalConfig::new(place.path()), clock.clone()).unwrap();
    let (name, stored) = put(&store).await;
    store.put(new_file(), tokio::time::Instant::now()).await.unwrap();
    for days in [-4000, 30, 4000] {
        *clock.0.lock().unwrap() = start + jiff::SignedDuration::from_hours(24 * days);
        store.clean().await.unwrap();
        assert!(!store.claim(&name).await.unwrap().unwrap().is_over(), "{days}");
    }
    *clock.0.lock().unwrap() = start;
    assert_eq!(content(&store, token(&stored)).await.unwrap(), CONTENT);
    // The other file is gone: nothing but the record keeps the first.
    assert_eq!(store.clean().await.unwrap().kept, 1);
}

#[tokio::test]
async fn a_link_can_be_made_for_a_file_that_is_elsewhere() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let name = ObjectName::random().unwrap();
    let (link, expires_at) = store.sign_link(&name, &new_file(), [7; 32]);
    let token = link.as_str().strip_prefix(FILES_ROUTE).unwrap();
    let crate::Found::Absent(absent) = store.find(token).await.unwrap() else { panic!("nothing was stored") };
    assert_eq!(absent, crate::Absent { name, sha256: "07".repeat(32), expires_at });
    assert!(matches!(store.open_link(token).await, Err(LinkError::Gone)));
    assert!(files(place.path()).is_empty());
}
