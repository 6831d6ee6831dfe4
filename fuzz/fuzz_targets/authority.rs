//! Fuzzes a host with or without a port, as in `Host`, origins and settings.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    api::fuzzing::authority(text);
});
