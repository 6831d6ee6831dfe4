//! Small functions that several crates need and that must not differ between them. Nothing here knows what
//! the service does.
//!
//! To cut a text at a character, use `str::floor_char_boundary` and `str::ceil_char_boundary`; to
//! percent-encode, the crate `percent-encoding`.

pub mod authority;
mod count;
mod digest;
mod error;
mod lease;
mod mutex;
mod network;
mod random;
mod subscriber;
mod text;
mod time;

pub use count::counted;
pub use digest::{hex, is_hex, sha256_hex};
pub use error::error_chain;
pub use lease::try_take;
pub use mutex::lock;
pub use network::{Network, NetworkError};
pub use random::random_bytes;
pub use subscriber::Subscriber;
pub use text::{is_visible, one_line, plain_lines, visible_json};
pub use time::milliseconds;
