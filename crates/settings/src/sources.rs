//! Collects the settings from command line, environment, `.env` and TOML file.
//!
//! Only names and file ownership are checked here; values stay text until [`super::resolve()`] checks them.
//! Files in the working directory are under the control of anyone who can write there, and a program may be
//! started anywhere: they are read only if no user except root and this one can change them, otherwise
//! startup stops. A file that is named on the command line is trusted, and a warning says who else can change
//! it.

use super::dotenv;
use super::error::{Problem, Source};
use super::table;
use ownership::{Found, Refusal};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The files that are read from the working directory, each with the options that name another file or none.
const CONFIG_FILE: File = File { name: "python-sandbox.toml", named: "--config", without: "--no-config" };
const ENV_FILE: File = File { name: ".env", named: "--env-file", without: "--no-env-file" };

struct File {
    name: &'static str,
    named: &'static str,
    without: &'static str,
}

/// Which file of a kind is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FileChoice {
    /// The one in the working directory, if it exists.
    #[default]
    Default,
    /// This one.
    Named(PathBuf),
    /// None.
    None,
}

/// An environment variable with one of these prefixes is meant for us, so an unknown one stops startup.
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
    "REQUIRE_API",
    "TRUSTED_PROX",
    "OTEL_EXPORTER_OTLP_TRACES_",
    "OTEL_TRACES_",
];

/// Shortest name of a setting whose misspellings are looked for without one of our prefixes. Shorter ones, such as `HOST`,
/// are a letter or two from names of other programs.
const MISSPELT_NAME_MIN: usize = 8;

/// Most letters by which such a misspelling differs.
const MISSPELT_DISTANCE_MAX: usize = 2;

/// Names with one of our prefixes that are no settings: those of Docker's own client and engine, Kata's runtime, the
/// emulator switch of Google's storage libraries, and the API key that our commands send.
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
    "PYTHON_SANDBOX_API_KEY",
];

/// Prefixes of other programs' names, such as `SSL_CERT_FILE` of TLS libraries, and of our own tests.
const FOREIGN_PREFIXES: &[&str] =
    &["PYTHON_SANDBOX_TEST_", "SSL_", "DOCKER_CLI_", "DOCKER_SCAN_", "DOCKER_BUILD_", "DOCKER_MACHINE_"];

/// The sources. A value, so that tests need not change the process's environment.
#[derive(Default)]
pub struct Inputs {
    /// `NAME=VALUE` of each `--set`, and the settings that have their own flag: (flag, text).
    pub command_line: Vec<(&'static str, String)>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The directory of `.env` and of the default TOML file.
    pub directory: PathBuf,
    /// Which `.env` file to read.
    pub env_file: FileChoice,
    /// Which TOML file to read.
    pub config: FileChoice,
}

/// Without the values, some of which are secrets.
impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// A value as written in its source. Not `Debug`: it may be a secret.
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) origin: Source,
}

/// The text of each setting that was set, from the source with the highest precedence.
pub(crate) type Givens = BTreeMap<&'static str, Given>;

/// Problems and warnings found while reading.
#[derive(Default)]
pub(crate) struct Notes {
    /// Errors; they stop startup.
    pub(crate) problems: Vec<Problem>,
    /// Warnings; they do not.
    pub(crate) warnings: Vec<String>,
}

/// Reads all sources in order of rising precedence, so that a later one replaces an earlier one.
pub(crate) fn read(inputs: &Inputs, notes: &mut Notes) -> Givens {
    let mut givens = Givens::new();
    if let Some((shown, text)) = read_file(&inputs.directory, &inputs.config, &CONFIG_FILE, notes) {
        read_toml(&text, &shown, &mut givens, &mut notes.problems);
    }
    if let Some((shown, text)) = read_file(&inputs.directory, &inputs.env_file, &ENV_FILE, notes) {
        read_dotenv(&text, &shown, &mut givens, &mut notes.problems);
    }
    read_environment(&inputs.environment, &mut givens, notes);
    let problems = &mut notes.problems;
    for (flag, text) in &inputs.command_line {
        read_flag(flag, text, &mut givens, problems);
    }
    givens
}

/// Reads one `NAME=VALUE` of the command line.
pub(crate) fn read_flag(flag: &'static str, text: &str, givens: &mut Givens, problems: &mut Vec<Problem>) {
    match text.split_once('=') {
        Some((name, value)) => {
            give(givens, problems, name.trim(), value.to_owned(), Source::CommandLine(flag));
        }
        None => problems.push(Problem::SetWithoutValue),
    }
}

/// Records a value under its setting, or an error if there is no such setting.
fn give(givens: &mut Givens, problems: &mut Vec<Problem>, name: &str, text: String, origin: Source) {
    match table::find(name) {
        Some(entry) => {
            givens.insert(entry.name, Given { text, origin });
        }
        None => {
            problems.push(Problem::Unknown { name: shown_name(name), origin, similar: table::similar(name) })
        }
    }
}

/// A name that nobody checked, as an error message shows it: one line, of bounded length.
fn shown_name(name: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    name.chars().filter(|char| !char.is_control()).take(SHOWN_CHARS_MAX).collect()
}

/// The setting that an unknown name without our prefix probably means.
fn misspelt(name: &str) -> Option<&'static table::Entry> {
    let entry = table::find(table::similar(name)?)?;
    let is_close = strsim::damerau_levenshtein(name, entry.name) <= MISSPELT_DISTANCE_MAX;
    (entry.name.len() >= MISSPELT_NAME_MIN && is_close).then_some(entry)
}

