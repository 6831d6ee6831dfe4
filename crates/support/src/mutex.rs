//! Locks in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock, even if another thread panicked while holding it. For data that every change leaves
/// consistent: then the state that the thread left is valid, and one panic does not cause more.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_does_not_keep_the_lock() {
        let mutex = Mutex::new(1);
        let ended = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let _held = lock(&mutex);
                panic!("on purpose");
            });
            thread.join().is_err()
        });
        assert!(ended && mutex.is_poisoned());
        assert_eq!(*lock(&mutex), 1);
    }
}
