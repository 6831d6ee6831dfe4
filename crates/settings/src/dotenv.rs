//! Reads `.env`: `NAME=value` lines, comments, quotes, with line numbers.
//!
//! The rules are those of python-dotenv, which the original service used: an optional `export`, single quotes
//! are literal, double quotes know `\n`, `\"` and `\\`, and an unquoted value ends before a ` #`
//! comment. Variables are not expanded.

/// One `NAME=value` with its line, counted from 1.
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// A line that is not valid. The text is not kept: it may hold a secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    pub(crate) number: usize,
    pub(crate) problem: &'static str,
}

/// All lines of a file, valid and invalid ones separately.
pub(crate) fn parse(text: &str) -> (Vec<Line>, Vec<BadLine>) {
    let mut lines = Vec::new();
    let mut bad = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let number = index + 1;
        match parse_line(line) {
            Ok(None) => {}
            Ok(Some((name, value))) => lines.push(Line { number, name, value }),
            Err(problem) => bad.push(BadLine { number, problem }),
        }
    }
    (lines, bad)
}

fn parse_line(line: &str) -> Result<Option<(String, String)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = line.split_once('=').ok_or("has no `=`")?;
    let name = name.trim_end();
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(good) {
        return Err("has a name with characters other than A-Z, 0-9 and _");
    }
    let value = value.trim_start();
    let (value, rest) = match value.as_bytes().first() {
        Some(b'\'') => value[1..].split_once('\'').map(|(text, rest)| (text.to_owned(), rest)),
        Some(b'"') => double_quoted(&value[1..]),
        _ => Some((unquoted(value).to_owned(), "")),
    }
    .ok_or("has an unclosed quote")?;
    let rest = rest.trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err("has text after the closing quote");
    }
    Ok(Some((name.to_owned(), value)))
}

/// The text up to a comment, which starts with `#` after white space or at the beginning.
fn unquoted(value: &str) -> &str {
    let mut previous_is_space = true;
    for (index, char) in value.char_indices() {
        if char == '#' && previous_is_space {
            return value[..index].trim_end();
        }
        previous_is_space = char.is_whitespace();
    }
    value
}

/// The text up to the closing quote, and the text after it.
fn double_quoted(value: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = value.char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '"' => return Some((text, &value[index + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                quoted @ ('"' | '\\') => text.push(quoted),
                other => text.extend(['\\', other]),
            },
            other => text.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(text: &str) -> Vec<(usize, String, String)> {
        let (lines, bad) = parse(text);
        assert_eq!(bad, []);
        lines.into_iter().map(|line| (line.number, line.name, line.value)).collect()
    }

    #[test]
    fn lines_comments_and_quotes() {
        let text = "\u{feff}# first\n\nPORT=8000  # a comment\nexport HOST = 0.0.0.0\r\nA='x # y'\nB=\"a \\\"b\\\" # c\\n\" # d\nC=\nD=a#b\nE= # only a comment\n";
        let expected = [
            (3, "PORT", "8000"),
            (4, "HOST", "0.0.0.0"),
            (5, "A", "x # y"),
            (6, "B", "a \"b\" # c\n"),
            (7, "C", ""),
            (8, "D", "a#b"),
            (9, "E", ""),
        ];
        let expected: Vec<_> =
            expected.iter().map(|(n, name, value)| (*n, (*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(good(text), expected);
    }

    #[test]
    fn bad_lines_are_named_by_number() {
        let (_, bad) = parse("PORT\nA='x\nB=\"x\nC='x'y\nA B=1\n=2\n");
        assert_eq!(bad.iter().map(|bad| bad.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    }
}
