//! Lines that wait for the thread that writes them: bounded by number and by bytes, and never waited for.

use crate::entry::Entry;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Lines in the queue: more than a burst of answers, and a moment's work for a disk that works.
const LINES_MAX: usize = 8192;

/// Bytes of the programs in the queue. One line fits into an empty queue, whatever its size.
const BYTES_MAX: usize = 16 << 20;

/// What the thread is sent.
#[derive(Debug)]
pub(crate) enum Message {
    /// Write this line.
    Line(Timestamp, Entry),
    /// Say that everything before has been written.
    Flush(Sender<()>),
}

/// The end of the requests.
#[derive(Debug)]
pub(crate) struct Queue {
    sender: SyncSender<Message>,
    bytes: Arc<AtomicUsize>,
}

/// The end of the thread.
#[derive(Debug)]
pub(crate) struct Lines {
    receiver: Receiver<Message>,
    bytes: Arc<AtomicUsize>,
}

/// A new queue.
pub(crate) fn queue() -> (Queue, Lines) {
    let (sender, receiver) = sync_channel(LINES_MAX);
    let bytes = Arc::new(AtomicUsize::new(0));
    (Queue { sender, bytes: Arc::clone(&bytes) }, Lines { receiver, bytes })
}

impl Queue {
    /// Adds a line; `false` if there is no space.
    pub(crate) fn put(&self, entry: Entry) -> bool {
        let weight = entry.weight();
        let before = self.bytes.fetch_add(weight, Ordering::Relaxed);
        let fits = before == 0 || before.saturating_add(weight) <= BYTES_MAX;
        let put = fits && self.sender.try_send(Message::Line(Timestamp::now(), entry)).is_ok();
        if !put {
            self.bytes.fetch_sub(weight, Ordering::Relaxed);
        }
        put
    }

    /// Adds the request for an echo; `false` if there is no space for it yet.
    pub(crate) fn put_flush(&self, echo: Sender<()>) -> bool {
        !matches!(self.sender.try_send(Message::Flush(echo)), Err(TrySendError::Full(_)))
    }
}

/// What comes out.
#[derive(Debug)]
pub(crate) enum Next {
    /// This.
    Message(Message),
    /// Nothing within the time.
    Timeout,
    /// Nothing any more: the other end is gone.
    Closed,
}

impl Lines {
    /// The next message; waits for it, at most `time_max`.
    pub(crate) fn next(&self, time_max: Option<Duration>) -> Next {
        let received = match time_max {
            Some(time_max) => self.receiver.recv_timeout(time_max),
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        if let Ok(Message::Line(_, entry)) = &received {
            self.bytes.fetch_sub(entry.weight(), Ordering::Relaxed);
        }
        match received {
            Ok(message) => Next::Message(message),
            Err(RecvTimeoutError::Timeout) => Next::Timeout,
            Err(RecvTimeoutError::Disconnected) => Next::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_programs_in_a_queue_are_bounded() {
        let (queue, lines) = queue();
        let of = |bytes: usize| Entry::program_of("x".repeat(bytes));
        assert!(queue.put(of(2 * BYTES_MAX)), "one fits, whatever its size");
        assert!(!queue.put(of(1)) && !queue.put(Entry::Stopped));
        assert!(matches!(lines.next(None), Next::Message(_)));
        let taken = (0..64).filter(|_| queue.put(of(1 << 20))).count();
        assert_eq!(taken, 15, "with what their other fields weigh");
    }

    #[test]
    fn a_queue_that_nobody_empties_takes_a_bounded_number() {
        let (queue, lines) = queue();
        let taken = (0..2 * LINES_MAX).filter(|_| queue.put(Entry::Stopped)).count();
        assert_eq!(taken, LINES_MAX);
        assert!(matches!(lines.next(None), Next::Message(_)));
        assert!(queue.put(Entry::Stopped) && !queue.put(Entry::Stopped));
        for _ in 0..LINES_MAX {
            assert!(matches!(lines.next(None), Next::Message(_)));
        }
        assert_eq!(queue.bytes.load(Ordering::Relaxed), 0);
    }
}
