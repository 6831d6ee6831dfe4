//! The text of a key, and what is kept of it.
//!
//! ```text
//! psk_ 0123456789 0123456789abcdefghijklmnopqrstuv AbCdEf
//!      id         secret: 190 random bits          CRC-32 of all before it, in base 62
//! ```
//! The prefix and the checksum let secret scanners find keys without asking us, and refuse a mistyped one
//! without a look-up. The id is public: it is in the log and in lists. A key has more random bits than can be
//! tried, so its digest is a plain SHA-256: a slow one would protect nothing and let anybody use our CPU.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io;
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// What every key begins with.
const PREFIX: &str = "psk_";
const ID_CHARS: usize = 10;
const SECRET_CHARS: usize = 32;
const CHECKSUM_CHARS: usize = 6;
const TEXT_CHARS: usize = PREFIX.len() + ID_CHARS + SECRET_CHARS + CHECKSUM_CHARS;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The largest multiple of 62 in a byte: bytes from here on would make some characters more likely.
const UNBIASED: u8 = 248;

/// The public part of a key, by which it is found. It outlives a rotation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_CHARS]);

impl KeyId {
    /// Its characters: letters and digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only letters and digits are ever put in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not ten letters and digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key's id is {ID_CHARS} letters and digits")]
pub struct InvalidId;

impl FromStr for KeyId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let id: [u8; ID_CHARS] = text.as_bytes().try_into().map_err(|_| InvalidId)?;
        id.iter().all(u8::is_ascii_alphanumeric).then_some(Self(id)).ok_or(InvalidId)
    }
}

/// SHA-256 of a key's text.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// A digest that was stored.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// As 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        support::hex(&self.0)
    }

    /// Whether both are equal; the time that this takes does not depend on where they differ.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// The text of a key. It is shown once, when the key is made, and never stored.
pub struct KeyText {
    id: KeyId,
    text: SecretString,
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}…", self.id)
    }
}

impl KeyText {
    /// A new key with a new id.
    ///
    /// # Errors
    /// If the operating system provides no random bytes.
    pub fn generate() -> io::Result<Self> {
        let id = random_characters()?;
        Self::generate_for(KeyId(id))
    }

    /// A new key with the id of an earlier one.
    ///
    /// # Errors
    /// If the operating system provides no random bytes.
    pub fn generate_for(id: KeyId) -> io::Result<Self> {
        let secret: [u8; SECRET_CHARS] = random_characters()?;
        let mut text = String::with_capacity(TEXT_CHARS);
        text.push_str(PREFIX);
        text.push_str(id.as_str());
        text.extend(secret.iter().map(|byte| char::from(*byte)));
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.iter().map(|byte| char::from(*byte)));
        Ok(Self { id, text: text.into() })
    }

    /// Reads a presented key; `None` if it cannot be one: another length, other characters, a wrong checksum.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (head, sum) = text.split_last_chunk::<CHECKSUM_CHARS>()?;
        let rest = head.strip_prefix(PREFIX.as_bytes())?;
        if rest.len() != ID_CHARS + SECRET_CHARS
            || !rest.iter().all(u8::is_ascii_alphanumeric)
            || checksum(head) != *sum
        {
            return None;
        }
        let id = KeyId(*rest.first_chunk()?);
        let text = std::str::from_utf8(text).ok()?;
        Some(Self { id, text: text.to_owned().into() })
    }

    /// Its public part.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What is stored of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(self.text.expose_secret().as_bytes()).into())
    }

    /// The whole text, to be shown to its owner once.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

fn random_characters<const N: usize>() -> io::Result<[u8; N]> {
    let mut characters = [0; N];
    let mut filled = 0;
    while filled < N {
        for byte in support::random_bytes::<32>()? {
            if byte < UNBIASED && filled < N {
                characters[filled] = ALPHABET[usize::from(byte % 62)];
                filled += 1;
            }
        }
    }
    Ok(characters)
}

fn checksum(text: &[u8]) -> [u8; CHECKSUM_CHARS] {
    let mut rest = crc32fast::hash(text);
    let mut digits = [b'0'; CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        // Less than 62.
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made_and_no_two_are_alike() {
        let key = KeyText::generate().unwrap();
        let text = key.expose();
        assert_eq!(text.len(), 52);
        assert!(text.starts_with("psk_") && text[4..].bytes().all(|b| b.is_ascii_alphanumeric()), "{text}");
        let read = KeyText::parse(text.as_bytes()).unwrap();
        assert_eq!(read.id(), key.id());
        assert!(read.digest().is(&key.digest()));
        let other = KeyText::generate_for(key.id()).unwrap();
        assert_eq!(other.id(), key.id());
        assert!(!other.digest().is(&key.digest()));
        assert_ne!(KeyText::generate().unwrap().id(), key.id());
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let key = KeyText::generate().unwrap();
        let text = key.expose().as_bytes();
        for index in 0..text.len() {
            for other in b"0aZ_ \xff" {
                let mut changed = text.to_vec();
                changed[index] = *other;
                assert!(changed == text || KeyText::parse(&changed).is_none(), "{index} {other}");
            }
        }
        for wrong in [&text[1..], &text[..51], b"", b"psk_"] {
            assert!(KeyText::parse(wrong).is_none());
        }
    }

    #[test]
    fn the_format_is_what_scanners_know() {
        // The checksum was computed with zlib.
        let text = format!("psk_{}2G7s63", "0".repeat(42));
        assert_eq!(KeyText::parse(text.as_bytes()).unwrap().id().as_str(), "0000000000");
    }

    #[test]
    fn no_debug_text_has_the_secret() {
        let key = KeyText::generate().unwrap();
        let shown = format!("{key:?} {:?}", key.digest());
        assert!(shown.starts_with(&format!("psk_{}…", key.id())));
        assert!(!shown.contains(&key.expose()[14..]) && !shown.contains(&key.digest().to_hex()));
    }

    #[test]
    fn digests_are_read_from_hexadecimal() {
        let digest = KeyText::generate().unwrap().digest();
        assert!(Digest::from_hex(&digest.to_hex()).unwrap().is(&digest));
        assert!(Digest::from_hex(&"+f".repeat(32)).is_none());
        assert!(Digest::from_hex("ab").is_none());
        assert!("0123456789".parse::<KeyId>().is_ok());
        assert!("012345678é".parse::<KeyId>().is_err() && "short".parse::<KeyId>().is_err());
    }
}
