//! Each setting of the contract's table has its documented effect.

use crate::open_server;
use crate::support::{Launch, Server, base64};
use serde_json::json;
use std::time::Duration;

#[test]
fn the_validators_settings() {
    let settings = [
        ("MAX_CODE_LENGTH", "200"),
        ("MAX_COMPLEXITY", "3"),
        ("FORBIDDEN_IMPORTS", "json, math"),
        ("MAX_TIMEOUT", "2"),
        ("MAX_OUTPUT_SIZE", "10"),
    ];
    let Some(server) = Server::start(&settings) else { return };
    let answer = server.execute(json!({"code": format!("#{}", "x".repeat(200))}));
    assert_eq!((answer.status, answer.str("/details/field")), (422, "code"));
    assert!(answer.str("/message").contains("200"), "{}", answer.text());
    assert_eq!(server.execute(json!({"code": format!("#{}", "x".repeat(199))})).status, 200);

    let branches = |count: usize| json!({"code": "if 1: pass\n".repeat(count)});
    assert_eq!(server.execute(branches(2)).status, 200);
    let complex = server.execute(branches(9));
    assert_eq!(complex.status, 400, "{}", complex.text());
    assert!(complex.str("/message").contains('3'), "{}", complex.text());

    for module in ["json", "math"] {
        let answer = server.execute(json!({"code": format!("import {module}")}));
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.str("/error").contains(module), "{}", answer.text());
    }
    assert_eq!(server.output_of("import os\nprint(os.sep)"), "/\n", "the list replaces the default");

    let answer = server.execute(json!({"code": "print(1)", "timeout": 3}));
    assert!(answer.str("/message").contains("1 to 2 seconds"), "{}", answer.text());
    let answer = server.program("import time\ntime.sleep(9)");
    assert_eq!(answer.kind(), "timeout", "the default is never above the largest");
    assert_eq!(answer.number("/outcome/limit/value"), 2000.0);

    let answer = server.program("print('x' * 99)");
    assert_eq!(
        (answer.str("/stdout"), &answer.json["output"]["stdout_truncated"]),
        ("xxxxx\n[... 90 bytes omitted ...]\nxxxx\n", &json!(true))
    );
    server.stop();
}

#[test]
fn every_default_forbidden_import_is_refused_and_an_empty_list_refuses_none() {
    let Some(server) = crate::default_server() else { return };
    let Some(open) = open_server() else { return };
    let modules = [
        "os",
        "subprocess",
        "socket",
        "sys",
        "importlib",
        "ctypes",
        "multiprocessing",
        "threading",
        "builtins",
    ];
    for module in modules {
        for code in [
            format!("import {module}"),
            format!("import {module} as x"),
            format!("from {module} import *"),
            format!("__import__('{module}')"),
        ] {
            let answer = server.execute(json!({"code": code}));
            assert_eq!(answer.status, 400, "{code}: {}", answer.text());
        }
        let answer = open.execute(json!({"code": format!("import {module}\nprint(1)")}));
        assert_eq!(answer.str("/stdout"), "1\n", "{module}: {}", answer.text());
    }
    assert_eq!(server.execute(json!({"code": "import os.path"})).status, 400);
    assert_eq!(server.output_of("import json, math, re\nprint(1)"), "1\n");
}

#[test]
fn complexity_0_is_off() {
    let code = "if 1: pass\n".repeat(600);
    let Some(server) = crate::default_server() else { return };
    assert_eq!(server.execute(json!({"code": code})).status, 400, "500 by default");
    let Some(server) = Server::start(&[("MAX_COMPLEXITY", "0")]) else { return };
    assert_eq!(server.execute(json!({"code": code})).status, 200);
    server.stop();
}

