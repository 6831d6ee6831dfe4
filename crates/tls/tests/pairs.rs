//! Certificates and keys as OpenSSL writes them, replaced while they are in use.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use testkit::Certificate;
use tls::{Tls, TlsFiles, Trust};

fn files(pair: &Certificate) -> TlsFiles {
    TlsFiles { certificate: pair.certificate.clone(), key: pair.key.clone() }
}

fn refusal(files: &TlsFiles) -> String {
    support::error_chain(&Tls::load(files.clone()).unwrap_err())
}

/// The lines of a file in base64, which no text of ours may contain.
fn secret_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect()
}

#[test]
fn a_pair_that_cannot_be_used_is_refused_with_the_file_and_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (Certificate::make(dir.path(), "own"), Certificate::make(dir.path(), "other"));
    let good = files(&own);
    assert!(!Tls::load(good.clone()).unwrap().status().reload_failed);
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let old = Certificate::make_valid(dir.path(), "old", "20200101000000Z", "20210101000000Z");
    let future = Certificate::make_valid(dir.path(), "future", "20900101000000Z", "20910101000000Z");
    let certificate = |path| TlsFiles { certificate: path, ..good.clone() };
    let key = |path| TlsFiles { key: path, ..good.clone() };
    let broken = "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n";
    let not_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let not_a_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (files, words) in [
        (certificate(dir.path().join("missing.pem")), ["TLS_CERT_FILE", "missing.pem", "No such file"]),
        (certificate(dir.path().to_owned()), ["TLS_CERT_FILE", "failed to read", "not a regular file"]),
        (certificate(write("empty.pem", "")), ["TLS_CERT_FILE", "empty.pem", "no certificate"]),
        (certificate(write("broken.pem", broken)), ["TLS_CERT_FILE", "broken.pem", "not in PEM format"]),
        (certificate(write("not_x509.pem", not_x509)), ["TLS_CERT_FILE", "not_x509.pem", "not X.509"]),
        (certificate(own.key.clone()), ["TLS_CERT_FILE", "own.key", "no certificate"]),
        (key(dir.path().join("missing.key")), ["TLS_KEY_FILE", "missing.key", "No such file"]),
        (
            key(write("certificate.key", &fs::read_to_string(&own.certificate).unwrap())),
            ["TLS_KEY_FILE", "certificate.key", "no private key"],
        ),
        (key(write("no.key", not_a_key)), ["TLS_KEY_FILE", "no.key", "not supported"]),
        (key(other.key.clone()), ["TLS_KEY_FILE", "other.key", "not the key of the first certificate"]),
        (files(&old), ["TLS_CERT_FILE", "old.pem", "expired at 2021-01-01T00:00:00Z"]),
        (files(&future), ["TLS_CERT_FILE", "future.pem", "not valid before 2090-01-01T00:00:00Z"]),
    ] {
        let refused = refusal(&files);
        for word in words {
            assert!(refused.contains(word), "{word:?} is not in: {refused}");
        }
    }
    for (mode, refused) in [(0o640, false), (0o400, false), (0o644, true), (0o604, true)] {
        fs::set_permissions(&own.key, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(Tls::load(good.clone()).is_err(), refused, "{mode:o}");
    }
    let refused = refusal(&good);
    assert!(
        refused.contains("every user can read TLS_KEY_FILE") && refused.contains("chmod o="),
        "{refused}"
    );
    fs::set_permissions(&own.key, fs::Permissions::from_mode(0o602)).unwrap();
    assert!(refusal(&good).contains("TLS_KEY_FILE cannot be trusted"), "{}", refusal(&good));
}

