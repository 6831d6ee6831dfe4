//! Requests, links and checks against a real S3 server that checks signatures, with faults in between.
#![allow(clippy::unwrap_used, reason = "clippy takes only #[test] functions for tests, not their helpers")]

mod common;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{LIFETIME, config, credentials, fetch};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use storage::{Clock, LinkUse, ObjectName, SystemClock, content_disposition};
use storage_s3::{CheckStep, Content, FailureKind, NewObject, Requests, S3Config, check};
use testkit::{Fault, FaultProxy, Rule, S3Server};
use tokio::time::Instant;
use url::Url;

/// This host's clock, wrong by this number of seconds.
#[derive(Debug)]
struct WrongClock(i64);

impl Clock for WrongClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(Timestamp::now().as_second() + self.0).unwrap()
    }
}

fn open(config: &S3Config) -> Requests {
    Requests::open(config, Arc::new(SystemClock)).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn object(file_name: &str, content: &'static [u8]) -> NewObject {
    NewObject {
        content: Content::Bytes(Bytes::from_static(content)),
        digest: Sha256::digest(content).into(),
        file_name: file_name.into(),
        media_type: "text/csv".into(),
    }
}

fn link(
    requests: &Requests,
    config: &S3Config,
    name: &ObjectName,
    lifetime: Duration,
    now: Timestamp,
) -> String {
    requests.bucket().link(&config.credentials, name, LinkUse::Get, lifetime, now).resolve("")
}

#[tokio::test]
async fn a_link_downloads_with_the_name_of_the_file() {
    let Some(server) = S3Server::start() else { return };
    let config = config(server.address());
    let requests = open(&config);
    for file_name in
        ["отчёт 图.xlsx", "a   b\".csv", "plain.csv", "\u{202e}evil\r\nset-cookie: x.html", "+ %20&=.csv"]
    {
        let name = ObjectName::random().unwrap();
        requests.put(&name, object(file_name, b"a,b\n"), soon()).await.unwrap();
        assert!(requests.has(&name, soon()).await.unwrap());
        let url = link(&requests, &config, &name, LIFETIME, Timestamp::now());
        let (status, head, body) = fetch("GET", &url);
        assert_eq!((status, &body[..]), (200, &b"a,b\n"[..]), "{head}");
        let field = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let expected = content_disposition(file_name);
        let (found, expected) = (field("content-disposition").unwrap(), expected.split_whitespace());
        assert_eq!(found, expected.collect::<Vec<_>>().join(" "));
        assert!(found.starts_with("attachment"));
        assert_eq!(field("content-type").as_deref(), Some("text/csv"));
        assert!(field("set-cookie").is_none());

        let head =
            requests.bucket().link(&config.credentials, &name, LinkUse::Head, LIFETIME, Timestamp::now());
        assert_eq!(fetch("HEAD", &head.resolve("")).0, 200);
        requests.delete(&name, soon()).await.unwrap();
        assert!(!requests.has(&name, soon()).await.unwrap());
        requests.delete(&name, soon()).await.unwrap();
    }
    assert!(server.keys().is_empty());
}

#[tokio::test]
async fn empty_and_large_files_arrive_whole() {
    let Some(server) = S3Server::start() else { return };
    let requests = open(&config(server.address()));
    let large: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&large).unwrap();
    for (content, expected) in [
        (Content::Bytes(Bytes::new()), Vec::new()),
        (Content::Bytes(large.clone().into()), large.clone()),
        (Content::File(Arc::new(file), large.len() as u64), large),
    ] {
        let name = ObjectName::random().unwrap();
        let object = NewObject { content, digest: Sha256::digest(&expected).into(), ..object("a", b"") };
        requests.put(&name, object, soon()).await.unwrap();
        let stored = std::fs::read(server.bucket().join("sandbox").join(name.as_str())).unwrap();
        assert!(stored == expected, "{} bytes", expected.len());
    }
}

