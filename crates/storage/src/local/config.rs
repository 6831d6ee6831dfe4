//! Configuration of a local store, and why it may fail to open.

use std::path::PathBuf;
use std::time::Duration;

/// Minimum link lifetime and retention: tokens hold whole seconds.
pub const LIFETIME_MIN: Duration = Duration::from_secs(1);

/// Maximum link lifetime and retention: ten years, which keeps every sum of times in range.
pub const LIFETIME_MAX: Duration = Duration::from_secs(10 * 365 * DAY_S);

const DAY_S: u64 = 24 * 60 * 60;

/// Settings of a [`LocalStore`](crate::LocalStore).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalConfig {
    /// The directory of the store; created with mode 0700 if it is missing. It must be on one file system
    /// that has flock(2), and several processes may share it.
    pub root: PathBuf,
    /// How long a link is valid: [`LIFETIME_MIN`] to [`LIFETIME_MAX`], in whole seconds. Default 5 hours.
    pub link_lifetime: Duration,
    /// Maximum time that content is kept, whatever lifetime its link was made with, by this process or
    /// another; at least `link_lifetime`, at most [`LIFETIME_MAX`]. Default 7 days (`STORAGE_CLEANUP_DAYS`).
    /// Content is removed when its link expires.
    pub retention: Duration,
    /// Maximum size of everything stored, each file counted in blocks of 4096 bytes. Default 10 GiB
    /// (`STORAGE_MAX_SIZE`): the maximum output of 200 programs.
    pub bytes_max: u64,
    /// Share of the file system, of its bytes and of its inodes, that is kept free, in percent; never more
    /// than 4 GiB and 65,536 inodes. Default 5 (`STORAGE_MIN_FREE`).
    pub min_free_percent: u8,
    /// Free space below which the store reports itself unhealthy, in bytes. Default 50 MiB, the most that
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

    /// Checks the bounds given in the fields' documentation.
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
    /// A duration is out of bounds.
    #[error("the {setting} is {value:?}; allowed: {LIFETIME_MIN:?} to {LIFETIME_MAX:?}")]
    Lifetime {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: Duration,
    },
    /// Content would be removed while links to it are still valid.
    #[error("the retention {retention:?} is shorter than the link lifetime {link_lifetime:?}")]
    Retention {
        /// The configured retention.
        retention: Duration,
        /// The configured link lifetime.
        link_lifetime: Duration,
    },
    /// A directory of the store could not be created or opened. A symlink in its place is refused too,
    /// except for the root itself.
    #[error("failed to open the store's directory `{path}`")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The operating system's error.
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
    /// Another user owns the key, a directory of the store, or one above it, or can write to it.
    #[error(
        "the store cannot be trusted (hint: set DATA_DIR to a directory that only root or this user can write to)"
    )]
    Untrusted {
        /// The user and the path.
        #[source]
        source: ownership::Refusal,
    },
    /// flock(2) failed, or the file system does not support it.
    #[error("failed to lock the store `{root}` (hint: the file system must support flock)")]
    Lock {
        /// The root of the store.
        root: PathBuf,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// The key could not be read or created.
    #[error("failed to {step} the link key `{path}`")]
    Key {
        /// The step, as in "failed to ...".
        step: &'static str,
        /// The key file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// The key's path is not a regular file.
    #[error("the link key `{path}` is not a regular file (hint: remove it)")]
    KeyKind {
        /// The key file.
        path: PathBuf,
    },
    /// Other users may have read the key, so they could have made links.
    #[error(
        "the link key `{path}` is open to group or others, mode {mode:04o} \
         (hint: if no other user can have read it, `chmod 600` it; else remove it, which invalidates all links)"
    )]
    KeyPermissions {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold a key.
    #[error(
        "the link key `{path}` has {}, it must have {expected}, or a multiple of that for earlier keys \
         (hint: restore it, or remove it, which invalidates all links)",
        support::counted(*length, "byte")
    )]
    KeyLength {
        /// The key file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
        /// The length of a key in bytes.
        expected: usize,
    },
    /// There is no store yet.
    #[error("there is no store in `{root}` (DATA_DIR) (hint: the service makes it at its first start)")]
    NoStore {
        /// The directory without one.
        root: PathBuf,
    },
    /// There is no key to replace.
    #[error(
        "the store in `{root}` has no link key yet (hint: the service creates it on its first startup; check DATA_DIR)"
    )]
    NoKey {
        /// The root of the store.
        root: PathBuf,
    },
    /// There are too many earlier keys for another one.
    #[error(
        "{kept} earlier link keys still have valid links, and no more can be kept \
         (hint: wait for STORAGE_LINK_LIFETIME, or end all earlier links with --end-links)"
    )]
    TooManyKeys {
        /// Number of earlier keys.
        kept: usize,
    },
    /// The counter of stored bytes could not be read or made.
    #[error("failed to count the files in the store `{root}`")]
    Usage {
        /// The root of the store.
        root: PathBuf,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// The leftovers of an earlier crash could not be listed.
    #[error("failed to list unfinished files in `{path}`")]
    Leftovers {
        /// The directory of unfinished files.
        path: PathBuf,
        /// The operating system's error.
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
