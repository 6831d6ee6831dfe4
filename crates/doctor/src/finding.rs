//! The findings of `doctor`, and how they are shown.

use serde::Serialize;

/// One finding.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// `host` or `wall`.
    pub(super) kind: &'static str,
    /// The item that was checked.
    pub(super) name: String,
    /// The result.
    pub(super) state: State,
    /// What was observed.
    pub(super) detail: String,
    /// The fix, if it is not proved.
    pub(super) fix: Option<String>,
}

/// Result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum State {
    /// Checked, and it holds.
    #[serde(rename = "proved")]
    Proved,
    /// Missing or not testable; the service runs nothing without it.
    #[serde(rename = "missing")]
    Missing,
    /// Attacked, and it did not hold.
    #[serde(rename = "FAILED")]
    Failed,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Missing => "missing",
            Self::Failed => "FAILED",
        }
    }
}

impl Finding {
    /// A property of the host that meets the requirement.
    pub(super) fn host(name: &str, detail: impl Into<String>) -> Self {
        Self { kind: "host", name: name.to_owned(), state: State::Proved, detail: detail.into(), fix: None }
    }

    /// A property of the host that does not.
    pub(super) fn host_missing(name: &str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        let (detail, fix) = (detail.into(), Some(fix.into()));
        Self { kind: "host", name: name.to_owned(), state: State::Missing, detail, fix }
    }
}

/// The findings as a table.
pub(super) fn table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    // Protections that could not be tested for one reason share a line: thirty equal lines would hide the
    // fix.
    let same = |a: &Finding, b: &Finding| {
        a.state == State::Missing
            && (a.kind, a.state, &a.detail, &a.fix) == (b.kind, b.state, &b.detail, &b.fix)
    };
    for run in findings.chunk_by(same) {
        let Some(finding) = run.first() else { continue };
        let name = match run.len() {
            1 => finding.name.clone(),
            count if finding.kind == "wall" => format!("{count} protections"),
            count => format!("{count} checks of the {}", finding.kind),
        };
        // Details may quote a program; control characters must not reach the terminal.
        let detail: String =
            finding.detail.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        text.push_str(&format!("{name:width$}  {:7}  {detail}\n", finding.state.as_str()));
        if let Some(fix) = &finding.fix {
            text.push_str(&format!("{:width$}           -> {fix}\n", ""));
        }
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (proved, missing, failed) = (count(State::Proved), count(State::Missing), count(State::Failed));
    text.push_str(&format!("\n{proved} proved, {missing} missing, {failed} failed\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_missing_thing_left_untried_is_one_line() {
        let untried =
            |name: &str| Finding { kind: "wall", ..Finding::host_missing(name, "not tried", "setup") };
        let findings = [
            Finding::host_missing("runtime", "not there", "setup"),
            untried("ptrace"),
            untried("bpf"),
            untried("keys"),
            Finding::host("host clean after", "nothing is left"),
        ];
        let text = table(&findings);
        assert!(text.contains("\n3 protections     missing  not tried\n"), "{text}");
        assert!(!text.contains("bpf"), "{text}");
        assert_eq!(text.matches("-> setup").count(), 2, "{text}");
        assert!(text.ends_with("1 proved, 4 missing, 0 failed\n"), "{text}");
    }

    #[test]
    fn the_table_shows_state_fix_and_sum() {
        let findings = [
            Finding::host("kernel", "6.1"),
            Finding::host_missing("runtime", "not there\u{1b}[31m", "python-sandbox setup"),
        ];
        let text = table(&findings);
        assert!(text.contains("kernel   proved   6.1"));
        assert!(text.contains("-> python-sandbox setup"));
        assert!(text.ends_with("1 proved, 1 missing, 0 failed\n"));
        assert!(!text.contains('\u{1b}'));
        let json = serde_json::to_value(&findings).expect("plain data");
        assert_eq!(json[1]["state"], "missing");
    }
}
