//! How an execution is steered from outside while it runs.

use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A handle to one execution. Clones steer the same one.
#[derive(Debug, Clone, Default)]
pub struct Control {
    cancel: CancellationToken,
    interrupt: Arc<Notify>,
}

impl Control {
    /// One that `cancel` ends.
    #[must_use]
    pub fn new(cancel: CancellationToken) -> Self {
        Self { cancel, interrupt: Arc::default() }
    }

    /// Ends the program; its result says `cancelled`.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Sends SIGINT to the program's first process, which Python turns into `KeyboardInterrupt`; before the program's start,
    /// once it has started.
    pub fn interrupt(&self) {
        self.interrupt.notify_one();
    }

    pub(crate) async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    pub(crate) async fn interrupted(&self) {
        self.interrupt.notified().await;
    }
}
