//! A record as the stores keep it that this program writes.

use crate::record::{KeyRecord, OwnLimits};
use crate::secret::{Digest, KeyId};
use crate::store::StoreError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A record as JSON. Later versions may add fields, which this one ignores.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    id: String,
    name: String,
    digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    earlier: Option<(String, i64)>,
    scopes: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    executors: Option<Vec<String>>,
    #[serde(default)]
    limits: OwnLimits,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<i64>,
}

impl Stored {
    fn of(record: &KeyRecord) -> Self {
        Self {
            id: record.id.to_string(),
            name: record.name.to_string(),
            digest: record.digest.to_hex(),
            earlier: record.earlier.as_ref().map(|(digest, until)| (digest.to_hex(), until.as_second())),
            scopes: record.scopes.to_string(),
            executors: record.executors.clone(),
            limits: record.limits,
            created_at: record.created_at.as_second(),
            expires_at: record.expires_at.map(Timestamp::as_second),
            revoked_at: record.revoked_at.map(Timestamp::as_second),
        }
    }

    fn into_record(self) -> Option<KeyRecord> {
        let time = |second: i64| Timestamp::from_second(second).ok();
        let optional = |second: Option<i64>| match second {
            None => Some(None),
            Some(second) => time(second).map(Some),
        };
        let earlier = match self.earlier {
            None => None,
            Some((digest, until)) => Some((Digest::from_hex(&digest)?, time(until)?)),
        };
        Some(KeyRecord {
            id: self.id.parse().ok()?,
            name: self.name.parse().ok()?,
            digest: Digest::from_hex(&self.digest)?,
            earlier,
            scopes: self.scopes.parse().ok()?,
            executors: self.executors,
            limits: self.limits,
            created_at: time(self.created_at)?,
            expires_at: optional(self.expires_at)?,
            revoked_at: optional(self.revoked_at)?,
        })
    }
}

/// The record of the key with this id.
///
/// # Errors
/// If it is not what this version or an earlier one wrote.
pub(crate) fn parse(id: &str, json: &str) -> Result<KeyRecord, StoreError> {
    let stored: Option<Stored> = serde_json::from_str(json).ok();
    let record = stored.and_then(Stored::into_record).filter(|record| record.id.as_str() == id);
    record.ok_or_else(|| StoreError::Content(format!("the record of key `{}`", support::one_line(id))))
}

/// The last use of the key with this id; `None` for what no version wrote.
pub(crate) fn use_of(id: &str, second: i64) -> Option<(KeyId, Timestamp)> {
    Some((id.parse().ok()?, Timestamp::from_second(second).ok()?))
}

/// The record as it is stored.
///
/// # Errors
/// None in practice: texts, numbers and flags.
pub(crate) fn json(record: &KeyRecord) -> Result<String, StoreError> {
    serde_json::to_string(&Stored::of(record)).map_err(|error| StoreError::Content(error.to_string()))
}
