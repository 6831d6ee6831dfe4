//! File systems in image files: write access to the image means control of every inode in it.
//!
//! The kernel's sysfs says which block device is below which (`slaves`), and which file is below a loop
//! device. The path of that file is as its opener saw it, so an image from another mount namespace may have
//! the path of a file of ours; an ordinary user can attach one only through udisks2, which [`crate::mounts`]
//! recognizes by its record.

use crate::error::Refusal;
use crate::path_walk::{self, Found};
use crate::trusted::Trusted;
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Maximum nesting of images. The path of one may lead into itself, see above.
const DEPTH_MAX: u32 = 8;

/// Maximum number of block devices below one file system: a bound for the loop; arrays of disks have some
/// dozens.
const DEVICES_MAX: usize = 1024;

/// Checks the images that the file system of `at` consists of, given its device, `major:minor`, and source as
/// in mountinfo.
pub(crate) fn check(
    (path, at): (&Path, &Path),
    (device, source): (&str, &str),
    trusted: &Trusted,
    depth: u32,
) -> Result<(), Refusal> {
    let device = if device.starts_with("0:") { named_by(source) } else { Some(device.to_owned()) };
    // A file system without a block device, such as tmpfs or a network file system.
    let Some(device) = device else { return Ok(()) };
    let known = PathBuf::from("/sys/dev/block").join(device);
    let images =
        images_below(&known).map_err(|source| Refusal::Mounts { at: at.to_owned(), table: known, source })?;
    for image in images {
        let checked = if depth == DEPTH_MAX {
            Err(Refusal::Examine { path: image.clone(), source: Errno::LOOP.into() })
        } else {
            path_walk::check_image(&image, trusted, depth + 1)
        };
        let why = match checked {
            Ok(Found::There) => continue,
            Ok(Found::Missing) => {
                Refusal::Examine { path: image.clone(), source: io::ErrorKind::NotFound.into() }
            }
            Err(why) => why,
        };
        return Err(Refusal::Image { path: path.to_owned(), at: at.to_owned(), image, why: Box::new(why) });
    }
    Ok(())
}

/// The device that a source names: btrfs has one, but its mounts have a separate device number.
fn named_by(source: &str) -> Option<String> {
    let metadata = fs::metadata(Path::new(source).has_root().then_some(source)?).ok()?;
    let number = metadata.rdev();
    let is_block = metadata.file_type().is_block_device();
    is_block.then(|| format!("{}:{}", rustix::fs::major(number), rustix::fs::minor(number)))
}

/// The files below a block device, which is a directory of sysfs.
fn images_below(device: &Path) -> io::Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    let mut devices = vec![fs::canonicalize(device)?];
    let mut next = 0;
    while let Some(device) = devices.get(next).cloned() {
        next += 1;
        match fs::read(device.join("loop/backing_file")) {
            Ok(bytes) => images.push(path_of(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut below = Vec::new();
        match fs::read_dir(device.join("slaves")) {
            Ok(entries) => {
                for entry in entries {
                    below.push(fs::canonicalize(entry?.path())?);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if device.join("partition").exists() {
            below.extend(device.parent().map(Path::to_owned));
        }
        for device in below {
            if !devices.contains(&device) {
                devices.push(device);
            }
        }
        if devices.len() > DEVICES_MAX {
            return Err(Errno::LOOP.into());
        }
    }
    Ok(images)
}

fn path_of(line: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(line.strip_suffix(b"\n").unwrap_or(line)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn images_are_found_through_partitions_and_mapped_devices() {
        let place = tempfile::tempdir().unwrap();
        let sys = fs::canonicalize(place.path()).unwrap();
        for directory in ["dm-0/slaves", "loop0/loop", "loop0/loop0p1", "vda/slaves"] {
            fs::create_dir_all(sys.join(directory)).unwrap();
        }
        fs::write(sys.join("loop0/loop/backing_file"), "/home/mallory/an image\n").unwrap();
        fs::write(sys.join("loop0/loop0p1/partition"), "1\n").unwrap();
        symlink("../../loop0/loop0p1", sys.join("dm-0/slaves/loop0p1")).unwrap();
        let image = vec![PathBuf::from("/home/mallory/an image")];
        for device in ["loop0", "loop0/loop0p1", "dm-0"] {
            assert_eq!(images_below(&sys.join(device)).unwrap(), image, "{device}");
        }
        assert_eq!(images_below(&sys.join("vda")).unwrap(), Vec::<PathBuf>::new());
        assert!(images_below(&sys.join("nothing")).is_err());
    }
}
