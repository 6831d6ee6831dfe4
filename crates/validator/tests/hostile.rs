//! No text makes the validator panic, overflow the stack, or take long.
//!
//! An overflow aborts the whole test process, so these tests fail loudly. They run on a small stack, in the
//! profile of the test (debug frames are the largest).

#[allow(dead_code, reason = "shared by several test binaries")]
mod common;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use validator::{FindingCode, Policy, Report, validate};

/// Longest source of the service's default policy, in characters.
const CHARS_MAX: usize = 50_000;

/// Far more than any source may take here: debug build, busy machine.
const TIME_MAX: Duration = Duration::from_secs(10);

fn validated(source: &str) -> Report {
    let source = source.to_owned();
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let policy = Policy { max_complexity: 0, ..Policy::default() };
    let started = Instant::now();
    let judged = small.spawn(move || validate(&source, &policy)).expect("a small thread").join();
    assert!(started.elapsed() < TIME_MAX, "took {:?}", started.elapsed());
    let report = judged.expect("validate() panicked");
    assert!(report.violations.iter().all(|finding| finding.code != FindingCode::NotAnalysed), "{report:?}");
    report
}

/// `unit` as often as fits, between the ends.
fn fill(start: &str, unit: &str, end: &str) -> String {
    let room = CHARS_MAX - start.chars().count() - end.chars().count();
    format!("{start}{}{end}", unit.repeat(room / unit.chars().count()))
}

fn balanced(open: &str, middle: &str, close: &str, count: usize) -> String {
    format!("{}{middle}{}", open.repeat(count), close.repeat(count))
}

/// Everything that nests, each as deep as possible.
fn nested() -> Vec<String> {
    let mut sources = vec![
        fill("", "(", ""),
        fill("", "[", ""),
        fill("", "{", ""),
        fill("", "f(", ""),
        fill("", "a[", ""),
        fill("", "{1:", ""),
        fill("", "-", "1"),
        fill("x = ", "-", "1"),
        fill("", "~", "1"),
        fill("", "+-", "1"),
        fill("", "not ", "1"),
        fill("", "await ", "x"),
        fill("async def f():\n ", "await ", "x"),
        fill("", "lambda:", "1"),
        fill("", "lambda x,y=", "1"),
        fill("", "lambda a,b:", "1"),
        fill("x", ".a", ""),
        fill("x", "()", ""),
        fill("x", "[0]", ""),
        fill("x", "[0].a()", ""),
        fill("", "x**", "x"),
        fill("", "x**-", "x"),
        fill("", "a+", "a"),
        fill("", "a*", "a"),
        fill("", "a|", "a"),
        fill("", "a@", "a"),
        fill("", "a and ", "a"),
        fill("", "a or not ", "a"),
        fill("", "a<", "a"),
        fill("", "a in ", "a"),
        fill("", "a is not ", "a"),
        fill("", "a if b else ", "c"),
        fill("", "a if ", "c"),
        fill("", "a:=", "a"),
        fill("", "(a:=", "a"),
        fill("", "*", "a"),
        fill("", "**", "a"),
        fill("", "yield ", "a"),
        fill("", "yield from ", "a"),
        fill("def f():\n yield ", "(yield ", ""),
        fill("", "a=", "a"),
        fill("", "a:", "a"),
        fill("", "@a\n", "def f(): pass"),
        fill("", "@", "a"),
        fill("", "f'{", ""),
        fill("", "f\"{f'{", ""),
        fill("", "f'''{f\"\"\"{", ""),
        fill("f'", "{a:", "'"),
        fill("f'", "{", "'"),
        fill("f'", "{{", "'"),
        fill("f'{", "[", "}'"),
        fill("f'{", "-", "1}'"),
        fill("f'{x:", "{y:", "}'"),
        fill("", "'a' ", ""),
        fill("", "f'a' ", ""),
        fill("if a:pass\n", "elif a:pass\n", ""),
        fill("", "if a:", "pass"),
        fill("", "else:", "pass"),
        fill("", "while 1:", "pass"),
        fill("", "try:", "pass"),
        fill("", "with a:", "pass"),
        fill("", "for a in ", "a"),
        fill("[a ", "for a in a ", "]"),
        fill("", "[a for a in ", ""),
        fill("match a:\n case ", "-", "1: pass"),
        fill("match a:\n case ", "1|", "1: pass"),
        fill("match a:\n case ", "[", ""),
        fill("match a:\n case ", "a(", ""),
        fill("match a:\n case ", "{1:", ""),
        fill("", "match ", "a"),
        fill("", "match a:\n", ""),
        fill("", "async ", "def f(): pass"),
        fill("", "class A(", ""),
        fill("", "def f(a=", ""),
        fill("", "def f(a:", ""),
        fill("", "type a=", "a"),
        fill("", "type X[T:", ""),
        fill("", "import a,", "a"),
        fill("import a", ".a", ""),
        fill("from ", ".", " import a"),
        fill("from a import (", "a,", ")"),
        fill("", "global a;", "a"),
        fill("def f():\n nonlocal a", ",a", ""),
        fill("", "del ", "a"),
        fill("", "(a, ", ""),
        fill("", "\\\n", "a"),
        fill("", "\\", ""),
        fill("", "$", ""),
        fill("", "`", ""),
        fill("", "'", ""),
        fill("", "\"\"\"", ""),
        fill("", "{", "}"),
        fill("", ")", ""),
        fill("", "(]", ""),
        fill("", "return\n", ""),
        fill("", "await x\n", ""),
        fill("", "x = __import__(x)\n", ""),
        fill("import pathlib\npathlib", ".os", ""),
        fill("import sys\nsys", ".modules['os']", ""),
        fill("", "getattr(", ""),
        fill("x = a", "(1)", "('os')"),
        fill("", "\u{301}", ""),
        fill("", "é.", "é"),
        fill("", "1_", "1"),
        fill("", "9", ""),
        fill("", "\t", "x"),
        fill("", "\r", "x"),
        fill("", "\x0c", "x"),
    ];
    for depth in [50, 90, 199, 200, 201, 1_000, 12_000] {
        for (open, close) in [
            ("(", ")"),
            ("[", "]"),
            ("{", "}"),
            ("f(", ")"),
            ("a[", "]"),
            ("[a for a in ", "]"),
            ("(lambda:", ")"),
            ("(yield ", ")"),
            ("{1:", "}"),
            ("(-", ")"),
            ("(a if b else ", ")"),
        ] {
            if (open.len() + close.len()) * depth < CHARS_MAX {
                sources.push(balanced(open, "a", close, depth));
            }
        }
    }
    for header in [
        "if a:",
        "while a:",
        "for a in b:",
        "try:",
        "with a:",
        "def f():",
        "class A:",
        "async def f():",
        "match a:",
        "else:",
    ] {
        for levels in [20, 98, 99, 150, 300] {
            let lines = (0..levels).map(|level| format!("{}{header}\n", " ".repeat(level)));
            let source: String = lines.chain([format!("{}pass\n", " ".repeat(levels))]).collect();
            if source.len() <= CHARS_MAX {
                sources.push(source);
            }
        }
    }
    // Inside an unclosed bracket the parser may see blocks where a lexer alone sees none.
    sources.push(format!(
        "(\n{}",
        (0..300).map(|level| format!("{}if a:\n", " ".repeat(level))).collect::<String>()
    ));
    sources
}

