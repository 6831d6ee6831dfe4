//! The local store from outside: links, expiry, retention, permissions, and hostile surroundings.
#![allow(clippy::unwrap_used, reason = "clippy takes only #[test] functions for tests, not their helpers")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

use common::{Place, files_below, new_file, set_age, token};
use storage::{Cleaned, Download, LinkError, LocalConfig, LocalStore, OpenError, Store};
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
    let stored = store.put(new_file("sub/dir/отчёт.xlsx", "content")).await.unwrap();
    assert_eq!(stored.sha256, "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73");
    assert_eq!(stored.size_bytes, 7);
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
        let stored = place.store.put(new_file("a.bin", content.clone())).await.unwrap();
        assert_eq!(read(place.store.open_link(token(&stored)).await.unwrap()).await, content);
    }
}

#[tokio::test]
async fn links_expire_to_the_second_and_a_forged_expiry_is_invalid_not_expired() {
    let place = Place::new();
    let stored = place.store.put(new_file("a.txt", "a")).await.unwrap();
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
    let stored = place.store.put(new_file("a.txt", "kept")).await.unwrap();
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

#[tokio::test]
async fn the_same_content_is_stored_once_under_many_names() {
    let place = Place::new();
    let mut links = HashSet::new();
    for name in ["a.txt", "b.txt", "c/d.csv"] {
        let stored = place.store.put(new_file(name, "same")).await.unwrap();
        assert!(links.insert(stored.url.as_str().to_owned()));
        let download = place.store.open_link(token(&stored)).await.unwrap();
        assert_eq!(download.file_name, name.rsplit('/').next().unwrap());
    }
    assert_eq!(files_below(&place.root.join("objects")).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_puts_of_the_same_content_at_once_leave_one_object() {
    let place = Place::new();
    let puts: Vec<_> = (0..32)
        .map(|i| {
            let store = place.store.clone();
            tokio::spawn(async move { store.put(new_file(&format!("{i}.bin"), vec![7; 100_000])).await })
        })
        .collect();
    for put in puts {
        let stored = put.await.unwrap().unwrap();
        assert_eq!(read(place.store.open_link(token(&stored)).await.unwrap()).await, vec![7; 100_000]);
    }
    assert_eq!(files_below(&place.root.join("objects")).len(), 1);
    assert!(files_below(&place.root.join("tmp")).is_empty());
}

#[tokio::test]
async fn cleaning_removes_only_what_was_last_stored_before_the_retention() {
    let place = Place::new();
    let old = place.store.put(new_file("old.txt", "old one")).await.unwrap();
    let again = place.store.put(new_file("again.txt", "stored again")).await.unwrap();
    let young = place.store.put(new_file("young.txt", "young")).await.unwrap();
    set_age(&place.object(&old), 7 * DAY + HOUR);
    set_age(&place.object(&again), 7 * DAY + HOUR);
    set_age(&place.object(&young), 7 * DAY - HOUR);
    place.store.put(new_file("again.txt", "stored again")).await.unwrap();
    // Names that are not the store's own stay, however old.
    let note = place.root.join("objects").join("README");
    let shard_note = place.object(&young).parent().unwrap().join("note.txt");
    for path in [&note, &shard_note] {
        fs::write(path, "not ours").unwrap();
        set_age(path, 100 * DAY);
    }

    let cleaned = place.store.clean().await.unwrap();
    let expected = Cleaned { removed: 1, removed_bytes: 7, kept: 2, ..Cleaned::default() };
    assert_eq!(cleaned, expected);
    assert!(matches!(place.store.open_link(token(&old)).await, Err(LinkError::Gone)));
    for stored in [&again, &young] {
        place.store.open_link(token(stored)).await.unwrap();
    }
    assert!(note.exists() && shard_note.exists());
    assert_eq!(place.store.clean().await.unwrap(), Cleaned { kept: 2, ..Cleaned::default() });
}

#[tokio::test]
async fn retention_counts_by_the_clock_and_content_outlives_every_link() {
    let dir = tempfile::tempdir().unwrap();
    let clock = common::ManualClock::new();
    let config = LocalConfig { link_lifetime: DAY, retention: DAY, ..LocalConfig::new(dir.path().join("s")) };
    let store = LocalStore::open_with_clock(config, clock.clone()).unwrap();
    let stored = store.put(new_file("a.txt", "a")).await.unwrap();
    clock.advance(DAY - Duration::from_secs(1));
    assert_eq!(store.clean().await.unwrap().kept, 1);
    store.open_link(token(&stored)).await.unwrap();
    clock.advance(Duration::from_secs(5));
    assert!(matches!(store.open_link(token(&stored)).await, Err(LinkError::Expired { .. })));
    assert_eq!(store.clean().await.unwrap().removed, 1);
}

#[tokio::test]
async fn a_download_that_has_begun_survives_cleaning() {
    let place = Place::new();
    let stored = place.store.put(new_file("a.txt", "still here")).await.unwrap();
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
    let stored = place.store.put(new_file("a.txt", "private")).await.unwrap();
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
    set_age(&canary, 30 * DAY);
    let canary_before = fs::metadata(&canary).unwrap().modified().unwrap();
    let stored = place.store.put(new_file("a.txt", "content")).await.unwrap();
    let object = place.object(&stored);
    fs::remove_file(&object).unwrap();
    symlink(&canary, &object).unwrap();

    // Not read, not cleaned, and replaced, not written through, by the next put of that content.
    assert!(matches!(place.store.open_link(token(&stored)).await, Err(LinkError::Io { .. })));
    place.clock.advance(HOUR);
    assert_eq!(place.store.clean().await.unwrap().removed, 0);
    let again = place.store.put(new_file("a.txt", "content")).await.unwrap();
    assert_eq!(read(place.store.open_link(token(&again)).await.unwrap()).await, b"content");
    assert!(!object.is_symlink());
    assert_eq!(fs::read(&canary).unwrap(), b"canary!");
    assert_eq!(fs::metadata(&canary).unwrap().modified().unwrap(), canary_before);
}

#[tokio::test]
async fn planted_symlinks_are_not_followed_for_directories() {
    let place = Place::new();
    let stored = place.store.put(new_file("a.txt", "content")).await.unwrap();
    let shard = place.object(&stored).parent().unwrap().to_owned();
    let elsewhere = place.dir.path().join("elsewhere");
    fs::rename(&shard, &elsewhere).unwrap();
    symlink(&elsewhere, &shard).unwrap();
    set_age(&elsewhere.join(&stored.sha256), 30 * DAY);

    assert!(matches!(place.store.open_link(token(&stored)).await, Err(LinkError::Io { .. })));
    assert!(place.store.put(new_file("a.txt", "content")).await.is_err());
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
    let stored = place.store.put(new_file("a.txt", "content")).await.unwrap();
    let object = place.object(&stored);
    // A file system that lost the end of it: the next put mends the object.
    fs::write(&object, "cont").unwrap();
    place.store.put(new_file("a.txt", "content")).await.unwrap();
    assert_eq!(read(place.store.open_link(token(&stored)).await.unwrap()).await, b"content");

    fs::remove_file(&object).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &object, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let opening = place.store.open_link(token(&stored));
    let opened = tokio::time::timeout(Duration::from_secs(10), opening).await;
    // Whoever waits for the other end is released, so that this test fails and does not hang.
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
        // A directory in it that the store makes itself is fine.
        LocalStore::open(LocalConfig::new(dir.path().join(format!("own-{mode:o}/deep")))).unwrap();
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    LocalStore::open(LocalConfig::new(dir.path())).unwrap();
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
    assert!(place.store.put(new_file("a.txt", "a")).await.is_err());
}

#[tokio::test]
async fn debug_output_shows_neither_key_nor_link() {
    let place = Place::new();
    let stored = place.store.put(new_file("a.txt", "a")).await.unwrap();
    let shown = format!("{:?} {stored:?}", place.store);
    assert!(shown.contains("LinkKey(..)"));
    assert!(!shown.contains(token(&stored)));
    let key = fs::read(place.root.join("key")).unwrap();
    assert!(!shown.contains(&format!("{key:?}")));
}
