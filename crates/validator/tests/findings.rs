//! All other findings: bounds, decision points, patterns; and stable codes.

use validator::{FINDINGS_MAX, FindingCode, Policy, Report, render, validate};

fn validated(source: &str) -> Report {
    validate(source, &Policy::default())
}

fn warnings(source: &str) -> Vec<(FindingCode, u32, u32)> {
    let report = validated(source);
    assert_eq!(report.violations, [], "{source:?}");
    report.warnings.iter().map(|finding| (finding.code, finding.line, finding.column)).collect()
}

fn only_violation(report: &Report) -> (FindingCode, u32, u32) {
    let [finding] = &*report.violations else { panic!("{report:?}") };
    (finding.code, finding.line, finding.column)
}

#[test]
fn length_is_counted_in_characters() {
    let policy = Policy { max_code_length: 10, ..Policy::default() };
    assert!(validate("x = 'éüö'\n", &policy).is_accepted());
    assert_eq!(only_violation(&validate("x = 'éüöä'\n", &policy)), (FindingCode::TooLong, 1, 0));
    let huge = "#".repeat(validator::SOURCE_BYTES_MAX + 1);
    let policy = Policy { max_code_length: usize::MAX, ..Policy::default() };
    assert_eq!(only_violation(&validate(&huge, &policy)).0, FindingCode::TooLong);
}

#[test]
fn white_space_is_no_program() {
    for source in ["", " ", "\n\n", "\t \r\n", "\u{feff}", "\u{feff}\n"] {
        assert_eq!(only_violation(&validated(source)), (FindingCode::Empty, 1, 0), "{source:?}");
    }
    for source in ["# comment", "pass", "''", "\u{feff}x = 1"] {
        assert!(validated(source).is_accepted(), "{source:?}");
    }
}

#[test]
fn decision_points() {
    for (source, points) in [
        ("x = 1", 0),
        ("if a: pass", 1),
        ("if a: pass\nelif b: pass\nelif c: pass\nelse: pass", 3),
        ("x = a if b else c", 1),
        ("x = a and b and c or d", 3),
        ("for x in y: pass\nelse: pass", 1),
        ("async def f():\n    async for x in y: pass", 1),
        ("while a: pass", 1),
        ("try: pass\nexcept A: pass\nexcept B: pass\nelse: pass\nfinally: pass", 2),
        ("try: pass\nexcept* A: pass", 1),
        ("match x:\n    case 1: pass\n    case 2 if y: pass\n    case _: pass", 4),
        ("[x for x in y if a if b]", 3),
        ("{x: y for x in y for y in x}", 2),
        ("with a: pass", 0),
        ("assert a", 0),
        ("lambda: a if b else c", 1),
        ("f'{a if b else c}'", 1),
    ] {
        assert_eq!(validated(source).complexity, points, "{source:?}");
    }
}

#[test]
fn the_bound_of_complexity() {
    let source = "if a: pass\n".repeat(501);
    assert_eq!(only_violation(&validated(&source)), (FindingCode::TooComplex, 501, 0));
    assert!(validated(&"if a: pass\n".repeat(500)).is_accepted());
    let policy = Policy { max_complexity: 0, ..Policy::default() };
    assert!(validate(&source, &policy).is_accepted());
    let message = validated(&source).violations[0].message.clone();
    assert!(message.contains("501 decision points") && message.contains("500"), "{message}");
}

#[test]
fn endless_loops() {
    for source in [
        "while True: pass",
        "while 1:\n    x = 1",
        "while 'x': pass",
        "while not False: pass",
        "while True:\n    for x in y:\n        break",
        "while True:\n    def f():\n        return 1",
        "import itertools\nfor n in itertools.count(): print(n)",
        "import itertools\nfor n in itertools.cycle([1]): print(n)",
        "def f():\n    while True:\n        print(1)",
    ] {
        let found = warnings(source);
        assert!(matches!(&*found, [(FindingCode::InfiniteLoop, _, _)]), "{source:?}: {found:?}");
    }
    for source in [
        "while True:\n    break",
        "while True:\n    if x:\n        break",
        "def f():\n    while True:\n        return 1",
        "while True:\n    raise ValueError",
        "while True:\n    exit()",
        "def f():\n    while True:\n        yield 1",
        "async def f():\n    while True:\n        await g()",
        "try:\n    while True:\n        q.get()\nexcept Empty:\n    pass",
        "while True:\n    for x in y:\n        pass\n    else:\n        break",
        "while True:\n    for x in y:\n        if x:\n            exit(1)",
        "while True:\n    line = input()",
        "while x: pass",
        "while False: pass",
        "while 0: pass",
        "for x in range(3): pass",
        "with suppress(StopIteration):\n    while True:\n        step()",
    ] {
        assert_eq!(warnings(source), [], "{source:?}");
    }
    assert_eq!(
        warnings("x = 1\nif x:\n    while True:\n        pass\n"),
        [(FindingCode::InfiniteLoop, 3, 4)]
    );
}

#[test]
fn inner_walks() {
    for source in [
        "().__class__.__bases__[0].__subclasses__()",
        "x = ''.__class__.__mro__[1]",
        "f.__globals__['x']",
        "getattr(x, '__subclasses__')()",
        "__builtins__.open",
        "gen.gi_frame.f_back.f_globals",
    ] {
        let found = warnings(source);
        assert!(matches!(&*found, [(FindingCode::DunderWalk, 1, _)]), "{source:?}: {found:?}");
    }
    for source in [
        "self.__class__.__name__",
        "super().__init__()",
        "x.__dict__",
        "obj.__doc__",
        "if __name__ == '__main__': pass",
        "a.__len__()",
    ] {
        assert_eq!(warnings(source), [], "{source:?}");
    }
}

#[test]
fn dynamic_code() {
    assert_eq!(warnings("x = eval('1')"), [(FindingCode::DynamicCode, 1, 4)]);
    assert_eq!(warnings("exec('import os')"), [(FindingCode::DynamicCode, 1, 0)]);
    assert_eq!(warnings("compile('1', 'x', 'eval')"), [(FindingCode::DynamicCode, 1, 0)]);
    for source in [
        "import re\nre.compile('x')",
        "from re import compile\ncompile('x')",
        "model.eval()",
        "df.eval('a')",
        "def eval(x): return x\neval(1)",
    ] {
        assert_eq!(warnings(source), [], "{source:?}");
    }
}

#[test]
fn cookies_are_ignored_with_a_warning() {
    assert_eq!(warnings("# -*- coding: latin-1 -*-\nx = 'é'"), [(FindingCode::EncodingCookie, 1, 0)]);
    assert_eq!(
        warnings("#!/usr/bin/env python\n# coding: utf-7\nx = 1"),
        [(FindingCode::EncodingCookie, 2, 0)]
    );
    assert_eq!(warnings("# -*- coding: utf-8 -*-\nx = 1"), []);
    // The text is checked as it is, whatever encoding it declares.
    assert!(!validated("# coding: utf-7\nimport os").is_accepted());
}

#[test]
fn findings_are_few_and_in_order() {
    let report = validated(&"return\n".repeat(7_000));
    assert_eq!(report.violations.len(), FINDINGS_MAX);
    assert!(report.violations.is_sorted_by_key(|finding| finding.line));
    assert_eq!(
        render(&report.violations).lines().next(),
        Some("line 1, column 0: 'return' outside function")
    );
}

#[test]
fn codes_are_kebab_case() {
    assert_eq!(FindingCode::NotAnalysed.as_str(), "not-analysed");
    assert_eq!(FindingCode::SyntaxError.to_string(), "syntax-error");
}
