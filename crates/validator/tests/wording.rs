//! Syntax errors have CPython's message and CPython's line. The real interpreter decides both.

#[allow(dead_code, reason = "shared by several test binaries")]
mod common;
#[path = "common/refused.rs"]
mod refused;

use serde_json::Value;
use validator::{FindingCode, Policy, validate};

fn lax() -> Policy {
    Policy { forbidden_imports: Default::default(), max_complexity: 0, ..Policy::default() }
}

/// Message, line and column (from 0) of every syntax error that we report.
fn ours(source: &str) -> Vec<(String, u32, u32)> {
    let findings = validate(source, &lax()).violations;
    assert!(findings.iter().all(|f| f.code == FindingCode::SyntaxError), "{source:?}: {findings:?}");
    // Our hint comes after CPython's message.
    let words = |message: String| message.split(" (hint: ").next().unwrap_or_default().to_owned();
    findings.into_iter().map(|f| (words(f.message), f.line, f.column)).collect()
}

fn check(sources: &[&str]) -> (usize, usize) {
    let Some(answers) = common::compile_all(sources) else { return (0, 0) };
    let (mut wrong, mut same_column) = (Vec::new(), 0);
    for (source, answer) in sources.iter().zip(&answers) {
        let Value::Array(theirs) = answer else { panic!("CPython accepts {source:?}") };
        let (message, line) = (theirs[1].as_str().expect("a message"), theirs[2].as_u64().expect("a line"));
        let found = ours(source);
        match found.iter().find(|(ours, at, _)| ours == message && u64::from(*at) == line) {
            Some((_, _, column)) => {
                same_column += usize::from(u64::from(*column) + 1 == theirs[3].as_u64().expect("an offset"))
            }
            None => {
                wrong.push(format!("{source:?}\n  CPython: {message:?} line {line}\n  ours:    {found:?}"))
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), sources.len(), wrong.join("\n"));
    (sources.len(), same_column)
}

macro_rules! groups {
    ($($name:ident $list:ident)*) => {
        $(#[test] fn $name() { check(refused::$list); })*

        /// CPython gives some errors the column of the last token it has read; we give the position that is
        /// wrong.
        #[test]
        fn columns_agree_mostly() {
            let (mut all, mut same) = (0, 0);
            $(let (n, m) = check(refused::$list); all += n; same += m;)*
            assert!(same * 100 >= all * 88, "{same} of {all} columns agree");
        }
    };
}

groups! {
    tokenizer TOKENIZER
    indentation INDENTATION
    missing_colon MISSING_COLON
    assignment ASSIGNMENT
    calls CALLS
    statements STATEMENTS
    definitions DEFINITIONS
    compiler COMPILER
    fstrings FSTRINGS
    everyday EVERYDAY
}

/// At least these are pinned if no interpreter is installed.
#[test]
fn some_words_by_heart() {
    for (source, message, line, column) in [
        ("x = (1 + 2\n", "'(' was never closed", 1, 4),
        ("if x\n    y\n", "expected ':'", 1, 4),
        ("if x:\ny = 1\n", "expected an indented block after 'if' statement on line 1", 2, 0),
        ("x = 1\n  y = 2\n", "unexpected indent", 2, 1),
        ("print 'hello'\n", "Missing parentheses in call to 'print'. Did you mean print(...)?", 1, 0),
        ("f() = 1\n", "cannot assign to function call here. Maybe you meant '==' instead of '='?", 1, 0),
        ("return 1\n", "'return' outside function", 1, 0),
        ("for x in y:\n    def f():\n        break\n", "'break' outside loop", 3, 8),
        ("é = 1; x = 1 – 2\n", "invalid character '–' (U+2013)", 1, 13),
        ("a = 1\rb = 'x\r", "unterminated string literal (detected at line 2)", 2, 4),
        ("\u{feff}x = )\n", "unmatched ')'", 1, 4),
        ("x = 1\0\n", "source code cannot contain null bytes", 1, 5),
    ] {
        assert_eq!(ours(source), [(message.to_owned(), line, column)], "{source:?}");
    }
}

/// Newer syntax names the version it needs: more useful than `invalid syntax`.
#[test]
fn newer_syntax_names_the_version() {
    for source in ["type X = int\n", "def f[T](x): pass\n", "t'{a}'\n", "f'{a['b']}'\n"] {
        let found = ours(source);
        assert!(
            found[0].0.starts_with("invalid syntax: ") && found[0].0.contains("Python 3.11"),
            "{found:?}"
        );
        let newest = Policy { python: (3, 14), ..lax() };
        assert_eq!(validate(source, &newest).violations, [], "{source:?}");
    }
    let newer = Policy { python: (3, 12), ..lax() };
    assert_eq!(validate("def f[T](x: T) -> T: return x\n", &newer).violations, []);
}

/// Texts that only look unfinished to a different parser.
#[test]
fn odd_ends_are_accepted() {
    for source in [
        "x = 1\\\r\n",
        "\\\r\n",
        "x = 1 \\\n\n",
        "# \\",
        "x = 1\r",
        "if x:\n  \\\n    y\n",
        "x = 1\n\x0c\n",
        "if x: y",
        "\x0cx = 1",
    ] {
        assert_eq!(ours(source), [], "{source:?}");
    }
    let sources = ["x = 1\\\r\n", "\\\r\n", "x = 1 \\\n\n"];
    assert!(common::compile_all(&sources).into_iter().flatten().all(|answer| answer.is_null()));
}

/// One error at a time, as the interpreter does, but all that its compiler refuses.
#[test]
fn one_error_of_the_grammar_all_of_the_compiler() {
    assert_eq!(ours("x = (\ny = )\nz = ]\n").len(), 1);
    assert_eq!(ours("return\nbreak\n").len(), 2);
}
