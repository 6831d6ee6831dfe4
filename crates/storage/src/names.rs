//! Makes names that programs chose safe for headers: hostile in, harmless out.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use support::is_visible;

/// Maximum length of a file name in bytes: the limit of Linux file systems (NAME_MAX).
pub const FILE_NAME_BYTES_MAX: usize = 255;

/// Characters other than `attr-char` of RFC 8187, section 3.2.1.
const NO_ATTR_CHAR: AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The media type of unknown content.
pub const MEDIA_TYPE_UNKNOWN: &str = "application/octet-stream";

/// Maximum length of a media type in bytes: RFC 6838 section 4.2 allows 127 for each half.
const MEDIA_TYPE_BYTES_MAX: usize = 255;

/// The name of a download whose own name has no usable character.
const NAME_FALLBACK: &str = "download";

/// Device names of Windows, in any case and with any extension (Microsoft, "Naming Files, Paths, and
/// Namespaces"), as are `COM` and `LPT` with a digit.
const DEVICES: [&str; 7] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"];

/// The value of a `Content-Disposition` header that makes a browser save the body under [`download_name`] of
/// `file_name`, and never render it (RFC 6266, RFC 8187).
///
/// The result is printable ASCII whatever the name contains. It has the name twice: as `filename` in
/// plain ASCII with `_` for other characters, and as `filename*` in percent-encoded UTF-8, which
/// every current browser prefers.
///
/// Send `X-Content-Type-Options: nosniff` with it.
#[must_use]
pub fn content_disposition(file_name: &str) -> String {
    let name = harmless(file_name);
    // A percent sign is legal in `filename`, but some clients decode it (RFC 6266 appendix D).
    let ascii: String =
        name.chars().map(|c| if is_plain_ascii(c) && !matches!(c, '"' | '%') { c } else { '_' }).collect();
    format!(
        "attachment; filename=\"{ascii}\"; filename*=UTF-8''{}",
        utf8_percent_encode(&name, &NO_ATTR_CHAR)
    )
}

/// The media type for the extension of `path`, or [`MEDIA_TYPE_UNKNOWN`].
///
/// It is a guess from the name alone and says nothing about the content. `text/html` and the like are
/// returned as they are: [`content_disposition`] keeps browsers from running them.
#[must_use]
pub fn media_type_for(path: &str) -> String {
    mime_guess::from_path(path).first_raw().unwrap_or(MEDIA_TYPE_UNKNOWN).to_owned()
}

/// The last component of the path that the program chose, at most [`FILE_NAME_BYTES_MAX`] bytes.
/// It is still hostile: it may contain any character but `/`.
pub(crate) fn file_name_of(path: &str) -> &str {
    let last = path.rsplit('/').find(|component| !component.is_empty()).unwrap_or(NAME_FALLBACK);
    cut(last, FILE_NAME_BYTES_MAX)
}

/// `media_type` if it is valid in a header, else [`MEDIA_TYPE_UNKNOWN`].
pub(crate) fn header_safe_media_type(media_type: &str) -> &str {
    let essence = media_type.split(';').next().unwrap_or_default().trim_end();
    let well_formed = essence
        .split_once('/')
        .is_some_and(|(kind, subtype)| is_header_token(kind) && is_header_token(subtype));
    let printable = media_type.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if well_formed && printable && media_type.len() <= MEDIA_TYPE_BYTES_MAX {
        media_type
    } else {
        MEDIA_TYPE_UNKNOWN
    }
}

/// A `token` of RFC 9110 section 5.6.2.
fn is_header_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// The name to save a file of this path under: its last component, made safe on every system.
///
/// Invisible characters ([`is_visible`]), path separators of any system and characters that Windows does not
/// allow in names (`< > : " / \ | ? *`) become `_`. A leading dot or hyphen gets `_` before it, since
/// `.curlrc` is a configuration file and `-rf` an option; so does a device name of Windows (`CON`,
/// `nul.txt`). White space around it and trailing dots, which Windows drops, are removed. At most
/// [`FILE_NAME_BYTES_MAX`] bytes are kept; an empty result becomes `download`.
#[must_use]
pub fn download_name(path: &str) -> String {
    harmless(file_name_of(path))
}

