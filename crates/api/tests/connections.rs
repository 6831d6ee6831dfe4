//! The server over real connections: slow clients, clients that leave, too many of them, and stopping.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use api::{ConnectionCounts, Downloads, ServerLimits, serve};
use common::{World, settle};
use executor::scripted::Script;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use storage::{NewFile, Store as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
    counts: ConnectionCounts,
}

async fn start(world: &World, limits: ServerLimits) -> Server {
    start_router(world.router.clone(), limits).await
}

async fn start_router(router: axum::Router, limits: ServerLimits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, counts) = (CancellationToken::new(), ConnectionCounts::default());
    let stopped = stop.clone().cancelled_owned();
    let task = tokio::spawn(serve(listener, router, None, limits, counts.clone(), stopped));
    Server { address, stop, task, counts }
}

const EXECUTE: &str = "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n\
                       {\"code\": \"x = 1\"";

async fn send(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn read_all(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    read.expect("the server closes").ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_program() {
    let world = World::new(Script::Sleep);
    let server = start(&world, ServerLimits::default()).await;
    let stream = send(server.address, &format!("{EXECUTE}}}")).await;
    settle(|| world.executor.created() == 1).await;
    drop(stream);
    settle(|| world.executor.destroyed() == 1 && world.service.load().running == 0).await;
}

#[tokio::test]
async fn a_client_that_sends_its_head_slowly_is_closed() {
    let world = World::new(Script::Echo);
    let limits = ServerLimits { head_time_max: Duration::from_millis(200), ..ServerLimits::default() };
    let server = start(&world, limits).await;
    let before = Instant::now();
    let silent = send(server.address, "").await;
    let slow = send(server.address, "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ").await;
    assert_eq!(read_all(silent).await, "");
    let answer = read_all(slow).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(before.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_client_that_sends_its_body_slowly_gets_408() {
    let world = World::with(Script::Echo, |_| {}, |state| state.bodies.time_max = Duration::from_millis(200));
    let server = start(&world, ServerLimits::default()).await;
    let answer = read_all(send(server.address, EXECUTE).await).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let world = World::new(Script::Echo);
    let server = start(&world, ServerLimits::default()).await;
    let large = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-A: {}\r\n\r\n", "a".repeat(64 * 1024));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(large.as_bytes()).await.ok();
    let answer = read_all(stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-A: 1\r\n".repeat(100));
    let answer = read_all(send(server.address, &many).await).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

/// A low limit, soon reached.
fn few() -> ServerLimits {
    ServerLimits { connections_max: 4, loopback_connections_max: 1, ..ServerLimits::default() }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn connections_that_wait_stop_nobody_and_are_no_more_than_allowed() {
    // Silent, in the middle of a head, and between two requests.
    for text in ["", "GET / HTTP/1.1\r\nHost: loc", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let world = World::new(Script::Echo);
        let server = start(&world, few()).await;
        let mut held = Vec::new();
        for _ in 0..12 {
            held.push(send(server.address, text).await);
        }
        assert!(read_all(send(server.address, GET).await).await.starts_with("HTTP/1.1 200"), "{text:?}");
        let mut closed = 0;
        for mut stream in held {
            let mut answer = Vec::new();
            let end = stream.read_to_end(&mut answer);
            closed += usize::from(tokio::time::timeout(Duration::from_millis(300), end).await.is_ok());
        }
        // Four connections, of which the last request had one.
        assert!((8..=9).contains(&closed), "{text:?}: {closed}");
    }
}

#[tokio::test]
async fn bodies_and_answers_that_trickle_stop_nobody() {
    let world = World::new(Script::Echo);
    let server = start(&world, few()).await;
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(send(server.address, EXECUTE).await);
    }
    assert!(read_all(send(server.address, GET).await).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_arrives_whole() {
    // More than the sockets of both sides hold: 4 and 6 MiB at most (net.ipv4.tcp_wmem and tcp_rmem, tcp(7)).
    const SIZE: usize = 32 << 20;
    let page = axum::routing::get(|| async { "a".repeat(SIZE) });
    let server = start_router(axum::Router::new().route("/", page), few()).await;
    let mut slow = send(server.address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(slow.read_u8().await.unwrap());
    }
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(send(server.address, "").await);
    }
    // Slots were freed, of connections that send nothing.
    settle_closed(&mut held[0]).await;
    let mut body = vec![0; SIZE];
    slow.read_exact(&mut body).await.expect("the answer is whole");
    assert!(body.iter().all(|byte| *byte == b'a'));
    // Now its connection is idle as any other, and may be closed.
    for _ in 0..12 {
        held.push(send(server.address, "").await);
    }
    settle_closed(&mut slow).await;
}

/// Waits until the server has closed the connection.
async fn settle_closed(stream: &mut TcpStream) {
    let closed = tokio::time::timeout(Duration::from_secs(20), stream.read_u8()).await;
    assert!(closed.expect("the server closes").is_err());
}

#[tokio::test]
async fn a_program_that_runs_is_not_ended_for_new_connections() {
    let world = World::new(Script::Sleep);
    let limits = ServerLimits { connections_max: 1, ..few() };
    let server = start(&world, limits).await;
    let body = "{\"code\": \"x = 1\", \"timeout\": 1}";
    let head = "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let running = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let running = send(server.address, &running).await;
    settle(|| world.executor.created() == 1).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(send(server.address, "").await);
    }
    assert!(read_all(send(server.address, GET).await).await.starts_with("HTTP/1.1 200"));
    let answer = read_all(running).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"kind\":\"timeout\""), "{answer}");
}

#[tokio::test]
async fn a_refused_connection_makes_room_for_one_that_waits() {
    let world = World::with(Script::Sleep, |config| config.waiting_max = 0, |_| {});
    let limits = ServerLimits { connections_max: 2, loopback_connections_max: 0, ..few() };
    let server = start(&world, limits).await;
    let _running = send(server.address, &format!("{EXECUTE}}}")).await;
    settle(|| world.executor.created() == 1).await;
    // Asks again as soon as it is refused, on its connection, until that is closed.
    let mut flood = send(server.address, "").await;
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let flood = tokio::spawn(async move {
        let mut answers = String::new();
        loop {
            let asked = flood.write_all(format!("{EXECUTE}}}").as_bytes()).await;
            let mut bytes = [0; 4096];
            match flood.read(&mut bytes).await {
                Ok(read) if read > 0 && asked.is_ok() => {
                    answers = String::from_utf8_lossy(&bytes[..read]).into_owned();
                    count.fetch_add(1, Ordering::Relaxed);
                }
                _ => return answers,
            }
        }
    });
    settle(|| refused.load(Ordering::Relaxed) > 20).await;
    assert!(read_all(send(server.address, GET).await).await.starts_with("HTTP/1.1 200"));
    let last = flood.await.unwrap();
    assert!(last.starts_with("HTTP/1.1 503") && last.contains("connection: close"), "{last}");
    assert_eq!(server.counts.refused(), 0);
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Kind and stream of the next frame; `None` once the connection is closed.
async fn read_frame(stream: &mut TcpStream) -> Option<(u8, u32)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]])))
}

