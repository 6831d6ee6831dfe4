//! Each way in which a program can end, for real.

use crate::answers::check_shape;
use crate::open_server;
use crate::support::{Answer, Server};
use serde_json::{Value, json};

fn run(server: &Server, code: &str, timeout_s: u32) -> Answer {
    let answer = server.execute(json!({"code": code, "timeout": timeout_s}));
    check_shape(&answer);
    answer
}

/// Checks a limit's five fields, that the sentence is of use, and that trying again is not advised.
fn check_limit(answer: &Answer, name: &str, value: u64, unit: &str, setting: &str) {
    let limit = &answer.json["outcome"]["limit"];
    let expected =
        json!({"name": name, "value": value, "unit": unit, "used": limit["used"], "setting": setting});
    assert_eq!(limit, &expected, "{}", answer.text());
    assert_eq!(answer.json["outcome"]["retryable"], false);
    assert!(!answer.str("/outcome/message").is_empty() && !answer.str("/outcome/hint").is_empty());
    assert!(answer.str("/error").contains(answer.str("/outcome/message")), "{}", answer.text());
}

#[test]
fn exited_with_its_own_code() {
    let Some(server) = open_server() else { return };
    for (code, exit_code) in [
        ("print(1)", 0),
        ("raise SystemExit(3)", 3),
        ("import sys; sys.exit(0)", 0),
        ("import sys; sys.exit(255)", 255),
        ("import sys; sys.exit('a message')", 1),
        ("import os; os._exit(7)", 7),
        ("exit(4)", 4),
        // Numbers that look like a kill are no kill.
        ("import sys; sys.exit(137)", 137),
        ("import sys; sys.exit(124)", 124),
    ] {
        let answer = run(server, code, 10);
        assert_eq!((answer.kind(), answer.number("/exit_code")), ("exited", f64::from(exit_code)), "{code}");
        assert_eq!(answer.json["outcome"]["limit"], Value::Null);
        if exit_code > 1 {
            assert!(answer.str("/error").contains(&exit_code.to_string()), "{}", answer.text());
        }
    }
    let said = run(server, "import sys; sys.exit('a message')", 10);
    assert!(said.str("/stderr").contains("a message"));
}

#[test]
fn exited_with_an_exception_that_is_named_with_its_line() {
    let Some(server) = open_server() else { return };
    let answer = run(server, "print('before')\n\nraise ValueError('bad apple')", 10);
    assert_eq!((answer.kind(), &answer.json["exit_code"]), ("exited", &json!(1)));
    assert_eq!(answer.str("/stdout"), "before\n");
    assert!(answer.str("/error").contains("ValueError: bad apple"), "{}", answer.text());
    assert!(answer.str("/error").contains("line 3"), "{}", answer.text());
    let caught = run(server, "import traceback\ntry: 1/0\nexcept Exception: traceback.print_exc()", 10);
    assert_eq!(caught.json["success"], true, "what is caught is no failure: {}", caught.text());
}

#[test]
fn timeout_keeps_what_was_printed_and_written() {
    let Some(server) = open_server() else { return };
    let code = "open('half.txt', 'w').write('done')\nprint('partial', flush=True)\nwhile True: pass";
    let answer = run(server, code, 1);
    assert_eq!((answer.kind(), &answer.json["exit_code"]), ("timeout", &json!(124)), "{}", answer.text());
    check_limit(&answer, "wall_time", 1000, "milliseconds", "MAX_TIMEOUT");
    let used = answer.number("/outcome/limit/used");
    assert!((1000.0..2000.0).contains(&used), "{used}");
    assert!((1.0..2.0).contains(&answer.number("/execution_time")));
    assert_eq!(answer.str("/stdout"), "partial\n");
    assert_eq!(answer.str("/artifacts/0/path"), "half.txt");
    assert!(answer.str("/error").contains("timeout"), "{}", answer.text());
    let asleep = run(server, "import time\ntime.sleep(60)", 1);
    assert_eq!(asleep.kind(), "timeout");
    let stubborn = "import signal, time\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    \
                    except (OSError, ValueError): pass\ntime.sleep(60)";
    assert_eq!(run(server, stubborn, 1).kind(), "timeout");
    let forked = run(server, "import os, time\nos.fork()\ntime.sleep(60)", 1);
    assert_eq!(forked.kind(), "timeout");
}

#[test]
fn the_default_timeout_is_ten_seconds() {
    let Some(server) = open_server() else { return };
    let answer = server.execute(json!({"code": "import time\ntime.sleep(25)"}));
    assert_eq!(answer.kind(), "timeout");
    check_limit(&answer, "wall_time", 10_000, "milliseconds", "MAX_TIMEOUT");
}

#[test]
fn out_of_memory_is_told_from_other_kills() {
    let Some(server) = open_server() else { return };
    let answer = run(server, "print('start', flush=True)\nx = b'x' * (300 << 20)\nprint(len(x))", 20);
    assert_eq!(
        (answer.kind(), &answer.json["exit_code"]),
        ("out_of_memory", &json!(137)),
        "{}",
        answer.text()
    );
    check_limit(&answer, "memory", 128 << 20, "bytes", "NATIVE_MEMORY");
    assert_eq!(answer.str("/stdout"), "start\n");
    let killed = run(server, "import os\nos.kill(os.getpid(), 9)", 10);
    assert_eq!((killed.kind(), &killed.json["exit_code"]), ("signal", &json!(137)), "{}", killed.text());
}

