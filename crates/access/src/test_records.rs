//! Records for the tests of this crate.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::record::{KeyRecord, OwnLimits};
use crate::secret::KeyText;
use jiff::Timestamp;

/// A new key and its record, of a key that neither expires nor was changed.
pub(crate) fn key_and_record(name: &str) -> (KeyText, KeyRecord) {
    let key = KeyText::generate().unwrap();
    let record = KeyRecord {
        id: key.id(),
        name: name.parse().unwrap(),
        digest: key.digest(),
        earlier: None,
        scopes: "execute,metrics".parse().unwrap(),
        executors: Some(vec!["native".to_owned()]),
        limits: OwnLimits { concurrent: Some(4), ..OwnLimits::default() },
        created_at: Timestamp::from_second(1_800_000_000).unwrap(),
        expires_at: None,
        revoked_at: None,
    };
    (key, record)
}

/// The record alone.
pub(crate) fn record(name: &str) -> KeyRecord {
    key_and_record(name).1
}
