//! Fuzzes the tables of mounts: mountinfo, utab and fstab, separated by NUL.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    ownership::fuzzing::mount_tables(text);
});
