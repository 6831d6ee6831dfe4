//! Checks one file or directory by its owner and mode.

use crate::error::{Cause, Refusal};
use crate::trusted::Trusted;
use crate::{accounts, namespace};
use rustix::io::Errno;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const GROUP_WRITE: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
const PERMISSION_BITS: u32 = 0o7777;

/// Whether others may create entries in the directory, but not replace those of other users.
pub(crate) fn is_shared_sticky(metadata: &Metadata) -> bool {
    let mode = metadata.mode();
    metadata.is_dir() && mode & STICKY != 0 && mode & (GROUP_WRITE | OTHERS_WRITE) != 0
}

/// Checks a directory on the way to `path`. One with the sticky bit is valid: the owner of its entry is
/// checked next.
pub(crate) fn passed(path: &Path, at: &Path, metadata: &Metadata, trusted: &Trusted) -> Result<(), Refusal> {
    owner(path, at, metadata, trusted)?;
    if is_shared_sticky(metadata) { Ok(()) } else { mode(path, at, metadata, trusted) }
}

/// Checks the end of the path. A directory that others may create entries in does not count as ours, sticky
/// or not.
pub(crate) fn end(path: &Path, at: &Path, metadata: &Metadata, trusted: &Trusted) -> Result<(), Refusal> {
    owner(path, at, metadata, trusted)?;
    mode(path, at, metadata, trusted)
}

/// Checks only the owner: a link has no other relevant attribute.
pub(crate) fn owner(path: &Path, at: &Path, metadata: &Metadata, trusted: &Trusted) -> Result<(), Refusal> {
    let uid = metadata.uid();
    if trusted.has(uid) {
        return Ok(());
    }
    if !namespace::is_unmapped(uid) {
        return refuse(path, at, Cause::Owner { uid });
    }
    if namespace::is_of_the_system(at) { Ok(()) } else { refuse(path, at, Cause::Unmapped) }
}

fn mode(path: &Path, at: &Path, metadata: &Metadata, trusted: &Trusted) -> Result<(), Refusal> {
    let mode = metadata.mode() & PERMISSION_BITS;
    if mode & OTHERS_WRITE != 0 {
        return refuse(path, at, Cause::Everybody { mode });
    }
    if mode & GROUP_WRITE != 0 {
        let gid = metadata.gid();
        if !accounts::is_own_group(gid, trusted) {
            return refuse(path, at, Cause::Group { gid, mode });
        }
        if has_access_list(at) {
            return refuse(path, at, Cause::AccessList);
        }
    }
    Ok(())
}

/// Whether the file has a list in addition to its mode; one that cannot be read counts as present.
fn has_access_list(at: &Path) -> bool {
    let none: &mut [u8] = &mut [];
    // An empty buffer asks for the length.
    match rustix::fs::getxattr(at, "system.posix_acl_access", none) {
        Ok(_) => true,
        Err(Errno::NODATA | Errno::NOTSUP) => false,
        Err(_) => true,
    }
}

/// Another user can change it, here and in this way.
pub(crate) fn refuse(path: &Path, at: &Path, cause: Cause) -> Result<(), Refusal> {
    Err(Refusal::Untrusted { path: path.to_owned(), at: at.to_owned(), cause })
}
