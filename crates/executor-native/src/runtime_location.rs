//! Where the runtime's files are while programs run: in a sealed copy in memory, or on their disk.
//!
//! In memory, programs share nothing they read with the host: no disk to keep busy, no cache of pages or
//! names in which one program leaves something that a later one can see. The copy costs the tree's size for
//! as long as the service runs. On disk, the seccomp filter keeps programs from bypassing the page cache, the
//! files are read ahead once so that programs find them there, and the dentries of a program's own look-ups
//! are dropped with its sandbox.

use crate::disk_reads::ReadLimit;
use rustix::fs::Advice;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Memory that must be left besides the runtime's copy, in bytes: for a handful of sandboxes and the service
/// itself.
const LEFT_BYTES_MIN: u64 = 512 << 20;
/// Memory that a file takes besides its pages, in bytes: an inode and a name.
const FILE_BYTES: u64 = 1024;
/// Page size that sizes are rounded up to, in bytes.
const PAGE_BYTES: u64 = 4096;

/// Where the runtime is: decided before the first launcher, and changed only by the code that starts
/// launchers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RuntimeLocation {
    /// In a copy in memory.
    Memory {
        /// An upper bound of the tree's size.
        bytes_max: u64,
        /// The size of the copy, once there is one.
        bytes: Option<u64>,
    },
    /// On its disk.
    Disk {
        /// Why it is not in memory.
        why: String,
        /// Whether reads from there are limited, once a launcher runs.
        reads: Option<ReadLimit>,
    },
}

impl RuntimeLocation {
    /// Decides for the tree below `rootfs`, which may take `bytes_max` of the available memory; 0 to leave it
    /// on its disk. `None` if the available memory is unknown.
    pub(crate) fn choose(rootfs: &Path, bytes_max: u64, memory_left: Option<u64>) -> Self {
        let disk = |why: String| Self::Disk { why, reads: None };
        if bytes_max == 0 {
            return disk("NATIVE_RUNTIME_MEMORY is 0".to_owned());
        }
        let bytes = match tree_bytes(rootfs, bytes_max) {
            Ok(bytes) if bytes <= bytes_max => bytes,
            Ok(_) => {
                return disk(format!("it is larger than NATIVE_RUNTIME_MEMORY ({} MiB)", bytes_max >> 20));
            }
            Err(error) => return disk(format!("failed to measure it: {error}")),
        };
        match memory_left {
            Some(left) if left < bytes.saturating_add(LEFT_BYTES_MIN) => disk(format!(
                "it does not fit: it needs {} MiB, and {} MiB of memory are available",
                bytes >> 20,
                left >> 20
            )),
            _ => Self::Memory { bytes_max: bytes, bytes: None },
        }
    }

    /// Whether it is read from its disk.
    pub(crate) fn is_on_disk(&self) -> bool {
        matches!(self, Self::Disk { .. })
    }
}

/// The text in `/health`.
impl fmt::Display for RuntimeLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { bytes_max, bytes } => {
                write!(f, "a sealed copy in memory, {} MiB", bytes.unwrap_or(*bytes_max) >> 20)
            }
            Self::Disk { why, reads } => {
                write!(f, "on its disk, read ahead, no direct reads: {why}")?;
                reads.as_ref().map_or(Ok(()), |reads| write!(f, "; {reads}"))
            }
        }
    }
}

/// The tree's size in memory, in bytes; stops counting above `enough`.
fn tree_bytes(rootfs: &Path, enough: u64) -> io::Result<u64> {
    let mut bytes = 0u64;
    for_each_file(rootfs, &mut |entry| {
        let pages = if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            entry.metadata()?.size().div_ceil(PAGE_BYTES)
        } else {
            0
        };
        bytes = bytes.saturating_add(pages.saturating_mul(PAGE_BYTES).saturating_add(FILE_BYTES));
        Ok(bytes <= enough)
    })?;
    Ok(bytes)
}

/// Calls `look` with every entry below a directory until it returns false.
fn for_each_file(top: &Path, look: &mut dyn FnMut(&fs::DirEntry) -> io::Result<bool>) -> io::Result<()> {
    let mut directories: Vec<PathBuf> = vec![top.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if !look(&entry)? {
                return Ok(());
            }
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Makes the kernel read every file of the tree into its page cache, in a background thread: programs then
/// find them there, and none learns from the time of a read whether another had read the same file.
pub(crate) fn read_ahead(rootfs: PathBuf) {
    let read = move || {
        let result = for_each_file(&rootfs, &mut |entry| {
            if entry.file_type()?.is_file() {
                // A file that cannot be opened is of no use to programs either.
                if let Ok(file) = fs::File::open(entry.path()) {
                    rustix::fs::fadvise(&file, 0, None, Advice::WillNeed)?;
                }
            }
            Ok(true)
        });
        if let Err(error) = result {
            tracing::warn!(%error, "failed to read the runtime ahead");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("read-ahead".to_owned()).spawn(read) {
        tracing::warn!(%error, "failed to start reading the runtime ahead");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(name: &str) -> PathBuf {
        let top = std::env::temp_dir().join(format!("runtime-place-{}-{name}", std::process::id()));
        fs::create_dir_all(top.join("lib")).unwrap();
        fs::write(top.join("lib/a"), vec![0; 5000]).unwrap();
        fs::write(top.join("lib/b"), b"x").unwrap();
        top
    }

    #[test]
    fn a_tree_counts_in_pages_and_entries() {
        let top = tree("counts");
        assert_eq!(tree_bytes(&top, u64::MAX).unwrap(), 3 * PAGE_BYTES + 3 * FILE_BYTES);
        fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn what_is_larger_than_allowed_or_switched_off_stays_on_disk() {
        let top = tree("larger");
        assert!(matches!(RuntimeLocation::choose(&top, 0, None), RuntimeLocation::Disk { .. }));
        let RuntimeLocation::Disk { why, .. } = RuntimeLocation::choose(&top, 4096, None) else {
            panic!("too large")
        };
        assert!(why.contains("NATIVE_RUNTIME_MEMORY"), "{why}");
        assert!(!RuntimeLocation::choose(&top, 1 << 20, None).is_on_disk());
        assert!(!RuntimeLocation::choose(&top, 1 << 20, Some(1 << 30)).is_on_disk());
        let RuntimeLocation::Disk { why, .. } = RuntimeLocation::choose(&top, 1 << 20, Some(LEFT_BYTES_MIN))
        else {
            panic!("it does not fit")
        };
        assert!(why.contains("512 MiB of memory are available"), "{why}");
        fs::remove_dir_all(top).unwrap();
    }
}
