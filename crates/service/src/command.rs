//! The fields of a request and their bounds. Pure.

use crate::{interpreter_env, paths};
use executor::{ExecLimits, ExecRequest, InputFile};
use std::collections::HashSet;
use std::time::Duration;
use support::counted;

/// One program as a client sends it, not yet checked.
#[derive(Debug, Clone, Default)]
pub struct ExecuteCommand {
    /// The source text.
    pub code: String,
    /// Wall-clock seconds for the program alone; `None` is [`Bounds::timeout_s_default`].
    pub timeout_s: Option<i64>,
    /// Standard input.
    pub stdin: String,
    /// Files for the working directory, in the order in which they were sent.
    pub files: Vec<InputFile>,
    /// Environment variables, in the order in which they were sent.
    pub env: Vec<(String, String)>,
    /// The executor to run on; `None` is the first usable one.
    pub executor: Option<String>,
}

/// Bounds of a command.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Characters of source text (`MAX_CODE_LENGTH`).
    pub code_chars_max: usize,
    /// Seconds if the client sets none.
    pub timeout_s_default: u32,
    /// Maximum seconds that a client may set (`MAX_TIMEOUT`).
    pub timeout_s_max: u32,
    /// Bytes of standard input.
    pub stdin_bytes_max: usize,
    /// Environment variables.
    pub env_entries_max: usize,
    /// Bytes of all names and values together.
    pub env_bytes_max: usize,
    /// Limits of output and files; input files have the same ones. `wall_time` is replaced by the command's.
    pub exec: ExecLimits,
}

impl Default for Bounds {
    /// The contract's defaults.
    fn default() -> Self {
        Self {
            code_chars_max: 50_000,
            timeout_s_default: 10,
            timeout_s_max: 30,
            stdin_bytes_max: 1024 * 1024,
            env_entries_max: 64,
            env_bytes_max: 32 * 1024,
            exec: ExecLimits::default(),
        }
    }
}

impl Bounds {
    /// The default timeout, never above the maximum.
    #[must_use]
    pub fn timeout_s_effective_default(&self) -> u32 {
        self.timeout_s_default.min(self.timeout_s_max).max(1)
    }
}

/// An invalid field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}; allowed: {allowed}")]
pub struct InvalidField {
    /// The field, such as `timeout` or `files`.
    pub field: String,
    /// What is wrong with it, as the end of a sentence that begins with the field.
    pub problem: String,
    /// What is allowed, with the bound.
    pub allowed: String,
}

impl InvalidField {
    /// Names a field, its problem and what is allowed.
    pub fn new(field: impl Into<String>, problem: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into(), allowed: allowed.into() }
    }
}

/// A checked command. The program itself is not validated yet.
#[derive(Debug)]
pub(crate) struct CheckedCommand {
    pub(crate) request: ExecRequest,
    pub(crate) executor: Option<String>,
}

/// Checks `command` against `bounds`; `executors` are the active ones.
pub(crate) fn check(
    command: ExecuteCommand,
    bounds: &Bounds,
    executors: &[&str],
) -> Result<CheckedCommand, InvalidField> {
    let code = check_code(command.code, bounds)?;
    let wall_time = check_timeout(command.timeout_s, bounds)?;
    check_stdin(&command.stdin, bounds)?;
    check_files(&command.files, &bounds.exec)?;
    check_env(&command.env, bounds)?;
    check_executor(command.executor.as_deref(), executors)?;
    let request = ExecRequest {
        code: code.into(),
        stdin: command.stdin.into(),
        files: command.files,
        env: command.env,
        limits: ExecLimits { wall_time, ..bounds.exec },
    };
    Ok(CheckedCommand { request, executor: command.executor })
}

/// Checks the length of the source and drops a leading byte order mark, as CPython does.
fn check_code(mut code: String, bounds: &Bounds) -> Result<String, InvalidField> {
    if code.starts_with('\u{feff}') {
        code.drain(..'\u{feff}'.len_utf8());
    }
    let invalid = |problem: String| {
        let allowed = format!("1 to {}, not only white space", counted(bounds.code_chars_max, "character"));
        Err(InvalidField::new("code", problem, allowed))
    };
    if code.trim().is_empty() {
        return invalid("is empty or only white space".to_owned());
    }
    // No more characters than bytes: count only if the bytes do not settle it.
    if code.len() > bounds.code_chars_max {
        let chars = code.chars().count();
        if chars > bounds.code_chars_max {
            return invalid(format!("has {chars} characters"));
        }
    }
    Ok(code)
}

