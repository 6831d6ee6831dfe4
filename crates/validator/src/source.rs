//! The program's text as the interpreter will see it, and positions in it.

use ruff_source_file::LineIndex;
use ruff_text_size::TextSize;

/// A byte order mark; the runner drops a leading one.
const BOM: char = '\u{feff}';

/// A program's text without its byte order mark, with conversion of byte offsets to lines and columns.
#[derive(Debug)]
pub(crate) struct Source<'s> {
    /// The text that is compiled.
    pub(crate) text: &'s str,
    index: LineIndex,
}

impl<'s> Source<'s> {
    /// `source` must be shorter than 4 GiB ([`crate::SOURCE_BYTES_MAX`] is checked before).
    pub(crate) fn new(source: &'s str) -> Self {
        let text = source.strip_prefix(BOM).unwrap_or(source);
        // CPython adds a line end to a text that ends with `\r\n`, so a backslash before it continues onto an
        // empty line there, while the parser takes it for the end of the text.
        let text = text.strip_suffix("\\\r\n").unwrap_or(text);
        Self { text, index: LineIndex::from_source_text(text) }
    }

    /// Line (from 1) and column (from 0, in characters) of a byte offset. Offsets past the end are at the
    /// end.
    pub(crate) fn place(&self, offset: TextSize) -> (u32, u32) {
        let at = self.text.floor_char_boundary(offset.to_usize());
        let place = self.index.line_column(TextSize::try_from(at).unwrap_or(offset), self.text);
        (to_u32(place.line.get()), to_u32(place.column.to_zero_indexed()))
    }

    /// Encoding named by a PEP 263 declaration in the first two lines, if it is not UTF-8. With it, the byte
    /// offset of the line. The interpreter gets text and ignores it; the author may expect otherwise.
    pub(crate) fn foreign_cookie(&self) -> Option<(TextSize, &'s str)> {
        let mut start = 0;
        for line in self.text.split(['\n', '\r']).take(2) {
            let body = line.trim_start_matches([' ', '\t', '\x0c']);
            if let Some(comment) = body.strip_prefix('#') {
                if let Some(name) = cookie(comment) {
                    let plain = name.to_ascii_lowercase().replace('_', "-");
                    let is_utf8 = plain == "utf-8" || plain == "utf8" || plain.starts_with("utf-8-");
                    return (!is_utf8).then(|| (TextSize::try_from(start).unwrap_or_default(), name));
                }
            } else if !body.is_empty() {
                // PEP 263: a second line counts only when the first is blank or a comment.
                return None;
            }
            start += line.len() + 1;
        }
        None
    }
}

/// The `name` of `coding[:=]\s*([-\w.]+)`, as in PEP 263.
fn cookie(comment: &str) -> Option<&str> {
    let after = comment.split("coding").skip(1).find(|rest| rest.starts_with([':', '=']))?;
    let value = after[1..].trim_start_matches([' ', '\t']);
    let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(value.len());
    (end > 0).then(|| &value[..end])
}

/// Saturates; sources are far below 4 GiB.
fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_every_line_end() {
        let source = Source::new("\u{feff}é=1\rb\r\ncd\né ü");
        let place =
            |needle: &str| source.place(TextSize::try_from(source.text.find(needle).unwrap()).unwrap());
        assert_eq!(place("=1"), (1, 1));
        assert_eq!(place("b"), (2, 0));
        assert_eq!(place("d"), (3, 1));
        assert_eq!(place("ü"), (4, 2));
        assert_eq!(source.place(TextSize::new(9_999)), (4, 3));
    }

    #[test]
    fn finds_foreign_cookies() {
        let name = |text| Source::new(text).foreign_cookie().map(|(_, name)| name.to_owned());
        assert_eq!(name("# -*- coding: utf-7 -*-\n").as_deref(), Some("utf-7"));
        assert_eq!(
            name("#!/usr/bin/python\n# vim: set fileencoding=latin-1 :\n").as_deref(),
            Some("latin-1")
        );
        assert_eq!(name("# coding: utf-8\n"), None);
        assert_eq!(name("# -*- coding: UTF_8 -*-\n"), None);
        assert_eq!(name("x = 1\n# coding: utf-7\n"), None);
        assert_eq!(name("\n\n# coding: utf-7\n"), None);
        assert_eq!(name("# encoding of data\n"), None);
    }
}
