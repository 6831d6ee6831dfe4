//! Whether the store could take a file now, found out by storing one.

use std::io::{self, Write as _};

use super::layout::Layout;
use super::temp::TempFile;
use crate::store::StoreHealth;

/// What the probe writes. More than a few bytes, so that no file system keeps it in the inode.
const PROBE: [u8; 4096] = [0x5A; 4096];

/// Locks the store, writes, syncs and removes a small file, and looks at the free space.
pub(super) fn probe(layout: &Layout, free_min_bytes: u64) -> StoreHealth {
    match write_and_remove(layout).and_then(|()| shortage(layout, free_min_bytes)) {
        Ok(None) => StoreHealth::healthy(),
        Ok(Some(shortage)) => StoreHealth::unhealthy(shortage),
        Err(error) => StoreHealth::unhealthy(format!("a test file could not be stored: {error}")),
    }
}

fn write_and_remove(layout: &Layout) -> io::Result<()> {
    let mut temp = TempFile::create(layout, &layout.lock()?)?;
    temp.file().write_all(&PROBE)?;
    temp.file().sync_data()?;
    temp.remove()
}

/// What there is too little of, if anything.
fn shortage(layout: &Layout, free_min_bytes: u64) -> io::Result<Option<String>> {
    let stat = rustix::fs::fstatvfs(layout.root())?;
    let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free_bytes < free_min_bytes {
        return Ok(Some(format!("{free_bytes} bytes of disk are free, {free_min_bytes} are wanted")));
    }
    // File systems without a fixed number of inodes (btrfs) say that they have none at all.
    if stat.f_files > 0 && stat.f_favail == 0 {
        return Ok(Some("the file system has no free inode".to_owned()));
    }
    Ok(None)
}
