//! Connections to Redis (6.0 or newer) or Valkey that never make a caller wait for more than a bound.
//!
//! ```text
//! REDIS_URL -> address -> connection: connect, TLS, password; scripts, each with a deadline
//! ```
//! Clients that connect again by themselves hold commands back until they succeed, so that an outage of Redis becomes
//! one of everything that asks it. A [`Connection`] here works or has failed; who has it decides what to do.
//!
//! The C library resolves the server's name, not the crate `resolver`: that one asks DNS even for a name in /etc/hosts, for the
//! kind of address that the file lacks, which can take longer than a call may; and it refuses names with `_`, which
//! docker-compose allows.
//!
//! Everything is asked for by scripts: each is atomic, takes one round trip, and may be repeated by nobody but its
//! caller.

mod address;
mod connection;
mod encrypt;
mod script;

pub use address::{Address, InvalidAddress};
pub use connection::{Connection, Failed, RedisConfig};
pub use script::Script;
