//! Deceptive and invisible characters, found by their class: a character that hides or reorders text, breaks
//! its line or has no meaning must not reach a reader, a terminal or a log through a name or a sentence.

use std::fmt::Write as _;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// Whether `c` is visible and unambiguous: false for controls (Cc), format characters (Cf: bidirectional,
/// zero width, tags), private use (Co), unassigned (Cn), line and paragraph separators (Zl, Zp), and
/// invisible letters and marks (Default_Ignorable_Code_Point). True for a space.
#[must_use]
pub fn is_visible(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let hidden = matches!(
        c.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Surrogate
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    );
    !hidden && !is_ignorable(c)
}

/// The letters and marks among Default_Ignorable_Code_Point of DerivedCoreProperties.txt (Unicode 16),
/// without the two selectors that choose between text and emoji.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0D}' | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}')
}

/// `text` as one line in which every character is visible: controls become spaces, other invisible characters
/// are written as Python escapes, such as `\u202e`.
#[must_use]
pub fn one_line(text: &str) -> String {
    cleaned(text, false)
}

/// As [`one_line`], but keeps the line ends.
#[must_use]
pub fn plain_lines(text: &str) -> String {
    cleaned(text, true)
}

/// `text`, a JSON document in one line, with each invisible character as JSON escapes it, `\u` and four digits. Only its
/// strings can have any, so it stays the same document.
#[must_use]
pub fn visible_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_visible(c) {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

fn cleaned(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_visible(c) || (lines && c == '\n') {
            out.push(c);
        } else if c.is_control() {
            out.push(' ');
        } else {
            let code = u32::from(c);
            // Writing to a string cannot fail.
            let _ = if code <= 0xFFFF { write!(out, "\\u{code:04x}") } else { write!(out, "\\U{code:08x}") };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One character of each kind that hides, reorders or has no meaning.
    pub(crate) const HIDDEN: [char; 30] = [
        '\0',
        '\u{7}',
        '\n',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{ad}',
        '\u{34f}',
        '\u{61c}',
        '\u{115f}',
        '\u{180e}',
        '\u{200b}',
        '\u{200d}',
        '\u{200e}',
        '\u{2028}',
        '\u{2029}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{206f}',
        '\u{3164}',
        '\u{e000}',
        '\u{fe00}',
        '\u{feff}',
        '\u{fff9}',
        '\u{ffff}',
        '\u{1d173}',
        '\u{e0041}',
        '\u{10fffd}',
    ];

    #[test]
    fn what_hides_is_told_from_what_shows_itself() {
        for c in HIDDEN {
            assert!(!is_visible(c), "U+{:04X}", u32::from(c));
        }
        for c in "aZ9 ~é文ש\u{300}\u{a0}\u{3000}\u{fe0f}😀∞".chars() {
            assert!(is_visible(c), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn a_sentence_keeps_its_words_and_shows_what_was_hidden() {
        assert_eq!(one_line("a\r\nb\u{1b}[2J"), "a  b [2J");
        assert_eq!(one_line("\u{202e}gpj\u{e0041}"), "\\u202egpj\\U000e0041");
        assert_eq!(plain_lines("a\nb\u{200b}\tc"), "a\nb\\u200b c");
        assert_eq!(one_line("naïve שלום 文"), "naïve שלום 文");
    }

    #[test]
    fn a_document_is_the_same_with_its_characters_visible() {
        let json = "{\"a\": \"naïve\u{202e}\u{e0041}文\"}";
        assert_eq!(visible_json(json), "{\"a\": \"naïve\\u202e\\udb40\\udc41文\"}");
    }

    proptest! {
        #[test]
        fn no_text_hides_anything(text in any::<String>()) {
            prop_assert!(one_line(&text).chars().all(is_visible));
            prop_assert!(plain_lines(&text).chars().all(|c| c == '\n' || is_visible(c)));
        }
    }
}
