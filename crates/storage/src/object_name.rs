//! Names of stored objects: random, and never a path.

use std::io;

use support::{hex, is_hex};

/// Length of an object's name in bytes, before hexadecimal encoding: names never collide, and none can be
/// guessed.
pub(crate) const NAME_BYTES: usize = 32;

/// Hexadecimal digits of a name that form its directory's name: 256 directories keep each one small.
const SHARD_LENGTH: usize = 2;

/// The name of a stored file, the same in every store that has it: 32 random bytes as 64 lowercase hexadecimal
/// digits. It tells nothing about the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

impl ObjectName {
    /// A new name.
    ///
    /// # Errors
    /// The operating system's, if it has no random bytes.
    pub fn random() -> io::Result<Self> {
        Ok(Self::new(&support::random_bytes()?))
    }

    /// The name made of these bytes.
    pub(crate) fn new(bytes: &[u8; NAME_BYTES]) -> Self {
        Self(hex(bytes))
    }

    /// The name that this text is; `None` if it is no name of a stored file.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::parse("", text.to_owned())
    }

    /// The name, if a file called `name` in the directory `shard` can be an object.
    pub(crate) fn parse(shard: &str, name: String) -> Option<Self> {
        let is_ours = name.len() == NAME_BYTES * 2 && is_hex(&name) && name.starts_with(shard);
        is_ours.then_some(Self(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes that the name is made of.
    pub(crate) fn to_bytes(&self) -> [u8; NAME_BYTES] {
        // Lowercase hexadecimal digits, by construction.
        let value = |digit: u8| if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 };
        let (pairs, _) = self.0.as_bytes().as_chunks::<2>();
        let mut bytes = [0; NAME_BYTES];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = value(*high) << 4 | value(*low);
        }
        bytes
    }

    /// The name of the directory that the object is in.
    pub(crate) fn shard(&self) -> &str {
        &self.0[..SHARD_LENGTH]
    }

    /// The directory's number.
    pub(crate) fn shard_number(&self) -> usize {
        // Two hexadecimal digits, by construction.
        usize::from_str_radix(self.shard(), 16).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_back_its_bytes_and_no_two_are_alike() {
        let mut bytes = [0; NAME_BYTES];
        for (byte, value) in bytes.iter_mut().zip((5_u8..=253).step_by(8)) {
            *byte = value;
        }
        assert_eq!(ObjectName::new(&bytes).to_bytes(), bytes);
        let (one, other) = (ObjectName::random().unwrap(), ObjectName::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(ObjectName::new(&one.to_bytes()), one);
    }

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
