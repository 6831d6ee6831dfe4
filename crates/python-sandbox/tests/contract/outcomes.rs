//! Each way in which a program can end, with real programs.

use crate::answers::check_shape;
use crate::open_server;
use crate::support::{Answer, Server};
use serde_json::{Value, json};

fn run(server: &Server, code: &str, timeout_s: u32) -> Answer {
    let answer = server.execute(json!({"code": code, "timeout": timeout_s}));
    check_shape(&answer);
    answer
}

/// Checks a limit's five fields, that the sentence is useful, and that it is not retryable.
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
        // An exit code that looks like a kill is not a kill.
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
    let (head, tail) = answer.str("/stdout").split_once("[... ").expect("a line between head and tail");
    let (_, tail) = tail.split_once(" bytes omitted ...]\n").expect("its end");
    assert_eq!((head.trim_end_matches('\n').len().abs_diff(5120) <= 1, tail.len()), (true, 5120));
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

#[test]
fn the_exception_is_the_interpreters_word() {
    let Some(server) = open_server() else { return };
    for (code, sentence) in [
        (
            "raise ValueError(\"could not parse row 3\\nexpected: int\\ngot: 'abc'\")",
            "ended with ValueError: could not parse row 3 (line 1)",
        ),
        (
            "try:\n    1/0\nexcept Exception as e:\n    e.add_note('hint: upload the file first')\n    raise",
            "ended with ZeroDivisionError: division by zero [hint: upload the file first] (line 2)",
        ),
        (
            "import asyncio\nasync def f(): raise ValueError('x')\nasync def main():\n    async with asyncio.TaskGroup() as g:\n        \
             g.create_task(f())\nasyncio.run(main())",
            "which contains ValueError: x (line 4)",
        ),
        (
            "import sys\nsys.exit('no rows matched the filter')",
            "exited with code 1: no rows matched the filter",
        ),
        (
            "try:\n    {}['k']\nexcept KeyError as e:\n    raise ValueError('no') from e",
            "caused by KeyError: 'k'",
        ),
        ("class MyError(Exception): pass\nraise MyError('x')", "ended with MyError: x (line 2)"),
        ("import json\njson.loads('{')", "ended with json.decoder.JSONDecodeError: Expecting property name"),
        ("import json\ndef f():\n    json.loads('{')\n\nf()", "(line 3)"),
        (
            "import sys\nsys.excepthook = lambda *a: None\nraise KeyError('quiet')",
            "ended with KeyError: 'quiet' (line 3)",
        ),
        (
            "class E(Exception):\n    def __str__(self): 1/0\nraise E",
            "ended with E: <exception str() failed> (line 3)",
        ),
        ("exec('x = (1,')", "ended with SyntaxError: '(' was never closed (line 1)"),
        ("raise KeyboardInterrupt", "signal 2 (SIGINT)"),
    ] {
        let answer = run(server, code, 10);
        assert!(answer.str("/error").contains(sentence), "{code}: {}", answer.text());
    }
    let answer = run(server, "x = 1\nraise ValueError('a\\nb')", 10);
    let expected = json!({"type": "ValueError", "message": "a", "line": 2});
    assert_eq!(answer.json["outcome"]["exception"], expected, "{}", answer.text());
    // An exception that was handled and printed, even a long one, did not end the program.
    let handled = "import traceback\nfor _ in range(200):\n    try: {}['handled']\n    except KeyError: traceback.print_exc()\n\
                   {}['missing_key']";
    let answer = run(server, handled, 10);
    assert!(answer.str("/error").contains("KeyError: 'missing_key' (line 5)"), "{}", answer.text());
    let stderr = answer.str("/stderr");
    assert!(
        stderr.starts_with("Traceback") && stderr.ends_with("KeyError: 'missing_key'\n"),
        "head and tail: {stderr}"
    );
}

#[test]
fn words_of_a_program_are_no_verdict() {
    let Some(server) = open_server() else { return };
    let forks = "import os\nfor _ in range(60):\n    try: p = os.fork()\n    except OSError: break\n    if not p:\n        \
                 import time; time.sleep(1); os._exit(0)\n";
    let say =
        |before: &str, text: &str| format!("{before}import sys\nsys.stderr.write({text:?})\nsys.exit(1)");
    for code in [
        say("", "OSError: [Errno 28] No space left on device\n"),
        say(forks, "BlockingIOError: [Errno 11] x\n"),
        say("import ctypes\nctypes.CDLL(None).syscall(165, 0, 0, 0, 0, 0)\n", "PermissionError: x\n"),
        "raise OSError(28, 'No space left on device')".to_owned(),
        "raise RuntimeError('upstream said: [Errno 28] quota')".to_owned(),
        "raise MemoryError".to_owned(),
        "raise RuntimeError(\"can't start new thread\")".to_owned(),
        "import socket\ntry: socket.socket()\nexcept OSError: pass\nraise PermissionError('guest may not edit invoices')".to_owned(),
        // A forged note: descriptor and memory belong to the program.
        "import os\nos._exit(1)".to_owned(),
    ] {
        let answer = run(server, &code, 10);
        assert_eq!((answer.kind(), &answer.json["outcome"]["limit"]), ("exited", &Value::Null), "{code}: {}", answer.text());
    }
}

