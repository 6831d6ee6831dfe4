//! Engines that cannot do what they are asked for: a full disk, limits that are not enforced, TLS that fails.
//! A few lines of HTTP play them, with the answers of real engines.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod support;

use executor::scripted::{Script, ScriptedExecutor};
use executor::{Chain, Control, ExecRequest, Executor, Hints};
use executor_docker::{DockerConfig, DockerExecutor, EngineAddress, Flavour, ImageSource};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

/// The message of Docker 20.10 with a full disk, to `docker run` and to an import.
const FULL_MAKE: &str =
    r#"{"message":"mkdir /var/lib/docker/overlay2/719a55fc-init: no space left on device"}"#;
const FULL_IMPORT: &str = r#"{"message":"Error processing tar file(exit status 1): write /usr/lib/a.ttf: no space left on device"}"#;
/// Its description of itself, with root and without, on cgroup v1.
const INFO: &str = r#"{"KernelVersion":"6.1.0","NCPU":2,"MemoryLimit":true,"SwapLimit":true,"PidsLimit":true,
    "CpuCfsQuota":true,"CgroupDriver":"cgroupfs","CgroupVersion":"1","SecurityOptions":["name=seccomp,profile=default"]}"#;
const INFO_ROOTLESS: &str = r#"{"KernelVersion":"6.1.0","NCPU":2,"MemoryLimit":false,"SwapLimit":false,
    "PidsLimit":false,"CpuCfsQuota":false,"CgroupDriver":"none","CgroupVersion":"1",
    "SecurityOptions":["name=seccomp,profile=default","name=rootless"]}"#;

/// Answers one request after the other as an engine that describes itself as `info` and has a full disk.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, info: &'static str) {
    let digest: String = ::support::sha256_hex(agent_image::AGENT);
    let mut head = Vec::new();
    while stream.read_buf(&mut head).await.is_ok_and(|length| length > 0) {
        let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let line = String::from_utf8_lossy(&head[..end]).lines().next().unwrap().to_owned();
        let path = line.split(' ').nth(1).unwrap().to_owned();
        let (status, body) = if path.contains("/images/create") {
            (500, FULL_IMPORT.to_owned())
        } else if path.contains("/containers/create") {
            (500, FULL_MAKE.to_owned())
        } else if path.ends_with("/version") {
            (200, r#"{"ApiVersion":"1.41","Version":"20.10"}"#.to_owned())
        } else if path.ends_with("/info") {
            (200, info.to_owned())
        } else if path.contains("/images/") {
            let labels = format!(
                r#"{{"python-sandbox.agent":"{digest}","python-sandbox.interpreter":"/usr/bin/python3"}}"#
            );
            (200, format!(r#"{{"Id":"sha256:1","Config":{{"Labels":{labels}}}}}"#))
        } else {
            (200, "OK".to_owned())
        };
        let head = format!(
            "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        let _ = stream.flush().await;
        // What is still being sent is read, or the answer would be lost with the connection.
        let _ = stream.shutdown().await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        return;
    }
}

/// An engine at a socket, until the runtime of the test ends.
fn engine_at_socket(directory: &Path, info: &'static str) -> EngineAddress {
    let path = directory.join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, info));
        }
    });
    EngineAddress { host: Some(format!("unix://{}", path.display())), certificates: None }
}

fn executor(engine: &EngineAddress, directory: &Path) -> DockerExecutor {
    let config = support::config(Flavour::Docker, &directory.join("state"));
    DockerExecutor::new(DockerConfig { engine: engine.clone(), ..config }).unwrap()
}