#[tokio::test]
async fn changed_foreign_and_expired_links_are_refused_by_the_server() {
    let Some(server) = S3Server::start() else { return };
    let config = config(server.address());
    let requests = open(&config);
    let (name, other) = (ObjectName::random().unwrap(), ObjectName::random().unwrap());
    for name in [&name, &other] {
        requests.put(name, object("a.csv", b"a,b\n"), soon()).await.unwrap();
    }
    let now = Timestamp::now();
    let good = link(&requests, &config, &name, LIFETIME, now);
    assert_eq!(fetch("GET", &good).0, 200);
    let foreign = S3Config { credentials: credentials(S3Server::ACCESS_KEY, "another"), ..config.clone() };
    let earlier = Timestamp::from_second(now.as_second() - 10).unwrap();
    for (what, bad) in [
        ("lifetime", good.replace("X-Amz-Expires=18000", "X-Amz-Expires=18001")),
        ("object", good.replace(name.as_str(), other.as_str())),
        ("signature", good.replace("X-Amz-Signature=", "X-Amz-Signature=0")),
        ("none", good.split('?').next().unwrap().to_owned()),
        ("foreign", link(&requests, &foreign, &name, LIFETIME, now)),
        ("expired", link(&requests, &config, &name, Duration::from_secs(1), earlier)),
    ] {
        assert_ne!(bad, good, "{what}");
        let (status, head, _) = fetch("GET", &bad);
        assert!((400..500).contains(&status), "{what}: {head}");
    }
    // A link for downloads removes nothing.
    assert!((400..500).contains(&fetch("DELETE", &good).0));
    assert!(requests.has(&name, soon()).await.unwrap());
}

