//! Fuzzes the packet in which an agent asks a template for a fork: 64-bit words.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let words: Vec<u64> =
        data.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes"))).collect();
    confine::fuzzing::template_packet(&words);
});
