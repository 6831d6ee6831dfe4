//! The `error` of an answer: one sentence that a language model can act on. Pure.

use executor::{ExecResult, Outcome};
use storage::one_line;
use validator::LastExpression;

/// Longest sentence in characters: an exception's own text may be a novel.
const SENTENCE_CHARS_MAX: usize = 2000;

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
    if let Some(line) = outcome.exception.as_ref().and_then(|exception| exception.line) {
        sentence.push_str(&format!(" (line {line})"));
    }
    if let Some(hint) = &outcome.hint {
        sentence.push_str("; ");
        sentence.push_str(hint);
    }
    Some(clean(&sentence))
}

/// The hint of a program that ended well and whose last line is an expression: in a notebook its value would be shown. A
/// call may be there for what it does, so it is mentioned only where the program gave nothing at all.
pub(crate) fn unseen_value(result: &ExecResult, last: Option<LastExpression>) -> Option<String> {
    let LastExpression { line, is_call } = last.filter(|_| result.success())?;
    let silent = result.stdout.bytes == 0 && result.stderr.bytes == 0 && result.files.is_empty();
    (!is_call || silent).then(|| {
        format!("the value of the last expression (line {line}) is not shown: a script must print it")
    })
}

/// The same of every text of an outcome that a program may have had its hand in.
pub(crate) fn clean_outcome(outcome: &mut Outcome) {
    let exception =
        outcome.exception.iter_mut().flat_map(|exception| [&mut exception.type_name, &mut exception.message]);
    for text in [&mut outcome.message, &mut outcome.hint].into_iter().flatten().chain(exception) {
        *text = clean(text);
    }
}

/// One line in which every character shows itself, bounded: the text of an exception is the program's own.
fn clean(sentence: &str) -> String {
    let line = one_line(sentence);
    match line.char_indices().nth(SENTENCE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor::{Exception, Outcome, OutcomeKind};

    fn result(kind: OutcomeKind, exit_code: i32, message: Option<&str>, line: Option<u32>) -> ExecResult {
        let exception = line.map(|_| Exception { type_name: "X".into(), message: String::new(), line });
        let outcome = Outcome { message: message.map(str::to_owned), exception, ..Outcome::of(kind) };
        executor::memory::ended(outcome, exit_code)
    }

    #[test]
    fn success_has_no_sentence() {
        assert_eq!(error_sentence(&result(OutcomeKind::Exited, 0, None, None)), None);
    }

    #[test]
    fn an_exception_is_named_with_its_line() {
        let message = Some("the program ended with ValueError: bad");
        let sentence = error_sentence(&result(OutcomeKind::Exited, 1, message, Some(3)));
        assert_eq!(sentence.as_deref(), Some("the program ended with ValueError: bad (line 3)"));
    }

    #[test]
    fn other_ends_have_no_line_and_a_hint_follows() {
        let mut timeout =
            result(OutcomeKind::Timeout, 124, Some("the program did not end within 1 second"), None);
        timeout.outcome.hint = Some("send a larger `timeout`".into());
        assert_eq!(
            error_sentence(&timeout).as_deref(),
            Some("the program did not end within 1 second; send a larger `timeout`")
        );
        let exit = result(OutcomeKind::Exited, 3, None, None);
        assert_eq!(error_sentence(&exit).as_deref(), Some("the program ended with exit code 3"));
    }

    #[test]
    fn a_hostile_message_becomes_one_bounded_line() {
        let message = format!("the program ended with X: \u{1b}[2J\r\n{}", "y".repeat(5000));
        let sentence = error_sentence(&result(OutcomeKind::Exited, 1, Some(&message), None)).unwrap();
        assert!(!sentence.contains(|c: char| c.is_control()));
        assert_eq!(sentence.chars().count(), SENTENCE_CHARS_MAX + 1);
    }

    #[test]
    fn nothing_in_a_sentence_hides_or_turns_text() {
        let message = "the program ended with X: \u{202e}gpj.exe\u{2069} pay\u{200b}pal \u{e0041}\u{feff}";
        let mut result = result(OutcomeKind::Exited, 1, Some(message), Some(1));
        result.outcome.hint = Some("a\u{2028}b".into());
        if let Some(exception) = &mut result.outcome.exception {
            exception.message = "\u{2066}x".into();
        }
        let sentence = error_sentence(&result).unwrap();
        assert!(sentence.chars().all(storage::shows_itself), "{sentence}");
        assert!(
            sentence.contains("\\u202egpj.exe\\u2069 pay\\u200bpal") && sentence.contains("a\\u2028b"),
            "{sentence}"
        );
        clean_outcome(&mut result.outcome);
        let outcome = &result.outcome;
        assert_eq!(outcome.hint.as_deref(), Some("a\\u2028b"));
        assert_eq!(outcome.exception.as_ref().unwrap().message, "\\u2066x");
        assert!(outcome.message.as_ref().unwrap().chars().all(storage::shows_itself));
    }

    #[test]
    fn a_value_that_nobody_sees_is_mentioned() {
        let line = |is_call| Some(LastExpression { line: 3, is_call });
        let mut quiet = result(OutcomeKind::Exited, 0, None, None);
        assert!(unseen_value(&quiet, line(false)).unwrap().contains("(line 3)"));
        assert!(unseen_value(&quiet, line(true)).is_some());
        assert_eq!(unseen_value(&quiet, None), None);
        quiet.stdout.bytes = 1;
        assert!(unseen_value(&quiet, line(false)).is_some());
        assert_eq!(unseen_value(&quiet, line(true)), None, "it printed: the call did what it is for");
        assert_eq!(unseen_value(&result(OutcomeKind::Exited, 1, None, None), line(false)), None);
    }
}
