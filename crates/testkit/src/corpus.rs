//! Reads the corpus and checks the results of its programs. The format is in `corpus/README.md`.

use base64::Engine as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// One program of the corpus with its header.
#[derive(Debug, Clone)]
pub struct Program {
    /// Path below `corpus/`, for messages.
    pub name: String,
    /// The whole file, including the header, which consists of comments.
    pub code: String,
    path: PathBuf,
    header: Vec<(String, String)>,
}

/// The result of a program, in a form that every way of running it can provide.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// `success`.
    pub success: bool,
    /// `exit_code`.
    pub exit_code: i64,
    /// `outcome.kind`.
    pub kind: String,
    /// `stdout`.
    pub stdout: String,
    /// `stderr`.
    pub stderr: String,
    /// Whether stdout was truncated.
    pub stdout_truncated: bool,
    /// Whether stderr was truncated.
    pub stderr_truncated: bool,
    /// Paths of the artifacts.
    pub artifacts: Vec<String>,
    /// Skipped entries: path and reason.
    pub skipped: Vec<(String, String)>,
    /// Seconds from request to answer.
    pub elapsed_s: f64,
}

/// The corpus's folder in this checkout.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus")
}

/// All benign programs, sorted.
///
/// # Panics
/// If the corpus cannot be read: a test must not pass without its data.
#[must_use]
pub fn benign() -> Vec<Program> {
    read_folder(&folder().join("benign"))
}

/// All hostile programs, sorted by class and name.
///
/// # Panics
/// As [`benign`].
#[must_use]
pub fn hostile() -> Vec<Program> {
    let mut classes: Vec<_> = entries(&folder().join("hostile"));
    classes.sort();
    classes.iter().flat_map(|class| read_folder(class)).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("no corpus at {}: {error}", folder.display()));
    read.flatten().map(|entry| entry.path()).collect()
}

fn read_folder(folder: &Path) -> Vec<Program> {
    let mut paths = entries(folder);
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "py"));
    paths.sort();
    paths.iter().map(|path| Program::read(path)).collect()
}

