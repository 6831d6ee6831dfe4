//! A position in a text that is read from the front, and errors at such positions.

use ruff_text_size::TextSize;

use super::Worded;

/// Characters one by one, with every line end as `\n`.
pub(super) struct Cursor<'s> {
    pub(super) text: &'s str,
    pub(super) at: usize,
    pub(super) line: usize,
    pub(super) line_start: usize,
}

impl Cursor<'_> {
    pub(super) fn peek(&self) -> Option<char> {
        let c = self.text[self.at..].chars().next()?;
        Some(if c == '\r' { '\n' } else { c })
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += if self.text[self.at..].starts_with("\r\n") { 2 } else { c.len_utf8() };
        if c == '\n' {
            self.line += 1;
            self.line_start = self.at;
        }
        Some(c)
    }

    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.next();
        }
        found
    }

    pub(super) fn eat_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.next();
        }
    }

    pub(super) fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// An error at the last character read: CPython's `syntaxerror()` counts the characters up to its cursor
    /// and uses that as the offset, which starts at 1.
    pub(super) fn error(&self, message: impl Into<String>) -> Worded {
        let last = self.text[..self.at].char_indices().next_back().map_or(0, |(at, _)| at);
        error_at(last, message)
    }
}

/// An error at a byte of the text.
pub(super) fn error_at(at: usize, message: impl Into<String>) -> Worded {
    Worded::new(offset(at), message)
}

/// Sources are shorter than 4 GiB, see [`crate::SOURCE_BYTES_MAX`].
pub(crate) fn offset(at: usize) -> TextSize {
    TextSize::try_from(at).unwrap_or_default()
}
