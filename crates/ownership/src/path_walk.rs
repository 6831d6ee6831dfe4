//! Follows the path to a file as the kernel does (path_resolution(7)) and checks each part of it.

use crate::error::Refusal;
use crate::trusted::Trusted;
use crate::{file_check, mounts};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Maximum number of symbolic links on one path; the kernel's own limit (path_resolution(7), since Linux
/// 4.2).
const LINKS_MAX: u32 = 40;

/// The result for a path that no other user can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a file that was missing can still be made by others"]
pub enum Found {
    /// The file or directory, which no other user can change either.
    There,
    /// Nothing. In a directory with the sticky bit, such as `/tmp`, others can still create it, so check
    /// again after creating it.
    Missing,
}

/// See [`crate::check`].
pub(crate) fn check(path: &Path, trusted: &Trusted) -> Result<Found, Refusal> {
    check_image(path, trusted, 0)
}

/// The same for an image that is inside `depth - 1` others.
pub(crate) fn check_image(path: &Path, trusted: &Trusted, depth: u32) -> Result<Found, Refusal> {
    let absolute =
        std::path::absolute(path).map_err(|source| Refusal::Examine { path: path.to_owned(), source })?;
    let mut path_walk = PathWalk { path, trusted, depth, at: PathBuf::new(), metadata: None, device: None };
    path_walk.go_to_root(absolute == Path::new("/"))?;
    let mut pending = steps(&absolute);
    let mut links = 0;
    while let Some(step) = pending.pop() {
        let is_last = pending.is_empty();
        let Step::Into(name) = step else {
            let above = path_walk.at.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
            let metadata = examine(&above)?;
            path_walk.enter(above, metadata, is_last)?;
            continue;
        };
        let next = path_walk.at.join(name);
        let metadata = match examine(&next) {
            Err(Refusal::Examine { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Found::Missing);
            }
            examined => examined?,
        };
        if !metadata.is_symlink() {
            path_walk.enter(next, metadata, is_last)?;
            continue;
        }
        // A link is never written to, only replaced, by a user who can write to its directory; with the
        // sticky bit there, by its owner.
        if path_walk.metadata.as_ref().is_some_and(file_check::is_shared_sticky) {
            file_check::owner(path, &next, &metadata, trusted)?;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(Refusal::Examine { path: next, source: Errno::LOOP.into() });
        }
        let target = fs::read_link(&next).map_err(|source| Refusal::Examine { path: next, source })?;
        let more = steps(&target);
        if target.is_absolute() {
            path_walk.go_to_root(more.is_empty() && is_last)?;
        }
        pending.extend(more);
    }
    Ok(Found::There)
}

enum Step {
    Up,
    Into(OsString),
}

/// The parts of a path, the last one first.
fn steps(path: &Path) -> Vec<Step> {
    let parts = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(Step::Into(name.to_owned())),
        Component::ParentDir => Some(Step::Up),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    parts.collect()
}

struct PathWalk<'a> {
    /// The requested path.
    path: &'a Path,
    trusted: &'a Trusted,
    depth: u32,
    /// How far it has been checked.
    at: PathBuf,
    metadata: Option<Metadata>,
    device: Option<u64>,
}

impl PathWalk<'_> {
    fn go_to_root(&mut self, is_last: bool) -> Result<(), Refusal> {
        let root = PathBuf::from("/");
        let metadata = examine(&root)?;
        self.enter(root, metadata, is_last)
    }

    /// Checks a part that is not a link and enters it.
    fn enter(&mut self, at: PathBuf, metadata: Metadata, is_last: bool) -> Result<(), Refusal> {
        if self.device != Some(metadata.dev()) {
            self.device = Some(metadata.dev());
            mounts::check(self.path, &at, self.trusted, self.depth)?;
        }
        let file_check = if is_last { file_check::end } else { file_check::passed };
        file_check(self.path, &at, &metadata, self.trusted)?;
        self.at = at;
        self.metadata = Some(metadata);
        Ok(())
    }
}

fn examine(path: &Path) -> Result<Metadata, Refusal> {
    fs::symlink_metadata(path).map_err(|source| Refusal::Examine { path: path.to_owned(), source })
}
