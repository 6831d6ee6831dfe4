//! API keys: who may call the service, and how much ([`Limits`]).
//!
//! ```text
//! request: text -> secret: id, digest -> keyring: snapshot in memory -> record: scopes, executors, expiry
//!                                            ^ every POLL_INTERVAL, on a thread of its own
//!                                        store: sqlite (DATA_DIR/access/access.db), redis or file (KEY_FILE)
//! ```
//! A request costs no look-up in a store, and no write: when keys were used is written once a minute (`uses`). A key's text
//! exists only where it is made and where it is presented; stores keep its digest.
//!
//! # Whether a key is needed
//! Until the first key is created nobody is asked for one. From then on everybody is, also if all keys are
//! revoked or expired, and if the store is lost or cannot be read (then nobody gets in). That a key was ever
//! created is recorded in the store and in a file in `DATA_DIR` ([`enabled`]), so that losing one of them opens
//! nothing. Both of the embedded store are in `DATA_DIR`: a service that starts with an empty one is open, unless it has
//! [`Requirement::Always`]. Only [`Requirement::Never`] turns it off. [`keyring`] has the table.

pub mod enabled;
mod file;
mod keyring;
mod limits;
mod record;
mod redis;
mod secret;
mod sqlite;
mod store;
mod stored;
#[cfg(test)]
mod test_records;
mod uses;

pub use file::KeyFile;
pub use keyring::{Denied, Keyring, KeyringConfig, KeysHealth, KeysState, Requirement};
pub use limits::{
    Allowance, Caller, Entered, Limit, Limited, Limits, LimitsConfig, LimitsSnapshot, Over, RATE_MAX,
    Standing, WithoutRedis,
};
pub use record::{Change, InvalidName, InvalidScopes, KeyName, KeyRecord, OwnLimits, Scope, Scopes, State};
pub use redis::RedisStore;
pub use secret::{Digest, InvalidId, KeyId, KeyText};
pub use sqlite::SqliteStore;
pub use store::{KeyStore, Poll, StoreError, StoreState, Version};
