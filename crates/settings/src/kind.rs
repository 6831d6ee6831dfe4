//! The kinds of settings: parsing and checking a value, and describing the allowed values.

use secrecy::SecretString;
use std::path::PathBuf;
use support::Network;
use support::authority::Authority;

/// Executors that the settings know by name, in the order in which they are listed.
pub(crate) const PROVIDERS: &[&str] = &["native", "docker", "gvisor", "kata", "firecracker"];

/// Executors that this version can start.
pub const PROVIDERS_BUILT: &[&str] = &["native", "docker", "gvisor", "kata"];

/// Stores of files, and `disabled`.
pub(crate) const STORES: &[&str] = &["local", "s3", "r2", "disabled"];

/// Longest name of a bucket or account.
const NAME_BYTES_MAX: usize = 63;

/// Longest prefix of keys in a bucket, in bytes: a key has at most 1024, and 64 are those of the file.
const KEY_PREFIX_BYTES_MAX: usize = 512;

/// Longest name of a template in bytes: log lines contain it.
const TEMPLATE_NAME_BYTES_MAX: usize = 32;

/// Longest prefix of names in Redis, in bytes: each of them contains it.
const PREFIX_BYTES_MAX: usize = 32;

/// Type and bounds of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text without control characters, not empty.
    Text,
    /// The same, or empty for "not set".
    OptionalText,
    /// true or false.
    Flag,
    /// true or false, or empty for "not set".
    OptionalFlag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An executor that this version can start.
    Provider,
    /// A whole number within bounds, both included.
    Number {
        /// The minimum.
        min: u64,
        /// The maximum.
        max: u64,
    },
    /// Bytes, with an optional suffix k, m or g, within bounds, both included.
    Size {
        /// The minimum.
        min: u64,
        /// The maximum.
        max: u64,
    },
    /// A whole number within bounds, 0, or empty for "not set".
    OptionalNumber {
        /// The minimum. If it is not 0, 0 is allowed too, and means none.
        min: u64,
        /// The maximum.
        max: u64,
    },
    /// Bytes within bounds, 0, or empty for "not set".
    OptionalSize {
        /// The minimum, except for 0.
        min: u64,
        /// The maximum.
        max: u64,
    },
    /// A list of these, separated by commas; empty for none.
    List(Item),
    /// A path, or empty for "not set".
    Path,
    /// `NAME=VALUE` pairs with the values in percent-encoding, never printed; empty for "not set".
    SecretPairs,
    /// The same, printed.
    Pairs,
    /// A decimal fraction, 0 to 1.
    Fraction,
    /// `off`, `stderr`, or an absolute path.
    AuditLog,
    /// A cgroup, as a path from the root of each hierarchy, or empty for "not set".
    Group,
    /// An `http://` or `https://` address without query, or empty for "not set".
    Url,
    /// Text that is never printed; empty for "not set".
    Secret,
    /// An address of Redis, never printed since it may contain a password; empty for "not set".
    RedisUrl,
    /// Lower-case letters, digits and `-`, at most [`PREFIX_BYTES_MAX`].
    Prefix,
    /// Letters, digits, `.`, `_` and `-`, at most [`NAME_BYTES_MAX`], or empty for "not set".
    Name,
    /// A prefix of keys in a bucket: parts of the same characters, each followed by `/`; empty for none.
    KeyPrefix,
}

/// The kind of a list's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// A Python module name, with or without dots.
    Module,
    /// The name of an executor, built or not.
    Provider,
    /// A template: `NAME=MODULE+MODULE+...`.
    Template,
    /// A web origin such as `https://example.org`, or `*`.
    Origin,
    /// A host name such as `example.org`, `*.example.org` for all names below it, an address, or `*`.
    Host,
    /// An address, or a network such as `10.0.0.0/8`.
    Network,
}

