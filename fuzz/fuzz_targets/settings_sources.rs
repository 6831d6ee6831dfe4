//! Fuzzes the sources of settings: a TOML file, a `.env` file and the lines of `--set` on the command line,
//! separated by NUL.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    settings::fuzzing::sources(text);
});
