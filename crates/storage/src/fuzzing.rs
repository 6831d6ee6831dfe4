//! The parsers of link tokens and of the spool's records, for the fuzz targets in `fuzz/`. Exists only with `--cfg fuzzing`.

/// A token from a client, as text and, to get past the signature, its bytes with a valid signature.
///
/// # Panics
/// If an unsigned token is accepted, or a signed one is decoded to other claims.
pub fn link_token(bytes: &[u8]) {
    crate::local::fuzz_link_token(bytes);
}

/// The name of a file that waits for an object store, 32 bytes, and the content of its record.
///
/// # Panics
/// If the record of another file is accepted, one has two forms, or it makes a header that cannot be sent.
pub fn waiting_record(bytes: &[u8]) {
    crate::local::fuzz_waiting_record(bytes);
}
