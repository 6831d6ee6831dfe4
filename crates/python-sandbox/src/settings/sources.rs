//! Collects what was set where: command line, environment, `.env`, TOML file.
//!
//! Nothing is judged here but names; values stay text until [`super::resolve`] checks them.

use super::dotenv;
use super::error::{Problem, Source};
use super::table;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The file that is read from the working directory when `--config` names no other.
pub(crate) const CONFIG_FILE_DEFAULT: &str = "python-sandbox.toml";

/// A name with one of these beginnings in the environment is meant for us, so a misspelt one stops the start.
const PREFIXES: &[&str] = &[
    "EXECUTOR_",
    "NATIVE_",
    "DOCKER_",
    "GVISOR_",
    "KATA_",
    "FIRECRACKER_",
    "STORAGE_",
    "MAX_",
    "FORBIDDEN_",
    "PYTHON_SANDBOX_",
];

/// Names of other programs that have one of our prefixes: Docker's own client and engine, Kata's runtime, the
/// emulator switch of Google's storage libraries.
const FOREIGN: &[&str] = &[
    "DOCKER_API_VERSION",
    "DOCKER_AUTH_CONFIG",
    "DOCKER_BUILDKIT",
    "DOCKER_CONFIG",
    "DOCKER_CONTENT_TRUST",
    "DOCKER_CONTENT_TRUST_SERVER",
    "DOCKER_CONTEXT",
    "DOCKER_CUSTOM_HEADERS",
    "DOCKER_DEFAULT_PLATFORM",
    "DOCKER_DRIVER",
    "DOCKER_GATEWAY_HOST",
    "DOCKER_HIDE_LEGACY_COMMANDS",
    "DOCKER_RAMDISK",
    "DOCKER_REGISTRY",
    "DOCKER_TLS",
    "DOCKER_TLS_CERTDIR",
    "DOCKER_TMPDIR",
    "KATA_CONF_FILE",
    "STORAGE_EMULATOR_HOST",
];

/// Beginnings of names of other programs, and of our own tests.
const FOREIGN_PREFIXES: &[&str] =
    &["PYTHON_SANDBOX_TEST_", "DOCKER_CLI_", "DOCKER_SCAN_", "DOCKER_BUILD_", "DOCKER_MACHINE_"];

/// What the sources are. A value, so that tests need not touch the process's own environment.
#[derive(Default)]
pub(crate) struct Inputs {
    /// `NAME=VALUE` of each `--set`, and the settings with a flag of their own: (flag, text).
    pub(crate) command_line: Vec<(&'static str, String)>,
    /// The environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// The directory of `.env` and of the default TOML file.
    pub(crate) directory: PathBuf,
    /// The TOML file that the command line names.
    pub(crate) config: Option<PathBuf>,
}

/// A value as somebody wrote it. Not `Debug`: it may be a secret.
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) origin: Source,
}

/// The text of each setting that was set, from the strongest source.
pub(crate) type Givens = BTreeMap<&'static str, Given>;

/// Reads all sources, weakest first, so that a stronger one replaces a weaker one.
pub(crate) fn read(inputs: &Inputs, problems: &mut Vec<Problem>) -> Givens {
    let mut givens = Givens::new();
    read_toml(inputs, &mut givens, problems);
    read_dotenv(&inputs.directory, &mut givens, problems);
    read_environment(&inputs.environment, &mut givens, problems);
    for (flag, text) in &inputs.command_line {
        match text.split_once('=') {
            Some((name, value)) => {
                give(&mut givens, problems, name.trim(), value.to_owned(), Source::CommandLine(flag));
            }
            None => problems.push(Problem::SetWithoutValue),
        }
    }
    givens
}

