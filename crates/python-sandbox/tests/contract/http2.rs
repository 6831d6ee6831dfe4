//! HTTP/2: with curl, and frame by frame for clients that no library is like.

use crate::errors::wait_for_load;
use crate::support::{Server, connect, wait_until};
use crate::tls::start as start_with_tls;
use crate::{default_server, open_server};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::Certificate;

/// What curl writes to standard output with these arguments.
fn curl(args: &[&str]) -> String {
    let mut command = Command::new("curl");
    let output =
        command.args(["--silent", "--show-error", "--max-time", "60", "--noproxy", "*"]).args(args).output();
    let output = output.expect("curl is installed");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// curl writes the version of HTTP after the answer.
const VERSION: [&str; 2] = ["--write-out", "\n%{http_version}"];

#[test]
fn it_is_agreed_on_with_tls_and_known_before_without() {
    let body = r#"{"code": "open('a.txt', 'w').write('x')\nprint(1)"}"#;
    let Some(plain) = default_server() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let pair = Certificate::make(dir.path(), "own");
    let Some(secure) = start_with_tls(&pair, &[]) else { return };
    for (server, args, version) in [
        (plain, "--http2-prior-knowledge", "2"),
        (plain, "--http1.1", "1.1"),
        // An upgrade is not offered: RFC 9113, 3.1.
        (plain, "--http2", "1.1"),
        (&secure, "--http2", "2"),
        (&secure, "--http1.1", "1.1"),
    ] {
        let url = server.url("/execute");
        let text = curl(&[&VERSION[..], &["--insecure", args, "--json", body, &url]].concat());
        let (answer, got) = text.rsplit_once('\n').expect("the version");
        assert_eq!(got, version, "{url} {args}: {answer}");
        let answer: Value = serde_json::from_str(answer).expect("JSON");
        assert_eq!(answer["stdout"], "1\n", "{answer}");
        // The authority of HTTP/2 is what `Host` is in HTTP/1.
        let link = answer["files"][0].as_str().expect("a link");
        assert!(link.starts_with(&server.url("/files/")), "{link}");
        assert_eq!(curl(&["--insecure", args, link]), "x");
    }
    let evil = curl(&["--http2-prior-knowledge", "--header", "host: evil.example", &plain.url("/health")]);
    assert!(evil.contains("host_not_allowed"), "{evil}");
    secure.stop();
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// One frame (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request's fields, none of them compressed (RFC 7541, 6.2.2).
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    let all = fields.iter().map(|(name, value)| [&[0][..], &text(name), &text(value)].concat());
    all.collect::<Vec<_>>().concat()
}

fn head(method: &str, path: &str, id: &str) -> Vec<u8> {
    let target = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "localhost")];
    fields(&[&target[..], &[("content-type", "application/json"), ("x-request-id", id)]].concat())
}

/// A connection that has begun with HTTP/2.
struct Raw(TcpStream);

impl Raw {
    fn open(server: &Server, settings: &[(u16, u32)]) -> Self {
        let mut stream = connect(&server.base);
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        let begin =
            [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &payload)].concat();
        stream.write_all(&begin).expect("sent");
        Self(stream)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("sent");
    }

    /// The next frame, as kind and stream; `None` once the connection is closed.
    fn read(&mut self) -> Option<(u8, u32)> {
        self.read_whole().map(|(kind, _, stream, _)| (kind, stream))
    }

    /// The next frame: kind, flags, stream and payload. Answers pings.
    fn read_whole(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        let (kind, flags) = (head[3], head[4]);
        if kind == PING && flags & ACK == 0 {
            let _ = self.0.write_all(&frame(PING, ACK, 0, &payload));
        }
        Some((kind, flags, u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    /// Reads until a frame of this kind; false if the connection is closed before.
    fn reaches(&mut self, kind: u8) -> bool {
        while let Some((read, _)) = self.read() {
            if read == kind {
                return true;
            }
        }
        false
    }
}

#[test]
fn requests_share_a_connection_and_do_not_mix() {
    let Some(server) = open_server() else { return };
    let mut client = Raw::open(server, &[]);
    client.send(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 24).to_be_bytes()));
    let streams: Vec<u32> = (0..16).map(|number| 2 * number + 1).collect();
    for stream in &streams {
        let code = format!("import time\ntime.sleep(0.2)\nprint('answer', {stream} * 1001, 'x' * 9000)");
        let body = json!({ "code": code }).to_string();
        client.send(&frame(HEADERS, END_HEADERS, *stream, &head("POST", "/execute", "shared")));
        client.send(&frame(DATA, END_STREAM, *stream, body.as_bytes()));
    }
    let mut answers: BTreeMap<u32, (Vec<u8>, bool)> = BTreeMap::new();
    while answers.len() < streams.len() || answers.values().any(|(_, complete)| !complete) {
        let (kind, flags, stream, payload) = client.read_whole().expect("the connection goes on");
        assert_ne!(kind, RST_STREAM, "{stream}");
        if kind == DATA {
            let (bytes, complete) = answers.entry(stream).or_default();
            bytes.extend(payload);
            *complete = flags & END_STREAM != 0;
        }
    }
    for stream in streams {
        let answer: Value = serde_json::from_slice(&answers[&stream].0).expect("JSON");
        let stdout = answer["stdout"].as_str().expect("text");
        assert!(stdout.starts_with(&format!("answer {} xxx", stream * 1001)), "{stream}: {answer}");
    }
}

