//! CPython's message for a program that its tokenizer or its grammar refuses.
//!
//! The parser reports where the grammar fails, which nearly always agrees with CPython's position. The
//! message depends on the tokens around that position, as in CPython's `invalid_*` rules; if no rule applies,
//! it is `invalid syntax`, as in CPython.

use ruff_python_ast::Mod;
use ruff_python_parser::{
    LexicalErrorType, ParseError, ParseErrorType, Parsed, UnsupportedSyntaxError, UnsupportedSyntaxErrorKind,
};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::context::Context;
use super::cursor::offset;
use super::targets::Target;
use super::tokens::{CUT, Fault, Kind, Open, TABS_MIXED, UNINDENT, scan};
use super::{Worded, escapes, fstring, targets};

/// The error that CPython reports for a program that does not parse. `parsed` must have an error.
pub(crate) fn explain(parsed: &Parsed<Mod>, text: &str, python: (u8, u8)) -> Worded {
    let scan = scan(text, python);
    let error = parsed.errors().first();
    let unsupported = parsed.unsupported_syntax_errors().first();
    let failed_at = match (error, unsupported) {
        (Some(error), Some(unsupported)) => error.start().min(unsupported.start()),
        (Some(error), None) => error.start(),
        (None, Some(unsupported)) => unsupported.start(),
        (None, None) => TextSize::default(),
    };
    let is_indent = error.is_some_and(|error| error.error == ParseErrorType::UnexpectedIndentation);
    match &scan.error {
        // CPython reports an unexpected indentation at once.
        Some(Fault::Hard(worded)) if !is_indent || worded.at <= failed_at => return worded.clone(),
        Some(Fault::Soft(worded)) if is_reached(text, worded, failed_at) => {
            return match scan.unclosed {
                Some(open) if worded.message == CUT => never_closed(open),
                _ => worded.clone(),
            };
        }
        _ => {}
    }
    let context = Context::new(text, &scan.tokens, python);
    let worded = match (error, unsupported) {
        (Some(error), Some(unsupported)) if unsupported.start() < error.start() => newer(unsupported),
        (Some(error), _) => grammar(&context, error),
        (None, Some(unsupported)) => newer(unsupported),
        (None, None) => Worded::new(TextSize::default(), "invalid syntax"),
    };
    // An open bracket is blamed for an error on a later line, and at the end of the text.
    let failed = context.token(error.map_or(worded.at, Ranged::start));
    match scan.unclosed {
        Some(open) if failed.kind == Kind::End || context.line_read(failed, &worded) > open.line => {
            never_closed(open)
        }
        _ => worded,
    }
}

/// Whether the parser came as far as the tokenizer's error: it failed on the same line or after.
fn is_reached(text: &str, worded: &Worded, failed_at: TextSize) -> bool {
    let line_start = text[..worded.at.to_usize()].rfind(['\n', '\r']).map_or(0, |end| end + 1);
    let is_indentation = matches!(worded.message.as_str(), UNINDENT | TABS_MIXED);
    // The parser blames the backslash itself.
    let is_backslash = text.get(failed_at.to_usize()..worded.at.to_usize()).is_some_and(|between| {
        between.strip_prefix('\\').is_some_and(|rest| rest.trim_end_matches(['\n', '\r']).is_empty())
    });
    failed_at >= worded.at || is_backslash || (is_indentation && failed_at.to_usize() >= line_start)
}

fn never_closed(open: Open) -> Worded {
    Worded::new(offset(open.at), format!("'{}' was never closed", char::from(open.bracket)))
}

/// Syntax that the interpreter is too old for. CPython would report `invalid syntax`; the version helps more.
fn newer(error: &UnsupportedSyntaxError) -> Worded {
    use UnsupportedSyntaxErrorKind as Unsupported;
    let display = error.to_string();
    let message = match error.kind {
        Unsupported::UnparenthesizedExceptionTypes => "multiple exception types must be parenthesized".into(),
        Unsupported::UnpackingInComprehension(_) if display.contains("dictionary") => {
            "dict unpacking cannot be used in dict comprehension".into()
        }
        Unsupported::UnpackingInComprehension(_) => {
            "iterable unpacking cannot be used in comprehension".into()
        }
        Unsupported::Pep701FString(_) if display.contains("backslash") => {
            "f-string expression part cannot include a backslash".into()
        }
        Unsupported::Pep701FString(_) if display.contains("comments") => {
            "f-string expression part cannot include '#'".into()
        }
        _ => {
            let mut rest = display.chars();
            let first = rest.next().map(|c| c.to_ascii_lowercase());
            format!("invalid syntax: {}", first.into_iter().chain(rest).collect::<String>())
        }
    };
    Worded::new(error.start(), message)
}

