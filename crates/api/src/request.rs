//! The body of `POST /execute`, and its conversion to a command of the service.

use crate::base64_text;
use crate::error::ApiError;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use service::{ExecuteCommand, InputFile, InvalidField};
use std::fmt;
use utoipa::ToSchema;

/// Maximum number of entries of `files` or `env` that are read at all, whatever the settings allow: a body of many tiny entries
/// must not take many times its size in memory.
const ENTRIES_MAX: usize = 10_000;

/// Maximum number of characters of a client's text that an error repeats.
const QUOTED_CHARS_MAX: usize = 64;

/// A byte order mark in UTF-8, which some senders put in front of a text. RFC 8259, section 8.1: a parser may ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One program to run. Unknown fields are refused. `null` for a field with a default is the same as leaving it out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "print('Hello')", "timeout": 10}))]
pub struct ExecuteRequest {
    /// Python source, 1 to MAX_CODE_LENGTH characters, not only white space. The working directory is
    /// `/tmp/output`; the files it leaves there are returned.
    #[schema(min_length = 1, pattern = r"\S", example = "print('Hello')")]
    pub code: String,
    /// Seconds of wall-clock time for the program alone.
    #[serde(default, deserialize_with = "whole_number")]
    #[schema(value_type = Option<i64>, required = false, minimum = 1, default = 10)]
    pub timeout: Option<i64>,
    /// Standard input, at most 1 MiB.
    #[serde(default)]
    #[schema(required = false, default = "", example = "")]
    pub stdin: Option<String>,
    /// Files written to the working directory before the program starts: relative path -> base64 (RFC 4648 section 4 or 5, with or without
    /// padding and white space). The limits on output files apply to them too.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>, required = false, default = json!({}),
             example = json!({"data.csv": "YSxiCjEsMgo="}))]
    pub files: Option<Entries>,
    /// Environment variables: name (`[A-Za-z_][A-Za-z0-9_]*`) -> value. Those that the interpreter reads at its start
    /// either take effect or are refused with the reason.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>, required = false, default = json!({}),
             example = json!({"MODE": "fast"}))]
    pub env: Option<Entries>,
    /// The executor to run on, one of the active ones; by default the first usable one.
    #[serde(default)]
    #[schema(required = false)]
    pub executor: Option<String>,
}

/// A JSON object of strings, in the order in which it was sent, duplicate names included.
#[derive(Debug, Default)]
pub struct Entries(pub Vec<(String, String)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    if entries.len() == ENTRIES_MAX {
                        return Err(de::Error::custom("too many entries"));
                    }
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// A whole number or null; `10.0` is one too, as in JSON Schema.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    struct WholeNumber;
    impl Visitor<'_> for WholeNumber {
        type Value = Option<i64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an integer")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Option<i64>, E> {
            Ok(None)
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Option<i64>, E> {
            Ok(Some(number))
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<Option<i64>, E> {
            // Far beyond any bound either way.
            Ok(Some(i64::try_from(number).unwrap_or(i64::MAX)))
        }

        fn visit_f64<E: de::Error>(self, number: f64) -> Result<Option<i64>, E> {
            if number.fract() == 0.0 {
                // `as` saturates: a huge number stays out of bounds. There is no checked conversion from floats.
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "whole, and saturation is the intended result"
                )]
                return Ok(Some(number as i64));
            }
            Err(E::invalid_type(de::Unexpected::Float(number), &self))
        }
    }
    deserializer.deserialize_any(WholeNumber)
}

/// Parses a body. The work grows with the body: for a large one call it where blocking is allowed.
pub(crate) fn parse(body: &[u8]) -> Result<ExecuteCommand, ApiError> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    // An array would pass too: serde accepts one for a struct, field by field.
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {}
        Some(_) => return Err(ApiError::invalid(not_an_object("is not a JSON object"))),
        None => return Err(ApiError::invalid(not_an_object("is empty"))),
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let request: ExecuteRequest = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().iter().next().map(ToString::to_string);
        ApiError::invalid(explain(&error.into_inner(), field))
    })?;
    json.end().map_err(|error| ApiError::invalid(explain(&error, None)))?;
    request.into_command().map_err(ApiError::invalid)
}

impl ExecuteRequest {
    /// The command of the service; its bounds are checked there.
    ///
    /// # Errors
    /// [`InvalidField`] if the content of a file is not base64.
    pub fn into_command(self) -> Result<ExecuteCommand, InvalidField> {
        let sent = self.files.unwrap_or_default().0;
        let mut files = Vec::with_capacity(sent.len());
        for (index, (path, content)) in sent.into_iter().enumerate() {
            let content = base64_text::decode(content).map_err(|problem| {
                let problem = format!("has invalid base64 in file number {}: it {problem}", index + 1);
                InvalidField::new("files", problem, base64_text::ALLOWED)
            })?;
            files.push(InputFile { path, content: content.into() });
        }
        Ok(ExecuteCommand {
            code: self.code,
            timeout_s: self.timeout,
            stdin: self.stdin.unwrap_or_default(),
            files,
            env: self.env.unwrap_or_default().0,
            executor: self.executor,
        })
    }
}

fn not_an_object(problem: &str) -> InvalidField {
    InvalidField::new("body", problem, "one JSON object in UTF-8")
}

