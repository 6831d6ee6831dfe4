//! Connections for which no slot is free: they wait in a line, unread, until one is.
//!
//! Waiting costs less than refusing: a client that connects again as soon as it is refused would be refused as
//! often as it can connect. The line has a length. When it is full, a connection of a peer with fewer in it takes
//! the position of the newest of the peer with the most; any other is refused.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use support::Subscriber;
use tokio_util::sync::CancellationToken;

/// The line.
#[derive(Debug)]
pub(crate) struct HeldLine {
    most: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// By number, which is in the sequence of arrival.
    waiting: BTreeMap<u64, Waiting>,
    counts: HashMap<Subscriber, usize>,
}

#[derive(Debug)]
struct Waiting {
    peer: Subscriber,
    displaced: CancellationToken,
}

/// A position in the line, returned on drop.
#[derive(Debug)]
pub(crate) struct Held {
    line: Arc<HeldLine>,
    number: u64,
    displaced: CancellationToken,
}

impl Held {
    /// Ready when another peer's connection has taken the position.
    pub(crate) async fn displaced(&self) {
        self.displaced.cancelled().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        support::lock(&self.line.table).remove(self.number);
    }
}

impl HeldLine {
    /// For `most` connections, at least one.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), table: Mutex::default() })
    }

    /// Whether no connection waits.
    pub(crate) fn is_empty(&self) -> bool {
        support::lock(&self.table).waiting.is_empty()
    }

    /// Whether a connection of this address's peer waits: further ones must not overtake it.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        support::lock(&self.table).counts.contains_key(&Subscriber::of(address))
    }

    /// A position for a connection from `address`. `None` if the line is full and this peer has its part of it.
    pub(crate) fn join(self: &Arc<Self>, address: IpAddr) -> Option<Held> {
        let peer = Subscriber::of(address);
        let mut table = support::lock(&self.table);
        if table.waiting.len() >= self.most {
            table.displace_for(peer)?;
        }
        let number = table.next;
        table.next += 1;
        let displaced = CancellationToken::new();
        table.waiting.insert(number, Waiting { peer, displaced: displaced.clone() });
        *table.counts.entry(peer).or_default() += 1;
        drop(table);
        Some(Held { line: Arc::clone(self), number, displaced })
    }
}

impl Table {
    fn remove(&mut self, number: u64) -> Option<Waiting> {
        let left = self.waiting.remove(&number)?;
        if let Some(count) = self.counts.get_mut(&left.peer) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&left.peer);
            }
        }
        Some(left)
    }

    fn displace_for(&mut self, newcomer: Subscriber) -> Option<()> {
        let own = self.counts.get(&newcomer).copied().unwrap_or_default();
        let (largest, count) = self.counts.iter().max_by_key(|(_, count)| **count)?;
        // Two more: with one the two peers would take the position from each other for ever.
        if *count < own + 2 {
            return None;
        }
        let newest = self.waiting.iter().rev().find(|(_, waiting)| waiting.peer == *largest);
        let number = newest.map(|(number, _)| *number)?;
        self.remove(number)?.displaced.cancel();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(line: &Arc<HeldLine>, last: u8) -> Option<Held> {
        line.join(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn a_full_line_takes_from_the_largest_peer_alone() {
        let line = HeldLine::new(4);
        let flood: Vec<_> = (0..4).map(|_| join(&line, 1).unwrap()).collect();
        assert!(join(&line, 1).is_none(), "not from itself");
        let other = [join(&line, 2).unwrap(), join(&line, 2).unwrap()];
        let displaced: Vec<_> = flood.iter().map(|held| held.displaced.is_cancelled()).collect();
        assert_eq!(displaced, [false, false, true, true], "the newest");
        assert!(join(&line, 2).is_none(), "both have two");
        drop(other);
        assert!(!line.has(IpAddr::from([192, 0, 2, 2])) && line.has(IpAddr::from([192, 0, 2, 1])));
    }

    #[test]
    fn a_position_comes_back_once() {
        let line = HeldLine::new(2);
        let flood: Vec<_> = (0..2).map(|_| join(&line, 1).unwrap()).collect();
        let other = join(&line, 2).unwrap();
        drop(flood);
        assert_eq!(support::lock(&line.table).waiting.len(), 1);
        drop(other);
        let table = support::lock(&line.table);
        assert!(table.waiting.is_empty() && table.counts.is_empty());
    }
}
