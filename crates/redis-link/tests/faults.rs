//! A real Redis, with harm done to the connection and to the server: every call ends within its time, with the error that
//! says what to do.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

use redis_link::{Connection, Failed, RedisConfig, Script};
use std::process::Command;
use std::time::Duration;
use testkit::{Keeps, RedisServer, TcpFault, TcpProxy};

/// Longer than any answer of a busy host takes.
const TIME_MAX: Duration = Duration::from_secs(2);

fn config(url: &str, time_max: Duration) -> RedisConfig {
    RedisConfig { address: url.parse().unwrap(), ca_file: None, time_max }
}

/// Sets a key, and returns its value twice: as text and as length.
static SET: Script = Script::new(
    "redis.call('SET', KEYS[1], ARGV[1]) return {redis.call('GET', KEYS[1]), redis.call('STRLEN', KEYS[1])}",
);

#[tokio::test]
async fn scripts_are_loaded_again_by_a_server_that_forgot_them() {
    let Some(mut server) = RedisServer::start_with(Keeps::Nothing, Some("canary")) else { return };
    let config = config(&server.url(), TIME_MAX);
    for _ in 0..2 {
        let connection = Connection::open(&config).await.unwrap();
        for _ in 0..2 {
            assert_eq!(connection.run(&SET, &["a"], &["four"]).await.unwrap(), ["four", "4"]);
        }
        assert_eq!(server.ask(&["SCRIPT", "FLUSH"]), "OK");
        assert_eq!(connection.run(&SET, &["a"], &["five!"]).await.unwrap(), ["five!", "5"]);
        assert_eq!(connection.server_setting("appendonly").await.unwrap().as_deref(), Some("no"));
        server.restart();
        let failed = connection.run(&SET, &["a"], &["x"]).await;
        assert!(matches!(failed, Err(Failed::Away(_))), "{failed:?}");
    }
}

#[tokio::test]
async fn a_call_ends_within_its_time_whatever_happens_to_the_connection() {
    let Some(server) = RedisServer::start(Keeps::Nothing) else { return };
    let proxy = TcpProxy::start(server.address());
    let url = server.url_at(proxy.address());
    let patient = config(&url, TIME_MAX);
    let impatient = config(&url, Duration::from_millis(50));
    for (fault, config) in [
        (TcpFault::Close, &patient),
        (TcpFault::Cut, &patient),
        (TcpFault::Silence, &impatient),
        (TcpFault::Delay(Duration::from_millis(500)), &impatient),
    ] {
        let connection = Connection::open(&patient).await.unwrap();
        connection.run(&SET, &["a"], &["x"]).await.unwrap();
        proxy.set(fault);
        // Of a connection that is open, and of a new one.
        let failed = if config.time_max == TIME_MAX {
            connection.run(&SET, &["a"], &["x"]).await
        } else {
            Err(Connection::open(config).await.unwrap_err())
        };
        assert!(matches!(failed, Err(Failed::Away(_))), "{fault:?}: {failed:?}");
        proxy.set(TcpFault::None);
        let again = Connection::open(&patient).await.unwrap();
        assert_eq!(again.run(&SET, &["a"], &["x"]).await.unwrap(), ["x", "1"], "{fault:?}");
    }
    drop(server);
    let failed = Connection::open(&patient).await.unwrap_err();
    assert!(matches!(failed, Failed::Away(_)), "{failed:?}");
}

#[tokio::test]
async fn a_server_that_refuses_says_why_and_no_text_names_its_address() {
    let Some(server) = RedisServer::start_with(Keeps::Nothing, Some("canary")) else { return };
    let shown = server.address().to_string();
    for url in [format!("redis://{shown}"), format!("redis://:wrong@{shown}")] {
        let failed = Connection::open(&config(&url, TIME_MAX)).await.unwrap_err();
        assert!(matches!(failed, Failed::Login), "{failed:?}");
    }
    let connection = Connection::open(&config(&server.url(), TIME_MAX)).await.unwrap();
    assert_eq!(server.ask(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    let full = connection.run(&SET, &["a"], &["x"]).await.unwrap_err();
    assert!(matches!(&full, Failed::Refused(text) if text.contains("memory")), "{full:?}");
    assert_eq!(server.ask(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    assert_eq!(server.ask(&["REPLICAOF", "127.0.0.1", "1"]), "OK");
    let replica = connection.run(&SET, &["a"], &["x"]).await.unwrap_err();
    assert!(matches!(&replica, Failed::Refused(text) if text.contains("read only")), "{replica:?}");
    for failed in [full, replica, Failed::Login] {
        let text = format!("{failed} {}", failed.detail());
        assert!(!text.contains(&shown) && !text.contains("canary"), "{text}");
    }
    assert_eq!(server.ask(&["REPLICAOF", "NO", "ONE"]), "OK");
    assert!(connection.run(&SET, &["a"], &["x"]).await.is_ok(), "the same connection goes on");
}

#[tokio::test]
async fn tls_trusts_the_authority_in_the_file_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let certificate = |name: &str| {
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ])
            .args(["-subj", "/CN=redis", "-addext", "subjectAltName=DNS:localhost", "-addext"])
            .args(["basicConstraints=critical,CA:FALSE", "-keyout", &path(&format!("{name}.key"))])
            .args(["-out", &path(&format!("{name}.pem"))])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    };
    certificate("own");
    certificate("other");
    let Some(server) =
        RedisServer::start_tls(&directory.path().join("own.pem"), &directory.path().join("own.key"))
    else {
        return;
    };
    let url = format!("rediss://localhost:{}", server.address().port());
    let trusting = |ca: Option<&str>| RedisConfig {
        ca_file: ca.map(|name| directory.path().join(name)),
        ..config(&url, TIME_MAX)
    };
    let connection = Connection::open(&trusting(Some("own.pem"))).await.unwrap();
    assert_eq!(connection.run(&SET, &["a"], &["x"]).await.unwrap(), ["x", "1"]);
    for ca in [None, Some("other.pem"), Some("missing.pem"), Some("own.key")] {
        let failed = Connection::open(&trusting(ca)).await.unwrap_err();
        if ca.is_none_or(|ca| ca == "other.pem") {
            assert!(matches!(failed, Failed::Away(_)), "{ca:?}: {failed:?}");
        } else {
            assert!(matches!(failed, Failed::Authorities(_)), "{ca:?}: {failed:?}");
            assert!(failed.detail().contains("REDIS_CA_FILE"), "{failed:?}");
        }
    }
}
