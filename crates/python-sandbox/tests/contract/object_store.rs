//! Output files in an object store: links, outages, and what health says of wrong settings.

use crate::answers::check_shape;
use crate::errors::check_error;
use crate::support::{Answer, Launch, Server, WorkDir, command, send, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testkit::{Fault, FaultProxy, Rule, S3Server};

/// Longer than any change takes on a busy host.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service with this object store.
fn launch(address: SocketAddr) -> Launch {
    without_keys(address)
        .set("STORAGE_S3_ACCESS_KEY", S3Server::ACCESS_KEY)
        .set("STORAGE_S3_SECRET_KEY", S3Server::SECRET_KEY)
}

fn without_keys(address: SocketAddr) -> Launch {
    Launch::new()
        .set("STORAGE_PROVIDER", "s3")
        .set("STORAGE_S3_BUCKET", S3Server::BUCKET)
        .set("STORAGE_S3_ENDPOINT", &format!("http://{address}"))
        .set("STORAGE_S3_PATH_STYLE", "true")
        .set("STORAGE_S3_PREFIX", "sandbox")
}

/// A program that writes this many files of this size, each with other bytes.
fn writing(files: usize, bytes: usize) -> Value {
    let code = format!(
        "import random\nfor i in range({files}): open(f'f{{i}}.bin', 'wb').write(random.randbytes({bytes}))\nprint('ran')"
    );
    json!({"code": code, "timeout": 30})
}

fn artifacts(answer: &Answer) -> Vec<Value> {
    answer.json["artifacts"].as_array().cloned().unwrap_or_default()
}

fn text<'a>(artifact: &'a Value, field: &str) -> &'a str {
    artifact[field].as_str().unwrap_or_default()
}

/// The link below the address that the service has now: it has another port after a restart.
fn url_now(server: &Server, artifact: &Value) -> String {
    let url = text(artifact, "url");
    url.find("/files/")
        .filter(|_| !url.contains("X-Amz-"))
        .map_or(url.to_owned(), |at| server.url(&url[at..]))
}

/// Where the file is and its digest; `None` if the link does not work now.
fn fetched(server: &Server, artifact: &Value) -> Option<(&'static str, String)> {
    let mut answer = send("GET", &url_now(server, artifact), &[], None);
    let mut place = if text(artifact, "url").contains("X-Amz-") { "linked" } else { "here" };
    if answer.status == 302 {
        place = "redirected";
        answer = send("GET", answer.header("location"), &[], None);
    }
    let digest = Sha256::digest(&answer.body).iter().map(|byte| format!("{byte:02x}")).collect();
    (answer.status == 200).then_some((place, digest))
}

fn health_reason(server: &Server) -> String {
    server.get("/health").str("/storage/reason").to_owned()
}

/// Waits until health says all of `words` about the store.
fn wait_for_reason(server: &Server, words: &[&str]) {
    let said = wait_until(PATIENCE, || words.iter().all(|word| health_reason(server).contains(word)));
    assert!(said, "{words:?}: {}", server.get("/health").text());
}

fn wait_until_healthy(server: &Server) {
    let healthy = wait_until(PATIENCE, || server.get("/health").json["storage"]["healthy"] == true);
    assert!(healthy, "{}", server.get("/health").text());
}