#[test]
fn the_native_executors_limits() {
    let settings = [
        ("FORBIDDEN_IMPORTS", ""),
        ("NATIVE_MEMORY", "64m"),
        ("NATIVE_PIDS_LIMIT", "8"),
        ("NATIVE_CPU_QUOTA", "50000"),
        ("NATIVE_TMP_SIZE", "8m"),
        ("NATIVE_TMP_INODES", "100"),
    ];
    let Some(server) = Server::start_with_templates(&settings) else { return };
    let memory = server.execute(json!({"code": "x = b'x' * (100 << 20)\nprint(len(x))", "timeout": 20}));
    assert_eq!(
        (memory.kind(), memory.number("/outcome/limit/value")),
        ("out_of_memory", f64::from(64 << 20))
    );
    assert_eq!(server.output_of("x = b'x' * (30 << 20)\nprint(len(x))"), format!("{}\n", 30 << 20));

    let threads = |count: u32| {
        format!(
            "import threading, time\nfor _ in range({count}):\n    \
             threading.Thread(target=time.sleep, args=(1,), daemon=True).start()\nprint('good')"
        )
    };
    assert_eq!(server.output_of(&threads(6)), "good\n");
    let many = server.program(&threads(9));
    assert_eq!((many.kind(), many.number("/outcome/limit/value")), ("process_limit", 8.0), "{}", many.text());

    let disk = server.program("open('/tmp/big', 'wb').write(bytes(9 << 20))");
    assert_eq!(
        (disk.kind(), disk.str("/outcome/limit/setting")),
        ("disk_limit", "NATIVE_TMP_SIZE"),
        "{}",
        disk.text()
    );
    let inodes = server.program("for n in range(200): open(f'/tmp/{n}', 'w').close()");
    assert_eq!(
        (inodes.kind(), inodes.str("/outcome/limit/unit")),
        ("disk_limit", "files"),
        "{}",
        inodes.text()
    );

    // Half a core: half a second of work takes about a second.
    let busy = server.execute(json!({
        "code": "import time\nwhile time.process_time() < 0.5: pass", "timeout": 20,
    }));
    let (wall, cpu) = (busy.number("/usage/wall_time_ms"), busy.number("/usage/cpu_time_ms"));
    assert!(wall > 1.5 * cpu, "{wall} ms for {cpu} ms of work at half a core");
    server.stop();
}

#[test]
fn the_groups_are_made_below_the_parent_that_is_set_with_or_without_a_slash() {
    if !crate::support::is_root() {
        return testkit::skip("groups at the top of the hierarchies are root's to make");
    }
    for slash in ["/", ""] {
        let name = format!("sandbox-contract-{}", std::process::id());
        // Templates have groups there too.
        let settings = [("NATIVE_CGROUP_PARENT", &*format!("{slash}{name}"))];
        let Some(server) = Server::start_with_templates(&settings) else { return };
        assert_eq!(server.output_of("print(1)"), "1\n");
        server.stop();
        let found = crate::support::command(&["find", "/sys/fs/cgroup", "-maxdepth", "2", "-name", &name]);
        let found = found.expect("listed");
        assert!(!found.is_empty());
        // A configured parent cgroup is not removed.
        for group in found.lines() {
            std::fs::remove_dir(group).expect("nothing is left in it");
        }
    }
}

#[test]
fn the_cpu_quota_is_what_a_program_sees() {
    let code = "import os\nprint(os.cpu_count(), len(os.sched_getaffinity(0)), \
                *(os.environ[n] for n in ('OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS')))";
    let Some(server) = open_server() else { return };
    assert_eq!(server.output_of(code), "1 1 1 1 1\n");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let Some(server) = Server::start(&[("FORBIDDEN_IMPORTS", ""), ("NATIVE_CPU_QUOTA", "150000")]) else {
        return;
    };
    let two = cores.min(2);
    assert_eq!(server.output_of(code), format!("{two} {two} {two} {two} {two}\n"));
    server.stop();
}

#[test]
fn host_port_and_public_url() {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let launch = Launch::new().own_port().set("PORT", &port.to_string()).set("HOST", "localhost");
    let launch = launch.set("PUBLIC_URL", "https://sandbox.example/api/");
    let Some(server) = launch.start() else { return };
    assert!(server.base.ends_with(&format!(":{port}")), "{}", server.base);
    let answer = server.program("open('f', 'w').write('x')");
    assert!(answer.str("/files/0").starts_with("https://sandbox.example/api/files/"), "{}", answer.text());
    assert!(!server.stderr_log().contains("open to the network"));

    // The same port again: the error has a hint.
    let second =
        Launch::new().own_port().set("PORT", &port.to_string()).set("HOST", "127.0.0.1").run(&["serve"], "");
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another program listens there"), "{said}");
    server.stop();
}

#[test]
fn open_to_the_network_is_said_loudly() {
    let Some(server) = Server::start(&[("HOST", "0.0.0.0")]) else { return };
    assert!(server.log_line(&["WARN", "open to the network"]).is_some(), "{}", server.stderr_log());
    server.stop();
}

