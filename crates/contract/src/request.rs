//! The body of `POST /execute`.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use utoipa::ToSchema;

/// One program to run. Unknown fields are refused. `null` for a field with a default is the same as leaving
/// it out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "print('Hello')", "timeout": 10}))]
pub struct ExecuteRequest {
    /// Python source, 1 to MAX_CODE_LENGTH characters, not only white space. The working directory is
    /// `/tmp/output`; the files it leaves there are returned.
    #[schema(min_length = 1, pattern = r"\S", example = "print('Hello')")]
    pub code: String,
    /// Seconds of wall-clock time for the program alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, minimum = 1, default = 10)]
    pub timeout: Option<i64>,
    /// Standard input, at most 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, default = "", example = "")]
    pub stdin: Option<String>,
    /// Files written to the working directory before the program starts: relative path -> base64 (RFC 4648
    /// section 4 or 5, with or without padding and white space). The limits on output files apply to them
    /// too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>, required = false, default = json!({}),
             example = json!({"data.csv": "YSxiCjEsMgo="}))]
    pub files: Option<Entries>,
    /// Environment variables: name (`[A-Za-z_][A-Za-z0-9_]*`) -> value. Those that the interpreter reads at
    /// its start either take effect or are refused with the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>, required = false, default = json!({}),
             example = json!({"MODE": "fast"}))]
    pub env: Option<Entries>,
    /// The executor to run on, one of the active ones; by default the first usable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub executor: Option<String>,
}

/// A JSON object of strings, in the order in which it was sent, duplicate names included: the service refuses
/// a duplicate by its number, and a map would silently drop it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries(pub Vec<(String, String)>);

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

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
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}
