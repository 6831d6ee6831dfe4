//! The store as the service uses it, against a real S3 server: while it works, while it does not, and afterwards.
#![allow(clippy::unwrap_used, reason = "clippy takes only #[test] functions for tests, not their helpers")]

mod common;

use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use common::{LIFETIME, config, credentials, fetch};
use storage::{
    Link, LinkError, LinkUse, Links as _, LocalConfig, LocalStore, NewFile, ObjectName, ObjectStoreStats,
    Opened, Store as _, StoreOperation, StoreResult, StoredFile, StoredIn, SystemClock,
};
use storage_s3::{GivenLinks, S3Config, S3Store, StoreCounts, flush};
use testkit::{Fault, FaultProxy, Rule, S3Server};
use tokio::time::Instant;

/// A fault for every request of a method, until the next rule.
fn always(method: &'static str, fault: Fault) -> Rule {
    Rule { method, times: u32::MAX, fault }
}

fn spool(root: &Path) -> LocalStore {
    LocalStore::open(LocalConfig { link_lifetime: LIFETIME, ..LocalConfig::new(root) }).unwrap()
}

fn open(config: S3Config, local: &LocalStore) -> S3Store {
    S3Store::open(config, local.clone(), Arc::new(SystemClock)).unwrap()
}

/// A store whose object store works.
async fn open_and_wait(address: SocketAddr, local: &LocalStore) -> S3Store {
    let store = open(config(address), local);
    let health = store.health().await;
    assert!(health.healthy, "{health:?}");
    store
}

