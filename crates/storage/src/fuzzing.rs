//! The parser of link tokens, for the fuzz targets in `fuzz/`. Exists only with `--cfg fuzzing`.

/// A token from a client, as text and, to get behind the signature, the bytes of one that carries a good signature.
///
/// # Panics
/// When a token is taken that was not signed, or one that was is read as something else than what it says.
pub fn link_token(bytes: &[u8]) {
    crate::local::fuzz_link_token(bytes);
}