/// The same with HTTP/2, which has no `Connection: close`.
#[tokio::test]
async fn a_refused_connection_with_http2_makes_room_for_one_that_waits() {
    let world = World::with(Script::Sleep, |config| config.waiting_max = 0, |_| {});
    let limits = ServerLimits { connections_max: 2, loopback_connections_max: 0, ..few() };
    let server = start(&world, limits).await;
    let _running = send(server.address, &format!("{EXECUTE}}}")).await;
    settle(|| world.executor.created() == 1).await;
    let mut flood = send(server.address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    flood.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let flood = tokio::spawn(async move {
        let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let fields =
            [(":method", "POST"), (":path", "/execute"), (":scheme", "http"), (":authority", "localhost")];
        let fields = fields.into_iter().chain([("content-type", "application/json")]);
        let head: Vec<u8> =
            fields.flat_map(|(name, value)| [&[0][..], &text(name), &text(value)].concat()).collect();
        let mut said = false;
        for stream in (1..).step_by(2) {
            let request =
                [frame(HEADERS, 4, stream, &head), frame(0, 1, stream, b"{\"code\": \"x = 1\"}")].concat();
            let _ = flood.write_all(&request).await;
            loop {
                match read_frame(&mut flood).await {
                    Some((HEADERS, answered)) if answered == stream => break,
                    Some((kind, _)) => said |= kind == GOAWAY,
                    None => return said,
                }
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
        said
    });
    settle(|| refused.load(Ordering::Relaxed) > 20).await;
    assert!(read_all(send(server.address, GET).await).await.starts_with("HTTP/1.1 200"));
    assert!(flood.await.unwrap(), "it was not told to go away");
    assert_eq!(server.counts.refused(), 0);
}

#[tokio::test]
async fn an_idle_connection_makes_room_for_one_that_waits() {
    let world = World::new(Script::Sleep);
    let limits = ServerLimits { connections_max: 1, loopback_connections_max: 0, ..few() };
    let server = start(&world, limits).await;
    let body = "{\"code\": \"x = 1\", \"timeout\": 1}";
    let head = "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let mut keeps =
        send(server.address, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await;
    settle(|| world.executor.created() == 1).await;
    // It comes while the only connection works, which stays open after its answer.
    assert!(read_all(send(server.address, GET).await).await.starts_with("HTTP/1.1 200"));
    let mut answer = String::new();
    keeps.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn where_every_connection_works_one_more_is_told_so() {
    let world = World::new(Script::Sleep);
    let limits = ServerLimits { connections_max: 1, loopback_connections_max: 0, ..few() };
    let server = start(&world, limits).await;
    let _running = send(server.address, &format!("{EXECUTE}}}")).await;
    settle(|| world.executor.created() == 1).await;
    let answer = read_all(send(server.address, "").await).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after"), "{answer}");
    assert_eq!((server.counts.open(), server.counts.refused()), (1, 1));
}

#[tokio::test]
async fn stopping_lets_open_requests_end_and_closes_the_listener() {
    let world = World::new(Script::Sleep);
    let server = start(&world, ServerLimits::default()).await;
    let body = "{\"code\": \"x = 1\", \"timeout\": 1}";
    let request = format!(
        "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let stream = send(server.address, &request).await;
    let idle = send(server.address, "").await;
    settle(|| world.executor.created() == 1).await;
    server.stop.cancel();
    let answer = read_all(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"kind\":\"timeout\""), "{answer}");
    assert_eq!(read_all(idle).await, "");
    tokio::time::timeout(Duration::from_secs(5), server.task).await.expect("the server ends").unwrap();
    assert_eq!((server.counts.open(), server.counts.refused()), (0, 0));
    assert!(TcpStream::connect(server.address).await.is_err());
}

/// A connection with HTTP/2 whose client takes `window` bytes of each answer, unless it says more.
async fn begin_http2(server: &Server, window: u32) -> TcpStream {
    let mut stream = send(server.address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let settings = [&4_u16.to_be_bytes()[..], &window.to_be_bytes()].concat();
    stream.write_all(&frame(SETTINGS, 0, 0, &settings)).await.unwrap();
    stream
}

/// A request for this path.
fn get_http2(stream: u32, path: &str) -> Vec<u8> {
    // A length has 7 bits in its first byte; the rest of a longer one follows in groups of 7, the lowest first (RFC 7541, 5.1).
    let text = |text: &str| {
        let byte = |number: usize| u8::try_from(number).unwrap();
        let length = match text.len() {
            short @ ..127 => vec![byte(short)],
            long => vec![127, byte((long - 127) % 128 + 128), byte((long - 127) / 128)],
        };
        [&length[..], text.as_bytes()].concat()
    };
    let fields = [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "localhost")];
    let head = fields.into_iter().flat_map(|(name, value)| [&[0][..], &text(name), &text(value)].concat());
    frame(HEADERS, 5, stream, &head.collect::<Vec<u8>>())
}

const SETTINGS: u8 = 4;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;

/// A page of 1000 bytes.
fn page() -> axum::Router {
    axum::Router::new().route("/", axum::routing::get(|| async { "a".repeat(1000) }))
}

#[tokio::test]
async fn an_answer_with_http2_of_which_one_byte_is_left_is_reset() {
    let limits = ServerLimits { stall_time_max: Duration::from_secs(1), ..few() };
    let server = start_router(page(), limits).await;
    let mut client = begin_http2(&server, 999).await;
    client.write_all(&get_http2(1, "/")).await.unwrap();
    let reset = async {
        while let Some(read) = read_frame(&mut client).await {
            if read == (RST_STREAM, 1) {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), reset).await.expect("an end"));
}

#[tokio::test]
async fn an_answer_with_http2_that_is_taken_slowly_arrives_whole() {
    let limits = ServerLimits { head_time_max: Duration::from_secs(1), ..few() };
    let server = start_router(page(), limits).await;
    let mut slow = begin_http2(&server, 100).await;
    slow.write_all(&get_http2(1, "/")).await.unwrap();
    while read_frame(&mut slow).await.expect("an answer").0 != HEADERS {}
    // A connection that is idle from now on, so longer than the other could be, is closed.
    let mut idle = begin_http2(&server, 100).await;
    while read_frame(&mut idle).await.is_some() {}
    slow.write_all(&frame(WINDOW_UPDATE, 0, 1, &900_u32.to_be_bytes())).await.unwrap();
    let mut got = 0;
    while got < 1000 {
        let mut head = [0; 9];
        slow.read_exact(&mut head).await.expect("the answer is whole");
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        slow.read_exact(&mut payload).await.unwrap();
        got += if head[3] == 0 { payload.len() } else { 0 };
    }
}

#[tokio::test]
async fn requests_with_http2_that_are_reset_while_they_wait_end_their_connection() {
    let entered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&entered);
    let endless = move || {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::pending::<()>()
    };
    let router = axum::Router::new().route("/", axum::routing::get(endless));
    let server = start_router(router, ServerLimits::default()).await;
    let (mut reader, mut writer) = begin_http2(&server, 1000).await.into_split();
    let said = tokio::spawn(async move {
        let mut bytes = Vec::new();
        let _ = reader.read_to_end(&mut bytes).await;
    });
    for number in 0..100_u32 {
        let stream = 2 * number + 1;
        let _ = writer.write_all(&get_http2(stream, "/")).await;
        settle(|| entered.load(Ordering::Relaxed) > number as usize || said.is_finished()).await;
        if said.is_finished() {
            break;
        }
        let _ = writer.write_all(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())).await;
    }
    assert!(said.is_finished(), "the connection goes on");
    assert!((20..60).contains(&entered.load(Ordering::Relaxed)), "{entered:?}");
}

/// A service with `most` places for downloads, and the path of a file in it that no socket holds.
async fn with_file(most: usize) -> (World, Downloads, String) {
    let downloads = Downloads::new(most);
    let world = World::with(Script::Echo, |_| {}, |state| state.downloads = downloads.clone());
    let content = vec![b'a'; 32 << 20].into();
    let (path, media_type) = ("a.bin".into(), "application/octet-stream".into());
    let file = NewFile { request_id: "1".into(), path, media_type, content };
    let stored = world.store.put(file, tokio::time::Instant::now()).await.unwrap();
    (world, downloads, stored.url.as_str().to_owned())
}

#[tokio::test]
async fn downloads_have_places_that_come_back_when_clients_go_away() {
    // One client alone has half of them.
    let (world, downloads, path) = with_file(4).await;
    let server = start(&world, ServerLimits::default()).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let slow = [send(server.address, &request).await, send(server.address, &request).await];
    settle(|| downloads.running() == 2).await;
    let refused = read_all(send(server.address, &request).await).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("\"code\":\"busy\""), "{refused}");
    assert!(refused.contains("retry-after: 2"), "{refused}");
    // What does not send the file needs no place.
    let head = request.replace("GET", "HEAD");
    let known = request.replace("Host", "If-None-Match: *\r\nHost");
    let invalid = format!("GET {path}x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for (request, status) in [(head, "200"), (known, "304"), (invalid, "403")] {
        let answer = read_all(send(server.address, &request).await).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}{answer}");
    }
    assert_eq!((downloads.running(), downloads.refused()), (2, 1));
    drop(slow);
    settle(|| downloads.running() == 0).await;
    let whole = read_all(send(server.address, &request).await).await;
    assert!(whole.starts_with("HTTP/1.1 200") && whole.len() > 32 << 20);
    settle(|| downloads.running() == 0).await;
}

#[tokio::test]
async fn the_place_of_a_download_with_http2_comes_back_when_it_is_reset() {
    let (world, downloads, path) = with_file(2).await;
    let server = start(&world, ServerLimits::default()).await;
    let mut client = begin_http2(&server, 100).await;
    client.write_all(&get_http2(1, &path)).await.unwrap();
    settle(|| downloads.running() == 1).await;
    while read_frame(&mut client).await.expect("an answer").0 != HEADERS {}
    client.write_all(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())).await.unwrap();
    settle(|| downloads.running() == 0).await;
    // One that is not reset ends with its connection.
    client.write_all(&get_http2(3, &path)).await.unwrap();
    settle(|| downloads.running() == 1).await;
    drop(client);
    settle(|| downloads.running() == 0).await;
}

