//! The disk that holds a directory, as seen by cgroups: a whole disk, by its device number.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Block devices by number, as links into the device tree (Documentation/ABI/stable/sysfs-block).
const BLOCK_DEVICES: &str = "/sys/dev/block";

/// A whole block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    major: u32,
    minor: u32,
}

/// Why there is no disk on which reads could be limited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// Major number 0: the number was made up by the file system (Documentation/admin-guide/devices.txt).
    #[error(
        "`{path}` is on a file system without its own block device, such as btrfs, zfs, overlay or a \
         network file system"
    )]
    Anonymous {
        /// The directory.
        path: PathBuf,
    },
    /// The kernel gives no disk.
    #[error("find the disk of `{path}`")]
    Unknown {
        /// The directory, or the entry in sysfs.
        path: PathBuf,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
}

impl Disk {
    /// The disk of a directory's file system. For a partition, its disk: limits of cgroups apply to whole
    /// disks (cgroup-v2.rst, "io.max"). A device composed of others (LVM, RAID, encryption, loop) counts as a
    /// disk.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn of(directory: &Path) -> Result<Self, DiskError> {
        let unknown = |source| DiskError::Unknown { path: directory.to_owned(), source };
        let number = fs::metadata(directory).map_err(unknown)?.dev();
        let device = Self { major: rustix::fs::major(number), minor: rustix::fs::minor(number) };
        if device.major == 0 {
            return Err(DiskError::Anonymous { path: directory.to_owned() });
        }
        device.whole(Path::new(BLOCK_DEVICES))
    }

    /// This device, or the one that it is a partition of.
    fn whole(self, block_devices: &Path) -> Result<Self, DiskError> {
        let entry = block_devices.join(self.to_string());
        let unknown = |path: &Path, source| DiskError::Unknown { path: path.to_owned(), source };
        let entry = fs::canonicalize(&entry).map_err(|source| unknown(&entry, source))?;
        match fs::metadata(entry.join("partition")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(self),
            found => found.map_err(|source| unknown(&entry, source))?,
        };
        // A partition's directory is inside its disk's.
        let number = entry.parent().unwrap_or(&entry).join("dev");
        let text = fs::read_to_string(&number).map_err(|source| unknown(&number, source))?;
        Self::parse(text.trim()).ok_or_else(|| unknown(&number, io::ErrorKind::InvalidData.into()))
    }

    #[cfg(test)]
    pub(crate) fn for_tests(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once(':')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Sysfs with a disk 8:0 and its partition 8:2, and a device 253:1 without partitions.
    fn sysfs() -> PathBuf {
        let top = std::env::temp_dir().join(crate::tests::unique("sysfs"));
        for (directory, number) in [("sda", "8:0"), ("sda/sda2", "8:2"), ("dm-1", "253:1")] {
            let directory = top.join("devices").join(directory);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("dev"), format!("{number}\n")).unwrap();
            fs::create_dir_all(top.join("block")).unwrap();
            symlink(&directory, top.join("block").join(number)).unwrap();
        }
        fs::write(top.join("devices/sda/sda2/partition"), "2\n").unwrap();
        top
    }

    #[test]
    fn a_partition_stands_for_its_disk() {
        let top = sysfs();
        let whole = |number: &str| Disk::parse(number).unwrap().whole(&top.join("block"));
        for (device, disk) in [("8:0", "8:0"), ("8:2", "8:0"), ("253:1", "253:1")] {
            assert_eq!(whole(device).unwrap().to_string(), disk);
        }
        assert!(matches!(whole("9:9"), Err(DiskError::Unknown { path, .. }) if path.ends_with("9:9")));
        fs::write(top.join("devices/sda/dev"), "nonsense").unwrap();
        assert!(matches!(whole("8:2"), Err(DiskError::Unknown { path, .. }) if path.ends_with("sda/dev")));
        fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn a_file_system_without_a_device_has_no_disk() {
        let error = Disk::of(Path::new("/proc")).unwrap_err();
        assert!(matches!(&error, DiskError::Anonymous { .. }), "{error}");
        assert!(matches!(Disk::of(Path::new("/nowhere")), Err(DiskError::Unknown { .. })));
    }
}