fn grammar(context: &Context<'_>, error: &ParseError) -> Worded {
    use ParseErrorType as E;
    let range = error.range();
    let at = range.start();
    let here = |message: &str| Worded::new(at, message);
    if let Some(comment) = context.fstring_comment(at) {
        return Worded::new(comment, "f-string expression part cannot include '#'");
    }
    if let Some(string) = context.fstring_around(at) {
        let message = fstring::message(
            &error.error,
            context.slice(string.start, usize::from(at)),
            context.slice(usize::from(at), string.end),
            context.python,
        );
        return here(&message);
    }
    match &error.error {
        E::UnexpectedIndentation => Worded::new(context.indent_end(at), "unexpected indent"),
        E::InvalidAssignmentTarget => assignment(context, range),
        E::InvalidAugmentedAssignmentTarget => augmented(context, range),
        E::InvalidAnnotatedAssignmentTarget => here("illegal target for annotation"),
        E::InvalidDeleteTarget => here(&format!("cannot delete {}", target(context, range))),
        E::InvalidNamedAssignmentTarget => {
            here(&format!("cannot use assignment expressions with {}", target(context, range)))
        }
        E::PositionalAfterKeywordArgument => {
            Worded::new(context.bracket_end(at), "positional argument follows keyword argument")
        }
        E::PositionalAfterKeywordUnpacking => {
            Worded::new(context.bracket_end(at), "positional argument follows keyword argument unpacking")
        }
        E::InvalidArgumentUnpackingOrder => {
            here("iterable argument unpacking follows keyword argument unpacking")
        }
        E::UnparenthesizedGeneratorExpression if !context.statement_starts_with(at, &["class"]) => {
            here("Generator expression must be parenthesized")
        }
        E::UnparenthesizedGeneratorExpression => {
            generic(context, context.find_after(at, "for").unwrap_or(at))
        }
        E::UnparenthesizedTupleExpression => generic(context, context.find_after(at, ",").unwrap_or(at)),
        E::NonDefaultParamAfterDefaultParam if context.python >= (3, 12) => {
            here("parameter without a default follows parameter with a default")
        }
        E::NonDefaultParamAfterDefaultParam => here("non-default argument follows default argument"),
        E::ExpectedKeywordParam => {
            Worded::new(context.find_before(at, "*").unwrap_or(at), "named arguments must follow bare *")
        }
        E::ParamAfterVarKeywordParam => here("arguments cannot follow var-keyword argument"),
        E::VarParameterWithDefault => {
            let is_keyword =
                context.token_before(context.start_before(at)).is_some_and(|star| context.text(star) == "**");
            let kind = if is_keyword { "keyword" } else { "positional" };
            here(&format!("var-{kind} argument cannot have default value"))
        }
        E::InvalidMatchPatternTarget => here("cannot use '_' as a target"),
        E::ExpectedImaginaryNumber => here("imaginary number required in complex literal"),
        E::ExpectedRealNumber => here("real number required in complex literal"),
        E::InvalidStarredExpressionUsage => starred(context, range),
        E::IterableUnpackingInComprehension => here("iterable unpacking cannot be used in comprehension"),
        E::ExpectedExpression => expected_expression(context, at),
        E::ExpectedToken { .. } | E::SimpleStatementsOnSameLine => unexpected(context, at),
        E::OtherError(message) => other(context, message, range),
        E::Lexical(kind) => lexical(context, kind, at),
        _ => generic(context, at),
    }
}

/// `invalid syntax`, at the token where CPython could not continue.
fn generic(context: &Context<'_>, at: TextSize) -> Worded {
    let token = context.token(at);
    // `x not y`: CPython reads on, expecting `not in`.
    if context.text(token) == "not" && context.is_operand_end(context.token_before(offset(token.start))) {
        let next = context.token(offset(token.end));
        return Worded::new(offset(next.start), "invalid syntax");
    }
    Worded::new(offset(token.start), "invalid syntax")
}

