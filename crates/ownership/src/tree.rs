//! Judges a directory with what is in it.

use crate::error::Refusal;
use crate::trusted::Trusted;
use crate::way::{self, Found};
use crate::{judge, mounts};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Judges the way to a directory, the directory, and what lies at most `depth_max` levels below it (0: nothing). Links in
/// it are not followed, since the tree is somebody's root file system and they lead elsewhere there; what they lead to in
/// the tree is judged where it lies. One that is missing is good: it holds no orders.
///
/// # Errors
/// [`Refusal`]: who else can change it or a part of it, or what could not be examined.
pub fn check_tree(root: &Path, depth_max: usize) -> Result<(), Refusal> {
    check(root, depth_max, &Trusted::this_process())
}

pub(crate) fn check(root: &Path, depth_max: usize, trusted: &Trusted) -> Result<(), Refusal> {
    if way::check(root, trusted)? == Found::Missing {
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
            judge::end(root, &path, &metadata, trusted)?;
            if metadata.is_dir() {
                pending.push((path, depth + 1));
            }
        }
    }
    Ok(())
}
