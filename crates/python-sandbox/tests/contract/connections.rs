//! Clients that disconnect, that are slow, or that send too much; and shutdown.

use crate::errors::{check_error, wait_for_load};
use crate::support::{Server, connect, exchange, processes_with, wait_until};
use crate::{default_server, open_server};
use rustix::process::Signal;
use serde_json::json;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

/// A word that no other command line of this host contains.
fn marker(name: &str) -> String {
    format!("marker-{name}-{}", std::process::id())
}

/// A program that is visible in the host's list of processes for many seconds.
fn visible(marker: &str) -> String {
    format!(
        "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(25)', '{marker}'])"
    )
}

#[test]
fn a_client_that_goes_away_takes_its_program_with_it() {
    let Some(server) = open_server() else { return };
    let marker = marker("gone");
    let body = json!({"code": visible(&marker), "timeout": 30}).to_string();
    let mut stream = connect(&server.base);
    let head = format!(
        "POST /execute HTTP/1.1\r\nhost: localhost\r\nx-request-id: gone-1\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
    assert!(wait_until(Duration::from_secs(10), || !processes_with(&marker).is_empty()), "the program runs");
    drop(stream);
    // Otherwise it would sleep for 25 seconds.
    assert!(
        wait_until(Duration::from_secs(10), || processes_with(&marker).is_empty()),
        "the program goes on"
    );
    assert!(server.log_line(&["gone-1", "499", "client_gone"]).is_some());
    wait_for_load_of(server);
}

/// The slot of the program that was ended is free again.
fn wait_for_load_of(server: &Server) {
    assert!(wait_until(Duration::from_secs(5), || {
        let load = &server.get("/health").json["load"];
        load["waiting"] == 0 && load["running"].as_u64() < load["running_max"].as_u64()
    }));
    assert_eq!(server.output_of("print(1)"), "1\n");
}

#[test]
fn a_client_that_leaves_the_waiting_line_gives_its_place_back() {
    let settings = [("MAX_CONCURRENT", "1"), ("MAX_WAITING", "1")];
    let Some(server) = Server::start(&settings) else { return };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.execute(json!({"code": "import time\ntime.sleep(2)\nprint(1)"})));
        wait_for_load(&server, "running", 1);
        let mut stream = connect(&server.base);
        let body = r#"{"code":"print(2)"}"#;
        let head = "POST /execute HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 19\r\n\r\n";
        stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
        wait_for_load(&server, "waiting", 1);
        drop(stream);
        wait_for_load(&server, "waiting", 0);
        assert_eq!(server.output_of("print(3)"), "3\n");
        assert_eq!(first.join().expect("an answer").str("/stdout"), "1\n");
    });
    server.stop();
}

#[test]
fn heads_are_bounded_in_bytes_and_fields() {
    let Some(server) = default_server() else { return };
    let with = |headers: &str| {
        let text = format!("GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
        exchange(&server.base, text.as_bytes())
    };
    assert!(with(&format!("x: {}\r\n", "y".repeat(4000))).starts_with("HTTP/1.1 200"));
    for headers in [format!("x: {}\r\n", "y".repeat(100_000)), "x: y\r\n".repeat(500)] {
        let answer = with(&headers);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let long = exchange(&server.base, format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)).as_bytes());
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 4"), "{long}");
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_slow_head_is_cut_and_harms_nobody() {
    let Some(server) = default_server() else { return };
    let mut slow = connect(&server.base);
    slow.write_all(b"GET /health HTTP/1.1\r\nhost:").expect("sent");
    let since = Instant::now();
    let feeder = slow.try_clone().expect("a second handle");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut feeder = feeder;
            // Sending a byte now and then does not extend the time.
            while since.elapsed() < Duration::from_secs(40) && feeder.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        assert_eq!(server.get("/health").status, 200);
        let mut rest = Vec::new();
        let _ = slow.read_to_end(&mut rest);
        // Not at once, and while bytes were still arriving.
        assert!((28..40).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    });
}

/// More connections of one client than the limit: silent, or with a head or a body that never ends.
#[test]
fn connections_that_wait_starve_neither_the_service_nor_its_health() {
    let Some(server) = Server::start(&[]) else { return };
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let limit = rustix::process::Rlimit { current: most, maximum: most };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)
        .expect("as many files as are allowed");
    let body = "POST /execute HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    for text in ["", "GET /health HTTP/1.1\r\nhost:", body] {
        let held: Vec<_> = (0..1100)
            .map(|_| {
                let mut stream = connect(&server.base);
                // The service may have closed the connection already.
                let _ = stream.write_all(text.as_bytes());
                stream
            })
            .collect();
        for _ in 0..3 {
            let since = Instant::now();
            assert_eq!(server.get("/health").status, 200);
            assert!(since.elapsed() < Duration::from_secs(10), "{text:?}: {:?}", since.elapsed());
        }
        assert_eq!(server.output_of("print(1)"), "1\n");
        drop(held);
    }
    server.stop();
}

