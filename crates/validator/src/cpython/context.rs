//! The tokens around a position: the questions that CPython's `invalid_*` rules ask.

use ruff_text_size::{TextRange, TextSize};

use super::Worded;
use super::cursor::offset;
use super::tokens::{Kind, Token};

/// A program's tokens, with look-ups by position.
pub(super) struct Context<'s> {
    source: &'s str,
    tokens: &'s [Token],
    pub(super) python: (u8, u8),
}

/// Words that cannot start an expression or be a name.
const KEYWORDS: &[&str] = &[
    "and", "as", "assert", "async", "break", "class", "continue", "def", "del", "elif", "else", "except",
    "finally", "for", "from", "global", "if", "import", "in", "is", "nonlocal", "or", "pass", "raise",
    "return", "try", "while", "with", "yield",
];

impl<'s> Context<'s> {
    pub(super) fn new(source: &'s str, tokens: &'s [Token], python: (u8, u8)) -> Self {
        Self { source, tokens, python }
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> &'s str {
        self.source.get(start..end).unwrap_or_default()
    }

    /// The text of a token; empty for the end of a line.
    pub(super) fn text(&self, token: Token) -> &'s str {
        match token.kind {
            Kind::Newline | Kind::Indent | Kind::Dedent | Kind::End => "",
            _ => self.slice(token.start, token.end),
        }
    }

    /// Index of the token that ends after `at`; indentation is skipped when code follows.
    fn index(&self, at: TextSize) -> usize {
        let at = usize::from(at);
        let first = self.tokens.partition_point(|token| token.start < at && token.end <= at);
        let is_code = |token: &Token| !matches!(token.kind, Kind::Indent | Kind::Dedent);
        let skipped = self.tokens.iter().skip(first).position(is_code).unwrap_or_default();
        (first + skipped).min(self.tokens.len().saturating_sub(1))
    }

    /// The token at `at` or the first after it.
    pub(super) fn token(&self, at: TextSize) -> Token {
        let end = Token {
            kind: Kind::End,
            start: self.source.len(),
            end: self.source.len(),
            line: usize::MAX,
            level: 0,
        };
        self.tokens.get(self.index(at)).copied().unwrap_or(end)
    }

    /// The token that contains `at`.
    pub(super) fn token_around(&self, at: TextSize) -> Token {
        let at = usize::from(at);
        let around = self.tokens.iter().find(|token| token.start <= at && at < token.end);
        around.copied().unwrap_or_else(|| self.token(offset(at)))
    }

    pub(super) fn token_before(&self, at: TextSize) -> Option<Token> {
        self.before(self.index(at)).map(|index| self.tokens[index])
    }

    fn before(&self, index: usize) -> Option<usize> {
        let is_code = |token: &Token| !matches!(token.kind, Kind::Indent | Kind::Dedent);
        self.tokens[..index.min(self.tokens.len())].iter().rposition(is_code)
    }

    pub(super) fn start_before(&self, at: TextSize) -> TextSize {
        self.token_before(at).map_or(at, |token| offset(token.start))
    }

    /// `at`, or for the end of the text the end of its last line.
    pub(super) fn code_end(&self, at: TextSize) -> TextSize {
        let token = self.token(at);
        let is_end =
            matches!(token.kind, Kind::End | Kind::Newline) && self.source[token.start..].trim().is_empty();
        // Comments have no tokens: what follows may be comments up to the end.
        let only_comments = token.kind == Kind::Newline
            && self.tokens[self.index(at)..].iter().all(|token| self.text(*token).is_empty());
        if !is_end && !only_comments {
            return offset(token.start);
        }
        offset(
            self.source
                .strip_suffix("\r\n")
                .or(self.source.strip_suffix(['\n', '\r']))
                .unwrap_or(self.source)
                .len(),
        )
    }

    /// CPython points at the last column of an unexpected indentation.
    pub(super) fn indent_end(&self, at: TextSize) -> TextSize {
        let token = self.token(at);
        let line_start = self.source[..token.start].rfind(['\n', '\r']).map_or(0, |end| end + 1);
        offset(token.start.saturating_sub(1).max(line_start))
    }

    /// Index of the first token of the statement that the token `index` belongs to.
    fn statement_index(&self, index: usize) -> usize {
        let before = &self.tokens[..index];
        let is_end = |token: &Token| match token.kind {
            Kind::Newline | Kind::Indent | Kind::Dedent => true,
            _ => token.level == 0 && self.text(*token) == ";",
        };
        before.iter().rposition(is_end).map_or(0, |end| end + 1)
    }

    pub(super) fn statement_start(&self, at: TextSize) -> TextSize {
        offset(self.tokens[self.statement_index(self.index(at))].start)
    }

    /// The keyword that starts the statement (`async` skipped).
    pub(super) fn header(&self, at: TextSize) -> &'s str {
        let start = self.statement_index(self.index(at));
        match self.tokens.get(start).map_or("", |token| self.text(*token)) {
            "async" => self.tokens.get(start + 1).map_or("", |token| self.text(*token)),
            word => word,
        }
    }

    pub(super) fn statement_starts_with(&self, at: TextSize, words: &[&str]) -> bool {
        let start = self.tokens[self.statement_index(self.index(at))];
        words.contains(&self.text(start))
    }

    /// The first token of the line before `at` that should have had a block.
    pub(super) fn header_line(&self, at: TextSize) -> Token {
        let mut index = self.index(at);
        while index > 0 && self.text(self.tokens[index - 1]).is_empty() {
            index -= 1;
        }
        self.tokens[self.statement_index(index.saturating_sub(1))]
    }

    pub(super) fn find_after(&self, at: TextSize, text: &str) -> Option<TextSize> {
        let rest = &self.tokens[self.index(at)..];
        rest.iter().find(|token| self.text(**token) == text).map(|token| offset(token.start))
    }

    pub(super) fn find_before(&self, at: TextSize, text: &str) -> Option<TextSize> {
        let upto = &self.tokens[..=self.index(at)];
        upto.iter().rev().find(|token| self.text(**token) == text).map(|token| offset(token.start))
    }

    /// Where the bracket that is open at `at` closes.
    pub(super) fn bracket_end(&self, at: TextSize) -> TextSize {
        let index = self.index(at);
        let level = self.level_before(index);
        let closes = |token: &&Token| token.level < level;
        self.tokens[index..].iter().find(closes).map_or(at, |token| offset(token.start))
    }

    /// Brackets open before the token `index`.
    fn level_before(&self, index: usize) -> usize {
        self.before(index).map_or(0, |before| self.tokens[before].level)
    }

    /// The f-string around `at`, if the interpreter takes it for one token.
    pub(super) fn fstring_around(&self, at: TextSize) -> Option<Token> {
        let token = self.token_around(at);
        let is_inside =
            token.kind == Kind::String && token.start < usize::from(at) && usize::from(at) < token.end;
        let prefix = self.text(token).split(['\'', '"']).next().unwrap_or_default();
        (is_inside && prefix.contains(['f', 'F'])).then_some(token)
    }

    /// A `#` in the braces of an f-string before `at`. Before 3.12 the string continues after it; for the
    /// parser it is a comment that hides the rest of the line.
    pub(super) fn fstring_comment(&self, at: TextSize) -> Option<TextSize> {
        if self.python >= (3, 12) {
            return None;
        }
        let line = self.source[..usize::from(at).min(self.source.len())]
            .trim_end()
            .rfind(['\n', '\r'])
            .map_or(0, |end| end + 1);
        let strings = self.tokens.iter().filter(|token| token.kind == Kind::String && token.end > line);
        strings.take_while(|token| token.start < usize::from(at)).find_map(|token| {
            let text = self.text(*token);
            let prefix = text.split(['\'', '"']).next().unwrap_or_default();
            let hash = text.find('#')?;
            let before = &text[..hash];
            let is_in_braces = before.matches('{').count() > before.matches('}').count();
            (prefix.contains(['f', 'F']) && is_in_braces).then(|| offset(token.start + hash))
        })
    }

    /// Whether the token can be the end of an operand.
    pub(super) fn is_operand_end(&self, token: Option<Token>) -> bool {
        token.is_some_and(|token| match token.kind {
            Kind::Name => !self.is_keyword(token) && !matches!(self.text(token), "not" | "lambda" | "await"),
            Kind::Number | Kind::String => true,
            Kind::Op => matches!(self.text(token), ")" | "]" | "}" | "..."),
            _ => false,
        })
    }

    fn is_keyword(&self, token: Token) -> bool {
        KEYWORDS.contains(&self.text(token))
    }

    /// Whether an expression can start with this token.
    fn is_expression_start(&self, token: Token) -> bool {
        match token.kind {
            Kind::Name => !self.is_keyword(token),
            Kind::Number | Kind::String => true,
            Kind::Op => matches!(self.text(token), "(" | "[" | "{" | "~" | "..."),
            _ => false,
        }
    }

    /// `print x`: the name, if the statement or its tail starts with it.
    pub(super) fn legacy_statement(&self, at: TextSize) -> Option<Token> {
        let token = self.token(at);
        let name = self.token_before(at)?;
        let is_start = self.before(self.index(at)).and_then(|index| self.before(index)).is_none_or(|index| {
            let before = self.tokens[index];
            before.kind == Kind::Newline || matches!(self.text(before), ":" | ";")
        });
        let is_legacy = matches!(self.text(name), "print" | "exec") && is_start;
        let is_argument = self.is_expression_start(token) && self.text(token) != "(";
        (is_legacy && is_argument).then_some(name)
    }

    pub(super) fn is_function_name(&self, token: Option<Token>) -> bool {
        let Some(token) = token else { return false };
        let before = self.token_before(offset(token.start));
        token.kind == Kind::Name && before.is_some_and(|def| self.text(def) == "def")
    }

    /// Whether the statement has `->` before `at`.
    pub(super) fn is_after_arrow(&self, at: TextSize) -> bool {
        let index = self.index(at);
        self.tokens[self.statement_index(index)..index].iter().any(|token| self.text(*token) == "->")
    }

    /// Whether `target = value` reads as a comparison with one `=` too few: one `=`, and a value that starts
    /// like an operand.
    pub(super) fn is_mistyped_comparison(&self, target: TextRange) -> bool {
        let mut index = self.index(target.end());
        // `(x := 1) = 2` ends after the bracket.
        while self.text(self.tokens[index]) == ")" && self.tokens[index].level == 0 {
            index += 1;
        }
        let equals = self.tokens[index];
        if self.text(equals) != "=" || equals.level > 0 {
            return false;
        }
        let start = self.statement_index(index);
        let is_assign = |token: &Token| token.level == 0 && self.text(*token) == "=";
        let rest = &self.tokens[index + 1..];
        let is_single = !self.tokens[start..index].iter().any(is_assign)
            && !rest.iter().take_while(|token| token.kind != Kind::Newline).any(is_assign);
        let value = rest.first().map_or("", |token| self.text(*token));
        // An element of a bracketed target is assigned to, not compared.
        let is_whole = self.level_before(self.index(target.start())) == 0 || self.is_group(target, index);
        is_single && is_whole && !matches!(value, "not" | "lambda" | "yield" | "*" | "")
    }

    /// Whether the target is everything between brackets that close right before the token `index`.
    fn is_group(&self, target: TextRange, index: usize) -> bool {
        let opens = self.token_before(target.start()).is_some_and(|token| self.text(token) == "(");
        opens && self.index(target.end()) + 1 == index
    }

    /// Where the operand that ends before `at` starts: names, calls, subscripts, attributes.
    pub(super) fn operand_start(&self, at: TextSize) -> TextSize {
        let mut index = self.index(at);
        let mut start = index;
        while let Some(before) = self.before(index) {
            let token = self.tokens[before];
            match self.text(token) {
                ")" | "]" | "}" => {
                    let opening = self.tokens[..before].iter().rposition(|open| {
                        open.level == token.level + 1 && matches!(self.text(*open), "(" | "[" | "{")
                    });
                    // The opening bracket is the last token that raised the level.
                    let opening = opening.map_or(before, |near| {
                        (0..=near)
                            .rev()
                            .find(|&n| {
                                self.tokens[n].level > token.level && self.level_before(n) == token.level
                            })
                            .unwrap_or(near)
                    });
                    (index, start) = (opening, opening);
                    continue;
                }
                "." => {}
                _ if start == index || self.text(self.tokens[start]) == "." => {
                    if self.is_keyword(token) {
                        break;
                    }
                }
                _ if matches!(self.text(self.tokens[start]), "(" | "[")
                    && token.kind == Kind::Name
                    && !self.is_keyword(token) => {}
                _ => break,
            }
            (index, start) = (before, before);
        }
        offset(self.tokens[start].start)
    }

    /// Whether the colon before `at` separates a key from its value.
    pub(super) fn is_dict_colon(&self, at: TextSize) -> bool {
        self.opening(self.index(at)).is_some_and(|open| self.text(self.tokens[open]) == "{")
    }

    /// Index of the bracket that is open before the token `index`.
    fn opening(&self, index: usize) -> Option<usize> {
        let level = self.level_before(index);
        if level == 0 {
            return None;
        }
        (0..index).rev().find(|&n| {
            self.tokens[n].level == level
                && self.level_before(n) == level - 1
                && self.text(self.tokens[n]).len() == 1
        })
    }

    /// Whether the token at `at` comes after a key of a dictionary without its colon.
    pub(super) fn is_dict_key_end(&self, at: TextSize) -> bool {
        let index = self.index(at);
        let Some(open) = self.opening(index).filter(|&open| self.text(self.tokens[open]) == "{") else {
            return false;
        };
        let level = self.tokens[open].level;
        let separators: Vec<_> = self.tokens[open + 1..index]
            .iter()
            .filter(|token| token.level == level)
            .map(|token| self.text(*token))
            .filter(|text| matches!(*text, ":" | ","))
            .collect();
        separators.first() == Some(&":") && separators.last() == Some(&",")
    }

    /// Whether `at` is between the brackets of a function's parameters.
    pub(super) fn is_in_parameters(&self, at: TextSize) -> bool {
        let is_level = self.level_before(self.index(at)) == 1;
        self.header(at) == "def"
            && is_level
            && !self.is_after_arrow(at)
            && self.find_before(at, "=").is_none_or(|equals| equals < self.statement_start(at))
    }

    /// Whether `(` at `at` is among the parameters of a function or a lambda.
    pub(super) fn is_parameter_list(&self, at: TextSize) -> bool {
        let before = self.token_before(at).map_or("", |token| self.text(token));
        let index = self.index(at);
        let is_def = self.header(at) == "def"
            && self.level_before(index) == 1
            && matches!(before, "(" | ",")
            && !self.is_after_arrow(at);
        is_def || before == "lambda"
    }

    /// Start of the expression at the token's level that ends before the token `index`: back to a comma, a
    /// bracket or a word that starts a new expression.
    fn disjunction_start(&self, index: usize) -> usize {
        let level = self.level_before(index);
        let mut start = index;
        while let Some(before) = self.before(start) {
            let token = self.tokens[before];
            if token.level < level || (token.level == level && self.level_before(before) < level) {
                break;
            }
            let ends = token.level == level && {
                let text = self.text(token);
                let is_separator = matches!(text, "," | ":" | "=" | ";" | ":=" | "*" | "**" | "->")
                    && (!matches!(text, "*" | "**")
                        || !self.is_operand_end(self.token_before(offset(token.start))));
                is_separator
                    || matches!(
                        text,
                        "if" | "else"
                            | "lambda"
                            | "for"
                            | "return"
                            | "yield"
                            | "assert"
                            | "while"
                            | "elif"
                            | "del"
                            | "from"
                            | "import"
                            | "raise"
                            | "with"
                            | "as"
                            | "case"
                            | "await"
                    )
                    || (text == "in" && self.is_for_in(before))
            };
            if ends || token.kind == Kind::Newline {
                break;
            }
            start = before;
        }
        start
    }

    /// Whether this `in` belongs to a `for`.
    fn is_for_in(&self, index: usize) -> bool {
        let level = self.tokens[index].level;
        let same = self.tokens[..index]
            .iter()
            .rev()
            .take_while(|token| token.level >= level)
            .filter(|token| token.level == level);
        same.map(|token| self.text(*token))
            .find(|text| matches!(*text, "for" | "in" | "if" | ","))
            .is_some_and(|text| text == "for")
    }

    /// Start of `a` in `a if b` without `else`.
    pub(super) fn conditional_without_else(&self, at: TextSize) -> Option<TextSize> {
        let index = self.index(at);
        if matches!(self.text(self.tokens[index]), ":" | "else") {
            return None;
        }
        let test = self.disjunction_start(index);
        let word = self.before(test)?;
        let is_if =
            self.text(self.tokens[word]) == "if" && self.tokens[word].level == self.level_before(index);
        let before = self.before(word).map(|before| self.tokens[before]);
        if !is_if || test == index || !self.is_operand_end(before) || self.is_comprehension_if(word) {
            return None;
        }
        Some(offset(self.tokens[self.disjunction_start(word)].start))
    }

    fn is_comprehension_if(&self, index: usize) -> bool {
        let level = self.tokens[index].level;
        let same = self.tokens[..index]
            .iter()
            .rev()
            .take_while(|token| token.level >= level && token.kind != Kind::Newline);
        level > 0 && same.filter(|token| token.level == level).any(|token| self.text(*token) == "for")
    }

    /// `[a, b for …]`: the start of the elements, if there are several.
    pub(super) fn bare_comprehension_target(&self, at: TextSize) -> Option<TextSize> {
        let index = self.index(at);
        let open = self.opening(index)?;
        let level = self.tokens[open].level;
        let mut inner = self.tokens[open + 1..index].iter().filter(|token| token.level == level);
        let is_dict = inner.clone().any(|token| self.text(*token) == ":");
        let has_comma = inner.any(|token| self.text(*token) == ",");
        let is_display = matches!(self.text(self.tokens[open]), "[" | "{");
        (is_display && has_comma && !is_dict).then(|| offset(self.tokens[open + 1].start))
    }

    /// The line of the last token that CPython had read when it failed at `failed` with this message.
    pub(super) fn line_read(&self, failed: Token, worded: &Worded) -> usize {
        let index = self.index(offset(failed.start));
        let reads_on =
            worded.message.ends_with("forgot a comma?") || worded.message.starts_with("positional argument");
        if !reads_on {
            return failed.line;
        }
        // It read the whole second expression, and the token after it.
        let stops = |token: &&Token| {
            token.line > failed.line
                || (token.level <= self.level_before(index)
                    && (matches!(self.text(**token), "," | ":" | "=" | ")" | "]" | "}")
                        || self.is_keyword(**token)))
        };
        self.tokens[index..].iter().find(stops).map_or(failed.line, |token| token.line)
    }

    /// Start of `a` where `a b` is inside brackets.
    pub(super) fn forgotten_comma(&self, at: TextSize) -> Option<TextSize> {
        let index = self.index(at);
        let token = self.tokens[index];
        if self.level_before(index) == 0 || !self.is_expression_start(token) {
            return None;
        }
        if !self.is_operand_end(self.before(index).map(|before| self.tokens[before])) {
            return None;
        }
        let start = self.disjunction_start(index);
        let first = self.tokens[start];
        // CPython's own exception: `f'x'` with an unknown prefix, and soft keywords.
        let is_prefix = start + 1 == index && first.kind == Kind::Name && token.kind == Kind::String;
        let is_soft = matches!(self.text(first), "match" | "case" | "_");
        (start < index && !is_prefix && !is_soft).then(|| offset(first.start))
    }
}
