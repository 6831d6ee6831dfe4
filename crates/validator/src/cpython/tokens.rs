//! CPython's tokenizer, as far as its errors need it. It runs only on programs that were already refused, so
//! its speed does not matter, and a disagreement with the parser can change a message but never the decision.

use super::Worded;
use super::cursor::{Cursor, error_at};
use super::number;

/// Maximum number of open brackets (`MAXLEVEL` of `Parser/tokenizer.h`).
pub(crate) const BRACKETS_MAX: usize = 200;
/// Maximum number of indentation levels (`MAXINDENT` of `Parser/tokenizer.h`), including the outermost.
pub(crate) const INDENTS_MAX: usize = 100;

/// The text ends right after a backslash.
pub(crate) const CUT: &str = "unexpected EOF while parsing";
/// A line that is indented less than its block, but more than the block around.
pub(crate) const UNINDENT: &str = "unindent does not match any outer indentation level";
/// CPython's `TabError`.
pub(crate) const TABS_MIXED: &str = "inconsistent use of tabs and spaces in indentation";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    Number,
    String,
    Op,
    Newline,
    Indent,
    Dedent,
    End,
}

/// A token: its bytes are `text[start..end]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// From 1.
    pub(crate) line: usize,
    /// Brackets open after this token.
    pub(crate) level: usize,
}

/// An open bracket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    pub(crate) bracket: u8,
    pub(crate) at: usize,
    pub(crate) line: usize,
}

/// The result of the tokenizer: tokens up to the first error or the end.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) tokens: Vec<Token>,
    pub(crate) error: Option<Fault>,
    /// The innermost bracket still open where the scan ended.
    pub(crate) unclosed: Option<Open>,
}

/// Why the scanner stopped early.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Precedes any error of the grammar, wherever that is: after a failed parse CPython reads the rest of
    /// the text for such errors.
    Hard(Worded),
    /// Reported only if the parser reaches it: wrong indentation, a wrong line continuation.
    Soft(Worded),
}

impl Fault {
    pub(crate) fn worded(&self) -> &Worded {
        let (Self::Hard(worded) | Self::Soft(worded)) = self;
        worded
    }
}

/// Splits `text` (without byte order mark) as CPython of the given version does.
pub(crate) fn scan(text: &str, python: (u8, u8)) -> Scan {
    let mut scanner = Scanner {
        cursor: Cursor { text, at: 0, line: 1, line_start: 0 },
        nested_fstrings: python >= (3, 12),
        tokens: Vec::new(),
        open: Vec::new(),
        indents: vec![(0, 0)],
    };
    let error = scanner.run().err();
    if let Some(fault) = &error {
        // Every look-up at the position of the error finds the end there.
        let at = usize::from(fault.worded().at).min(text.len());
        scanner.cursor.at = scanner.cursor.at.max(at);
        scanner.push(Kind::End, scanner.cursor.at, scanner.cursor.line);
    }
    Scan { tokens: scanner.tokens, error, unclosed: scanner.open.last().copied() }
}

impl From<Worded> for Fault {
    fn from(error: Worded) -> Self {
        Self::Hard(error)
    }
}

