//! Requests of each caller that run or wait now, in this process.

use crate::limits::terms::Caller;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The counts. Callers without a request have none, so there are at most as many as connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<Caller, u32>>>);

/// One request; its end is its drop.
#[derive(Debug)]
pub(crate) struct Place {
    running: Running,
    caller: Caller,
}

impl Running {
    /// A place for one more request of this caller; `None` if it has `max` already.
    pub(crate) fn enter(&self, caller: Caller, max: u32) -> Option<Place> {
        let mut counts = support::lock(&self.0);
        let count = counts.entry(caller).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Place { running: self.clone(), caller })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = support::lock(&self.running.0);
        if let Some(count) = counts.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use support::Subscriber;

    #[test]
    fn a_place_is_free_when_its_request_ends() {
        let running = Running::default();
        let caller = |number| Caller::Subscriber(Subscriber::V4([192, 0, 2, number]));
        let places: Vec<_> = (0..3).map(|_| running.enter(caller(1), 3).unwrap()).collect();
        assert!(running.enter(caller(1), 3).is_none());
        assert!(running.enter(caller(2), 1).is_some(), "of another caller");
        drop(places);
        assert!(running.enter(caller(1), 1).is_some());
        assert!(support::lock(&running.0).is_empty());
    }
}
