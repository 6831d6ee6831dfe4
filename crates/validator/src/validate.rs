//! The order of the checks: cheap bounds first, then the parser, then the walks.

use std::panic::{self, AssertUnwindSafe};

use ruff_python_ast::{Mod, PythonVersion, Stmt};
use ruff_python_parser::{Mode, ParseOptions, Parsed};
use ruff_text_size::TextSize;

use crate::cpython::tokens::{BRACKETS_MAX, INDENTS_MAX};
use crate::cpython::{Worded, cursor, explain, tokens};
use crate::depth::{self, DEPTH_MAX, TooDeep};
use crate::inspect;
use crate::mistakes;
use crate::policy::Policy;
use crate::remark::Remark;
use crate::report::{Finding, FindingCode, LastExpression, Report, tidy};
use crate::semantics;
use crate::source::Source;
use crate::symbols;

/// Maximum length of a program in bytes, whatever the policy: 1 MiB. Bounds the stack that is reserved.
pub const SOURCE_BYTES_MAX: usize = 1 << 20;

/// Stack for the shortest program, in bytes. Only the touched pages cost anything.
const STACK_BASE_BYTES: usize = 4 << 20;

/// Stack per character, in bytes. A character makes at most a few nodes, one below the other, even if the
/// parser invents nodes to recover from errors; so this holds for every text, whatever bound [`depth`]
/// computes. Measured with texts of random repeated pieces (`tests/hostile.rs`, 24,000 of 50,000 characters):
/// 256 bytes are enough in release builds and 1 KiB in debug builds, which leaves a factor of eight.
const STACK_CHAR_BYTES: usize = if cfg!(debug_assertions) { 8 << 10 } else { 2 << 10 };

/// Validates a program against a policy. Pure: reads and writes nothing but its arguments.
///
/// Whatever the text, this neither panics nor overflows the stack, and takes time proportional to its length
/// (50,000 characters: below 5 ms in a release build).
///
/// A syntax error has the message of the policy's version of the interpreter, and only the first one is
/// reported, as the interpreter does; forbidden imports are reported beside it.
///
/// Decision points: one for each `if`, `elif`, conditional expression, `for`, `while`, `except`, `case` (and
/// one more for its guard), each `for` and `if` of a comprehension, and each `and` and `or` between two
/// operands. `else`, `with`, `try`, `assert` and `finally` do not count.
#[must_use]
pub fn validate(source: &str, policy: &Policy) -> Report {
    if let Err(finding) = check_size(source, policy) {
        return refused(finding);
    }
    // The parser does not guarantee freedom from panics. A program that cannot be checked is refused.
    panic::catch_unwind(AssertUnwindSafe(|| check(source, policy))).unwrap_or_else(|_| {
        let message = "the program could not be analysed, so it was rejected as a precaution";
        refused(finding_at((1, 0), FindingCode::NotAnalysed, message.into()))
    })
}

fn refused(finding: Finding) -> Report {
    Report { violations: vec![finding], ..Report::default() }
}

fn finding_at((line, column): (u32, u32), code: FindingCode, message: String) -> Finding {
    Finding { line, column, code, message }
}

/// The checks that do not read the program.
fn check_size(source: &str, policy: &Policy) -> Result<(), Finding> {
    let max = policy.max_code_length;
    let too_long = |what: String| finding_at((1, 0), FindingCode::TooLong, what);
    if source.len() > SOURCE_BYTES_MAX {
        return Err(too_long(format!("the program is over {SOURCE_BYTES_MAX} bytes long")));
    }
    // Counting characters is unnecessary if there are not even that many bytes.
    if source.len() > max {
        let length = source.chars().count();
        if length > max {
            return Err(too_long(format!("the program has {length} characters, at most {max} are allowed")));
        }
    }
    if source.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(finding_at((1, 0), FindingCode::Empty, "the program is empty".into()));
    }
    Ok(())
}

fn check(source: &str, policy: &Policy) -> Report {
    let source = Source::new(source);
    let finding = |at: TextSize, code, message| finding_at(source.place(at), code, message);
    if let Some(at) = source.text.find('\0') {
        let at = TextSize::try_from(at).unwrap_or_default();
        return refused(finding(
            at,
            FindingCode::SyntaxError,
            "source code cannot contain null bytes".into(),
        ));
    }
    if let Err(too_deep) = depth::check(source.text) {
        let (at, message) = deep(too_deep, source.text, policy.python);
        return refused(finding(at, FindingCode::TooDeep, message));
    }
    // The tree is built, walked and dropped inside: all three are recursive.
    let stack_bytes = STACK_BASE_BYTES + STACK_CHAR_BYTES * source.text.chars().count();
    let mut report = stacker::maybe_grow(stack_bytes, stack_bytes, || check_tree(&source, policy));
    if let Some((at, name)) = source.foreign_cookie() {
        let message = format!("the encoding declaration `{name}` is ignored: programs are UTF-8");
        report.warnings.push(finding(at, FindingCode::EncodingCookie, message));
    }
    tidy(&mut report.violations);
    tidy(&mut report.warnings);
    report
}