#[test]
fn links_are_made_with_the_clients_word_for_us_only_when_it_is_one() {
    let Some(server) = Server::start(&[("ALLOWED_HOSTS", "sandbox.example,x")]) else { return };
    let body = json!({"code": "open('f', 'w').write('x')"}).to_string();
    let with_host = |host: &str| {
        let head = format!(
            "POST /execute HTTP/1.1\r\nhost: {host}\r\nx-forwarded-host: evil.example\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        crate::support::exchange(&server.base, head.as_bytes())
    };
    assert!(with_host("sandbox.example:99").contains("\"http://sandbox.example:99/files/"));
    let odd = with_host("evil.example/x?<script>");
    assert!(odd.starts_with("HTTP/1.1 400"), "{odd}");
    assert!(with_host("evil.example").starts_with("HTTP/1.1 421"));
    assert!(!with_host("x").contains("evil.example"));
    server.stop();
}

#[test]
fn storage_settings() {
    // Files are in DATA_DIR, readable only by their owner, and not under names that the program chose.
    let Some(server) = Server::start(&[("STORAGE_CLEANUP_DAYS", "1"), ("STORAGE_LINK_LIFETIME", "60")])
    else {
        return;
    };
    let answer = server.program("open('named-by-the-program', 'w').write('x')");
    assert_eq!(server.get(answer.str("/files/0")).status, 200);
    let expires: jiff::Timestamp = answer.str("/artifacts/0/expires_at").parse().expect("RFC 3339");
    let left_s = expires.as_second() - jiff::Timestamp::now().as_second();
    assert!((50..=61).contains(&left_s), "{left_s}");
    let files = server.dir.data().join("files");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&files).expect("there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    let tree = crate::support::command(&["find", &files.to_string_lossy()]).expect("listed");
    assert!(!tree.contains("named-by-the-program"), "{tree}");
    // If the store cannot be written, only the files are lost, not the answer.
    std::fs::remove_dir_all(&files).expect("removed");
    std::fs::write(&files, "in the way").expect("written");
    let answer = server.execute(json!({
        "code": "open('f', 'w').write('x')\nprint('ran')", "files": {"in": base64(b"x")},
    }));
    assert_eq!((answer.status, answer.str("/stdout")), (200, "ran\n"), "{}", answer.text());
    let reason = answer.str("/skipped_files/0/reason");
    assert!(
        reason.starts_with("storage_") || answer.json["artifacts"][0]["url"].is_string(),
        "{}",
        answer.text()
    );
    let degraded = crate::support::wait_until(Duration::from_secs(12), || {
        let health = server.get("/health");
        health.status == 200
            && health.str("/status") == "degraded"
            && health.json["storage"]["healthy"] == false
    });
    assert!(degraded, "{}", server.get("/health").text());
    server.stop();
}

#[test]
fn a_file_lives_as_long_as_its_link_and_at_most_the_days_that_are_set() {
    let three_days = (3 * 24 * 3600).to_string();
    let Some(server) = Server::start(&[("STORAGE_LINK_LIFETIME", &three_days)]) else { return };
    let answer = server.program("open('f', 'w').write('x')");
    let url = answer.str("/files/0").to_owned();
    let path = url[url.find("/files/").expect("a link")..].to_owned();
    let dir = server.stop();
    // New links are valid for five hours again; this one was created with a longer lifetime, and cleanup runs
    // at startup.
    let Some(server) = Launch::new().in_dir(&dir).start() else { return };
    assert_eq!(server.output_of("print(1)"), "1\n");
    assert_eq!(server.get(&path).status, 200, "the link's own lifetime counts");
    let dir = server.stop();
    let Some(server) = Launch::new().in_dir(&dir).set("STORAGE_CLEANUP_DAYS", "2").start() else { return };
    assert!(crate::support::wait_until(Duration::from_secs(5), || server.get(&path).status != 200));
    crate::errors::check_error(&server.get(&path), 410, "link_expired");
    server.stop();
}

#[test]
fn debug_and_log_level_change_the_log_and_never_an_answer() {
    let Some(server) = Server::start(&[("DEBUG", "true")]) else { return };
    let failed = server.program("1/0");
    assert_eq!(failed.str("/error"), "the program ended with ZeroDivisionError: division by zero (line 1)");
    assert!(server.log_line(&["DEBUG"]).is_some());
    server.stop();
    let Some(server) = Server::start(&[("LOG_LEVEL", "error")]) else { return };
    assert_eq!(server.program("1/0").str("/error"), failed.str("/error"));
    assert!(!server.stderr_log().contains("INFO"), "{}", server.stderr_log());
    server.stop();
}

#[test]
fn fallbacks_are_shown_with_what_they_lack() {
    let nowhere = "unix:///nowhere/docker.sock";
    let settings = [("EXECUTOR_FALLBACK_PROVIDERS", "gvisor,firecracker"), ("DOCKER_HOST", nowhere)];
    let Some(server) = Server::start(&settings) else { return };
    let health = server.get("/health").json;
    let executor = &health["executor"];
    assert_eq!(
        (&executor["fallbacks"], &executor["active_providers"]),
        (&json!("gvisor,firecracker"), &json!(["native", "gvisor"]))
    );
    assert_eq!(health["status"], "healthy", "an unused fallback does not degrade health");
    let reason = executor["providers"]["gvisor"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("DOCKER_HOST") && reason.contains("apt-get install"), "{reason}");
    server.stop();
}
