//! Fuzzes the sanitizing of programs' file names for headers.

#![no_main]

use storage::{FILE_NAME_BYTES_MAX, content_disposition, download_name, media_type_for};
use support::one_line;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let name = download_name(text);
    assert!(!name.is_empty() && name.len() <= FILE_NAME_BYTES_MAX && !name.contains('/'), "{name:?}");
    for header in [content_disposition(text), media_type_for(text)] {
        assert!(header.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{header:?}");
    }
    assert!(!one_line(text).contains(char::is_control));
});
