//! Assigns each running sandbox its own user, if the service is root.
//!
//! The kernel counts some resources by user, so two sandboxes with the same uid could use up each other's
//! quotas. A program learns from its uid neither how many ran before it nor when: the order is secret.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

/// First uid of programs. Above what systemd hands out (its container range ends at 0x6FFFFFFF, uid ranges of
/// systemd.io/UIDS-GIDS) and below the sign bit: these ids own nothing.
const UID_FIRST: u32 = 0x7000_0000;
/// Number of ids: more than the sandboxes that fit on any host.
const UID_COUNT: u32 = 1 << UID_BITS;
const UID_BITS: u32 = 16;
/// Rounds of [`Users::shuffled`]: with four, the result is indistinguishable from random (Luby and Rackoff,
/// 1988).
const ROUNDS: u32 = 4;

/// All ids. A used one comes round again as late as possible.
#[derive(Debug, Default)]
pub(crate) struct Users {
    taken: Mutex<Taken>,
    /// Keys the order.
    order: RandomState,
}

#[derive(Debug, Default)]
struct Taken {
    next: u32,
    numbers: HashSet<u32>,
}

/// An id that belongs to one sandbox until this is dropped.
#[derive(Debug)]
pub(crate) struct User {
    users: Arc<Users>,
    number: u32,
}

impl Users {
    /// Takes the next free one; `None` if all are taken.
    pub(crate) fn take(self: &Arc<Self>) -> Option<User> {
        let mut taken = support::lock(&self.taken);
        for _ in 0..UID_COUNT {
            let number = self.shuffled(taken.next);
            taken.next = (taken.next + 1) % UID_COUNT;
            if taken.numbers.insert(number) {
                return Some(User { users: Arc::clone(self), number });
            }
        }
        None
    }

    /// The id at this position of the secret order: a permutation of all of them, by a Feistel network.
    fn shuffled(&self, place: u32) -> u32 {
        const HALF: u32 = UID_BITS / 2;
        const MASK: u32 = (1 << HALF) - 1;
        let (mut high, mut low) = (place >> HALF & MASK, place & MASK);
        for round in 0..ROUNDS {
            let [first, ..] = self.order.hash_one((round, low)).to_le_bytes();
            (high, low) = (low, high ^ u32::from(first));
        }
        high << HALF | low
    }
}

impl User {
    /// Its uid, and gid.
    pub(crate) fn id(&self) -> u32 {
        UID_FIRST + self.number
    }
}

impl Drop for User {
    fn drop(&mut self) {
        support::lock(&self.users.taken).numbers.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_tells_nothing() {
        let take = || {
            let users = Arc::new(Users::default());
            let all: Vec<User> = std::iter::from_fn(|| users.take()).take(64).collect();
            all.iter().map(User::id).collect::<Vec<u32>>()
        };
        let (first, second) = (take(), take());
        assert_ne!(first, second, "each service has its own order");
        let next = first.windows(2).filter(|pair| pair[1] == pair[0] + 1).count();
        assert!(next < 8, "{next} of 63 follow the one before");
    }

    #[test]
    fn no_two_have_one_and_all_come_round_again() {
        let users = Arc::new(Users::default());
        let kept = users.take().unwrap();
        let mut seen = HashSet::from([kept.id()]);
        for _ in 1..UID_COUNT {
            assert!(seen.insert(users.take().unwrap().id()));
        }
        assert_ne!(users.take().unwrap().id(), kept.id(), "it is still taken");
        let all: Vec<_> = std::iter::from_fn(|| users.take()).collect();
        assert_eq!(all.len() + 1, UID_COUNT as usize);
        assert!(users.take().is_none());
    }
}
