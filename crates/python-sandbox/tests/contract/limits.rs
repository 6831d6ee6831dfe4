//! Limits of one caller: rate, concurrency and quotas, in one service and in several that share a Redis.

use crate::errors::check_error;
use crate::keys::World;
use crate::support::{Answer, Server, connect, exchange, wait_until};
use serde_json::json;
use std::io::Write;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use testkit::{Keeps, RedisServer};

/// Longer than any change takes on a busy host.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that is refused after its request was counted.
const INVALID: &str = r#"{"code": ""}"#;

fn head(body: &str) -> String {
    format!(
        "POST /execute HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends `count` requests at once, in turns to these services: how many were admitted, and when the last of them was
/// answered.
fn volley(servers: &[&Server], count: usize) -> (usize, Duration) {
    let (barrier, request) = (Barrier::new(count), head(INVALID));
    let begun = Instant::now();
    let send = |number: usize| {
        barrier.wait();
        let answer = exchange(&servers[number % servers.len()].base, request.as_bytes());
        match answer.get(9..12) {
            Some("422") => Some(begun.elapsed()),
            Some("429") => None,
            _ => panic!("{answer}"),
        }
    };
    let admitted: Vec<_> = std::thread::scope(|scope| {
        let send = &send;
        let clients: Vec<_> = (0..count).map(|number| scope.spawn(move || send(number))).collect();
        clients.into_iter().filter_map(|client| client.join().expect("an answer")).collect()
    });
    (admitted.len(), admitted.iter().copied().max().unwrap_or_default())
}

/// A program of a caller without a key.
fn run(server: &Server) -> Answer {
    server.execute(json!({"code": "print(1)"}))
}

fn run_with(world: &World, key: &str, code: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("x-api-key", key)];
    // Enough for a program that computes on a busy host.
    let body = json!({"code": code, "timeout": 30}).to_string();
    world.server.post("/execute", body.as_bytes(), &headers)
}

/// Checks a refusal; returns the seconds until it may be tried again.
fn check_limited(answer: &Answer, code: &str, words: &str) -> u64 {
    check_error(answer, 429, code);
    assert!(answer.str("/error").contains(words), "{}", answer.text());
    let seconds = answer.header("retry-after").parse().expect("seconds");
    let unit = if seconds == 1 { "second" } else { "seconds" };
    assert!(answer.str("/error").ends_with(&format!("try again in {seconds} {unit}")), "{}", answer.text());
    seconds
}

fn metric(server: &Server, series: &str) -> f64 {
    metric_with(server, "", series)
}

/// With a key that may read metrics.
fn metric_with(server: &Server, key: &str, series: &str) -> f64 {
    let page = server.send("GET", "/metrics", &[("x-api-key", key)]).text();
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {series} in {page}"))
}

#[test]
fn limits_of_an_address_are_in_every_answer_and_refuse_once_they_are_used() {
    let Some(server) = Server::start(&[("RATE_LIMIT", "1"), ("RATE_BURST", "3")]) else { return };
    let ran = run(&server);
    assert_eq!((ran.status, ran.header("ratelimit-policy")), (200, "\"default\";q=3;w=180"));
    assert_eq!(ran.header("ratelimit"), "\"default\";r=2;t=60");
    // A request counts whatever becomes of it, also before its body is parsed.
    for (body, status) in [(INVALID, 422), ("{", 422)] {
        let answer = server.post("/execute", body.as_bytes(), &[("content-type", "application/json")]);
        assert_eq!((answer.status, answer.header("ratelimit-policy")), (status, "\"default\";q=3;w=180"));
    }
    let refused = run(&server);
    let seconds =
        check_limited(&refused, "rate_limited", "this address may send 1 request a minute, 3 at once");
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(refused.header("ratelimit-policy"), "\"default\";q=3;w=180");
    assert!(
        refused.header("ratelimit").starts_with("\"default\";r=0;t=1"),
        "{}",
        refused.header("ratelimit")
    );
    // What runs no program is not counted.
    for open in ["/", "/health", "/docs", "/openapi.json", "/files/unknown"] {
        let answer = server.get(open);
        assert!(answer.status != 429 && answer.header("ratelimit").is_empty(), "{open}");
    }
    let refusals = "python_sandbox_limits_refused_total{limit=\"rate\"}";
    assert!(wait_until(PATIENCE, || metric(&server, refusals) == 1.0));
    assert!(server.log_line(&["status=429", "rate_limited"]).is_some());
    server.stop();
}

#[test]
fn limits_of_a_key_replace_those_of_the_settings() {
    let Some(world) = World::start(&[("RATE_LIMIT", "1"), ("MAX_CONCURRENT", "4")]) else { return };
    let by_default = world.create("default", &[]);
    world.wait_until_required();
    let admin = world.create("admin", &["--scopes", "admin"]);
    let more = world.create("more", &["--rate", "2", "--concurrent", "1"]);
    let free = world.create("free", &["--rate", "0"]);
    assert_eq!(run_with(&world, &by_default, "print(1)").status, 200);
    let refused = run_with(&world, &by_default, "print(1)");
    check_limited(&refused, "rate_limited", "this API key may send 1 request a minute, 1 at once");
    for _ in 0..5 {
        let answer = run_with(&world, &free, "print(1)");
        assert_eq!((answer.status, answer.header("ratelimit")), (200, ""));
    }
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| run_with(&world, &more, "import time\ntime.sleep(8)"));
        let running = || metric_with(&world.server, &admin, "python_sandbox_programs_running") == 1.0;
        assert!(wait_until(PATIENCE, running));
        let refused = run_with(&world, &more, "print(1)");
        check_limited(&refused, "concurrency_limited", "this API key may have 1 request at the same time");
        assert_eq!(sleeper.join().expect("an answer").status, 200);
    });
    // The refusal took nothing of the rate.
    assert_eq!(run_with(&world, &more, "print(1)").header("ratelimit-policy"), "\"default\";q=2;w=60");
    check_limited(&run_with(&world, &more, "print(1)"), "rate_limited", "2 requests a minute");
    let list = String::from_utf8_lossy(&world.keys(&["list", "--json"]).stdout).into_owned();
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let named = |key: &&serde_json::Value| key["name"] == "more";
    let listed = list.as_array().and_then(|list| list.iter().find(named)).expect("the key");
    assert_eq!(listed["limits"], json!({"rate_per_minute": 2, "concurrent": 1}), "{list}");
    world.server.stop();
}