#[test]
fn a_workbook_is_downloaded_from_the_object_store_under_its_own_name() {
    let Some(store) = S3Server::start() else { return };
    let Some(server) = launch(store.address()).start() else { return };
    let code = "import openpyxl
book = openpyxl.Workbook()
book.active.append(['Søren', 35])
book.save('отчёт 2026.xlsx')
open('b.csv', 'w').write('a,b')";
    let answer = server.execute(json!({"code": code, "timeout": 30}));
    check_shape(&answer);
    let [csv, workbook] = &artifacts(&answer)[..] else { panic!("{}", answer.text()) };
    assert_eq!((text(workbook, "name"), text(workbook, "stored_in")), ("отчёт 2026.xlsx", "object_store"));
    let url = text(workbook, "url");
    assert!(url.starts_with(&format!("http://{}/files/sandbox/", store.address())), "{url}");
    assert!(url.contains("X-Amz-Expires=18000"), "{url}");
    let file = send("GET", url, &[], None);
    assert_eq!(file.status, 200, "{}", file.text());
    let disposition = file.header("content-disposition");
    assert!(disposition.starts_with("attachment; filename="), "{disposition}");
    assert!(
        disposition.ends_with("filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82%202026.xlsx"),
        "{disposition}"
    );
    assert!(file.header("content-type").contains("spreadsheetml.sheet"), "{:?}", file.headers);
    let path = server.dir.path().join("book.xlsx");
    std::fs::write(&path, &file.body).expect("written");
    let tested = command(&["python3", "-m", "zipfile", "--test", &path.to_string_lossy()]);
    assert!(tested.is_ok_and(|said| said.contains("Done testing")));

    // The server refuses what was changed, and what somebody else signed.
    let key = |url: &str| {
        url.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned()
    };
    for (what, bad) in [
        ("lifetime", url.replace("X-Amz-Expires=18000", "X-Amz-Expires=18001")),
        ("file", url.replace(&key(url), &key(text(csv, "url")))),
        ("signature", url.replace("X-Amz-Signature=", "X-Amz-Signature=0")),
        ("key", url.replace(S3Server::ACCESS_KEY, "AKIDSOMEBODYELSE0000")),
        ("unsigned", url.split('?').next().unwrap_or_default().to_owned()),
    ] {
        assert_ne!(bad, url, "{what}");
        assert!((400..500).contains(&send("GET", &bad, &[], None).status), "{what}");
    }
    // Neither the link nor a secret is in the log.
    let log = server.stderr_log();
    assert!(!log.contains("X-Amz-Signature") && !log.contains(S3Server::SECRET_KEY), "{log}");
    let dir = server.stop();

    let Some(server) = launch(store.address()).in_dir(&dir).set("STORAGE_LINK_LIFETIME", "3").start() else {
        return;
    };
    let answer = server.program("open('f', 'w').write('x')");
    let url = answer.str("/artifacts/0/url").to_owned();
    assert!(url.contains("X-Amz-Expires=3&"), "{url}");
    assert!(wait_until(PATIENCE, || send("GET", &url, &[], None).status == 403), "it expires");
    server.stop();
}

