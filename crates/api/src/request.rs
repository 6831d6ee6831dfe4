//! Reads the body of `POST /execute`, and makes a command of the service from it.

use crate::base64_text;
use crate::error::ApiError;
use contract::{Entries, ExecuteRequest};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use service::{ExecuteCommand, InputFile, InvalidField};
use std::fmt;

/// Maximum number of entries of `files` or `env` that are read at all, whatever the settings allow: a body of
/// many tiny entries must not take many times its size in memory.
const ENTRIES_MAX: usize = 10_000;

/// Maximum number of characters of a client's text that an error repeats.
const QUOTED_CHARS_MAX: usize = 64;

/// A byte order mark in UTF-8, which some senders put in front of a text. RFC 8259, section 8.1: a parser may
/// ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How an [`ExecuteRequest`] is read here: with bounds on what is read at all.
#[derive(Deserialize)]
#[serde(remote = "ExecuteRequest", deny_unknown_fields)]
struct Received {
    code: String,
    #[serde(default, deserialize_with = "whole_number")]
    timeout: Option<i64>,
    #[serde(default)]
    stdin: Option<String>,
    #[serde(default, deserialize_with = "entries")]
    files: Option<Entries>,
    #[serde(default, deserialize_with = "entries")]
    env: Option<Entries>,
    #[serde(default)]
    executor: Option<String>,
}

/// An object of strings with at most [`ENTRIES_MAX`] entries, or null.
fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Entries>, D::Error> {
    struct BoundedEntries;
    impl<'de> Visitor<'de> for BoundedEntries {
        type Value = Option<Entries>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of strings")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Option<Entries>, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Entries>, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                if entries.len() == ENTRIES_MAX {
                    return Err(de::Error::custom("too many entries"));
                }
                entries.push(entry);
            }
            Ok(Some(Entries(entries)))
        }
    }
    deserializer.deserialize_any(BoundedEntries)
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
                // `as` saturates: a huge number stays out of bounds. There is no checked conversion from
                // floats.
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

/// The command in a body. The work grows with the body: for a large one call it where blocking is allowed.
pub(crate) fn parse(body: &[u8]) -> Result<ExecuteCommand, ApiError> {
    read(body).and_then(command).map_err(ApiError::invalid)
}

/// Reads a body as the contract's type.
fn read(body: &[u8]) -> Result<ExecuteRequest, InvalidField> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    // An array would pass too: serde accepts one for a struct, field by field.
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {}
        Some(_) => return Err(not_an_object("is not a JSON object")),
        None => return Err(not_an_object("is empty")),
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut track = serde_path_to_error::Track::new();
    let request = Received::deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track));
    let request = request.map_err(|error| {
        let field = track.path().iter().next().map(ToString::to_string);
        explain(&error, field)
    })?;
    json.end().map_err(|error| explain(&error, None))?;
    Ok(request)
}

/// The command of the service; its bounds are checked there. An error if the content of a file is not base64.
fn command(request: ExecuteRequest) -> Result<ExecuteCommand, InvalidField> {
    let sent = request.files.unwrap_or_default().0;
    let mut files = Vec::with_capacity(sent.len());
    for (index, (path, content)) in sent.into_iter().enumerate() {
        let content = base64_text::decode(content).map_err(|problem| {
            let problem = format!("has invalid base64 in file number {}: it {problem}", index + 1);
            InvalidField::new("files", problem, base64_text::ALLOWED)
        })?;
        files.push(InputFile { path, content: content.into() });
    }
    Ok(ExecuteCommand {
        code: request.code,
        timeout_s: request.timeout,
        stdin: request.stdin.unwrap_or_default(),
        files,
        env: request.env.unwrap_or_default().0,
        executor: request.executor,
    })
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

    /// What a client makes with the contract's types is what arrives here.
    #[test]
    fn a_request_of_the_contracts_type_is_read_unchanged() {
        let entries = |names: &[&str]| {
            Some(Entries(names.iter().map(|name| ((*name).to_owned(), "YQ==".to_owned())).collect()))
        };
        let full = ExecuteRequest {
            code: "print('\u{1f40d}')\n".into(),
            timeout: Some(10),
            stdin: Some("in".into()),
            // Neither sorted nor unique: the service refuses a duplicate by its number.
            files: entries(&["b", "a", "b"]),
            env: entries(&["B", "A"]),
            executor: Some("native".into()),
        };
        for request in [full, ExecuteRequest { code: "x".into(), ..ExecuteRequest::default() }] {
            let body = serde_json::to_vec(&request).unwrap();
            assert_eq!(read(&body).unwrap(), request);
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
