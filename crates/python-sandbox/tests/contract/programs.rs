//! A program's surroundings: traceback, standard input, files and environment, and that none of them can be
//! abused.

use crate::open_server;
use crate::support::base64;
use serde_json::json;

#[test]
fn a_traceback_shows_the_programs_lines_and_nothing_of_ours() {
    let Some(server) = open_server() else { return };
    let code = "def divide(a, b):\n    return a / b  # here\n\nprint('x')\ndivide(1, 0)\n";
    let answer = server.program(code);
    let stderr = answer.str("/stderr");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines[0], "Traceback (most recent call last):", "{stderr}");
    assert_eq!(lines[1], "  File \"main.py\", line 5, in <module>", "{stderr}");
    assert_eq!(lines[2].trim(), "divide(1, 0)");
    assert!(stderr.contains("  File \"main.py\", line 2, in divide\n    return a / b  # here"), "{stderr}");
    assert_eq!(lines.last(), Some(&"ZeroDivisionError: division by zero"));
    assert_eq!(stderr.matches("  File ").count(), 2, "no frame of ours: {stderr}");
    for ours in ["runner", "<string>", "agent", "_run", "exec(", "/var/lib", "/work", "site-packages"] {
        assert!(!stderr.contains(ours), "{ours} is in {stderr}");
    }
}

#[test]
fn every_kind_of_traceback_stays_clean() {
    let Some(server) = open_server() else { return };
    for (code, expected, frames) in [
        ("try:\n    1/0\nexcept Exception as e:\n    raise KeyError('k') from e", "direct cause", 2),
        ("try:\n    1/0\nexcept Exception:\n    raise KeyError('k')", "During handling", 2),
        ("raise ExceptionGroup('many', [ValueError(1), TypeError(2)])", "ExceptionGroup: many", 1),
        ("def f():\n    f()\nf()", "RecursionError", 0),
        ("compile('1 +', 'their.py', 'exec')", "SyntaxError: invalid syntax", 0),
        (
            "import threading\nt = threading.Thread(target=lambda: 1/0)\nt.start(); t.join()\nraise SystemExit(1)",
            "ZeroDivisionError",
            0,
        ),
        ("async def f():\n    1/0\nimport asyncio\nasyncio.run(f())", "line 2, in f", 0),
        ("assert 1 == 2, 'no'", "AssertionError: no", 1),
        ("class E(Exception):\n    def __str__(self): 1/0\nraise E()", "E: <exception str() failed>", 1),
        (
            "import sys\nsys.excepthook = lambda *a: print('mine', a[0].__name__, file=sys.stderr)\n1/0",
            "mine ZeroDiv",
            0,
        ),
        ("import json\njson.loads('{')", "json.decoder.JSONDecodeError", 0),
    ] {
        let answer = server.program(code);
        let stderr = answer.str("/stderr");
        assert_eq!(answer.json["exit_code"], 1, "{code}: {}", answer.text());
        assert!(stderr.contains(expected), "{code}: {stderr}");
        assert!(frames == 0 || stderr.matches("File \"main.py\"").count() == frames, "{code}: {stderr}");
        for ours in [
            "_run",
            "_report",
            "_prepare",
            "<string>",
            "namespace)",
            "/var/lib/",
            "/root/",
            env!("CARGO_MANIFEST_DIR"),
        ] {
            assert!(!stderr.contains(ours), "{ours} is in {stderr}");
        }
    }
}

#[test]
fn a_program_is_a_true_main_module() {
    let Some(server) = open_server() else { return };
    let code = "import sys, pickle, dataclasses, inspect, os, typing
@dataclasses.dataclass
class P:
    x: int
assert pickle.loads(pickle.dumps(P(3))) == P(3)
assert inspect.getsource(P).startswith('@dataclasses')
assert typing.get_type_hints(P) == {'x': int}
assert __name__ == '__main__' and sys.modules['__main__'].P is P
assert sys.argv == ['main.py'] and os.path.basename(__file__) == 'main.py'
assert os.getcwd() == '/tmp/output' and os.listdir('.') == []
print('good')";
    assert_eq!(server.output_of(code), "good\n");
    let multi = "from concurrent.futures import ProcessPoolExecutor
def square(n): return n * n
if __name__ == '__main__':
    import multiprocessing
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('fork')) as pool:
        print(list(pool.map(square, range(4))))";
    let answer = server.program(multi);
    assert_eq!(answer.str("/stdout"), "[0, 1, 4, 9]\n", "{}", answer.text());
}

