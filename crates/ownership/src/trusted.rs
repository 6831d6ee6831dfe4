//! The trusted users: root, and the user that this process runs as.

/// The users whose files are trusted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trusted {
    uid: u32,
}

impl Trusted {
    /// Root and the effective user of this process.
    pub(crate) fn this_process() -> Self {
        Self { uid: rustix::process::geteuid().as_raw() }
    }

    /// Root and this user.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn user(uid: u32) -> Self {
        Self { uid }
    }

    /// Whether this is one of them.
    pub(crate) fn has(&self, uid: u32) -> bool {
        uid == 0 || uid == self.uid
    }
}
