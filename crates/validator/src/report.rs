//! The report on a program: findings with a position, a stable code and a sentence.

use std::collections::BTreeSet;
use std::fmt;

/// Maximum number of findings of each kind. More add nothing, and an answer must stay small: 50,000
/// characters of `return` lines would otherwise be 7,000 findings.
pub const FINDINGS_MAX: usize = 50;

/// The report on one program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Reasons to refuse the program, in source order; empty if it may run. At most [`FINDINGS_MAX`].
    pub violations: Vec<Finding>,
    /// Advice that never refuses a program, in source order. At most [`FINDINGS_MAX`].
    pub warnings: Vec<Finding>,
    /// Dotted names of the modules that the program imports, as far as the text shows: `import` and `from`
    /// statements, and `__import__` and similar functions with a constant name. Relative imports are not
    /// included.
    pub imports: BTreeSet<String>,
    /// Decision points; see [`crate::validate()`] for what counts.
    pub complexity: u32,
    /// The last statement, if it is an expression whose value a notebook would show and a script does not.
    pub last_expression: Option<LastExpression>,
}

/// An expression as the last statement of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastExpression {
    /// Its line, from 1.
    pub line: u32,
    /// Whether it is a call or awaits one, so it may be there for its effect and not for its value.
    pub is_call: bool,
}

impl Report {
    /// Whether the program may run under the policy it was checked against.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.violations.is_empty()
    }
}

/// One finding at one position in the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Line, from 1, as CPython counts lines (`\n`, `\r\n` and a lone `\r` each end one).
    pub line: u32,
    /// Column, from 0, in characters: what `ast` calls `col_offset`, but counted in characters instead of
    /// bytes; one less than a `SyntaxError`'s `offset`. A leading byte order mark is not counted.
    pub column: u32,
    /// The kind of finding; stable, for programs.
    pub code: FindingCode,
    /// One sentence fragment, for people and language models.
    pub message: String,
}

/// The kinds of findings. The text form ([`FindingCode::as_str`]) is part of the service's contract: add,
/// never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingCode {
    /// Violation: the interpreter would refuse to compile the program.
    SyntaxError,
    /// Violation: a module is imported, or reached through another module, that the policy forbids.
    ForbiddenImport,
    /// Violation: more decision points than the policy allows.
    TooComplex,
    /// Violation: more characters than the policy allows.
    TooLong,
    /// Violation: nested deeper than any interpreter compiles.
    TooDeep,
    /// Violation: nothing but white space.
    Empty,
    /// Violation: the validator itself failed on the program, which is refused to be safe.
    NotAnalysed,
    /// Warning: a loop that nothing in its text leaves.
    InfiniteLoop,
    /// Warning: a walk over the interpreter's inner attributes, such as `().__class__.__bases__`.
    DunderWalk,
    /// Warning: `eval`, `exec` or `compile`.
    DynamicCode,
    /// Warning: an import whose module name is known only at run time.
    DynamicImport,
    /// Warning: a forbidden module's name at the end of an attribute walk that may or may not be that module.
    SuspectAttribute,
    /// Warning: a relative import; a program has no parent package, so it fails at run time.
    RelativeImport,
    /// Warning: the program has no statement with an effect: only comments, or a text in quotes.
    NothingToRun,
    /// Warning: an encoding declaration other than UTF-8; the interpreter ignores it.
    EncodingCookie,
}

impl FindingCode {
    /// The stable text form, in kebab case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SyntaxError => "syntax-error",
            Self::ForbiddenImport => "forbidden-import",
            Self::TooComplex => "too-complex",
            Self::TooLong => "too-long",
            Self::TooDeep => "too-deep",
            Self::Empty => "empty",
            Self::NotAnalysed => "not-analysed",
            Self::InfiniteLoop => "infinite-loop",
            Self::DunderWalk => "dunder-walk",
            Self::DynamicCode => "dynamic-code",
            Self::DynamicImport => "dynamic-import",
            Self::SuspectAttribute => "suspect-attribute",
            Self::RelativeImport => "relative-import",
            Self::NothingToRun => "nothing-to-run",
            Self::EncodingCookie => "encoding-cookie",
        }
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

/// One line for each finding, `line 3, column 8: …`, joined with `\n` and without a final one.
#[must_use]
pub fn render(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Sorts by position, drops duplicates at one position, and cuts to [`FINDINGS_MAX`].
pub(crate) fn tidy(findings: &mut Vec<Finding>) {
    findings
        .sort_by(|a, b| (a.line, a.column, a.code, &a.message).cmp(&(b.line, b.column, b.code, &b.message)));
    findings.dedup();
    findings.truncate(FINDINGS_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(line: u32, column: u32) -> Finding {
        Finding { line, column, code: FindingCode::SyntaxError, message: "invalid syntax".into() }
    }

    #[test]
    fn renders_one_line_each() {
        assert_eq!(render(&[]), "");
        assert_eq!(
            render(&[finding(3, 8), finding(4, 0)]),
            "line 3, column 8: invalid syntax\nline 4, column 0: invalid syntax"
        );
    }

    #[test]
    fn tidy_sorts_dedups_and_cuts() {
        let mut findings: Vec<_> = (0..200).rev().map(|n| finding(n / 2, 0)).collect();
        tidy(&mut findings);
        assert_eq!(findings.len(), FINDINGS_MAX);
        assert_eq!((findings[0].line, findings[1].line), (0, 1));
    }
}