/// Whether the service would be open, or believe anybody, without this setting; then a misspelt name stops startup. Not
/// for `REDIS_`: `REDIS_URI` and the like are names that many programs read, so they are worth a warning only.
fn protects(entry: &table::Entry) -> bool {
    matches!(entry.group, table::Group::Access | table::Group::Front | table::Group::Limits)
        && !entry.name.starts_with("REDIS_")
}

/// Notes an unknown name without our prefix that probably means a setting.
fn note_misspelt(name: &str, notes: &mut Notes) {
    let Some(entry) = misspelt(name) else { return };
    let similar = Some(entry.name);
    let unknown = Problem::Unknown { name: shown_name(name), origin: Source::Environment, similar };
    if protects(entry) {
        notes.problems.push(unknown);
    } else {
        notes.warnings.push(format!("{unknown} It is ignored."));
    }
}

fn read_environment(environment: &[(OsString, OsString)], givens: &mut Givens, notes: &mut Notes) {
    for (name, value) in environment {
        let Some(name) = name.to_str() else { continue };
        let known = table::find(name).is_some();
        let meant_for_us = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let foreign =
            FOREIGN.contains(&name) || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if !known && (foreign || !meant_for_us) {
            if !foreign {
                note_misspelt(name, notes);
            }
            continue;
        }
        match value.to_str() {
            Some(text) => give(givens, &mut notes.problems, name, text.to_owned(), Source::Environment),
            None => notes.problems.push(Problem::Syntax {
                origin: Source::Environment,
                detail: format!("has {} with a value that is not UTF-8", shown_name(name)),
            }),
        }
    }
}

pub(crate) fn read_dotenv(text: &str, shown: &Path, givens: &mut Givens, problems: &mut Vec<Problem>) {
    let (lines, bad) = dotenv::parse(text);
    for bad in bad {
        let origin = Source::File { path: shown.to_owned(), line: bad.number };
        problems.push(Problem::Syntax { origin, detail: bad.problem.to_owned() });
    }
    for line in lines {
        // A later line wins: the original's documents change a setting with `echo NAME=value >> .env`.
        let origin = Source::File { path: shown.to_owned(), line: line.number };
        give(givens, problems, &line.name, line.value, origin);
    }
}

pub(crate) fn read_toml(text: &str, shown: &Path, givens: &mut Givens, problems: &mut Vec<Problem>) {
    let line_of = |offset: usize| text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1);
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            // Only the message: the error's full text quotes the line, which may hold a secret.
            let line = line_of(error.span().map_or(0, |span| span.start));
            let detail = format!("is not TOML: {}", error.message().replace('\n', ", "));
            problems.push(Problem::Syntax { origin: Source::File { path: shown.to_owned(), line }, detail });
            return;
        }
    };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in table {
        let written = key.get_ref().to_string();
        let name = written.to_ascii_uppercase();
        let origin = Source::File { path: shown.to_owned(), line: line_of(key.span().start) };
        if let (Some(entry), Some(first)) = (table::find(&name), seen.insert(name.clone(), written)) {
            problems.push(Problem::Twice { name: entry.name, origin, first });
            continue;
        }
        match toml_text(value.get_ref()) {
            Some(text) => give(givens, problems, &name, text, origin),
            None => problems.push(Problem::Syntax {
                origin,
                detail: format!(
                    "{} is neither text, a whole number, true or false, nor a list of texts",
                    shown_name(&name)
                ),
            }),
        }
    }
}

/// The text of a TOML value in the environment's syntax; `None` for types that no setting has.
fn toml_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| match item.get_ref() {
                // A comma would be read back as two entries.
                DeValue::String(text) if !text.contains(',') => Some(text.to_string()),
                _ => None,
            });
            texts.collect::<Option<Vec<_>>>().map(|texts| texts.join(","))
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// The file's text, and its path relative to the user's working directory. `None` if there is no file, or if
/// it cannot be read or trusted, which is recorded.
fn read_file(
    directory: &Path,
    choice: &FileChoice,
    file: &File,
    notes: &mut Notes,
) -> Option<(PathBuf, String)> {
    let shown = match choice {
        FileChoice::None => return None,
        FileChoice::Named(path) => path.clone(),
        FileChoice::Default => PathBuf::from(file.name),
    };
    let path = directory.join(&shown);
    // A missing file sets nothing, whoever may create it later.
    let is_missing = || path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if *choice == FileChoice::Default && is_missing() {
        return None;
    }
    // Checked before it is read: nobody can change a file that passes in between.
    match (ownership::check(&path), choice) {
        (Ok(Found::Missing), FileChoice::Default) => return None,
        (Err(Refusal::Examine { path, source }), FileChoice::Default) => {
            notes.problems.push(Problem::Unreadable { path, source });
            return None;
        }
        (Err(refusal), FileChoice::Default) => {
            let source = Box::new(refusal);
            let named = format!("`{} {}`", file.named, file.name);
            notes.problems.push(Problem::Untrusted { path: shown, source, named, without: file.without });
            return None;
        }
        (Err(refusal), _) if !matches!(refusal, Refusal::Examine { .. }) && path.is_file() => {
            notes.warnings.push(format!("{refusal}; its settings are used because {} names it", file.named));
        }
        _ => {}
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => Some((shown, text)),
        Err(source) => {
            notes.problems.push(Problem::Unreadable { path, source });
            None
        }
    }
}
