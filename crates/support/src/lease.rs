//! A lock on a file means that its owner is running: the kernel releases it with the last process that has
//! the file open.

use std::fs::{File, TryLockError};
use std::io;

/// Takes the lock (flock(2), for writing) if it is free; it is held as long as the file is open. `false`: its
/// owner is running. Anyone who can open the file can hold the lock, so only its owner may have access to the
/// file.
///
/// # Errors
/// The operating system's; some network file systems do not support such locks.
pub fn try_take(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_as_long_as_its_owner_has_it_open() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let open = || File::open(file.path()).expect("it is there");
        let owner = open();
        assert!(try_take(&owner).expect("flock works here"));
        assert!(!try_take(&open()).expect("flock works here"));
        drop(owner);
        assert!(try_take(&open()).expect("flock works here"));
    }
}