/// A second and more of CPU time.
const BURN: &str = "import time\nend = time.process_time() + 1.2\nwhile time.process_time() < end: pass";

#[test]
fn limits_of_cpu_time_and_stored_bytes_hold_whoever_used_them() {
    let settings = [("QUOTA_CPU_SECONDS", "1"), ("QUOTA_PERIOD", "3600")];
    let Some(world) = World::start(&settings) else { return };
    let cpu = world.create("cpu", &[]);
    world.wait_until_required();
    let admin = world.create("admin", &["--scopes", "admin"]);
    let burnt = run_with(&world, &cpu, BURN);
    assert_eq!(burnt.json["success"], true, "{}", burnt.text());
    let seconds =
        check_limited(&run_with(&world, &cpu, "print(1)"), "quota_exceeded", "1 CPU second in 3600");
    // A fifth of the quota is owed at least, and programs are not much slower to end.
    assert!((700..3600).contains(&seconds), "{seconds}");

    let stored = world.create("stored", &["--stored-bytes", "1k", "--cpu-seconds", "0"]);
    let file = "open('a', 'w').write('x' * 1500)";
    let answer = run_with(&world, &stored, file);
    assert_eq!(answer.number("/artifacts/0/size_bytes"), 1500.0, "{}", answer.text());
    check_limited(&run_with(&world, &stored, "print(1)"), "quota_exceeded", "stored its 1024 bytes");

    // Going away is no way around it.
    let gone = world.create("gone", &[]);
    let body = json!({"code": "while True: pass", "timeout": 30}).to_string();
    let request = head(&body).replace("Connection: close", &format!("X-API-Key: {gone}"));
    let mut connection = connect(&world.server.base);
    connection.write_all(request.as_bytes()).expect("sent");
    let running = || metric_with(&world.server, &admin, "python_sandbox_programs_running") == 1.0;
    assert!(wait_until(PATIENCE, running));
    let begun = Instant::now();
    assert!(wait_until(PATIENCE, || begun.elapsed() > Duration::from_secs(2)));
    drop(connection);
    assert!(wait_until(PATIENCE, || run_with(&world, &gone, "print(1)").status == 429));
    world.server.stop();
}

