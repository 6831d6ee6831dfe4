//! The cause of a syntax error is explained in a hint, at the right position, and never where it does not
//! apply.

#[allow(dead_code, reason = "shared by several test binaries")]
mod common;

use validator::{FindingCode, Policy, validate};

fn lax() -> Policy {
    Policy { forbidden_imports: Default::default(), max_complexity: 0, ..Policy::default() }
}

/// Position and message of the one syntax error.
fn failure(source: &str) -> (u32, u32, String) {
    let mut findings = validate(source, &lax()).violations;
    assert!(findings.len() == 1 && findings[0].code == FindingCode::SyntaxError, "{source:?}: {findings:?}");
    let found = findings.remove(0);
    (found.line, found.column, found.message)
}

/// Source, line, column, text of the hint.
const HINTED: &[(&str, u32, u32, &str)] = &[
    // A Markdown fence.
    ("```python\nprint(1)\n```\n", 1, 0, "remove the Markdown fence (```) and send only the code"),
    ("```\nprint(1)\n```", 1, 0, "Markdown fence"),
    ("```py\nprint(1)", 1, 0, "Markdown fence"),
    ("print(1)\n```\n", 2, 0, "Markdown fence"),
    ("print(1)\n```\nThis prints one.", 2, 0, "Markdown fence"),
    ("  ```python\n  print(1)\n  ```", 1, 1, "Markdown fence"),
    (
        "Here is the code:\n\n```python\nprint(1)\n```\nIt prints one.",
        1,
        12,
        "text around the Markdown fence",
    ),
    ("Sure! This works:\n```\nx = 1\n```", 1, 4, "text around the Markdown fence"),
    ("```python\nx = (\n```", 1, 0, "Markdown fence"),
    ("`print(1)`", 1, 0, "backticks"),
    ("~~~\nprint(1)\n~~~", 1, 3, "Markdown fence"),
    // Commands of notebooks.
    (
        "!pip install seaborn\nimport seaborn",
        1,
        0,
        "`!pip` is a notebook shell command, not Python: remove the line: packages cannot be installed",
    ),
    ("import os\n!ls -l\n", 2, 0, "`!ls` is a notebook shell command"),
    ("files = !ls", 1, 8, "`!ls` is a notebook shell command"),
    (
        "%matplotlib inline\nimport matplotlib",
        1,
        0,
        "`%matplotlib` is a notebook magic command, not Python: remove the line, and save figures",
    ),
    ("%pip install pandas", 1, 0, "packages cannot be installed"),
    ("%%time\nprint(1)", 1, 0, "`%%time` is a notebook magic command"),
    ("if 1:\n    %timeit f()\n", 2, 4, "`%timeit` is a notebook magic command"),
    ("?print", 1, 0, "`help(...)`"),
    ("print?", 1, 5, "`help(...)`"),
    // Commands of shells.
    (
        "pip install numpy",
        1,
        4,
        "`pip` is a shell command, not Python: remove the line: packages cannot be installed",
    ),
    ("python main.py", 1, 7, "`python` is a shell command"),
    ("$ pip install numpy", 1, 0, "packages cannot be installed"),
    // Prompts, markup, merges.
    (">>> x = 1\n>>> x\n1\n", 1, 0, "remove the prompts"),
    ("<code>\nprint(1)\n</code>", 1, 0, "markup"),
    ("print(1)\n</code>", 2, 0, "markup"),
    ("<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> other", 1, 0, "merge conflict"),
    // Characters.
    ("x = “abc”", 1, 4, "write \" or '"),
    ("x = ‘abc’", 1, 4, "write '"),
    ("x = 1 – 2", 1, 6, "write -"),
    ("x =\u{a0}1", 1, 3, "ordinary space"),
    ("x\u{3000}= 1", 1, 1, "ordinary space"),
    ("x = 1\u{200b}", 1, 5, "invisible"),
    ("\u{200b}x = 1", 1, 0, "invisible"),
    ("f（1）", 1, 1, "write ("),
    ("f(1，2)", 1, 3, "write ,"),
    ("if a ≤ b: pass", 1, 5, "write <="),
    // Escaped once too often.
    ("import math\\nprint(math.pi)", 1, 12, "line breaks were sent as the two characters `\\n`"),
    ("x = 1\\r\\nprint(x)", 1, 6, "escaped once too often"),
    ("if 1:\n\\tprint(1)", 2, 1, "tabs were sent as"),
    ("print(\\\"hi\\\")", 1, 7, "quotes were sent with a backslash"),
    ("\"import math\nprint(math.pi)\"", 1, 0, "in quotes"),
    // Entities of HTML.
    ("if a &lt; b:\n    pass", 1, 8, "`&lt;` is an HTML entity"),
    ("print(&quot;hi&quot;)", 1, 6, "`&quot;` is an HTML entity"),
    ("print(&#39;hi&#39;)", 1, 6, "`&#39;` is an HTML entity"),
    ("x = (a &amp; b)", 1, 11, "`&amp;` is an HTML entity"),
    // Python 2.
    ("print 'hi'", 1, 0, "this is Python 2, the interpreter is Python 3.11"),
    ("try:\n    pass\nexcept ValueError, e:\n    pass", 3, 7, "`except Name as error:`"),
    ("raise ValueError, 'x'", 1, 16, "`raise Name(\"text\")`"),
    ("if a <> b: pass", 1, 5, "`!=`"),
    ("if x:\n        a = 1\n\tb = 2\n", 3, 0, "spaces only"),
];