fn target(context: &Context<'_>, range: TextRange) -> &'static str {
    targets::name(context.slice(usize::from(range.start()), usize::from(range.end())))
        .map_or("expression", |t| t.name)
}

/// An expression that cannot be assigned to is before `=`, after `for`, or after `as`.
fn assignment(context: &Context<'_>, range: TextRange) -> Worded {
    let at = range.start();
    let Some(target) = targets::name(context.slice(usize::from(at), usize::from(range.end()))) else {
        return Worded::new(at, "invalid syntax");
    };
    let is_bare_yield = target.name == "yield expression" && context.token(at).level == 0;
    if is_bare_yield {
        return Worded::new(at, "assignment to yield expression not possible");
    }
    let hint = if target.is_tight && context.is_mistyped_comparison(range) {
        " here. Maybe you meant '==' instead of '='?"
    } else {
        ""
    };
    Worded::new(at, format!("cannot assign to {}{hint}", target.name))
}

fn augmented(context: &Context<'_>, range: TextRange) -> Worded {
    match targets::name(context.slice(usize::from(range.start()), usize::from(range.end()))) {
        Some(Target { name, .. }) => {
            Worded::new(range.start(), format!("'{name}' is an illegal expression for augmented assignment"))
        }
        None => generic(context, range.end()),
    }
}

fn starred(context: &Context<'_>, range: TextRange) -> Worded {
    let at = range.start();
    let before = context.token_before(at).map(|token| context.text(token));
    let after = context.text(context.token(range.end()));
    match before {
        Some("(") if after == ")" => Worded::new(at, "cannot use starred expression here"),
        Some(":") if context.token(at).level > 0 => {
            Worded::new(at, "cannot use a starred expression in a dictionary value")
        }
        Some("{") if after == ":" => generic(context, range.end()),
        _ => Worded::new(at, "can't use starred expression here"),
    }
}

/// An expression is missing at `at`.
fn expected_expression(context: &Context<'_>, at: TextSize) -> Worded {
    let token = context.token(at);
    let before = context.token_before(at);
    match (before.map(|token| context.text(token)), context.text(token)) {
        (Some(":"), "}" | ",") if context.is_dict_colon(at) => {
            Worded::new(context.start_before(at), "expression expected after dictionary key and ':'")
        }
        (Some("="), ")" | ",") if context.statement_starts_with(at, &["def", "async"]) => {
            Worded::new(context.start_before(at), "expected default value expression")
        }
        // `<>` is one token.
        (Some("<"), ">") => generic(context, context.start_before(at)),
        _ => generic(context, at),
    }
}

/// The grammar cannot continue with the token at `at`.
fn unexpected(context: &Context<'_>, at: TextSize) -> Worded {
    let token = context.token(at);
    let text = context.text(token);
    let header = context.header(at);
    let before = context.token_before(at);
    let before_text = before.map_or("", |token| context.text(token));
    if token.level == 0 || (token.level == 1 && matches!(text, "(" | "[" | "{")) {
        // Forced tokens first: nothing else can be meant.
        if header == "def" {
            if context.is_function_name(before) && text != "(" {
                return Worded::new(offset(token.start), "expected '('");
            }
            if before_text == ")" || context.is_after_arrow(at) && token.kind == Kind::Newline {
                return Worded::new(offset(token.start), "expected ':'");
            }
        }
        let is_bare = matches!(before_text, "else" | "try" | "finally");
        let is_block = before_text != header
            && matches!(
                header,
                "if" | "elif" | "while" | "for" | "with" | "class" | "except" | "match" | "case"
            )
            || (header == "except" && before_text == header);
        if (is_bare && before_text == header) || (is_block && token.kind == Kind::Newline) {
            return Worded::new(offset(token.start), "expected ':'");
        }
        if let Some(print) = context.legacy_statement(at) {
            let name = context.text(print);
            let message = format!("Missing parentheses in call to '{name}'. Did you mean {name}(...)?");
            return Worded::new(offset(print.start), message);
        }
    }
    if text == "=" && matches!(header, "if" | "elif" | "while") {
        return mistyped_test(context, at);
    }
    if matches!(
        text,
        "+=" | "-=" | "*=" | "/=" | "//=" | "%=" | "@=" | "&=" | "|=" | "^=" | "<<=" | ">>=" | "**="
    ) && token.level == 0
    {
        let start = context.statement_start(at);
        return augmented(context, TextRange::new(start, at));
    }
    if text == "(" && context.is_parameter_list(at) {
        let kind = if header == "def" { "Function" } else { "Lambda expression" };
        return Worded::new(offset(token.start), format!("{kind} parameters cannot be parenthesized"));
    }
    if let Some(start) = context.conditional_without_else(at) {
        return Worded::new(start, "expected 'else' after 'if' expression");
    }
    if text == "for"
        && let Some(start) = context.bare_comprehension_target(at)
    {
        return Worded::new(start, "did you forget parentheses around the comprehension target?");
    }
    if matches!(text, "}" | "for") && context.is_dict_key_end(at) {
        let last = before.map_or(token.start, |before| before.end.saturating_sub(1));
        return Worded::new(offset(last), "':' expected after dictionary key");
    }
    if !context.is_in_parameters(at)
        && let Some(start) = context.forgotten_comma(at)
    {
        return Worded::new(start, "invalid syntax. Perhaps you forgot a comma?");
    }
    generic(context, at)
}

/// `if x = 1:`.
fn mistyped_test(context: &Context<'_>, at: TextSize) -> Worded {
    let start = context.operand_start(at);
    let snippet = context.slice(usize::from(start), usize::from(at)).trim_end();
    match targets::name(snippet) {
        Some(target) if target.name == "name" => {
            Worded::new(start, "invalid syntax. Maybe you meant '==' or ':=' instead of '='?")
        }
        Some(target) if target.is_tight => {
            let message =
                format!("cannot assign to {} here. Maybe you meant '==' instead of '='?", target.name);
            Worded::new(start, message)
        }
        _ => generic(context, at),
    }
}

/// The parser's own messages that have a counterpart.
fn other(context: &Context<'_>, message: &str, range: TextRange) -> Worded {
    let at = range.start();
    let here = |message: &str| Worded::new(at, message);
    if let Some(what) = message.strip_prefix("Expected an indented block after ") {
        return expected_block(context, what, at);
    }
    match message {
        "Expected a parameter name" => keyword_argument(context, range),
        "Only single target (not tuple) can be annotated" => {
            here("only single target (not tuple) can be annotated")
        }
        "Only single target (not list) can be annotated" => {
            here("only single target (not list) can be annotated")
        }
        "Expected `except` or `finally` after `try` block" => {
            Worded::new(context.code_end(at), "expected 'except' or 'finally' block")
        }
        "Cannot have both 'except' and 'except*' on the same 'try'" => {
            here("cannot have both 'except' and 'except*' on the same 'try'")
        }
        "Expected one or more exception types" => here("expected one or more exception types"),
        "Multiple exception types must be parenthesized when using `as`" => {
            here("multiple exception types must be parenthesized")
        }
        "Trailing comma not allowed" if context.statement_starts_with(at, &["from"]) => {
            let next = context.token(range.end());
            Worded::new(offset(next.start), "trailing comma not allowed without surrounding parentheses")
        }
        "Trailing comma not allowed" => generic(context, range.end()),
        "Star import must be the only import" => generic(context, context.find_after(at, ",").unwrap_or(at)),
        "Only one '*' parameter allowed" => here("* argument may appear only once"),
        "Only one '/' separator allowed" => here("/ may appear only once"),
        "'/' parameter must appear before '*' parameter" => here("/ must be ahead of *"),
        "Position-only parameter separator not allowed as first parameter" => {
            here("at least one argument must precede /")
        }
        "Only one '**' parameter allowed" => here("arguments cannot follow var-keyword argument"),
        "Positional patterns cannot follow keyword patterns" => {
            here("positional patterns follow keyword patterns")
        }
        "Bytes literal cannot be mixed with non-bytes literals" => {
            here("cannot mix bytes and nonbytes literals")
        }
        "Expected a parameter or the end of the parameter list" => match context.text(context.token(at)) {
            "(" if context.header(at) == "def" => here("Function parameters cannot be parenthesized"),
            "(" => here("Lambda expression parameters cannot be parenthesized"),
            _ => generic(context, at),
        },
        // `-a` in a pattern fails after the sign.
        "Expected a pattern" if context.text(context.token(at)) == "-" => {
            generic(context, offset(context.token(at).end))
        }
        _ => unexpected(context, at),
    }
}

/// `f(1=2)`.
fn keyword_argument(context: &Context<'_>, range: TextRange) -> Worded {
    let at = range.start();
    let snippet = context.slice(usize::from(at), usize::from(range.end()));
    match snippet {
        "True" | "False" | "None" => Worded::new(at, format!("cannot assign to {snippet}")),
        _ if snippet.starts_with('*') || snippet.contains(":=") => generic(context, range.end()),
        _ => Worded::new(at, "expression cannot contain assignment, perhaps you meant \"==\"?"),
    }
}

/// A block has no lines.
fn expected_block(context: &Context<'_>, what: &str, at: TextSize) -> Worded {
    let header = context.header_line(at);
    let keyword = context.text(header);
    let what = match what {
        "function definition" => "function definition".to_owned(),
        "`class` definition" => "class definition".to_owned(),
        _ if keyword == "except" && context.text(context.token(offset(header.end))) == "*" => {
            "'except*' statement".to_owned()
        }
        _ => match what.split('`').nth(1) {
            Some(word) => format!("'{word}' statement"),
            None => what.to_owned(),
        },
    };
    let message = format!("expected an indented block after {what} on line {}", header.line);
    Worded::new(context.code_end(at), message)
}

fn lexical(context: &Context<'_>, kind: &LexicalErrorType, at: TextSize) -> Worded {
    match kind {
        LexicalErrorType::InvalidByteLiteral => {
            let string = context.token_around(at);
            Worded::new(offset(string.start), "bytes can only contain ASCII literal characters")
        }
        LexicalErrorType::UnicodeError
        | LexicalErrorType::MissingUnicodeLbrace
        | LexicalErrorType::MissingUnicodeRbrace => {
            let string = context.token_around(at);
            let message = escapes::message(context.text(string));
            Worded::new(offset(string.start), message.unwrap_or_else(|| "invalid syntax".to_owned()))
        }
        _ => unexpected(context, at),
    }
}
