//! The trace that a request belongs to, as its caller passes it on: W3C Trace Context, level 1
//! (<https://www.w3.org/TR/trace-context-1/>). Pure.

use std::fmt;
use std::sync::Arc;

/// Bytes of `tracestate` that are kept: what the recommendation (3.3.1.5) asks everyone to pass on.
const STATE_BYTES_MAX: usize = 512;
/// Members of `tracestate` (3.3.1.1).
const STATE_MEMBERS_MAX: usize = 32;
/// Bytes of `traceparent` in version 00.
const PARENT_BYTES: usize = 55;
/// The only flag of level 1 (3.2.2.5.1).
const SAMPLED: u8 = 1;

/// The position of a request in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// Identifies the trace; not all zero.
    pub trace_id: [u8; 16],
    /// Identifies the caller's part of it; not all zero.
    pub span_id: [u8; 8],
    /// The caller may have recorded its part.
    pub sampled: bool,
    /// The `tracestate`, unchanged; `None` if there was none or it exceeds a bound.
    pub state: Option<Arc<str>>,
}

impl TraceContext {
    /// Parses the headers `traceparent` and `tracestate`, each as often as it was sent. `None` without exactly one
    /// `traceparent`, or if that is invalid: the request then belongs to no trace. An invalid `tracestate` only
    /// costs itself (3.3).
    pub fn parse<'a>(
        parents: impl IntoIterator<Item = &'a [u8]>,
        states: impl IntoIterator<Item = &'a [u8]>,
    ) -> Option<Self> {
        let mut parents = parents.into_iter();
        let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
        let parent = parent.trim_ascii();
        let (head, rest) = parent.split_at_checked(PARENT_BYTES)?;
        let &[version_high, version_low, b'-', ref fields @ ..] = head else { return None };
        let version = hex::<1>(&[version_high, version_low])?[0];
        // Version 00 has exactly four fields, a later one at least these (3.2.2.2). `ff` is forbidden.
        let ends_well = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        let (trace_id, fields) = fields.split_at_checked(32)?;
        let (span_id, flags) = fields.strip_prefix(b"-")?.split_at_checked(16)?;
        let [flags] = hex::<1>(flags.strip_prefix(b"-")?)?;
        let (trace_id, span_id) = (hex::<16>(trace_id)?, hex::<8>(span_id)?);
        if !ends_well || trace_id == [0; 16] || span_id == [0; 8] {
            return None;
        }
        Some(Self { trace_id, span_id, sampled: flags & SAMPLED != 0, state: state(states) })
    }

    /// The trace's id as hexadecimal digits, for the log.
    #[must_use]
    pub fn trace_id_text(&self) -> String {
        support::hex(&self.trace_id)
    }
}

/// The value of the header `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace_id, span_id) = (support::hex(&self.trace_id), support::hex(&self.span_id));
        write!(f, "00-{trace_id}-{span_id}-{:02x}", u8::from(self.sampled))
    }
}

