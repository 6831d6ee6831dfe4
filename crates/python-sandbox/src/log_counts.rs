//! Counts the lines of the log by level, for metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// The levels, as metrics know them.
const LEVELS: [Level; telemetry::LEVELS.len()] =
    [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

/// The counts, and the layer that counts. Clones have the same counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogCounts(Arc<[AtomicU64; LEVELS.len()]>);

impl LogCounts {
    /// Lines so far, by [`telemetry::LEVELS`].
    pub(crate) fn get(&self) -> [u64; LEVELS.len()] {
        std::array::from_fn(|index| self.0[index].load(Ordering::Relaxed))
    }
}

impl<S: Subscriber> Layer<S> for LogCounts {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if let Some(index) = LEVELS.iter().position(|level| level == event.metadata().level()) {
            self.0[index].fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn each_line_counts_for_its_level() {
        let counts = LogCounts::default();
        let subscriber = tracing_subscriber::registry().with(counts.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("one");
            tracing::info!("one");
            tracing::info!("two");
        });
        assert_eq!(counts.get(), [1, 0, 2, 0, 0]);
        for (level, name) in LEVELS.iter().zip(telemetry::LEVELS) {
            assert_eq!(level.as_str().to_ascii_lowercase(), name);
        }
    }
}
