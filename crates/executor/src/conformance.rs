//! One suite that every executor must pass: the contract of a sandbox, checked through the trait alone.
//!
//! Each check is a program and what its answer must be. [`run`] runs them all and returns what failed, so a
//! back end's own test is three lines. Hostile programs are not here: they are the corpus.

use crate::{ExecRequest, ExecResult, Executor, InputFile, OutcomeKind, RunErrorKind};
use bytes::Bytes;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// More than the default limits of a sandbox hold.
const INPUT_TOO_LARGE_BYTES: usize = 100 << 20;

type Expectation = fn(&ExecResult) -> bool;

/// One check.
struct Check {
    name: &'static str,
    request: ExecRequest,
    expect: Expectation,
}

fn check(name: &'static str, code: &str, expect: Expectation) -> Check {
    Check { name, request: request(code), expect }
}

/// With time for a host that is slow: it is there for what hangs.
fn request(code: &str) -> ExecRequest {
    let mut request = ExecRequest { code: code.to_owned(), ..ExecRequest::default() };
    request.limits.wall_time = Duration::from_secs(30);
    request
}

/// A program prints, ends and fails as it would under CPython alone, and the answer says how.
fn checks_of_answers() -> Vec<Check> {
    vec![
        check(
            "what was not closed is written",
            "import bz2\ndef total(x): return sum(x)\nf = open('a.txt', 'w')\nf.write('total: %d\\n' % total([1, 2]))\n\
             g = bz2.open('b.bz2', 'wt')\ng.write('x')\nclass D:\n    def __del__(self): print('end', total([3]))\nd = D()",
            |r| {
                let sizes: Vec<_> = r.files.iter().map(|file| file.content.len()).collect();
                r.stdout.text == "end 3\n" && sizes.len() == 2 && sizes[0] == 9 && sizes[1] > 20
            },
        ),
        check("an exception is told", "def f():\n    raise ValueError('a\\nb')\n\nf()", |r| {
            r.outcome.exception.as_ref().is_some_and(|exception| {
                (exception.type_name.as_str(), exception.message.as_str(), exception.line)
                    == ("ValueError", "a", Some(2))
            }) && r.outcome.message.as_deref() == Some("the program ended with ValueError: a")
        }),
        check("the text of an exit is told", "raise SystemExit('no rows')", |r| {
            r.outcome.message.as_deref() == Some("the program exited with code 1: no rows")
        }),
        check(
            "words are no verdict",
            "import sys\nsys.stderr.write('OSError: [Errno 28] No space left on device\\n')\nsys.exit(1)",
            |r| r.outcome.kind == OutcomeKind::Exited && r.outcome.limit.is_none(),
        ),
        check("a hint", "import urllib.request\nurllib.request.urlopen('http://example.invalid')", |r| {
            r.outcome.hint.as_deref().is_some_and(|hint| hint.contains("no network"))
        }),
        check(
            "the program is a file",
            "import inspect, os, sys\ndef f(): return 1\nassert open(__file__).read().startswith('import')\n\
             assert not __file__.startswith('/tmp/output') and os.listdir('.') == [] and sys.path[0] == os.getcwd()\n\
             print(len(inspect.stack()), sys._getframe().f_back)",
            |r| r.stdout.text == "1 None\n",
        ),
        check(
            "a user with a name",
            // A root file system of the operator's own has names of its own.
            "import getpass, os, pwd\nif not os.path.islink('/etc/passwd'): print('sandbox sandbox sandbox')\n\
             else: print(pwd.getpwuid(os.getuid()).pw_name, getpass.getuser(), os.uname().nodename)",
            |r| r.stdout.text == "sandbox sandbox sandbox\n",
        ),
        check(
            "no byte is lost to a signal handler",
            "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\n\
             signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)\nfor i in range(4): print('x' * 999_999)\n\
             signal.setitimer(signal.ITIMER_REAL, 0)",
            |r| r.success() && r.stdout.bytes == 4_000_000,
        ),
        check(
            "a fork writes nothing twice",
            "import os\nprint('a', end='')\nif os.fork() == 0: os._exit(0)\nos.wait()\nprint('b')",
            |r| r.stdout.text == "ab\n",
        ),
        check("a file beside the output is mentioned", "open('/tmp/result.csv', 'w').write('x')", |r| {
            r.skipped.iter().any(|entry| {
                (entry.path.as_str(), entry.reason.as_str()) == ("/tmp/result.csv", "not_in_output")
            })
        }),
        check(
            "a worker out of memory",
            "import multiprocessing as mp\ndef f(n):\n    x = b'x' * (400 << 20) if n == 0 else 1\n    return n\n\
             with mp.Pool(2) as p: print(p.map(f, range(2)))",
            |r| {
                r.outcome.kind == OutcomeKind::OutOfMemory
                    && r.outcome.limit.as_ref().is_some_and(|limit| limit.name == "memory")
            },
        ),
    ]
}

