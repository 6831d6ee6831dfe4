//! Fuzzes the list of libraries that the dynamic loader prints.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    runtime::fuzzing::loader_list(text);
});
