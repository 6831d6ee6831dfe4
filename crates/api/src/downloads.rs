//! Downloads at the same time: each holds an open file and a buffer for as long as its client takes, which may be hours.
//!
//! A subscriber may have as many as are still free, so one alone has at most half of all, and one that comes later
//! always finds a place until many have taken theirs (dynamic thresholds: Choudhury and Hahne, "Dynamic Queue Length
//! Thresholds for Shared-Memory Packet Switches", IEEE/ACM Transactions on Networking 6(2), 1998).
//!
//! Some ten subscribers could take all places like that, and keep them for hours with a byte now and then. So where a place
//! would be refused, a download that is slower than [`RATE_MIN`] ends for the new one. No healthy download does: a client could
//! not tell that from a lost connection, and would begin again.

use crate::server_limits::ServerLimits;
use axum::body::Body;
use http_body_util::BodyExt as _;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::Subscriber;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Bytes a second below which a download may end for another. The slowest links in use, those of 2G, have more; at this rate
/// 32 MiB take more than two hours.
const RATE_MIN: u64 = 4 * 1024;

/// How long a download may be slower: a client may lose its network for a time. Also the most that it may be ahead: otherwise
/// one that takes all but the last bytes at once could keep its place with these.
const GRACE_TIME: Duration = Duration::from_secs(60);

/// The places of all downloads. Clones share them.
#[derive(Debug, Clone)]
pub struct Downloads(Arc<Places>);

#[derive(Debug)]
struct Places {
    most: usize,
    held: Mutex<Held>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    running: HashMap<u64, Arc<Running>>,
    by_subscriber: HashMap<Subscriber, usize>,
}

/// A download that has a place.
#[derive(Debug)]
struct Running {
    subscriber: Subscriber,
    /// When the download becomes too slow, unless more is sent before.
    slow_at: Mutex<Instant>,
    /// Cancelled when another has its place.
    abort: CancellationToken,
}

impl Running {
    /// Counts bytes that were handed over.
    fn sent(&self, bytes: u64) {
        let gain = Duration::from_micros(bytes.saturating_mul(1_000_000) / RATE_MIN);
        let mut slow_at = support::lock(&self.slow_at);
        *slow_at = (*slow_at + gain).min(Instant::now() + GRACE_TIME);
    }

    fn slow_at(&self) -> Instant {
        *support::lock(&self.slow_at)
    }
}

impl Held {
    fn count(&self, subscriber: Subscriber) -> usize {
        self.by_subscriber.get(&subscriber).copied().unwrap_or_default()
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Running>> {
        let running = self.running.remove(&number)?;
        if let Some(own) = self.by_subscriber.get_mut(&running.subscriber) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                self.by_subscriber.remove(&running.subscriber);
            }
        }
        Some(running)
    }

    /// Ends a download that is too slow: the slowest of the subscriber that has the most. A subscriber with fewer than the
    /// newcomer loses none. False if there is no such download.
    fn end_slow(&mut self, newcomer: Subscriber) -> bool {
        let (now, own) = (Instant::now(), self.count(newcomer));
        let slow = self.running.iter().filter_map(|(number, running)| {
            let (held, slow_at) = (self.count(running.subscriber), running.slow_at());
            (slow_at <= now && held >= own).then_some((held, std::cmp::Reverse(slow_at), *number))
        });
        let Some((_, _, number)) = slow.max() else { return false };
        if let Some(running) = self.remove(number) {
            running.abort.cancel();
        }
        true
    }
}

impl Default for Downloads {
    /// For the connections of [`ServerLimits::default`].
    fn default() -> Self {
        Self::new(ServerLimits::default().downloads_max())
    }
}

impl Downloads {
    /// Places for `most` downloads, at least one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let (held, refused) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Places { most: most.max(1), held, refused }))
    }

    /// Number of places.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.0.most as u64
    }

    /// Downloads in progress.
    #[must_use]
    pub fn running(&self) -> u64 {
        support::lock(&self.0.held).running.len() as u64
    }

    /// Downloads that were refused so far because there was no place.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// A place for a download of this client; `None` if its subscriber has its share, or none is free. `abort` is cancelled when
    /// another download gets the place.
    pub(crate) fn take(&self, client: IpAddr, abort: CancellationToken) -> Option<Place> {
        self.take_if(client, abort, |_, _| false)
    }

    /// The same, if need be the place of a download that is too slow. `None` is a refusal.
    pub(crate) fn take_or_end_slow(&self, client: IpAddr, abort: CancellationToken) -> Option<Place> {
        let place = self.take_if(client, abort, Held::end_slow);
        if place.is_none() {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
        }
        place
    }

    /// `make_room` is called if there is no place, and says whether it has ended another download.
    fn take_if(
        &self,
        client: IpAddr,
        abort: CancellationToken,
        make_room: impl FnOnce(&mut Held, Subscriber) -> bool,
    ) -> Option<Place> {
        let subscriber = Subscriber::of(client);
        let mut held = support::lock(&self.0.held);
        let free = self.0.most.saturating_sub(held.running.len());
        if held.count(subscriber) >= free && !make_room(&mut held, subscriber) {
            return None;
        }
        let number = held.next;
        held.next += 1;
        let slow_at = Mutex::new(Instant::now() + GRACE_TIME);
        let running = Arc::new(Running { subscriber, slow_at, abort });
        held.running.insert(number, Arc::clone(&running));
        *held.by_subscriber.entry(subscriber).or_default() += 1;
        drop(held);
        Some(Place { places: Arc::clone(&self.0), number, running })
    }
}