#[test]
fn a_stream_that_stalls_and_a_connection_without_requests_end() {
    let Some(server) = default_server() else { return };
    let since = Instant::now();
    let in_time = || (20..60).contains(&since.elapsed().as_secs());
    std::thread::scope(|scope| {
        // The client takes nothing of an answer, and goes on with other requests.
        scope.spawn(|| {
            let mut client = Raw::open(server, &[(INITIAL_WINDOW_SIZE, 0)]);
            client.send(&frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                1,
                &head("GET", "/openapi.json", "stalled"),
            ));
            let mut feeder = client.0.try_clone().expect("a second handle");
            let other = scope.spawn(move || {
                let mut stream = 3;
                while since.elapsed() < Duration::from_secs(60) {
                    let head = head("HEAD", "/health", "other");
                    if feeder.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)).is_err() {
                        return;
                    }
                    stream += 2;
                    std::thread::sleep(Duration::from_secs(1));
                }
            });
            let mut answered = 0;
            let reset = loop {
                match client.read() {
                    Some((RST_STREAM, 1)) => break true,
                    Some((HEADERS, 3..)) => answered += 1,
                    Some((DATA, 1)) => panic!("the client has no window"),
                    Some(_) => {}
                    None => break false,
                }
            };
            assert!(reset && in_time() && answered > 5, "{reset} {answered} {:?}", since.elapsed());
            drop(client.0.shutdown(std::net::Shutdown::Both));
            other.join().expect("no panic");
        });
        // Nothing but the preface; a head that never ends; half a preface.
        scope.spawn(|| {
            let mut client = Raw::open(server, &[]);
            assert!(client.reaches(GOAWAY) && in_time(), "{:?}", since.elapsed());
            while client.read().is_some() {}
            assert!(in_time(), "{:?}", since.elapsed());
        });
        scope.spawn(|| {
            let mut client = Raw::open(server, &[]);
            let mut feeder = client.0.try_clone().expect("a second handle");
            scope.spawn(move || {
                let head = frame(HEADERS, END_HEADERS, 1, &[0; 200]);
                for byte in &head[..9 + 120] {
                    if feeder.write_all(&[*byte]).is_err() {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(500));
                }
            });
            while client.read().is_some() {}
            assert!(in_time(), "{:?}", since.elapsed());
        });
        scope.spawn(|| {
            let mut half = connect(&server.base);
            half.write_all(b"PR").expect("sent");
            let _ = half.read_to_end(&mut Vec::new());
            assert!(in_time(), "{:?}", since.elapsed());
        });
    });
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn heads_and_resets_are_bounded() {
    let Some(server) = default_server() else { return };
    let status = |headers: &[String]| {
        let mut args =
            vec!["--http2-prior-knowledge", "--output", "/dev/null", "--write-out", "%{http_code}"];
        headers.iter().for_each(|header| args.extend(["--header", header]));
        let url = server.url("/health");
        args.push(&url);
        curl(&args)
    };
    assert_eq!(status(&[format!("x: {}", "y".repeat(4000))]), "200");
    assert_eq!(status(&[format!("x: {}", "y".repeat(20_000))]), "431");
    assert_eq!(status(&(0..100).map(|number| format!("x-{number}: y")).collect::<Vec<_>>()), "431");

    // Requests that are reset as soon as they are sent.
    let mut client = Raw::open(server, &[]);
    let request = head("GET", "/health", "reset");
    let flood = (0..2000).flat_map(|number| {
        let stream = 2 * number + 1;
        let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        [frame(HEADERS, END_HEADERS | END_STREAM, stream, &request), reset].concat()
    });
    // The service may end the connection before all is sent.
    let _ = client.0.write_all(&flood.collect::<Vec<_>>());
    while client.read().is_some() {}
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_reset_takes_its_program_with_it() {
    let Some(server) = Server::start(&[]) else { return };
    let mut client = Raw::open(&server, &[]);
    let body = json!({"code": "import time\ntime.sleep(25)", "timeout": 30}).to_string();
    client.send(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/execute", "reset-1")));
    client.send(&frame(DATA, END_STREAM, 1, body.as_bytes()));
    wait_for_load(&server, "running", 1);
    client.send(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
    wait_for_load(&server, "running", 0);
    assert!(server.log_line(&["reset-1", "499", "client_gone"]).is_some());
    // The connection goes on.
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &head("GET", "/health", "after-1")));
    assert!(client.reaches(HEADERS));
    server.stop();
}

#[test]
fn sigterm_lets_requests_end_and_says_goaway() {
    let Some(mut server) = Server::start(&[]) else { return };
    let mut client = Raw::open(&server, &[]);
    let body = json!({"code": "import time\ntime.sleep(2)\nprint('finished')"}).to_string();
    client.send(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/execute", "last-1")));
    client.send(&frame(DATA, END_STREAM, 1, body.as_bytes()));
    wait_for_load(&server, "running", 1);
    server.signal(Signal::TERM);
    let (mut answered, mut said) = (false, false);
    while let Some((kind, stream)) = client.read() {
        answered |= kind == DATA && stream == 1;
        said |= kind == GOAWAY;
    }
    assert!(answered && said, "answered: {answered}, GOAWAY: {said}");
    assert_eq!(server.wait().code(), Some(0), "{}", server.stderr_log());
    assert!(server.log_line(&["last-1", "status=200"]).is_some());
    assert!(wait_until(Duration::from_secs(1), || server.stderr_log().contains("stopped")));
}