#[test]
fn every_link_works_in_the_end_although_store_and_service_are_killed() {
    let Some(mut store) = S3Server::start() else { return };
    let Some(mut server) = launch(store.address()).start() else { return };
    wait_until_healthy(&server);
    let mut given = Vec::new();

    // The largest output, and the store is killed while it arrives.
    let body = writing(10, 5 * 1024 * 1024);
    let answer = std::thread::scope(|scope| {
        let answer = scope.spawn(|| server.execute(&body));
        assert!(wait_until(PATIENCE, || !store.keys().is_empty() || answer.is_finished()));
        store.kill();
        answer.join().expect("an answer")
    });
    assert_eq!((answer.str("/stdout"), artifacts(&answer).len()), ("ran\n", 10), "{}", answer.text());
    given.extend(artifacts(&answer));

    // And while the store is gone: nothing waits for it.
    for _ in 0..2 {
        let sent = Instant::now();
        let answer = server.execute(&body);
        assert!(sent.elapsed() < Duration::from_secs(30), "{:?}", sent.elapsed());
        assert_eq!((answer.str("/stdout"), artifacts(&answer).len()), ("ran\n", 10), "{}", answer.text());
        for artifact in artifacts(&answer) {
            assert_eq!(text(&artifact, "stored_in"), "spool");
            assert_eq!(fetched(&server, &artifact), Some(("here", text(&artifact, "sha256").to_owned())));
            given.push(artifact);
        }
    }
    wait_for_reason(&server, &["no connection to the object store", "; waiting on this host: "]);
    assert_eq!(server.get("/health").str("/status"), "degraded");

    server.signal(Signal::KILL);
    server.wait();
    let Some(server) = launch(store.address()).in_dir(&server.dir).start() else { return };
    let kept = given.iter().filter(|artifact| text(artifact, "stored_in") == "spool");
    for artifact in kept.clone() {
        assert_eq!(fetched(&server, artifact), Some(("here", text(artifact, "sha256").to_owned())));
    }
    store.restart();
    wait_until_healthy(&server);
    let moved = wait_until(PATIENCE * 2, || {
        kept.clone().all(|artifact| send("HEAD", &url_now(&server, artifact), &[], None).status == 302)
    });
    assert!(moved, "{}", server.stderr_log());
    for artifact in &given {
        let place = if text(artifact, "stored_in") == "spool" { "redirected" } else { "linked" };
        assert_eq!(fetched(&server, artifact), Some((place, text(artifact, "sha256").to_owned())));
    }
    assert_eq!((given.len(), kept.count() >= 20), (30, true));
    // Files of interrupted uploads may be there under names that nobody knows; each of ours is there.
    assert!(store.keys().len() >= 30, "{}", store.keys().len());
    assert_eq!(server.program("open('f', 'w').write('x')").str("/artifacts/0/stored_in"), "object_store");
    server.stop();
}

#[test]
fn health_names_the_setting_that_is_wrong_and_files_are_kept() {
    let Some(store) = S3Server::start() else { return };
    let proxy = FaultProxy::start(store.address());
    proxy.set(Rule { method: "PUT", times: u32::MAX, fault: Fault::Answer(404, "NoSuchBucket") });
    for (launch, words) in [
        (
            launch(store.address()).set("STORAGE_S3_ACCESS_KEY", "AKIDWRONGWRONGWRONG0"),
            "STORAGE_S3_ACCESS_KEY",
        ),
        (launch(store.address()).set("STORAGE_S3_SECRET_KEY", "wrong-secret"), "STORAGE_S3_SECRET_KEY"),
        (launch(proxy.address()), "the bucket does not exist (fix: create it, or correct STORAGE_S3_BUCKET"),
    ] {
        let Some(server) = launch.start() else { return };
        wait_for_reason(&server, &[words]);
        let health = server.get("/health");
        assert_eq!((health.status, health.str("/storage/provider")), (200, "s3"), "{}", health.text());
        for secret in ["AKID", "wrong-secret", "127.0.0.1"] {
            assert!(!health_reason(&server).contains(secret), "{}", health.text());
        }
        let answer = server.program("open('f', 'w').write('x')");
        assert_eq!(answer.str("/artifacts/0/stored_in"), "spool", "{}", answer.text());
        assert_eq!(server.get(answer.str("/artifacts/0/url")).text(), "x");
        server.stop();
    }
}

#[test]
fn without_object_store_and_space_files_are_skipped() {
    let Some(mut store) = S3Server::start() else { return };
    store.kill();
    let Some(server) = launch(store.address()).set("STORAGE_MAX_SIZE", "1m").start() else { return };
    wait_for_reason(&server, &["no connection"]);
    let answer = server.execute(writing(3, 400_000));
    check_shape(&answer);
    assert_eq!((answer.str("/stdout"), artifacts(&answer).len()), ("ran\n", 2), "{}", answer.text());
    // Whichever comes last: they are stored at once.
    let skipped = answer.json["skipped_files"].as_array().expect("a list");
    assert_eq!(skipped.len(), 1, "{}", answer.text());
    assert_eq!(text(&skipped[0], "reason"), "storage_full", "{}", answer.text());
    // When the store is back there is space again.
    store.restart();
    wait_until_healthy(&server);
    let stored = wait_until(PATIENCE, || artifacts(&server.execute(writing(3, 400_000))).len() == 3);
    assert!(stored, "{}", server.stderr_log());
    for artifact in artifacts(&answer) {
        let redirected = wait_until(PATIENCE, || {
            fetched(&server, &artifact) == Some(("redirected", text(&artifact, "sha256").to_owned()))
        });
        assert!(redirected);
    }
    server.stop();
}