/// The place of one download, returned on drop.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    number: u64,
    running: Arc<Running>,
}

impl Place {
    /// The body of the download: it has the place until it ends, is dropped as its client went away, or is too slow and another
    /// needs it.
    pub(crate) fn hold(self, body: Body) -> Body {
        Body::new(body.map_frame(move |frame| {
            self.running.sent(frame.data_ref().map_or(0, |data| data.len() as u64));
            frame
        }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nothing if another download has the place.
        support::lock(&self.places.held).remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(downloads: &Downloads, subscriber: u8) -> Option<Place> {
        downloads.take_or_end_slow(IpAddr::from([192, 0, 2, subscriber]), CancellationToken::new())
    }

    fn aborted(places: &[Place]) -> Vec<bool> {
        places.iter().map(|place| place.running.abort.is_cancelled()).collect()
    }

    #[test]
    fn one_subscriber_alone_leaves_half_to_the_others() {
        let downloads = Downloads::new(8);
        let parts = [1, 2, 3, 4, 5]
            .map(|subscriber| std::iter::from_fn(|| take(&downloads, subscriber)).collect::<Vec<_>>());
        assert_eq!(parts.each_ref().map(Vec::len), [4, 2, 1, 1, 0]);
        assert_eq!((downloads.running(), downloads.most(), downloads.refused()), (8, 8, 5));
        let [first, rest @ ..] = parts;
        drop(first);
        assert_eq!((downloads.running(), take(&downloads, 5).is_some()), (4, true));
        drop(rest);
        assert!(downloads.running() == 0 && support::lock(&downloads.0.held).by_subscriber.is_empty());
    }

    #[test]
    fn there_is_always_one() {
        let downloads = Downloads::new(0);
        let first = take(&downloads, 1);
        assert!(first.is_some() && take(&downloads, 2).is_none());
        drop(first);
        assert!(take(&downloads, 2).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_download_that_is_too_slow_ends_for_another() {
        let downloads = Downloads::new(8);
        let fill = |subscriber| std::iter::from_fn(|| take(&downloads, subscriber)).collect::<Vec<_>>();
        let [most, some, one, last] = [1, 2, 3, 4].map(fill);
        tokio::time::advance(GRACE_TIME - Duration::from_secs(1)).await;
        assert!(take(&downloads, 5).is_none(), "within its grace time");
        // As fast as it must be; what is sent at once beyond that counts for no more than the grace time.
        for place in most[..2].iter().chain(&some) {
            place.running.sent(1 << 30);
            assert_eq!(place.running.slow_at(), Instant::now() + GRACE_TIME);
        }
        most[3].running.sent(2 * RATE_MIN);
        tokio::time::advance(Duration::from_secs(2)).await;
        let new = take(&downloads, 5).expect("the place of a slow one");
        assert_eq!(
            aborted(&most),
            [false, false, true, false],
            "the slowest of the subscriber with the most"
        );
        assert_eq!(downloads.running(), 8);
        drop(most);
        assert_eq!(downloads.running(), 5, "one was given back before");
        drop((some, one, last, new));
        assert!(downloads.running() == 0 && support::lock(&downloads.0.held).by_subscriber.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn no_subscriber_ends_a_slow_download_of_one_with_fewer() {
        let downloads = Downloads::new(4);
        let mut large: Vec<_> = std::iter::from_fn(|| take(&downloads, 1)).collect();
        let small = take(&downloads, 2).unwrap();
        tokio::time::advance(GRACE_TIME).await;
        large.iter().for_each(|place| place.running.sent(RATE_MIN));
        assert!(take(&downloads, 1).is_none() && !small.running.abort.is_cancelled());
        // But one of its own.
        tokio::time::advance(GRACE_TIME).await;
        large.push(take(&downloads, 1).unwrap());
        assert_eq!(aborted(&large).iter().filter(|aborted| **aborted).count(), 1);
        assert!(!small.running.abort.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_is_counted() {
        let downloads = Downloads::new(1);
        let place = take(&downloads, 1).unwrap();
        let running = Arc::clone(&place.running);
        let mut body = place.hold(Body::from(vec![0; usize::try_from(RATE_MIN).unwrap()]));
        tokio::time::advance(GRACE_TIME).await;
        assert_eq!(running.slow_at(), Instant::now());
        body.frame().await.unwrap().unwrap();
        assert_eq!(running.slow_at(), Instant::now() + Duration::from_secs(1));
    }
}
