//! Number literals as CPython's tokenizer reads them, with its errors.

use super::Worded;
use super::cursor::{Cursor, offset};

/// Reads a number that starts with a digit.
pub(super) fn scan(cursor: &mut Cursor<'_>) -> Result<(), Worded> {
    let start = cursor.at;
    if cursor.eat('0') {
        return match cursor.peek() {
            Some('x' | 'X') => radix(cursor, 16, "hexadecimal"),
            Some('o' | 'O') => radix(cursor, 8, "octal"),
            Some('b' | 'B') => radix(cursor, 2, "binary"),
            _ => after_zero(cursor, start),
        };
    }
    digits(cursor)?;
    after_digits(cursor)
}

/// Reads the rest of a number after its `.`.
pub(super) fn fraction(cursor: &mut Cursor<'_>) -> Result<(), Worded> {
    if cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
        digits(cursor)?;
    }
    exponent(cursor)
}

/// `0`, `00`, `0_0`, `0.5`, `007.5`; but not `007`.
fn after_zero(cursor: &mut Cursor<'_>, start: usize) -> Result<(), Worded> {
    loop {
        if cursor.eat('_') && !cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Err(cursor.error("invalid decimal literal"));
        }
        if !cursor.eat('0') {
            break;
        }
    }
    let mut nonzero = false;
    if cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
        nonzero = true;
        digits(cursor)?;
    }
    if nonzero && !matches!(cursor.peek(), Some('.' | 'e' | 'E' | 'j' | 'J')) {
        let message = "leading zeros in decimal integer literals are not permitted; \
                       use an 0o prefix for octal integers";
        return Err(Worded::new(offset(start), message));
    }
    after_digits(cursor)
}

fn after_digits(cursor: &mut Cursor<'_>) -> Result<(), Worded> {
    if cursor.eat('.') { fraction(cursor) } else { exponent(cursor) }
}

fn exponent(cursor: &mut Cursor<'_>) -> Result<(), Worded> {
    if matches!(cursor.peek(), Some('e' | 'E')) {
        let before = cursor.at;
        let rest = &cursor.text[before + 1..];
        let signed = rest.starts_with(['+', '-']);
        if rest[usize::from(signed)..].starts_with(|c: char| c.is_ascii_digit()) {
            cursor.at += 1 + usize::from(signed);
            digits(cursor)?;
        } else if signed {
            cursor.at += 2;
            return Err(cursor.error("invalid decimal literal"));
        } else {
            // `1else` is a number and a keyword; verify_end reports anything else.
            return verify_end(cursor, "decimal");
        }
    }
    if cursor.eat('j') || cursor.eat('J') {
        return verify_end(cursor, "imaginary");
    }
    verify_end(cursor, "decimal")
}

/// Digits with single underscores between them (`tok_decimal_tail`).
fn digits(cursor: &mut Cursor<'_>) -> Result<(), Worded> {
    loop {
        cursor.eat_while(|c| c.is_ascii_digit());
        if !cursor.eat('_') {
            return Ok(());
        }
        if !cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Err(cursor.error("invalid decimal literal"));
        }
    }
}

fn radix(cursor: &mut Cursor<'_>, radix: u32, name: &str) -> Result<(), Worded> {
    cursor.next();
    loop {
        cursor.eat('_');
        match cursor.peek() {
            Some(c) if c.is_digit(radix) => cursor.eat_while(|c| c.is_digit(radix)),
            Some(c) if c.is_ascii_digit() => return Err(bad_digit(cursor, c, name)),
            _ => return Err(cursor.error(format!("invalid {name} literal"))),
        }
        if cursor.peek() != Some('_') {
            break;
        }
    }
    match cursor.peek() {
        Some(c) if c.is_ascii_digit() => Err(bad_digit(cursor, c, name)),
        _ => verify_end(cursor, name),
    }
}

fn bad_digit(cursor: &mut Cursor<'_>, digit: char, name: &str) -> Worded {
    cursor.next();
    cursor.error(format!("invalid digit '{digit}' in {name} literal"))
}

/// A number may be followed directly by a keyword (`1if x else 2`), but by no other word.
fn verify_end(cursor: &Cursor<'_>, name: &str) -> Result<(), Worded> {
    let rest = &cursor.text[cursor.at..];
    let keywords = ["and", "else", "for", "if", "in", "is", "or", "not"];
    let is_word = rest.starts_with(|c: char| c == '_' || c.is_ascii_alphanumeric());
    if is_word && !keywords.iter().any(|keyword| rest.starts_with(keyword)) {
        return Err(cursor.error(format!("invalid {name} literal")));
    }
    Ok(())
}
