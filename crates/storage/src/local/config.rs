//! What a local store is opened with, and why it may refuse.

use std::path::PathBuf;
use std::time::Duration;

/// The shortest link lifetime and retention: tokens hold whole seconds.
pub const LIFETIME_MIN: Duration = Duration::from_secs(1);

/// The longest link lifetime and retention: ten years, which keeps every sum of times in range.
pub const LIFETIME_MAX: Duration = Duration::from_secs(10 * 365 * DAY_S);

const DAY_S: u64 = 24 * 60 * 60;

/// Settings of a [`LocalStore`](crate::LocalStore).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalConfig {
    /// The directory of the store; made with mode 0700 if it is missing. It must be on one file system
    /// that has flock(2), and several processes may share it.
    pub root: PathBuf,
    /// How long a link works: [`LIFETIME_MIN`] to [`LIFETIME_MAX`], whole seconds count. Default 5 hours.
    pub link_lifetime: Duration,
    /// The longest that content stays, whatever lifetime its link was made with, by this process or another; at least
    /// `link_lifetime`, at most [`LIFETIME_MAX`]. Default 7 days (`STORAGE_CLEANUP_DAYS`). Content goes when its link ends.
    pub retention: Duration,
    /// Bytes of everything that is stored, each file counted in blocks of 4096, over which nothing more is taken. Default 10 GiB
    /// (`STORAGE_MAX_SIZE`): what 200 programs leave that each leave the most.
    pub bytes_max: u64,
    /// Share of the file system, of its bytes and of its inodes, below which nothing more is taken, in percent; never more than
    /// 4 GiB and 65,536 inodes. Default 5 (`STORAGE_MIN_FREE`).
    pub min_free_percent: u8,
    /// Free space below which the store calls itself unhealthy, in bytes. Default 50 MiB, the most that
    /// one program may leave (`MAX_TOTAL_SIZE`).
    pub free_min_bytes: u64,
}

impl LocalConfig {
    /// The default settings for a store in `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            link_lifetime: Duration::from_secs(5 * 60 * 60),
            retention: Duration::from_secs(7 * DAY_S),
            bytes_max: 10 << 30,
            min_free_percent: 5,
            free_min_bytes: 50 * 1024 * 1024,
        }
    }

    /// Checks the bounds that the fields' documentation gives.
    pub(super) fn check(&self) -> Result<(), OpenError> {
        for (setting, value) in [("link lifetime", self.link_lifetime), ("retention", self.retention)] {
            if !(LIFETIME_MIN..=LIFETIME_MAX).contains(&value) {
                return Err(OpenError::Lifetime { setting, value });
            }
        }
        if self.retention < self.link_lifetime {
            return Err(OpenError::Retention {
                retention: self.retention,
                link_lifetime: self.link_lifetime,
            });
        }
        Ok(())
    }
}

/// Why a local store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A time is out of its bounds.
    #[error("the {setting} is {value:?}, allowed are {LIFETIME_MIN:?} to {LIFETIME_MAX:?}")]
    Lifetime {
        /// Which time.
        setting: &'static str,
        /// What it was set to.
        value: Duration,
    },
    /// Content would be removed while links to it still work.
    #[error("the retention {retention:?} is shorter than the link lifetime {link_lifetime:?}")]
    Retention {
        /// The retention as set.
        retention: Duration,
        /// The link lifetime as set.
        link_lifetime: Duration,
    },
    /// A directory of the store could not be made or opened. A symlink in its place is refused too,
    /// except for the root itself.
    #[error("failed to open the store's directory `{path}`")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Other users could replace the key or the content.
    #[error(
        "the store's directory `{path}` is writable by group or others, mode {mode:04o} \
         (hint: `chmod go-w` it, or name a directory in it that does not exist yet)"
    )]
    DirectoryShared {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another user owns the key, a directory of the store, or one above it, or can write there.
    #[error(
        "the store is not to be trusted (hint: set DATA_DIR to a directory that only root or this user can write to)"
    )]
    Untrusted {
        /// Who, and where.
        #[source]
        source: ownership::Refusal,
    },
    /// flock(2) failed, or the file system has none.
    #[error("failed to lock the store `{root}` (hint: the file system must support flock)")]
    Lock {
        /// The root of the store.
        root: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The key could not be read or made.
    #[error("failed to {step} the link key `{path}`")]
    Key {
        /// What was being done, as in "failed to ...".
        step: &'static str,
        /// The key file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something other than a regular file has the key's name.
    #[error("the link key `{path}` is not a regular file (hint: remove it)")]
    KeyKind {
        /// The key file.
        path: PathBuf,
    },
    /// Others may have read the key, so whoever they are could have made links.
    #[error(
        "the link key `{path}` is open to group or others, mode {mode:04o} \
         (hint: if nobody else can have read it, `chmod 600` it; else remove it, which ends all links)"
    )]
    KeyPermissions {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key is no key.
    #[error(
        "the link key `{path}` has {length} bytes, it must have {expected}, or a multiple of that for earlier keys \
         (hint: restore it, or remove it, which ends all links)"
    )]
    KeyLength {
        /// The key file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
        /// The length of a key in bytes.
        expected: usize,
    },
    /// There is no key to replace.
    #[error(
        "the store in `{root}` has no link key yet (hint: the service makes it at its first start; is DATA_DIR right?)"
    )]
    NoKey {
        /// The root of the store.
        root: PathBuf,
    },
    /// Another key may not be made yet.
    #[error(
        "{kept} earlier link keys still have living links, and no more are kept \
         (hint: wait for STORAGE_LINK_LIFETIME, or end all earlier links with --end-links)"
    )]
    TooManyKeys {
        /// How many are kept.
        kept: usize,
    },
    /// The sum of what is stored could not be read or made.
    #[error("failed to count what the store `{root}` holds")]
    Usage {
        /// The root of the store.
        root: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The leftovers of an earlier crash could not be listed.
    #[error("failed to list unfinished files in `{path}`")]
    Leftovers {
        /// The directory of unfinished files.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_checked() {
        let good = LocalConfig::new("store");
        assert!(good.check().is_ok());
        let hour = Duration::from_secs(3600);
        let short = LocalConfig { link_lifetime: Duration::from_millis(999), ..good.clone() };
        assert!(matches!(short.check(), Err(OpenError::Lifetime { setting: "link lifetime", .. })));
        let long = LocalConfig { retention: LIFETIME_MAX + hour, ..good.clone() };
        assert!(matches!(long.check(), Err(OpenError::Lifetime { setting: "retention", .. })));
        let inverted = LocalConfig { retention: hour, ..good.clone() };
        assert!(matches!(inverted.check(), Err(OpenError::Retention { .. })));
        let equal = LocalConfig { retention: good.link_lifetime, ..good };
        assert!(equal.check().is_ok());
    }
}