async fn reason(engine: &EngineAddress, directory: &Path) -> String {
    executor(engine, directory).health().await.reason.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_with_a_full_disk_is_left_and_says_what_fixes_it() {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine_at_socket(directory.path(), INFO);
    let docker = Arc::new(executor(&engine, directory.path()));
    let health = docker.health().await;
    let reason = health.reason.unwrap();
    assert!(!health.healthy, "{reason}");
    for word in ["make a container", "disk is full", "docker system prune", "overlay2/719a55fc"] {
        assert!(reason.contains(word), "{reason}");
    }
    let fallback = Arc::new(ScriptedExecutor::named("memory", Script::Echo));
    let chain = Chain::new(vec![docker, fallback]);
    let request = ExecRequest { code: "print(1)".into(), ..ExecRequest::default() };
    let (name, _) = chain.answer(None, &request, &Hints::default(), &Control::default()).await.unwrap();
    assert_eq!(name, "memory", "the fallback runs it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_finds_no_room_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine_at_socket(directory.path(), INFO);
    let rootfs = directory.path().join("rootfs");
    std::fs::create_dir(&rootfs).unwrap();
    std::fs::write(rootfs.join("file"), vec![0; 4 << 20]).unwrap();
    let source = ImageSource { rootfs, interpreter: "/p".into(), env: Vec::new(), runtime_id: "r".into() };
    let built = executor_docker::build_image(&engine, support::IMAGE, &source, |_| ()).await;
    let reason = built.unwrap_err().to_string();
    assert!(reason.contains("import the image") && reason.contains("docker system prune"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_enforces_no_limits_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine_at_socket(directory.path(), INFO_ROOTLESS);
    let reason = reason(&engine, directory.path()).await;
    assert!(reason.contains("memory, processes, CPU"), "{reason}");
    assert!(reason.contains("systemd.unified_cgroup_hierarchy=1"), "{reason}");
}

/// Makes a directory with an authority, and certificates of its engine and of its client. Whether openssl(1)
/// is available.
fn certificates(directory: &Path) -> Option<()> {
    std::fs::create_dir(directory).unwrap();
    let script = r#"
        key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'
        openssl req -x509 $key -subj /CN=authority -keyout ca-key.pem -out ca.pem
        for name in server client; do
            case $name in server) cert=server.pem own=server-key.pem;; client) cert=cert.pem own=key.pem;; esac
            printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=%sAuth\n' $name >extensions
            openssl req $key -subj /CN=$name -keyout $own -out request
            openssl x509 -req -in request -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile extensions -out $cert
        done"#;
    let made = Command::new("sh").args(["-euc", script]).current_dir(directory).output().unwrap();
    if made.status.success() { Some(()) } else { testkit::skip(String::from_utf8_lossy(&made.stderr)) }
}

/// An engine behind TLS at its own port, which accepts clients that its authority has signed.
async fn engine_behind_tls(own: &Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(own.join("ca.pem")).unwrap()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let chain = vec![CertificateDer::from_pem_file(own.join("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(own.join("server-key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, INFO).await;
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_holds_both_ways_and_each_fault_says_what_fixes_it() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, others) = (directory.path().join("ours"), directory.path().join("others"));
    if certificates(&ours).and_then(|()| certificates(&others)).is_none() {
        return;
    }
    let port = engine_behind_tls(&ours).await;
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain_port = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            // The answer of Go's HTTP server to bytes that are not HTTP.
            let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n400 Bad Request").await;
        }
    });
    let mixed = |authority: &Path, client: &Path, name: &str| {
        let mixed = directory.path().join(name);
        std::fs::create_dir(&mixed).unwrap();
        std::fs::copy(authority.join("ca.pem"), mixed.join("ca.pem")).unwrap();
        std::fs::copy(client.join("cert.pem"), mixed.join("cert.pem")).unwrap();
        std::fs::copy(client.join("key.pem"), mixed.join("key.pem")).unwrap();
        mixed
    };
    let strange_engine = mixed(&others, &ours, "strange-engine");
    let strange_client = mixed(&ours, &others, "strange-client");
    let nothing = directory.path().join("nothing");
    for (host, certificates, words) in [
        // The connection works: the error that follows is the engine's own.
        (format!("tcp://127.0.0.1:{port}"), &ours, ["disk is full", "make a container"]),
        (
            format!("tcp://127.0.0.1:{port}"),
            &strange_engine,
            ["invalid peer certificate", "ca.pem in DOCKER_CERT_PATH"],
        ),
        (format!("tcp://127.0.0.1:{port}"), &strange_client, ["alert", "cert.pem in DOCKER_CERT_PATH"]),
        (format!("tcp://localhost:{port}"), &ours, ["localhost", "subjectAltName"]),
        (format!("tcp://127.0.0.1:{plain_port}"), &ours, ["--tlsverify", "DOCKER_TLS_VERIFY to false"]),
        (format!("tcp://127.0.0.1:{port}"), &nothing, ["nothing/ca.pem", "DOCKER_CERT_PATH"]),
    ] {
        let engine = EngineAddress { host: Some(host.clone()), certificates: Some(certificates.clone()) };
        let reason = reason(&engine, directory.path()).await;
        assert!(
            words.iter().all(|word| reason.contains(word)),
            "{host} {}: {reason}",
            certificates.display()
        );
    }
}
