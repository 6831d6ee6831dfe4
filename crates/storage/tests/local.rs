//! The local store from outside: links, expiry, retention, permissions, and hostile surroundings.
#![allow(clippy::unwrap_used, reason = "clippy takes only #[test] functions for tests, not their helpers")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use common::{Place, by, files_below, new_file, set_expiry, token};
use storage::{Cleaned, Download, LinkError, LocalConfig, LocalStore, OpenError, PutError, Store, StoredIn};
use tokio::io::AsyncReadExt;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn read(mut download: Download) -> Vec<u8> {
    let mut content = Vec::new();
    download.file.read_to_end(&mut content).await.unwrap();
    assert_eq!(content.len() as u64, download.size_bytes);
    content
}

#[tokio::test]
async fn a_stored_file_can_be_downloaded_by_its_link() {
    let place = Place::new();
    let store: &dyn Store = &place.store;
    assert_eq!(store.provider(), "local");
    let stored = store.put(new_file("sub/dir/отчёт.xlsx", "content"), by()).await.unwrap();
    assert_eq!(stored.sha256, "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73");
    assert_eq!((stored.size_bytes, stored.stored_in), (7, StoredIn::Local));
    let left = stored.expires_at.duration_since(storage::Clock::now(&*place.clock));
    assert_eq!(left.as_secs(), 5 * 3600);
    assert_eq!(stored.expires_at.subsec_nanosecond(), 0);
    let url = stored.url.resolve("http://host:8000");
    assert!(url.starts_with("http://host:8000/files/"));

    let download = place.store.open_link(token(&stored)).await.unwrap();
    assert_eq!(download.file_name, "отчёт.xlsx");
    assert_eq!(download.media_type, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
    assert_eq!(download.sha256, stored.sha256);
    assert_eq!(download.expires_at, stored.expires_at);
    assert_eq!(read(download).await, b"content");
}

#[tokio::test]
async fn an_empty_file_and_a_large_one_are_kept_whole() {
    let place = Place::new();
    let large: Vec<u8> = (0..10 * 1024 * 1024_u32).map(|i| (i % 251) as u8).collect();
    for content in [Vec::new(), large] {
        let stored = place.store.put(new_file("a.bin", content.clone()), by()).await.unwrap();
        assert_eq!(read(place.store.open_link(token(&stored)).await.unwrap()).await, content);
    }
}

#[tokio::test]
async fn links_expire_to_the_second_and_a_forged_expiry_is_invalid_not_expired() {
    let place = Place::new();
    let stored = place.store.put(new_file("a.txt", "a"), by()).await.unwrap();
    place.clock.advance(5 * HOUR - Duration::from_secs(1));
    place.store.open_link(token(&stored)).await.unwrap();
    place.clock.advance(Duration::from_secs(1));
    let error = place.store.open_link(token(&stored)).await.unwrap_err();
    assert!(matches!(error, LinkError::Expired { expired_at } if expired_at == stored.expires_at));

    let mut tampered = token(&stored).to_owned().into_bytes();
    for character in &mut tampered[44..54] {
        *character = if *character == b'A' { b'B' } else { b'A' };
    }
    let tampered = String::from_utf8(tampered).unwrap();
    assert!(matches!(place.store.open_link(&tampered).await, Err(LinkError::Invalid)));
}

#[tokio::test]
async fn links_survive_a_restart_but_not_another_key() {
    let place = Place::new();
    let stored = place.store.put(new_file("a.txt", "kept"), by()).await.unwrap();
    let restarted = place.reopen();
    assert_eq!(read(restarted.open_link(token(&stored)).await.unwrap()).await, b"kept");

    fs::remove_file(place.root.join("key")).unwrap();
    let rekeyed = place.reopen();
    assert!(matches!(rekeyed.open_link(token(&stored)).await, Err(LinkError::Invalid)));
    let elsewhere = Place::new();
    assert!(matches!(elsewhere.store.open_link(token(&stored)).await, Err(LinkError::Invalid)));
}

#[tokio::test]
async fn tokens_that_are_paths_or_rubbish_are_invalid() {
    let place = Place::new();
    let long = "A".repeat(1 << 20);
    for bad in ["", ".", "..", "../key", "/etc/passwd", "%00", "key", "AA/AA", "\0", &long] {
        assert!(matches!(place.store.open_link(bad).await, Err(LinkError::Invalid)), "{bad:.20}");
    }
}

/// One file each: if equal content were stored once, the response time would tell who else has it.
#[tokio::test]
async fn the_same_content_is_stored_for_each_put() {
    let place = Place::new();
    let mut links = HashSet::new();
    for name in ["a.txt", "b.txt", "c/d.csv"] {
        let before = files_below(&place.root.join("objects"));
        let stored = place.store.put(new_file(name, "same"), by()).await.unwrap();
        assert_eq!(stored.sha256, "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5");
        assert!(links.insert(stored.url.as_str().to_owned()));
        let download = place.store.open_link(token(&stored)).await.unwrap();
        assert_eq!(download.file_name, name.rsplit('/').next().unwrap());
        assert_eq!(download.sha256, stored.sha256);
        let after = files_below(&place.root.join("objects"));
        assert_eq!(after.len(), before.len() + 1);
        // No name contains any of the content.
        assert!(after.iter().all(|path| !path.ends_with(&stored.sha256)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_puts_at_once_are_all_kept_and_counted() {
    let place = Place::new();
    let puts: Vec<_> = (0..32)
        .map(|i| {
            let store = place.store.clone();
            tokio::spawn(
                async move { store.put(new_file(&format!("{i}.bin"), vec![7; 100_000]), by()).await },
            )
        })
        .collect();
    for put in puts {
        let stored = put.await.unwrap().unwrap();
        assert_eq!(read(place.store.open_link(token(&stored)).await.unwrap()).await, vec![7; 100_000]);
    }
    assert_eq!(files_below(&place.root.join("objects")).len(), 32);
    assert!(files_below(&place.root.join("tmp")).is_empty());
    assert_eq!(common::counted(&place.root), 32 * 102_400);
}

#[tokio::test]
async fn content_goes_when_its_link_ends_and_not_before() {
    let place = Place::new();
    let old = place.store.put(new_file("old.txt", "old one"), by()).await.unwrap();
    place.clock.advance(HOUR);
    let young = place.store.put(new_file("young.txt", "young"), by()).await.unwrap();
    // Names that are not the store's own stay, however old.
    let note = place.root.join("objects").join("README");
    let shard_note = place.object(&young).parent().unwrap().join("note.txt");
    for path in [&note, &shard_note] {
        fs::write(path, "not ours").unwrap();
        set_expiry(path, SystemTime::UNIX_EPOCH);
    }
    place.clock.advance(4 * HOUR);
    assert_eq!(place.store.clean().await.unwrap(), Cleaned { kept: 2, ..Cleaned::default() });

    place.clock.advance(Duration::from_secs(3));
    let expected = Cleaned { removed: 1, removed_bytes: 7, kept: 1, ..Cleaned::default() };
    assert_eq!(place.store.clean().await.unwrap(), expected);
    assert!(matches!(place.store.open_link(token(&old)).await, Err(LinkError::Expired { .. })));
    place.store.open_link(token(&young)).await.unwrap();
    assert!(note.exists() && shard_note.exists());
    assert_eq!(common::counted(&place.root), 4096);
}

/// A service restarted with a shorter link lifetime must not remove files of links that it issued before.
#[tokio::test]
async fn a_link_of_another_lifetime_keeps_its_content() {
    let place = Place::new();
    let stored = place.store.put(new_file("a.txt", "a"), by()).await.unwrap();
    let config = LocalConfig { link_lifetime: Duration::from_secs(1), ..LocalConfig::new(&place.root) };
    let short = LocalStore::open_with_clock(config, place.clock.clone()).unwrap();
    place.clock.advance(5 * HOUR - Duration::from_secs(1));
    assert_eq!(short.clean().await.unwrap().kept, 1);
    short.open_link(token(&stored)).await.unwrap();
}

#[tokio::test]
async fn the_retention_is_the_upper_bound() {
    let place = Place::new();
    let config = LocalConfig { link_lifetime: 3 * DAY, ..LocalConfig::new(&place.root) };
    let long = LocalStore::open_with_clock(config, place.clock.clone()).unwrap();
    let stored = long.put(new_file("a.txt", "a"), by()).await.unwrap();
    let config = LocalConfig { retention: DAY, ..LocalConfig::new(&place.root) };
    let bounded = LocalStore::open_with_clock(config, place.clock.clone()).unwrap();
    assert_eq!(bounded.clean().await.unwrap().removed, 1);
    assert!(matches!(bounded.open_link(token(&stored)).await, Err(LinkError::Gone)));
}

fn bounded(place: &Place, bytes_max: u64) -> LocalStore {
    let config = LocalConfig { bytes_max, ..LocalConfig::new(&place.root) };
    LocalStore::open_with_clock(config, place.clock.clone()).unwrap()
}

#[tokio::test]
async fn a_full_store_refuses_and_takes_again_when_links_have_ended() {
    let place = Place::new();
    let store = bounded(&place, 104 * 1024);
    let mut kept = Vec::new();
    for name in 0..3 {
        kept.push(store.put(new_file(&name.to_string(), vec![1; 30 * 1024]), by()).await.unwrap());
    }
    let error = store.put(new_file("more", vec![1; 30 * 1024]), by()).await.unwrap_err();
    assert!(matches!(&error, PutError::NoRoom { reason } if reason.contains("STORAGE_MAX_SIZE")), "{error}");
    assert!(error.is_full());
    assert!(files_below(&place.root.join("tmp")).is_empty());
    let health = store.health().await;
    assert!(!health.healthy && health.reason.unwrap().contains("STORAGE_MAX_SIZE"));
    for stored in &kept {
        store.open_link(token(stored)).await.unwrap();
    }
    // A smaller one still fits; empty ones count too.
    store.put(new_file("small", "x"), by()).await.unwrap();
    store.put(new_file("empty", ""), by()).await.unwrap();
    assert!(store.put(new_file("empty", ""), by()).await.is_err());

    // Links expire: the next put makes space by itself, and the service is healthy again.
    place.clock.advance(5 * HOUR + Duration::from_secs(3));
    let stored = store.put(new_file("more", vec![1; 30 * 1024]), by()).await.unwrap();
    store.open_link(token(&stored)).await.unwrap();
    assert!(store.health().await.healthy);
    assert_eq!(files_below(&place.root.join("objects")).len(), 1);
    assert_eq!(common::counted(&place.root), 32 * 1024);
}

#[tokio::test]
async fn a_probe_removes_no_file() {
    let place = Place::new();
    let store = bounded(&place, 32 * 1024);
    store.put(new_file("a", vec![1; 30 * 1024]), by()).await.unwrap();
    place.clock.advance(5 * HOUR + Duration::from_secs(3));
    let probed = store.probe().await;
    assert!(!probed.healthy && probed.reason.unwrap().contains("STORAGE_MAX_SIZE"));
    assert_eq!(files_below(&place.root.join("objects")).len(), 1);
    assert!(store.health().await.healthy);
    assert!(files_below(&place.root.join("objects")).is_empty());
    assert!(store.probe().await.healthy);
}

/// A look at all files would find the foreign file, which no put of this store made: so it shows which put
/// looked.
#[tokio::test]
async fn a_put_into_a_full_store_looks_at_all_files_at_most_once_a_minute() {
    let place = Place::new();
    let store = bounded(&place, 8 * 4096);
    for _ in 0..7 {
        store.put(new_file("a", "x"), by()).await.unwrap();
        place.clock.advance(Duration::from_secs(5));
    }
    store.put(new_file("a", "x"), by()).await.unwrap();
    // The first shortage looks.
    assert!(store.put(new_file("a", "x"), by()).await.unwrap_err().is_full());
    let stranger = place.root.join("objects/ab").join("ab".repeat(32));
    fs::create_dir_all(stranger.parent().unwrap()).unwrap();
    fs::write(&stranger, "x").unwrap();
    common::set_expiry(&stranger, std::time::SystemTime::UNIX_EPOCH);
    assert!(store.put(new_file("a", "x"), by()).await.unwrap_err().is_full());
    assert!(stranger.exists(), "a put that is refused looked");

    place.clock.advance(5 * HOUR - Duration::from_secs(35));
    // Looks, since a minute is over, and finds the foreign file and nothing else.
    assert!(store.put(new_file("a", "x"), by()).await.unwrap_err().is_full());
    assert!(!stranger.exists());
    fs::write(&stranger, "x").unwrap();
    common::set_expiry(&stranger, std::time::SystemTime::UNIX_EPOCH);
    place.clock.advance(Duration::from_secs(3));
    for _ in 0..8 {
        // One expires; the next put takes its space, and there is none for another.
        store.put(new_file("a", "x"), by()).await.unwrap();
        assert!(store.put(new_file("a", "x"), by()).await.unwrap_err().is_full());
        assert!(stranger.exists(), "a put that takes the place of what has ended looked");
        assert_eq!(common::counted(&place.root), 8 * 4096);
        place.clock.advance(Duration::from_secs(5));
    }
    // Another process may have stored a file that expires sooner.
    place.clock.advance(Duration::from_secs(60));
    let _ = store.put(new_file("a", "x"), by()).await;
    assert!(!stranger.exists());
}

#[tokio::test]
async fn health_makes_room_as_a_put_does() {
    let place = Place::new();
    let store = bounded(&place, 32 * 1024);
    store.put(new_file("all", vec![1; 32 * 1024]), by()).await.unwrap();
    assert!(!store.health().await.healthy);
    place.clock.advance(6 * HOUR);
    assert!(store.health().await.healthy);
}

#[tokio::test]
async fn a_disk_that_must_stay_free_refuses_files_and_says_so() {
    let place = Place::new();
    let config = LocalConfig { min_free_percent: 99, ..LocalConfig::new(&place.root) };
    let store = LocalStore::open_with_clock(config, place.clock.clone()).unwrap();
    // The part that is kept free is bounded, so only a file as large as the rest is refused on every disk.
    let stat = rustix::fs::statvfs(&place.root).unwrap();
    let (free, whole) = (stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize);
    let kept_free = (whole / 100 * 99).min(4 << 30);
    let refused = free < kept_free + 1000;
    assert_eq!(store.put(new_file("a", vec![1; 1000]), by()).await.is_err_and(|e| e.is_full()), refused);
    let config = LocalConfig { min_free_percent: 0, ..LocalConfig::new(&place.root) };
    let store = LocalStore::open_with_clock(config, place.clock.clone()).unwrap();
    store.put(new_file("a", vec![1; 1000]), by()).await.unwrap();
}

/// Errors left by a process that was killed between its steps, or by an operator with `rm`.
#[tokio::test]
async fn a_wrong_sum_is_put_right_by_a_clean() {
    let place = Place::new();
    place.store.put(new_file("a", vec![1; 5000]), by()).await.unwrap();
    let stored = place.store.put(new_file("b", vec![1; 5000]), by()).await.unwrap();
    fs::remove_dir_all(place.object(&stored).parent().unwrap()).unwrap();
    fs::write(place.root.join("usage"), [1; 2048]).unwrap();
    place.store.clean().await.unwrap();
    let left = files_below(&place.root.join("objects")).len() as u64;
    assert!(left < 2);
    assert_eq!(common::counted(&place.root), left * 8192);
}

#[tokio::test]
async fn links_outlive_a_new_key_in_a_store_that_is_open() {
    let place = Place::new();
    let before = place.store.put(new_file("a.txt", "a"), by()).await.unwrap();
    let rotated = LocalStore::rotate_key(&place.root, 5 * HOUR, false).unwrap();
    assert!(rotated.kept == 1 && rotated.links_end.is_some());
    let after = place.store.put(new_file("b.txt", "b"), by()).await.unwrap();
    for store in [place.store.clone(), place.reopen()] {
        assert_eq!(read(store.open_link(token(&before)).await.unwrap()).await, b"a");
        assert_eq!(read(store.open_link(token(&after)).await.unwrap()).await, b"b");
    }
    LocalStore::rotate_key(&place.root, 5 * HOUR, true).unwrap();
    for stored in [&before, &after] {
        assert!(matches!(place.store.open_link(token(stored)).await, Err(LinkError::Invalid)));
    }
    let error = LocalStore::rotate_key(&place.dir.path().join("none"), HOUR, false).unwrap_err();
    assert!(matches!(error, OpenError::NoKey { .. }) && !place.dir.path().join("none").exists());
}

#[tokio::test]
async fn a_download_that_has_begun_survives_cleaning() {
    let place = Place::new();
    let stored = place.store.put(new_file("a.txt", "still here"), by()).await.unwrap();
    let download = place.store.open_link(token(&stored)).await.unwrap();
    place.clock.advance(8 * DAY);
    assert_eq!(place.store.clean().await.unwrap().removed, 1);
    assert_eq!(read(download).await, b"still here");
}

#[tokio::test]
async fn leftovers_of_a_crash_are_removed_at_open_and_by_cleaning() {
    let place = Place::new();
    let leftover = place.root.join("tmp").join("ab".repeat(16));
    fs::write(&leftover, "half").unwrap();
    assert_eq!(place.store.clean().await.unwrap().leftovers_removed, 1);
    assert!(!leftover.exists());
    fs::write(&leftover, "half").unwrap();
    place.reopen();
    assert!(!leftover.exists());
}

#[tokio::test]
async fn everything_kept_is_private() {
    let place = Place::new();
    let stored = place.store.put(new_file("a.txt", "private"), by()).await.unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o7777;
    let object = place.object(&stored);
    for file in [&object, &place.root.join("key"), &place.root.join("lock")] {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    let shard = object.parent().unwrap();
    for dir in [&place.root, &place.root.join("objects"), &place.root.join("tmp"), shard] {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
}

#[tokio::test]
async fn planted_symlinks_are_not_followed_for_objects() {
    let place = Place::new();
    let canary = place.dir.path().join("canary");
    fs::write(&canary, "canary!").unwrap();
    set_expiry(&canary, SystemTime::UNIX_EPOCH);
    let canary_before = fs::metadata(&canary).unwrap().modified().unwrap();
    let stored = place.store.put(new_file("a.txt", "content"), by()).await.unwrap();
    let object = place.object(&stored);
    fs::remove_file(&object).unwrap();
    symlink(&canary, &object).unwrap();

    // Neither read nor cleaned.
    assert!(matches!(place.store.open_link(token(&stored)).await, Err(LinkError::Io { .. })));
    place.clock.advance(6 * HOUR);
    assert_eq!(place.store.clean().await.unwrap().removed, 0);
    assert!(object.is_symlink());
    assert_eq!(fs::read(&canary).unwrap(), b"canary!");
    assert_eq!(fs::metadata(&canary).unwrap().modified().unwrap(), canary_before);
}

#[tokio::test]
async fn planted_symlinks_are_not_followed_for_directories() {
    let place = Place::new();
    let stored = place.store.put(new_file("a.txt", "content"), by()).await.unwrap();
    let shard = place.object(&stored).parent().unwrap().to_owned();
    let elsewhere = place.dir.path().join("elsewhere");
    fs::rename(&shard, &elsewhere).unwrap();
    symlink(&elsewhere, &shard).unwrap();
    let moved = files_below(&elsewhere).pop().unwrap();
    set_expiry(&moved, SystemTime::UNIX_EPOCH);

    assert!(matches!(place.store.open_link(token(&stored)).await, Err(LinkError::Io { .. })));
    let cleaned = place.store.clean().await.unwrap();
    assert_eq!((cleaned.removed, cleaned.failed), (0, 1));
    assert_eq!(files_below(&elsewhere).len(), 1);
    assert!(files_below(&place.root.join("tmp")).is_empty());

    for name in ["objects", "tmp"] {
        let root = place.dir.path().join(format!("root-{name}"));
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
        symlink(&elsewhere, root.join(name)).unwrap();
        let error = LocalStore::open(LocalConfig::new(&root)).unwrap_err();
        assert!(matches!(error, OpenError::Directory { path, .. } if path == root.join(name)));
    }
}

#[tokio::test]
async fn a_fifo_or_a_cut_object_in_the_place_of_content_does_no_harm() {
    let place = Place::new();
    let stored = place.store.put(new_file("a.txt", "content"), by()).await.unwrap();
    let object = place.object(&stored);
    fs::write(&object, "cont").unwrap();
    assert_eq!(read(place.store.open_link(token(&stored)).await.unwrap()).await, b"cont");

    fs::remove_file(&object).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &object, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let opening = place.store.open_link(token(&stored));
    let opened = tokio::time::timeout(Duration::from_secs(10), opening).await;
    // A writer that waits for the other end is released, so that this test fails instead of hanging.
    let _other_end = fs::File::options().read(true).write(true).open(&object).unwrap();
    assert!(matches!(opened, Ok(Err(LinkError::Io { .. }))));
}

#[tokio::test]
async fn a_root_that_others_can_write_to_is_refused_with_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    for mode in [0o770, 0o702, 0o1777] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        let error = LocalStore::open(LocalConfig::new(dir.path())).unwrap_err();
        assert!(matches!(error, OpenError::DirectoryShared { mode: m, .. } if m == mode), "{error}");
        assert!(error.to_string().contains("chmod go-w"));
        // A subdirectory that the store creates itself is fine if other users cannot replace it.
        let own = LocalStore::open(LocalConfig::new(dir.path().join(format!("own-{mode:o}/deep"))));
        match mode {
            0o702 => assert!(matches!(own, Err(OpenError::Untrusted { .. }))),
            _ => drop(own.unwrap()),
        }
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    LocalStore::open(LocalConfig::new(dir.path())).unwrap();
}

#[tokio::test]
async fn a_command_opens_a_store_and_makes_none() {
    let place = Place::new();
    LocalStore::open_existing(LocalConfig::new(&place.root)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (missing, empty) = (dir.path().join("missing"), dir.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    for root in [&missing, &missing.join("below"), &empty] {
        let error = LocalStore::open_existing(LocalConfig::new(root)).unwrap_err();
        assert!(matches!(&error, OpenError::NoStore { root: named } if named == root), "{error}");
        assert!(error.to_string().contains("DATA_DIR"), "{error}");
    }
    assert!(!missing.exists() && fs::read_dir(&empty).unwrap().next().is_none());
    // What cannot be seen is not what is not there.
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = LocalStore::open_existing(LocalConfig::new(&file)).unwrap_err();
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
}

#[tokio::test]
async fn no_store_is_made_below_a_directory_of_somebody_else() {
    let dir = tempfile::tempdir().unwrap();
    let (data, root) = (dir.path().join("data"), dir.path().join("data/files"));
    fs::create_dir(&data).unwrap();
    LocalStore::check_can_be_made(&root).unwrap();
    LocalStore::check_can_be_made(&root.join("deep")).unwrap();
    // Giving one away takes root.
    if std::os::unix::fs::chown(&data, Some(65_534), None).is_ok() {
        assert!(matches!(LocalStore::check_can_be_made(&root), Err(OpenError::Untrusted { .. })));
        assert!(matches!(LocalStore::open(LocalConfig::new(&root)), Err(OpenError::Untrusted { .. })));
    } else {
        fs::set_permissions(&data, fs::Permissions::from_mode(0o500)).unwrap();
        let error = LocalStore::check_can_be_made(&root).unwrap_err();
        assert!(matches!(&error, OpenError::Directory { path, .. } if *path == data), "{error}");
    }
    assert!(!root.exists());
}

#[tokio::test]
async fn a_root_that_cannot_be_a_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for root in [file.clone(), file.join("below")] {
        assert!(matches!(LocalStore::open(LocalConfig::new(root)), Err(OpenError::Directory { .. })));
    }
}

#[tokio::test]
async fn health_is_what_a_real_attempt_shows() {
    let place = Place::new();
    let health = place.store.health().await;
    assert!(health.healthy && health.reason.is_none(), "{health:?}");
    assert!(files_below(&place.root.join("tmp")).is_empty());

    let config = LocalConfig { free_min_bytes: u64::MAX, ..LocalConfig::new(&place.root) };
    let health = LocalStore::open(config).unwrap().health().await;
    assert!(!health.healthy);
    assert!(health.reason.unwrap().contains("bytes of disk are free"));

    fs::remove_dir_all(&place.root).unwrap();
    let health = place.store.health().await;
    assert!(!health.healthy);
    let reason = health.reason.unwrap();
    assert!(!reason.contains(place.root.to_str().unwrap()), "names a path: {reason}");
    assert!(place.store.put(new_file("a.txt", "a"), by()).await.is_err());
}

#[tokio::test]
async fn debug_output_shows_neither_key_nor_link() {
    let place = Place::new();
    let stored = place.store.put(new_file("a.txt", "a"), by()).await.unwrap();
    let shown = format!("{:?} {stored:?}", place.store);
    assert!(shown.contains("LinkKey(..)"), "{shown}");
    assert!(!shown.contains(token(&stored)));
    let key = fs::read(place.root.join("key")).unwrap();
    assert!(!shown.contains(&format!("{key:?}")));
}