/// See [`download_name`].
fn harmless(file_name: &str) -> String {
    let replaced: String =
        file_name.chars().map(|c| if is_visible(c) && !is_reserved(c) { c } else { '_' }).collect();
    let inner = replaced.trim();
    let prefix = if inner.starts_with(['.', '-']) || is_device(inner) { "_" } else { "" };
    let whole = format!("{prefix}{inner}");
    // Last, since the cut may end in a character that must be removed.
    let name = cut(&whole, FILE_NAME_BYTES_MAX).trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    // Nothing is left of a name of dots alone.
    if name.is_empty() || inner.chars().all(|c| c == '.' || c.is_whitespace()) {
        NAME_FALLBACK.to_owned()
    } else {
        name.to_owned()
    }
}

/// Separates paths, or has a meaning in names on Windows.
fn is_reserved(c: char) -> bool {
    matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
}

/// Whether Windows takes the name for a device: only the part before the first dot counts.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let numbered = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")).is_some_and(|rest| {
        let mut rest = rest.chars();
        matches!(rest.next(), Some('0'..='9' | '¹' | '²' | '³')) && rest.next().is_none()
    });
    numbered || DEVICES.contains(&stem.as_str())
}

fn is_plain_ascii(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic()
}

/// The longest prefix of `text` of at most `bytes_max` bytes that ends between characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Parses a header value as a client would: (`filename`, decoded `filename*`).
    fn parse(header: &str) -> (String, String) {
        let rest = header.strip_prefix("attachment; filename=\"").expect("an attachment");
        let (ascii, rest) = rest.split_once('"').expect("a closing quote");
        let encoded = rest.strip_prefix("; filename*=UTF-8''").expect("the second form");
        let mut bytes = Vec::new();
        let mut input = encoded.bytes();
        while let Some(byte) = input.next() {
            if byte == b'%' {
                let hex = [input.next().unwrap(), input.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        (ascii.to_owned(), String::from_utf8(bytes).expect("UTF-8"))
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        assert_eq!(
            content_disposition("data.xlsx"),
            "attachment; filename=\"data.xlsx\"; filename*=UTF-8''data.xlsx"
        );
        assert_eq!(
            content_disposition("my report (1).csv"),
            "attachment; filename=\"my report (1).csv\"; filename*=UTF-8''my%20report%20%281%29.csv"
        );
        assert_eq!(
            content_disposition("отчёт 图.png"),
            "attachment; filename=\"_____ _.png\"; \
             filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82%20%E5%9B%BE.png"
        );
    }

    #[test]
    fn hostile_names_become_harmless() {
        for (name, ascii, full) in [
            ("a\r\nSet-Cookie: x=1", "a__Set-Cookie_ x=1", "a__Set-Cookie_ x=1"),
            ("a\"; filename=\"b", "a_; filename=_b", "a_; filename=_b"),
            ("../../etc/passwd", "_.._.._etc_passwd", "_.._.._etc_passwd"),
            ("..\\evil.bat", "_.._evil.bat", "_.._evil.bat"),
            (".curlrc", "_.curlrc", "_.curlrc"),
            (" \t.curlrc", "_.curlrc", "_.curlrc"),
            ("\u{200b}.bashrc", "_.bashrc", "_.bashrc"),
            ("\u{a0}.bashrc", "_.bashrc", "_.bashrc"),
            ("..", "download", "download"),
            ("-rf", "_-rf", "_-rf"),
            ("con", "_con", "_con"),
            ("NUL.tar.gz", "_NUL.tar.gz", "_NUL.tar.gz"),
            ("Aux .txt", "_Aux .txt", "_Aux .txt"),
            ("lpt¹", "_lpt_", "_lpt¹"),
            ("com10.txt", "com10.txt", "com10.txt"),
            ("console.log", "console.log", "console.log"),
            ("setup.exe. . ", "setup.exe", "setup.exe"),
            ("a:b<c>d|e?f*g", "a_b_c_d_e_f_g", "a_b_c_d_e_f_g"),
            ("x\u{ad}\u{feff}\u{e000}\u{e0041}y", "x____y", "x____y"),
            ("photo\u{202E}gpj.exe", "photo_gpj.exe", "photo_gpj.exe"),
            ("nul\0byte", "nul_byte", "nul_byte"),
            ("line\u{2028}end\u{85}", "line_end_", "line_end_"),
            ("100%41.txt", "100_41.txt", "100%41.txt"),
            ("", "download", "download"),
            (" .. ", "download", "download"),
            ("\u{1F4CA}.csv", "_.csv", "\u{1F4CA}.csv"),
        ] {
            assert_eq!(parse(&content_disposition(name)), (ascii.to_owned(), full.to_owned()), "{name:?}");
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let (_, full) = parse(&content_disposition(&"é".repeat(200)));
        assert_eq!(full, "é".repeat(127));
        assert_eq!(file_name_of(&"é".repeat(200)).len(), 254);
        assert_eq!(file_name_of(&"x".repeat(255)).len(), 255);
    }

    #[test]
    fn the_last_component_names_the_download() {
        for (path, name) in [
            ("data.csv", "data.csv"),
            ("sub/dir/data.csv", "data.csv"),
            ("sub/dir/", "dir"),
            ("", "download"),
            ("///", "download"),
            ("back\\slash", "back\\slash"),
        ] {
            assert_eq!(file_name_of(path), name, "{path:?}");
        }
    }

    #[test]
    fn media_types_follow_the_extension() {
        for (path, media_type) in [
            ("a/data.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            ("DATA.XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            ("plot.png", "image/png"),
            ("table.csv", "text/csv"),
            ("doc.pdf", "application/pdf"),
            ("data.json", "application/json"),
            ("noextension", MEDIA_TYPE_UNKNOWN),
            ("odd.qqqq", MEDIA_TYPE_UNKNOWN),
            ("line\n.break", MEDIA_TYPE_UNKNOWN),
            ("", MEDIA_TYPE_UNKNOWN),
        ] {
            assert_eq!(media_type_for(path), media_type, "{path:?}");
        }
    }

    #[test]
    fn media_types_that_are_unfit_for_a_header_are_replaced() {
        for good in ["text/plain", "text/plain; charset=utf-8", "application/vnd.x+json"] {
            assert_eq!(header_safe_media_type(good), good);
        }
        let long = format!("text/{}", "x".repeat(300));
        for bad in ["", "text", "/", "text/", "a b/c", "text/plain\r\nX: y", "tëxt/plain", &long] {
            assert_eq!(header_safe_media_type(bad), MEDIA_TYPE_UNKNOWN, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_name_gives_a_safe_header_that_reads_back(name in any::<String>()) {
            let header = content_disposition(&name);
            prop_assert!(header.bytes().all(|b| (0x20..0x7F).contains(&b)), "{header}");
            prop_assert_eq!(header.matches('"').count(), 2);
            prop_assert!(!header.contains('\\'));
            let (ascii, full) = parse(&header);
            prop_assert!(!ascii.contains(['/', '%']) && !ascii.is_empty());
            for saved in [&ascii, &full] {
                prop_assert!(saved.chars().all(|c| is_visible(c) && !is_reserved(c)), "{saved:?}");
                prop_assert!(!saved.starts_with(['.', '-', ' ']) && !saved.ends_with(['.', ' ']), "{saved:?}");
                prop_assert!(!is_device(saved) && saved.len() <= FILE_NAME_BYTES_MAX, "{saved:?}");
            }
            prop_assert_eq!(full, harmless(&name));
        }

        #[test]
        fn a_name_without_tricks_reads_back_unchanged(name in "x[\\p{L}\\p{N}%'();=&_ -]{1,60}\\.[a-z]{1,4}") {
            let (_, full) = parse(&content_disposition(&name));
            prop_assert_eq!(full, harmless(&name));
            if name.len() <= FILE_NAME_BYTES_MAX && name.chars().all(is_visible) {
                prop_assert_eq!(harmless(&name), name);
            }
        }

        #[test]
        fn any_path_gives_a_bounded_name_and_a_header_safe_type(path in any::<String>()) {
            let name = file_name_of(&path);
            prop_assert!(!name.is_empty() && name.len() <= FILE_NAME_BYTES_MAX && !name.contains('/'));
            let media_type = media_type_for(&path);
            prop_assert_eq!(header_safe_media_type(&media_type), media_type.as_str());
        }
    }
}