fn check_timeout(timeout_s: Option<i64>, bounds: &Bounds) -> Result<Duration, InvalidField> {
    let timeout_s = timeout_s.unwrap_or(i64::from(bounds.timeout_s_effective_default()));
    match u32::try_from(timeout_s) {
        Ok(seconds) if (1..=bounds.timeout_s_max).contains(&seconds) => {
            Ok(Duration::from_secs(u64::from(seconds)))
        }
        _ => {
            let allowed = format!("1 to {}", counted(bounds.timeout_s_max, "second"));
            Err(InvalidField::new("timeout", format!("is {timeout_s}"), allowed))
        }
    }
}

fn check_stdin(stdin: &str, bounds: &Bounds) -> Result<(), InvalidField> {
    if stdin.len() > bounds.stdin_bytes_max {
        let allowed = format!("at most {} bytes", bounds.stdin_bytes_max);
        return Err(InvalidField::new("stdin", format!("has {} bytes", stdin.len()), allowed));
    }
    Ok(())
}

fn check_files(files: &[InputFile], limits: &ExecLimits) -> Result<(), InvalidField> {
    let invalid = |problem: String, allowed: String| Err(InvalidField::new("files", problem, allowed));
    if files.len() > limits.file_count_max as usize {
        return invalid(
            format!("has {}", counted(files.len(), "file")),
            format!("at most {}", counted(limits.file_count_max, "file")),
        );
    }
    let mut total: u64 = 0;
    for (index, file) in files.iter().enumerate() {
        let bytes = file.content.len() as u64;
        total = total.saturating_add(bytes);
        if bytes > limits.file_bytes_max {
            let problem = format!("has {} in file number {}", counted(bytes, "byte"), index + 1);
            let allowed = format!("at most {} in one file", counted(limits.file_bytes_max, "byte"));
            return invalid(problem, allowed);
        }
    }
    if total > limits.files_total_bytes_max {
        let allowed =
            format!("at most {} in all files together", counted(limits.files_total_bytes_max, "byte"));
        return invalid(format!("has {}", counted(total, "byte")), allowed);
    }
    paths::check_all(files.iter().map(|file| file.path.as_str()))
        .or_else(|problem| invalid(problem, paths::ALLOWED.to_owned()))
}

fn check_env(env: &[(String, String)], bounds: &Bounds) -> Result<(), InvalidField> {
    let invalid = |problem: String, allowed: String| Err(InvalidField::new("env", problem, allowed));
    if env.len() > bounds.env_entries_max {
        let problem = format!("has {} entries", env.len());
        return invalid(problem, format!("at most {} entries", bounds.env_entries_max));
    }
    let bytes: usize = env.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > bounds.env_bytes_max {
        let allowed = format!("at most {} bytes of names and values together", bounds.env_bytes_max);
        return invalid(format!("has {bytes} bytes"), allowed);
    }
    let mut seen = HashSet::new();
    for (index, (name, value)) in env.iter().enumerate() {
        // Neither names nor values are repeated: a client's secret must not travel on in an error.
        let number = index + 1;
        if !is_env_name(name) {
            let allowed = "names of letters, digits and `_` that do not begin with a digit".to_owned();
            return invalid(format!("has an invalid name in entry number {number}"), allowed);
        }
        if value.contains('\0') {
            return invalid(
                format!("has a NUL in the value of entry number {number}"),
                "text without NUL".to_owned(),
            );
        }
        if let Some((problem, allowed)) = interpreter_env::refusal(name, value) {
            return invalid(problem, allowed);
        }
        if !seen.insert(name.as_str()) {
            let problem = format!("has the name of entry number {number} twice");
            return invalid(problem, "each name once".to_owned());
        }
    }
    Ok(())
}

