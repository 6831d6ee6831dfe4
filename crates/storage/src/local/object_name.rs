//! Names of stored objects: random, and never a path.

use support::{hex, is_hex};

/// Length of an object's name in bytes, before hexadecimal encoding.
pub(super) const NAME_BYTES: usize = 32;

/// Hexadecimal digits of a name that form its directory's name: 256 directories keep each one small.
const SHARD_LENGTH: usize = 2;

/// The name of an object: random bytes in lowercase hexadecimal, so never a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ObjectName(String);

impl ObjectName {
    /// The name made of these bytes.
    pub(super) fn new(bytes: &[u8; NAME_BYTES]) -> Self {
        Self(hex(bytes))
    }

    /// The name, if a file called `name` in the directory `shard` can be an object.
    pub(super) fn parse(shard: &str, name: String) -> Option<Self> {
        let is_ours = name.len() == NAME_BYTES * 2 && is_hex(&name) && name.starts_with(shard);
        is_ours.then_some(Self(name))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the directory that the object is in.
    pub(super) fn shard(&self) -> &str {
        &self.0[..SHARD_LENGTH]
    }

    /// The directory's number.
    pub(super) fn shard_number(&self) -> usize {
        // Two hexadecimal digits, by construction.
        usize::from_str_radix(self.shard(), 16).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hexadecimal_and_belong_to_their_directory() {
        let name = ObjectName::new(&[0xAB; NAME_BYTES]);
        assert_eq!(name.as_str(), "ab".repeat(32));
        assert_eq!((name.shard(), name.shard_number()), ("ab", 0xAB));
        assert_eq!(ObjectName::parse("ab", "ab".repeat(32)), Some(name));
        for (shard, bad) in [
            ("cd", "ab".repeat(32)),
            ("ab", "AB".repeat(32)),
            ("ab", "ab".repeat(31)),
            ("..", "../".repeat(21) + "."),
            ("ab", String::new()),
        ] {
            assert_eq!(ObjectName::parse(shard, bad), None);
        }
    }
}