/// A checked value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Text; empty means "not set" if the kind allows it.
    Text(String),
    /// A flag.
    Flag(bool),
    /// A number or a size in bytes.
    Number(u64),
    /// A list, without empty entries.
    List(Vec<String>),
    /// A path.
    Path(Option<PathBuf>),
    /// A secret.
    Secret(Option<SecretString>),
}

impl Value {
    /// The value as `check-config` prints it; a secret is printed as stars.
    pub(crate) fn display(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::List(items) => items.join(","),
            Self::Path(path) => path.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            Self::Secret(None) => String::new(),
            Self::Secret(Some(_)) => "***".to_owned(),
        }
    }
}

/// Why a text is not a valid value: a clause that follows the name and the value.
type Refusal = String;

impl Kind {
    /// Checks a text.
    ///
    /// # Errors
    /// A clause that says what is wrong, without the value and the allowed values.
    pub(crate) fn parse(self, text: &str) -> Result<Value, Refusal> {
        let trimmed = text.trim();
        if trimmed.chars().any(char::is_control) {
            return Err("has a control character".to_owned());
        }
        match self {
            Self::Text if trimmed.is_empty() => Err("is empty".to_owned()),
            Self::Text | Self::OptionalText => Ok(Value::Text(trimmed.to_owned())),
            Self::Flag => flag(trimmed).map(Value::Flag),
            Self::OptionalFlag if trimmed.is_empty() => Ok(Value::Text(String::new())),
            Self::OptionalFlag => flag(trimmed).map(Value::Flag),
            Self::Word(words) => word(trimmed, words).map(Value::Text),
            Self::Provider => provider(trimmed).map(Value::Text),
            Self::Number { min, max } => bounded(number(trimmed)?, min, max).map(Value::Number),
            Self::Size { min, max } => bounded(size(trimmed)?, min, max).map(Value::Number),
            Self::OptionalNumber { .. } | Self::OptionalSize { .. } if trimmed.is_empty() => {
                Ok(Value::Text(String::new()))
            }
            Self::OptionalNumber { min, max } => bounded_or_0(number(trimmed)?, min, max).map(Value::Number),
            Self::OptionalSize { min, max } => bounded_or_0(size(trimmed)?, min, max).map(Value::Number),
            Self::List(item) => list(trimmed, item).map(Value::List),
            Self::Path => Ok(Value::Path((!trimmed.is_empty()).then(|| PathBuf::from(trimmed)))),
            Self::SecretPairs => pairs(trimmed).map(|_| secret(trimmed)),
            Self::Pairs => pairs(trimmed).map(|_| Value::Text(trimmed.to_owned())),
            Self::Fraction => fraction(trimmed).map(|_| Value::Text(trimmed.to_owned())),
            Self::AuditLog => audit_log(trimmed).map(Value::Text),
            Self::Group => group(trimmed).map(Value::Text),
            Self::Url => url(trimmed).map(Value::Text),
            Self::Secret => Ok(secret(trimmed)),
            Self::RedisUrl => redis_url(trimmed).map(secret),
            Self::Prefix => prefix(trimmed).map(Value::Text),
            Self::Name => name(trimmed).map(Value::Text),
            Self::KeyPrefix => key_prefix(trimmed).map(Value::Text),
        }
    }

