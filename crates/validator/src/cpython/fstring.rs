//! Errors inside f-strings, which CPython before 3.12 compiles separately, with different messages.

use ruff_python_parser::{InterpolatedStringErrorType, LexicalErrorType, ParseErrorType};

/// CPython's message for an error in the braces of an f-string; `rest` is the text from the error on, and
/// `before` the text of the string up to it.
pub(super) fn message(error: &ParseErrorType, before: &str, rest: &str, python: (u8, u8)) -> String {
    use InterpolatedStringErrorType as Kind;
    let text = match error {
        ParseErrorType::FStringError(kind)
        | ParseErrorType::Lexical(LexicalErrorType::FStringError(kind)) => match kind {
            Kind::SingleRbrace => "single '}' is not allowed",
            Kind::InvalidConversionFlag => "invalid conversion character: expected 's', 'r', or 'a'",
            Kind::UnclosedLbrace => return unclosed(before, rest),
            Kind::UnterminatedString | Kind::UnterminatedTripleQuotedString => "expecting '}'",
            Kind::LambdaWithoutParentheses => "invalid syntax",
            Kind::ConversionFlagNotImmediatelyAfterExclamation | Kind::NewlineInFormatSpec => {
                "invalid syntax"
            }
        },
        ParseErrorType::ExpectedExpression => {
            let is_hole_start = before.trim_end().ends_with('{');
            let (since, is_new) = if python < (3, 12) {
                ("expression required before", false)
            } else {
                ("valid expression required before", true)
            };
            match rest.chars().next() {
                Some(c @ ('!' | ':' | '=')) if is_hole_start => return format!("f-string: {since} '{c}'"),
                Some('}') if is_hole_start && is_new => return format!("f-string: {since} '}}'"),
                Some('}') if is_hole_start => "empty expression not allowed",
                Some('\'' | '"') | None => "expecting '}'",
                _ => "invalid syntax",
            }
        }
        _ => "invalid syntax",
    };
    format!("f-string: {text}")
}

/// The expression in the braces continued when it should have ended.
fn unclosed(before: &str, rest: &str) -> String {
    match rest.chars().next() {
        Some(c @ (')' | ']')) => format!("f-string: unmatched '{c}'"),
        // After a conversion or the end of the string there is nothing to compile.
        Some('\'' | '"') | None => "f-string: expecting '}'".into(),
        Some(_) if is_after_conversion(before) => "f-string: expecting '}'".into(),
        Some(c) if c == '_' || c.is_alphanumeric() => {
            "f-string: invalid syntax. Perhaps you forgot a comma?".into()
        }
        Some(_) => "f-string: invalid syntax".into(),
    }
}

fn is_after_conversion(before: &str) -> bool {
    ["!r", "!s", "!a"].iter().any(|conversion| before.trim_end().ends_with(conversion))
}