#[test]
fn stdin_is_read_as_it_was_sent() {
    let Some(server) = open_server() else { return };
    let run = |code: &str, stdin: &str| {
        let answer = server.execute(json!({"code": code, "stdin": stdin}));
        assert_eq!(answer.json["success"], true, "{}", answer.text());
        answer.str("/stdout").to_owned()
    };
    assert_eq!(run("print(input(), input())", "a\nb"), "a b\n");
    assert_eq!(
        run("import sys\nprint(repr(sys.stdin.buffer.read()))", "é\0\r\n"),
        "b'\\xc3\\xa9\\x00\\r\\n'\n"
    );
    assert_eq!(run("try: input()\nexcept EOFError: print('end')", ""), "end\n");
    assert_eq!(run("print('not read')", &"x".repeat(1 << 20)), "not read\n");
    assert_eq!(run("import sys\nprint(sys.stdin.isatty())", ""), "False\n");
}

#[test]
fn the_environment_reaches_the_program_and_nothing_before_it() {
    let Some(server) = open_server() else { return };
    let evil = "open('/tmp/output/evil', 'w').write('ran'); print('EVIL')";
    let mut env = serde_json::Map::new();
    // The conformance suite sends the refused ones directly to the executor.
    for name in ["PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE"] {
        env.insert(name.to_owned(), json!("/tmp/output"));
    }
    for (name, value) in [
        ("LD_PRELOAD", "/tmp/output/evil.so"),
        ("LD_LIBRARY_PATH", "/tmp/output"),
        ("LD_AUDIT", "/tmp/output/evil.so"),
        ("PYTHONWARNINGS", "error"),
        ("PYTHONBREAKPOINT", "evil.run"),
        ("PYTHONDEBUG", "1"),
        ("PYTHONDONTWRITEBYTECODE", ""),
        ("PATH", "/tmp/output"),
        ("HOME", "/tmp/output"),
        ("TZ", "Asia/Tokyo"),
        ("BASH_ENV", "/tmp/output/evil"),
        ("GLIBC_TUNABLES", "glibc.malloc.check=3"),
    ] {
        env.insert(name.to_owned(), json!(value));
    }
    // As many as the limit on input files, with a library in a subdirectory.
    let modules =
        ["sitecustomize", "usercustomize", "os", "sys", "json", "signal", "encodings", "site", "codecs"];
    let mut files: serde_json::Map<_, _> =
        modules.iter().map(|name| (format!("{name}.py"), json!(base64(evil.as_bytes())))).collect();
    files.insert("evil.so".to_owned(), json!(base64(b"\x7fELF")));
    let code = "import os, time\nprint(os.environ['LD_PRELOAD'], time.tzname[0])\nraise ValueError('end')";
    let answer = server.execute(json!({"code": code, "env": env, "files": files}));
    assert_eq!(answer.str("/stdout"), "/tmp/output/evil.so JST\n", "{}", answer.text());
    assert!(answer.str("/stderr").ends_with("ValueError: end\n"), "{}", answer.text());
    assert_eq!(answer.json["artifacts"], json!([]), "{}", answer.text());
}