    /// The allowed values, as a phrase.
    pub(crate) fn allowed(self, unit: Option<&str>) -> String {
        let of_unit = unit.map(|unit| format!(" of {unit}")).unwrap_or_default();
        match self {
            Self::Text => "text, not empty".to_owned(),
            Self::OptionalText => "text, or empty".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::OptionalFlag => "true or false, or empty".to_owned(),
            Self::Word(words) => words.join(", "),
            Self::Provider => PROVIDERS_BUILT.join(", "),
            Self::Number { min, max: u64::MAX } => format!("a whole number{of_unit}, at least {min}"),
            Self::Number { min, max } => format!("a whole number{of_unit}, {min} to {max}"),
            Self::Size { min, max } => {
                format!("bytes, {} to {}; suffixes k, m, g (1k = 1024)", size_display(min), size_display(max))
            }
            Self::OptionalNumber { min: 0, max } => format!("a whole number{of_unit}, 0 to {max}, or empty"),
            Self::OptionalNumber { min, max } => {
                format!("a whole number{of_unit}, {min} to {max}; 0 for none, or empty")
            }
            Self::OptionalSize { min, max } => {
                format!(
                    "bytes, {} to {}; suffixes k, m, g (1k = 1024); 0 for none, or empty",
                    size_display(min),
                    size_display(max)
                )
            }
            Self::List(Item::Module) => {
                "Python module names separated by commas, or empty for none".to_owned()
            }
            Self::List(Item::Provider) => {
                format!("names separated by commas, of {}; or empty for none", PROVIDERS.join(", "))
            }
            Self::List(Item::Template) => {
                "templates such as data=numpy+pandas separated by commas; empty for none".to_owned()
            }
            Self::List(Item::Origin) => {
                "origins such as https://example.org separated by commas, or *; empty for none".to_owned()
            }
            Self::List(Item::Host) => {
                "host names such as example.org or *.example.org, without a port, separated by commas, or *; empty for none"
                    .to_owned()
            }
            Self::List(Item::Network) => {
                "addresses or networks such as 10.0.0.0/8 or fd00::/8, separated by commas; empty for none".to_owned()
            }
            Self::Path => "an absolute or relative path, or empty".to_owned(),
            Self::SecretPairs | Self::Pairs => {
                "name=value pairs separated by commas, with the values in percent-encoding; or empty".to_owned()
            }
            Self::Fraction => "a decimal number, 0 to 1".to_owned(),
            Self::AuditLog => "off, stderr, or an absolute path".to_owned(),
            Self::Group => {
                "a path such as /python-sandbox, without `.`, `..` and empty parts; or empty".to_owned()
            }
            Self::Url => "an address such as https://sandbox.example.org, or empty".to_owned(),
            Self::Secret => "text, or empty".to_owned(),
            Self::RedisUrl => {
                "redis://[user:password@]host[:port][/database], the same with rediss:// for TLS, unix:///path, or empty".to_owned()
            }
            Self::Prefix => format!("lower-case letters, digits and `-`, 1 to {PREFIX_BYTES_MAX}"),
            Self::Name => format!("letters, digits, `.`, `_` and `-`, at most {NAME_BYTES_MAX}, or empty"),
            Self::KeyPrefix => "parts of letters, digits, `.`, `_` and `-`, separated by `/`, or empty".to_owned(),
        }
    }

    /// Whether its values are never printed.
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::RedisUrl | Self::SecretPairs)
    }
}

/// A size with the largest suffix that divides it.
#[must_use]
pub fn size_display(bytes: u64) -> String {
    for (suffix, factor) in [("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10)] {
        if bytes > 0 && bytes.is_multiple_of(factor) {
            return format!("{}{suffix}", bytes / factor);
        }
    }
    bytes.to_string()
}

fn secret(text: &str) -> Value {
    Value::Secret((!text.is_empty()).then(|| SecretString::from(text.to_owned())))
}

fn redis_url(text: &str) -> Result<&str, Refusal> {
    let known = ["redis://", "rediss://", "unix:///"].into_iter().any(|scheme| {
        text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
    });
    if known || text.is_empty() { Ok(text) } else { Err("is not an address of Redis".to_owned()) }
}

fn prefix(text: &str) -> Result<String, Refusal> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=PREFIX_BYTES_MAX).contains(&text.len()) && text.bytes().all(good) {
        Ok(text.to_owned())
    } else {
        Err("is not a prefix".to_owned())
    }
}

fn is_name(text: &str) -> bool {
    !matches!(text, "." | "..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn name(text: &str) -> Result<String, Refusal> {
    if text.len() <= NAME_BYTES_MAX && is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("is not a name".to_owned())
    }
}

