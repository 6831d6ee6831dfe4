//! Whether the store could accept a file now, tested by storing one.

use std::io::{self, Write as _};

use super::objects::Keeper;
use super::space::Shortage;
use super::temp::TempFile;
use crate::store::StoreHealth;

/// The content of the test file. More than a few bytes, so that no file system keeps it in the inode.
const PROBE: [u8; 4096] = [0x5A; 4096];

/// Part of the store's size limit that must be left for it to be healthy: a tenth, or the most that one
/// program may leave if that is less.
const SHARE_LEFT: u64 = 10;

/// Locks the store, writes, syncs and removes a small file, and checks for enough space for the output of one
/// program, `wanted_bytes`. A shortage is returned separately: cleaning may end it.
pub(super) fn probe(keeper: Keeper<'_>, wanted_bytes: u64) -> Result<Option<Shortage>, StoreHealth> {
    write_and_remove(keeper)
        .and_then(|()| shortage(keeper, wanted_bytes))
        .map_err(|error| StoreHealth::unhealthy(format!("a test file could not be stored: {error}")))
}

fn write_and_remove(keeper: Keeper<'_>) -> io::Result<()> {
    let layout = keeper.layout;
    let mut temp = TempFile::create(layout, &layout.lock()?)?;
    temp.file().write_all(&PROBE)?;
    temp.file().sync_data()?;
    temp.remove()
}

/// What there is too little of, if anything.
fn shortage(
    Keeper { layout, usage, space, .. }: Keeper<'_>,
    wanted_bytes: u64,
) -> io::Result<Option<Shortage>> {
    let stat = rustix::fs::fstatvfs(layout.root())?;
    let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free_bytes < wanted_bytes {
        return Ok(Some(format!("{free_bytes} bytes of disk are free, {wanted_bytes} are needed")));
    }
    if let Some(shortage) = space.on_disk(layout, wanted_bytes)? {
        return Ok(Some(shortage));
    }
    space.in_store(usage, &layout.lock()?, wanted_bytes.min(space.bytes_max / SHARE_LEFT))
}
