//! API keys in Redis: two services that share them, and what becomes of them while Redis is away.

use crate::errors::check_error;
use crate::keys::{World, check_uses, printed};
use crate::support::{Launch, wait_until};
use std::time::{Duration, Instant};
use testkit::{Keeps, RedisServer};

/// Longer than any change takes on a busy host.
const PATIENCE: Duration = Duration::from_secs(10);

fn two_services(redis: &RedisServer, settings: &[(&str, &str)]) -> Option<(World, World)> {
    let url = redis.url();
    let settings = [&[("REDIS_URL", url.as_str())], settings].concat();
    Some((World::start(&settings)?, World::start(&settings)?))
}

#[test]
fn a_key_revoked_on_one_service_is_refused_on_the_other_within_a_second() {
    let Some(redis) = RedisServer::start(Keeps::Everything) else { return };
    let Some((one, other)) = two_services(&redis, &[]) else { return };
    one.create("first", &[]);
    for world in [&one, &other] {
        world.wait_until_required();
        assert_eq!(world.server.get("/health").str("/keys/store"), "redis");
    }
    for _ in 0..20 {
        let key = one.create("short", &[]);
        assert_eq!(other.run_with(&key).status, 200, "at the first try");
        printed(&one.keys(&["revoke", "short"]));
        let revoked = Instant::now();
        loop {
            // When it was sent: the program may take its time.
            let sent = revoked.elapsed();
            if other.run_with(&key).status == 401 && one.run_with(&key).status == 401 {
                break;
            }
            assert!(sent < Duration::from_secs(1), "still accepted after {sent:?}");
        }
    }
    for world in [one, other] {
        let log = world.server.stderr_log();
        assert!(!log.contains("ERROR"), "{log}");
        world.server.stop();
    }
}

#[test]
fn while_redis_is_away_known_keys_work_for_a_time_and_unknown_ones_do_not() {
    let Some(mut redis) = RedisServer::start(Keeps::Everything) else { return };
    let Some((one, other)) = two_services(&redis, &[("KEY_STALE_MAX", "3")]) else { return };
    let key = one.create("known", &[]);
    let unknown = printed(&Launch::new().run(&["keys", "create", "--name", "other"], ""));
    for world in [&one, &other] {
        world.wait_until_required();
        assert_eq!(world.run_with(&key).status, 200);
    }
    // It hangs, and it is gone; each time it comes back by itself.
    for kill in [false, true] {
        if kill {
            redis.kill()
        } else {
            redis.pause()
        }
        let away = Instant::now();
        check_error(&other.run_with(&unknown), 503, "keys_unavailable");
        let mut last_accepted = Duration::ZERO;
        let refused = loop {
            let sent = away.elapsed();
            match other.run_with(&key).status {
                200 => last_accepted = sent,
                status => break (sent, status),
            }
        };
        assert_eq!(refused.1, 503);
        // The last poll that succeeded was sent at most 250 ms and its own time before.
        assert!(last_accepted < Duration::from_secs(3), "accepted after {last_accepted:?}");
        assert!(refused.0 > Duration::from_millis(1500), "refused after {:?}", refused.0);
        let asked = Instant::now();
        check_error(&other.run_with(&unknown), 503, "keys_unavailable");
        assert!(asked.elapsed() < Duration::from_secs(1), "at once: {:?}", asked.elapsed());
        let health = other.server.get("/health");
        assert_eq!((health.status, health.str("/status")), (503, "unhealthy"));
        assert!(health.str("/keys/reason").contains("REDIS_URL"), "{}", health.text());
        assert!(!health.text().contains(&redis.address().port().to_string()), "{}", health.text());
        let output = one.keys(&["list"]);
        assert!(!output.status.success(), "{output:?}");
        if kill {
            redis.restart()
        } else {
            redis.resume()
        }
        assert!(wait_until(PATIENCE, || other.run_with(&key).status == 200), "it comes back");
        assert!(wait_until(PATIENCE, || other.run_with(&unknown).status == 401));
    }
    assert!(other.server.log_line(&["API keys cannot be checked", "redis"]).is_some());
    assert!(other.server.log_line(&["API keys can be checked again"]).is_some());

    // It has lost everything: nobody gets in.
    redis.ask(&["FLUSHALL"]);
    assert!(wait_until(PATIENCE, || other.run_with(&key).status == 503));
    assert!(other.server.get("/health").str("/keys/reason").contains("empty"));
    let key = one.create("again", &[]);
    assert!(wait_until(PATIENCE, || other.run_with(&key).status == 200));
    other.server.stop();
    one.server.stop();
}

#[test]
fn the_last_use_of_a_key_is_listed() {
    let Some(redis) = RedisServer::start(Keeps::Everything) else { return };
    check_uses(&[("REDIS_URL", &redis.url())]);
}

#[test]
fn the_password_of_redis_is_shown_nowhere() {
    let Some(mut redis) = RedisServer::start_with(Keeps::Nothing, Some("canary-4711")) else { return };
    let url = redis.url();
    let Some(world) = World::start(&[("REDIS_URL", &url), ("LOG_LEVEL", "trace")]) else { return };
    let output = world.keys(&["create", "--name", "a"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("Redis loses API keys when it ends: appendonly is off"), "{text}");
    world.wait_until_required();
    redis.change_password("other");
    let refused = || world.server.get("/health").str("/keys/reason").contains("refuses the login");
    assert!(wait_until(PATIENCE, refused), "{}", world.server.get("/health").text());
    let health = world.server.get("/health").text();
    let log = world.server.stderr_log();
    for text in [text, health, log] {
        assert!(!text.contains("canary-4711"), "{text}");
    }
    world.server.stop();
}
