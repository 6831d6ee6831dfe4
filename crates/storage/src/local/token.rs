//! Link tokens: opaque to clients, self-contained, signed.
//!
//! ```text
//! base64url, no padding, of
//!   version  1 byte     2
//!   object   32 bytes   name of the stored file
//!   digest   32 bytes   SHA-256 of the content
//! expiry   8 bytes    unix seconds, big endian, signed
//!   name     1 + n      length, then UTF-8: the last component of the path
//!   type     1 + n      length, then ASCII: the media type
//!   mac      32 bytes   HMAC-SHA256 over all bytes before it
//! ```
//!
//! Nothing is read from a token before its signature is verified. Each token has exactly one text: the
//! decoder refuses padding, other alphabets and set bits that it would not use.
//!
//! The same bytes without the mac are the record of a file that waits for an object store.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use crate::names::{file_name_of, header_safe_media_type};
use crate::object_name::NAME_BYTES;

/// Length of a link key in bytes: the output length of SHA-256 (RFC 2104 section 3).
pub(super) const KEY_BYTES: usize = 32;

/// Length of a SHA-256 digest in bytes.
pub(super) const DIGEST_BYTES: usize = 32;

/// Maximum length of a token in characters; longer ones are refused unread. The longest that is made has 823.
const TOKEN_LENGTH_MAX: usize = 1024;

const VERSION: u8 = 2;
const MAC_BYTES: usize = 32;

/// Maximum length of [`Claims::to_bytes`]: two texts of 255 bytes.
pub(super) const CLAIMS_BYTES_MAX: usize = 1 + NAME_BYTES + DIGEST_BYTES + 8 + 2 * (1 + 255);

/// What a link grants access to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    /// Name of the stored file.
    pub(super) object: [u8; NAME_BYTES],
    /// SHA-256 of the content.
    pub(super) digest: [u8; DIGEST_BYTES],
    /// When the link expires, in whole seconds.
    pub(super) expires_at: Timestamp,
    /// The name of the download, hostile, at most 255 bytes.
    pub(super) file_name: String,
    /// The media type, valid in a header, at most 255 bytes.
    pub(super) media_type: String,
}

impl Claims {
    /// Claims for a file that a program named `path`. The expiry loses its fraction of a second.
    pub(super) fn new(
        object: [u8; NAME_BYTES],
        digest: [u8; DIGEST_BYTES],
        expires_at: Timestamp,
        path: &str,
        media_type: &str,
    ) -> Self {
        Self {
            object,
            digest,
            // A time that is in range stays in range without its fraction.
            expires_at: Timestamp::from_second(expires_at.as_second()).unwrap_or(expires_at),
            file_name: file_name_of(path).to_owned(),
            media_type: header_safe_media_type(media_type).to_owned(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.object);
        bytes.extend_from_slice(&self.digest);
        bytes.extend_from_slice(&self.expires_at.as_second().to_be_bytes());
        for text in [&self.file_name, &self.media_type] {
            // `new` bounds both texts to 255 bytes.
            bytes.push(u8::try_from(text.len()).expect("a bounded text"));
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&version, bytes) = bytes.split_first()?;
        let (&object, bytes) = bytes.split_first_chunk()?;
        let (&digest, bytes) = bytes.split_first_chunk()?;
        let (&expiry, bytes) = bytes.split_first_chunk()?;
        let (file_name, bytes) = split_text(bytes)?;
        let (media_type, bytes) = split_text(bytes)?;
        if version != VERSION || !bytes.is_empty() {
            return None;
        }
        let expires_at = Timestamp::from_second(i64::from_be_bytes(expiry)).ok()?;
        Some(Self { object, digest, expires_at, file_name, media_type })
    }
}

/// Splits off a text that is preceded by its length.
fn split_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (&length, bytes) = bytes.split_first()?;
    let (text, rest) = bytes.split_at_checked(length.into())?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

/// The key that signs links. It has no `Display`, and its `Debug` reveals nothing.
pub(super) struct LinkKey {
    bytes: [u8; KEY_BYTES],
}

impl LinkKey {
    pub(super) fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self { bytes }
    }

    /// The key itself, to be stored in a file.
    pub(super) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// The token for `claims`.
    pub(super) fn sign(&self, claims: &Claims) -> String {
        let mut bytes = claims.to_bytes();
        let mac = self.mac_over(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The claims of `token`, or `None` if it was not made by [`LinkKey::sign`] with this key. The caller
    /// checks whether they have expired.
    pub(super) fn verify(&self, token: &str) -> Option<Claims> {
        if token.len() > TOKEN_LENGTH_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (claims, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        // Compares in constant time.
        self.mac_over(claims).verify_slice(mac).ok()?;
        Claims::from_bytes(claims)
    }

    fn mac_over(&self, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.bytes).expect("HMAC takes keys of any length");
        mac.update(bytes);
        mac
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(..)")
    }
}

/// See [`crate::fuzzing::link_token`].
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    let key = LinkKey::new([0xA5; KEY_BYTES]);
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert_eq!(key.verify(text), None, "a forged signature");
    }
    let Some(claims) = Claims::from_bytes(bytes) else { return };
    assert_eq!(claims.to_bytes(), bytes, "two texts for one token");
    assert_eq!(key.verify(&key.sign(&claims)), Some(claims));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    fn key() -> LinkKey {
        LinkKey::new([0xA5; KEY_BYTES])
    }

