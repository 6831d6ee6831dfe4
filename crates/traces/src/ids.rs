//! Ids of traces and spans.

/// A new id of a span: not all zero, which is no id (W3C Trace Context, 3.2.2.4).
pub(crate) fn span_id() -> [u8; 8] {
    non_zero()
}

/// A new id of a trace.
pub(crate) fn trace_id() -> [u8; 16] {
    non_zero()
}

fn non_zero<const N: usize>() -> [u8; N] {
    let mut id = [0; N];
    while id == [0; N] {
        // The operating system always has some; without them every id would be the same, and still one.
        id = support::random_bytes().unwrap_or([1; N]);
    }
    id
}
