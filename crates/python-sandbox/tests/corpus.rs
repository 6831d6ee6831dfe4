//! The corpora over real HTTP: with the validator on and off, and their leftovers on the host.
//!
//! `ONLY=name` runs only the programs whose name contains it. For slow hosts, see `scripts/stock-hosts`:
//! `CORPUS_PART=1/3` runs the first of every three programs, so some of each class; `CORPUS_VALIDATOR=off`
//! runs only with an empty list of forbidden imports; `CORPUS_NO_PACKAGES=1`, in addition, skips programs
//! that import packages.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]
#![allow(clippy::print_stdout, reason = "how many programs ran must be seen where it is a part")]

mod support;

use base64::Engine as _;
use host_traces::Snapshot;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::Server;
use testkit::corpus::{Observation, Program, benign, hostile};

const CANARY: &str = "CANARY-7f3a-on-the-host";
const CANARY_SOCKET: &str = "/tmp/python-sandbox-canary.sock";
/// Concurrency limit: the number of cores, so that only its own quota slows a program.
const AT_ONCE: usize = 2;

fn request(program: &Program) -> Value {
    let files: serde_json::Map<String, Value> = program
        .inputs()
        .into_iter()
        .map(|(path, content)| (path, json!(base64::engine::general_purpose::STANDARD.encode(content))))
        .collect();
    json!({
        "code": program.code,
        "timeout": program.timeout_s(),
        "stdin": program.stdin(),
        "files": files,
        "env": program.env(),
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn run(server: &Server, program: &Program) -> (u16, Observation) {
    let begun = Instant::now();
    let answer = server.execute(request(program));
    let body = &answer.json;
    let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
    let seen = Observation {
        success: body["success"].as_bool().unwrap_or(false),
        exit_code: body["exit_code"].as_i64().unwrap_or(-99),
        kind: text(&body["outcome"]["kind"]),
        stdout: text(&body["stdout"]),
        stderr: if answer.status == 200 { text(&body["stderr"]) } else { body.to_string() },
        stdout_truncated: body["output"]["stdout_truncated"].as_bool().unwrap_or(false),
        stderr_truncated: body["output"]["stderr_truncated"].as_bool().unwrap_or(false),
        artifacts: list("artifacts").iter().map(|artifact| text(&artifact["path"])).collect(),
        skipped: list("skipped_files")
            .iter()
            .map(|file| (text(&file["path"]), text(&file["reason"])))
            .collect(),
        elapsed_s: begun.elapsed().as_secs_f64(),
    };
    (answer.status, seen)
}

fn check_benign(server: &Server, program: &Program, validator_on: bool) -> Vec<String> {
    if validator_on && program.needs_validator_off() {
        return Vec::new();
    }
    let (status, seen) = run(server, program);
    if status != 200 {
        return vec![format!("status {status}: {}", seen.stderr)];
    }
    program.check_benign(&seen)
}

fn check_hostile(server: &Server, program: &Program, validator_on: bool) -> Vec<String> {
    let (status, seen) = run(server, program);
    if validator_on && program.needs_validator_off() {
        return if status == 400 {
            Vec::new()
        } else {
            vec![format!("the validator let it pass: status {status}")]
        };
    }
    if status != 200 {
        return vec![format!("status {status}: {}", seen.stderr)];
    }
    let mut wrong = program.check_hostile(&seen);
    if program.differs_when_repeated() {
        wrong.extend(program.check_repeated(&seen, &run(server, program).1));
    }
    if let Some(next) = program.then()
        && !(validator_on && next.needs_validator_off())
    {
        wrong.extend(
            next.check_hostile(&run(server, &next).1).into_iter().map(|text| format!("then: {text}")),
        );
    }
    wrong
}

/// `CORPUS_PART`: which of how many parts, counted from 0.
fn part_of_corpus() -> (usize, usize) {
    let Ok(text) = std::env::var("CORPUS_PART") else { return (0, 1) };
    let numbers =
        text.split_once('/').and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
    match numbers {
        Some((part, parts)) if (1..=parts).contains(&part) => (part - 1, parts),
        _ => panic!("CORPUS_PART is `{text}`, not like 1/3"),
    }
}

/// Whether a program imports only these modules and their submodules.
fn needs_only(program: &Program, modules: &BTreeSet<String>) -> bool {
    program.imports().iter().all(|name| name.split('.').next().is_some_and(|top| modules.contains(top)))
}

/// Runs all programs, some concurrently, and returns the failures.
fn run_all(server: &Server, validator_on: bool) -> Vec<String> {
    let only = std::env::var("ONLY").unwrap_or_default();
    let (part, parts) = part_of_corpus();
    let standard = std::env::var_os("CORPUS_NO_PACKAGES").map(|_| standard_library(server));
    let programs: Vec<(bool, Program)> = benign()
        .into_iter()
        .map(|program| (true, program))
        .chain(hostile().into_iter().map(|program| (false, program)))
        .filter(|(_, program)| program.name.contains(&only) && program.is_for("native"))
        .enumerate()
        .filter(|(index, _)| index % parts == part)
        .map(|(_, chosen)| chosen)
        .filter(|(_, program)| standard.as_ref().is_none_or(|all| needs_only(program, all)))
        .collect();
    println!("{} programs", programs.len());
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((is_benign, program)) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let check = if *is_benign { check_benign } else { check_hostile };
                    for wrong in check(server, program, validator_on) {
                        failures.lock().unwrap().push(format!("{}: {wrong}", program.name));
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap()
}

/// Sockets of the host that programs look for; nothing may connect to them.
fn listen_for_breaches() -> [UnixListener; 2] {
    let _ = std::fs::remove_file(CANARY_SOCKET);
    let name = SocketAddr::from_abstract_name("python-sandbox-canary").unwrap();
    let listeners = [UnixListener::bind(CANARY_SOCKET).unwrap(), UnixListener::bind_addr(&name).unwrap()];
    std::fs::set_permissions(CANARY_SOCKET, std::fs::Permissions::from_mode(0o777)).unwrap();
    for listener in &listeners {
        listener.set_nonblocking(true).unwrap();
    }
    listeners
}

#[test]
fn no_benign_program_is_hindered_and_no_hostile_one_gets_through() {
    let canary = std::path::Path::new("/tmp/python-sandbox-canary");
    std::fs::write(canary, CANARY).unwrap();
    let listeners = listen_for_breaches();
    let before = Snapshot::of_host();
    let mut failures = Vec::new();
    // The service's own default, multiplied for slow hosts.
    let timeout_max = (30 * testkit::patience()).to_string();
    let is_wanted =
        |validator_on: &bool| !validator_on || std::env::var("CORPUS_VALIDATOR").as_deref() != Ok("off");
    for validator_on in [true, false].into_iter().filter(is_wanted) {
        let mut settings =
            vec![("CANARY_SECRET", CANARY), ("MAX_CONCURRENT", "4"), ("MAX_TIMEOUT", &timeout_max)];
        if !validator_on {
            settings.push(("FORBIDDEN_IMPORTS", ""));
        }
        let Some(server) = Server::start_with_templates(&settings) else { return };
        let found = run_all(&server, validator_on);
        failures.extend(found.into_iter().map(|text| format!("[validator on: {validator_on}] {text}")));
        let alive = server.execute(json!({ "code": "print(1)" }));
        assert_eq!(alive.json["stdout"], "1\n", "the service no longer answers: {:?}", alive.json);
        assert!(!server.stderr_log().contains(CANARY), "the canary is in the log");
        server.stop();
    }
    let left = before.left_after(Duration::from_secs(10));
    std::fs::remove_file(canary).unwrap();
    std::fs::remove_file(CANARY_SOCKET).unwrap();
    for listener in listeners {
        assert!(listener.accept().is_err(), "a program reached {:?} on the host", listener.local_addr());
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(left.is_empty(), "left on the host: {left:?}");
}

/// Behaviour that may differ between versions of CPython: startup, failure and exit of an interpreter, and
/// multiprocessing.
const ON_ANY_CPYTHON: &[(&str, &str, i64, &str)] = &[
    ("def f():\n    return {}['missing']\n\nf()\n", "", 1, "KeyError: 'missing'"),
    ("print('a')\nraise SystemExit('said')", "a\n", 1, "said"),
    ("import sys\nsys.exit(3)", "", 3, ""),
    ("import atexit\natexit.register(print, 'bye')\nprint('hi')", "hi\nbye\n", 0, ""),
    ("def f(): f()\nf()", "", 1, "RecursionError: "),
    ("import os\nprint('out', flush=True)\nos.abort()", "out\n", 134, ""),
    ("raise KeyboardInterrupt", "", 130, "KeyboardInterrupt"),
    (
        "raise ExceptionGroup('both', [ValueError(1), TypeError(2)])",
        "",
        1,
        "+------------------------------------",
    ),
    (
        "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()\nprint('on')",
        "on\n",
        0,
        "ZeroDivisionError: division by zero",
    ),
    (
        "import warnings\nwarnings.simplefilter('error')\nimport multiprocessing\n\
         print(multiprocessing.get_start_method(allow_none=True), multiprocessing.get_all_start_methods()[0])\n\
         multiprocessing.set_start_method('spawn')\nprint(multiprocessing.get_start_method())\n\
         try:\n    multiprocessing.set_start_method('fork')\nexcept RuntimeError as error:\n    print(error)",
        "fork fork\nspawn\ncontext has already been set\n",
        0,
        "",
    ),
    (
        "import multiprocessing.resource_sharer, multiprocessing.context as context\n\
         print(context._default_context.get_start_method(), type(context.__loader__).__name__)",
        "fork SourceFileLoader\n",
        0,
        "",
    ),
];

/// Top-level modules of the standard library of the interpreter behind this service.
fn standard_library(server: &Server) -> BTreeSet<String> {
    let answer = server.program("import sys\nprint(*sys.stdlib_module_names)");
    text(&answer.json["stdout"]).split_whitespace().map(str::to_owned).collect()
}

/// `PYTHON_SANDBOX_TEST_ROOTFS` names its tree.
#[test]
#[ignore = "scripts/other-cpythons runs it, once for each tree"]
fn another_cpython_runs_what_needs_no_package() {
    let rootfs = std::env::var("PYTHON_SANDBOX_TEST_ROOTFS").unwrap();
    let settings =
        [("RUNTIME_ROOTFS", rootfs.as_str()), ("FORBIDDEN_IMPORTS", ""), ("EXECUTOR_PROVIDER", "native")];
    let Some(server) = Server::start_with_templates(&settings) else { return };
    let standard = standard_library(&server);
    assert!(standard.contains("multiprocessing"), "{standard:?}");
    let mut failures = Vec::new();
    for (code, stdout, exit_code, last_line) in ON_ANY_CPYTHON {
        let body = server.program(code).json;
        let stderr = text(&body["stderr"]);
        let last = stderr.trim_end().lines().last().unwrap_or_default().trim_start();
        let ours = stderr.contains("<string>") || stderr.contains("runner");
        let as_wanted = last.starts_with(last_line) && last.is_empty() == last_line.is_empty();
        if body["stdout"] != *stdout || body["exit_code"] != *exit_code || !as_wanted || ours {
            failures.push(format!("{code:?}: {body}"));
        }
    }
    let programs: Vec<Program> =
        benign().into_iter().filter(|program| needs_only(program, &standard)).collect();
    assert!(programs.len() > 50, "{}", programs.len());
    for program in programs {
        let wrong = check_benign(&server, &program, false);
        failures.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", program.name)));
    }
    server.stop();
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}
