//! Fuzzes the answers of an object store: errors and lists. The first two bytes choose the status.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    storage_s3::fuzzing::answer(data);
});
