//! How the agent opens what a program may have shaped: through no link, and nothing that is there in place of what it makes.

use rustix::fs::OFlags;

/// A directory.
pub(crate) const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// A file that is not there yet.
pub(crate) const NEW_FILE: OFlags =
    OFlags::CREATE.union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::WRONLY);