#[test]
fn each_mistake_has_its_hint_at_its_place() {
    let mut wrong = Vec::new();
    for (source, line, column, words) in HINTED {
        let found = failure(source);
        let hint = found.2.split_once(" (hint: ").map_or("", |(_, hint)| hint);
        if (found.0, found.1) != (*line, *column) || !hint.contains(words) {
            wrong.push(format!("{source:?}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), HINTED.len(), wrong.join("\n"));
}

#[test]
fn words_and_lines_before_the_hint_are_cpythons() {
    let sources: Vec<_> = HINTED.iter().map(|(source, ..)| *source).collect();
    for (source, answer) in sources.iter().zip(common::compile_all(&sources).into_iter().flatten()) {
        let (line, _, message) = failure(source);
        let words = message.split(" (hint: ").next();
        assert_eq!((words, Some(u64::from(line))), (answer[1].as_str(), answer[2].as_u64()), "{source:?}");
    }
}

/// The same characters where they are not the cause.
#[test]
fn other_errors_have_no_hint() {
    for source in [
        "x = (1 + 2\ns = '''\n```python\nprint(1)\n```\n'''\n",
        "x = (\n# ```\n",
        "s = 'a &lt; b'\nx = )\n",
        "s = '&amp;'\nif x\n    y\n",
        "x = 'it’s “fine”'\ny = = 1\n",
        "x = 5 % 3\ny = 7 %\n",
        "x = a!b\n",
        "print('\\n') print(1)\n",
        "x = 'a?'\ny = )\n",
        "pip = 1\ninstall = 2\npip = = 3\n",
        "a = 1 2\n",
        "if x < y > z print(1)\n",
        "raise ValueError('a', 'b'\n",
        "for i in range(3)\n    print(i)\n",
        "Hello world, this is a text.\n",
        "x = 1 \\ 2\n",
        "s = \"abc\nprint(1)\n",
        "x = 🎉\n",
    ] {
        let (_, _, message) = failure(source);
        assert!(!message.contains("(hint: "), "{source:?}: {message}");
    }
}

#[test]
fn programs_that_compile_are_left_alone() {
    for source in [
        "s = '''\n```python\nprint(1)\n```\n'''\nprint(s)",
        "print('!pip install x')\n# %matplotlib inline\n",
        "x = (7\n% 3)\nprint(x)",
        "print('a &lt; b', “”)".replace("“”", "''").as_str(),
        "a = {}\nprint(a != 1)",
        "x = 1\\\n  + 2\nprint(x)",
    ] {
        let report = validate(source, &lax());
        assert!(report.violations.is_empty() && report.warnings.is_empty(), "{source:?}: {report:?}");
    }
}

#[test]
fn a_program_that_does_nothing_is_warned_of() {
    for (source, words) in [
        ("\"import math\\nprint(math.pi)\"", "without the quotes"),
        ("'''\nprint(1)\n'''", "without the quotes"),
        ("# sums\\nprint(1 + 2)", "two characters"),
        ("# nothing here", "only comments"),
    ] {
        let report = validate(source, &lax());
        assert!(report.is_accepted(), "{source:?}");
        let warnings: Vec<_> = report.warnings.iter().map(|w| (w.code, w.message.as_str())).collect();
        assert!(
            matches!(warnings.as_slice(), [(FindingCode::NothingToRun, message)] if message.contains(words)),
            "{source:?}: {warnings:?}"
        );
    }
    assert!(validate("'''A docstring.'''\nprint(1)", &lax()).warnings.is_empty());
}