#[test]
fn keys_of_every_usual_kind_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    for (name, kind) in [
        ("rsa", &["rsa:2048"][..]),
        ("p384", &["ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"]),
        ("ed25519", &["ed25519"]),
    ] {
        let path = |suffix: &str| dir.path().join(format!("{name}.{suffix}"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-newkey"])
            .args(kind)
            .arg("-keyout")
            .arg(path("key"))
            .arg("-out")
            .arg(path("pem"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let loaded = Tls::load(TlsFiles { certificate: path("pem"), key: path("key") });
        assert!(loaded.is_ok(), "{name}: {loaded:?}");
    }
    // Of a chain the first counts.
    let (own, other) = (Certificate::make(dir.path(), "own"), Certificate::make(dir.path(), "other"));
    let read = |pair: &Certificate| fs::read_to_string(&pair.certificate).unwrap();
    let chain = read(&own) + &read(&other);
    fs::write(&own.certificate, &chain).unwrap();
    assert!(Tls::load(files(&own)).is_ok());
    fs::write(&own.certificate, read(&other) + &chain).unwrap();
    assert!(refusal(&files(&own)).contains("comes first"));
}

/// What a client gets: the certificate that the service presents, if the client trusts the one in the files.
fn handshake(tls: &Arc<Tls>, trusted: &TlsFiles) -> std::io::Result<()> {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = tls.config();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let session = rustls::ServerConnection::new(config).unwrap();
        let mut stream = rustls::StreamOwned::new(session, stream);
        let _ = stream.write_all(b"x");
        let _ = stream.flush();
    });
    let mut stream = tls::connect(TcpStream::connect(address).unwrap(), Trust::InFile(trusted)).unwrap();
    let answer = stream.read_exact(&mut [0]);
    drop(stream);
    server.join().unwrap();
    answer
}

fn copy(from: &Certificate, to: &Certificate) {
    // As certbot and Kubernetes do it: another file takes the name.
    for (from, to) in [(&from.certificate, &to.certificate), (&from.key, &to.key)] {
        let beside = to.with_extension("new");
        fs::copy(from, &beside).unwrap();
        fs::rename(&beside, to).unwrap();
    }
}

#[test]
fn a_changed_pair_is_used_once_it_is_complete_and_a_broken_one_never() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second, live] = ["first", "second", "live"].map(|name| Certificate::make(dir.path(), name));
    copy(&first, &live);
    let tls = Tls::load(files(&live)).unwrap();
    let has = |pair: &Certificate| handshake(&tls, &files(pair)).is_ok();
    assert!(has(&first) && !has(&second));
    tls.poll();
    assert!(has(&first));

    copy(&second, &live);
    tls.poll();
    assert!(has(&first), "the files may still be changing");
    tls.poll();
    assert!(has(&second) && !has(&first));

    // Half of a pair.
    fs::copy(&first.key, &live.key).unwrap();
    for _ in 0..3 {
        tls.poll();
    }
    assert!(has(&second) && tls.status().reload_failed);
    fs::remove_file(&live.certificate).unwrap();
    for _ in 0..3 {
        tls.poll();
    }
    assert!(has(&second) && tls.status().reload_failed);
    copy(&first, &live);
    for _ in 0..2 {
        tls.poll();
    }
    assert!(has(&first) && !tls.status().reload_failed);
}

/// As Kubernetes does it: the names lead through a link, which is made to lead elsewhere, and back.
#[test]
fn a_pair_that_comes_back_ends_the_failure() {
    let dir = tempfile::tempdir().unwrap();
    let pair = Certificate::make(dir.path(), "own");
    for name in ["good", "bad"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::copy(&pair.key, dir.path().join(name).join("tls.key")).unwrap();
    }
    fs::copy(&pair.certificate, dir.path().join("good/tls.crt")).unwrap();
    fs::write(dir.path().join("bad/tls.crt"), "").unwrap();
    let (live, new) = (dir.path().join("live"), dir.path().join("new"));
    let lead_to = |name: &str| {
        symlink(name, &new).unwrap();
        fs::rename(&new, &live).unwrap();
    };
    lead_to("good");
    let tls = Tls::load(TlsFiles { certificate: live.join("tls.crt"), key: live.join("tls.key") }).unwrap();
    for (name, reload_failed) in [("bad", true), ("good", false)] {
        lead_to(name);
        for _ in 0..2 {
            tls.poll();
        }
        assert_eq!(tls.status().reload_failed, reload_failed, "{name}");
    }
}

#[test]
fn no_debug_text_has_anything_of_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let pair = Certificate::make(dir.path(), "own");
    let tls = Tls::load(files(&pair)).unwrap();
    let mut texts = vec![format!("{tls:?} {:#?}", tls)];
    fs::write(&pair.certificate, "").unwrap();
    let error = Tls::load(files(&pair)).unwrap_err();
    texts.push(format!("{error:?} {}", support::error_chain(&error)));
    fs::copy(&pair.key, &pair.certificate).unwrap();
    let error = Tls::load(files(&pair)).unwrap_err();
    texts.push(format!("{error:?} {}", support::error_chain(&error)));
    for line in secret_lines(&pair.key) {
        assert!(texts.iter().all(|text| !text.contains(&line)));
    }
    assert!(texts[0].contains("own.key") && !texts[0].contains("secret"), "{}", texts[0]);
}

/// A name that became a FIFO, which nobody writes to.
#[test]
fn a_file_that_became_a_fifo_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let live = Certificate::make(dir.path(), "live");
    let tls = Tls::load(files(&live)).unwrap();
    fs::remove_file(&live.certificate).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &live.certificate, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let (echo, done) = std::sync::mpsc::channel();
    let polled = Arc::clone(&tls);
    thread::spawn(move || {
        for _ in 0..3 {
            polled.poll();
        }
        echo.send(())
    });
    done.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    assert!(tls.status().reload_failed);
    assert!(refusal(&files(&live)).contains("not a regular file"));
}
