//! From texts to checked values: parses every setting, computes defaults, reports all problems at once.

use super::error::{Problem, Problems, Source};
use super::kind::Value;
use super::sources::{Given, Inputs, Notes, read};
use super::table::{Entry, Preset, SETTINGS};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The host's properties that computed defaults depend on.
#[derive(Debug, Clone)]
pub struct Host {
    /// CPUs that this process may use.
    pub cores: u64,
    /// Default data directory; `None` for an ordinary user without a home directory.
    pub data_dir: Option<PathBuf>,
}

impl Host {
    /// Reads the properties of this host and user.
    #[must_use]
    pub fn detect() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data_dir = if rustix::process::geteuid().is_root() {
            Some(PathBuf::from("/var/lib/python-sandbox"))
        } else {
            // XDG Base Directory Specification: a relative XDG_DATA_HOME is ignored.
            absolute("XDG_DATA_HOME")
                .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
                .map(|data| data.join("python-sandbox"))
        };
        Self { cores: u64::try_from(cores).unwrap_or(1), data_dir }
    }
}

/// Every setting's value with its source.
#[derive(Debug)]
pub struct Resolved {
    values: BTreeMap<&'static str, (Value, Source)>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

impl Resolved {
    /// The value of a setting and its source.
    ///
    /// # Panics
    /// If the table has no such setting: a bug that any test which makes settings finds.
    pub(crate) fn get(&self, name: &str) -> &(Value, Source) {
        self.values.get(name).unwrap_or_else(|| panic!("setting `{name}` is not in the table"))
    }

    fn number(&self, name: &str) -> u64 {
        match self.values.get(name) {
            Some((Value::Number(number), _)) => *number,
            // Only if the setting itself is invalid: then its problem is already recorded and startup stops.
            _ => 0,
        }
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.values.get(name), Some((Value::Flag(true), _)))
    }
}

/// Reads and checks all settings.
///
/// # Errors
/// All problems at once.
pub fn resolve(inputs: &Inputs, host: &Host) -> Result<Resolved, Problems> {
    let mut notes = Notes::default();
    let mut givens = read(inputs, &mut notes);
    let Notes { mut problems, warnings } = notes;
    let mut resolved = Resolved { values: BTreeMap::new(), warnings };
    for entry in SETTINGS {
        let fixed = match (givens.remove(entry.name), entry.default) {
            (Some(given), _) => Some(given),
            (None, Preset::Fixed(text)) => Some(Given { text: text.to_owned(), origin: Source::Default }),
            (None, Preset::Computed(_)) => None,
        };
        if let Some(given) = fixed {
            match check(entry, given) {
                Ok(value) => {
                    resolved.values.insert(entry.name, value);
                }
                Err(problem) => problems.push(problem),
            }
        }
    }
    for entry in SETTINGS {
        let missing = !resolved.values.contains_key(entry.name);
        if matches!(entry.default, Preset::Computed(_)) && missing {
            match computed(entry.name, &resolved, host) {
                Some(value) => {
                    resolved.values.insert(entry.name, (value, Source::Default));
                }
                None => problems.push(Problem::Together(format!(
                    "{} has no default here: neither XDG_DATA_HOME nor HOME is set; set it",
                    entry.name
                ))),
            }
        }
    }
    if problems.is_empty() {
        together(&resolved, &mut problems);
    }
    if problems.is_empty() { Ok(resolved) } else { Err(Problems(problems)) }
}

pub(crate) fn check(entry: &Entry, given: Given) -> Result<(Value, Source), Problem> {
    match entry.kind.parse(&given.text) {
        Ok(value) => Ok((value, given.origin)),
        Err(refusal) => Err(Problem::Value {
            name: entry.name,
            value: (!entry.kind.is_secret()).then(|| shown(&given.text)),
            origin: given.origin,
            refusal,
            allowed: entry.kind.allowed(entry.unit),
        }),
    }
}

/// A value as an error message shows it: one line, of bounded length.
fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 120;
    let escaped: String = text
        .chars()
        .flat_map(
            |char| if char.is_control() { char.escape_default().collect::<Vec<_>>() } else { vec![char] },
        )
        .collect();
    match escaped.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &escaped[..end]),
        None => escaped,
    }
}

/// The computed defaults of the table.
fn computed(name: &str, resolved: &Resolved, host: &Host) -> Option<Value> {
    /// Maximum bytes of one character in JSON: a pair of `\uXXXX`.
    const JSON_CHAR_BYTES_MAX: u64 = 12;
    /// Standard input (1 MiB) and environment (32 KiB), with each byte written as `\u00XX` in the worst case,
    /// plus names and paths.
    const OTHER_FIELDS_BYTES_MAX: u64 = 6 * ((1 << 20) + (32 << 10)) + (1 << 20);

    match name {
        "DATA_DIR" => host.data_dir.clone().map(|path| Value::Path(Some(path))),
        "LOG_LEVEL" => {
            let level = if resolved.flag("DEBUG") { "debug" } else { "info" };
            Some(Value::Text(level.to_owned()))
        }
        "MAX_CONCURRENT" => Some(Value::Number((2 * host.cores).max(2))),
        "KEY_STORE" => {
            let is_file = matches!(resolved.values.get("KEY_FILE"), Some((Value::Path(Some(_)), _)));
            let is_redis = matches!(resolved.values.get("REDIS_URL"), Some((Value::Secret(Some(_)), _)));
            let word = match (is_file, is_redis) {
                (true, _) => "file",
                (false, true) => "redis",
                (false, false) => "embedded",
            };
            Some(Value::Text(word.to_owned()))
        }
        "DOCKER_POOL_SIZE" => Some(Value::Number((2 * host.cores).max(4))),
        "NATIVE_POOL_SIZE" => Some(Value::Number((4 * host.cores).max(8))),
        "MAX_WAITING" => Some(Value::Number(16 * resolved.number("MAX_CONCURRENT"))),
        "MAX_BODY_SIZE" => {
            let files = resolved.number("MAX_TOTAL_SIZE").div_ceil(3) * 4;
            let code = resolved.number("MAX_CODE_LENGTH") * JSON_CHAR_BYTES_MAX;
            Some(Value::Number(files + code + OTHER_FIELDS_BYTES_MAX))
        }
        _ => None,
    }
}