/// The interpreter's own limits, with its messages; and ours.
fn deep(too_deep: TooDeep, text: &str, python: (u8, u8)) -> (TextSize, String) {
    let scan = tokens::scan(text, python);
    let (at, message) = match too_deep {
        TooDeep::Brackets => (None, format!("too many nested parentheses (at most {BRACKETS_MAX})")),
        TooDeep::Indentation => {
            (None, format!("too many levels of indentation (at most {})", INDENTS_MAX - 1))
        }
        TooDeep::Tree { lines_before } => {
            let mut ends = scan.tokens.iter().filter(|token| token.kind == tokens::Kind::Newline);
            let before = if lines_before == 0 { None } else { ends.nth(lines_before - 1) };
            let message =
                format!("nested too deeply (at most {DEPTH_MAX} levels; interpreters accept fewer)");
            (before.map(|end| cursor::offset(end.end)), message)
        }
    };
    // The interpreter's tokenizer stops where the interpreter would; for a tree that is too deep only the
    // line is known.
    let at = at.or(scan.error.map(|fault| fault.worded().at)).unwrap_or_default();
    (at, message)
}

fn check_tree(source: &Source<'_>, policy: &Policy) -> Report {
    let (major, minor) = policy.python;
    let options = ParseOptions::from(Mode::Module).with_target_version(PythonVersion { major, minor });
    let parsed = ruff_python_parser::parse_unchecked(source.text, options);
    let body: &[Stmt] = match parsed.syntax() {
        Mod::Module(module) => &module.body,
        // Not for `Mode::Module`.
        Mod::Expression(_) => &[],
    };

    let syntax = syntax_errors(&parsed, body, source.text, policy);
    let inspection = inspect::inspect(body, policy);
    let mut report =
        Report { imports: inspection.imports, complexity: inspection.complexity, ..Report::default() };
    report.last_expression = inspect::last_expression(body)
        .map(|(at, is_call)| LastExpression { line: source.place(at).0, is_call });
    let is_broken = !syntax.is_empty();
    if let (false, Some(message)) = (is_broken, mistakes::nothing_to_run(body, source.text)) {
        report.warnings.push(finding_at((1, 0), FindingCode::NothingToRun, message));
    }
    for Worded { at, message } in syntax {
        let (line, column) = source.place(at);
        report.violations.push(Finding { line, column, code: FindingCode::SyntaxError, message });
    }
    for Remark { at, code, message } in inspection.remarks {
        // Other findings in a program that does not parse are guesswork, except for imports.
        if is_broken && code != FindingCode::ForbiddenImport {
            continue;
        }
        let (line, column) = source.place(at);
        let found = Finding { line, column, code, message };
        match code {
            FindingCode::ForbiddenImport | FindingCode::TooComplex => report.violations.push(found),
            _ => report.warnings.push(found),
        }
    }
    report
}

/// Why the interpreter would not compile the program: the first error of the tokenizer or the grammar, else
/// all that its compiler refuses.
fn syntax_errors(parsed: &Parsed<Mod>, body: &[Stmt], text: &str, policy: &Policy) -> Vec<Worded> {
    if !parsed.errors().is_empty() || !parsed.unsupported_syntax_errors().is_empty() {
        let mut worded = explain::explain(parsed, text, policy.python);
        mistakes::add_hint(&mut worded, text, policy.python);
        return vec![worded];
    }
    // The parser counts a tab as two columns, CPython compares it as eight and as one.
    if text.contains('\t')
        && let Some(fault) = tokens::scan(text, policy.python).error
        && matches!(fault.worded().message.as_str(), tokens::TABS_MIXED | tokens::UNINDENT)
    {
        let mut worded = fault.worded().clone();
        mistakes::add_hint(&mut worded, text, policy.python);
        return vec![worded];
    }
    let mut errors = symbols::check(body, text);
    errors.append(&mut semantics::check(body, text, policy.python));
    errors
}
