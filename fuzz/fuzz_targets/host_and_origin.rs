//! Fuzzes the headers `Host` and `Origin`, separated by a newline.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (host, origin) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    api::fuzzing::host_and_origin(host, origin.get(1..).unwrap_or_default());
});
