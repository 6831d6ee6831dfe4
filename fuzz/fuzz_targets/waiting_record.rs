//! Fuzzes the record of a file that waits for an object store. The first 32 bytes are the file's name.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    storage::fuzzing::waiting_record(data);
});