/// Checks across settings.
fn together(resolved: &Resolved, problems: &mut Vec<Problem>) {
    let text = |name| match &resolved.get(name).0 {
        Value::Text(text) => text.clone(),
        _ => String::new(),
    };
    let is_path = |name| matches!(resolved.get(name).0, Value::Path(Some(_)));
    if matches!(resolved.get("DATA_DIR").0, Value::Path(None)) {
        problems.push(Problem::Together(
            "DATA_DIR is empty; set a directory, or leave the setting out".to_owned(),
        ));
    }
    if resolved.flag("DOCKER_TLS_VERIFY") && matches!(resolved.get("DOCKER_CERT_PATH").0, Value::Path(None)) {
        problems.push(Problem::Together(
            "DOCKER_TLS_VERIFY is true, but DOCKER_CERT_PATH names no directory with ca.pem, cert.pem and key.pem"
                .to_owned(),
        ));
    }
    for (given, missing) in [("TLS_CERT_FILE", "TLS_KEY_FILE"), ("TLS_KEY_FILE", "TLS_CERT_FILE")] {
        if is_path(given) && !is_path(missing) {
            problems.push(Problem::Together(format!(
                "{given} is set, but {missing} is not; set both for TLS, or none"
            )));
        }
    }
    if text("KEY_STORE") == "file" && matches!(resolved.get("KEY_FILE").0, Value::Path(None)) {
        problems.push(Problem::Together(
            "KEY_STORE is `file`, but KEY_FILE names no file with API keys; set it, or set KEY_STORE=embedded".to_owned(),
        ));
    }
    if text("KEY_STORE") == "redis" && matches!(resolved.get("REDIS_URL").0, Value::Secret(None)) {
        problems.push(Problem::Together(
            "KEY_STORE is `redis`, but REDIS_URL names no Redis; set it, or set KEY_STORE=embedded"
                .to_owned(),
        ));
    }
    if resolved.flag("LOG_PROGRAMS") && text("AUDIT_LOG") == "off" {
        problems.push(Problem::Together(
            "LOG_PROGRAMS is true, but AUDIT_LOG is off, and programs are written to that log alone; set AUDIT_LOG, or \
             LOG_PROGRAMS=false"
                .to_owned(),
        ));
    }
    let (memory, with_swap) = (resolved.number("DOCKER_MEMORY"), resolved.number("DOCKER_MEMORY_SWAP"));
    if with_swap < memory {
        problems.push(Problem::Together(format!(
            "DOCKER_MEMORY_SWAP = `{with_swap}` is less than DOCKER_MEMORY = `{memory}`; it counts memory and swap \
             together, so set it to at least as much"
        )));
    }
    let links_s = resolved.number("STORAGE_LINK_LIFETIME");
    if resolved.number("STORAGE_CLEANUP_DAYS") * 24 * 3600 < links_s {
        problems.push(Problem::Together(format!(
            "STORAGE_LINK_LIFETIME = `{links_s}` is longer than STORAGE_CLEANUP_DAYS keeps the files; raise the days"
        )));
    }
    let provider = text("STORAGE_PROVIDER");
    if resolved.flag("STORAGE_ENABLED") && matches!(provider.as_str(), "s3" | "r2") {
        check_object_store(resolved, &provider, problems);
    }
}

/// What an object store cannot do without.
fn check_object_store(resolved: &Resolved, provider: &str, problems: &mut Vec<Problem>) {
    let prefix = format!("STORAGE_{}_", provider.to_uppercase());
    let is_empty = |name: &str| match &resolved.get(&format!("{prefix}{name}")).0 {
        Value::Text(text) => text.is_empty(),
        Value::Secret(secret) => secret.is_none(),
        Value::Path(path) => path.is_none(),
        _ => false,
    };
    let mut needs = |name: &str, what: &str| {
        problems
            .push(Problem::Together(format!("STORAGE_PROVIDER is `{provider}`, but {prefix}{name} {what}")));
    };
    if is_empty("BUCKET") {
        needs("BUCKET", "names no bucket");
    }
    let has_file = !is_empty("CREDENTIALS_FILE");
    for (name, what) in [
        ("ACCESS_KEY", "is empty; set the access key of the bucket"),
        ("SECRET_KEY", "is empty; set the secret key that belongs to the access key"),
    ] {
        match (has_file, is_empty(name)) {
            (false, true) => needs(name, what),
            (true, false) => {
                needs(name, "is set beside the file with the credentials; leave one of them out")
            }
            _ => {}
        }
    }
    if has_file && !is_empty("SESSION_TOKEN") {
        needs("SESSION_TOKEN", "is set beside the file with the credentials; leave one of them out");
    }
    if provider == "r2" {
        if is_empty("ACCOUNT_ID") && is_empty("ENDPOINT") {
            needs("ACCOUNT_ID", "is empty; set the id of the account, 32 hexadecimal digits");
        }
        if resolved.flag("STORAGE_R2_PUBLIC_LINKS") && is_empty("PUBLIC_URL") {
            needs("PUBLIC_URL", "is empty, and STORAGE_R2_PUBLIC_LINKS needs it");
        }
    }
}
