//! The real interpreter, as an oracle.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Reads a list of `{path}` or `{source}` from standard input, one JSON document, and prints for each the
/// result of `compile()`: `null`, or `[type, message, line, offset]`.
const ORACLE: &str = r#"
import json, sys, warnings
warnings.simplefilter("ignore")
def validated(source):
    try:
        compile(source, "<sandbox>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return [type(error).__name__, error.msg, error.lineno, error.offset]
    except (RecursionError, MemoryError, ValueError, OverflowError) as error:
        return [type(error).__name__, str(error), None, None]
print(json.dumps([validated(source) for source in json.load(sys.stdin)]))
"#;

/// Runs Python code with `input` on its standard input. `None` if there is no Python 3.11, which is reported
/// loudly, and fails if `REQUIRE_ALL` is set.
pub(crate) fn python(code: &str, input: &str) -> Option<String> {
    let version =
        Command::new("python3").args(["-c", "import sys; print(sys.version_info[:2] == (3, 11))"]).output();
    let is_usable = version.is_ok_and(|output| output.stdout.starts_with(b"True"));
    if !is_usable {
        return testkit::skip("needs `python3` to be Python 3.11");
    }
    let mut child = Command::new("python3")
        .args(["-c", code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 ran a moment ago");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("python3 was started");
    writer.join().expect("the writer does not panic").expect("the interpreter reads its input");
    assert!(output.status.success(), "the oracle failed");
    Some(String::from_utf8(output.stdout).expect("it prints text"))
}

/// The interpreter's result for each source; `None` as for [`python`].
#[allow(dead_code, reason = "not every test binary asks the interpreter")]
pub(crate) fn compile_all<S: AsRef<str>>(sources: &[S]) -> Option<Vec<Value>> {
    let sources: Vec<_> = sources.iter().map(AsRef::as_ref).collect();
    let answers = python(ORACLE, &serde_json::to_string(&sources).expect("strings are JSON"))?;
    Some(serde_json::from_str(&answers).expect("the oracle prints JSON"))
}
