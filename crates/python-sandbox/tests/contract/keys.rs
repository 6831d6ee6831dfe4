//! API keys: the command line that makes them, and what a running service does with them.

use crate::errors::check_error;
use crate::support::{Answer, Launch, Server, WorkDir, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A service and its commands, with the same settings.
pub(crate) struct World {
    pub(crate) server: Server,
    launch: Launch,
}

/// Runs a command and returns what it printed; it must succeed.
pub(crate) fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn keys_in(launch: &Launch, arguments: &[&str]) -> Output {
    launch.run(&[&["keys"], arguments].concat(), "")
}

impl World {
    pub(crate) fn start(settings: &[(&str, &str)]) -> Option<Self> {
        let launch = Launch::new().sets(settings);
        Some(Self { server: launch.clone().start()?, launch })
    }

    pub(crate) fn keys(&self, arguments: &[&str]) -> Output {
        keys_in(&self.launch, arguments)
    }

    /// A new key; the service accepts it at the first try.
    pub(crate) fn create(&self, name: &str, more: &[&str]) -> String {
        printed(&self.keys(&[&["create", "--name", name], more].concat()))
    }

    pub(crate) fn run_with(&self, key: &str) -> Answer {
        self.post(&[("authorization", &format!("Bearer {key}"))], &json!({"code": "print(1)"}))
    }

    fn post(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.server.post("/execute", body.to_string().as_bytes(), &headers)
    }

    /// Waits until requests without a key are refused: the service has seen the first key.
    pub(crate) fn wait_until_required(&self) {
        let required =
            wait_until(Duration::from_secs(10), || self.server.get("/health").str("/keys/state") == "on");
        assert!(required, "{}", self.server.stderr_log());
    }
}

#[test]
fn from_the_first_key_on_every_program_needs_one() {
    let Some(world) = World::start(&[]) else { return };
    assert_eq!(world.server.output_of("print(1)"), "1\n");
    assert_eq!(world.server.get("/health").str("/keys/state"), "off");
    // Presented keys are ignored.
    assert_eq!(world.run_with("anything").status, 200);

    let output = world.keys(&["create", "--name", "first"]);
    let key = printed(&output);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("from now on every request needs an API key"), "{message}");
    assert!(message.contains("set REQUIRE_API_KEY=true"), "{message}");
    // The service runs as the same user.
    assert!(!message.contains("belongs to root"), "{message}");
    assert!(key.starts_with("psk_") && key.len() == 52, "{key}");
    world.wait_until_required();
    assert!(world.server.log_line(&["API keys are required from now on"]).is_some());

    assert_eq!(world.run_with(&key).str("/stdout"), "1\n");
    assert_eq!(world.post(&[("x-api-key", &key)], &json!({"code": "print(1)"})).status, 200);
    let missing = world.server.execute(json!({"code": "print(1)"}));
    check_error(&missing, 401, "unauthenticated");
    assert_eq!(missing.header("www-authenticate"), "Bearer");
    let mut mistyped = key.clone();
    let last = if mistyped.pop() == Some('0') { '1' } else { '0' };
    mistyped.push(last);
    // A key of another service: it has the right form.
    let foreign = printed(&Launch::new().run(&["keys", "create", "--name", "other"], ""));
    for wrong in ["psk_x", &mistyped, &foreign] {
        let answer = world.run_with(wrong);
        check_error(&answer, 401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        assert!(!answer.text().contains(&foreign[..14]), "{}", answer.text());
    }
    check_error(
        &world.post(&[("x-api-key", &key), ("authorization", "Bearer x")], &json!({"code": "print(1)"})),
        400,
        "bad_request",
    );
    for open in ["/", "/health", "/docs", "/redoc", "/openapi.json"] {
        assert_eq!(world.server.get(open).status, 200, "{open}");
    }

    // With every thread's rights, which SQLite's work must fit into.
    let kept = if crate::support::is_root() {
        confine::ROOT_SERVICE_CAPABILITIES
    } else {
        confine::SERVICE_CAPABILITIES
    };
    crate::rights::check_every_thread(&world.server, kept.bits(), crate::rights::own_capabilities());
    let log = world.server.stderr_log();
    for secret in [&key[14..], &foreign[4..14]] {
        assert!(!log.contains(secret), "{log}");
    }
    // The line of a request names its key.
    assert!(world.server.log_line(&["/execute", "key=\"first\""]).is_some(), "{log}");
    world.server.stop();
}

#[test]
fn keys_stay_required_whatever_becomes_of_their_store() {
    let Some(world) = World::start(&[]) else { return };
    let key = world.create("only", &[]);
    world.wait_until_required();
    let access = world.launch.work_dir().data().join("access");
    let away = access.with_file_name("away");
    // The database is lost while the service runs.
    fs::create_dir(&away).expect("made");
    for name in ["access.db", "access.db-wal", "access.db-shm"] {
        let _ = fs::rename(access.join(name), away.join(name));
    }
    let lost = || check_lost(&world.server, &key);
    assert!(wait_until(Duration::from_secs(10), lost), "{}", world.server.get("/health").text());
    let dir = world.server.stop();

    // So it is after a restart, and with the record alone or the store alone.
    let server = Launch::new().in_dir(&dir).start().expect("a runtime");
    assert!(check_lost(&server, &key));
    for name in ["access.db", "access.db-wal", "access.db-shm"] {
        let _ = fs::rename(away.join(name), access.join(name));
    }
    let world = World { server, launch: world.launch };
    assert!(wait_until(Duration::from_secs(10), || world.run_with(&key).status == 200), "restored");
    let dir = world.server.stop();
    fs::remove_file(access.join("enabled")).expect("it was recorded");
    let world = World { server: Launch::new().in_dir(&dir).start().expect("a runtime"), ..world };
    check_error(&world.server.execute(json!({"code": "print(1)"})), 401, "unauthenticated");
    assert!(access.join("enabled").exists(), "recorded again");

    // All keys revoked: still required.
    printed(&world.keys(&["revoke", "only"]));
    assert!(wait_until(Duration::from_secs(10), || world.run_with(&key).status == 401));
    let dir = world.server.stop();

    // Only the setting turns it off, with a warning.
    let server = Launch::new().in_dir(&dir).set("REQUIRE_API_KEY", "false").start().expect("a runtime");
    assert_eq!(server.output_of("print(1)"), "1\n");
    assert_eq!(server.get("/health").str("/keys/state"), "forced_off");
    assert!(server.log_line(&["REQUIRE_API_KEY=false"]).is_some());
    server.stop();
}

/// Whether nobody gets in because the store is lost.
fn check_lost(server: &Server, key: &str) -> bool {
    let health = server.get("/health");
    let headers = [("content-type", "application/json"), ("x-api-key", key)];
    let answer = server.post("/execute", br#"{"code": "print(1)"}"#, &headers);
    if (health.status, answer.status) != (503, 503) {
        return false;
    }
    check_error(&answer, 503, "keys_unavailable");
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!((health.str("/status"), &health.json["keys"]["healthy"]), ("unhealthy", &json!(false)));
    assert!(health.str("/keys/reason").contains("empty"), "{}", health.text());
    true
}

#[test]
fn a_key_does_what_its_record_says_until_it_ends() {
    let Some(world) = World::start(&[("EXECUTOR_FALLBACK_PROVIDERS", "docker")]) else { return };
    let admin = world.create("admin", &["--scopes", "admin"]);
    world.wait_until_required();
    let metrics = world.create("metrics", &["--scopes", "metrics"]);
    let docker = world.create("docker", &["--executors", "docker"]);
    let native = world.create("native", &["--executors", "native", "--expires", "1h"]);
    assert_eq!(world.run_with(&admin).status, 200);
    let denied = world.run_with(&metrics);
    check_error(&denied, 403, "forbidden");
    assert!(denied.str("/error").contains("`execute`"), "{}", denied.text());
    let program = |executor: Option<&str>| json!({"code": "print(1)", "executor": executor});
    let with = |key: &str, executor| world.post(&[("x-api-key", key)], &program(executor));
    let denied = with(&native, Some("docker"));
    check_error(&denied, 403, "forbidden");
    assert!(denied.str("/error").contains("allowed: native"), "{}", denied.text());
    // A name that is no executor is a wrong request first.
    check_error(&with(&native, Some("firecracker")), 422, "invalid_request");
    assert_eq!(with(&native, None).str("/executor"), "native");
    assert_ne!(with(&docker, None).str("/executor"), "native", "no other executor takes it");

    // A new text, and both work for a time.
    let rotated = printed(&world.keys(&["rotate", "native", "--grace", "1h"]));
    assert_eq!(rotated[4..14], native[4..14], "the id stays");
    assert_eq!((world.run_with(&rotated).status, world.run_with(&native).status), (200, 200));
    let again = printed(&world.keys(&["rotate", "native", "--grace", "0"]));
    assert_eq!(world.run_with(&again).status, 200);
    assert!(wait_until(Duration::from_secs(10), || world.run_with(&rotated).status == 401));

    // Revoked keys are refused within a second.
    for _ in 0..5 {
        let key = world.create("short", &[]);
        assert_eq!(world.run_with(&key).status, 200, "at the first try");
        printed(&world.keys(&["revoke", "short"]));
        let revoked = Instant::now();
        loop {
            // When it was sent: the program may take its time.
            let sent = revoked.elapsed();
            if world.run_with(&key).status != 200 {
                break;
            }
            assert!(sent < Duration::from_secs(1), "still accepted after {sent:?}");
        }
    }
    let list = printed(&world.keys(&["list", "--all", "--json"]));
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let states: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|key| (key["name"].as_str().unwrap_or_default(), key["state"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(states.iter().filter(|state| **state == ("short", "revoked")).count(), 5, "{states:?}");
    assert!(states.contains(&("native", "active")), "{states:?}");
    let table = printed(&world.keys(&["list"]));
    assert!(table.contains("admin") && !table.contains("revoked") && !table.contains("psk_"), "{table}");
    world.server.stop();
}

/// Checks in the output of `keys list`, as text and as JSON, that the one key was used and no other.
fn check_used(launch: &Launch, used: &str) {
    let list: Value = serde_json::from_str(&printed(&keys_in(launch, &["list", "--json"]))).expect("JSON");
    for key in list.as_array().expect("a list") {
        let at = key["last_used_at"].as_str();
        assert_eq!(at.is_some(), key["name"] == used, "{key}");
        assert!(key["last_used_at"].is_null() || at >= key["created_at"].as_str(), "{key}");
    }
    let table = printed(&keys_in(launch, &["list"]));
    assert!(table.lines().next().is_some_and(|titles| titles.contains("last used")), "{table}");
}

/// Written once a minute, and when the service stops. `settings` name the store.
pub(crate) fn check_uses(settings: &[(&str, &str)]) {
    let Some(World { server, launch }) = World::start(settings) else { return };
    let world = World { server, launch };
    let used = world.create("used", &[]);
    world.create("unused", &[]);
    world.wait_until_required();
    assert_eq!(world.run_with(&used).status, 200);
    let World { server, launch } = world;
    server.stop();
    check_used(&launch, "used");
}

#[test]
fn the_last_use_of_a_key_is_listed() {
    check_uses(&[]);
}

#[test]
fn metrics_need_their_scope_unless_they_have_a_port_of_their_own() {
    let Some(world) = World::start(&[]) else { return };
    let (execute, metrics) =
        (world.create("execute", &[]), world.create("metrics", &["--scopes", "metrics"]));
    world.wait_until_required();
    let page = |key: &str| world.server.send("GET", "/metrics", &[("x-api-key", key)]);
    check_error(&world.server.get("/metrics"), 401, "unauthenticated");
    check_error(&page(&execute), 403, "forbidden");
    let answer = page(&metrics);
    assert!(answer.text().contains("python_sandbox_ready 1"), "{}", answer.text());

    let port = world.server.base.rsplit(':').next().unwrap_or_default();
    let command = |key: Option<&str>| {
        let launch = Launch::new().own_port().set("PORT", port);
        let launch = key.map_or(launch.clone(), |key| launch.set("PYTHON_SANDBOX_API_KEY", key));
        launch.run(&["metrics"], "")
    };
    for (key, hint) in [
        (None, "requires an API key with the scope `metrics` (hint: set PYTHON_SANDBOX_API_KEY)"),
        (Some(execute.as_str()), "requires an API key with the scope `metrics`"),
        (Some("a\r\nb"), "PYTHON_SANDBOX_API_KEY is not an API key"),
    ] {
        let output = command(key);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(hint), "{output:?}");
    }
    assert!(printed(&command(Some(&metrics))).contains("python_sandbox_ready 1"));
    world.server.stop();
}

#[test]
fn commands_that_cannot_be_done_say_why() {
    let launch = Launch::new();
    let failed = |arguments: &[&str], code: i32| {
        let output = keys_in(&launch, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(failed(&["revoke", "nobody"], 1).contains("there is no key `nobody`"));
    printed(&keys_in(&launch, &["create", "--name", "a"]));
    assert!(failed(&["create", "--name", "a"], 2).contains("already a key with the name `a`"));
    printed(&keys_in(&launch, &["revoke", "a"]));
    printed(&keys_in(&launch, &["revoke", "a"]));
    assert!(failed(&["rotate", "a"], 2).contains("was revoked"));
    assert!(
        failed(&["create", "--name", "a", "--scopes", "all"], 2).contains("`all` is not a list of scopes")
    );
    let shown: Value =
        serde_json::from_str(&printed(&keys_in(&launch, &["create", "--name", "a", "--json"])))
            .expect("JSON");
    assert_eq!((&shown["name"], &shown["scopes"]), (&json!("a"), &json!(["execute", "sessions", "jobs"])));
    assert!(shown["key"].as_str().is_some_and(|key| key.starts_with("psk_")));
}

#[test]
fn a_key_that_could_not_be_printed_is_not_lost_in_silence() {
    let launch = Launch::new();
    let key = printed(&keys_in(&launch, &["create", "--name", "a"]));
    // full(4): every write fails, as to a full disk.
    let unprinted = |command: &str, arguments: &[&str]| {
        let script = "exec \"$@\" >/dev/full";
        let launch = launch.clone().wrapper(&["sh", "-c", script, "sh"]);
        let output = keys_in(&launch, &[&[command], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let message = unprinted("create", &["--name", "b"]);
    assert!(message.contains("so it was not kept"), "{message}");
    let message = unprinted("rotate", &["a"]);
    let hint = format!("keys rotate {}` again", &key[4..14]);
    assert!(message.contains("valid already") && message.contains(&hint), "{message}");
    let list = printed(&keys_in(&launch, &["list", "--all"]));
    assert!(list.contains("rotating") && list.contains("revoked"), "{list}");
}

/// Root's directory is closed to a service that runs as another user, and root's command creates the first key in it.
#[test]
fn a_service_that_may_not_read_its_keys_lets_nobody_in() {
    use std::os::unix::fs::PermissionsExt;
    let Some(world) = World::start(&[]) else { return };
    assert_eq!(world.server.output_of("print(1)"), "1\n");
    let access = world.launch.work_dir().data().join("access");
    // A link in a loop: root, too, cannot look behind it.
    std::os::unix::fs::symlink("access", &access).expect("made");
    let refused = || world.server.execute(json!({"code": "print(1)"})).status == 503;
    assert!(wait_until(Duration::from_secs(10), refused), "{}", world.server.get("/health").text());
    let health = world.server.get("/health");
    assert_eq!((health.status, health.str("/keys/reason")), (503, "the key store cannot be read"));
    fs::remove_file(&access).expect("removed");
    let open = || world.server.execute(json!({"code": "print(1)"})).status == 200;
    assert!(wait_until(Duration::from_secs(10), open), "there never was a key");
    fs::create_dir(&access).expect("made");
    fs::set_permissions(&access, fs::Permissions::from_mode(0o700)).expect("own");
    assert!(open(), "an empty directory has no key");
    world.server.stop();
}

#[test]
fn a_service_that_must_have_a_key_does_not_start_without() {
    let launch = Launch::new().set("REQUIRE_API_KEY", "true");
    if !crate::support::runtime_is_prepared() {
        return;
    }
    let output = launch.run(&["serve"], "");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("no valid API key in the embedded store"), "{text}");
    assert!(text.contains("python-sandbox keys create"), "{text}");
    let key = printed(&keys_in(&launch, &["create", "--name", "a"]));
    let server = launch.clone().start().expect("a runtime");
    let world = World { server, launch };
    assert_eq!(world.run_with(&key).status, 200);
    check_error(&world.server.execute(json!({"code": "print(1)"})), 401, "unauthenticated");
    world.server.stop();
}

#[test]
fn keys_in_a_file_are_those_that_it_has_now() {
    let launch = Launch::new();
    let file = launch.work_dir().cwd().join("keys.toml");
    let launch = launch.set("KEY_FILE", file.to_str().expect("a path"));
    let entry = |name: &str| {
        let output = keys_in(&launch, &["create", "--name", name]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let entry = text.find("[[key]]").map(|at| text[at..].to_owned()).expect("an entry");
        (printed(&output), entry)
    };
    let ((first, first_entry), (second, second_entry)) = (entry("first"), entry("second"));
    fs::write(&file, &first_entry).expect("written");
    let Some(server) = launch.clone().start() else { return };
    let world = World { server, launch };
    assert_eq!((world.run_with(&first).status, world.run_with(&second).status), (200, 401));
    replace(world.launch.work_dir(), &second_entry);
    assert!(wait_until(Duration::from_secs(10), || world.run_with(&second).status == 200));
    assert!(wait_until(Duration::from_secs(10), || world.run_with(&first).status == 401));
    let output = world.keys(&["list", "--json"]);
    let list: Value = serde_json::from_str(&printed(&output)).expect("JSON");
    assert_eq!((&list[0]["name"], list[0].get("last_used_at")), (&json!("second"), None));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not recorded with KEY_FILE"), "{output:?}");

    // A broken file: the earlier keys for KEY_STALE_MAX, then nobody, and the reason.
    replace(world.launch.work_dir(), "[[key]]\nid = 1\n");
    assert!(wait_until(Duration::from_secs(10), || world.run_with(&second).status == 503));
    // Everyone reads /health: the log alone has the details.
    assert_eq!(world.server.get("/health").str("/keys/reason"), "the key store has invalid content");
    assert!(world.server.log_line(&["API keys cannot be checked", "line 2"]).is_some());
    replace(world.launch.work_dir(), "");
    assert!(wait_until(Duration::from_secs(10), || world.run_with(&second).status == 401));
    let revoked = world.keys(&["revoke", "second"]);
    assert_eq!(revoked.status.code(), Some(1), "it is not in the file: {revoked:?}");
    world.server.stop();
}

/// Replaces the file at once, as an operator should.
fn replace(dir: &Arc<WorkDir>, text: &str) {
    let new = dir.cwd().join("new.toml");
    fs::write(&new, text).expect("written");
    fs::rename(new, dir.cwd().join("keys.toml")).expect("replaced");
}

#[test]
fn keys_have_a_part_each_and_a_refusal_is_not_a_flood() {
    let settings = [("MAX_CONCURRENT", "1"), ("MAX_WAITING", "2"), ("FORBIDDEN_IMPORTS", "")];
    let Some(world) = World::start(&settings) else { return };
    let (flood, light) = (world.create("flood", &[]), world.create("light", &[]));
    world.wait_until_required();
    let sleep = json!({"code": "import time\ntime.sleep(1)\nprint('done')"});
    let sent = |key: &str| world.post(&[("x-api-key", key)], &sleep);
    std::thread::scope(|scope| {
        let mut answers = vec![scope.spawn(|| sent(&flood))];
        crate::errors::wait_for_load(&world.server, "running", 1);
        answers.extend([0, 1].map(|_| scope.spawn(|| sent(&flood))));
        crate::errors::wait_for_load(&world.server, "waiting", 2);
        check_error(&sent(&flood), 503, "busy");
        // The newcomer takes a position of the flood.
        assert_eq!(sent(&light).str("/stdout"), "done\n");
        let statuses: Vec<_> =
            answers.into_iter().map(|answer| answer.join().expect("an answer").status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 1, "{statuses:?}");
    });
    world.server.stop();
}
