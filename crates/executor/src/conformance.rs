//! The conformance suite of executors: the contract of a sandbox, checked through the trait alone.
//!
//! Each check is a program and a condition on its answer. [`run`] runs them all and returns the failures, so
//! an executor's own test is three lines. Hostile programs are not here: they are in the corpus.

use crate::conformance_files;
use crate::guest::Execution;
use crate::note::{Record, Role};
use crate::{
    Collected, Control, Event, EventSink, ExecRequest, ExecResult, Executor, FreezeError, Freshness, Hints,
    InputFile, Limit, OutcomeKind, PeakScope, RunErrorKind, Sandbox,
};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::time::Duration;

/// Programs that run elsewhere while an agent is frozen: one that is not frozen would have answered long
/// since.
const ROUNDS_WHILE_FROZEN: usize = 3;

/// More than a sandbox with the default limits can hold.
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

/// Generous, for slow hosts: it only catches programs that hang.
fn request(code: &str) -> ExecRequest {
    let mut request = ExecRequest { code: code.into(), ..ExecRequest::default() };
    request.limits.wall_time = Duration::from_secs(30);
    request
}

/// A program prints, ends and fails as under CPython alone, and the answer says how.
fn checks_of_answers() -> Vec<Check> {
    vec![
        check(
            "files left open are written",
            "import bz2\ndef total(x): return sum(x)\nf = open('a.txt', 'w')\nf.write('total: %d\\n' % total([1, 2]))\n\
             g = bz2.open('b.bz2', 'wt')\ng.write('x')\nclass D:\n    def __del__(self): print('end', total([3]))\nd = D()",
            |r| {
                let sizes: Vec<_> = r.files.iter().map(|file| file.content.len()).collect();
                r.stdout.text == "end 3\n" && sizes.len() == 2 && sizes[0] == 9 && sizes[1] > 20
            },
        ),
        check("an exception is reported", "def f():\n    raise ValueError('a\\nb')\n\nf()", |r| {
            r.verdict.exception().is_some_and(|exception| {
                (exception.type_name.as_str(), exception.text.as_str(), exception.line)
                    == ("ValueError", "a", Some(2))
            })
        }),
        check("the text of an exit is reported", "raise SystemExit('no rows')", |r| {
            r.verdict.note.first(Role::Exit).is_some_and(|exit| exit.text == "no rows")
        }),
        check(
            "text on stderr does not decide the verdict",
            "import sys\nsys.stderr.write('OSError: [Errno 28] No space left on device\\n')\nsys.exit(1)",
            |r| r.kind() == OutcomeKind::Exited && r.verdict.limit.is_none(),
        ),
        check(
            "the module that raised is reported",
            "import urllib.request\nurllib.request.urlopen('http://example.invalid')",
            |r| r.verdict.note.exceptions().any(|record| record.type_name.ends_with("gaierror")),
        ),
        check(
            "the program is a file",
            "import inspect, os, sys\ndef f(): return 1\nassert open(__file__).read().startswith('import')\n\
             assert not __file__.startswith('/tmp/output') and os.listdir('.') == [] and sys.path[0] == os.getcwd()\n\
             print(len(inspect.stack()), sys._getframe().f_back)",
            |r| r.stdout.text == "1 None\n",
        ),
        check(
            "a user with a name",
            // An operator's own root file system has its own names.
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
        check("a file outside the output is mentioned", "open('/tmp/result.csv', 'w').write('x')", |r| {
            r.skipped.iter().any(|entry| {
                (entry.path.as_str(), entry.reason.as_str()) == ("/tmp/result.csv", "not_in_output")
            })
        }),
        check(
            "a worker out of memory",
            "import multiprocessing as mp\ndef f(n):\n    x = b'x' * (400 << 20) if n == 0 else 1\n    return n\n\
             with mp.Pool(2) as p: print(p.map(f, range(2)))",
            |r| {
                r.kind() == OutcomeKind::OutOfMemory
                    && r.verdict.limit.is_some_and(|limit| limit.limit == Limit::Memory)
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
            r.verdict.exit_code == 3 && !r.success() && r.kind() == OutcomeKind::Exited
        }),
        check("exit 137 is not a kill", "import sys; sys.exit(137)", |r| {
            r.verdict.exit_code == 137 && r.kind() == OutcomeKind::Exited
        }),
        check("exit with a text", "raise SystemExit('words')", |r| {
            r.verdict.exit_code == 1 && r.stderr.text == "words\n"
        }),
        check("traceback", "x = 1\n\ndef f():\n    return x / 0\n\nf()\n", |r| {
            r.verdict.exit_code == 1
                && r.stderr.text.contains("File \"main.py\", line 6")
                && r.stderr.text.contains("File \"main.py\", line 4, in f")
                && r.stderr.text.contains("return x / 0")
                && r.stderr.text.ends_with("ZeroDivisionError: division by zero\n")
                && r.stderr.text.matches("File ").count() == 2
        }),
        check("syntax error", "x = (\n", |r| {
            r.verdict.exit_code == 1
                && r.stderr.text.contains("main.py")
                && r.stderr.text.contains("SyntaxError")
        }),
        check("signal", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)", |r| {
            r.verdict.exit_code == 143 && r.kind() == OutcomeKind::Signal && r.verdict.signal() == Some(15)
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
            |r| r.stdout.text == "partial" && r.verdict.exit_code == 137 && r.kind() == OutcomeKind::Signal,
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
            r.verdict.exit_code == 1 && r.files.len() == 1
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
            // Without notification the blocked call is not named, but its errno is.
            let refused =
                |exception: &Record| exception.type_name == "PermissionError" && exception.errno == 1;
            r.kind() == OutcomeKind::DeniedSyscall || r.verdict.exception().is_some_and(refused)
        }),
        check(
            "its own sockets",
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
        |r| match r.kind() {
            OutcomeKind::DiskLimit => {
                r.verdict.exit_code == 1 && r.stdout.text.is_empty() && r.verdict.limit.is_some()
            }
            OutcomeKind::OutOfMemory => r.verdict.exit_code == 137 && r.stdout.text.is_empty(),
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
        "environment changes nothing before the program",
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
            r.verdict.exit_code == 124
                && r.kind() == OutcomeKind::Timeout
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
        |r| r.kind() == OutcomeKind::OutputLimit,
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
        match exec(executor, &request, &Control::default()).await {
            Ok(result) if expect(&result) => {}
            Ok(result) => failures.push(format!("{name}: {result:?}")),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    let mut note = |name: &str, result: Result<(), String>| {
        failures.extend(result.err().map(|text| format!("{name}: {text}")));
    };
    note("sockets of another sandbox", sandboxes_share_no_socket(executor).await);
    for delay in [Duration::from_millis(500), Duration::ZERO] {
        note(&format!("cancel after {delay:?}"), cancelling_ends_the_program(executor, delay).await);
    }
    for (paths, step) in [(["a", "a/b"], "a file for a directory"), (["a/b", "a/b"], "a file twice")] {
        let refused = a_path_that_cannot_be_is_the_requests_fault(executor, paths).await;
        note(&format!("{step} among the input files"), refused);
    }
    note("events", events_come_as_they_happen(executor).await);
    note("an interrupt", an_interrupt_is_a_keyboard_interrupt(executor).await);
    note("executions in one sandbox", executions_share_files_and_nothing_else(executor).await);
    note("counts of one execution", an_execution_answers_for_itself_alone(executor).await);
    note("a refused input file in a kept sandbox", a_refused_file_changes_nothing(executor).await);
    note("freezing", a_frozen_sandbox_goes_on_where_it_was(executor).await);
    note("a frozen agent", a_frozen_agent_answers_after_the_thaw(executor).await);
    for (name, result) in conformance_files::run(executor).await {
        note(name, result);
    }
    failures
}

/// Why `executor` cannot freeze sandboxes; the checks of it prove nothing then. `None` if it can.
pub async fn cannot_freeze(executor: &dyn Executor) -> Option<String> {
    let mut sandbox = create(executor, &request("")).await.ok()?;
    match sandbox.freeze().await {
        Err(FreezeError::Unsupported { reason }) => Some(reason),
        _ => None,
    }
}

/// Number of checks in the suite.
#[must_use]
pub fn count() -> usize {
    checks().len() + 12 + conformance_files::COUNT
}

async fn create(executor: &dyn Executor, request: &ExecRequest) -> Result<Sandbox, String> {
    let hints = Hints::of(request, BTreeSet::new());
    executor.create(&hints, Freshness::Any).await.map_err(|error| error.chain())
}

async fn exec(
    executor: &dyn Executor,
    request: &ExecRequest,
    control: &Control,
) -> Result<ExecResult, String> {
    let sandbox = create(executor, request).await?;
    sandbox.answer_once(request, control).await.map_err(|error| error.chain())
}

async fn a_path_that_cannot_be_is_the_requests_fault(
    executor: &dyn Executor,
    paths: [&str; 2],
) -> Result<(), String> {
    let files = paths.map(|path| InputFile { path: path.into(), content: Bytes::from_static(b"x") }).into();
    let request = ExecRequest { files, ..request("print('ran')") };
    let sandbox = create(executor, &request).await?;
    match sandbox.answer_once(&request, &Control::default()).await {
        Err(error) if error.kind == RunErrorKind::Request && !error.program_may_have_run => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Steers the program when it has printed something the first time.
struct OnOutput<F: Fn() + Send>(F, Vec<String>);

impl<F: Fn() + Send> EventSink for OnOutput<F> {
    fn take(&mut self, event: Event<'_>) {
        let name = match event {
            Event::Started => "started".to_owned(),
            Event::Output { data, .. } => {
                if self.1.len() == 1 {
                    (self.0)();
                }
                String::from_utf8_lossy(data).into_owned()
            }
            Event::File(file) => file.path,
            Event::Skipped(file) => file.path,
            Event::SkippedMore(count) => count.to_string(),
        };
        self.1.push(name);
    }
}

/// The program would print until its time limit: only a caller that sees its output while it runs can end it.
async fn events_come_as_they_happen(executor: &dyn Executor) -> Result<(), String> {
    let request = request(
        "import time\nopen('a', 'w').close()\nprint('on', flush=True)\ntime.sleep(20)\nprint('late')",
    );
    let control = Control::default();
    let mut sink = OnOutput(|| control.cancel(), Vec::new());
    let sandbox = create(executor, &request).await?;
    let ending = sandbox.execute_once(&request, &control, &mut sink).await.map_err(|error| error.chain())?;
    let seen: Vec<_> = sink.1.iter().map(String::as_str).collect();
    match ending.verdict.kind() {
        OutcomeKind::Cancelled if seen == ["started", "on\n", "a"] => Ok(()),
        _ => Err(format!("{ending:?} {seen:?}")),
    }
}

async fn an_interrupt_is_a_keyboard_interrupt(executor: &dyn Executor) -> Result<(), String> {
    let request = request(
        "import time\ntry:\n    print('on', flush=True)\n    while True: time.sleep(0.05)\nexcept KeyboardInterrupt:\n    print('stopped')",
    );
    let control = Control::default();
    let mut sink = OnOutput(|| control.interrupt(), Vec::new());
    let sandbox = create(executor, &request).await?;
    let ending = sandbox.execute_once(&request, &control, &mut sink).await.map_err(|error| error.chain())?;
    if ending.verdict.success() && sink.1 == ["started", "on\n", "stopped\n"] {
        return Ok(());
    }
    Err(format!("{ending:?} {:?}", sink.1))
}

/// Variables, processes and what was printed end with an execution; files stay, and are returned by the one
/// that wrote them.
async fn executions_share_files_and_nothing_else(executor: &dyn Executor) -> Result<(), String> {
    const FIRST: &str = "import os, time
x = 1
open('first', 'w').write('1')
open('both', 'w').write('1')
os.makedirs('/tmp/kept/deep')
os.symlink('/tmp/kept', 'sent')
if os.fork() == 0:
    os.setsid()
    while True:
        open('/tmp/beat', 'w').write(str(time.time()))
        time.sleep(0.01)
print('one')";
    const SECOND: &str = "import os, time
assert 'x' not in globals() and 'x' not in dir(__import__('__main__'))
beat = lambda: os.path.exists('/tmp/beat') and open('/tmp/beat').read()
before = beat()
time.sleep(0.2)
assert beat() == before
assert len([name for name in os.listdir('/proc') if name.isdigit()]) <= 2
assert open(__file__).read().startswith('import os')
open('both', 'a').write('2')
print(open('first').read(), open('sent').read(), os.path.isdir('/tmp/kept/deep'), os.getcwd())";
    let mut sandbox = create(executor, &request(FIRST)).await?;
    let control = Control::default();
    let first = sandbox.answer(&request(FIRST), &control).await.map_err(|error| error.chain())?;
    let sent = InputFile { path: "sent".into(), content: Bytes::from_static(b"new") };
    for round in 0..2 {
        let second = ExecRequest { files: vec![sent.clone()], ..request(SECOND) };
        let second = sandbox.answer(&second, &control).await.map_err(|error| error.chain())?;
        let both = format!("1{}", "2".repeat(round + 1));
        let right = first.stdout.text == "one\n"
            && first.files.len() == 2
            && first.skipped.iter().any(|entry| entry.path == "sent")
            && second.success()
            && second.stdout.text == "1 new True /tmp/output\n"
            && second
                .files
                .iter()
                .map(|file| (file.path.as_str(), &file.content[..]))
                .eq([("both", both.as_bytes())]);
        if !right {
            return Err(format!("{first:?} {second:?}"));
        }
    }
    // What the first program left at the paths of the agent's files must not be written through.
    let hostile = "import os, shutil\nfor way in [lambda: shutil.rmtree('/tmp/.sandbox'), lambda: os.rename('/tmp/.sandbox', '/tmp/s'),\
                   lambda: os.symlink('/tmp/output', '/tmp/.sandbox'), lambda: os.rmdir('/tmp/output')]:\n    \
                   try: way()\n    except OSError: pass";
    let attacked = sandbox.answer(&request(hostile), &control).await.map_err(|error| error.chain())?;
    let last = sandbox.answer_once(&request("print('still')"), &control).await;
    match last {
        Ok(last) if last.stdout.text == "still\n" => Ok(()),
        // A program may end its sandbox; that must not make another program run elsewhere.
        Err(error) if error.kind == RunErrorKind::Sandbox => Ok(()),
        last => Err(format!("{attacked:?} {last:?}")),
    }
}

/// The kernel's counts of the execution before do not affect the verdict on the next one.
async fn an_execution_answers_for_itself_alone(executor: &dyn Executor) -> Result<(), String> {
    // The loop costs more than the start of an interpreter, which counts for the second one, also where code is emulated.
    const HUNGRY: &str = "import threading, time
block = bytearray(60 << 20)
spin = time.process_time() + 0.3
for _ in range(3_000_000): pass
while time.process_time() < spin: pass
event, threads = threading.Event(), []
try:
    for _ in range(500):
        threads.append(threading.Thread(target=event.wait))
        threads[-1].start()
except RuntimeError:
    pass
event.set()
try:
    __import__('socket').socket()
except OSError:
    pass
print('x' * 100)";
    const MODEST: &str = "raise RuntimeError(\"can't start new thread\")";
    let mut sandbox = create(executor, &request(HUNGRY)).await?;
    let control = Control::default();
    let first = sandbox.answer(&request(HUNGRY), &control).await.map_err(|error| error.chain())?;
    let second = sandbox.answer_once(&request(MODEST), &control).await.map_err(|error| error.chain())?;
    let own_peak = second.usage.memory_peak_scope == PeakScope::Sandbox
        || second.usage.memory_bytes_peak < first.usage.memory_bytes_peak;
    let right = first.usage.memory_peak_scope == PeakScope::Execution
        && first.usage.cpu_time >= Duration::from_millis(300)
        && second.kind() == OutcomeKind::Exited
        && second.verdict.evidence.pids_limit_hits == 0
        && second.verdict.denied.is_empty()
        && second.usage.cpu_time < first.usage.cpu_time
        && second.stdout.bytes == 0
        && own_peak;
    if right { Ok(()) } else { Err(format!("{first:?} {second:?}")) }
}

/// Neither a path that cannot be nor a file that does not fit ends a sandbox that is kept, and files of
/// earlier executions stay.
async fn a_refused_file_changes_nothing(executor: &dyn Executor) -> Result<(), String> {
    const LISTS: &str = "import os
names = sorted(os.path.join(top, name) for top, _, names in os.walk('.') for name in names)
print(names, sorted(os.listdir('.')), open('kept').read())";
    let control = Control::default();
    let mut sandbox = create(executor, &request("")).await?;
    let file = |path: &str, content: Bytes| InputFile { path: path.into(), content };
    let small = || Bytes::from_static(b"new");
    // The first execution of the sandbox is refused too.
    for round in 0..2 {
        let files = vec![file("kept", small()), file("made/deep/file", small()), file("kept/x", small())];
        let refused = ExecRequest { files, ..request("print('ran')") };
        match sandbox.answer(&refused, &control).await {
            Err(error) if error.kind == RunErrorKind::Request && sandbox.is_alive() => {}
            other => return Err(format!("round {round}: {other:?}, alive: {}", sandbox.is_alive())),
        }
        let first = request("import os\nprint(os.listdir('.'))\nopen('kept', 'w').write('old')");
        let expected = if round == 0 { "[]\n" } else { "['kept']\n" };
        let first = sandbox.answer(&first, &control).await.map_err(|error| error.chain())?;
        if first.stdout.text != expected {
            return Err(format!("round {round}: {first:?}"));
        }
    }
    let large = Bytes::from(vec![0; INPUT_TOO_LARGE_BYTES]);
    let files = vec![file("kept", small()), file("made/large", large)];
    let refused = ExecRequest { files, ..request("print('ran')") };
    let refused = sandbox.answer(&refused, &control).await.map_err(|error| error.chain())?;
    if refused.kind() != OutcomeKind::DiskLimit {
        // An executor without such a limit runs it, or has no memory left, and the sandbox with it.
        return if refused.success() || refused.kind() == OutcomeKind::OutOfMemory {
            Ok(())
        } else {
            Err(format!("{refused:?}"))
        };
    }
    let listed = sandbox.answer(&request(LISTS), &control).await.map_err(|error| error.chain())?;
    if listed.stdout.text != "['./kept'] ['kept'] old\n" {
        return Err(format!("{refused:?} {listed:?}"));
    }
    let replaced = ExecRequest { files: vec![file("kept", small())], ..request(LISTS) };
    let replaced = sandbox.answer(&replaced, &control).await.map_err(|error| error.chain())?;
    if replaced.stdout.text == "['./kept'] ['kept'] new\n" && replaced.files.is_empty() {
        return Ok(());
    }
    Err(format!("{replaced:?}"))
}

/// Files and counts are as without the freeze. The last sandbox is dropped while it is frozen.
async fn a_frozen_sandbox_goes_on_where_it_was(executor: &dyn Executor) -> Result<(), String> {
    let failed = |error: FreezeError| support::error_chain(&error);
    let control = Control::default();
    let mut sandbox = create(executor, &request("")).await?;
    match sandbox.freeze().await {
        Err(FreezeError::Unsupported { .. }) => return Ok(()),
        frozen => frozen.map_err(failed)?,
    }
    let first = request("open('kept', 'w').write('1')\nprint('one')");
    let first = sandbox.answer(&first, &control).await.map_err(|error| error.chain())?;
    for is_thawed_by_hand in [false, true] {
        for _ in 0..2 {
            sandbox.freeze().await.map_err(failed)?;
        }
        if !sandbox.is_alive() {
            return Err("it died in the freeze".to_owned());
        }
        if is_thawed_by_hand {
            for _ in 0..2 {
                sandbox.thaw().await.map_err(failed)?;
            }
        }
        let next = request("print(open('kept').read())");
        let next = sandbox.answer(&next, &control).await.map_err(|error| error.chain())?;
        let right = first.files.len() == 1
            && next.stdout.text == "1\n"
            && next.files.is_empty()
            && next.verdict.evidence.oom_kills == 0
            && next.verdict.evidence.pids_limit_hits == 0;
        if !right {
            return Err(format!("{first:?} {next:?}"));
        }
    }
    sandbox.freeze().await.map_err(failed)
}

/// A request is sent to a frozen sandbox past [`Sandbox::execute`], which would thaw it first.
async fn a_frozen_agent_answers_after_the_thaw(executor: &dyn Executor) -> Result<(), String> {
    let (request, control) = (request("print('on')"), Control::default());
    let mut sandbox = create(executor, &request).await?;
    match sandbox.freeze().await {
        Err(FreezeError::Unsupported { .. }) => return Ok(()),
        frozen => frozen.map_err(|error| support::error_chain(&error))?,
    }
    let mut events = Collected::default();
    let (guest, backing) = sandbox.parts();
    let execution = Execution { id: 1, keep: true, request: &request };
    let mut execution = std::pin::pin!(guest.execute(execution, &control, &mut events));
    let others = async {
        for _ in 0..ROUNDS_WHILE_FROZEN {
            exec(executor, &request, &Control::default()).await?;
        }
        Ok::<_, String>(())
    };
    tokio::select! {
        (progress, result) = &mut execution => {
            return Err(format!("answered while frozen: {progress:?} {result:?}"));
        }
        others = others => others?,
    }
    backing.thaw().await.map_err(|error| support::error_chain(&error))?;
    match execution.await {
        (progress, Ok(())) if progress.report.is_some() => Ok(()),
        other => Err(format!("after the thaw: {other:?}")),
    }
}

/// One program listens; another looks for it by path and by name at the same time.
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
    let (listens, connects) = (request(LISTENS), request(CONNECTS));
    let (first, second) = (create(executor, &listens).await?, create(executor, &connects).await?);
    let control = Control::default();
    let (listens, connects) =
        tokio::join!(first.answer_once(&listens, &control), second.answer_once(&connects, &control));
    let (listens, connects) =
        (listens.map_err(|error| error.chain())?, connects.map_err(|error| error.chain())?);
    if listens.stdout.text == "0\n" && connects.stdout.text == "none\n" {
        return Ok(());
    }
    Err(format!("{listens:?} {connects:?}"))
}

/// Without a delay, the cancellation arrives together with the program.
async fn cancelling_ends_the_program(executor: &dyn Executor, delay: Duration) -> Result<(), String> {
    let control = Control::default();
    let request = request("print('on', flush=True)\nwhile True: pass");
    let (result, ()) = tokio::join!(exec(executor, &request, &control), async {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        control.cancel();
    });
    let result = result?;
    match result.kind() {
        OutcomeKind::Cancelled if result.usage.wall_time < Duration::from_secs(5) => Ok(()),
        _ => Err(format!("{result:?}")),
    }
}
