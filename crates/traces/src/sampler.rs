//! Which traces are recorded, by the rules of OpenTelemetry's SDK.

use service::TraceContext;

/// How many values 63 bits have.
const TRACES: f64 = 9_223_372_036_854_775_808.0;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// The decision of a caller that names a trace is kept.
    pub is_parent_based: bool,
    /// The fraction of the other traces that is recorded, 0 to 1.
    pub ratio: f64,
}

impl Sampler {
    /// Whether a request in this trace is recorded.
    pub(crate) fn records(&self, parent: Option<&TraceContext>, trace_id: &[u8; 16]) -> bool {
        match parent {
            Some(parent) if self.is_parent_based => parent.sampled,
            _ => self.records_trace(trace_id),
        }
    }

    /// The same decision for a trace in every service with the same ratio: by the 63 bits of its id that other SDKs
    /// take, too (`TraceIdRatioBased`).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the bound is within 63 bits, and its last bits do not matter"
    )]
    fn records_trace(&self, trace_id: &[u8; 16]) -> bool {
        if self.ratio >= 1.0 {
            return true;
        }
        let [_, _, _, _, _, _, _, _, low @ ..] = *trace_id;
        let bound = (self.ratio.max(0.0) * TRACES) as u64;
        u64::from_be_bytes(low) >> 1 < bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(sampled: bool) -> TraceContext {
        TraceContext { trace_id: [1; 16], span_id: [1; 8], sampled, state: None }
    }

    #[test]
    fn a_parent_decides_if_it_may_and_the_ratio_otherwise() {
        for (is_parent_based, ratio, parent_sampled, expected) in [
            (true, 0.0, Some(true), true),
            (true, 1.0, Some(false), false),
            (true, 1.0, None, true),
            (true, 0.0, None, false),
            (false, 1.0, Some(false), true),
            (false, 0.0, Some(true), false),
        ] {
            let sampler = Sampler { is_parent_based, ratio };
            let parent = parent_sampled.map(parent);
            assert_eq!(
                sampler.records(parent.as_ref(), &[1; 16]),
                expected,
                "{sampler:?} {parent_sampled:?}"
            );
        }
    }

    #[test]
    fn a_ratio_is_a_part_of_all_traces_and_the_same_part_everywhere() {
        let quarter = Sampler { is_parent_based: true, ratio: 0.25 };
        let half = Sampler { is_parent_based: true, ratio: 0.5 };
        let ids: Vec<_> = (0..4000).map(|_| crate::ids::trace_id()).collect();
        let recorded = |sampler: &Sampler| ids.iter().filter(|id| sampler.records(None, id)).count();
        assert!((800..1200).contains(&recorded(&quarter)), "{}", recorded(&quarter));
        // What a quarter records, a half records too.
        assert!(ids.iter().all(|id| half.records(None, id) || !quarter.records(None, id)));
        let at = |first: u8| [0, 0, 0, 0, 0, 0, 0, 0, first, 0, 0, 0, 0, 0, 0, 0];
        assert!(quarter.records(None, &at(0x3f)) && !quarter.records(None, &at(0x40)));
    }
}