#[test]
fn a_connection_is_used_again() {
    let Some(server) = default_server() else { return };
    let mut stream = connect(&server.base);
    for _ in 0..3 {
        stream.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("sent");
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        let (head, length) = loop {
            let count = stream.read(&mut buffer).expect("an answer");
            assert!(count > 0, "closed too early");
            answer.extend_from_slice(&buffer[..count]);
            if let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                break (end + 4, length.expect("a length").parse::<usize>().expect("a number"));
            }
        };
        while answer.len() < head + length {
            let count = stream.read(&mut buffer).expect("the body");
            answer.extend_from_slice(&buffer[..count]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn bodies_come_in_every_lawful_form() {
    let Some(server) = default_server() else { return };
    let head = "POST /execute HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let chunked =
        "transfer-encoding: chunked\r\n\r\n8\r\n{\"code\":\r\nb\r\n\"print(42)\"\r\n1\r\n}\r\n0\r\n\r\n";
    let expecting = "expect: 100-continue\r\ncontent-length: 20\r\n\r\n{\"code\":\"print(42)\"}";
    for rest in [chunked, expecting] {
        let answer = exchange(&server.base, format!("{head}{rest}").as_bytes());
        assert!(answer.contains("HTTP/1.1 200") && answer.contains("\"stdout\":\"42\\n\""), "{answer}");
    }
    let old = "POST /execute HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n\
               {\"code\":\"print(42)\"}";
    let answer = exchange(&server.base, old.as_bytes());
    assert!(answer.starts_with("HTTP/1.0 200") && answer.contains("\"stdout\":\"42\\n\""), "{answer}");
    let broken = "content-length: 99\r\n\r\n{\"code\":\"print(42)\"}";
    let mut stream = connect(&server.base);
    stream.write_all(format!("{head}x-request-id: broken-1\r\n{broken}").as_bytes()).expect("sent");
    drop(stream);
    assert!(server.log_line(&["broken-1", "/execute"]).is_some(), "an incomplete body is logged too");
}

#[test]
fn programs_at_the_same_time_do_not_mix() {
    let Some(server) = open_server() else { return };
    std::thread::scope(|scope| {
        for number in 0..12 {
            scope.spawn(move || {
                let code = format!("import os, time\nopen('f', 'w').write('{number}')\ntime.sleep(0.2)\nprint({number}, os.listdir('.'))");
                let answer = server.program(&code);
                assert_eq!(answer.str("/stdout"), format!("{number} ['f']\n"));
                assert_eq!(server.get(answer.str("/files/0")).text(), number.to_string());
            });
        }
    });
}

#[test]
fn sigterm_lets_a_running_program_end_and_refuses_new_ones() {
    for signal in [Signal::TERM, Signal::INT] {
        let Some(mut server) = Server::start(&[]) else { return };
        let running =
            json!({"code": "import time\ntime.sleep(2)\nopen('f', 'w').write('x')\nprint('finished')"});
        std::thread::scope(|scope| {
            let first = scope.spawn(|| server.execute(&running));
            wait_for_load(&server, "running", 1);
            server.signal(signal);
            assert!(server.log_line(&["stopping"]).is_some());
            check_error(&server.execute(json!({"code": "print(1)"})), 503, "shutting_down");
            let health = server.get("/health");
            assert_eq!(
                (health.status, &health.json["shutting_down"]),
                (503, &json!(true)),
                "{}",
                health.text()
            );
            let answer = first.join().expect("an answer");
            assert_eq!((answer.status, answer.str("/stdout")), (200, "finished\n"), "{}", answer.text());
            assert_eq!(answer.str("/artifacts/0/path"), "f");
        });
        assert_eq!(server.wait().code(), Some(0), "{}", server.stderr_log());
    }
}

#[test]
fn after_shutdown_timeout_programs_are_cancelled_and_answered() {
    let Some(mut server) = Server::start(&[("SHUTDOWN_TIMEOUT", "1"), ("FORBIDDEN_IMPORTS", "")]) else {
        return;
    };
    let marker = marker("cancelled");
    let body = json!({"code": visible(&marker), "timeout": 30});
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.execute(&body));
        assert!(wait_until(Duration::from_secs(10), || !processes_with(&marker).is_empty()));
        server.signal(Signal::TERM);
        let answer = first.join().expect("an answer");
        crate::answers::check_shape(&answer);
        assert_eq!(answer.kind(), "cancelled", "{}", answer.text());
        assert_eq!(answer.json["outcome"]["retryable"], true);
        assert!(!answer.str("/error").is_empty());
    });
    assert_eq!(server.wait().code(), Some(0), "{}", server.stderr_log());
    assert!(processes_with(&marker).is_empty());
}

#[test]
fn a_second_signal_stops_at_once() {
    let _host = crate::host_alone();
    let Some(mut server) = Server::start_with_templates(&[]) else { return };
    let body = json!({"code": "import time\ntime.sleep(20)", "timeout": 30});
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.try_execute(&body));
        wait_for_load(&server, "running", 1);
        server.signal(Signal::TERM);
        assert!(server.log_line(&["a second signal stops at once"]).is_some());
        server.signal(Signal::TERM);
        assert!(first.join().expect("no panic").is_err(), "no service is left to answer");
    });
    // While the program is still running: otherwise there would be an answer and another exit code.
    assert_eq!(server.wait().code(), Some(2));
    // The next start removes its leftovers.
    let Some(next) = Server::start_with_templates(&[]) else { return };
    next.stop();
}
