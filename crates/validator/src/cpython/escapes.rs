//! Invalid escapes in string literals, with the messages of Python's `unicodeescape` codec.

/// The codec's error for the first invalid escape in a string literal (with prefix and quotes), if there is
/// one.
pub(super) fn message(literal: &str) -> Option<String> {
    let quote = literal.find(['\'', '"'])?;
    let body = &literal[quote..];
    let quotes = if body.starts_with("'''") || body.starts_with("\"\"\"") { 3 } else { 1 };
    let body = body.get(quotes..body.len().checked_sub(quotes)?)?;
    // The codec sees Latin-1 and `\U` escapes: CPython first expands everything beyond ASCII to ten bytes.
    let mut position = 0;
    let mut rest = body;
    loop {
        let before = rest.find('\\')?;
        position += rest[..before].chars().map(|c| if c.is_ascii() { 1 } else { 10 }).sum::<usize>();
        rest = &rest[before + 1..];
        let escape = rest.chars().next()?;
        if let Some((length, fault)) = fault(escape, rest) {
            let end = position + length;
            return Some(format!(
                "(unicode error) 'unicodeescape' codec can't decode bytes in position {position}-{end}: {fault}"
            ));
        }
        position += if escape.is_ascii() { 2 } else { 11 };
        rest = &rest[escape.len_utf8()..];
    }
}

/// The error of the escape that `rest` continues after its backslash, and the offset of its last byte.
fn fault(escape: char, rest: &str) -> Option<(usize, String)> {
    let (digits, name) = match escape {
        'x' => (2, "\\xXX"),
        'u' => (4, "\\uXXXX"),
        'U' => (8, "\\UXXXXXXXX"),
        'N' => return named(rest),
        _ => return None,
    };
    let hex: String = rest[1..].chars().take(digits).take_while(char::is_ascii_hexdigit).collect();
    if hex.len() < digits {
        return Some((1 + hex.len(), format!("truncated {name} escape")));
    }
    let is_beyond = u32::from_str_radix(&hex, 16).is_ok_and(|code| code > u32::from(char::MAX));
    is_beyond.then(|| (1 + digits, "illegal Unicode character".to_owned()))
}

/// `\N{…}`. The parser refused a name in this string, and no names are known here: the first one is blamed.
fn named(rest: &str) -> Option<(usize, String)> {
    let name = rest[1..].strip_prefix('{').and_then(|body| body.split_once('}')).map(|(name, _)| name);
    match name {
        Some(name) if !name.is_empty() => Some((name.len() + 3, "unknown Unicode character name".to_owned())),
        Some(_) => Some((2, "malformed \\N character escape".to_owned())),
        None => Some((rest.chars().count().min(1), "malformed \\N character escape".to_owned())),
    }
}