/// Notes a value under its setting, or that there is no such setting.
fn give(givens: &mut Givens, problems: &mut Vec<Problem>, name: &str, text: String, origin: Source) {
    match table::find(name) {
        Some(entry) => {
            givens.insert(entry.name, Given { text, origin });
        }
        None => problems.push(Problem::Unknown {
            name: name.chars().filter(|char| !char.is_control()).take(80).collect(),
            origin,
            similar: table::similar(name),
        }),
    }
}

fn read_environment(environment: &[(OsString, OsString)], givens: &mut Givens, problems: &mut Vec<Problem>) {
    for (name, value) in environment {
        let Some(name) = name.to_str() else { continue };
        let known = table::find(name).is_some();
        let meant_for_us = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let foreign =
            FOREIGN.contains(&name) || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if !known && (foreign || !meant_for_us) {
            continue;
        }
        match value.to_str() {
            Some(text) => give(givens, problems, name, text.to_owned(), Source::Environment),
            None => problems.push(Problem::Syntax {
                origin: Source::Environment,
                detail: format!("has {name} with a value that is not UTF-8"),
            }),
        }
    }
}

fn read_dotenv(directory: &Path, givens: &mut Givens, problems: &mut Vec<Problem>) {
    let path = directory.join(".env");
    let Some(text) = read_file(&path, false, problems) else { return };
    // The path is shown as the user knows it: relative to where they stand.
    let shown = PathBuf::from(".env");
    let (lines, bad) = dotenv::parse(&text);
    for bad in bad {
        let origin = Source::File { path: shown.clone(), line: bad.number };
        problems.push(Problem::Syntax { origin, detail: bad.problem.to_owned() });
    }
    for line in lines {
        // A later line wins: `echo NAME=value >> .env` is how the original's documents change a setting.
        let origin = Source::File { path: shown.clone(), line: line.number };
        give(givens, problems, &line.name, line.value, origin);
    }
}

fn read_toml(inputs: &Inputs, givens: &mut Givens, problems: &mut Vec<Problem>) {
    let (path, shown, must_exist) = match &inputs.config {
        Some(path) => (inputs.directory.join(path), path.clone(), true),
        None => (inputs.directory.join(CONFIG_FILE_DEFAULT), PathBuf::from(CONFIG_FILE_DEFAULT), false),
    };
    let Some(text) = read_file(&path, must_exist, problems) else { return };
    let line_of = |offset: usize| text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1);
    let table = match DeTable::parse(&text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            // Only the message: the error's full text quotes the line, which may hold a secret.
            let line = line_of(error.span().map_or(0, |span| span.start));
            let detail = format!("is not TOML: {}", error.message().replace('\n', ", "));
            problems.push(Problem::Syntax { origin: Source::File { path: shown, line }, detail });
            return;
        }
    };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in table {
        let written = key.get_ref().to_string();
        let name = written.to_ascii_uppercase();
        let origin = Source::File { path: shown.clone(), line: line_of(key.span().start) };
        if let (Some(entry), Some(first)) = (table::find(&name), seen.insert(name.clone(), written)) {
            problems.push(Problem::Twice { name: entry.name, origin, first });
            continue;
        }
        match toml_text(value.get_ref()) {
            Some(text) => give(givens, problems, &name, text, origin),
            None => problems.push(Problem::Syntax {
                origin,
                detail: format!("{name} is neither text, a whole number, true or false, nor a list of texts"),
            }),
        }
    }
}

/// The text of a TOML value as the environment would have it; `None` for kinds that no setting has.
fn toml_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| match item.get_ref() {
                // A comma would come back as two entries.
                DeValue::String(text) if !text.contains(',') => Some(text.to_string()),
                _ => None,
            });
            texts.collect::<Option<Vec<_>>>().map(|texts| texts.join(","))
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// The file's text; `None` when it is missing and may be, or cannot be read.
fn read_file(path: &Path, must_exist: bool, problems: &mut Vec<Problem>) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => None,
        Err(source) => {
            problems.push(Problem::Unreadable { path: path.to_owned(), source });
            None
        }
    }
}
