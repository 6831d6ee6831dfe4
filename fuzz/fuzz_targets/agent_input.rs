//! Fuzzes the input of an execution as the agent receives it: frames of the host, each as its length in one
//! byte and its content.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut rest = data;
    let mut stream = Vec::new();
    while let Some((length, after)) = rest.split_first() {
        let (body, after) = after.split_at(usize::from(*length).min(after.len()));
        stream.extend_from_slice(&u32::from(*length).to_le_bytes());
        stream.extend_from_slice(body);
        rest = after;
    }
    agent::fuzzing::input(directory.path(), &stream);
});
