//! Whether there is space for a file: within the store's own limit, and on the disk that it shares with
//! others.

use std::io;

use super::layout::{Layout, StoreLock};
use super::usage::{UsageFile, charge};

/// Maximum of the bytes that are kept free, whatever share is set: 4 GiB, as systemd-journald's
/// SystemKeepFree has it (journald.conf(5)). On a large disk a share alone would leave more unused than
/// needed.
const FREE_BYTES_MAX: u64 = 4 << 30;

/// Maximum of the inodes that are kept free.
const FREE_INODES_MAX: u64 = 65_536;

/// The limits of a store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    pub(super) bytes_max: u64,
    pub(super) min_free_percent: u8,
}

/// Why a file was not accepted: a clause for operators. It contains no path.
pub(super) type Shortage = String;

impl Space {
    /// What the store itself lacks for one more file of `size_bytes`.
    pub(super) fn in_store(
        self,
        usage: &UsageFile,
        lock: &StoreLock,
        size_bytes: u64,
    ) -> io::Result<Option<Shortage>> {
        let (used, max) = (usage.total(lock)?, self.bytes_max);
        let fits = used.saturating_add(charge(size_bytes)) <= max;
        Ok((!fits).then(|| {
            format!(
                "{used} of at most {max} bytes are stored (STORAGE_MAX_SIZE), {size_bytes} more are needed"
            )
        }))
    }

    /// What the disk lacks for one more file of `size_bytes`.
    pub(super) fn on_disk(self, layout: &Layout, size_bytes: u64) -> io::Result<Option<Shortage>> {
        let stat = rustix::fs::fstatvfs(layout.root())?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let keep = self.share(stat.f_blocks.saturating_mul(stat.f_frsize), FREE_BYTES_MAX);
        if keep > 0 && free.saturating_sub(size_bytes) < keep {
            return Ok(Some(format!(
                "{free} bytes of disk are free, {keep} are kept free (STORAGE_MIN_FREE), {size_bytes} are needed"
            )));
        }
        // File systems without a fixed number of inodes (btrfs) report a total of 0.
        let keep = self.share(stat.f_files, FREE_INODES_MAX);
        if stat.f_files > 0 && stat.f_favail < keep.max(1) {
            return Ok(Some(format!(
                "the disk has {}, {keep} are kept free (STORAGE_MIN_FREE)",
                support::counted(stat.f_favail, "free inode")
            )));
        }
        Ok(None)
    }

    fn share(self, whole: u64, max: u64) -> u64 {
        (whole / 100).saturating_mul(self.min_free_percent.into()).min(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_that_is_kept_free_is_bounded() {
        let space = |percent| Space { bytes_max: 0, min_free_percent: percent };
        assert_eq!(space(5).share(20_000_000, FREE_BYTES_MAX), 1_000_000);
        assert_eq!(space(5).share(1 << 50, FREE_BYTES_MAX), FREE_BYTES_MAX);
        assert_eq!(space(0).share(1 << 50, FREE_BYTES_MAX), 0);
        assert_eq!(space(50).share(u64::MAX, u64::MAX), u64::MAX / 100 * 50);
    }
}