#[test]
fn links_are_our_own_where_a_presigned_one_would_not_do() {
    let Some(store) = S3Server::start() else { return };
    let temporary = launch(store.address()).set("STORAGE_S3_SESSION_TOKEN", "token/of/a/role==");
    let endpoint = format!("http://{}", store.address());
    let r2 = || {
        Launch::new()
            .set("STORAGE_PROVIDER", "r2")
            .set("STORAGE_R2_BUCKET", S3Server::BUCKET)
            .set("STORAGE_R2_ENDPOINT", &endpoint)
            .set("STORAGE_R2_ACCESS_KEY", S3Server::ACCESS_KEY)
            .set("STORAGE_R2_SECRET_KEY", S3Server::SECRET_KEY)
            .set("STORAGE_R2_PUBLIC_URL", "https://files.example.org")
    };
    for (launch, provider) in [(temporary, "s3"), (r2(), "r2")] {
        let Some(server) = launch.start() else { return };
        wait_until_healthy(&server);
        let answer = server.program("open('f', 'w').write('x')");
        assert_eq!(server.get("/health").str("/storage/provider"), provider);
        assert_eq!(answer.str("/artifacts/0/stored_in"), "object_store", "{}", answer.text());
        let url = answer.str("/artifacts/0/url").to_owned();
        assert!(url.starts_with(&format!("{}/files/", server.base)), "{url}");
        for method in ["GET", "HEAD"] {
            let redirect = send(method, &url, &[], None);
            assert_eq!((redirect.status, redirect.body.len()), (302, 0));
            assert_eq!(redirect.header("cache-control"), "no-store");
            let location = redirect.header("location");
            assert!(location.starts_with(&endpoint) && location.contains("X-Amz-Expires=300&"), "{location}");
            assert_eq!(send(method, location, &[], None).status, 200);
        }
        let sha256 = answer.str("/artifacts/0/sha256").to_owned();
        assert_eq!(fetched(&server, &artifacts(&answer)[0]), Some(("redirected", sha256)));
        check_error(&server.get(&url.replace("/files/", "/files/A")), 403, "link_invalid");
        server.stop();
    }
    let Some(server) = r2().set("STORAGE_R2_PUBLIC_LINKS", "true").start() else { return };
    wait_until_healthy(&server);
    let answer = server.program("open('f', 'w').write('x')");
    let key = answer.str("/artifacts/0/url").trim_start_matches("https://files.example.org/");
    assert!(store.keys().contains(&key.to_owned()), "{}", answer.text());
    server.stop();
}

