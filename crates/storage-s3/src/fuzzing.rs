//! The parsers of a store's answers, for the fuzz targets in `fuzz/`. Exists only with `--cfg fuzzing`.

use std::time::Duration;

use jiff::Timestamp;

use crate::clean::is_old;
use crate::config::Provider;
use crate::failure::{Evidence, Failure};
use crate::request::parse_list;

/// Longest sentence for the operator, in bytes.
const SENTENCE_BYTES_MAX: usize = 512;

/// An answer: two bytes for the status, then the body, as that of an error and as a list.
///
/// # Panics
/// If the text of an error could forge a line, or if cleaning would remove an object whose name is not ours.
pub fn answer(bytes: &[u8]) {
    let Some((status, body)) = bytes.split_first_chunk() else { return };
    let status = 100 + u16::from_be_bytes(*status) % 500;
    let text = std::str::from_utf8(body).ok();
    let failure =
        Failure::of_answer(Evidence { status, body, region: text, retry_after: text, ahead_s: None });
    for sentence in [failure.explain(Provider::S3), failure.explain(Provider::R2), failure.to_string()] {
        let is_plain = sentence.len() <= SENTENCE_BYTES_MAX && !sentence.chars().any(char::is_control);
        assert!(is_plain && sentence.is_ascii(), "{sentence:?}");
    }
    let Some((objects, _)) = parse_list("sandbox/", body) else { return };
    for (name, _) in objects {
        let removed = is_old(&name, Some(Timestamp::MIN), Timestamp::MAX, Duration::ZERO) == Some(true);
        let digits = name.strip_prefix("health-").unwrap_or(&name);
        let is_ours = matches!(digits.len(), 16 | 64)
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        assert!(!removed || is_ours, "{name:?}");
    }
}