struct Scanner<'s> {
    cursor: Cursor<'s>,
    /// PEP 701: quotes of the same kind may be inside the braces of an f-string.
    nested_fstrings: bool,
    tokens: Vec<Token>,
    open: Vec<Open>,
    /// Columns with tabs of 8 and with tabs of 1: both must agree on every comparison.
    indents: Vec<(usize, usize)>,
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        let mut at_line_start = true;
        loop {
            let mut blank_line = false;
            if std::mem::take(&mut at_line_start) {
                blank_line = self.line_start()?;
            }
            self.cursor.eat_while(|c| matches!(c, ' ' | '\t' | '\x0c'));
            let start = self.cursor.at;
            let line = self.cursor.line;
            if self.cursor.peek() == Some('#') {
                self.cursor.eat_while(|c| c != '\n');
            }
            match self.cursor.next() {
                None => return self.finish(start, blank_line),
                Some('\n') => {
                    at_line_start = true;
                    if !blank_line && self.open.is_empty() {
                        self.push(Kind::Newline, start, line);
                    }
                }
                Some('\\') => self.continuation()?,
                Some(c) => self.token(c, start, line)?,
            }
        }
    }

    /// The end of the text: CPython adds the last line end itself.
    fn finish(&mut self, start: usize, blank_line: bool) -> Result<(), Fault> {
        let line = self.cursor.line;
        let in_statement =
            self.tokens.last().is_some_and(|t| !matches!(t.kind, Kind::Newline | Kind::Dedent));
        if self.open.is_empty() && in_statement && !blank_line {
            self.push(Kind::Newline, start, line);
        }
        while self.indents.len() > 1 {
            self.indents.pop();
            self.push(Kind::Dedent, start, line);
        }
        self.push(Kind::End, start, line);
        Ok(())
    }

    fn push(&mut self, kind: Kind, start: usize, line: usize) {
        let end = self.cursor.at;
        self.tokens.push(Token { kind, start, end, line, level: self.open.len() });
    }

    /// Measures the indentation; true if the line has no code.
    fn line_start(&mut self) -> Result<bool, Fault> {
        let (mut column, mut column_alt) = (0, 0);
        let mut continued = None;
        loop {
            match self.cursor.peek() {
                Some(' ') => (column, column_alt) = (column + 1, column_alt + 1),
                Some('\t') => (column, column_alt) = ((column / 8 + 1) * 8, column_alt + 1),
                Some('\x0c') => (column, column_alt) = (0, 0),
                Some('\\') => {
                    // The first backslash decides the indentation of what follows.
                    if continued.is_none() && column > 0 {
                        continued = Some((column, column_alt));
                    }
                    self.cursor.next();
                    self.continuation()?;
                    continue;
                }
                _ => break,
            }
            self.cursor.next();
        }
        if matches!(self.cursor.peek(), Some('#' | '\n') | None) {
            return Ok(true);
        }
        if self.open.is_empty() {
            let (column, column_alt) = continued.map_or((column, column_alt), |(c, _)| (c, c));
            self.indent_to(column, column_alt)?;
        }
        Ok(false)
    }

    fn indent_to(&mut self, column: usize, column_alt: usize) -> Result<(), Fault> {
        let line = self.cursor.line;
        let start = self.cursor.at;
        let tabs = Fault::Soft(error_at(self.cursor.line_start, TABS_MIXED));
        let (top, top_alt) = self.indents.last().copied().unwrap_or_default();
        if column == top {
            return if column_alt == top_alt { Ok(()) } else { Err(tabs) };
        }
        if column > top {
            if self.indents.len() >= INDENTS_MAX {
                return Err(Fault::Soft(error_at(self.cursor.line_start, "too many levels of indentation")));
            }
            if column_alt <= top_alt {
                return Err(tabs);
            }
            self.indents.push((column, column_alt));
            self.push(Kind::Indent, start, line);
            return Ok(());
        }
        while self.indents.len() > 1 && self.indents.last().is_some_and(|(top, _)| column < *top) {
            self.indents.pop();
            self.push(Kind::Dedent, start, line);
        }
        match self.indents.last() {
            Some((top, _)) if column != *top => {
                // CPython blames the end of the line.
                let end = self.cursor.rest().find(['\n', '\r']).map_or(self.cursor.text.len(), |n| start + n);
                Err(Fault::Soft(error_at(end, UNINDENT)))
            }
            Some((_, top_alt)) if column_alt != *top_alt => Err(tabs),
            _ => Ok(()),
        }
    }

    /// After a backslash: the line must end, and another must follow.
    fn continuation(&mut self) -> Result<(), Fault> {
        match self.cursor.peek() {
            Some('\n') => {
                self.cursor.next();
                if self.cursor.peek().is_none() { Err(self.cut()) } else { Ok(()) }
            }
            None => Err(self.cut()),
            Some(_) => {
                let message = "unexpected character after line continuation character";
                Err(Fault::Soft(error_at(self.cursor.at, message)))
            }
        }
    }

    /// The text ends right after a backslash.
    fn cut(&self) -> Fault {
        Fault::Soft(error_at(self.cursor.text.len(), CUT))
    }

    fn token(&mut self, c: char, start: usize, line: usize) -> Result<(), Fault> {
        let kind = match c {
            'a'..='z' | 'A'..='Z' | '_' | '\u{80}'.. => return self.word(start, line),
            '0'..='9' => {
                self.cursor.at = start;
                number::scan(&mut self.cursor)?;
                Kind::Number
            }
            '.' if self.cursor.peek().is_some_and(|d| d.is_ascii_digit()) => {
                number::fraction(&mut self.cursor)?;
                Kind::Number
            }
            '\'' | '"' => {
                self.string(c, start, line, false)?;
                Kind::String
            }
            '(' | '[' | '{' => {
                if self.open.len() >= BRACKETS_MAX {
                    return Err(self.cursor.error("too many nested parentheses").into());
                }
                // ASCII, so the byte is the character.
                self.open.push(Open { bracket: self.cursor.text.as_bytes()[start], at: start, line });
                Kind::Op
            }
            ')' | ']' | '}' => {
                self.close(c, line)?;
                Kind::Op
            }
            ' '..='~' => {
                let long = ["**=", "//=", ">>=", "<<=", "..."];
                let short = [
                    "**", "//", ">>", "<<", "==", "!=", "<=", ">=", "<>", "->", ":=", "+=", "-=", "*=", "/=",
                    "%=", "&=", "|=", "^=", "@=",
                ];
                let text = &self.cursor.text[start..];
                if long.iter().any(|op| text.starts_with(op)) {
                    self.cursor.at = start + 3;
                } else if short.iter().any(|op| text.starts_with(op)) {
                    self.cursor.at = start + 2;
                }
                Kind::Op
            }
            _ => return Err(self.cursor.error(bad_character(c)).into()),
        };
        self.push(kind, start, line);
        Ok(())
    }

    fn close(&mut self, closing: char, line: usize) -> Result<(), Worded> {
        let Some(open) = self.open.pop() else {
            return Err(self.cursor.error(format!("unmatched '{closing}'")));
        };
        let opening = char::from(open.bracket);
        if matches!((opening, closing), ('(', ')') | ('[', ']') | ('{', '}')) {
            return Ok(());
        }
        let mut message =
            format!("closing parenthesis '{closing}' does not match opening parenthesis '{opening}'");
        if open.line != line {
            message.push_str(&format!(" on line {}", open.line));
        }
        Err(self.cursor.error(message))
    }

    /// A name, or a string with a prefix.
    fn word(&mut self, start: usize, line: usize) -> Result<(), Fault> {
        self.cursor.at = start;
        let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii();
        self.cursor.eat_while(is_part);
        let word = &self.cursor.text[start..self.cursor.at];
        let prefix = word.to_ascii_lowercase();
        let is_prefix = matches!(prefix.as_str(), "r" | "u" | "b" | "f" | "br" | "rb" | "fr" | "rf");
        if is_prefix && let Some(quote @ ('\'' | '"')) = self.cursor.peek() {
            self.cursor.next();
            self.string(quote, start, line, prefix.contains('f'))?;
            self.push(Kind::String, start, line);
            return Ok(());
        }
        let is_start = |c: char| c == '_' || unicode_ident::is_xid_start(c);
        let wrong = word
            .char_indices()
            .find(|&(at, c)| !(if at == 0 { is_start(c) } else { unicode_ident::is_xid_continue(c) }));
        if let Some((at, c)) = wrong {
            self.cursor.at = start + at + c.len_utf8();
            return Err(self.cursor.error(bad_character(c)).into());
        }
        self.push(Kind::Name, start, line);
        Ok(())
    }

    /// The rest of a string whose first quote was read.
    fn string(&mut self, quote: char, start: usize, line: usize, is_fstring: bool) -> Result<(), Worded> {
        let triple = self.cursor.rest().starts_with(if quote == '"' { "\"\"" } else { "''" });
        if triple {
            self.cursor.at += 2;
        }
        let closing = if triple { quote.to_string().repeat(3) } else { quote.to_string() };
        let mut braces = 0_usize;
        loop {
            if braces == 0 && self.cursor.rest().starts_with(closing.as_str()) {
                self.cursor.at += closing.len();
                return Ok(());
            }
            match self.cursor.peek() {
                Some('\n') if !triple => break,
                None => break,
                Some('\\') => {
                    self.cursor.next();
                }
                // PEP 701, roughly: a quote inside braces does not end the string. Good enough for wording.
                Some('{') if is_fstring && self.nested_fstrings => {
                    if braces == 0 && self.cursor.rest().starts_with("{{") {
                        self.cursor.next();
                    } else {
                        braces += 1;
                    }
                }
                Some('}') => braces = braces.saturating_sub(1),
                Some(_) => {}
            }
            self.cursor.next();
        }
        let what = match (triple, is_fstring && self.nested_fstrings) {
            (false, false) => "string literal",
            (false, true) => "f-string literal",
            (true, false) => "triple-quoted string literal",
            (true, true) => "triple-quoted f-string literal",
        };
        // A final line end does not start another line.
        let ends_with_line = self.cursor.at == self.cursor.line_start && self.cursor.line > line;
        let detected = self.cursor.line - usize::from(ends_with_line);
        Err(error_at(start, format!("unterminated {what} (detected at line {detected})")))
    }
}

/// CPython's message for a character that starts no token.
fn bad_character(c: char) -> String {
    let code = u32::from(c);
    if is_printable(c) {
        format!("invalid character '{c}' (U+{code:04X})")
    } else {
        format!("invalid non-printable character U+{code:04X}")
    }
}

/// `str.isprintable()` of one character, without the tables of unassigned ones.
fn is_printable(c: char) -> bool {
    let is_format = matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}' | '\u{fffe}'..='\u{ffff}' | '\u{e0000}'..);
    !(c.is_control() || is_format || (c.is_whitespace() && c != ' '))
}