fn checks() -> Vec<Check> {
    let mut checks = checks_of_answers();
    checks.extend([
        check("stdout", "print('hi')", |r| {
            r.success() && r.stdout.text == "hi\n" && r.stderr.text.is_empty()
        }),
        check("unicode", "print('日本 é 😀')", |r| r.stdout.text == "日本 é 😀\n"),
        check("exit code", "import sys; sys.exit(3)", |r| {
            r.exit_code == 3 && !r.success() && r.outcome.kind == OutcomeKind::Exited
        }),
        check("exit 137 is no kill", "import sys; sys.exit(137)", |r| {
            r.exit_code == 137 && r.outcome.kind == OutcomeKind::Exited
        }),
        check("exit with words", "raise SystemExit('words')", |r| {
            r.exit_code == 1 && r.stderr.text == "words\n"
        }),
        check("traceback", "x = 1\n\ndef f():\n    return x / 0\n\nf()\n", |r| {
            r.exit_code == 1
                && r.stderr.text.contains("File \"main.py\", line 6")
                && r.stderr.text.contains("File \"main.py\", line 4, in f")
                && r.stderr.text.contains("return x / 0")
                && r.stderr.text.ends_with("ZeroDivisionError: division by zero\n")
                && r.stderr.text.matches("File ").count() == 2
        }),
        check("syntax error", "x = (\n", |r| {
            r.exit_code == 1 && r.stderr.text.contains("main.py") && r.stderr.text.contains("SyntaxError")
        }),
        check("signal", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)", |r| {
            r.exit_code == 143 && r.outcome.kind == OutcomeKind::Signal && r.outcome.signal == Some(15)
        }),
        check(
            "true main",
            "import pickle\nclass C: pass\nprint(__name__, type(pickle.loads(pickle.dumps(C()))).__name__)",
            |r| r.stdout.text == "__main__ C\n",
        ),
        check(
            "source of a function",
            "import inspect\ndef f():\n    return 41\nprint(inspect.getsource(f))",
            |r| r.stdout.text.contains("return 41"),
        ),
        check(
            "output without newline survives a kill",
            "import os\nprint('partial', end='')\nos.kill(os.getpid(), 9)",
            |r| r.stdout.text == "partial" && r.exit_code == 137 && r.outcome.kind == OutcomeKind::Signal,
        ),
        check("fresh working directory", "import os; print(os.getcwd(), os.listdir('.'))", |r| {
            r.stdout.text == "/tmp/output []\n"
        }),
        check(
            "output file",
            "import os\nos.mkdir('d')\nopen('d/a.txt','w').write('x')\nopen('/tmp/b','w').write('no')",
            |r| r.files.len() == 1 && r.files[0].path == "d/a.txt" && &r.files[0].content[..] == b"x",
        ),
        check("files after a failure", "open('a','w').write('x')\nraise ValueError", |r| {
            r.exit_code == 1 && r.files.len() == 1
        }),
        check("symlink is skipped", "import os; os.symlink('/etc/passwd', 'l')", |r| {
            r.files.is_empty() && r.skipped.len() == 1 && r.skipped[0].reason.as_str() == "symlink"
        }),
        check(
            "end when the program ends",
            "import os, time\nif os.fork() == 0:\n    time.sleep(60)\nprint('parent')",
            |r| r.success() && r.usage.wall_time < Duration::from_secs(5),
        ),
        check("no network", "import socket; socket.socket()", |r| {
            r.outcome.kind == OutcomeKind::DeniedSyscall || r.exit_code == 1
        }),
        check(
            "sockets of its own",
            "import asyncio
async def serve(reader, writer):
    writer.write((await reader.readline()).upper())
    await writer.drain()
    writer.close()
async def main():
    async with await asyncio.start_unix_server(serve, 's'):
        reader, writer = await asyncio.open_unix_connection('/tmp/output/s')
        writer.write(b'hello\\n')
        print(await reader.read())
        writer.close()
asyncio.run(main())
import os, socket
left = socket.socket(socket.AF_UNIX)
left.bind('left')",
            |r| {
                r.stdout.text == "b'HELLO\\n'\n"
                    && r.files.is_empty()
                    && r.skipped.iter().any(|file| file.path == "left" && file.reason.as_str() == "socket")
            },
        ),
        check("empty standard input", "import sys; print(repr(sys.stdin.read()))", |r| {
            r.stdout.text == "''\n"
        }),
        check("lone carriage return", "a = 1\rprint(a)\r", |r| r.stdout.text == "1\n"),
        check("atexit runs", "import atexit; atexit.register(print, 'bye')", |r| r.stdout.text == "bye\n"),
    ]);
    checks.push(with(
        "standard input",
        "print(input()[::-1])",
        |r| r.stdout.text == "cba\n",
        |request| {
            request.stdin = Bytes::from_static(b"abc\n");
        },
    ));
    checks.push(with(
        "input file",
        "print(open('in/a.txt').read())",
        |r| r.stdout.text == "data\n" && r.files.is_empty(),
        |request| {
            request.files = vec![InputFile { path: "in/a.txt".into(), content: Bytes::from_static(b"data") }];
        },
    ));
    checks.push(with(
        "input files that do not fit",
        "print('ran')",
        // An executor without such a limit runs it.
        |r| match r.outcome.kind {
            OutcomeKind::DiskLimit => {
                r.exit_code == 1 && r.stdout.text.is_empty() && r.outcome.limit.is_some()
            }
            OutcomeKind::OutOfMemory => r.exit_code == 137 && r.stdout.text.is_empty(),
            _ => r.success(),
        },
        |request| {
            let content = Bytes::from(vec![0; INPUT_TOO_LARGE_BYTES]);
            request.files = vec![
                InputFile { path: "small".into(), content: Bytes::from_static(b"x") },
                InputFile { path: "large/file".into(), content },
            ];
        },
    ));
    checks.push(with(
        "changed input file",
        "open('a','a').write('+')\nopen('b').read()\nimport os; os.rename('c', 'd')",
        |r| {
            r.files
                .iter()
                .map(|f| (f.path.as_str(), &f.content[..]))
                .eq([("a", &b"x+"[..]), ("d", &b"x"[..])])
        },
        |request| {
            let content = Bytes::from_static(b"x");
            request.files =
                ["a", "b", "c"].map(|path| InputFile { path: path.into(), content: content.clone() }).into();
        },
    ));
    checks.push(with(
        "environment",
        "import os; print(os.environ['X'])",
        |r| r.stdout.text == "y z\n",
        |request| {
            request.env = vec![("X".into(), "y z".into())];
        },
    ));
    checks.push(with(
        "environment shapes nothing before the program",
        "import os\nprint(os.environ['PYTHONHOME'])\nraise ValueError('end')",
        |r| {
            r.stdout.text == "/tmp/output\n"
                && r.stderr.text.ends_with("ValueError: end\n")
                && r.stderr.text.matches("File ").count() == 1
                && r.files.is_empty()
        },
        |request| {
            for name in ["PATH", "HOME", "USERBASE", "PLATLIBDIR", "STARTUP"] {
                request.env.push((format!("PYTHON{name}"), "/tmp/output".into()));
            }
            for (name, value) in [
                ("LD_PRELOAD", "/tmp/output/os.py"),
                ("LD_AUDIT", "/tmp/output/os.py"),
                ("LD_LIBRARY_PATH", "/tmp/output"),
                ("PYTHONINSPECT", "1"),
                ("PYTHONVERBOSE", "1"),
                ("PYTHONDEBUG", "1"),
                ("PYTHONOPTIMIZE", "2"),
                ("PYTHONUTF8", "0"),
                ("PYTHONWARNINGS", "error"),
                ("PYTHONMALLOC", "debug"),
            ] {
                request.env.push((name.into(), value.into()));
            }
            let names =
                ["sitecustomize", "usercustomize", "os", "warnings", "traceback", "encodings", "codecs"];
            let content = Bytes::from_static(b"open('/tmp/output/evil', 'w'); print('EVIL')");
            let file = |name| InputFile { path: format!("{name}.py"), content: content.clone() };
            request.files = names.map(file).into();
        },
    ));
    checks.push(with(
        "environment of the interpreter that works afterwards",
        "import breaks, sys, tracemalloc, warnings\nbreakpoint()\nwarnings.warn('x')\n\
         print(tracemalloc.get_traceback_limit(), sys.get_int_max_str_digits(), sys.stdout.errors)\n\
         print('\\ud800')",
        |r| r.success() && r.stdout.text == "found\n3 700 replace\n?\n" && r.stderr.text.is_empty(),
        |request| {
            for (name, value) in [
                ("PATH", "lib"),
                ("WARNINGS", "ignore"),
                ("BREAKPOINT", "0"),
                ("FAULTHANDLER", "1"),
                ("TRACEMALLOC", "3"),
                ("INTMAXSTRDIGITS", "700"),
                ("IOENCODING", "utf-8:replace"),
            ] {
                request.env.push((format!("PYTHON{name}"), value.into()));
            }
            let content = Bytes::from_static(b"print('found')");
            request.files = vec![InputFile { path: "lib/breaks.py".into(), content }];
        },
    ));
    checks.push(with(
        "timeout",
        "print('before')\nwhile True: pass",
        |r| {
            r.exit_code == 124
                && r.outcome.kind == OutcomeKind::Timeout
                && r.stdout.text == "before\n"
                && r.usage.wall_time < Duration::from_secs(3)
        },
        |request| request.limits.wall_time = Duration::from_secs(1),
    ));
    checks.push(with(
        "output cap",
        "print('é' * 1000)",
        |r| {
            let (head, tail) = ("é".repeat(25), "é".repeat(24));
            let kept = format!("{head}\n[... 1902 bytes omitted ...]\n{tail}\n");
            r.success() && r.stdout.truncated && r.stdout.bytes == 2001 && r.stdout.text == kept
        },
        |request| request.limits.output_bytes_max = 101,
    ));
    checks.push(with(
        "output limit",
        "while True: print('x' * 1000)",
        |r| r.outcome.kind == OutcomeKind::OutputLimit,
        |request| {
            request.limits.output_total_bytes_max = 1 << 20;
        },
    ));
    checks.push(with(
        "too many files",
        "for i in range(4): open(str(i), 'w').write('x')",
        |r| r.files.len() == 2 && r.skipped.len() == 2 && r.skipped[0].reason.as_str() == "too_many",
        |request| request.limits.file_count_max = 2,
    ));
    checks
}

