//! Fuzzes the body of `POST /execute`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    api::fuzzing::execute_body(data);
});
