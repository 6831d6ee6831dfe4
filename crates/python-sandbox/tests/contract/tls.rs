//! HTTPS: with curl, which knows nothing of our code.

use crate::support::{Launch, Server, connect, wait_until};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::Certificate;

/// A service with this certificate.
pub(crate) fn start(pair: &Certificate, settings: &[(&str, &str)]) -> Option<Server> {
    launch(pair).sets(settings).without_waiting().start()
}

fn launch(pair: &Certificate) -> Launch {
    let path = |path: &Path| path.display().to_string();
    Launch::new().set("TLS_CERT_FILE", &path(&pair.certificate)).set("TLS_KEY_FILE", &path(&pair.key))
}

/// The answer to a request of curl that trusts this certificate; what it says if there is none.
fn curl(trusted: &Path, args: &[&str], url: &str) -> Result<String, String> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "60", "--noproxy", "*", "--cacert"]).arg(trusted);
    let output = command.args(args).arg(url).output().expect("curl is installed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn port(server: &Server) -> &str {
    server.base.rsplit(':').next().expect("a port")
}

#[test]
fn a_service_with_a_certificate_takes_https_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let pair = Certificate::make(dir.path(), "own");
    let Some(server) = start(&pair, &[]) else { return };
    assert!(server.base.starts_with("https://"), "{}", server.base);
    let url = |path: &str| format!("https://localhost:{}{path}", port(&server));
    let ask = |args: &[&str], path: &str| curl(&pair.certificate, args, &url(path));
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let health = ask(version, "/health").expect("an answer");
        assert!(health.contains("\"healthy\""), "{version:?}: {health}");
    }
    assert!(ask(&["--tls-max", "1.1"], "/health").is_err());
    let body = r#"{"code": "open('a.txt', 'w').write('of the file')\nprint(1)"}"#;
    let answer = ask(&["--json", body], "/execute").expect("an answer");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["stdout"], "1\n", "{answer}");
    let link = answer["files"][0].as_str().expect("a link");
    assert!(link.starts_with(&url("/files/")), "{link}");
    assert_eq!(curl(&pair.certificate, &[], link).as_deref(), Ok("of the file"));

    let head = ask(&["--head"], "/health").expect("an answer").to_lowercase();
    assert!(head.contains("strict-transport-security: max-age=86400\r\n"), "{head}");

    // A client with the wrong scheme is told so; other noise gets nothing.
    let mut plain = connect(&server.base);
    plain.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("sent");
    let mut answer = String::new();
    plain.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("HTTPS"), "{answer}");

    // Commands on this machine reach it by an address, and trust the certificate in the file.
    let launch = launch(&pair).in_dir(&server.dir);
    let port_setting = format!("PORT={}", port(&server));
    for command in ["health", "metrics"] {
        let output = launch.run(&["--set", &port_setting, command], "");
        assert!(output.status.success(), "{command}: {output:?}");
    }
    let other = Certificate::make(dir.path(), "other");
    let other = self::launch(&other).in_dir(&server.dir).set("PYTHON_SANDBOX_API_KEY", "psk_canary");
    let health = other.run(&["--set", &port_setting, "health"], "");
    assert!(health.status.success(), "{health:?}");
    let metrics = other.run(&["--set", &port_setting, "metrics"], "");
    assert!(!metrics.status.success(), "the key goes to a service with another certificate: {metrics:?}");
    let page = ask(&[], "/metrics").expect("an answer");
    let expiry = page
        .lines()
        .find_map(|line| line.strip_prefix("python_sandbox_tls_certificate_expiry_timestamp_seconds "));
    assert!(expiry.expect("the metric").parse::<f64>().expect("a number") > 1e9);
    server.stop();
}

#[test]
fn a_pair_that_cannot_be_used_stops_the_start_with_the_reason() {
    let dir = tempfile::tempdir().expect("a directory");
    let (own, other) = (Certificate::make(dir.path(), "own"), Certificate::make(dir.path(), "other"));
    let old = Certificate::make_valid(dir.path(), "old", "20200101000000Z", "20210101000000Z");
    let missing = Certificate { certificate: dir.path().join("missing.pem"), ..own.clone() };
    let mixed = Certificate { key: other.key.clone(), ..own };
    for (pair, word) in [(missing, "No such file"), (mixed, "not the key of"), (old, "expired at 2021")] {
        let output = launch(&pair).run(&["serve"], "");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{log}");
        assert!(log.contains(word) && log.contains("TLS_CERT_FILE"), "{word:?} is not in: {log}");
    }
}

