//! Downloads at the same time: each holds an open file and a buffer for as long as its client takes, which may be hours.
//!
//! A subscriber may have as many as are still free, so one alone has at most half of all, and one that comes later
//! always finds a place until many have taken theirs (dynamic thresholds: Choudhury and Hahne, "Dynamic Queue Length
//! Thresholds for Shared-Memory Packet Switches", IEEE/ACM Transactions on Networking 6(2), 1998). No download is cut for
//! another: a client could not tell that from a lost connection, and would begin again.

use crate::server_limits::ServerLimits;
use axum::body::Body;
use http_body_util::BodyExt as _;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use support::Subscriber;

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
    total: usize,
    by_subscriber: HashMap<Subscriber, usize>,
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
        support::lock(&self.0.held).total as u64
    }

    /// Downloads that were refused so far because there was no place.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// A place for a download of this client; `None` if its subscriber has its share, or none is free.
    pub(crate) fn take(&self, client: IpAddr) -> Option<Place> {
        let subscriber = Subscriber::of(client);
        let mut held = support::lock(&self.0.held);
        let own = held.by_subscriber.get(&subscriber).copied().unwrap_or_default();
        if own >= self.0.most.saturating_sub(held.total) {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        held.total += 1;
        held.by_subscriber.insert(subscriber, own + 1);
        drop(held);
        Some(Place { places: Arc::clone(&self.0), subscriber })
    }
}

/// The place of one download, returned on drop.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    subscriber: Subscriber,
}

impl Place {
    /// The body of the download: it has the place until it ends, or is dropped as its client went away.
    pub(crate) fn hold(self, body: Body) -> Body {
        Body::new(body.map_frame(move |frame| {
            let _held = &self;
            frame
        }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = support::lock(&self.places.held);
        held.total = held.total.saturating_sub(1);
        if let Some(own) = held.by_subscriber.get_mut(&self.subscriber) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                held.by_subscriber.remove(&self.subscriber);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(downloads: &Downloads, subscriber: u8) -> Option<Place> {
        downloads.take(IpAddr::from([192, 0, 2, subscriber]))
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
}
