//! Names of stored objects: random, and never a path.

/// Length of an object's name in bytes, before it is written in hexadecimal.
pub(super) const NAME_BYTES: usize = 32;

/// Hexadecimal digits of a name that name its directory: 256 directories keep each one small.
const SHARD_LENGTH: usize = 2;

/// The name of an object: random bytes in lowercase hexadecimal, so never a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ObjectName(String);

impl ObjectName {
    /// The name of these bytes.
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

/// `bytes` in lowercase hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xF])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
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

    #[test]
    fn hex_is_lowercase_and_whole() {
        assert_eq!(hex(&[0x00, 0x0F, 0xF0, 0xFF, 0x5A]), "000ff0ff5a");
    }
}
