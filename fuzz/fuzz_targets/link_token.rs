//! Fuzzes the token of a link.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    storage::fuzzing::link_token(data);
});