#[test]
fn limits_in_redis_are_those_of_all_services_together() {
    let Some(redis) = RedisServer::start(Keeps::Nothing) else { return };
    let url = redis.url();
    let settings = [
        ("REDIS_URL", url.as_str()),
        ("KEY_STORE", "embedded"),
        ("REDIS_TIMEOUT", "5000"),
        ("RATE_LIMIT", "100"),
        ("RATE_BURST", "100"),
        ("LIMITS_WITHOUT_REDIS", "refuse"),
    ];
    let (Some(one), Some(other)) = (Server::start(&settings), Server::start(&settings)) else { return };
    let (admitted, time) = volley(&[&one, &other], 160);
    // What is free again until then; nothing, if it was within half a second.
    let refilled = time.as_millis() * 100 / 60_000;
    assert!((100..=100 + refilled).contains(&(admitted as u128)), "{admitted} in {time:?}");
    // One is free again every 0.6 s: on a busy host that is within the time of a program.
    let refused = (0..20).map(|_| run(&one)).find(|answer| answer.status != 200).expect("a refusal");
    check_limited(&refused, "rate_limited", "100 requests a minute");
    for server in [one, other] {
        assert_eq!(metric(&server, "python_sandbox_limits_up{store=\"redis\"}"), 1.0);
        server.stop();
    }
}

#[test]
fn limits_go_on_here_or_refuse_while_redis_is_away() {
    let Some(mut redis) = RedisServer::start(Keeps::Nothing) else { return };
    let url = redis.url();
    let settings = [
        ("REDIS_URL", url.as_str()),
        ("KEY_STORE", "embedded"),
        ("REDIS_TIMEOUT", "5000"),
        ("RATE_LIMIT", "1"),
        ("RATE_BURST", "3"),
    ];
    let refuse = [&settings[..], &[("LIMITS_WITHOUT_REDIS", "refuse")]].concat();
    let (Some(local), Some(refusing)) = (Server::start(&settings), Server::start(&refuse)) else { return };
    let up = |server: &Server| metric(server, "python_sandbox_limits_up{store=\"redis\"}") == 1.0;
    for server in [&local, &refusing] {
        assert!(wait_until(PATIENCE, || up(server)), "{}", server.stderr_log());
    }
    assert_eq!(run(&local).status, 200);
    assert_eq!(run(&refusing).status, 200);
    // It hangs, and it is gone; each time it comes back by itself.
    for kill in [false, true] {
        if kill {
            redis.kill();
        } else {
            redis.pause();
        }
        for server in [&local, &refusing] {
            assert!(wait_until(PATIENCE, || !up(server)), "{}", server.stderr_log());
        }
        // No request waits for it any more.
        let begun = Instant::now();
        check_error(&run(&refusing), 503, "limits_unavailable");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let alone = run(&local);
        assert!([200, 429].contains(&alone.status), "{}", alone.text());
        if kill {
            // What Redis knew, and what was used since, here.
            for _ in 0..3 {
                run(&local);
            }
            check_limited(&run(&local), "rate_limited", "3 at once");
            redis.restart();
        } else {
            redis.resume();
        }
        for server in [&local, &refusing] {
            assert!(wait_until(PATIENCE, || up(server)), "{}", server.stderr_log());
        }
    }
    // This Redis has kept nothing, so the budget is a fresh one.
    assert_eq!(run(&refusing).status, 200);
    for (server, meanwhile) in
        [(&local, "each service counts alone"), (&refusing, "requests with a rate or a quota are refused")]
    {
        assert!(server.log_line(&["limits cannot be counted in Redis", meanwhile]).is_some());
        assert!(server.log_line(&["limits are counted in Redis again"]).is_some());
        let lines = server.stderr_log().matches("limits cannot be counted in Redis").count();
        assert_eq!(lines, 2, "one for each outage: {}", server.stderr_log());
    }
    assert!(metric(&refusing, "python_sandbox_limits_refused_total{limit=\"unavailable\"}") >= 2.0);
    local.stop();
    refusing.stop();
}