/// Lets downloads be slower than they may for as long as they may.
async fn pass_grace_time() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_download_that_is_too_slow_ends_for_another() {
    let (world, downloads, path) = with_file(2).await;
    let limits = ServerLimits { stall_time_max: Duration::from_secs(3600), ..ServerLimits::default() };
    let server = start(&world, limits).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut slow = send(server.address, &request).await;
    settle(|| downloads.running() == 1).await;
    slow.read_u8().await.unwrap();
    assert!(read_all(send(server.address, &request).await).await.starts_with("HTTP/1.1 503"));
    // Its socket takes more for a while.
    let mut whole = String::new();
    for _ in 0..20 {
        pass_grace_time().await;
        whole = read_all(send(server.address, &request).await).await;
        if !whole.starts_with("HTTP/1.1 503") {
            break;
        }
    }
    assert!(whole.starts_with("HTTP/1.1 200") && whole.len() > 32 << 20);
    let part = read_all(slow).await;
    assert!(part.len() < 32 << 20, "{}", part.len());
    settle(|| downloads.running() == 0).await;
    // With HTTP/2 its request is reset, and the connection goes on.
    let mut client = begin_http2(&server, 100).await;
    client.write_all(&get_http2(1, &path)).await.unwrap();
    settle(|| downloads.running() == 1).await;
    while read_frame(&mut client).await.expect("a part of the file").0 != DATA {}
    pass_grace_time().await;
    client.write_all(&get_http2(3, &path)).await.unwrap();
    let (mut reset, mut answered) = (false, false);
    while !(reset && answered) {
        let read = read_frame(&mut client).await.expect("the connection goes on");
        reset |= read == (RST_STREAM, 1);
        answered |= read == (HEADERS, 3);
    }
    assert_eq!(downloads.running(), 1);
}
