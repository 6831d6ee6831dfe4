//! Programs with small errors, thousands of them: never refused if CPython compiles them, and if it does not,
//! mostly with its own messages. The errors are the same on every run; `DIFFERENTIAL_SEED` and
//! `DIFFERENTIAL_COUNT` select others and more.

#[allow(dead_code, reason = "shared by several test binaries")]
mod common;
#[path = "common/programs.rs"]
mod programs;
#[path = "common/refused.rs"]
mod refused;

use validator::{Policy, validate};

/// Inserted, or put in place of something.
const PIECES: &[&str] = &[
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
    "    ",
    "\t",
    " ",
    "\"",
    "'",
    "\"\"\"",
    "f\"",
    "f'{",
    "}",
    "{{",
    "rb\"",
    "\\\n",
    "\\",
    "#",
    "0",
    "1",
    "0x",
    "1_0",
    "1e5",
    "1j",
    "é",
    "x",
    "if ",
    "else ",
    "elif ",
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
    "break",
    "continue",
    "pass",
    "global x",
    "nonlocal x",
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
    "//",
    ">>",
    "%",
    "&",
    "|",
    "<",
    "+=",
    "type ",
    "$",
    "?",
    "!",
    "\u{c}",
    "\r",
    "\u{200b}",
    "“",
];

/// xorshift64: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % end.max(1)
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Some lines of some program, with one or two errors.
fn faulty(random: &mut Random, pool: &[&str]) -> String {
    let lines: Vec<_> = random.of(pool).trim_start_matches('\u{feff}').split_inclusive('\n').collect();
    let first = random.below(lines.len());
    let count = 1 + random.below(14);
    let mut chars: Vec<char> = lines.iter().skip(first).take(count).flat_map(|line| line.chars()).collect();
    for _ in 0..1 + random.below(2) {
        let at = random.below(chars.len() + 1);
        let cut = [0, 0, 1, 2, 4][random.below(5)].min(chars.len() - at);
        let put = if cut > 0 && random.below(2) == 0 { "" } else { *random.of(PIECES) };
        chars.splice(at..at + cut, put.chars());
    }
    chars.into_iter().collect()
}

#[test]
fn faulty_programs_are_judged_as_by_cpython() {
    let lists = [
        programs::PROGRAMS,
        refused::TOKENIZER,
        refused::INDENTATION,
        refused::MISSING_COLON,
        refused::ASSIGNMENT,
        refused::CALLS,
        refused::STATEMENTS,
        refused::DEFINITIONS,
        refused::COMPILER,
        refused::FSTRINGS,
        refused::EVERYDAY,
    ];
    // Whole programs are fewer, but matter more.
    let programs: Vec<&str> = programs::PROGRAMS.iter().cycle().take(600).copied().collect();
    let pool: Vec<&str> = lists.concat().into_iter().chain(programs).collect();

    let mut random = Random(number("DIFFERENTIAL_SEED", 0x5eed));
    let count = usize::try_from(number("DIFFERENTIAL_COUNT", 6_000)).unwrap();
    let sources: Vec<String> = std::iter::repeat_with(|| faulty(&mut random, &pool))
        .filter(|source| !source.trim().is_empty())
        .take(count)
        .collect();
    let Some(answers) = common::compile_all(&sources) else { return };

    let policy = Policy { forbidden_imports: Default::default(), max_complexity: 0, ..Policy::default() };
    let (mut refused_wrongly, mut accepted_wrongly, mut refused, mut same_words) =
        (Vec::new(), Vec::new(), 0, 0);
    for (source, theirs) in sources.iter().zip(&answers) {
        let ours = validate(source, &policy).violations;
        match (theirs.get(1).and_then(|message| message.as_str()), ours.first()) {
            (None, Some(finding)) => refused_wrongly.push(format!("{source:?}: {finding}")),
            (Some(message), None) => accepted_wrongly.push(format!("{source:?}: CPython: {message}")),
            (Some(message), Some(_)) => {
                refused += 1;
                // Our hint comes after CPython's message.
                let words = |ours: &str| ours.split(" (hint: ").next() == Some(message);
                same_words += usize::from(ours.iter().any(|finding| words(&finding.message)));
            }
            (None, None) => {}
        }
    }
    println!("{refused} of {} refused, {same_words} with the same message", sources.len());
    assert!(
        refused_wrongly.is_empty(),
        "refused, but CPython compiles them:\n{}",
        refused_wrongly.join("\n")
    );
    assert!(accepted_wrongly.len() * 500 <= count, "accepted:\n{}", accepted_wrongly.join("\n"));
    assert!(same_words * 100 >= refused * 93, "{same_words} of {refused} with the same message");
}
