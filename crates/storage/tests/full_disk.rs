//! A disk that is really full: a file system of 64 KiB. Needs permission to mount.

#![allow(clippy::print_stderr, reason = "a failed unmount must be seen")]

mod common;

use std::path::Path;

use common::{by, files_below, new_file, token};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use storage::{LocalConfig, LocalStore, PutError, Store};

/// A small tmpfs, unmounted on drop, even if the test fails.
struct SmallDisk<'a> {
    path: &'a Path,
}

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path, options: &std::ffi::CStr) -> rustix::io::Result<Self> {
        mount("tmpfs", path, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, options)?;
        Ok(Self { path })
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        if let Err(error) = unmount(self.path, UnmountFlags::DETACH) {
            eprintln!("failed to unmount {}: {error}", self.path.display());
        }
    }
}

/// Mounts, or skips the test.
fn small_disk<'a>(path: &'a Path, options: &std::ffi::CStr) -> Option<SmallDisk<'a>> {
    match SmallDisk::mount(path, options) {
        Ok(disk) => Some(disk),
        Err(error) => testkit::skip(format_args!("cannot mount a small tmpfs ({error}); run as root")),
    }
}

#[tokio::test]
async fn a_full_disk_fails_that_file_alone_and_leaves_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_disk) = small_disk(dir.path(), c"size=64k,mode=0700") else { return };
    let root = dir.path().join("store");
    let config = LocalConfig { free_min_bytes: 0, min_free_percent: 0, ..LocalConfig::new(&root) };
    let store = LocalStore::open(config.clone()).unwrap();
    assert!(store.health().await.healthy);
    let free_bytes = || {
        let stat = rustix::fs::statvfs(dir.path()).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    let free_before = free_bytes();

    let error = store.put(new_file("large.bin", vec![1; 100 * 1024]), by()).await.unwrap_err();
    assert!(error.is_full(), "{error:?}");
    assert!(files_below(&root.join("tmp")).is_empty());
    assert!(files_below(&root.join("objects")).is_empty());
    assert_eq!(free_bytes(), free_before);

    // A smaller file of the same program still fits.
    let stored = store.put(new_file("small.bin", vec![2; 1024]), by()).await.unwrap();
    store.open_link(token(&stored)).await.unwrap();

    // Filled to the last page: unhealthy, yet stored files can be downloaded.
    for i in 0..100_u8 {
        if store.put(new_file("filler.bin", vec![i.wrapping_add(3); 4096]), by()).await.is_err() {
            break;
        }
    }
    assert_eq!(free_bytes(), 0);
    let health = store.health().await;
    assert!(!health.healthy);
    assert!(health.reason.unwrap().contains("No space left"));
    store.open_link(token(&stored)).await.unwrap();
    LocalStore::open(config).expect("a full disk does not stop a start");
}

/// The share that is kept free, on a disk of known size: 1 MiB, half of which is kept free.
#[tokio::test]
async fn a_share_of_the_disk_is_kept_free() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_disk) = small_disk(dir.path(), c"size=1m,nr_inodes=1000,mode=0700") else { return };
    let root = dir.path().join("store");
    let config = LocalConfig { free_min_bytes: 0, min_free_percent: 50, ..LocalConfig::new(&root) };
    let store = LocalStore::open(config).unwrap();
    let mut kept = 0_u64;
    let error = loop {
        match store.put(new_file("a.bin", vec![7; 64 * 1024]), by()).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, PutError::NoRoom { reason } if reason.contains("STORAGE_MIN_FREE")), "{error}");
    assert!((6..8).contains(&kept), "{kept}");
    for i in 0..1000 {
        if let Err(error) = store.put(new_file("a.bin", ""), by()).await {
            assert!(error.is_full() && error.to_string().contains("inodes"), "{i}: {error}");
            assert!(i < 500, "{i}");
            break;
        }
    }
    let health = store.health().await;
    assert!(!health.healthy && health.reason.as_ref().unwrap().contains("STORAGE_MIN_FREE"), "{health:?}");
}

#[tokio::test]
async fn a_disk_without_inodes_is_full_and_unhealthy() {
    let dir = tempfile::tempdir().unwrap();
    // Of 12 inodes the mount point, root, objects, tmp, lock, key and usage take seven, each object two.
    let Some(_disk) = small_disk(dir.path(), c"size=1m,nr_inodes=12,mode=0700") else { return };
    let root = dir.path().join("store");
    let store =
        LocalStore::open(LocalConfig { free_min_bytes: 0, min_free_percent: 0, ..LocalConfig::new(&root) })
            .unwrap();
    let mut error = None;
    for i in 0..20_u8 {
        error = store.put(new_file("a.bin", vec![i; 10]), by()).await.err();
        if error.is_some() {
            break;
        }
    }
    assert!(error.expect("no inode is left").is_full());
    assert!(files_below(&root.join("tmp")).is_empty());
    let free_inodes = rustix::fs::statvfs(dir.path()).unwrap().f_favail;
    if free_inodes == 0 {
        assert!(!store.health().await.healthy);
    }
}
