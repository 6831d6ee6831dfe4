//! Metrics of the object store, from what the store counts itself. Without one they are missing.

use crate::catalog;
use crate::registry::{Registry, advance, set};
use prometheus::{Error, IntCounterVec, IntGaugeVec};
use service::{ObjectStoreStats, StoreOperation, StoreResult};

/// See the module.
#[derive(Debug)]
pub(crate) struct ObjectStoreMetrics {
    requests: IntCounterVec,
    retries: IntCounterVec,
    uploaded_bytes: IntCounterVec,
    files: IntCounterVec,
    waiting: IntGaugeVec,
    waiting_bytes: IntGaugeVec,
    waiting_age: IntGaugeVec,
    damaged: IntGaugeVec,
    link_lifetime: IntGaugeVec,
}

impl ObjectStoreMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            requests: registry.counters(&catalog::STORAGE_REQUESTS)?,
            retries: registry.counters(&catalog::STORAGE_RETRIES)?,
            uploaded_bytes: registry.counters(&catalog::STORAGE_UPLOADED)?,
            files: registry.counters(&catalog::STORAGE_FILES)?,
            waiting: registry.gauges(&catalog::STORAGE_WAITING)?,
            waiting_bytes: registry.gauges(&catalog::STORAGE_WAITING_BYTES)?,
            waiting_age: registry.gauges(&catalog::STORAGE_WAITING_AGE)?,
            damaged: registry.gauges(&catalog::STORAGE_DAMAGED)?,
            link_lifetime: registry.gauges(&catalog::STORAGE_LINK_LIFETIME)?,
        })
    }

    /// Takes over what the store counts. The caller makes sure that no other call runs meanwhile.
    pub(crate) fn show(&self, stats: &ObjectStoreStats) {
        for (operation, results) in StoreOperation::ALL.iter().zip(&stats.requests) {
            for (result, count) in StoreResult::ALL.iter().zip(results) {
                advance(&self.requests.with_label_values(&[operation.as_str(), result.as_str()]), *count);
            }
        }
        let none: &[&str] = &[];
        advance(&self.retries.with_label_values(none), stats.retries);
        advance(&self.uploaded_bytes.with_label_values(none), stats.uploaded_bytes);
        for (event, count) in [
            ("uploaded", stats.uploaded),
            ("kept", stats.kept_locally),
            ("moved", stats.moved),
            ("move_failed", stats.move_failed),
            ("expired", stats.expired),
        ] {
            advance(&self.files.with_label_values(&[event]), count);
        }
        set(&self.waiting.with_label_values(none), stats.waiting);
        set(&self.waiting_bytes.with_label_values(none), stats.waiting_bytes);
        set(&self.waiting_age.with_label_values(none), stats.waiting_longest.as_secs());
        set(&self.damaged.with_label_values(none), stats.damaged);
        set(&self.link_lifetime.with_label_values(none), stats.link_lifetime.as_secs());
    }
}