/// As with `python main.py`.
#[test]
fn the_programs_directory_comes_before_pythonpath_and_after_the_settings_of_the_interpreter() {
    let Some(server) = open_server() else { return };
    let answer = server.execute(json!({
        "code": "import helper, other, sys\nprint(helper.place, other.place, sys.path[:2])",
        "env": {"PYTHONPATH": "lib", "PYTHONWARNINGS": "ignore::evil.Warned"},
        "files": {
            "helper.py": base64(b"place = 'beside'\n"),
            "lib/helper.py": base64(b"place = 'lib'\n"),
            "lib/other.py": base64(b"place = 'lib'\n"),
            "evil.py": base64(b"print('EVIL')\nclass Warned(Warning): pass\n"),
        },
    }));
    assert_eq!(answer.str("/stdout"), "beside lib ['/tmp/output', '/tmp/output/lib']\n", "{}", answer.text());
}

#[test]
fn a_module_beside_the_program_is_the_programs_own() {
    let Some(server) = open_server() else { return };
    let answer = server.execute(json!({
        "code": "import helper\nprint(helper.answer())",
        "files": {"helper.py": base64(b"def answer(): return 42\n")},
    }));
    assert_eq!(answer.str("/stdout"), "42\n", "{}", answer.text());
    for name in ["json", "code", "random", "string", "main", "copy", "types"] {
        let answer = server.execute(json!({
            "code": "print(1)\nraise SystemExit(5)",
            "files": {format!("{name}.py"): base64(b"print('EVIL')\n")},
        }));
        assert_eq!(
            (answer.str("/stdout"), &answer.json["exit_code"]),
            ("1\n", &json!(5)),
            "{name}: {}",
            answer.text()
        );
    }
}

/// Formatting a traceback imports modules of the standard library, which must not come from the program's
/// directory.
#[test]
fn a_module_beside_the_program_does_not_shape_its_traceback() {
    let Some(server) = open_server() else { return };
    for name in ["traceback", "linecache", "tokenize", "textwrap", "contextlib", "collections", "re", "ast"] {
        let answer = server.execute(json!({
            "code": "x = 1\nraise ValueError('end')",
            "files": {format!("{name}.py"): base64(b"print('EVIL')\n")},
        }));
        assert_eq!(answer.str("/stdout"), "", "{name}: {}", answer.text());
        let expected = "Traceback (most recent call last):\n  File \"main.py\", line 2, in <module>\n    \
                        raise ValueError('end')\nValueError: end\n";
        assert_eq!(answer.str("/stderr"), expected, "{name}");
    }
    let files = json!({"signal.py": base64(b"print('EVIL')\n"), "ast.py": base64(b"print('EVIL')\n")});
    let interrupted = server.execute(json!({"code": "raise KeyboardInterrupt", "files": files}));
    assert_eq!((interrupted.kind(), interrupted.str("/stdout")), ("signal", ""), "{}", interrupted.text());
    // Part of a line is underlined: CPython parses the line for that.
    let marked = server.execute(json!({"code": "x = {}\nprint(x['a']['b'] + 1)", "files": files}));
    assert_eq!(marked.str("/stdout"), "", "{}", marked.text());
    assert!(marked.str("/stderr").contains("KeyError: 'a'"));
}

#[test]
fn output_is_cut_at_a_character_and_counted_in_bytes() {
    let Some(server) = open_server() else { return };
    // 10,240 bytes are kept; three bytes each: one too many by one byte.
    let answer = server.program("import sys\nsys.stdout.write('文' * 5000)\nsys.stderr.write('é' * 6000)");
    assert_eq!(answer.json["success"], true, "{}", answer.text());
    // 5,120 bytes at each end: partial characters are dropped too.
    let half = "文".repeat(1706);
    assert_eq!(
        answer.str("/stdout"),
        format!("{half}\n[... {} bytes omitted ...]\n{half}", 15_000 - 2 * 5118)
    );
    let half = "é".repeat(2560);
    assert_eq!(answer.str("/stderr"), format!("{half}\n[... 1760 bytes omitted ...]\n{half}"));
    let output = &answer.json["output"];
    let expected = json!({"stdout_bytes": 15000, "stderr_bytes": 12000, "stdout_truncated": true, "stderr_truncated": true});
    assert_eq!(output, &expected);
    let exact = server.program("import sys\nsys.stdout.write('x' * 10240)");
    assert_eq!(
        (exact.str("/stdout").len(), &exact.json["output"]["stdout_truncated"]),
        (10_240, &json!(false))
    );
    let over = server.program("import sys\nsys.stdout.write('x' * 10241)");
    let half = "x".repeat(5120);
    assert_eq!(over.str("/stdout"), format!("{half}\n[... 1 bytes omitted ...]\n{half}"));
    assert_eq!(over.json["output"]["stdout_truncated"], true);
    let flood = server.program("for _ in range(20_000): print('x' * 999)");
    assert_eq!(flood.json["success"], true, "a flood does not kill: {}", flood.text());
    assert_eq!(flood.json["output"]["stdout_bytes"], 20_000_000);
}