/// Puts the pair where the service reads it.
fn replace(live: &Certificate, new: &Certificate) {
    for (new, live) in [(&new.certificate, &live.certificate), (&new.key, &live.key)] {
        let beside = live.with_extension("new");
        fs::copy(new, &beside).expect("copied");
        fs::rename(&beside, live).expect("renamed");
    }
}

#[test]
fn a_renewed_certificate_is_used_while_requests_run_and_a_broken_one_never() {
    let dir = tempfile::tempdir().expect("a directory");
    let [first, second, live] = ["first", "second", "live"].map(|name| Certificate::make(dir.path(), name));
    replace(&live, &first);
    let Some(server) = start(&live, &[]) else { return };
    let url = |path: &str| format!("https://localhost:{}{path}", port(&server));
    let trusts = |pair: &Certificate| curl(&pair.certificate, &[], &url("/health")).is_ok();
    assert!(trusts(&first) && !trusts(&second));

    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients = [1, 2].map(|number| {
            let (done, url) = (&done, &url);
            scope.spawn(move || {
                let body = format!(r#"{{"code": "print({number})"}}"#);
                let mut answers = 0;
                while !done.load(Ordering::Relaxed) {
                    // Whatever the certificate is: this is about lost requests.
                    let answer =
                        curl(Path::new("/dev/null"), &["--insecure", "--json", &body], &url("/execute"));
                    let answer = answer.expect("an answer");
                    assert!(answer.contains("\"success\":true"), "{answer}");
                    answers += 1;
                }
                answers
            })
        });
        replace(&live, &second);
        let renewed = wait_until(Duration::from_secs(60), || trusts(&second));
        done.store(true, Ordering::Relaxed);
        let answers = clients.map(|client| client.join().expect("every request has its answer"));
        assert!(renewed && !trusts(&first), "{}", server.stderr_log());
        assert!(answers.iter().all(|answers| *answers > 0), "{answers:?}");
    });
    assert!(server.log_line(&["the TLS certificate was replaced"]).is_some());

    fs::copy(&first.key, &live.key).expect("copied");
    let reload_failed = || {
        let page = curl(&second.certificate, &[], &url("/metrics")).expect("an answer");
        page.contains("\npython_sandbox_tls_reload_failed 1\n")
    };
    assert!(wait_until(Duration::from_secs(60), reload_failed), "{}", server.stderr_log());
    assert!(trusts(&second));
    let log = server.stderr_log();
    let lines: Vec<_> =
        log.lines().filter(|line| line.contains("new TLS certificate cannot be used")).collect();
    assert!(lines.len() == 1 && lines[0].contains("not the key of"), "{lines:?}");
    for pair in [&first, &second] {
        let key = fs::read_to_string(&pair.key).expect("it is there");
        for line in key.lines().filter(|line| !line.starts_with("-----")) {
            assert!(!log.contains(line), "the log has a key");
        }
    }
    server.stop();
}

#[test]
fn a_handshake_that_never_ends_is_cut_and_harms_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    let pair = Certificate::make(dir.path(), "own");
    let Some(server) = start(&pair, &[]) else { return };
    let since = Instant::now();
    // Silence, and the beginning of a record of 512 bytes, which then comes byte by byte.
    let mut silent = connect(&server.base);
    let mut slow = connect(&server.base);
    slow.write_all(&[22, 3, 1, 2, 0, 1]).expect("sent");
    let mut feeder = slow.try_clone().expect("a second handle");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while since.elapsed() < Duration::from_secs(30) && feeder.write_all(&[0]).is_ok() {
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        let url = format!("https://localhost:{}/health", port(&server));
        assert!(curl(&pair.certificate, &[], &url).is_ok());
        for stream in [&mut silent, &mut slow] {
            let _ = stream.read_to_end(&mut Vec::new());
            assert!((8..30).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
        }
    });
    server.stop();
}