#[test]
fn process_limit_names_the_setting() {
    let Some(server) = open_server() else { return };
    let threads = "import threading, time\nfor _ in range(200):\n    \
                   threading.Thread(target=time.sleep, args=(9,), daemon=True).start()";
    let answer = run(server, threads, 10);
    assert_eq!((answer.kind(), &answer.json["exit_code"]), ("process_limit", &json!(1)), "{}", answer.text());
    check_limit(&answer, "pids", 50, "processes", "NATIVE_PIDS_LIMIT");
    let forks = "import os, time\nfor _ in range(200):\n    if os.fork() == 0:\n        time.sleep(9)\n        os._exit(0)";
    assert_eq!(run(server, forks, 10).kind(), "process_limit");
}

#[test]
fn disk_limit_in_bytes_and_in_files() {
    let Some(server) = open_server() else { return };
    let answer = run(server, "f = open('/tmp/big', 'wb')\nfor _ in range(100): f.write(bytes(1 << 20))", 20);
    assert_eq!((answer.kind(), &answer.json["exit_code"]), ("disk_limit", &json!(1)), "{}", answer.text());
    check_limit(&answer, "disk", 64 << 20, "bytes", "NATIVE_TMP_SIZE");
    let many = run(server, "for n in range(100_000): open(f'/tmp/{n}', 'w').close()", 20);
    assert_eq!(many.kind(), "disk_limit", "{}", many.text());
    check_limit(&many, "disk", 8192, "files", "NATIVE_TMP_INODES");
}

#[test]
fn output_limit_ends_a_program_that_floods() {
    let Some(server) = Server::start(&[("MAX_OUTPUT_TOTAL_SIZE", "100000"), ("FORBIDDEN_IMPORTS", "")])
    else {
        return;
    };
    let answer = run(&server, "while True: print('x' * 1000)", 20);
    assert_eq!(
        (answer.kind(), &answer.json["exit_code"]),
        ("output_limit", &json!(137)),
        "{}",
        answer.text()
    );
    check_limit(&answer, "output", 100_000, "bytes", "MAX_OUTPUT_TOTAL_SIZE");
    assert_eq!(answer.json["output"]["stdout_truncated"], true);
    assert_eq!(answer.str("/stdout").len(), 10_240);
    let within = run(&server, "print('x' * 99_000)", 20);
    assert_eq!((within.kind(), &within.json["success"]), ("exited", &json!(true)), "{}", within.text());
    server.stop();
}

#[test]
fn denied_syscall_has_its_name() {
    let Some(server) = open_server() else { return };
    for (code, syscall) in [
        ("import socket\nsocket.socket()", "socket"),
        ("import socket\nsocket.create_connection(('127.0.0.1', 1))", "socket"),
        (
            "import ctypes\nif ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0):\n    \
          raise PermissionError(ctypes.get_errno(), 'ptrace')",
            "ptrace",
        ),
        (
            "import ctypes\nif ctypes.CDLL(None, use_errno=True).unshare(0x10000000):\n    \
          raise PermissionError(ctypes.get_errno(), 'unshare')",
            "unshare",
        ),
    ] {
        let answer = run(server, code, 10);
        assert_eq!(answer.kind(), "denied_syscall", "{code}: {}", answer.text());
        assert_eq!(answer.str("/outcome/syscall"), syscall, "{}", answer.text());
        assert!(answer.str("/error").contains(syscall) && !answer.str("/outcome/hint").is_empty());
        assert_eq!(answer.json["outcome"]["retryable"], false);
    }
    let handled = run(server, "import socket\ntry: socket.socket()\nexcept OSError: print('no network')", 10);
    assert_eq!((handled.kind(), handled.str("/stdout")), ("exited", "no network\n"));
}

#[test]
fn signal_has_its_number() {
    let Some(server) = open_server() else { return };
    for (code, signal) in [
        ("import os\nos.kill(os.getpid(), 11)", 11),
        ("import os\nos.abort()", 6),
        ("import os\nos.kill(os.getpid(), 15)", 15),
        ("import ctypes\nctypes.string_at(0)", 11),
        ("import os, signal\nsignal.signal(2, signal.SIG_DFL)\nos.kill(os.getpid(), 2)", 2),
    ] {
        let answer = run(server, code, 10);
        assert_eq!(answer.kind(), "signal", "{code}: {}", answer.text());
        assert_eq!(answer.json["outcome"]["signal"], json!(signal), "{}", answer.text());
        assert_eq!(answer.json["exit_code"], json!(128 + signal));
    }
}

#[test]
fn a_child_that_stays_behind_delays_no_answer() {
    let Some(server) = open_server() else { return };
    let code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(20)\nprint('parent')";
    let answer = run(server, code, 10);
    assert_eq!((answer.kind(), answer.str("/stdout")), ("exited", "parent\n"));
    assert!(answer.number("/execution_time") < 5.0, "{}", answer.text());
}
