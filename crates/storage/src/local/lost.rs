//! Counts the files that waited for an object store and were removed because their link had expired.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::object_name::ObjectName;

/// How many files the log names in [`WARN_EVERY`]; the others are only counted.
const WARNED_MAX: u64 = 100;

/// Time after which the log names files again.
const WARN_EVERY: Duration = Duration::from_secs(3600);

/// The files since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Lost {
    count: AtomicU64,
    /// When the first of the files was named that count for [`WARNED_MAX`], and how many there were.
    warned: Mutex<Option<(Instant, u64)>>,
}

impl Lost {
    /// A file was removed together with its record.
    pub(super) fn note(&self, name: &ObjectName) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let warned = self.warn_again(Instant::now());
        if warned <= WARNED_MAX {
            tracing::warn!(
                object = name.as_str(),
                "a file was removed because its link expired before the object store took it"
            );
        }
        if warned == WARNED_MAX {
            tracing::warn!("for an hour, more such files are only counted");
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The number of files since the log last began to name them, with this one.
    fn warn_again(&self, now: Instant) -> u64 {
        let mut warned = support::lock(&self.warned);
        let (since, before) = warned
            .filter(|(since, _)| now.saturating_duration_since(*since) < WARN_EVERY)
            .unwrap_or((now, 0));
        *warned = Some((since, before.saturating_add(1)));
        before.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_a_bounded_number_of_files_and_all_are_counted() {
        let lost = Lost::default();
        let now = Instant::now();
        for number in 1..=WARNED_MAX + 2 {
            assert_eq!(lost.warn_again(now), number);
        }
        assert_eq!(lost.warn_again(now + WARN_EVERY), 1);
        for _ in 0..WARNED_MAX + 2 {
            lost.note(&ObjectName::new(&[0; 32]));
        }
        assert_eq!(lost.count(), WARNED_MAX + 2);
    }
}
