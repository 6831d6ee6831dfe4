//! Fuzzes the content of an input file.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    api::fuzzing::base64_text(text);
});
