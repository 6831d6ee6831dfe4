//! The events of an execution while it runs, and the answer assembled from them.

use crate::{Captured, Ending, ExecLimits, ExecResult, OutputFile, SkippedFile};
use protocol::{OutputStream, head_bytes};

/// One event. The first is [`Event::Started`], unless the execution ended before its program started; the end
/// is the return value of [`crate::Sandbox::execute`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The program's first instruction is about to run.
    Started,
    /// Output of the program. Beyond the first half of `output_bytes_max` only the last half is kept, and
    /// comes at the end.
    Output {
        /// Which stream.
        stream: OutputStream,
        /// May end within a character.
        data: &'a [u8],
    },
    /// An output file.
    File(OutputFile),
    /// An entry of the output directory that is not returned.
    Skipped(SkippedFile),
    /// The number of such entries that are not listed.
    SkippedMore(u64),
}

/// Receives events. It must not block: a slow reader must not slow the program down.
pub trait EventSink: Send {
    /// Receives one event.
    fn take(&mut self, event: Event<'_>);

    /// The program is about to be sent to a sandbox of this executor. No event: an attempt that does not start
    /// the program sends none, and is followed by another.
    fn attempt(&mut self, executor: &'static str) {
        let _ = executor;
    }
}

/// Collects all events into one answer, without streaming.
#[derive(Debug, Default)]
pub struct Collected {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    files: Vec<OutputFile>,
    skipped: Vec<SkippedFile>,
    skipped_more: u64,
}

impl EventSink for Collected {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Started => {}
            Event::Output { stream: OutputStream::Stdout, data } => self.stdout.extend_from_slice(data),
            Event::Output { stream: OutputStream::Stderr, data } => self.stderr.extend_from_slice(data),
            Event::File(file) => self.files.push(file),
            Event::Skipped(file) => self.skipped.push(file),
            Event::SkippedMore(count) => self.skipped_more = self.skipped_more.saturating_add(count),
        }
    }
}

impl Collected {
    /// The answer, once the execution has ended.
    #[must_use]
    pub fn into_result(mut self, ending: Ending, limits: &ExecLimits) -> ExecResult {
        let head = usize::try_from(head_bytes(limits.output_bytes_max)).unwrap_or(usize::MAX);
        let written = |kept: &[u8], reported: Option<u64>| reported.unwrap_or(0).max(kept.len() as u64);
        let stdout = capture(&self.stdout, written(&self.stdout, ending.stdout_bytes), head);
        let stderr = capture(&self.stderr, written(&self.stderr, ending.stderr_bytes), head);
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.skipped.sort_by(|a, b| a.path.cmp(&b.path));
        let Ending { verdict, usage, .. } = ending;
        let (files, skipped, skipped_more) = (self.files, self.skipped, self.skipped_more);
        ExecResult { verdict, stdout, stderr, usage, files, skipped, skipped_more }
    }
}

/// Turns the kept bytes into text. `bytes` is what the program wrote in total; where that is more, the first
/// `head` bytes are its beginning and the rest its end, and a line between them says how much is missing.
fn capture(kept: &[u8], bytes: u64, head: usize) -> Captured {
    if bytes <= kept.len() as u64 {
        return Captured { text: String::from_utf8_lossy(kept).into_owned(), bytes, truncated: false };
    }
    let (head, tail) = kept.split_at(head.min(kept.len()));
    let (head, tail) = (without_cut_character(head), without_rest_of_character(tail));
    let missing = bytes - (head.len() + tail.len()) as u64;
    let mut text = String::from_utf8_lossy(head).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    // One byte has the plural, too: clients look for this form (docs/api.md).
    text.push_str(&format!("[... {missing} bytes omitted ...]\n"));
    text.push_str(&String::from_utf8_lossy(tail));
    Captured { text, bytes, truncated: true }
}

/// Drops the bytes of a character that was cut at the end.
fn without_cut_character(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        // Invalid bytes before the end say nothing about the end: look at the last three only.
        Err(_) => {
            let tail_start = bytes.len().saturating_sub(3);
            let lead = bytes[tail_start..].iter().rposition(|byte| byte & 0xC0 != 0x80);
            match lead {
                Some(offset) if is_cut(&bytes[tail_start + offset..]) => &bytes[..tail_start + offset],
                _ => bytes,
            }
        }
        Ok(_) => bytes,
    }
}

fn is_cut(tail: &[u8]) -> bool {
    std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none())
}

/// Drops the bytes of a character that was cut at the beginning: at most three continuation bytes.
fn without_rest_of_character(bytes: &[u8]) -> &[u8] {
    let rest = bytes.iter().take(3).take_while(|&byte| byte & 0xC0 == 0x80).count();
    &bytes[rest..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character() {
        let whole = "aé日😀".as_bytes();
        for end in 0..whole.len() {
            let captured = capture(&whole[..end], whole.len() as u64, end);
            assert!(captured.truncated && !captured.text.contains('\u{FFFD}'), "{end}: {}", captured.text);
            let captured = capture(&whole[end..], 1 + whole.len() as u64, 0);
            assert!(captured.truncated && !captured.text.contains('\u{FFFD}'), "{end}: {}", captured.text);
        }
        // Invalid bytes in the middle stay visible, a cut character at the end does not.
        assert_eq!(capture(b"\xffa\xe6\x97", 99, 4).text, "\u{FFFD}a\n[... 97 bytes omitted ...]\n");
        assert_eq!(capture(b"\xffa", 2, 1).text, "\u{FFFD}a");
    }

    #[test]
    fn the_beginning_and_the_end_stay_and_a_line_says_how_much_is_missing() {
        let both = capture(b"first\nlast\n", 1011, 6);
        assert_eq!(both.text, "first\n[... 1000 bytes omitted ...]\nlast\n");
        assert_eq!((both.bytes, both.truncated), (1011, true));
        assert_eq!(capture(b"firstlast", 9, 5).text, "firstlast", "nothing is missing");
        assert_eq!(capture(b"", 7, 0).text, "[... 7 bytes omitted ...]\n");
        assert_eq!(head_bytes(10) + 10 / 2, 10);
        assert_eq!((head_bytes(5), head_bytes(1), head_bytes(0)), (3, 1, 0));
    }
}
