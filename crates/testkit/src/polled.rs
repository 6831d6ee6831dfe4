//! Polls a future by hand, for tests that decide who runs next.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A future that runs only when the test says so, and of which the test knows whether it was woken. If a test
/// polls only what was woken, a lost wakeup shows as a future that never ends. Dropping it drops the future.
pub struct Polled<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    flag: Arc<Flag>,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<T> Polled<T> {
    /// Takes over `future`, which counts as woken until its first poll.
    pub fn new(future: impl Future<Output = T> + 'static) -> Self {
        Self { future: Box::pin(future), flag: Arc::new(Flag(AtomicBool::new(true))) }
    }

    /// Whether a poll is due.
    #[must_use]
    pub fn is_woken(&self) -> bool {
        self.flag.0.load(Ordering::SeqCst)
    }

    /// Polls once. `Some` when it has ended; it must not be polled again then.
    pub fn poll(&mut self) -> Option<T> {
        self.flag.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.flag));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}

impl<T> fmt::Debug for Polled<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Polled").field("is_woken", &self.is_woken()).finish_non_exhaustive()
    }
}

/// The index of one of `count` things that any number chooses; `None` if there are none.
#[must_use]
pub fn pick(count: usize, choice: usize) -> Option<usize> {
    choice.checked_rem(count)
}
