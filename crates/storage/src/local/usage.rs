//! The store's size, counted once for all processes that share it.
//!
//! ```text
//! root/usage     256 numbers of 8 bytes, big endian: the bytes charged to each object directory, 00 to ff, with
//!                the records of its objects
//! ```
//!
//! Every change happens under the store's lock, together with the rename or removal that it counts: so the
//! sum is right for every process at every put, and costs a put one read and one write of a cached page. If a
//! process was killed between the two, [`UsageFile::measure`] corrects the sum directory by directory, with
//! every clean.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{AtFlags, FileType, OFlags};
use rustix::io::Errno;

use super::layout::{self, FILE_MODE, Layout, StoreLock};
use crate::object_name::ObjectName;

/// Directories of objects: the first byte of the name.
pub(super) const SHARDS: usize = 256;

/// Minimum and granularity of the bytes charged for a file: the block of common file systems. Without it,
/// empty files would be free, and fill the file system's tables instead.
const BLOCK_BYTES: u64 = 4096;

const ENTRY_BYTES: usize = 8;
const USAGE: &str = "usage";

/// The bytes charged for a file of `size_bytes`.
pub(super) fn charge(size_bytes: u64) -> u64 {
    size_bytes.max(1).div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES)
}

/// The bytes charged for a file of `size_bytes` that has a record.
pub(super) fn charge_with_record(size_bytes: u64) -> u64 {
    charge(size_bytes).saturating_add(BLOCK_BYTES)
}

/// The counter of a store, held open.
#[derive(Debug)]
pub(super) struct UsageFile {
    file: File,
}

impl UsageFile {
    /// Opens the counter, and counts everything once if there is none yet.
    pub(super) fn open(layout: &Layout) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(layout.root(), USAGE, flags, FILE_MODE)?);
        let usage = Self { file };
        if usage.file.metadata()?.len() != (SHARDS * ENTRY_BYTES) as u64 {
            for shard in 0..SHARDS {
                usage.measure(layout, &layout.lock()?, shard)?;
            }
        }
        Ok(usage)
    }

    /// The bytes charged for everything that is stored.
    pub(super) fn total(&self, _lock: &StoreLock) -> io::Result<u64> {
        let mut bytes = [0; SHARDS * ENTRY_BYTES];
        self.file.read_exact_at(&mut bytes, 0)?;
        let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
        Ok(entries.iter().fold(0, |sum, entry| sum.saturating_add(u64::from_be_bytes(*entry))))
    }

    /// Adds a file of `size_bytes`.
    pub(super) fn add(&self, _lock: &StoreLock, name: &ObjectName, size_bytes: u64) -> io::Result<()> {
        self.change(name.shard_number(), |entry| entry.saturating_add(charge(size_bytes)))
    }

    /// Subtracts a file of `size_bytes`.
    pub(super) fn subtract(&self, _lock: &StoreLock, name: &ObjectName, size_bytes: u64) -> io::Result<()> {
        self.change(name.shard_number(), |entry| entry.saturating_sub(charge(size_bytes)))
    }

    /// Subtracts a record.
    pub(super) fn subtract_record(&self, lock: &StoreLock, name: &ObjectName) -> io::Result<()> {
        self.subtract(lock, name, BLOCK_BYTES)
    }

    fn change(&self, shard: usize, change: impl FnOnce(u64) -> u64) -> io::Result<()> {
        let offset = (shard * ENTRY_BYTES) as u64;
        let mut entry = [0; ENTRY_BYTES];
        self.file.read_exact_at(&mut entry, offset)?;
        self.file.write_all_at(&change(u64::from_be_bytes(entry)).to_be_bytes(), offset)
    }

    /// Counts the files of one directory again.
    pub(super) fn measure(&self, layout: &Layout, _lock: &StoreLock, shard: usize) -> io::Result<()> {
        let name = format!("{shard:02x}");
        let mut sum = match layout::open_directory(layout.objects(), &name) {
            Ok(dir) => sum_of_objects(dir.as_fd(), &name)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        if let Some(dir) = layout.waiting(&name)? {
            let records = layout::names(dir.as_fd())?;
            let ours = records.into_iter().filter_map(|record| layout::record_of(&name, record));
            sum = ours.fold(sum, |sum, _| sum.saturating_add(BLOCK_BYTES));
        }
        self.file.write_all_at(&sum.to_be_bytes(), (shard * ENTRY_BYTES) as u64)
    }
}

/// The bytes charged for the objects in one directory.
fn sum_of_objects(dir: BorrowedFd<'_>, shard: &str) -> io::Result<u64> {
    let mut sum = 0_u64;
    for name in layout::names(dir)?.into_iter().filter_map(|name| ObjectName::parse(shard, name)) {
        match rustix::fs::statat(dir, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                sum = sum.saturating_add(charge(u64::try_from(stat.st_size).unwrap_or_default()));
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_counts_its_blocks_and_an_empty_one_counts_too() {
        for (size, charged) in [(0, 4096), (1, 4096), (4096, 4096), (4097, 8192), (u64::MAX, u64::MAX)] {
            assert_eq!(charge(size), charged, "{size}");
        }
    }

    #[test]
    fn what_is_there_is_counted_at_the_first_start_and_after_damage() {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::open(place.path()).unwrap();
        let shard = place.path().join("objects/ab");
        fs::create_dir(&shard).unwrap();
        fs::write(shard.join("ab".repeat(32)), [0; 5000]).unwrap();
        fs::write(shard.join("not-ours"), [0; 5000]).unwrap();
        std::os::unix::fs::symlink("/", shard.join("abcd".repeat(16))).unwrap();
        let total = |usage: &UsageFile| usage.total(&layout.lock().unwrap()).unwrap();
        assert_eq!(total(&UsageFile::open(&layout).unwrap()), 8192);
        for damage in [&b""[..], b"short", &[1; 3000]] {
            fs::write(place.path().join("usage"), damage).unwrap();
            // Longer than it should be: the rest is not read.
            assert_eq!(total(&UsageFile::open(&layout).unwrap()), 8192);
        }
    }

    #[test]
    fn a_sum_never_goes_below_nothing() {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::open(place.path()).unwrap();
        let usage = UsageFile::open(&layout).unwrap();
        let lock = layout.lock().unwrap();
        let name = ObjectName::new(&[0xAB; 32]);
        usage.add(&lock, &name, 1).unwrap();
        usage.subtract(&lock, &name, 1 << 30).unwrap();
        assert_eq!(usage.total(&lock).unwrap(), 0);
    }
}
