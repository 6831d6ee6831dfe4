//! Base64 as clients send it. Everything unambiguous is accepted: white space anywhere (MIME breaks lines,
//! heredocs end with a newline), the standard and the URL-safe alphabet, with or without padding. Anything
//! else is an error with its position. Pure.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use support::counted;

/// What is accepted, for errors.
pub(crate) const ALLOWED: &str = "base64 (RFC 4648, section 4 or 5), optional padding and white space";

/// After [`clean`]: one alphabet and no padding.
const PLAIN: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Characters in a group, and the bytes that they encode.
const GROUP_CHARS: usize = 4;

/// Decodes; the error is the end of a sentence that begins with the content. Repeats none of it: it may be a
/// secret.
pub(crate) fn decode(text: String) -> Result<Vec<u8>, String> {
    let plain = clean(text)?;
    if plain.len() % GROUP_CHARS == 1 {
        let length = counted(plain.len(), "character");
        return Err(format!("ends after {length} of base64, in the middle of a byte"));
    }
    PLAIN.decode(plain.as_bytes()).map_err(|_| {
        // Everything else was checked before.
        let place = plain.len();
        format!("has extra bits after its last byte, in character {place} of its base64: it is truncated or corrupted")
    })
}

/// Drops white space and padding, and turns the URL-safe alphabet into the standard one.
fn clean(text: String) -> Result<String, String> {
    // Most senders break no lines and use the standard alphabet: nothing is copied then.
    let body = text.trim_end_matches('=');
    if text.len() - body.len() <= 2 && body.bytes().all(is_standard) {
        check_padding(body.len(), text.len() - body.len())?;
        let length = body.len();
        let mut text = text;
        text.truncate(length);
        return Ok(text);
    }
    let (mut plain, mut padding) = (String::with_capacity(text.len()), 0);
    for (index, character) in text.chars().enumerate() {
        let place = index + 1;
        match character {
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => {}
            '=' => padding += 1,
            _ if padding > 0 => {
                return Err(format!("has data after its padding (`=`), at character {place}"));
            }
            '-' => plain.push('+'),
            '_' => plain.push('/'),
            _ if character.is_ascii() && is_standard(character as u8) => plain.push(character),
            _ if text.starts_with("data:") && text.contains(',') => {
                return Err("begins with `data:`: send only what follows the comma".to_owned());
            }
            _ => return Err(format!("is invalid at character {place}")),
        }
    }
    check_padding(plain.len(), padding)?;
    Ok(plain)
}

fn check_padding(chars: usize, padding: usize) -> Result<(), String> {
    let most = match chars % GROUP_CHARS {
        2 => 2,
        3 => 1,
        _ => 0,
    };
    if padding > most {
        let length = counted(chars, "character");
        return Err(format!("has too much padding (`=`) for its {length}: a part may be missing"));
    }
    Ok(())
}

fn is_standard(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_means_one_thing_is_accepted() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("YQ==", b"a"),
            ("YQ=", b"a"),
            ("YQ", b"a"),
            ("YWI=", b"ab"),
            ("YWJj", b"abc"),
            ("YWJj\n", b"abc"),
            ("YW\r\nJj\r\n", b"abc"),
            (" Y\tQ\x0b=\x0c=\n", b"a"),
            ("+/+/", b"\xfb\xff\xbf"),
            ("-_-_", b"\xfb\xff\xbf"),
            ("-_+/", b"\xfb\xff\xbf"),
            ("\n", b""),
        ] {
            assert_eq!(decode(text.to_owned()).as_deref(), Ok(bytes), "{text:?}");
        }
    }

    #[test]
    fn the_rest_is_refused_with_its_place() {
        for (text, words) in [
            ("YWJ!", "at character 4"),
            ("é", "at character 1"),
            ("YWJj\nYW!=", "at character 8"),
            ("YQ==YQ==", "after its padding (`=`), at character 5"),
            ("Y", "after 1 character of"),
            ("YWJjY", "after 5 characters"),
            ("YR==", "character 2 of its base64"),
            ("YWK=", "character 3"),
            ("YWJj=", "too much padding"),
            ("=", "too much padding"),
            ("YQ===", "too much padding"),
            ("data:text/csv;base64,YQ==", "follows the comma"),
            ("YWJj\u{a0}", "at character 5"),
            ("YW\0", "at character 3"),
        ] {
            let problem = decode(text.to_owned()).unwrap_err();
            assert!(problem.contains(words), "{text:?}: {problem}");
        }
    }
}