/// With a slash at its end and none at its beginning.
fn key_prefix(text: &str) -> Result<String, Refusal> {
    let inner = text.trim_matches('/');
    match inner.split('/').all(|part| !part.is_empty() && is_name(part)) {
        _ if text.is_empty() => Ok(String::new()),
        true if inner.len() < KEY_PREFIX_BYTES_MAX => Ok(format!("{inner}/")),
        _ => Err("is not a prefix of keys".to_owned()),
    }
}

fn flag(text: &str) -> Result<bool, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
}

fn word(text: &str, words: &[&str]) -> Result<String, Refusal> {
    let lower = text.to_ascii_lowercase();
    if words.contains(&lower.as_str()) { Ok(lower) } else { Err("is not a known word".to_owned()) }
}

fn provider(text: &str) -> Result<String, Refusal> {
    let name = known_provider(text)?;
    if PROVIDERS_BUILT.contains(&name.as_str()) {
        Ok(name)
    } else {
        Err(format!("names the `{name}` executor, which this version does not support yet"))
    }
}

fn known_provider(text: &str) -> Result<String, Refusal> {
    let lower = text.to_ascii_lowercase();
    if PROVIDERS.contains(&lower.as_str()) {
        Ok(lower)
    } else {
        Err(format!("names an unknown executor (known: {})", PROVIDERS.join(", ")))
    }
}

fn number(text: &str) -> Result<u64, Refusal> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is not a whole number".to_owned());
    }
    text.parse().map_err(|_| "is too large".to_owned())
}

fn size(text: &str) -> Result<u64, Refusal> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    number(digits)
        .map_err(
            |refusal| if refusal == "is not a whole number" { "is not a size".to_owned() } else { refusal },
        )?
        .checked_mul(factor)
        .ok_or_else(|| "is too large".to_owned())
}

/// A size within bounds, both included, for an option of the command line.
///
/// # Errors
/// What is wrong with it, and the allowed values.
pub fn parse_size(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let kind = Kind::Size { min, max };
    let bytes = size(text).and_then(|bytes| bounded(bytes, min, max));
    bytes.map_err(|refusal| format!("{refusal}; allowed: {}", kind.allowed(None)))
}

fn bounded(value: u64, min: u64, max: u64) -> Result<u64, Refusal> {
    if value < min {
        Err("is too small".to_owned())
    } else if value > max {
        Err("is too large".to_owned())
    } else {
        Ok(value)
    }
}

fn bounded_or_0(value: u64, min: u64, max: u64) -> Result<u64, Refusal> {
    if value == 0 { Ok(0) } else { bounded(value, min, max) }
}

fn list(text: &str, item: Item) -> Result<Vec<String>, Refusal> {
    let mut items: Vec<String> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let checked = match item {
            Item::Module => module(part)?,
            Item::Provider => known_provider(part)?,
            Item::Template => template(part)?,
            Item::Origin => origin(part)?,
            Item::Host => host(part)?,
            Item::Network => network(part)?,
        };
        if !items.contains(&checked) {
            items.push(checked);
        }
    }
    Ok(items)
}

fn module(text: &str) -> Result<String, Refusal> {
    let good = |part: &str| {
        let mut chars = part.chars();
        chars.next().is_some_and(|first| first == '_' || first.is_alphabetic())
            && chars.all(|char| char == '_' || char.is_alphanumeric())
    };
    if text.split('.').all(good) {
        Ok(text.to_owned())
    } else {
        Err(format!("has the entry `{text}`, which is not a Python module name"))
    }
}

fn template(text: &str) -> Result<String, Refusal> {
    let wrong = |why: &str| format!("has the entry `{text}`, {why}");
    let (name, modules) =
        text.split_once('=').ok_or_else(|| wrong("which is not of the form NAME=MODULE+MODULE"))?;
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > TEMPLATE_NAME_BYTES_MAX || !name.bytes().all(good) {
        return Err(wrong("whose name has characters other than lower-case letters, digits and hyphens"));
    }
    if name == executor::LEAN {
        return Err(wrong("whose name is reserved for the template without packages"));
    }
    for part in modules.split('+') {
        module(part).map_err(|_| wrong(&format!("where `{part}` is not a Python module name")))?;
    }
    Ok(text.to_owned())
}

