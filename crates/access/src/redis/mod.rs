//! What several services share in Redis.

mod keys;
mod names;

pub use keys::RedisStore;
