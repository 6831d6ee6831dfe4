//! Times as numbers.

use std::time::Duration;

/// Milliseconds with one decimal, for logs.
#[must_use]
pub fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_one_decimal() {
        for (us, shown) in [(0, "0"), (49, "0"), (50, "0.1"), (1_249, "1.2"), (12_345_678, "12345.7")] {
            assert_eq!(milliseconds(Duration::from_micros(us)).to_string(), shown);
        }
    }
}