#[test]
fn bytes_that_are_not_utf8_become_replacement_characters() {
    let Some(server) = open_server() else { return };
    let answer =
        server.program("import os\nos.write(1, b'a\\xff\\xfeb\\x00c\\xe6\\x96')\nos.write(2, b'\\xc3(')");
    assert_eq!(answer.str("/stdout"), "a\u{fffd}\u{fffd}b\0c\u{fffd}");
    assert_eq!(answer.str("/stderr"), "\u{fffd}(");
    assert_eq!(answer.json["output"]["stdout_bytes"], 8);
    let surrogate = server.program("print(chr(0xd800))");
    assert!(surrogate.str("/stderr").contains("UnicodeEncodeError"), "{}", surrogate.text());
}

#[test]
fn nothing_of_one_run_is_there_in_the_next() {
    let Some(server) = open_server() else { return };
    // `/dev/shm` and `/var/tmp` lead to `/tmp`, the only directory that a program may write to.
    let leave = "import os
for directory in ('/tmp', '/dev/shm', '/var/tmp', '.'):
    open(directory + '/left', 'w').write('x')
for directory in ('/', '/usr/lib', '/etc', '/run', '/var', '/dev', '/proc', '/sys'):
    try:
        open(directory + '/left', 'w').write('x')
        print('WROTE', directory)
    except OSError:
        pass
if os.fork() == 0:
    import time
    os.setsid()
    time.sleep(30)";
    assert_eq!(server.output_of(leave), "");
    let look = "import os
for directory in ('/tmp', '/dev/shm', '/var/tmp', '/tmp/output'):
    print('left' in os.listdir(directory), end=' ')
print(os.listdir('.'), set(p for p in os.listdir('/proc') if p.isdigit()) <= {'1', str(os.getpid())})";
    assert_eq!(server.output_of(look), "False False False False [] True\n");
}

