//! Passes the launcher's standard error on to the service's log.
//!
//! The launcher has no descriptor of the service's log. Its output includes what packages printed before
//! their template died, so it is bounded, and control characters are escaped.

use std::io::Read;
use std::process::ChildStderr;

/// Maximum length of a logged line; a longer one is logged in pieces.
const LINE_BYTES_MAX: usize = 8 * 1024;
/// Maximum output of one launcher, in bytes: enough for some hundred dead templates.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// Logs each line until the other ends are closed, in a background thread that always reads: a full pipe
/// would block the launcher.
pub(crate) fn pass_on(stderr: ChildStderr) {
    let read = move || read_lines(stderr, |line| tracing::warn!(words = %line, "output of the launcher"));
    if let Err(error) = std::thread::Builder::new().name("launcher-words".to_owned()).spawn(read) {
        tracing::warn!(%error, "failed to read the launcher's output");
    }
}

fn read_lines(mut from: impl Read, mut log: impl FnMut(&str)) {
    let (mut line, mut left) = (Vec::new(), OUTPUT_BYTES_MAX);
    let mut chunk = [0u8; 4096];
    loop {
        let length = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        for &byte in &chunk[..length.min(left)] {
            if byte != b'\n' {
                line.push(byte);
            }
            if byte == b'\n' || line.len() >= LINE_BYTES_MAX {
                log(&shown(&line));
                line.clear();
            }
        }
        if left > 0 && length >= left {
            log("(more is not logged)");
            line.clear();
        }
        left = left.saturating_sub(length);
    }
    if !line.is_empty() {
        log(&shown(&line));
    }
}

fn shown(line: &[u8]) -> String {
    let mut shown = String::with_capacity(line.len());
    for character in String::from_utf8_lossy(line).chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        read_lines(text, |line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn each_line_is_logged_without_control_characters() {
        assert_eq!(lines(b"one\ntw\x1b[2Jo\r\nthree"), ["one", "tw\\u{1b}[2Jo\\r", "three"]);
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn what_has_no_end_is_cut_and_then_dropped() {
        let many = lines(&vec![b'x'; 2 * OUTPUT_BYTES_MAX]);
        assert_eq!(many.len(), OUTPUT_BYTES_MAX / LINE_BYTES_MAX + 1);
        assert!(many.iter().all(|line| line.len() <= LINE_BYTES_MAX));
        assert_eq!(many.last().unwrap(), "(more is not logged)");
    }
}
