//! Checks a directory with its contents.

use crate::error::Refusal;
use crate::path_walk::{self, Found};
use crate::trusted::Trusted;
use crate::{file_check, mounts};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Checks the path to a directory, the directory, and everything at most `depth_max` levels below it (0:
/// nothing). Links in it are not followed, since the tree is another root file system and they lead elsewhere
/// there; their targets in the tree are checked where they are. A missing directory is valid: it controls
/// nothing.
///
/// # Errors
/// [`Refusal`]: who else can change it or a part of it, or what could not be examined.
pub fn check_tree(root: &Path, depth_max: usize) -> Result<(), Refusal> {
    check(root, depth_max, &Trusted::this_process())
}

pub(crate) fn check(root: &Path, depth_max: usize, trusted: &Trusted) -> Result<(), Refusal> {
    if path_walk::check(root, trusted)? == Found::Missing {
        return Ok(());
    }
    // Each once: files of overlayfs have the devices of its layers.
    let mut devices = HashSet::new();
    let mut pending: Vec<(PathBuf, usize)> = vec![(root.to_owned(), 0)];
    while let Some((directory, depth)) = pending.pop() {
        if depth == depth_max {
            continue;
        }
        let failed = |source| Refusal::Examine { path: directory.clone(), source };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let metadata =
                entry.metadata().map_err(|source| Refusal::Examine { path: path.clone(), source })?;
            if metadata.is_symlink() {
                continue;
            }
            if devices.insert(metadata.dev()) {
                mounts::check(root, &path, trusted, 0)?;
            }
            file_check::end(root, &path, &metadata, trusted)?;
            if metadata.is_dir() {
                pending.push((path, depth + 1));
            }
        }
    }
    Ok(())
}