#[test]
fn nothing_overflows() {
    for source in nested() {
        validated(&source);
    }
}

#[test]
fn the_deepest_that_is_parsed_fits_the_stack() {
    // Just below the bound, where the stack is largest and must still suffice.
    for (unit, end) in [
        ("-", "1"),
        ("not ", "1"),
        ("a+", "a"),
        ("x**", "x"),
        ("~", "1"),
        ("lambda:", "1"),
        ("a if b else ", "c"),
    ] {
        for count in [11_000, 12_000, 12_400, 6_200] {
            let source = unit.repeat(count) + end;
            if source.len() <= CHARS_MAX {
                validated(&source);
            }
        }
    }
    for unit in [".a", "()", "[0]"] {
        validated(&format!("x{}", unit.repeat(12_000)));
    }
}

#[test]
fn longer_sources_than_the_default_are_safe_too() {
    let policy = Policy { max_code_length: usize::MAX, max_complexity: 0, ..Policy::default() };
    for source in [
        "-".repeat(1_000_000) + "1",
        "(".repeat(1_000_000),
        "a+".repeat(500_000) + "a",
        "f'{".repeat(300_000),
    ] {
        assert!(!validate(&source, &policy).is_accepted());
    }
}

#[test]
fn what_is_too_deep_says_so_and_where() {
    let finding = |source: &str| {
        let report = validated(source);
        let [finding] = &*report.violations else { panic!("{report:?}") };
        (finding.code, finding.line, finding.column)
    };
    assert_eq!(finding(&fill("x = 1\ny = ", "-", "1")), (FindingCode::TooDeep, 2, 0));
    assert_eq!(finding(&format!("x = 1\n{}", "(".repeat(300))), (FindingCode::TooDeep, 2, 200));
    assert_eq!(finding(&balanced("(", "a", ")", 201)), (FindingCode::TooDeep, 1, 200));
    let blocks: String = (0..120).map(|level| format!("{}if a:\n", " ".repeat(level))).collect();
    assert_eq!(finding(&blocks), (FindingCode::TooDeep, 101, 0));
}