    fn claims(path: &str) -> Claims {
        Claims::new(
            [8; NAME_BYTES],
            [7; DIGEST_BYTES],
            Timestamp::from_second(1_800_000_000).unwrap(),
            path,
            "text/csv",
        )
    }

    #[test]
    fn a_token_gives_back_its_claims() {
        let token = key().sign(&claims("sub/отчёт.csv"));
        let read = key().verify(&token).unwrap();
        assert_eq!(read, claims("отчёт.csv"));
        assert_eq!(read.file_name, "отчёт.csv");
        assert!(token.bytes().all(|b| ALPHABET.contains(&b)), "{token}");
    }

    #[test]
    fn the_longest_token_is_within_the_bound() {
        let path = "\u{7}".repeat(400);
        let media_type = format!("{}/{}", "x".repeat(127), "y".repeat(127));
        let longest =
            Claims::new([0xFF; NAME_BYTES], [0xFF; DIGEST_BYTES], Timestamp::MAX, &path, &media_type);
        assert_eq!(longest.media_type, media_type);
        let token = key().sign(&longest);
        assert_eq!((token.len(), longest.to_bytes().len()), (823, CLAIMS_BYTES_MAX));
        assert_eq!(key().verify(&token), Some(longest));
    }

    #[test]
    fn another_key_another_text_or_none_is_refused() {
        let token = key().sign(&claims("a.csv"));
        assert_eq!(LinkKey::new([0xA6; KEY_BYTES]).verify(&token), None);
        for bad in
            ["", "A", "AAAA", "../../etc/passwd", "%2e%2e", "é", &"A".repeat(1025), &"A".repeat(100_000)]
        {
            assert_eq!(key().verify(bad), None);
        }
        for altered in [format!("{token}="), format!("{token}A"), format!(" {token}"), format!("{token}\n")] {
            assert_eq!(key().verify(&altered), None, "{altered:?}");
        }
        assert_eq!(
            key().verify(&token.replace('-', "+").replace('_', "/")).is_some(),
            !token.contains(['-', '_'])
        );
        for length in 0..token.len() {
            assert_eq!(key().verify(&token[..length]), None, "cut to {length}");
        }
    }

    /// The unused bits of the last character must not be malleable.
    #[test]
    fn there_is_one_text_for_each_token() {
        let mut unused_bits_seen = false;
        for length in 1..=6 {
            let token = key().sign(&claims(&"n".repeat(length)));
            unused_bits_seen |= !token.len().is_multiple_of(4);
            for position in 0..token.len() {
                for &replacement in ALPHABET {
                    let mut altered = token.clone().into_bytes();
                    if altered[position] != replacement {
                        altered[position] = replacement;
                        let altered = String::from_utf8(altered).unwrap();
                        assert_eq!(key().verify(&altered), None, "character {position} of {token}");
                    }
                }
            }
        }
        assert!(unused_bits_seen);
    }

    #[test]
    fn a_signed_token_of_another_version_or_shape_is_refused() {
        let signed = |bytes: &[u8]| {
            let mut all = bytes.to_vec();
            all.extend_from_slice(&key().mac_over(bytes).finalize().into_bytes());
            URL_SAFE_NO_PAD.encode(all)
        };
        let good = claims("a.csv").to_bytes();
        assert!(key().verify(&signed(&good)).is_some());
        let mut version = good.clone();
        version[0] = 1;
        let mut longer = good.clone();
        longer.push(0);
        let mut no_utf8 = good.clone();
        no_utf8[1 + NAME_BYTES + DIGEST_BYTES + 8 + 1] = 0xFF;
        let mut far = good.clone();
        far[1 + NAME_BYTES + DIGEST_BYTES..][..8].copy_from_slice(&i64::MAX.to_be_bytes());
        for bad in [&version, &longer, &no_utf8, &far, &good[..good.len() - 1].to_vec(), &Vec::new()] {
            assert_eq!(key().verify(&signed(bad)), None);
        }
    }

    #[test]
    fn debug_output_never_shows_the_key() {
        let shown = format!("{:?}", LinkKey::new(*b"canary-canary-canary-canary-0123"));
        assert_eq!(shown, "LinkKey(..)");
    }

    proptest! {
        #[test]
        fn any_changed_bit_is_refused(path in any::<String>(), at in any::<prop::sample::Index>(), bit in 0..8u32) {
            let token = key().sign(&claims(&path));
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            prop_assert_eq!(key().verify(&URL_SAFE_NO_PAD.encode(bytes)), None);
        }

        #[test]
        fn any_name_and_type_read_back(path in any::<String>(), media_type in any::<String>(), expiry in 0..4_000_000_000_i64) {
            let expires_at = Timestamp::from_second(expiry).unwrap();
            let claims = Claims::new([3; NAME_BYTES], [9; DIGEST_BYTES], expires_at, &path, &media_type);
            prop_assert_eq!(key().verify(&key().sign(&claims)), Some(claims));
        }

        #[test]
        fn any_text_is_refused_without_panic(text in any::<String>()) {
            prop_assert_eq!(key().verify(&text), None);
        }
    }
}