fn with(name: &'static str, code: &str, expect: Expectation, change: impl FnOnce(&mut ExecRequest)) -> Check {
    let mut check = check(name, code, expect);
    change(&mut check.request);
    check
}

/// Runs every check on `executor` and returns a line for each that failed.
pub async fn run(executor: &dyn Executor) -> Vec<String> {
    let mut failures = Vec::new();
    for Check { name, request, expect } in checks() {
        match exec(executor, request, CancellationToken::new()).await {
            Ok(result) if expect(&result) => {}
            Ok(result) => failures.push(format!("{name}: {result:?}")),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    if let Err(text) = sandboxes_share_no_socket(executor).await {
        failures.push(format!("sockets of another sandbox: {text}"));
    }
    for delay in [Duration::from_millis(500), Duration::ZERO] {
        if let Err(text) = cancelling_ends_the_program(executor, delay).await {
            failures.push(format!("cancel after {delay:?}: {text}"));
        }
    }
    for (paths, step) in [(["a", "a/b"], "a file for a directory"), (["a/b", "a/b"], "a file twice")] {
        if let Err(text) = a_path_that_cannot_be_is_the_requests_fault(executor, paths).await {
            failures.push(format!("{step} among the input files: {text}"));
        }
    }
    failures
}

/// Number of checks in the suite.
#[must_use]
pub fn count() -> usize {
    checks().len() + 5
}

async fn a_path_that_cannot_be_is_the_requests_fault(
    executor: &dyn Executor,
    paths: [&str; 2],
) -> Result<(), String> {
    let files = paths.map(|path| InputFile { path: path.into(), content: Bytes::from_static(b"x") }).into();
    let request = ExecRequest { files, ..request("print('ran')") };
    let mut sandbox = executor.create(&request.hints()).await.map_err(|error| error.chain())?;
    let result = sandbox.exec(request, CancellationToken::new()).await;
    sandbox.destroy().await;
    match result {
        Err(error) if error.kind == RunErrorKind::Request && !error.program_started => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

async fn exec(
    executor: &dyn Executor,
    request: ExecRequest,
    cancel: CancellationToken,
) -> Result<ExecResult, String> {
    let mut sandbox = executor.create(&request.hints()).await.map_err(|error| error.chain())?;
    let result = sandbox.exec(request, cancel).await.map_err(|error| error.chain());
    sandbox.destroy().await;
    result
}

/// One listens, another, at the same time, looks for it by path and by name.
async fn sandboxes_share_no_socket(executor: &dyn Executor) -> Result<(), String> {
    const LISTENS: &str = "import select, socket, time
listeners = [socket.socket(socket.AF_UNIX) for _ in range(3)]
for listener, name in zip(listeners, ['/tmp/met', '/tmp/output/met', '\\0met']):
    listener.bind(name)
    listener.listen()
print(len(select.select(listeners, [], [], 4)[0]))";
    const CONNECTS: &str = "import os, socket, time
doors = [f'/proc/{pid}/root' for pid in os.listdir('/proc') if pid.isdigit()] + ['', '/proc/1/root', '/proc/1/cwd/..']
for _ in range(20):
    for name in [door + path for door in doors for path in ('/tmp/met', '/tmp/output/met')] + ['\\0met']:
        try:
            socket.socket(socket.AF_UNIX).connect(name)
            print('met', ascii(name))
        except OSError:
            pass
    time.sleep(0.1)
print('none')";
    let mut first = executor.create(&request(LISTENS).hints()).await.map_err(|error| error.chain())?;
    let mut second = executor.create(&request(CONNECTS).hints()).await.map_err(|error| error.chain())?;
    let (listens, connects) = tokio::join!(
        first.exec(request(LISTENS), CancellationToken::new()),
        second.exec(request(CONNECTS), CancellationToken::new())
    );
    first.destroy().await;
    second.destroy().await;
    let (listens, connects) =
        (listens.map_err(|error| error.chain())?, connects.map_err(|error| error.chain())?);
    if listens.stdout.text == "0\n" && connects.stdout.text == "none\n" {
        return Ok(());
    }
    Err(format!("{listens:?} {connects:?}"))
}

/// Without a delay it comes together with the program.
async fn cancelling_ends_the_program(executor: &dyn Executor, delay: Duration) -> Result<(), String> {
    let cancel = CancellationToken::new();
    let request = request("print('on', flush=True)\nwhile True: pass");
    let stop = cancel.clone();
    let (result, ()) = tokio::join!(exec(executor, request, cancel), async move {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        stop.cancel();
    });
    let result = result?;
    match result.outcome.kind {
        OutcomeKind::Cancelled if result.usage.wall_time < Duration::from_secs(5) => Ok(()),
        _ => Err(format!("{result:?}")),
    }
}