impl Program {
    fn read(path: &Path) -> Self {
        let code = fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let header = code
            .lines()
            .map_while(|line| line.strip_prefix("#!"))
            .filter_map(|line| line.split_once(':'))
            .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
            .collect();
        let parts: Vec<_> =
            path.iter().rev().take(2).map(|part| part.to_string_lossy().into_owned()).collect();
        Self { name: format!("{}/{}", parts[1], parts[0]), code, path: path.to_owned(), header }
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.header.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.header.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// `timeout` in seconds, longer by [`crate::patience`].
    #[must_use]
    pub fn timeout_s(&self) -> u64 {
        let seconds: u64 = self.value("timeout").and_then(|value| value.parse().ok()).unwrap_or(10);
        seconds * u64::from(crate::patience())
    }

    /// Standard input.
    #[must_use]
    pub fn stdin(&self) -> String {
        self.value("stdin").map(unescape).unwrap_or_default()
    }

    /// Input files: path and content.
    #[must_use]
    pub fn inputs(&self) -> BTreeMap<String, Vec<u8>> {
        self.prefixed("input ", |value| {
            base64::engine::general_purpose::STANDARD.decode(value).unwrap_or_default()
        })
    }

    /// Environment variables.
    #[must_use]
    pub fn env(&self) -> BTreeMap<String, String> {
        self.prefixed("env ", unescape)
    }

    fn prefixed<T>(&self, prefix: &str, read: impl Fn(&str) -> T) -> BTreeMap<String, T> {
        let pairs = self.header.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value)));
        pairs.map(|(name, value)| (name.to_owned(), read(value))).collect()
    }

    /// Benign: runs only with an empty list of forbidden imports. Hostile: the validator rejects it.
    #[must_use]
    pub fn needs_validator_off(&self) -> bool {
        self.value("forbidden") == Some("off") || self.value("validator") == Some("rejects")
    }

    /// Its imports, approximately as the validator finds them, to choose a template.
    #[must_use]
    pub fn imports(&self) -> BTreeSet<String> {
        let words = self.code.lines().map(str::trim).filter_map(|line| {
            line.strip_prefix("import ")
                .or_else(|| line.strip_prefix("from "))
                .and_then(|rest| rest.split([' ', ',']).next())
        });
        words.map(str::to_owned).collect()
    }

    /// Whether the program applies to this executor.
    #[must_use]
    pub fn is_for(&self, executor: &str) -> bool {
        self.value("executors").is_none_or(|list| list.split(',').any(|name| name.trim() == executor))
    }

    /// The program to run after this one, in a fresh sandbox.
    #[must_use]
    pub fn then(&self) -> Option<Program> {
        self.value("then").map(|name| Self::read(&self.path.with_file_name(name)))
    }

    /// Whether the program must run twice, for [`Self::check_repeated`].
    #[must_use]
    pub fn differs_when_repeated(&self) -> bool {
        self.value("repeat") == Some("differs")
    }

    /// The failures of two runs of a program that must print something different on every line each time.
    #[must_use]
    pub fn check_repeated(&self, first: &Observation, second: &Observation) -> Vec<String> {
        let mut wrong: Vec<_> =
            self.check_hostile(second).into_iter().map(|text| format!("repeated: {text}")).collect();
        let (first, second): (Vec<_>, Vec<_>) =
            (first.stdout.lines().collect(), second.stdout.lines().collect());
        if first.is_empty() || first.len() != second.len() {
            wrong.push(format!("two runs printed {} and {} lines", first.len(), second.len()));
        }
        for (number, (line, _)) in
            first.iter().zip(&second).enumerate().filter(|(_, (line, other))| line == other)
        {
            wrong.push(format!("two runs printed `{}` on line {}", shorten(line), number + 1));
        }
        wrong
    }

    /// The failures of a benign program; empty if the result is as expected.
    #[must_use]
    pub fn check_benign(&self, seen: &Observation) -> Vec<String> {
        let mut wrong = Vec::new();
        let expected = fs::read_to_string(self.path.with_extension("out")).unwrap_or_default();
        if !seen.success || seen.exit_code != 0 {
            wrong.push(format!("no success: {} {} {}", seen.kind, seen.exit_code, shorten(&seen.stderr)));
        }
        if seen.stdout != expected {
            wrong.push(format!("stdout {:?}, expected {:?}", shorten(&seen.stdout), shorten(&expected)));
        }
        if self.value("stderr") != Some("any") && !seen.stderr.is_empty() {
            wrong.push(format!("stderr {:?}", shorten(&seen.stderr)));
        }
        let files = self.value("files").map(names).unwrap_or_default();
        if seen.artifacts != files {
            wrong.push(format!(
                "artifacts {:?}, expected {files:?}; skipped {:?}",
                seen.artifacts, seen.skipped
            ));
        }
        wrong
    }

    /// The failures of a hostile program; empty if every protection held.
    #[must_use]
    pub fn check_hostile(&self, seen: &Observation) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut expect = |holds: bool, what: String| {
            if !holds {
                wrong.push(what);
            }
        };
        for stream in [&seen.stdout, &seen.stderr] {
            expect(!stream.contains("BREACH"), format!("a protection failed: {}", shorten(stream)));
            expect(!stream.contains("CANARY-7f3a"), "a canary was read".to_owned());
        }
        if let Some(kinds) = self.value("expect kind") {
            let allowed = kinds.split(',').any(|kind| kind.trim() == seen.kind);
            expect(allowed, format!("kind {}, expected {kinds}: {}", seen.kind, shorten(&seen.stderr)));
        }
        if let Some(code) = self.value("expect exit_code") {
            expect(
                code == seen.exit_code.to_string(),
                format!("exit code {}, expected {code}", seen.exit_code),
            );
        }
        if let Some(success) = self.value("expect success") {
            expect(
                success == seen.success.to_string(),
                format!("success {}, expected {success}", seen.success),
            );
        }
        if let Some(seconds) = self.value("expect within").and_then(|value| value.parse::<f64>().ok()) {
            let seconds = seconds * f64::from(crate::patience());
            expect(seen.elapsed_s <= seconds, format!("took {:.1} s, expected {seconds}", seen.elapsed_s));
        }
        if let Some(text) = self.value("expect stdout").map(unescape) {
            let (stdout, stderr) = (shorten(&seen.stdout), shorten(&seen.stderr));
            expect(
                seen.stdout.trim_end() == text.trim_end(),
                format!("stdout {stdout:?}, expected {text:?}; {stderr}"),
            );
        }
        for (key, stream, contains) in [
            ("expect stdout-contains", &seen.stdout, true),
            ("expect stdout-lacks", &seen.stdout, false),
            ("expect stderr-contains", &seen.stderr, true),
            ("expect stderr-lacks", &seen.stderr, false),
        ] {
            for text in self.values(key).map(unescape) {
                expect(stream.contains(&text) == contains, format!("{key} {text:?}: {:?}", shorten(stream)));
            }
        }
        for (key, truncated) in [
            ("expect stdout-truncated", seen.stdout_truncated),
            ("expect stderr-truncated", seen.stderr_truncated),
        ] {
            if let Some(value) = self.value(key) {
                expect(value == truncated.to_string(), format!("{key} {value}, but it is {truncated}"));
            }
        }
        wrong.extend(self.check_artifacts(seen));
        wrong
    }

    fn check_artifacts(&self, seen: &Observation) -> Vec<String> {
        let mut wrong = Vec::new();
        let count: Option<usize> = self.value("expect artifact-count").and_then(|value| value.parse().ok());
        match (self.value("expect artifacts"), count) {
            (Some("any"), None) => {}
            (Some("any") | None, Some(count)) if seen.artifacts.len() == count => {}
            (Some(list), None) if names(list) == seen.artifacts => {}
            (None, None) if seen.artifacts.is_empty() => {}
            (list, count) => {
                wrong.push(format!("artifacts {:?}, expected {list:?} {count:?}", seen.artifacts));
            }
        }
        for entry in self.values("expect skipped") {
            let Some((path, reason)) = entry.rsplit_once('=') else { continue };
            let path = unescape(path);
            let found =
                seen.skipped.iter().any(|(name, why)| why == reason && (path == "*" || *name == path));
            if !found {
                wrong.push(format!(
                    "{path:?} was not skipped as {reason}: {:?} {:?}",
                    seen.skipped, seen.artifacts
                ));
            }
        }
        for path in self.values("expect listed").map(unescape) {
            let listed = seen.artifacts.contains(&path) || seen.skipped.iter().any(|(name, _)| *name == path);
            if !listed {
                wrong.push(format!("{path:?} is not listed: {:?} {:?}", seen.artifacts, seen.skipped));
            }
        }
        wrong
    }
}

