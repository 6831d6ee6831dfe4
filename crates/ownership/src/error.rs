//! Why a file is refused.

use crate::accounts;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a file must not be used.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Another user can change it.
    #[error("`{}` can be changed by others: {cause} `{}`{}", path.display(), at.display(), cause.details())]
    Untrusted {
        /// The requested file.
        path: PathBuf,
        /// The part of the path where they can: the file itself, or a directory or link above.
        at: PathBuf,
        /// How.
        cause: Cause,
    },
    /// It is on a file system in an image file that another user can change.
    #[error(
        "`{}` can be changed by others: the file system of `{}` is the image `{}`, and {why}",
        path.display(), at.display(), image.display()
    )]
    Image {
        /// The requested file.
        path: PathBuf,
        /// The part of the path where that file system begins.
        at: PathBuf,
        /// The image.
        image: PathBuf,
        /// Who can change it, or why that is unknown.
        why: Box<Refusal>,
    },
    /// The table of mounts lacks the mount of a part of the path.
    #[error(
        "failed to find the mount of `{}` in /proc/self/mountinfo, so it is unknown who mounted it (hint: mount the whole of \
         procfs there: `mount -t proc proc /proc`)", at.display()
    )]
    NoMount {
        /// That part.
        at: PathBuf,
    },
    /// A system file that says who controls a file system cannot be read.
    #[error(
        "failed to read `{}`, so it is unknown who controls the file system of `{}` (hint: mount procfs and sysfs: `mount -t proc \
         proc /proc`, `mount -t sysfs sysfs /sys`): {source}", table.display(), at.display()
    )]
    Mounts {
        /// The part of the path on that file system.
        at: PathBuf,
        /// That file.
        table: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A part of the path cannot be examined.
    #[error("failed to examine `{}`", path.display())]
    Examine {
        /// That part.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
}

/// How another user can change a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// They own it.
    Owner {
        /// Their user id.
        uid: u32,
    },
    /// Every user may write to it.
    Everybody {
        /// Its permission bits.
        mode: u32,
    },
    /// A group may write to it that has other members, or whose members are unknown.
    Group {
        /// The group's id.
        gid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// The mode lets a group write, and an access control list may name others.
    AccessList,
    /// They serve the file system, by FUSE.
    FuseMount {
        /// Their user id.
        uid: u32,
    },
    /// Its file system was mounted by or for an ordinary user.
    UserMount,
    /// Any user may mount its file system.
    UserMountable,
    /// Its owner has no id in this user namespace.
    Unmapped,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Owner { uid } => write!(f, "{} owns", accounts::user(uid)),
            Self::Everybody { .. } => f.write_str("everybody may write to"),
            Self::Group { gid, .. } => write!(f, "{} may write to", accounts::group(gid)),
            Self::AccessList => f.write_str("an access control list applies to"),
            Self::FuseMount { uid } => write!(f, "{} serves the file system (FUSE) of", accounts::user(uid)),
            Self::UserMount => f.write_str("an ordinary user mounted the file system of"),
            Self::UserMountable => f.write_str("any user may mount the file system of"),
            Self::Unmapped => f.write_str("a user that is not mapped in this user namespace owns"),
        }
    }
}

impl Cause {
    /// The mode, and the command that fixes it, if there is one.
    fn details(self) -> String {
        match self {
            Self::Everybody { mode } | Self::Group { mode, .. } => {
                format!(", mode {mode:04o} (fix: `chmod go-w`)")
            }
            Self::AccessList => " (fix: `setfacl -b`)".to_owned(),
            Self::UserMount => {
                " (by FUSE, udisks2 or an entry of fstab with `user`; use one that root mounted)".to_owned()
            }
            Self::UserMountable => {
                " (`users`, `owner` or `group` in /etc/fstab; remove that option)".to_owned()
            }
            Self::Owner { .. } | Self::FuseMount { .. } | Self::Unmapped => String::new(),
        }
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, refusal)
    }
}