fn origin(text: &str) -> Result<String, Refusal> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match authority {
        Some(authority) if authority_is_good(authority) => Ok(text.to_ascii_lowercase()),
        _ => Err(format!("has the entry `{text}`, which is not an origin (scheme, host and port only)")),
    }
}

fn host(text: &str) -> Result<String, Refusal> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_name = name.split('.').all(|label| !label.is_empty() && label.bytes().all(plain));
    if text == "*" || is_name || text.parse::<std::net::IpAddr>().is_ok() {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("has the entry `{text}`, which is not a host name (without scheme, port or path)"))
    }
}

fn network(text: &str) -> Result<String, Refusal> {
    let network: Result<Network, _> = text.parse();
    network.map(|network| network.to_string()).map_err(|error| format!("has the entry `{text}`, {error}"))
}

/// As OpenTelemetry's settings have them (W3C Baggage, without properties): names as of headers, values that a header
/// can hold.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.trim(), unescaped(value.trim())?);
        let is_good = !name.is_empty() && name.bytes().all(is_name) && !value.chars().any(char::is_control);
        is_good.then(|| (name.to_owned(), value))
    };
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(pair).collect::<Option<_>>().ok_or_else(|| "has an entry that is not name=value".to_owned())
}

/// The text that percent-encoding stands for.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(*high)? << 4 | digit(*low)?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

fn fraction(text: &str) -> Result<f64, Refusal> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = text.parse().ok().filter(|_| is_plain).ok_or("is not a decimal number")?;
    if number > 1.0 { Err("is too large".to_owned()) } else { Ok(number) }
}

/// A service's working directory is not what its operator has in mind, so a path is absolute.
fn audit_log(text: &str) -> Result<String, Refusal> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "off" | "stderr" => Ok(lower),
        _ if text.starts_with('/') && !text.ends_with('/') => Ok(text.to_owned()),
        _ => Err("is neither off, nor stderr, nor an absolute path".to_owned()),
    }
}

/// Without its leading slash: the path is relative to the mount points of the hierarchies either way.
fn group(text: &str) -> Result<String, Refusal> {
    let path = text.strip_prefix('/').unwrap_or(text);
    if text.is_empty() || path.split('/').all(|part| !matches!(part, "" | "." | "..")) {
        Ok(path.to_owned())
    } else {
        Err("is not a path from the root of the cgroup hierarchies".to_owned())
    }
}

fn url(text: &str) -> Result<String, Refusal> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or("starts with neither http:// nor https://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path_is_good = path
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~'));
    if authority_is_good(authority) && path_is_good {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("is not a plain address (host, port and path; no user, query or fragment)".to_owned())
    }
}

