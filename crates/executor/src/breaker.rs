//! The circuit breaker of one executor of a chain: an executor that fails is marked down at once, and used
//! again when it has recovered.
//!
//! ```text
//! closed ── the executor is down, or a sandbox could not be made ──> open ── health() is healthy ──> closed
//! ```
//! A failure of one request or one sandbox does not open it ([`crate::RunErrorKind`]). While it is open,
//! programs go to the next executor without waiting for this one; calls in progress are notified.

use crate::Executor;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Interval between checks of a working executor, and the timeout of one check. Their sum is less than the
/// second within which a failing executor must be marked down.
const LIVENESS_INTERVAL: Duration = Duration::from_millis(200);
const LIVENESS_TIME_MAX: Duration = Duration::from_millis(700);
/// Interval between checks of an executor that is down: initial, and after many failures.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
const RETRY_INTERVAL_MAX: Duration = Duration::from_secs(5);
/// Timeout of a health check of an executor that is down: it may have to make a sandbox to find out.
const HEALTH_TIME_MAX: Duration = Duration::from_secs(20);

/// See the module.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// When it opened.
    open: watch::Sender<Option<Instant>>,
    /// How often it opened.
    openings: AtomicU64,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self { open: watch::Sender::new(None), openings: AtomicU64::new(0) }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.borrow().is_some()
    }

    /// How long it has been open; zero when closed.
    pub(crate) fn open_for(&self) -> Duration {
        self.open.borrow().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// How often it has opened.
    pub(crate) fn openings(&self) -> u64 {
        self.openings.load(Ordering::Relaxed)
    }

    pub(crate) fn open(&self) {
        self.open.send_if_modified(|open| {
            let opens = open.is_none();
            open.get_or_insert_with(Instant::now);
            self.openings.fetch_add(u64::from(opens), Ordering::Relaxed);
            opens
        });
    }

    pub(crate) fn close(&self) {
        self.open.send_replace(None);
    }

    /// Returns when it opens.
    pub(crate) async fn opened(&self) {
        // The sender is a field of this struct, so it cannot be gone.
        let _ = self.open.subscribe().wait_for(Option::is_some).await;
    }

    /// Monitors one executor, for ever.
    pub(crate) async fn watch(&self, executor: &dyn Executor) {
        let mut pause = RETRY_INTERVAL;
        loop {
            if self.is_open() {
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(RETRY_INTERVAL_MAX);
                let health = tokio::time::timeout(HEALTH_TIME_MAX, executor.health()).await;
                if health.is_ok_and(|health| health.healthy) {
                    tracing::info!(executor = executor.name(), "executor has recovered");
                    self.close();
                }
            } else {
                pause = RETRY_INTERVAL;
                tokio::time::sleep(LIVENESS_INTERVAL).await;
                let alive = tokio::time::timeout(LIVENESS_TIME_MAX, executor.is_alive()).await;
                if !alive.unwrap_or(false) && !self.is_open() {
                    tracing::warn!(executor = executor.name(), "executor is down; failing over");
                    self.open();
                }
            }
        }
    }
}
