//! Control of a running execution from outside.

use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A handle to one execution. Clones control the same one.
#[derive(Debug, Clone, Default)]
pub struct Control {
    cancel: CancellationToken,
    interrupt: Arc<Notify>,
}

impl Control {
    /// A handle whose execution ends when `cancel` fires.
    #[must_use]
    pub fn new(cancel: CancellationToken) -> Self {
        Self { cancel, interrupt: Arc::default() }
    }

    /// Ends the program; the outcome is `cancelled`.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Sends SIGINT to the program's first process, which Python turns into `KeyboardInterrupt`; before the
    /// program's start, it takes effect once the program has started.
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
