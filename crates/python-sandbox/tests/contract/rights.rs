//! The service process has only the capabilities and system calls that it and its children use, in every
//! thread, and works with them: with the native executor as root, and with an engine alone. `ordinary_user`
//! tests an ordinary user and root of another user namespace.

use crate::support::{Launch, Server, is_root, wait_until};
use confine::{ROOT_SERVICE_CAPABILITIES, SERVICE_CAPABILITIES};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

fn field(status: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

fn set(status: &Path, name: &str) -> u64 {
    u64::from_str_radix(&field(status, name), 16).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// No thread of the service has a capability beyond `kept`, or allows a system call that the others block.
/// `available` is the set that it was started with.
pub(crate) fn check_every_thread(server: &Server, kept: u64, available: u64) {
    let directory = format!("/proc/{}/task", server.child.id());
    let threads: Vec<_> = std::fs::read_dir(&directory)
        .expect("it runs")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert!(threads.len() > 1, "{threads:?}");
    let own = Path::new("/proc/self/status");
    let filters = field(own, "Seccomp_filters").parse::<u32>();
    for thread in threads.iter().map(|thread| thread.join("status")) {
        let what = thread.display();
        for name in ["CapPrm", "CapEff"] {
            assert_eq!(set(&thread, name), kept & available, "{what}: {name}");
        }
        for name in ["CapInh", "CapAmb"] {
            assert_eq!(set(&thread, name), 0, "{what}: {name}");
        }
        // It stays if the service may not reduce it; with no_new_privs it has no effect.
        if available != 0 {
            assert_eq!(set(&thread, "CapBnd") & !kept, 0, "{what}: CapBnd");
        }
        assert_eq!(field(&thread, "NoNewPrivs"), "1", "{what}");
        assert_eq!(field(&thread, "Seccomp"), "2", "{what}");
        // Since Linux 5.9.
        if let Ok(filters) = filters {
            assert_eq!(field(&thread, "Seccomp_filters"), (filters + 1).to_string(), "{what}");
        }
    }
}

pub(crate) fn own_capabilities() -> u64 {
    set(Path::new("/proc/self/status"), "CapPrm")
}

#[test]
fn every_thread_of_the_service_has_the_rights_it_uses() {
    let Some(server) = Server::start_with_templates(&[("FORBIDDEN_IMPORTS", "")]) else { return };
    let kept = if is_root() { ROOT_SERVICE_CAPABILITIES } else { SERVICE_CAPABILITIES };
    // Also threads that are started for blocking work.
    let answer = server.program("open('f', 'w').write('x')\nprint('works')");
    assert_eq!(server.get(answer.str("/files/0")).text(), "x");
    check_every_thread(&server, kept.bits(), own_capabilities());
    server.stop();
}

/// A port below 1024 needs CAP_NET_BIND_SERVICE, which is then kept.
#[test]
fn root_serves_on_a_port_below_1024() {
    if !is_root() {
        return;
    }
    let free = (600..1024).rev().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let port = free.expect("one is free").to_string();
    let Some(server) = Launch::new().own_port().set("PORT", &port).start() else { return };
    assert_eq!(server.output_of("print('works')"), "works\n");
    server.stop();
}

/// With container executors only, the service needs no capability for mounts and ids, and reaches an engine
/// by its name.
#[test]
fn a_service_of_containers_alone_keeps_less_and_finds_its_engine_by_name() {
    let engine = TcpListener::bind("localhost:0").expect("a free port");
    let host = format!("tcp://localhost:{}", engine.local_addr().expect("bound").port());
    let asked = std::thread::spawn(move || {
        let (mut client, _) = engine.accept().expect("the service asks");
        let mut request = [0; 1024];
        let length = client.read(&mut request).expect("readable");
        let _ = client.write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let settings =
        [("EXECUTOR_PROVIDER", "docker"), ("EXECUTOR_FALLBACK_PROVIDERS", ""), ("DOCKER_HOST", &host)];
    let Some(server) = Launch::new().sets(&settings).without_waiting().start() else { return };
    check_every_thread(&server, SERVICE_CAPABILITIES.bits(), own_capabilities());
    assert!(wait_until(Duration::from_secs(20), || asked.is_finished()), "{}", server.stderr_log());
    let request = asked.join().expect("it got a request");
    assert!(request.starts_with("GET /"), "{request}");
    let answer = server.execute(json!({"code": "print(1)"}));
    crate::errors::check_error(&answer, 503, "executor_unavailable");
    server.stop();
}
