//! Fuzzes an interpreter of the host that may be an ELF file.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    runtime::fuzzing::elf(data);
});