/// The exit code and the JSON of `storage COMMAND --json` with these settings and files.
fn storage(launch: &Launch, command: &str) -> (Option<i32>, Value, String) {
    let output = launch.run(&["storage", command, "--json"], "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

#[test]
fn the_command_checks_the_store_and_names_the_setting_that_is_wrong() {
    let Some(store) = S3Server::start() else { return };
    let (code, seen, said) = storage(&launch(store.address()), "check");
    assert_eq!((code, &seen["provider"], &seen["works"]), (Some(0), &json!("s3"), &json!(true)), "{said}");
    let tried: Vec<_> =
        seen["checks"].as_array().expect("a list").iter().map(|check| &check["what"]).collect();
    assert_eq!(tried, ["put", "get", "list", "delete"]);
    assert!(store.keys().is_empty(), "the object of the check is removed");
    let proxy = FaultProxy::start(store.address());
    let wrong = |name: &str, value: &str| launch(store.address()).set(name, value);
    for (launch, fault, words) in [
        (wrong("STORAGE_S3_ACCESS_KEY", "AKIDWRONGWRONGWRONG0"), None, "fix: STORAGE_S3_ACCESS_KEY"),
        (wrong("STORAGE_S3_SECRET_KEY", "wrong-secret"), None, "fix: STORAGE_S3_SECRET_KEY"),
        (launch(proxy.address()), Some(Fault::Answer(404, "NoSuchBucket")), "STORAGE_S3_BUCKET"),
        (launch(proxy.address()), Some(Fault::Answer(403, "RequestTimeTooSkewed")), "clock"),
        (wrong("STORAGE_S3_ENDPOINT", "http://127.0.0.1:1"), None, "fix: STORAGE_S3_ENDPOINT"),
    ] {
        if let Some(fault) = fault {
            proxy.set(Rule { method: "PUT", times: u32::MAX, fault });
        }
        let (code, seen, said) = storage(&launch, "check");
        assert_eq!((code, &seen["works"]), (Some(1), &json!(false)), "{words}: {said}");
        let problem = text(&seen["checks"][0], "problem");
        assert!(problem.contains(words), "{words}: {problem}");
        for secret in ["AKID", "wrong-secret", S3Server::SECRET_KEY] {
            assert!(!problem.contains(secret) && !said.contains(secret), "{problem} {said}");
        }
    }
    let dir = WorkDir::new();
    let local = Launch::new().in_dir(&dir);
    let (code, seen, said) = storage(&local, "check");
    assert_eq!((code, &seen["works"], &seen["checks"]), (Some(0), &json!(true), &json!([])), "{said}");
    assert!(!dir.data().join("files").exists(), "the service makes the store");
    assert_eq!(storage(&local, "flush").0, Some(2), "there is no object store");
    assert_eq!(storage(&Launch::new().set("STORAGE_PROVIDER", "disabled"), "check").0, Some(2));
}

#[test]
fn a_command_with_another_directory_reports_no_success_and_makes_no_store() {
    // Nothing listens there, and nothing is asked.
    let dir = WorkDir::new();
    let nowhere = launch(([127, 0, 0, 1], 1).into()).in_dir(&dir);
    for command in ["status", "flush"] {
        let (code, seen, said) = storage(&nowhere, command);
        assert_eq!((code, seen), (Some(2), Value::Null), "{command}: {said}");
        let files = dir.data().join("files");
        assert!(said.contains(&format!("there is no store in `{}` (DATA_DIR)", files.display())), "{said}");
        assert!(!files.exists(), "{command}");
    }
}

#[test]
fn the_command_shows_what_waits_and_moves_it_beside_a_service() {
    let Some(mut store) = S3Server::start() else { return };
    let Some(server) = launch(store.address()).start() else { return };
    let same = || launch(store.address()).in_dir(&server.dir);
    let (code, none, said) = storage(&same(), "status");
    assert_eq!((code, &none["files"], &none["oldest_age_s"]), (Some(0), &json!(0), &Value::Null), "{said}");
    assert!(text(&none, "directory").ends_with("/files"), "{none}");
    let beside = same();
    store.kill();
    let answer = server.execute(writing(5, 1000));
    assert_eq!(artifacts(&answer).len(), 5, "{}", answer.text());
    let (code, waiting, said) = storage(&beside, "status");
    assert_eq!((code, &waiting["files"], &waiting["bytes"]), (Some(0), &json!(5), &json!(5000)), "{said}");
    assert!(waiting["oldest_age_s"].is_u64(), "{waiting}");
    let (code, away, said) = storage(&beside, "flush");
    assert_eq!((code, &away["moved"], &away["waiting"]["files"]), (Some(1), &json!(0), &json!(5)), "{said}");
    assert_eq!(away["directory"], waiting["directory"]);
    assert!(text(&away, "problem").contains("fix: STORAGE_S3_ENDPOINT"), "{away}");

    // The service moves them, too: each file is moved once, and in the end none waits.
    store.restart();
    let moved = wait_until(PATIENCE, || {
        let (code, seen, _) = storage(&beside, "flush");
        (code, &seen["waiting"]["files"]) == (Some(0), &json!(0))
    });
    assert!(moved, "{}", server.stderr_log());
    // Until the service's own check has found the store, links to moved files get 503.
    // Until the service's own check has found the store, which `/health` may not know to be away, links get 503.
    for artifact in artifacts(&answer) {
        let expected = Some(("redirected", text(&artifact, "sha256").to_owned()));
        assert!(wait_until(PATIENCE, || fetched(&server, &artifact) == expected), "{}", server.stderr_log());
    }
    server.stop();
}

#[test]
fn credentials_that_change_in_their_file_are_used_while_the_service_runs() {
    let Some(store) = S3Server::start() else { return };
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("credentials");
    // As somebody who renews them: a complete file takes the place of the earlier one.
    let write = |secret: &str| {
        let key = S3Server::ACCESS_KEY;
        let text = format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
        let new = place.path().join("new");
        std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path)).expect("written");
    };
    write("ended");
    let launch = without_keys(store.address()).set("STORAGE_S3_CREDENTIALS_FILE", &path.to_string_lossy());
    let Some(server) = launch.start() else { return };
    wait_for_reason(&server, &["STORAGE_S3_SECRET_KEY"]);
    let kept = server.program("open('f', 'w').write('x')");
    assert_eq!(kept.str("/artifacts/0/stored_in"), "spool", "{}", kept.text());
    write(S3Server::SECRET_KEY);
    wait_until_healthy(&server);
    let sha256 = kept.str("/artifacts/0/sha256").to_owned();
    let moved = wait_until(PATIENCE, || {
        fetched(&server, &artifacts(&kept)[0]) == Some(("redirected", sha256.clone()))
    });
    assert!(moved, "{}", server.stderr_log());
    assert_eq!(server.program("open('f', 'w').write('x')").str("/artifacts/0/stored_in"), "object_store");
    // A file that somebody else could have written is not used, and costs nothing.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(&path, open).expect("changed");
    // While the store works, the file is read every 30 seconds.
    let noticed = "the earlier credentials of the object store are used";
    assert!(wait_until(PATIENCE, || server.stderr_log().contains(noticed)), "{}", server.stderr_log());
    assert_eq!(server.program("open('f', 'w').write('x')").str("/artifacts/0/stored_in"), "object_store");
    server.stop();
}

#[test]
fn doctor_reports_the_object_store_and_the_setting_that_is_wrong() {
    let Some(store) = S3Server::start() else { return };
    // Without a runtime nothing is attacked, which would take long.
    for (launch, state, words) in [
        (launch(store.address()), "proved", "a file was stored, downloaded, listed and removed"),
        (
            launch(store.address()).set("STORAGE_S3_ACCESS_KEY", "AKIDWRONGWRONGWRONG0"),
            "missing",
            "put failed: the object store does not know the access key (fix: STORAGE_S3_ACCESS_KEY)",
        ),
        (
            without_keys(store.address()).set("STORAGE_S3_CREDENTIALS_FILE", "/nonexistent"),
            "missing",
            "/nonexistent",
        ),
    ] {
        let (code, findings) = crate::command_line::doctor(&launch.set("DATA_DIR", "nowhere"));
        let found = findings.iter().find(|finding| finding["name"] == "object store").expect("a finding");
        assert_eq!((code, text(found, "state")), (Some(1), state), "{found}");
        assert!(text(found, "detail").contains(words), "{found}");
        assert_eq!(found["fix"].is_string(), state == "missing", "{found}");
        assert!(!found.to_string().contains("AKID"), "{found}");
    }
}
