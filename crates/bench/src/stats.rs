//! The statistics of one case.

use serde::Serialize;
use std::time::Duration;

/// Samples below which the 95th percentile is just the largest sample.
const P95_SAMPLES_MIN: usize = 20;
/// The same for the 99th.
const P99_SAMPLES_MIN: usize = 100;

/// How the samples of one case are distributed. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Distribution {
    /// Number of samples.
    pub(super) samples: usize,
    /// The smallest.
    pub(super) min_ms: f64,
    /// The median.
    pub(super) p50_ms: f64,
    /// The 95th percentile; `None` with fewer than 20 samples.
    pub(super) p95_ms: Option<f64>,
    /// The 99th percentile; `None` with fewer than 100 samples.
    pub(super) p99_ms: Option<f64>,
    /// The largest.
    pub(super) max_ms: f64,
    /// The arithmetic mean.
    pub(super) mean_ms: f64,
}

impl Distribution {
    /// Describes the samples, in any order; `None` if there are none.
    pub(super) fn of(mut samples: Vec<Duration>) -> Option<Self> {
        samples.sort_unstable();
        let (min, max) = (*samples.first()?, *samples.last()?);
        let count = samples.len();
        let total_ms: f64 = samples.iter().copied().map(ms).sum();
        let from = |samples_min: usize, percent| {
            (count >= samples_min).then(|| percentile(&samples, percent)).flatten().map(ms)
        };
        Some(Self {
            samples: count,
            min_ms: ms(min),
            p50_ms: ms(percentile(&samples, 50)?),
            p95_ms: from(P95_SAMPLES_MIN, 95),
            p99_ms: from(P99_SAMPLES_MIN, 99),
            max_ms: ms(max),
            mean_ms: total_ms / count as f64,
        })
    }
}

/// The nearest-rank percentile of sorted samples: the smallest sample that at least `percent` percent of the
/// samples do not exceed. Always a measured value, never interpolated.
pub(super) fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Milliseconds.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values_ms: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        values_ms.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let hundred = samples(1..=100);
        for percent in [1, 50, 95, 99, 100] {
            assert_eq!(percentile(&hundred, percent), Some(Duration::from_millis(percent as u64)));
        }
        let five = samples([15, 20, 35, 40, 50]);
        for (percent, wanted_ms) in [(0, 15), (5, 15), (30, 20), (40, 20), (50, 35), (100, 50)] {
            assert_eq!(percentile(&five, percent), Some(Duration::from_millis(wanted_ms)), "{percent}");
        }
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn samples_come_in_any_order() {
        let Some(found) = Distribution::of(samples((1..=200).rev())) else { panic!("there are samples") };
        assert_eq!((found.samples, found.min_ms, found.max_ms), (200, 1.0, 200.0));
        assert_eq!((found.p50_ms, found.p95_ms, found.p99_ms), (100.0, Some(190.0), Some(198.0)));
        assert!((found.mean_ms - 100.5).abs() < 1e-9);
    }

    #[test]
    fn few_samples_have_no_far_percentiles() {
        assert_eq!(Distribution::of(Vec::new()), None);
        let of = |count| Distribution::of(samples(1..=count)).map(|found| (found.p95_ms, found.p99_ms));
        assert_eq!(of(1), Some((None, None)));
        assert_eq!(of(19), Some((None, None)));
        assert_eq!(of(20), Some((Some(19.0), None)));
        assert_eq!(of(100), Some((Some(95.0), Some(99.0))));
    }
}
