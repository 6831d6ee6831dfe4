//! The `error` of an answer: one sentence that a language model can act on. Pure.

use executor::{ExecResult, OutcomeKind};

/// Longest sentence in characters: an exception's own text may be a novel.
const SENTENCE_CHARS_MAX: usize = 1000;

/// The names under which a traceback shows the program.
const PROGRAM_NAMES: [&str; 2] = ["<sandbox>", "main.py"];

/// What went wrong, and what to do about it; `None` after success.
pub(crate) fn error_sentence(result: &ExecResult) -> Option<String> {
    if result.success() {
        return None;
    }
    let outcome = &result.outcome;
    let mut sentence = match &outcome.message {
        Some(message) => message.clone(),
        None => format!("the program ended with exit code {}", result.exit_code),
    };
    // Only an uncaught exception has a traceback that explains the end; one that was caught and printed does not.
    if outcome.kind == OutcomeKind::Exited
        && result.exit_code == 1
        && let Some(line) = line_of_traceback(&result.stderr.text)
    {
        sentence.push_str(&format!(" (line {line})"));
    }
    if let Some(hint) = &outcome.hint {
        sentence.push_str("; ");
        sentence.push_str(hint);
    }
    Some(clean(&sentence))
}

/// The line of the program where the last traceback in `stderr` ended.
fn line_of_traceback(stderr: &str) -> Option<u32> {
    stderr.lines().rev().find_map(|line| {
        let rest = line.trim_start().trim_start_matches("| ").trim_start().strip_prefix("File \"")?;
        let (file, rest) = rest.split_once("\", line ")?;
        let name = file.rsplit('/').next().unwrap_or(file);
        if !PROGRAM_NAMES.contains(&name) {
            return None;
        }
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    })
}

/// One line, no control characters, bounded: the text of an exception is the program's own.
fn clean(sentence: &str) -> String {
    let one_line = sentence.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut text: String = one_line.clone().take(SENTENCE_CHARS_MAX).collect();
    if one_line.count() > SENTENCE_CHARS_MAX {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor::{Captured, Outcome};

    fn result(kind: OutcomeKind, exit_code: i32, message: Option<&str>, stderr: &str) -> ExecResult {
        let outcome = Outcome {
            kind,
            limit: None,
            signal: None,
            syscall: None,
            message: message.map(str::to_owned),
            hint: None,
            retryable: false,
        };
        let stderr = Captured { text: stderr.into(), bytes: stderr.len() as u64, truncated: false };
        ExecResult { stderr, ..executor::memory::ended(outcome, exit_code) }
    }

    #[test]
    fn success_has_no_sentence() {
        assert_eq!(error_sentence(&result(OutcomeKind::Exited, 0, None, "noise")), None);
    }

    #[test]
    fn an_exception_is_named_with_its_line() {
        let traceback = "Traceback (most recent call last):\n  File \"<sandbox>\", line 3, in <module>\n    f()\n  \
                         File \"/usr/lib/python3.11/json/decoder.py\", line 337, in decode\nValueError: bad\n";
        let sentence = error_sentence(&result(
            OutcomeKind::Exited,
            1,
            Some("the program ended with ValueError: bad"),
            traceback,
        ));
        assert_eq!(sentence.as_deref(), Some("the program ended with ValueError: bad (line 3)"));
    }

    #[test]
    fn other_ends_have_no_line_and_a_hint_follows() {
        let printed = "  File \"main.py\", line 7, in f\nKeyError: 'x'\n";
        let mut timeout =
            result(OutcomeKind::Timeout, 124, Some("the program did not end within 1 second"), printed);
        timeout.outcome.hint = Some("send a larger `timeout`".into());
        assert_eq!(
            error_sentence(&timeout).as_deref(),
            Some("the program did not end within 1 second; send a larger `timeout`")
        );
        let exit = result(OutcomeKind::Exited, 3, None, printed);
        assert_eq!(error_sentence(&exit).as_deref(), Some("the program ended with exit code 3"));
    }

    #[test]
    fn a_hostile_message_becomes_one_bounded_line() {
        let message = format!("the program ended with X: \u{1b}[2J\r\n{}", "y".repeat(5000));
        let sentence = error_sentence(&result(OutcomeKind::Exited, 1, Some(&message), "")).unwrap();
        assert!(!sentence.contains(|c: char| c.is_control()));
        assert_eq!(sentence.chars().count(), SENTENCE_CHARS_MAX + 1);
    }

    #[test]
    fn a_line_of_another_file_is_not_the_programs() {
        assert_eq!(line_of_traceback("  File \"/x/other.py\", line 7, in f\n"), None);
        assert_eq!(line_of_traceback("  File \"/tmp/output/main.py\", line 7\n"), Some(7));
        assert_eq!(line_of_traceback("  File \"main.py\", line x\n"), None);
    }
}