#[test]
fn what_was_not_closed_is_written() {
    let Some(server) = open_server() else { return };
    let code = "import bz2, csv, gzip, io, lzma, tarfile, zipfile
def total(numbers): return sum(numbers)
f = open('report.txt', 'w')
f.write('total: %d\\n' % total([1, 2]))
g = gzip.open('a.gz', 'wt'); g.write('gzip')
b = bz2.open('a.bz2', 'wt'); b.write('bz2')
l = lzma.open('a.xz', 'wt'); l.write('lzma')
u = open('u.txt', 'w', encoding='utf-16'); u.write('hi')
w = csv.writer(open('c.csv', 'w', newline='')); w.writerow([1, 2, 3])
z = zipfile.ZipFile('a.zip', 'w'); z.writestr('a', 'zip')
n = io.TextIOWrapper(gzip.GzipFile(fileobj=open('n.gz', 'wb'), mode='wb'), encoding='utf-8'); n.write('nested')
cycle = [open('cycle.txt', 'w')]; cycle.append(cycle); cycle[0].write('cycle')
import json
json.held = open('held.txt', 'w'); json.held.write('held')
print('saved')";
    let answer = server.program(code);
    assert_eq!(
        (answer.json["success"].as_bool(), answer.str("/stdout")),
        (Some(true), "saved\n"),
        "{}",
        answer.text()
    );
    let sizes: Vec<(&str, u64)> = answer.json["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["path"].as_str().unwrap(), file["size_bytes"].as_u64().unwrap()))
        .collect();
    for (name, least) in [
        ("report.txt", 9),
        ("a.gz", 24),
        ("a.bz2", 40),
        ("a.xz", 60),
        ("u.txt", 6),
        ("c.csv", 7),
        ("a.zip", 100),
        ("n.gz", 26),
        ("cycle.txt", 5),
        ("held.txt", 4),
    ] {
        assert!(sizes.iter().any(|&(path, size)| path == name && size >= least), "{name} of {sizes:?}");
    }
}

#[test]
fn the_program_is_a_file_that_is_no_output_and_hides_nothing() {
    let Some(server) = open_server() else { return };
    let code = "import inspect, linecache, os, sys
def f():
    return 1  # here
assert open(__file__).read().startswith('import inspect')
assert __file__ == '/run/program/main.py' and os.listdir('.') == []
assert inspect.getsource(f).endswith('# here\\n') and linecache.getline(__file__, 2) == 'def f():\\n'
assert sys.path[0] == os.getcwd() == '/tmp/output'
try: open(__file__, 'w')
except OSError: pass
else: raise AssertionError('it can be written to')
import multiprocessing as mp
def square(n): return n * n
if __name__ == '__main__':
    with mp.get_context('spawn').Pool(2) as pool: print(pool.map(square, range(3)))";
    let answer = server.program(code);
    assert_eq!(
        (answer.str("/stdout"), &answer.json["artifacts"]),
        ("[0, 1, 4]\n", &json!([])),
        "{}",
        answer.text()
    );
    // An input file with its name is an ordinary file, and a module.
    let files = json!({"main.py": base64(b"value = 7\n# not the program\n")});
    let answer =
        server.execute(json!({"code": "import main\nprint(main.value)\n1/0  # the program", "files": files}));
    assert_eq!(answer.str("/stdout"), "7\n", "{}", answer.text());
    assert!(answer.str("/stderr").contains("1/0  # the program"), "{}", answer.text());
    for (code, line) in [
        (
            "import threading\ndef f():\n    {}['missing']  # here\nthreading.Thread(target=f).start()",
            "{}['missing']  # here",
        ),
        ("import atexit\n@atexit.register\ndef f():\n    {}['missing']  # here", "{}['missing']  # here"),
        ("import warnings\nwarnings.warn('careful')  # here", "warnings.warn('careful')  # here"),
    ] {
        let answer = server.program(code);
        assert!(answer.str("/stderr").contains(line), "{code}: {}", answer.text());
    }
}

#[test]
fn no_frame_of_ours_is_seen() {
    let Some(server) = open_server() else { return };
    let code = "import inspect, sys, traceback
print(len(inspect.stack()), sys._getframe().f_back, len(traceback.extract_stack()))
import logging
logging.warning('x', stack_info=True)
import atexit
atexit.register(lambda: print(sys._getframe().f_back))
class D:
    def __del__(self): print(sys._getframe().f_back)
d = D(); d.me = d";
    let answer = server.program(code);
    assert_eq!(answer.str("/stdout"), "1 None 1\nNone\nNone\n", "{}", answer.text());
    assert_eq!(answer.str("/stderr").matches("File \"").count(), 1, "{}", answer.text());
}

#[test]
fn streams_are_what_they_are_elsewhere() {
    let Some(server) = open_server() else { return };
    let code = "import io, os, pwd, sys, getpass, platform
assert isinstance(sys.stdout.buffer, io.BufferedWriter) and isinstance(sys.stdout.buffer.raw, io.FileIO)
assert (sys.stdout.name, sys.stdout.mode, sys.stdout.line_buffering) == ('<stdout>', 'w', False)
assert sys.stderr.errors == 'backslashreplace' and sys.stderr.line_buffering
assert open('/dev/stdin').read() == 'words'
open('/dev/stderr', 'w').write('to stderr')
open('/dev/fd/1', 'w').close()
assert pwd.getpwuid(os.getuid()).pw_name == getpass.getuser() == 'sandbox'
import pathlib; p = pathlib.Path('f'); p.touch(); assert (p.owner(), p.group()) == ('sandbox', 'sandbox')
assert platform.node() == os.uname().nodename == 'sandbox'
print('a', end='')
if os.fork() == 0: os._exit(0)
os.wait()
print('b')";
    let answer = server.execute(json!({"code": code, "stdin": "words"}));
    assert_eq!((answer.str("/stdout"), answer.str("/stderr")), ("ab\n", "to stderr"), "{}", answer.text());
    let handler = "import signal
signal.signal(signal.SIGALRM, lambda *a: None)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for i in range(20): print('x' * 999_999)
signal.setitimer(signal.ITIMER_REAL, 0)";
    let answer = server.program(handler);
    assert_eq!(
        answer.json["output"]["stdout_bytes"],
        20_000_000,
        "a handler that runs costs no byte: {}",
        answer.text()
    );
    // Threads and forks: lines stay whole.
    let lines = "import os, threading
def work(n):
    for i in range(50): print('task', n, i, 'done')
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
for n in range(4, 8):
    if os.fork() == 0:
        work(n); os._exit(0)
for _ in range(4): os.wait()";
    let answer = server.program(lines);
    let stdout = answer.str("/stdout");
    assert_eq!(stdout.lines().count(), 400, "{}", answer.text());
    assert!(
        stdout.lines().all(|line| line.starts_with("task ") && line.ends_with(" done")),
        "{}",
        answer.text()
    );
}

#[test]
fn threads_that_print_hold_up_no_fork_and_say_nothing_twice() {
    let Some(server) = open_server() else { return };
    let forks = "import os, sys, threading, time
def work():
    while True: print('x' * 2000)
for _ in range(4): threading.Thread(target=work, daemon=True).start()
hung = 0
for _ in range(30):
    child = os.fork()
    if child == 0:
        print('child')
        os._exit(0)
    until = time.monotonic() + 5
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > until: hung += 1; break
        time.sleep(0.002)
sys.stderr.write(str(hung))
os._exit(0)";
    let answer = server.program(forks);
    assert_eq!(answer.str("/stderr"), "0", "{}", answer.text());
    let lines = "import os, sys, threading, time
def work(k):
    for i in range(1 << 30): sys.stdout.write(f'{k} {i}\\n')
for k in range(4): threading.Thread(target=work, args=(k,), daemon=True).start()
time.sleep(0.5)
os._exit(0)";
    for _ in 0..3 {
        let answer = server.program(lines);
        let (_, tail) = answer.str("/stdout").split_once(" omitted ...]\n").expect("more than is kept");
        let mut seen: Vec<&str> = tail.lines().skip(1).collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert!(count > 100 && seen.len() == count, "{} of {count}: {}", seen.len(), answer.text());
    }
}

#[test]
fn a_template_tells_nothing_of_itself() {
    let Some(server) = open_server() else { return };
    let code = "import pandas, logging, threading, platform
logging.basicConfig(format='%(relativeCreated)d')
logging.error('')
print(platform.node(), threading.main_thread().native_id == threading.get_native_id())";
    let answer = server.program(code);
    assert_eq!(answer.str("/stdout"), "sandbox True\n", "{}", answer.text());
    let age: u64 = answer.str("/stderr").trim().parse().expect("milliseconds");
    assert!(age < 10_000, "the program's own age, not the template's: {age}");
}

#[test]
fn figures_that_are_shown_are_files() {
    let Some(server) = open_server() else { return };
    let code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nplt.figure()\nplt.figure()\nplt.show()";
    for code in [code.to_owned(), format!("import matplotlib\nmatplotlib.use('Agg')\n{code}")] {
        let answer = server.program(&code);
        let names: Vec<_> =
            answer.json["artifacts"].as_array().unwrap().iter().map(|file| file["path"].clone()).collect();
        assert_eq!(names, ["figure-1.png", "figure-2.png", "figure-3.png"], "{}", answer.text());
        assert_eq!(answer.str("/stderr"), "");
    }
}