/// The inside of a JSON string.
fn unescape(value: &str) -> String {
    serde_json::from_str(&format!("\"{value}\""))
        .unwrap_or_else(|error| panic!("bad header value {value:?}: {error}"))
}

fn names(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(unescape).collect()
}

fn shorten(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    match characters.len() {
        0..=600 => text.to_owned(),
        length => characters[..200].iter().chain(&['…']).chain(&characters[length - 400..]).collect(),
    }
}

/// Runs both corpora on one executor, and returns a line for each failed program. `observe` runs one program.
/// The variable `ONLY` selects programs whose name contains its value.
pub async fn failures(executor: &str, mut observe: impl AsyncFnMut(&Program) -> Observation) -> Vec<String> {
    let only = std::env::var("ONLY").unwrap_or_default();
    let chosen = |program: &Program| program.name.contains(&only) && program.is_for(executor);
    let mut failures = Vec::new();
    for program in benign().into_iter().filter(chosen) {
        let wrong = program.check_benign(&observe(&program).await);
        if !wrong.is_empty() {
            failures.push(format!("{}: {}", program.name, wrong.join("\n    ")));
        }
    }
    for program in hostile().into_iter().filter(chosen) {
        let seen = observe(&program).await;
        let mut wrong = program.check_hostile(&seen);
        if program.differs_when_repeated() {
            wrong.extend(program.check_repeated(&seen, &observe(&program).await));
        }
        if !wrong.is_empty() {
            failures.push(format!("{} [{:.1}s]: {}", program.name, seen.elapsed_s, wrong.join("\n    ")));
        }
        if let Some(next) = program.then() {
            let wrong = next.check_hostile(&observe(&next).await);
            if !wrong.is_empty() {
                failures.push(format!("{} then {}: {}", program.name, next.name, wrong.join("\n    ")));
            }
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_repeated_program_is_judged() {
        let programs = hostile();
        let mut repeated = programs.iter().filter(|program| program.differs_when_repeated());
        let program = repeated.next().expect("the corpus has a program that runs twice");
        let printed = |stdout: &str| Observation {
            success: true,
            kind: "exited".to_owned(),
            stdout: stdout.to_owned(),
            ..Observation::default()
        };
        let checked = |first, second| program.check_repeated(&printed(first), &printed(second));
        assert_eq!(checked("1\n2\n", "3\n4\n"), [""; 0]);
        assert_eq!(checked("1\n2\n", "3\n2\n"), ["two runs printed `2` on line 2"]);
        assert_eq!(checked("", ""), ["two runs printed 0 and 0 lines"]);
        assert_eq!(checked("1\n2\n", "3\n"), ["two runs printed 2 and 1 lines"]);
        assert!(!checked("1\n", "BREACH\n").is_empty());
    }
}
