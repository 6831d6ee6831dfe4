//! Fuzzes the note that the runner in a sandbox writes about exceptions: untrusted, like all data from a
//! sandbox.

#![no_main]

use executor::note::Note;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for record in Note::parse(data).records() {
        for text in [&record.type_name, &record.module, &record.file, &record.text, &record.summary()] {
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }
});
