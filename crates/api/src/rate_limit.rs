//! The fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): what a caller may send, and what
//! is left of it.
//!
//! The rate has no window that begins and ends: after `w` seconds of rest all `q` requests may be sent at once, and
//! after `t` seconds of rest they may again. Quotas have no field: their units are none that the draft has.

use http::{HeaderMap, HeaderName, HeaderValue};
use service::Standing;

/// The field with the policy.
pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The field with what is left.
pub(crate) const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// Adds the fields, if the caller has a rate.
pub(crate) fn set(headers: &mut HeaderMap, standing: Option<Standing>) {
    let Some(Standing { quota, window_s, remaining, reset_s }) = standing else { return };
    for (name, text) in [
        (POLICY, format!("\"default\";q={quota};w={window_s}")),
        (LEFT, format!("\"default\";r={remaining};t={reset_s}")),
    ] {
        // Digits and fixed words: a header can hold them.
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_draft() {
        let mut headers = HeaderMap::new();
        set(&mut headers, None);
        assert!(headers.is_empty());
        set(&mut headers, Some(Standing { quota: 100, window_s: 60, remaining: 50, reset_s: 30 }));
        assert_eq!(headers[POLICY], "\"default\";q=100;w=60");
        assert_eq!(headers[LEFT], "\"default\";r=50;t=30");
    }
}