#[test]
fn who_kills_itself_did_not_run_out_of_memory() {
    let Some(server) = open_server() else { return };
    let child = "import os, signal\np = os.fork()\nif not p:\n    x = []\n    while 1: x.append(b'x' * (1 << 20))\n\
                 os.waitpid(p, 0)\n";
    for end in [
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.kill(0, signal.SIGKILL)",
        "os.killpg(os.getpgrp(), signal.SIGKILL)",
        "signal.raise_signal(signal.SIGKILL)",
        "signal.pidfd_send_signal(os.pidfd_open(os.getpid()), signal.SIGKILL)",
        "signal.pthread_kill(__import__('threading').get_ident(), signal.SIGKILL)",
    ] {
        let answer = run(server, &format!("{child}{end}"), 10);
        assert_eq!(
            (answer.kind(), &answer.json["exit_code"]),
            ("signal", &json!(137)),
            "{end}: {}",
            answer.text()
        );
    }
    let others = "import os, signal, time\np = os.fork()\nif not p: time.sleep(9)\nos.kill(p, signal.SIGKILL)\n\
                  print(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))\n\
                  import subprocess, sys\nq = subprocess.Popen([sys.executable, '-c', 'input()'], start_new_session=True)\n\
                  os.killpg(q.pid, signal.SIGKILL)\nq.wait()\nx = b'x' * (400 << 20)";
    let answer = run(server, others, 10);
    assert_eq!((answer.kind(), answer.str("/stdout")), ("out_of_memory", "-9\n"), "{}", answer.text());
}

#[test]
fn a_limit_is_named_where_the_program_waited_for_what_it_took() {
    let Some(server) = open_server() else { return };
    let pool = "import multiprocessing as mp\ndef f(n):\n    x = b'x' * (400 << 20) if n == 0 else 1\n    return n\n\
                with mp.Pool(2) as p: print(p.map(f, range(2)))";
    let answer = run(server, pool, 5);
    assert_eq!(
        (answer.kind(), &answer.json["exit_code"]),
        ("out_of_memory", &json!(137)),
        "{}",
        answer.text()
    );
    check_limit(&answer, "memory", 128 << 20, "bytes", "NATIVE_MEMORY");
    assert!(
        answer.str("/error").contains("did not finish within 5 seconds"),
        "both are said: {}",
        answer.text()
    );
    let forks = "import os, threading, time\nfor _ in range(100):\n    try:\n        if os.fork() == 0: time.sleep(60)\n    \
                 except OSError: break\nthreading.Event().wait()";
    let answer = run(server, forks, 3);
    assert_eq!(answer.kind(), "process_limit", "{}", answer.text());
    check_limit(&answer, "pids", 50, "processes", "NATIVE_PIDS_LIMIT");
    // A child was killed, but the program's own work used up the time.
    let busy = "import os\nif os.fork() == 0: x = b'x' * (400 << 20)\nos.wait()\nwhile True: pass";
    assert_eq!(run(server, busy, 3).kind(), "timeout");
    let refused = "import asyncio\nasync def main():\n    server = await asyncio.start_server(print, '127.0.0.1', 9999)\n    \
                   await server.serve_forever()\nasyncio.run(main())";
    let answer = run(server, refused, 2);
    assert!(
        answer.kind() == "timeout" && answer.str("/outcome/hint").contains("`socket`"),
        "{}",
        answer.text()
    );
}

#[test]
fn nothing_printed_before_a_kill_is_lost_or_said_twice() {
    let Some(server) = open_server() else { return };
    let print = "import os, sys, time\nprint('abc')\nprint('no newline', end='')\nsys.stderr.write('part')\n";
    for (end, kind) in [
        ("os.kill(os.getpid(), 9)", "signal"),
        ("os.abort()", "signal"),
        ("import ctypes; ctypes.string_at(0)", "signal"),
        ("x = b'x' * (400 << 20)", "out_of_memory"),
        ("time.sleep(60)", "timeout"),
        ("while True: pass", "timeout"),
        ("os._exit(0)", "exited"),
    ] {
        let answer = run(server, &format!("{print}{end}"), 1);
        let got = (answer.kind(), answer.str("/stdout"), answer.str("/stderr"));
        assert_eq!(got, (kind, "abc\nno newline", "part"), "{end}: {}", answer.text());
    }
    // Killed while it prints as fast as it can: every number once, in order.
    for _ in 0..5 {
        let code = "import os, threading, time\ndef kill():\n    time.sleep(.2)\n    os.kill(os.getpid(), 9)\n\
                    threading.Thread(target=kill).start()\nn = 0\nwhile True:\n    print(n)\n    n += 1";
        let answer = run(server, code, 10);
        let stdout = answer.str("/stdout");
        let (head, tail) = stdout.split_once("[... ").expect("more than is kept");
        for part in [head, tail.split_once(" ...]\n").unwrap().1] {
            let numbers: Vec<u64> = part.lines().filter_map(|line| line.parse().ok()).collect();
            let inner = &numbers[1..numbers.len() - 1];
            assert!(inner.windows(2).all(|pair| pair[1] == pair[0] + 1), "{inner:?}");
        }
    }
}
