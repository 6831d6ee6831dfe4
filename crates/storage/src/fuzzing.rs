//! The parser of link tokens, for the fuzz targets in `fuzz/`. Exists only with `--cfg fuzzing`.

/// A token from a client, as text and, to get past the signature, its bytes with a valid signature.
///
/// # Panics
/// If an unsigned token is accepted, or a signed one is decoded to other claims.
pub fn link_token(bytes: &[u8]) {
    crate::local::fuzz_link_token(bytes);
}