/// Fails without the checksum among the headers. This server refuses the file only once it has replaced the object;
/// what counts is that no damaged file is taken for a stored one, and that the next attempt replaces it.
#[tokio::test]
async fn a_damaged_upload_is_not_kept() {
    let Some(server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(server.address());
    let requests = open(&config(proxy.address()));
    let name = ObjectName::random().unwrap();
    proxy.set(Rule { method: "PUT", times: 1, fault: Fault::FlipByte });
    let failure = requests.put(&name, object("a.csv", b"a,b\n"), soon()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Damaged, "{failure}");
    requests.put(&name, object("a.csv", b"a,b\n"), soon()).await.unwrap();
    let kept = std::fs::read(server.bucket().join("sandbox").join(name.as_str())).unwrap();
    assert_eq!(kept, b"a,b\n");
}

#[tokio::test]
async fn every_fault_has_its_kind() {
    let Some(server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(server.address());
    let requests = open(&config(proxy.address()));
    for (fault, kind, arrives) in [
        (Fault::Close, FailureKind::Cut, false),
        (Fault::CutBody(1), FailureKind::Cut, false),
        (Fault::Hang, FailureKind::Timeout, false),
        (Fault::Answer(500, "InternalError"), FailureKind::ServerError, false),
        (Fault::Answer(503, "SlowDown"), FailureKind::Busy, false),
        (Fault::Answer(403, "AccessDenied"), FailureKind::Forbidden, false),
        (Fault::AnswerAfter(500, "InternalError"), FailureKind::ServerError, true),
        (Fault::CutAnswer, FailureKind::Cut, true),
    ] {
        let name = ObjectName::random().unwrap();
        // Twice: the client sends a request again by itself if an idle connection turns out to be closed.
        proxy.set(Rule { method: "PUT", times: 2, fault });
        let failure = requests.put(&name, object("a.csv", b"a,b\n"), soon()).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{fault:?}: {failure}");
        proxy.set(Rule { method: "PUT", times: 0, fault });
        assert_eq!(requests.has(&name, soon()).await.unwrap(), arrives, "{fault:?}");
        // The same again: the same key, the same bytes.
        requests.put(&name, object("a.csv", b"a,b\n"), soon()).await.unwrap();
    }
    assert_eq!(server.keys().len(), 8);
}

#[tokio::test]
async fn a_list_has_what_is_below_the_prefix_page_by_page() {
    let Some(server) = S3Server::start() else { return };
    let requests = open(&config(server.address()));
    // With these on the pages there would be four.
    for foreign in ["foreign", "other"] {
        std::fs::write(server.bucket().join(foreign), "x").unwrap();
    }
    let mut names = Vec::new();
    for _ in 0..5 {
        let name = ObjectName::random().unwrap();
        requests.put(&name, object("a.csv", b"a,b\n"), soon()).await.unwrap();
        names.push(name.as_str().to_owned());
    }
    names.sort();
    let (mut listed, mut page, mut pages) = (Vec::new(), None, 0);
    loop {
        let list = requests.list(page.as_deref(), 2, soon()).await.unwrap();
        assert!(list.objects.len() <= 2);
        let store_time = list.store_time.unwrap();
        for (name, stored_at) in list.objects {
            let age = store_time.duration_since(stored_at.unwrap());
            assert!(age.as_secs().abs() < 3600, "{age}");
            listed.push(name);
        }
        pages += 1;
        page = list.next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!((listed, pages), (names, 3));
}

#[tokio::test]
async fn a_check_does_what_the_service_does_and_leaves_nothing() {
    let Some(mut server) = S3Server::start() else { return };
    let proxy = FaultProxy::start(server.address());
    let good = config(proxy.address());
    let all = [CheckStep::Put, CheckStep::Link, CheckStep::List, CheckStep::Delete];
    let failed = async |config: &S3Config, clock: Arc<dyn Clock>| {
        let requests = Requests::open(config, clock).unwrap();
        let checked = check(&requests, soon()).await;
        let failed = checked.iter().filter_map(|one| Some((one.step, one.failure.clone()?)));
        (checked.len(), failed.map(|(step, failure)| (step, failure.kind)).collect::<Vec<_>>())
    };
    let right = || Arc::new(SystemClock);
    assert_eq!(failed(&good, right()).await, (all.len(), vec![]));
    assert!(server.keys().is_empty());

    let at_put = |kind| (1, vec![(CheckStep::Put, kind)]);
    // This server makes a bucket for an object, so its own answer is that to a list.
    let missing = S3Config { bucket: "missing".into(), ..good.clone() };
    let listed = open(&missing).list(None, 1, soon()).await;
    assert_eq!(listed.unwrap_err().kind, FailureKind::NoSuchBucket);
    proxy.set(Rule { method: "PUT", times: 1, fault: Fault::Answer(404, "NoSuchBucket") });
    assert_eq!(failed(&good, right()).await, at_put(FailureKind::NoSuchBucket));
    let key = S3Config { credentials: credentials("AKIDUNKNOWN", S3Server::SECRET_KEY), ..good.clone() };
    assert_eq!(failed(&key, right()).await, at_put(FailureKind::UnknownKey));
    let secret = S3Config { credentials: credentials(S3Server::ACCESS_KEY, "wrong"), ..good.clone() };
    assert_eq!(failed(&secret, right()).await, at_put(FailureKind::WrongSecret));
    for wrong_s in [-1200, 1200] {
        assert_eq!(failed(&good, Arc::new(WrongClock(wrong_s))).await, at_put(FailureKind::Clock));
    }
    for (method, step) in [("GET", CheckStep::Link), ("DELETE", CheckStep::Delete)] {
        proxy.set(Rule { method, times: 1, fault: Fault::Answer(403, "AccessDenied") });
        assert_eq!(failed(&good, right()).await, (4, vec![(step, FailureKind::Forbidden)]));
    }
    server.kill();
    // The proxy accepts, and has nothing to connect to.
    assert_eq!(failed(&good, right()).await, at_put(FailureKind::Cut));
    let direct = config(server.address());
    assert_eq!(failed(&direct, right()).await, at_put(FailureKind::Unreachable));
    server.restart();
    assert_eq!(failed(&good, right()).await.1, vec![]);
}

#[tokio::test]
async fn links_name_the_address_of_clients() {
    let Some(server) = S3Server::start() else { return };
    let public = Url::parse(&format!("http://localhost:{}", server.address().port())).unwrap();
    let config = S3Config { link_endpoint: public, ..config(server.address()) };
    let requests = open(&config);
    let name = ObjectName::random().unwrap();
    requests.put(&name, object("a.csv", b"a,b\n"), soon()).await.unwrap();
    let url = link(&requests, &config, &name, LIFETIME, Timestamp::now());
    assert!(url.starts_with("http://localhost:"), "{url}");
    assert_eq!(fetch("GET", &url).0, 200);
}