/// Says which field is invalid and why. Repeats no value: it may be a secret, and errors travel far.
fn explain(error: &serde_json::Error, field: Option<String>) -> InvalidField {
    let text = error.to_string();
    // serde_json ends every message with the position.
    let (message, place) = match text.rfind(" at line ") {
        Some(at) => text.split_at(at),
        None => (text.as_str(), ""),
    };
    if error.is_syntax() || error.is_eof() || error.is_io() {
        return InvalidField::new(
            "body",
            format!("is not JSON: {message}{place}"),
            "one JSON object in UTF-8",
        );
    }
    let quoted = message.split('`').nth(1).unwrap_or_default();
    if message.starts_with("unknown field") {
        return InvalidField::new(shorten(quoted), "is not a field of this request", FIELDS);
    }
    if message.starts_with("missing field") {
        return InvalidField::new(quoted, "is missing", "a value; it has no default");
    }
    if message.starts_with("duplicate field") {
        return InvalidField::new(quoted, "is duplicated", "each field once");
    }
    let field = field.filter(|name| name != ".").map_or_else(|| "body".to_owned(), |name| shorten(&name));
    match message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected ")) {
        Some((found, expected)) => {
            // "string \"secret\"", "integer `5`": only the first words are ours.
            let kind = found.split(['"', '`']).next().unwrap_or_default().trim();
            let allowed = if expected.starts_with("struct") { "a JSON object" } else { expected };
            InvalidField::new(field, format!("has the wrong type: {kind}"), allowed)
        }
        None if message.starts_with("too many entries") => {
            InvalidField::new(field, "has too many entries", format!("at most {ENTRIES_MAX} entries"))
        }
        None => InvalidField::new(field, "is invalid", "see /openapi.json"),
    }
}

const FIELDS: &str = "code, timeout, stdin, files, env, executor";

/// A client's text, cleaned for logs and terminals.
fn shorten(text: &str) -> String {
    text.chars().filter(|&c| support::is_visible(c)).take(QUOTED_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        format!("{:?}", parse(body.as_bytes()).unwrap_err())
    }

    #[test]
    fn a_full_request_becomes_a_command() {
        let body = r#"{"code":"x","timeout":10.0,"stdin":"in","files":{"a":"YQ==","b":"YQ"},"env":{"A":"1"},
                       "executor":"native"}"#;
        let command = parse(body.as_bytes()).unwrap();
        assert_eq!(
            (command.timeout_s, command.stdin.as_str(), command.executor.as_deref()),
            (Some(10), "in", Some("native"))
        );
        assert_eq!(command.env, [("A".to_owned(), "1".to_owned())]);
        assert!(command.files.iter().all(|file| file.content.as_ref() == b"a"));
    }

    #[test]
    fn null_is_not_given_and_a_byte_order_mark_is_ignored() {
        let body = "\u{feff} {\"code\":\"x\",\"timeout\":null,\"stdin\":null,\"files\":null,\"env\":null,\"executor\":null}";
        let command = parse(body.as_bytes()).unwrap();
        assert_eq!((command.timeout_s, command.stdin.as_str(), command.executor), (None, "", None));
        assert!(command.files.is_empty() && command.env.is_empty());
    }

    #[test]
    fn content_that_is_not_base64_is_told_by_file_and_place() {
        let error = refused(r#"{"code":"x","files":{"a":"YQ==","b":"YWJj\nYQ!"}}"#);
        assert!(error.contains("file number 2") && error.contains("character 8"), "{error}");
    }

    #[test]
    fn every_fault_names_its_field_and_repeats_no_value() {
        for (body, field) in [
            ("", "body"),
            ("{", "body"),
            ("[]", "body"),
            (r#"["print(1)"]"#, "body"),
            ("null", "body"),
            (r#""canary""#, "body"),
            (r#"{"code":"x"} x"#, "body"),
            (r#"{"code":"\ud800"}"#, "body"),
            ("{}", "code"),
            (r#"{"code":5}"#, "code"),
            (r#"{"code":null}"#, "code"),
            (r#"{"code":"x","code":"y"}"#, "code"),
            (r#"{"code":"x","tmeout":1}"#, "tmeout"),
            (r#"{"code":"x","timeout":"canary"}"#, "timeout"),
            (r#"{"code":"x","timeout":1.5}"#, "timeout"),
            (r#"{"code":"x","timeout":true}"#, "timeout"),
            (r#"{"code":"x","stdin":["canary"]}"#, "stdin"),
            (r#"{"code":"x","env":"canary"}"#, "env"),
            (r#"{"code":"x","env":{"canary":1}}"#, "env"),
            (r#"{"code":"x","files":{"canary":null}}"#, "files"),
            (r#"{"code":"x","files":{"a":"canary!"}}"#, "files"),
            (r#"{"code":"x","env":{"a":null}}"#, "env"),
            (r#"{"code":"x","files":[]}"#, "files"),
            (r#"{"code":"x","executor":["canary"]}"#, "executor"),
            ("\u{feff}", "body"),
            ("\u{feff}[]", "body"),
        ] {
            let error = refused(body);
            assert!(error.contains(&format!("field: {field:?}")), "{body}: {error}");
            assert!(!error.contains("canary"), "{body}: {error}");
        }
    }

    #[test]
    fn deep_and_wide_bodies_are_refused_cheaply() {
        assert!(refused(&"[".repeat(1_000_000)).contains("body"));
        let deep = format!(r#"{{"code":"x","env":{}}}"#, "[".repeat(100_000));
        assert!(refused(&deep).contains("env"));
        let wide: Vec<String> = (0..=ENTRIES_MAX).map(|n| format!(r#""{n}":"""#)).collect();
        assert!(
            refused(&format!(r#"{{"code":"x","env":{{{}}}}}"#, wide.join(","))).contains("too many entries")
        );
    }
}
