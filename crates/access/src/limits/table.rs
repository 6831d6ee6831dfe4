//! The levels of all callers in memory, of a bounded number.
//!
//! Levels that are in the past are forgotten when the table is full. If none is, further callers share slots that are
//! chosen by a secret hash of the caller, and a caller that gets an entry of its own later begins with what its
//! slot has used. So no number of addresses makes the table forget anything that counts; the price is that, while an
//! attacker uses more addresses than the table has, a new caller may be refused for what others did. Keys have a table
//! of their own, which addresses cannot fill.

use crate::limits::levels::Levels;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};

/// Slots for callers beyond the table.
const SLOTS: usize = 4096;

/// Shortest time between two looks for levels that are in the past, in microseconds: each looks at all.
const SWEEP_INTERVAL_US: u64 = 1_000_000;

/// The table.
#[derive(Debug)]
pub(crate) struct Table<K> {
    own: HashMap<K, Levels>,
    own_max: usize,
    slots: Box<[Levels]>,
    hash: RandomState,
    swept_at: u64,
}

impl<K: Hash + Eq + Copy> Table<K> {
    /// A table in which `own_max` callers have levels of their own.
    pub(crate) fn new(own_max: usize) -> Self {
        let slots = vec![Levels::default(); SLOTS].into_boxed_slice();
        Self { own: HashMap::new(), own_max, slots, hash: RandomState::new(), swept_at: 0 }
    }

    /// The levels of this caller.
    pub(crate) fn of(&mut self, caller: K, now: u64) -> &mut Levels {
        if self.own.len() >= self.own_max && !self.own.contains_key(&caller) {
            if now.saturating_sub(self.swept_at) >= SWEEP_INTERVAL_US {
                self.swept_at = now;
                self.own.retain(|_, levels| !levels.are_free(now));
            }
            if self.own.len() >= self.own_max {
                let slot = self.slot(&caller);
                return &mut self.slots[slot];
            }
        }
        let slot = self.slot(&caller);
        self.own.entry(caller).or_insert(self.slots[slot])
    }

    fn slot(&self, caller: &K) -> usize {
        usize::try_from(self.hash.hash_one(caller) % SLOTS as u64).unwrap_or_default()
    }

    /// Callers with an entry of their own.
    pub(crate) fn len(&self) -> usize {
        self.own.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::terms::{Allowance, Terms};
    use std::time::Duration;

    const SECOND: u64 = 1_000_000;

    fn terms() -> Terms {
        let allowance = Allowance { rate_per_minute: 60, burst: 2, ..Allowance::default() };
        Terms::new(allowance, Duration::from_secs(60))
    }

    fn admitted(table: &mut Table<u32>, caller: u32, now: u64) -> usize {
        (0..5).filter(|_| table.of(caller, now).admit(&terms(), now).refused.is_none()).count()
    }

    #[test]
    fn a_flood_of_callers_gives_nobody_a_fresh_budget() {
        let mut table = Table::new(100);
        let now = 100 * SECOND;
        assert_eq!(admitted(&mut table, 0, now), 2);
        let flood: usize = (1..20_000).map(|caller| admitted(&mut table, caller, now)).sum();
        assert!(flood <= 2 * (99 + SLOTS), "{flood}");
        assert_eq!(table.len(), 100);
        assert_eq!(admitted(&mut table, 0, now), 0, "it was not forgotten");
        // One beyond the table has used its slot; it does not get a fresh one with an entry of its own.
        let late = 19_999;
        assert_eq!(admitted(&mut table, late, now), 0);
        for levels in table.own.values_mut() {
            *levels = Levels::default();
        }
        assert_eq!(admitted(&mut table, late, now + SECOND / 2), 0, "swept at most once a second");
        let now = now + 3 * SECOND / 2;
        assert_eq!(admitted(&mut table, late, now), 1, "what its slot got back since");
        assert!(table.own.contains_key(&late));
    }

    #[test]
    fn callers_that_used_nothing_make_room() {
        let mut table = Table::new(100);
        for round in 0..10 {
            let now = (10 + 10 * round) * SECOND;
            for caller in 0..100 {
                let caller = u32::try_from(round).unwrap() * 100 + caller;
                assert_eq!(admitted(&mut table, caller, now), 2, "{round} {caller}");
            }
            assert_eq!(table.len(), 100);
        }
    }
}
