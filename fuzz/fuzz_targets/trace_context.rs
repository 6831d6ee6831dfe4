//! Fuzzes the headers `traceparent` and `tracestate`, separated by a newline.

#![no_main]

use service::TraceContext;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (parent, state) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let Some(context) = TraceContext::parse([parent], state.get(1..)) else { return };
    // What is passed on means the same, and is within the bounds.
    let printed = context.to_string();
    let again = TraceContext::parse([printed.as_bytes()], context.state.as_deref().map(str::as_bytes));
    assert_eq!(again.as_ref(), Some(&context));
    let state = context.state.unwrap_or_default();
    assert!(state.len() <= 512 && !state.contains(|c: char| c.is_control() && c != '\t'), "{state:?}");
});