fn file(path: &str, content: &'static [u8]) -> NewFile {
    NewFile {
        request_id: "test".into(),
        path: path.into(),
        media_type: "text/csv".into(),
        content: content.into(),
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn token(stored: &StoredFile) -> &str {
    match &stored.url {
        Link::Relative(link) => link.strip_prefix("/files/").unwrap(),
        Link::Absolute(_) => panic!("a link of the object store"),
    }
}

/// Waits until `is_so`, at most a minute.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}");
}

async fn until_none_waits(local: &LocalStore) {
    until("files still wait", async || local.waiting().await.unwrap().files == 0).await;
}

/// What the link of a file that was kept here gives now: the content, wherever it is.
async fn download(store: &S3Store, stored: &StoredFile) -> (&'static str, Vec<u8>) {
    match store.follow(token(stored), LinkUse::Get).await.unwrap() {
        Opened::File(mut download) => {
            let mut content = Vec::new();
            tokio::io::AsyncReadExt::read_to_end(&mut download.file, &mut content).await.unwrap();
            ("here", content)
        }
        Opened::Elsewhere { to, .. } => {
            let (status, head, body) = fetch("GET", to.as_str());
            assert_eq!(status, 200, "{head}");
            ("elsewhere", body)
        }
    }
}

#[tokio::test]
async fn a_file_is_sent_with_the_answer_and_its_link_lives_as_long_as_it_should() {
    let Some(server) = S3Server::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    let store = open_and_wait(server.address(), &local).await;
    let stored = store.put(file("sub/отчёт.csv", b"a,b\n"), soon()).await.unwrap();
    assert_eq!((stored.stored_in, stored.size_bytes), (StoredIn::ObjectStore, 4));
    let Link::Absolute(url) = &stored.url else { panic!("a link of our own") };
    assert!(url.contains("X-Amz-Expires=18000&"), "{url}");
    let left_s = stored.expires_at.as_second() - jiff::Timestamp::now().as_second();
    assert!((17_900..=18_000).contains(&left_s), "{left_s}");
    let (status, head, body) = fetch("GET", url);
    assert_eq!((status, &body[..]), (200, &b"a,b\n"[..]));
    assert!(head.contains("filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82.csv"), "{head}");
    assert_eq!(local.waiting().await.unwrap().files, 0);
    assert_eq!(store.counts(), StoreCounts { uploaded: 1, ..StoreCounts::default() });
}

#[tokio::test]
async fn what_waits_is_moved_when_the_store_is_back() {
    let Some(mut server) = S3Server::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    let store = open_and_wait(server.address(), &local).await;
    server.kill();
    let mut kept = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let stored = store.put(file("a.csv", b"a,b\n"), soon()).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(stored.stored_in, StoredIn::Spool);
        assert_eq!(download(&store, &stored).await, ("here", b"a,b\n".to_vec()));
        kept.push(stored);
    }
    until("no reason", async || {
        let reason = store.health().await.reason.unwrap();
        reason.contains("no connection") && reason.contains("waiting on this host: 5 files (20 bytes)")
    })
    .await;
    // The service ends, and starts while the store is still away.
    drop(store);
    let store = open(config(server.address()), &local);
    until("not noticed", async || !store.health().await.healthy).await;
    assert_eq!(local.waiting().await.unwrap().files, 5);
    server.restart();
    until_none_waits(&local).await;
    for stored in &kept {
        assert_eq!(download(&store, stored).await, ("elsewhere", b"a,b\n".to_vec()));
    }
    until("not counted", async || store.counts().moved == 5).await;
    assert!(store.health().await.healthy);
    let again = store.put(file("a.csv", b"a,b\n"), soon()).await.unwrap();
    assert_eq!((again.stored_in, server.keys().len()), (StoredIn::ObjectStore, 6));
    // With the store away again, the links that were moved say when to come back.
    server.kill();
    store.put(file("a.csv", b"a,b\n"), soon()).await.unwrap();
    let refused = store.follow(token(&kept[0]), LinkUse::Get).await;
    assert!(matches!(refused, Err(LinkError::Unavailable { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_store_that_hangs_delays_no_answer_after_the_first() {
    let Some(server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(server.address());
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    let store = open_and_wait(proxy.address(), &local).await;
    proxy.set(always("PUT", Fault::Hang));
    let begun = Instant::now();
    let stored = store.put(file("a.csv", b"a"), begun + Duration::from_secs(9)).await.unwrap();
    assert_eq!(stored.stored_in, StoredIn::Spool);
    // With the time that keeping it here may take on a slow machine.
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    for _ in 0..3 {
        let begun = Instant::now();
        let stored = store.put(file("a.csv", b"a"), begun + Duration::from_secs(9)).await.unwrap();
        assert_eq!(stored.stored_in, StoredIn::Spool);
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
    // An answer that has no time left does not wait at all, and blames nobody.
    proxy.set(Rule { method: "PUT", times: 0, fault: Fault::Hang });
    until_none_waits(&local).await;
    let stored = store.put(file("a.csv", b"a"), Instant::now()).await.unwrap();
    assert_eq!(stored.stored_in, StoredIn::Spool);
    assert!(store.health().await.healthy);
    until("not counted", async || store.counts().moved == 5).await;
}

#[tokio::test]
async fn a_failure_that_passes_is_not_seen() {
    let Some(server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(server.address());
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    let store = open_and_wait(proxy.address(), &local).await;
    for fault in [
        Fault::Answer(500, "InternalError"),
        Fault::Answer(503, "SlowDown"),
        Fault::CutBody(1),
        Fault::FlipByte,
    ] {
        proxy.set(Rule { method: "PUT", times: 2, fault });
        let stored = store.put(file("a.csv", b"a,b\n"), soon()).await.unwrap();
        assert_eq!(stored.stored_in, StoredIn::ObjectStore, "{fault:?}");
    }
}

#[tokio::test]
async fn a_file_is_not_removed_before_the_store_has_confirmed_it() {
    let Some(server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(server.address());
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    // The proxy ends no connection for a client that waits for that.
    let direct = config(server.address()).link_endpoint;
    let store = open(S3Config { link_endpoint: direct, ..config(proxy.address()) }, &local);
    assert!(store.health().await.healthy);
    for (fault, arrives) in [
        (Fault::CutAnswer, true),
        (Fault::AnswerAfter(500, "InternalError"), true),
        (Fault::Answer(403, "AccessDenied"), false),
    ] {
        proxy.set(always("PUT", fault));
        // Kept here at once, so that only the mover sends it.
        let before = store.counts();
        let stored = store.put(file("a.csv", b"a,b\n"), Instant::now()).await.unwrap();
        until("not tried", async || store.counts().failed > before.failed).await;
        assert_eq!(local.waiting().await.unwrap().files, 1, "{fault:?}");
        let names = local.waiting_longest(1).await.unwrap();
        assert_eq!(server.keys().contains(&format!("sandbox/{}", names[0].as_str())), arrives, "{fault:?}");
        assert_eq!(download(&store, &stored).await.0, "here");
        until("not noticed", async || !store.health().await.healthy).await;
        proxy.set(Rule { method: "PUT", times: 0, fault });
        until_none_waits(&local).await;
        assert_eq!(download(&store, &stored).await, ("elsewhere", b"a,b\n".to_vec()));
        until("not counted", async || store.counts().moved == before.moved + 1).await;
    }
}

#[tokio::test]
async fn a_file_is_kept_if_something_else_answers_for_the_store() {
    let Some(server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(server.address());
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    let store = open_and_wait(proxy.address(), &local).await;
    proxy.set(always("PUT", Fault::Answer(200, "OK")));
    let sent = store.put(file("a.csv", b"a,b\n"), soon()).await.unwrap();
    assert_eq!(sent.stored_in, StoredIn::Spool);
    until("not tried", async || store.counts().failed > 0).await;
    assert_eq!((store.counts().moved, local.waiting().await.unwrap().files), (0, 1));
    proxy.set(Rule { method: "PUT", times: 0, fault: Fault::Close });
    until_none_waits(&local).await;
    assert_eq!(server.keys().len(), 1);
}

#[tokio::test]
async fn one_request_that_fails_does_not_take_the_store_out_of_use() {
    let Some(server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(server.address());
    for method in ["PUT", "GET"] {
        let place = tempfile::tempdir().unwrap();
        proxy.set(Rule { method, times: 1, fault: Fault::Answer(500, "InternalError") });
        let store = open(config(proxy.address()), &spool(place.path()));
        let health = store.health().await;
        assert!(health.healthy, "{method}: {health:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_checked_while_a_file_is_moved() {
    let Some(server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(server.address());
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    let store = open_and_wait(proxy.address(), &local).await;
    // The move is told to wait for as long as the service lets it; a file with an answer is not given that time.
    proxy.set(Rule { method: "PUT", times: 2, fault: Fault::Later(300) });
    let kept = store.put(file("a.csv", b"a"), Instant::now()).await.unwrap();
    assert_eq!(kept.stored_in, StoredIn::Spool);
    until("not tried", async || proxy.seen().iter().filter(|line| line.starts_with("PUT")).count() >= 2)
        .await;
    let sent = store.put(file("a.csv", b"a"), Instant::now() + Duration::from_secs(15)).await.unwrap();
    assert_eq!(sent.stored_in, StoredIn::Spool);
    until("not checked", async || store.health().await.healthy).await;
    // While the move still waits.
    assert_eq!(store.counts().moved, 0);
}

#[tokio::test]
async fn a_file_that_is_not_taken_holds_up_no_other() {
    let Some(server) = S3Server::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    for _ in 0..4 {
        local.put_waiting(ObjectName::random().unwrap(), file("a.csv", b"a,b\n")).await.unwrap();
    }
    // Damaged on the disk: the store refuses it, whenever it is sent.
    let oldest = local.waiting_longest(1).await.unwrap().remove(0);
    let path = place.path().join("objects").join(&oldest.as_str()[..2]).join(oldest.as_str());
    std::fs::File::options().write(true).open(path).unwrap().write_all_at(b"x", 0).unwrap();
    let store = open(config(server.address()), &local);
    until("the others still wait", async || local.waiting().await.unwrap().files == 1).await;
    assert_eq!(local.waiting_longest(9).await.unwrap(), [oldest]);
    until("not counted", async || store.counts().moved == 3).await;
    assert!(store.health().await.healthy);
}

#[tokio::test]
async fn a_file_whose_link_has_expired_is_not_sent() {
    let Some(server) = S3Server::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let short = LocalConfig { link_lifetime: Duration::from_secs(1), ..LocalConfig::new(place.path()) };
    let local = LocalStore::open(short).unwrap();
    let kept = local.put_waiting(ObjectName::random().unwrap(), file("a.csv", b"a")).await.unwrap();
    // Two seconds more: the precision of the times of some file systems.
    let gone_at = kept.expires_at + jiff::SignedDuration::from_secs(2);
    until("it does not expire", async || jiff::Timestamp::now() > gone_at).await;
    let store = open(config(server.address()), &local);
    until_none_waits(&local).await;
    let expected = StoreCounts { expired: 1, ..StoreCounts::default() };
    until("not counted", async || store.counts() == expected).await;
    assert!(server.keys().is_empty());
}

/// The object store is away for longer than a link lives: the cleaning removes the file, the mover never sees it.
#[tokio::test]
async fn a_file_that_is_lost_while_the_store_is_away_is_counted() {
    let place = tempfile::tempdir().unwrap();
    let short = LocalConfig { link_lifetime: Duration::from_secs(1), ..LocalConfig::new(place.path()) };
    let local = LocalStore::open(short).unwrap();
    // Nothing listens there.
    let store = open(config(SocketAddr::from(([127, 0, 0, 1], 1))), &local);
    assert!(!store.health().await.healthy);
    let kept = store.put(file("a.csv", b"a"), soon()).await.unwrap();
    assert_eq!((kept.stored_in, store.object_store().unwrap().expired), (StoredIn::Spool, 0));
    let gone_at = kept.expires_at + jiff::SignedDuration::from_secs(2);
    until("it does not expire", async || jiff::Timestamp::now() > gone_at).await;
    assert_eq!(store.clean().await.unwrap().removed, 1);
    assert_eq!(store.object_store().unwrap().expired, 1);
    assert_eq!(local.waiting().await.unwrap().files, 0);
}

#[tokio::test]
async fn health_says_what_is_wrong_and_which_setting_fixes_it() {
    let Some(server) = S3Server::start() else { return };
    let good = config(server.address());
    let wrong_key =
        S3Config { credentials: credentials("AKIDUNKNOWN", S3Server::SECRET_KEY), ..good.clone() };
    let wrong_secret = S3Config { credentials: credentials(S3Server::ACCESS_KEY, "wrong"), ..good.clone() };
    for (config, words) in [(wrong_key, "STORAGE_S3_ACCESS_KEY"), (wrong_secret, "STORAGE_S3_SECRET_KEY")] {
        let place = tempfile::tempdir().unwrap();
        let local = spool(place.path());
        let store = open(config, &local);
        let reason = store.health().await.reason.unwrap();
        assert!(reason.contains(words), "{reason}");
        for secret in ["AKID", S3Server::SECRET_KEY, "wrong", "127.0.0.1"] {
            assert!(!reason.contains(secret), "{reason}");
        }
        // The file is kept, and its link works.
        let stored = store.put(file("a.csv", b"a"), soon()).await.unwrap();
        assert_eq!(download(&store, &stored).await, ("here", b"a".to_vec()));
    }
    let proxy = FaultProxy::start(server.address());
    for (method, code, words) in [
        ("PUT", Fault::Answer(404, "NoSuchBucket"), "the bucket does not exist"),
        ("PUT", Fault::Answer(403, "AccessDenied"), "the rights of the access key"),
        ("PUT", Fault::Answer(403, "RequestTimeTooSkewed"), "clock"),
        ("GET", Fault::Answer(403, "AccessDenied"), "the rights of the access key"),
    ] {
        let place = tempfile::tempdir().unwrap();
        proxy.set(always(method, code));
        let store = open(config(proxy.address()), &spool(place.path()));
        let reason = store.health().await.reason.unwrap();
        assert!(reason.contains(words), "{reason}");
    }
    // What only cleaning needs is no reason not to use the store.
    proxy.set(always("DELETE", Fault::Answer(403, "AccessDenied")));
    let place = tempfile::tempdir().unwrap();
    let store = open(config(proxy.address()), &spool(place.path()));
    assert!(store.health().await.healthy);
    store.clean().await.unwrap();
}

#[tokio::test]
async fn only_old_files_of_ours_are_removed() {
    let Some(server) = S3Server::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let store = open_and_wait(server.address(), &spool(place.path())).await;
    for _ in 0..3 {
        store.put(file("a.csv", b"a"), soon()).await.unwrap();
    }
    let ours = server.keys();
    let (old, young) = (&ours[..2], &ours[2]);
    // Also names as ours elsewhere: with and without a directory, and below the prefix.
    let (name, old_name) = (&young["sandbox/".len()..], &ours[0]["sandbox/".len()..]);
    let elsewhere = ["", "other/", "sandboxes/", "sandbox/deeper/"].map(|place| format!("{place}{name}"));
    let foreign = ["report.csv".to_owned(), "sandbox/report.csv".to_owned(), format!("x{old_name}")];
    let foreign: Vec<&str> = foreign.iter().chain(&elsewhere).map(String::as_str).collect();
    for name in &foreign {
        let path = server.bucket().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    }
    let long_ago = SystemTime::now() - Duration::from_secs(8 * 24 * 3600);
    for name in old.iter().map(String::as_str).chain(foreign.iter().copied()) {
        let file = std::fs::File::options().write(true).open(server.bucket().join(name)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    let cleaned = store.clean().await.unwrap();
    assert_eq!((cleaned.removed, cleaned.kept, cleaned.failed), (2, 1, 0));
    let mut left: Vec<String> =
        foreign.iter().map(|name| (*name).to_owned()).chain([young.clone()]).collect();
    left.sort();
    assert_eq!(server.keys(), left);
}

#[tokio::test]
async fn an_object_that_cannot_be_removed_keeps_no_other() {
    let Some(server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(server.address());
    let place = tempfile::tempdir().unwrap();
    let store = open_and_wait(proxy.address(), &spool(place.path())).await;
    for _ in 0..8 {
        store.put(file("a.csv", b"a"), soon()).await.unwrap();
    }
    let long_ago = SystemTime::now() - Duration::from_secs(8 * 24 * 3600);
    for name in server.keys() {
        let file = std::fs::File::options().write(true).open(server.bucket().join(name)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    proxy.set(Rule { method: "DELETE", times: 1, fault: Fault::Answer(403, "AccessDenied") });
    let cleaned = store.clean().await.unwrap();
    assert_eq!((cleaned.removed, cleaned.failed), (7, 1));
}

#[tokio::test]
async fn links_are_our_own_where_a_presigned_one_would_not_do() {
    let Some(server) = S3Server::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    let own = open(S3Config { links: GivenLinks::Own, ..config(server.address()) }, &local);
    let stored = own.put(file("a.csv", b"a"), soon()).await.unwrap();
    assert_eq!(stored.stored_in, StoredIn::ObjectStore);
    assert_eq!(download(&own, &stored).await, ("elsewhere", b"a".to_vec()));
    let Opened::Elsewhere { to, sha256 } = own.follow(token(&stored), LinkUse::Head).await.unwrap() else {
        panic!("it is not here")
    };
    assert_eq!((fetch("HEAD", to.as_str()).0, sha256), (200, stored.sha256.clone()));
    let changed = format!("{}A", &token(&stored)[..token(&stored).len() - 1]);
    assert!(matches!(own.follow(&changed, LinkUse::Get).await, Err(LinkError::Invalid)));

    let base = "https://files.example.org".parse().unwrap();
    let public = open(S3Config { links: GivenLinks::Public(base), ..config(server.address()) }, &local);
    let stored = public.put(file("a.csv", b"a"), soon()).await.unwrap();
    let url = stored.url.as_str();
    assert!(url.starts_with("https://files.example.org/sandbox/") && !url.contains('?'), "{url}");
    let key = url.trim_start_matches("https://files.example.org/").to_owned();
    assert!(server.keys().contains(&key));
}

#[tokio::test]
async fn credentials_are_used_that_were_renewed_in_their_file() {
    let Some(server) = S3Server::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let local = spool(&place.path().join("files"));
    let path = place.path().join("credentials");
    let write = |secret: &str| {
        let text = format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {secret}\n",
            S3Server::ACCESS_KEY
        );
        std::fs::write(&path, text).unwrap();
    };
    write("expired");
    let credentials = storage_s3::read_credentials(&path).unwrap();
    let config = S3Config { credentials, credentials_file: Some(path.clone()), ..config(server.address()) };
    let store = open(config, &local);
    let reason = store.health().await.reason.unwrap();
    assert!(reason.contains("STORAGE_S3_SECRET_KEY"), "{reason}");
    let kept = store.put(file("a.csv", b"a"), soon()).await.unwrap();
    assert_eq!(kept.stored_in, StoredIn::Spool);
    // It is not there for a moment, as when it is replaced.
    std::fs::remove_file(&path).unwrap();
    write(S3Server::SECRET_KEY);
    until("not renewed", async || store.health().await.healthy).await;
    until_none_waits(&local).await;
    assert_eq!(download(&store, &kept).await, ("elsewhere", b"a".to_vec()));
}

#[tokio::test]
async fn a_flush_moves_what_waits_and_leaves_what_another_process_has() {
    let Some(mut server) = S3Server::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    for _ in 0..3 {
        local.put_waiting(ObjectName::random().unwrap(), file("a.csv", b"a,b\n")).await.unwrap();
    }
    // As another process would: the claim is held by an open file.
    let claimed = local.claim(&local.waiting_longest(1).await.unwrap()[0]).await.unwrap().unwrap();
    let flushed =
        async || flush(config(server.address()), local.clone(), Arc::new(SystemClock)).await.unwrap();
    let first = flushed().await;
    assert_eq!((first.moved, first.failed, first.waiting.files, first.problem), (2, 0, 1, None));
    assert_eq!(server.keys().len(), 2);
    drop(claimed);
    let second = flushed().await;
    assert_eq!((second.moved, second.waiting.files), (1, 0));
    assert_eq!(server.keys().len(), 3);
    // A store that is away costs no file.
    local.put_waiting(ObjectName::random().unwrap(), file("a.csv", b"a,b\n")).await.unwrap();
    server.kill();
    let away = flush(config(server.address()), local.clone(), Arc::new(SystemClock)).await.unwrap();
    assert_eq!((away.moved, away.failed, away.waiting.files), (0, 0, 1));
    assert!(away.problem.unwrap().contains("STORAGE_S3_ENDPOINT"));
}

#[tokio::test]
async fn a_store_counts_its_requests_and_what_waits() {
    let Some(server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(server.address());
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    let store = open_and_wait(proxy.address(), &local).await;
    // With those of the check.
    let of =
        |stats: &ObjectStoreStats, operation, result| stats.requests[operation as usize][result as usize];
    let before = store.object_store().unwrap();
    for operation in [StoreOperation::Put, StoreOperation::Get, StoreOperation::List, StoreOperation::Delete]
    {
        assert!(of(&before, operation, StoreResult::Ok) >= 1, "{operation:?}: {before:?}");
    }
    proxy.set(Rule { method: "PUT", times: 2, fault: Fault::Answer(500, "InternalError") });
    store.put(file("a.csv", b"a,b\n"), soon()).await.unwrap();
    let after = store.object_store().unwrap();
    let more = |operation, result| of(&after, operation, result) - of(&before, operation, result);
    assert_eq!(more(StoreOperation::Put, StoreResult::Failed), 2);
    assert_eq!(more(StoreOperation::Put, StoreResult::Ok), 1);
    assert_eq!((after.retries - before.retries, after.uploaded_bytes, after.uploaded), (2, 4, 1));

    proxy.set(always("PUT", Fault::Answer(403, "AccessDenied")));
    let sent = |proxy: &FaultProxy| proxy.seen().iter().filter(|line| line.starts_with("PUT")).count();
    let puts = sent(&proxy);
    let kept = store.put(file("a.csv", b"a,b\n"), soon()).await.unwrap();
    assert_eq!(kept.stored_in, StoredIn::Spool);
    until("not shown", async || {
        store.health().await;
        let stats = store.object_store().unwrap();
        (stats.waiting, stats.waiting_bytes) == (1, 4)
    })
    .await;
    let refused = store.object_store().unwrap();
    assert!(of(&refused, StoreOperation::Put, StoreResult::Refused) >= 1, "{refused:?}");
    assert_eq!(
        (refused.retries, refused.kept_locally),
        (after.retries, 1),
        "what is refused is not sent again"
    );
    assert!(sent(&proxy) > puts);
    proxy.set(Rule { method: "PUT", times: 0, fault: Fault::Close });
    until("not moved", async || {
        store.health().await;
        let stats = store.object_store().unwrap();
        (stats.moved, stats.waiting, stats.waiting_longest) == (1, 0, Duration::ZERO)
    })
    .await;
}

#[tokio::test]
async fn a_file_whose_record_is_damaged_is_counted_apart() {
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    let name = ObjectName::random().unwrap();
    local.put_waiting(name.clone(), file("a.csv", b"a,b\n")).await.unwrap();
    let record = place.path().join("waiting").join(&name.as_str()[..2]).join(name.as_str());
    std::fs::write(record, "rubbish").unwrap();
    assert!(local.claim(&name).await.unwrap().is_none());
    // It is not asked for this.
    let store = open(config("127.0.0.1:1".parse().unwrap()), &local);
    store.health().await;
    let stats = store.object_store().unwrap();
    assert_eq!((stats.damaged, stats.waiting, stats.link_lifetime), (1, 0, LIFETIME));
}

/// By itself the mover looks every 30 seconds: it is woken by a file that waits, and by a store that works again.
#[tokio::test]
async fn the_mover_does_not_wait_for_its_next_look() {
    const SOON: Duration = Duration::from_secs(20);
    let Some(server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(server.address());
    let place = tempfile::tempdir().unwrap();
    let local = spool(place.path());
    let store = open_and_wait(proxy.address(), &local).await;
    let moved_soon = async || {
        let begun = Instant::now();
        until_none_waits(&local).await;
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    };
    // There is no time left for the object store.
    store.put(file("a.csv", b"a"), Instant::now()).await.unwrap();
    moved_soon().await;
    proxy.set(always("PUT", Fault::Answer(403, "AccessDenied")));
    let kept = store.put(file("a.csv", b"a"), soon()).await.unwrap();
    assert_eq!(kept.stored_in, StoredIn::Spool);
    until("not noticed", async || !store.health().await.healthy).await;
    proxy.set(Rule { method: "PUT", times: 0, fault: Fault::Close });
    until("not back", async || store.health().await.healthy).await;
    moved_soon().await;
}