/// A host with an optional port. A colon without a port is refused as a typing error.
fn authority_is_good(text: &str) -> bool {
    Authority::parse(text).is_some() && !text.ends_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number_of(kind: Kind, text: &str) -> Result<u64, String> {
        kind.parse(text).map(|value| match value {
            Value::Number(number) => number,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn sizes_take_binary_suffixes() {
        let kind = Kind::Size { min: 1, max: 1 << 40 };
        assert_eq!(number_of(kind, "10485760"), Ok(10_485_760));
        assert_eq!(number_of(kind, "128m"), Ok(128 << 20));
        assert_eq!(number_of(kind, "1G"), Ok(1 << 30));
        assert_eq!(number_of(kind, "4k"), Ok(4096));
        for bad in ["", "m", "1.5g", "-1", "12mb", "0x10", "99999999999g", "0"] {
            assert!(number_of(kind, bad).is_err(), "{bad}");
        }
        assert_eq!(size_display(128 << 20), "128m");
        assert_eq!(size_display(10_240), "10k");
        assert_eq!(size_display(1), "1");
    }

    #[test]
    fn numbers_are_bounded_and_plain() {
        let kind = Kind::Number { min: 1, max: 30 };
        assert_eq!(number_of(kind, " 30 "), Ok(30));
        for bad in ["0", "31", "+3", "3.0", "abc", "", "99999999999999999999"] {
            assert!(number_of(kind, bad).is_err(), "{bad}");
        }
        assert!(kind.allowed(Some("seconds")).contains("seconds, 1 to 30"));
    }

    #[test]
    fn providers_not_built_yet_are_told_from_unknown_ones() {
        assert!(Kind::Provider.parse("native").is_ok());
        assert!(Kind::Provider.parse("firecracker").is_err_and(|why| why.contains("does not support yet")));
        assert!(Kind::Provider.parse("podman").is_err_and(|why| why.contains("firecracker")));
        assert!(Kind::List(Item::Provider).parse("docker, gvisor").is_ok());
        assert!(Kind::List(Item::Provider).parse("docker,podman").is_err());
    }

    #[test]
    fn lists_may_be_empty_and_lose_doubles() {
        let list = |text| match Kind::List(Item::Module).parse(text) {
            Ok(Value::List(items)) => items,
            other => panic!("{other:?}"),
        };
        assert!(list("").is_empty());
        assert_eq!(list("os, sys,os,,xml.etree"), ["os", "sys", "xml.etree"]);
        assert!(Kind::List(Item::Module).parse("os;sys").is_err());
    }

    #[test]
    fn templates_have_a_name_and_modules() {
        let kind = Kind::List(Item::Template);
        assert!(kind.parse("data=numpy+pandas,plots=matplotlib.pyplot").is_ok());
        assert!(kind.parse("").is_ok());
        for bad in ["data", "data=", "=numpy", "Data=numpy", "lean=json", "data=numpy+", "data=num py"] {
            assert!(kind.parse(bad).is_err_and(|why| why.contains("entry")), "{bad}");
        }
    }

    #[test]
    fn addresses_are_checked() {
        for good in ["", "http://a", "https://a.b:8443/x/y", "http://[::1]:80", "http://127.0.0.1:8000/"] {
            assert!(Kind::Url.parse(good).is_ok(), "{good}");
        }
        for bad in [
            "a.b",
            "ftp://a",
            "http://",
            "http://u:p@a",
            "http://a?b",
            "http://a:99999",
            "http://[::1",
            "http://[::1]x",
            "http://a/\"b",
        ] {
            assert!(Kind::Url.parse(bad).is_err(), "{bad}");
        }
        for good in ["*", "https://a.example", "http://localhost:3000"] {
            assert!(Kind::List(Item::Origin).parse(good).is_ok(), "{good}");
        }
        for bad in ["a.example", "https://a.example/x", "https://"] {
            assert!(Kind::List(Item::Origin).parse(bad).is_err(), "{bad}");
        }
        for good in ["*", "a.example", "*.a.example", "sandbox", "192.0.2.1", "2001:db8::1", "A.Example, b"] {
            assert!(Kind::List(Item::Host).parse(good).is_ok(), "{good}");
        }
        for bad in ["https://a.example", "a.example:80", "a/b", "*a", "a.*", "a..b", ".a", "*."] {
            assert!(Kind::List(Item::Host).parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_are_printed_in_one_form() {
        let kind = Kind::List(Item::Network);
        let list = |text| match kind.parse(text) {
            Ok(Value::List(items)) => items,
            other => panic!("{other:?}"),
        };
        assert_eq!(list("10.0.0.0/8, FD00::/8,192.0.2.1/32"), ["10.0.0.0/8", "fd00::/8", "192.0.2.1"]);
        assert!(list("").is_empty());
        for (bad, why) in
            [("proxy", "not an address"), ("10.0.0.1/8", "behind the prefix"), ("10.0.0.0/33", "0 to 32")]
        {
            assert!(kind.parse(bad).is_err_and(|refusal| refusal.contains(why)), "{bad}");
        }
    }

    #[test]
    fn pairs_are_names_and_values_in_percent_encoding() {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(pairs(""), Ok(vec![]));
        assert_eq!(pairs("a=1, x-b = Bearer%20t%3D,"), Ok(owned(&[("a", "1"), ("x-b", "Bearer t=")])));
        assert_eq!(pairs("a=b=c"), Ok(owned(&[("a", "b=c")])));
        for bad in ["a", "=b", "a b=c", "a=%", "a=%1", "a=%zz", "a=%ff", "a=%0a", "a=1,b"] {
            assert!(pairs(bad).is_err(), "{bad}");
        }
        assert!(Kind::SecretPairs.parse("a=hunter2").is_ok_and(|value| value.display() == "***"));
    }

    #[test]
    fn a_fraction_is_between_0_and_1() {
        for good in ["0", "1", "1.0", "0.25", ".5"] {
            assert!(fraction(good).is_ok(), "{good}");
        }
        for bad in ["", "-0.5", "1.1", "1e-3", "nan", "0,5", "."] {
            assert!(fraction(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_audit_log_is_off_standard_error_or_an_absolute_path() {
        for (text, expected) in [("off", "off"), ("STDERR", "stderr"), ("/var/log/a.log", "/var/log/a.log")] {
            assert!(
                matches!(Kind::AuditLog.parse(text), Ok(Value::Text(word)) if word == expected),
                "{text}"
            );
        }
        for bad in ["", "audit.log", "true", "stdout", "/var/log/", "./a"] {
            assert!(Kind::AuditLog.parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn control_groups_are_plain_paths_from_the_top() {
        for (text, expected) in [("", ""), ("/a", "a"), ("a", "a"), ("/a/b.slice", "a/b.slice")] {
            assert!(matches!(Kind::Group.parse(text), Ok(Value::Text(path)) if path == expected), "{text}");
        }
        for bad in ["/", "//a", "a/", "/a//b", "../a", "/a/..", "./a", "/a/./b"] {
            assert!(Kind::Group.parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_shows_in_no_form() {
        let value = Kind::Secret.parse("hunter2").expect("any text is a secret");
        assert_eq!(value.display(), "***");
        assert!(!format!("{value:?}").contains("hunter2"));
        let value = Kind::RedisUrl.parse("redis://:hunter2@redis.example").expect("an address");
        assert_eq!(value.display(), "***");
        assert!(!format!("{value:?}").contains("hunter2"));
    }

    #[test]
    fn an_address_of_redis_has_a_known_scheme() {
        for good in ["", "redis://h", "rediss://u:p@h:1/2", "unix:///run/redis.sock"] {
            assert!(Kind::RedisUrl.parse(good).is_ok(), "{good}");
        }
        for bad in ["h:6379", "http://h", "redis://", "unix://relative", "redis://a b"] {
            assert!(Kind::RedisUrl.parse(bad).is_err(), "{bad}");
        }
        assert!(Kind::Prefix.parse("a-1").is_ok());
        for (text, expected) in [("", ""), ("a", "a/"), ("a/b.c/", "a/b.c/"), ("/a", "a/")] {
            let parsed = Kind::KeyPrefix.parse(text);
            assert!(matches!(parsed, Ok(Value::Text(prefix)) if prefix == expected), "{text}");
        }
        for bad in ["/", "a//b", "..", "a/../b", "a b", "ä", "a?", &"x".repeat(513)] {
            assert!(Kind::KeyPrefix.parse(bad).is_err(), "{bad}");
        }
        assert!(Kind::Name.parse("my-bucket.example").is_ok());
        for bad in ["a/b", "a b", "..", "a:b", &"x".repeat(64)] {
            assert!(Kind::Name.parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "A", "a:b", "a{b}", &"x".repeat(33)] {
            assert!(Kind::Prefix.parse(bad).is_err(), "{bad}");
        }
    }
}
