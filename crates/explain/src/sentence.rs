//! The `error` of a response: one sentence that a language model can act on. Pure.

use contract::OutcomeBody;
use executor::Verdict;
use support::one_line;

/// Maximum length of the sentence in characters: an exception's text may be arbitrarily long.
const SENTENCE_CHARS_MAX: usize = 2000;

/// What went wrong, and what to do about it; `None` after success.
pub(crate) fn error(outcome: &OutcomeBody, verdict: &Verdict) -> Option<String> {
    if verdict.success() {
        return None;
    }
    let mut sentence = outcome.message.clone()?;
    if let Some(line) = outcome.exception.as_ref().and_then(|exception| exception.line) {
        sentence.push_str(&format!(" (line {line})"));
    }
    if let Some(hint) = &outcome.hint {
        sentence.push_str("; ");
        sentence.push_str(hint);
    }
    Some(clean_text(&sentence))
}

/// The hint for a successful program that ends with an expression: a notebook would have shown its value.
pub(crate) fn unseen_value(line: u32) -> String {
    format!("the value of the last expression (line {line}) is not shown: a script must print it")
}

/// Cleans every text of an outcome that a program may have influenced.
pub(crate) fn clean(outcome: &mut OutcomeBody) {
    let exception =
        outcome.exception.iter_mut().flat_map(|exception| [&mut exception.type_name, &mut exception.message]);
    for text in [&mut outcome.message, &mut outcome.hint].into_iter().flatten().chain(exception) {
        *text = clean_text(text);
    }
}

/// One bounded line in which every character is visible: the text of an exception is under the program's
/// control.
fn clean_text(sentence: &str) -> String {
    let line = one_line(sentence);
    match line.char_indices().nth(SENTENCE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Explained, outcome};
    use executor::note::Note;
    use executor::{Cause, ExecLimits, KernelCounts, SandboxLimits};

    fn verdict(cause: Cause, exit_code: i32, note: &str) -> Verdict {
        let sandbox = SandboxLimits {
            memory_bytes: 1,
            cpu_quota_us: 1,
            cpu_period_us: 1,
            pids_max: 1,
            disk_bytes: 1,
            disk_inodes: 1,
        };
        Verdict {
            cause,
            exit_code,
            limit: None,
            note: Note::parse(note.as_bytes()),
            denied: Vec::new(),
            evidence: KernelCounts::default(),
            exec: ExecLimits { wall_time: std::time::Duration::from_secs(1), ..ExecLimits::default() },
            sandbox,
        }
    }

    fn explained(verdict: &Verdict) -> Explained {
        outcome(verdict, "native", None)
    }

    #[test]
    fn success_has_no_sentence() {
        assert_eq!(explained(&verdict(Cause::Exited, 0, "")).error, None);
    }

    #[test]
    fn an_exception_is_named_with_its_line() {
        let raised = verdict(Cause::Exited, 1, "raised\tValueError\t0\t3\t\t\tbad");
        let error = explained(&raised).error;
        assert_eq!(error.as_deref(), Some("the program ended with ValueError: bad (line 3)"));
    }

    #[test]
    fn other_ends_have_no_line_and_a_hint_follows() {
        let timeout = explained(&verdict(Cause::Timeout { waited_after: None }, 124, ""));
        let hint = timeout.outcome.hint.unwrap();
        assert_eq!(timeout.error, Some(format!("the program did not finish within 1 second; {hint}")));
        let exit = explained(&verdict(Cause::Exited, 3, ""));
        assert_eq!(exit.error.as_deref(), Some("the program exited with code 3"));
    }

    #[test]
    fn a_hostile_message_becomes_one_bounded_line() {
        let call = format!("\u{1b}[2J\r\n{}", "y".repeat(5000));
        let error = explained(&verdict(Cause::DeniedSyscall { name: call }, 1, "")).error.unwrap();
        assert!(!error.contains(|c: char| c.is_control()));
        assert_eq!(error.chars().count(), SENTENCE_CHARS_MAX + 1);
    }

    #[test]
    fn nothing_in_a_sentence_hides_or_turns_text() {
        let text = "\u{202e}gpj.exe\u{2069} pay\u{200b}pal \u{e0041}\u{feff}a\u{2028}b";
        let found = explained(&verdict(Cause::Exited, 1, &format!("raised\tX\t0\t1\t\t\t{text}")));
        let error = found.error.unwrap();
        assert!(error.chars().all(support::is_visible), "{error}");
        assert!(
            error.contains("\\u202egpj.exe\\u2069 pay\\u200bpal") && error.contains("a\\u2028b"),
            "{error}"
        );
        assert!(found.outcome.message.unwrap().chars().all(support::is_visible));
        assert!(found.outcome.exception.unwrap().message.chars().all(support::is_visible));
    }

    #[test]
    fn a_value_that_nobody_sees_is_a_hint_of_a_program_that_ended_well() {
        let quiet = outcome(&verdict(Cause::Exited, 0, ""), "native", Some(3));
        assert!(quiet.outcome.hint.unwrap().contains("(line 3)"));
        assert_eq!(quiet.error, None);
    }
}