/// Programs as deep as CPython 3.11 compiles (about 2,990 levels) and wide ones are no deeper than they look.
#[test]
fn what_cpython_compiles_is_accepted() {
    let elifs = format!("if a:\n    pass\n{}else:\n    pass\n", "elif a:\n    pass\n".repeat(2_000));
    let else_ifs: String = (0..40)
        .map(|level| format!("{0}if a:\n{0}    pass\n{0}else:\n", "    ".repeat(level)))
        .collect::<String>()
        + &"    ".repeat(40)
        + "pass\n";
    let sources = [
        vec!["a"; 2_900].join("+"),
        vec!["a.b.c(d) * 2"; 2_900].join(" + "),
        vec!["-a"; 2_900].join(" - "),
        format!("x{}", ".a".repeat(2_900)),
        format!("x{}", "()".repeat(2_900)),
        format!("x{}", "[0]".repeat(2_900)),
        "-".repeat(2_900) + "1",
        "not ".repeat(2_900) + "1",
        vec!["x"; 2_900].join("**"),
        "lambda:".repeat(2_900) + "1",
        "a if b else ".repeat(900) + "c",
        vec!["a"; 12_000].join(" or "),
        vec!["not a"; 5_000].join(" and "),
        vec!["a"; 12_000].join("<"),
        vec!["a"; 20_000].join("="),
        format!("[{}]", "-1,".repeat(16_000)),
        format!("[{}]", "lambda: 1,".repeat(4_900)),
        format!("f({})", "*-a,".repeat(9_900)),
        format!("x = {{{}}}", "'k': -1.5, ".repeat(4_500)),
        "'a' ".repeat(12_000),
        "@a\n".repeat(16_000) + "def f(): pass",
        format!("[a {}]", "for a in a ".repeat(20)),
        elifs,
        else_ifs,
        balanced("(", "a", ")", 200),
        balanced("[", "", "]", 199),
        "x = 1\n".repeat(8_000),
        "(x)\n".repeat(12_000),
    ];
    if let Some(answers) = common::compile_all(&sources) {
        for (source, answer) in sources.iter().zip(answers) {
            assert!(answer.is_null(), "CPython: {answer} for {}…", &source[..30.min(source.len())]);
        }
    }
    for source in sources {
        assert!(source.len() <= 60_000);
        let policy = Policy { max_code_length: 60_000, max_complexity: 0, ..Policy::default() };
        let report = validate(&source, &policy);
        assert_eq!(report.violations, [], "{}…", &source[..30.min(source.len())]);
    }
}

/// Pieces of Python, so that random programs get past the first token.
fn piece() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "=",
        "==",
        ":=",
        "+",
        "-",
        "*",
        "**",
        ".",
        "...",
        "->",
        "@",
        ";",
        "\n",
        "\n    ",
        "\n        ",
        "\t",
        " ",
        "\"",
        "'",
        "\"\"\"",
        "f\"",
        "f'{",
        "}'",
        "{{",
        "rb'",
        "\\\n",
        "\\",
        "# c\n",
        "#",
        "0",
        "1",
        "0x",
        "1e5",
        "1j",
        "é",
        "x",
        "os",
        "if ",
        "elif ",
        "else:",
        "for ",
        "in ",
        "is ",
        "not ",
        "and ",
        "or ",
        "lambda ",
        "yield ",
        "await ",
        "async ",
        "def f(",
        "class A(",
        "return ",
        "break\n",
        "continue\n",
        "pass\n",
        "global x\n",
        "nonlocal x\n",
        "import ",
        "from ",
        "as ",
        "with ",
        "try:",
        "except ",
        "except* ",
        "finally:",
        "match ",
        "case ",
        "_",
        "None",
        "True",
        "del ",
        "raise ",
        "assert ",
        "while ",
        "print ",
        "*a",
        "**k",
        "!r",
        "!=",
        "<>",
        "~",
        "$",
        "?",
        "!",
        "\x0c",
        "\r",
        "\u{200b}",
        "“",
        "\u{feff}",
        "\0",
        "__import__('os')",
        "getattr(",
        "sys.modules[",
        "type X = ",
        "t'{",
        "ｏｓ",
        "\u{301}",
        "lazy import ",
        "__class__",
        ".os",
        "'\\N{",
        "\\x1",
        "b'é'",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_text(source in ".{0,400}") {
        validated(&source);
    }

    #[test]
    fn any_lines(source in "(.{0,30}[\n\r\t \u{c}]{0,3}){0,40}") {
        validated(&source);
    }

    #[test]
    fn any_pieces(pieces in proptest::collection::vec(piece(), 0..120)) {
        validated(&pieces.concat());
    }

    /// A few pieces, over and over.
    #[test]
    fn any_repetition(start in proptest::collection::vec(piece(), 0..4), unit in proptest::collection::vec(piece(), 1..5),
                      end in proptest::collection::vec(piece(), 0..4), count in 1_usize..4_000) {
        let unit = unit.concat();
        let count = count.min(CHARS_MAX / unit.chars().count().max(1));
        validated(&format!("{}{}{}", start.concat(), unit.repeat(count), end.concat()));
    }

    /// The messages of every version, for any text.
    #[test]
    fn any_version(pieces in proptest::collection::vec(piece(), 0..40), minor in 7_u8..16) {
        let policy = Policy { python: (3, minor), ..Policy::default() };
        let _ = validate(&pieces.concat(), &policy);
    }
}
