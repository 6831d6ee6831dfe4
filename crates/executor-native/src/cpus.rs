//! Assigns CPUs to programs.
//!
//! A program that may use one CPU should also *see* one: numeric libraries size their thread pools by the
//! affinity mask. So each program is pinned to as many CPUs as its quota is worth, the least busy ones.

use std::sync::{Arc, Mutex};

/// Number of programs on each CPU.
#[derive(Debug)]
pub(crate) struct Cpus {
    /// `(CPU number, programs on it)`; only CPUs that this process may use.
    load: Mutex<Vec<(u32, u32)>>,
}

/// CPUs assigned to one program until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    cpus: Arc<Cpus>,
    pub(crate) numbers: Vec<u32>,
}

impl Cpus {
    /// The CPUs that this process may use.
    pub(crate) fn of_this_process() -> Arc<Self> {
        let set = rustix::thread::sched_getaffinity(None).unwrap_or_default();
        let numbers = (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu));
        Self::new(numbers.filter_map(|cpu| u32::try_from(cpu).ok()))
    }

    fn new(numbers: impl Iterator<Item = u32>) -> Arc<Self> {
        Arc::new(Self { load: Mutex::new(numbers.map(|number| (number, 0)).collect()) })
    }

    /// Takes the `count` least busy CPUs; none, which means all, if that is every CPU.
    pub(crate) fn share(self: &Arc<Self>, count: u32) -> Share {
        let mut load = support::lock(&self.load);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut numbers = Vec::new();
        if count < load.len() {
            load.sort_by_key(|&(number, programs)| (programs, number));
            for entry in load.iter_mut().take(count) {
                entry.1 += 1;
                numbers.push(entry.0);
            }
        }
        Share { cpus: Arc::clone(self), numbers }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut load = support::lock(&self.cpus.load);
        for entry in load.iter_mut().filter(|entry| self.numbers.contains(&entry.0)) {
            entry.1 = entry.1.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_spread_over_the_cpus_and_give_them_back() {
        let cpus = Cpus::new([0, 1, 5].into_iter());
        let first = cpus.share(1);
        let second = cpus.share(1);
        let third = cpus.share(1);
        let mut seen = [first.numbers[0], second.numbers[0], third.numbers[0]];
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 5]);
        drop(second);
        assert_eq!(cpus.share(1).numbers, [1]);
    }

    #[test]
    fn a_program_that_may_use_every_cpu_is_not_pinned() {
        let cpus = Cpus::new([0, 1].into_iter());
        assert!(cpus.share(2).numbers.is_empty());
        assert!(cpus.share(64).numbers.is_empty());
    }
}