/// A POSIX name (Base Definitions, 3.216).
fn is_env_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn check_executor(name: Option<&str>, executors: &[&str]) -> Result<(), InvalidField> {
    match name {
        Some(name) if !executors.contains(&name) => {
            let allowed = match executors {
                [] => "leave it out: no executor is active".to_owned(),
                _ => format!("one of {}", executors.join(", ")),
            };
            Err(InvalidField::new("executor", "is not an active executor", allowed))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(command: ExecuteCommand) -> Result<CheckedCommand, InvalidField> {
        check(command, &Bounds::default(), &["native"])
    }

    fn program() -> ExecuteCommand {
        ExecuteCommand { code: "print(1)".into(), ..ExecuteCommand::default() }
    }

    fn refused_field(command: ExecuteCommand) -> String {
        checked(command).unwrap_err().field
    }

    fn file(path: &str, bytes: usize) -> InputFile {
        InputFile { path: path.into(), content: vec![0; bytes].into() }
    }

    #[test]
    fn a_plain_program_gets_the_defaults() {
        let checked = checked(program()).unwrap();
        assert_eq!(checked.request.limits, ExecLimits::default());
        assert_eq!(checked.request.code.as_ref(), "print(1)");
    }

    #[test]
    fn the_code_is_bounded_in_characters_and_loses_its_byte_order_mark() {
        for blank in ["", "  \n\t", "\u{feff}", "\u{feff} \n"] {
            assert_eq!(refused_field(ExecuteCommand { code: blank.into(), ..program() }), "code");
        }
        assert!(checked(ExecuteCommand { code: "é".repeat(50_000), ..program() }).is_ok());
        let error = checked(ExecuteCommand { code: "é".repeat(50_001), ..program() }).unwrap_err();
        assert_eq!((error.problem.as_str(), error.allowed.contains("50000")), ("has 50001 characters", true));
        let marked = checked(ExecuteCommand { code: "\u{feff}x = 1".into(), ..program() }).unwrap();
        assert_eq!(marked.request.code.as_ref(), "x = 1");
    }

    #[test]
    fn the_timeout_is_one_to_the_most_seconds() {
        for (timeout_s, good) in
            [(1, true), (30, true), (0, false), (31, false), (-1, false), (i64::MAX, false)]
        {
            let answer = checked(ExecuteCommand { timeout_s: Some(timeout_s), ..program() });
            assert_eq!(answer.is_ok(), good, "{timeout_s}");
        }
        let short = Bounds { timeout_s_max: 5, ..Bounds::default() };
        let checked = check(program(), &short, &[]).unwrap();
        assert_eq!(checked.request.limits.wall_time, Duration::from_secs(5));
    }

    #[test]
    fn stdin_files_and_env_are_bounded() {
        let mib = 1024 * 1024;
        assert!(checked(ExecuteCommand { stdin: "x".repeat(mib), ..program() }).is_ok());
        assert_eq!(refused_field(ExecuteCommand { stdin: "x".repeat(mib + 1), ..program() }), "stdin");
        let files = |count: usize, bytes: usize| ExecuteCommand {
            files: (0..count).map(|n| file(&format!("f{n}"), bytes)).collect(),
            ..program()
        };
        assert!(checked(files(5, 10 * mib)).is_ok());
        assert_eq!(refused_field(files(6, 10 * mib)), "files");
        assert_eq!(refused_field(files(1, 10 * mib + 1)), "files");
        assert!(checked(files(10, 1)).is_ok());
        assert_eq!(refused_field(files(11, 1)), "files");
        let env = |count: usize, bytes: usize| ExecuteCommand {
            env: (0..count).map(|n| (format!("N{n:03}"), "v".repeat(bytes))).collect(),
            ..program()
        };
        assert!(checked(env(64, 508)).is_ok());
        assert_eq!(refused_field(env(64, 509)), "env");
        assert_eq!(refused_field(env(65, 1)), "env");
    }

    #[test]
    fn env_names_are_plain_words_once_each_and_never_repeated_in_the_error() {
        for name in ["", "1A", "A=B", "A\0", "A B", "É", "A-B"] {
            let env = vec![(name.to_owned(), "canary".to_owned())];
            let error = checked(ExecuteCommand { env, ..program() }).unwrap_err();
            assert_eq!(error.field, "env");
            assert!(!error.to_string().contains("canary"));
        }
        let twice = vec![("A".to_owned(), String::new()), ("A".to_owned(), "1".to_owned())];
        assert_eq!(refused_field(ExecuteCommand { env: twice, ..program() }), "env");
        let late = vec![("PYTHONHASHSEED".to_owned(), "1".to_owned())];
        assert_eq!(refused_field(ExecuteCommand { env: late, ..program() }), "env");
        let nul = vec![("A".to_owned(), "\0".to_owned())];
        assert_eq!(refused_field(ExecuteCommand { env: nul, ..program() }), "env");
    }

    #[test]
    fn only_an_active_executor_can_be_named() {
        assert!(checked(ExecuteCommand { executor: Some("native".into()), ..program() }).is_ok());
        let error = checked(ExecuteCommand { executor: Some("docker".into()), ..program() }).unwrap_err();
        assert_eq!((error.field.as_str(), error.allowed.as_str()), ("executor", "one of native"));
    }
}