/// Bytes from lower-case hexadecimal digits, exactly as many as needed. Upper case is invalid (3.2.2).
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// All `tracestate` headers as one list, if it is within the bounds and printable.
fn state<'a>(states: impl IntoIterator<Item = &'a [u8]>) -> Option<Arc<str>> {
    let mut joined = String::new();
    for state in states {
        let state = std::str::from_utf8(state.trim_ascii()).ok().filter(|state| is_printable(state))?;
        if !joined.is_empty() && !state.is_empty() {
            joined.push(',');
        }
        if joined.len() + state.len() > STATE_BYTES_MAX {
            return None;
        }
        joined.push_str(state);
    }
    let is_bounded = joined.split(',').count() <= STATE_MEMBERS_MAX;
    (is_bounded && !joined.is_empty()).then(|| joined.into())
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE: &str = "12345678901234567890123456789012";
    const SPAN: &str = "1234567890123456";

    fn parse(parents: &[&str], states: &[&str]) -> Option<TraceContext> {
        let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
        let (parents, states) = (bytes(parents), bytes(states));
        TraceContext::parse(parents.iter().map(Vec::as_slice), states.iter().map(Vec::as_slice))
    }

    /// The cases of the recommendation's own test suite that concern the header's text.
    #[test]
    fn a_traceparent_is_read_as_the_recommendation_says() {
        let good = format!("00-{TRACE}-{SPAN}-01");
        let context = parse(&[&good], &[]).unwrap();
        assert_eq!((context.trace_id_text().as_str(), context.sampled, &context.state), (TRACE, true, &None));
        assert_eq!(context.to_string(), good);
        for valid in [
            format!("00-{TRACE}-{SPAN}-00"),
            format!("00-{TRACE}-{SPAN}-ff"),
            format!(" 00-{TRACE}-{SPAN}-01\t"),
            format!("cc-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
        ] {
            let context = parse(&[&valid], &[]).unwrap_or_else(|| panic!("{valid}"));
            assert_eq!(context.sampled, !valid.ends_with("-00"), "{valid}");
        }
        for invalid in [
            String::new(),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-what"),
            format!("00-{TRACE}-{SPAN}-01."),
            format!("cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!(".0-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("000-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-.{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}3-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}-.{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}7-01"),
            format!("00-{TRACE}-{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}-.0"),
            format!("00-{TRACE}-{SPAN}-001"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{}-{SPAN}-01", "ABCDEF78901234567890123456789012"),
            format!("00-{TRACE}-{}-01", "ABCDEF7890123456"),
            format!("00_{TRACE}_{SPAN}_01"),
        ] {
            assert_eq!(parse(&[&invalid], &[]), None, "{invalid}");
        }
        assert_eq!(parse(&[], &[]), None);
        assert_eq!(parse(&[&good, &good], &[]), None, "two headers");
    }

    #[test]
    fn a_tracestate_is_passed_on_unchanged_or_not_at_all() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let state = |states: &[&str]| parse(&[&parent], states).expect("the parent is valid").state;
        let member = |length: usize| format!("k={}", "v".repeat(length - 2));
        assert_eq!(state(&["foo=1,bar=2"]).as_deref(), Some("foo=1,bar=2"));
        assert_eq!(state(&["foo=1", "", " bar=2 "]).as_deref(), Some("foo=1,bar=2"));
        assert_eq!(state(&["foo=1 \t , \t bar=2"]).as_deref(), Some("foo=1 \t , \t bar=2"));
        assert_eq!(state(&[""]), None);
        assert!(state(&[&member(512)]).is_some());
        assert_eq!(state(&[&member(513)]), None);
        assert_eq!(state(&[&member(256), &member(256)]), None, "with the comma");
        assert!(state(&[&vec!["a=1"; 32].join(",")]).is_some());
        assert_eq!(state(&[&vec!["a=1"; 33].join(",")]), None);
        for forged in ["a=\u{1b}[2J", "a=\nb", "a=é"] {
            assert_eq!(state(&[forged]), None, "{forged:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) {
            prop_assume!(trace_id != [0; 16] && span_id != [0; 8]);
            let context = TraceContext { trace_id, span_id, sampled, state: None };
            prop_assert_eq!(parse(&[&context.to_string()], &[]), Some(context));
        }

        #[test]
        fn no_bytes_are_too_much_for_it(parent: Vec<u8>, states: Vec<Vec<u8>>) {
            let _ = TraceContext::parse([parent.as_slice()], states.iter().map(Vec::as_slice));
        }

        /// Bytes close to a valid header, which random ones never are.
        #[test]
        fn no_change_of_a_byte_is_too_much_for_it(at in 0..PARENT_BYTES, byte: u8) {
            let mut parent = format!("00-{TRACE}-{SPAN}-01").into_bytes();
            parent[at] = byte;
            if let Some(context) = TraceContext::parse([parent.as_slice()], []) {
                prop_assert_eq!(context.to_string().len(), PARENT_BYTES);
            }
        }
    }
}
