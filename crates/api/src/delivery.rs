//! The parts of an answer that were handed over and are not in the socket yet: they are in memory although the answer is
//! complete.

use bytes::Bytes;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Answers for which the time of one is multiplied at most.
const SENDING_MAX: u32 = 8;

/// How many answers of one connection have parts that are not in the socket. They take turns, so a slow link takes longer for a
/// part of each.
#[derive(Debug, Default)]
pub(crate) struct Sending(AtomicU32);

impl Sending {
    /// The longest time for a part of one answer, if it is `alone` for one that has the link to itself.
    pub(crate) fn time_max(&self, alone: Duration) -> Duration {
        alone * self.0.load(Ordering::Relaxed).clamp(1, SENDING_MAX)
    }
}

/// The parts of one answer.
#[derive(Debug)]
pub(crate) struct Delivery {
    sending: Arc<Sending>,
    now: Mutex<Now>,
    /// Notified when no part is left.
    emptied: Notify,
}

#[derive(Debug)]
struct Now {
    parts: usize,
    /// When the last part was made or left.
    moved_at: Instant,
}

impl Delivery {
    /// `sending` is that of the connection.
    pub(crate) fn new(sending: Arc<Sending>) -> Arc<Self> {
        let now = Mutex::new(Now { parts: 0, moved_at: Instant::now() });
        Arc::new(Self { sending, now, emptied: Notify::new() })
    }

    /// A copy of these bytes, counted until it is dropped: when it is in the socket, or its request was reset.
    pub(crate) fn part(self: &Arc<Self>, bytes: &[u8]) -> Bytes {
        let mut now = support::lock(&self.now);
        (now.parts, now.moved_at) = (now.parts + 1, Instant::now());
        if now.parts == 1 {
            self.sending.0.fetch_add(1, Ordering::Relaxed);
        }
        drop(now);
        Bytes::from_owner(Part { bytes: bytes.into(), delivery: Arc::clone(self) })
    }

    /// Waits until no part is left. False if none has left for `time_max`, or longer while other answers are sent, too
    /// ([`Sending::time_max`]).
    pub(crate) async fn complete_within(&self, time_max: Duration) -> bool {
        loop {
            let Now { parts, moved_at } = *support::lock(&self.now);
            let end = moved_at + self.sending.time_max(time_max);
            if parts == 0 {
                return true;
            }
            if end <= Instant::now() {
                return false;
            }
            let _ = tokio::time::timeout_at(end, self.emptied.notified()).await;
        }
    }
}

/// One part.
struct Part {
    bytes: Box<[u8]>,
    delivery: Arc<Delivery>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut now = support::lock(&self.delivery.now);
        (now.parts, now.moved_at) = (now.parts.saturating_sub(1), Instant::now());
        if now.parts == 0 {
            self.delivery.sending.0.fetch_sub(1, Ordering::Relaxed);
            self.delivery.emptied.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_complete_when_its_last_part_has_left() {
        let (delivery, second) = (Delivery::new(Arc::default()), Duration::from_secs(1));
        assert!(delivery.complete_within(second).await);
        let parts = [delivery.part(b"a"), delivery.part(b"b")];
        assert_eq!(parts, ["a", "b"]);
        let begun = Instant::now();
        assert!(!delivery.complete_within(second).await);
        assert_eq!(begun.elapsed(), second);
        // Each part that leaves starts the time again.
        let waiting = tokio::spawn({
            let delivery = Arc::clone(&delivery);
            async move { delivery.complete_within(3 * second).await }
        });
        for part in parts {
            tokio::time::sleep(2 * second).await;
            drop(part);
        }
        assert!(waiting.await.unwrap());
        assert_eq!(begun.elapsed(), 5 * second);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_take_turns_have_more_time() {
        let (sending, second) = (Arc::<Sending>::default(), Duration::from_secs(1));
        let deliveries: Vec<_> = (0..20).map(|_| Delivery::new(Arc::clone(&sending))).collect();
        let mut parts: Vec<_> = deliveries.iter().map(|delivery| delivery.part(b"a")).collect();
        let begun = Instant::now();
        assert!(!deliveries[0].complete_within(second).await);
        assert_eq!(begun.elapsed(), SENDING_MAX * second);
        parts.truncate(3);
        let second_part = deliveries[0].part(b"b");
        let begun = Instant::now();
        assert!(!deliveries[0].complete_within(second).await);
        assert_eq!(begun.elapsed(), 3 * second, "each answer counts once");
        drop((parts, second_part));
        assert_eq!(sending.time_max(second), second);
    }
}
