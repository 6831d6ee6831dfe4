//! Gives each living cell a user of its own, when the service is root.
//!
//! The kernel counts some things by user, so two cells with one uid could use up each other's quotas. No program learns
//! from its own how many ran before it, or which of them ran when: the order is secret.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

/// First uid of programs. Beyond what systemd hands out (its container range ends at 0x6FFFFFFF, uid ranges of
/// systemd.io/UIDS-GIDS) and below the sign bit: these ids own nothing.
const UID_FIRST: u32 = 0x7000_0000;
/// Ids there are: more than sandboxes fit on any host at once.
const UID_COUNT: u32 = 1 << UID_BITS;
const UID_BITS: u32 = 16;
/// Rounds of [`Users::shuffled`]: with four nothing of the order shows (Luby and Rackoff, 1988).
const ROUNDS: u32 = 4;

/// All of them. One that was used comes round again as late as possible.
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

/// A user that is one cell's until this is dropped.
#[derive(Debug)]
pub(crate) struct User {
    users: Arc<Users>,
    number: u32,
}

impl Users {
    /// Takes the next one that is free; `None` when all are taken.
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

    /// The id in this place of the secret order: a permutation of all of them, by a Feistel network.
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
        assert_ne!(first, second, "each service has an order of its own");
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
