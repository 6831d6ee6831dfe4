//! Why a file is refused.

use crate::accounts;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a file is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Somebody else can change it.
    #[error("`{}` can be changed by others: {cause} `{}`{}", path.display(), at.display(), cause.details())]
    Untrusted {
        /// The file that was asked about.
        path: PathBuf,
        /// The part of the way to it where they can: itself, or a directory or link above.
        at: PathBuf,
        /// How.
        cause: Cause,
    },
    /// A part of the way to it cannot be examined.
    #[error("failed to examine `{}`", path.display())]
    Examine {
        /// That part.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// How somebody else can change a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// They own it.
    Owner {
        /// Their user id.
        uid: u32,
    },
    /// Everybody may write to it.
    Everybody {
        /// Its permission bits.
        mode: u32,
    },
    /// A group may that holds others, or of which that is not known.
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
            Self::Unmapped => f.write_str("a user whom this user namespace does not map owns"),
        }
    }
}

impl Cause {
    /// The mode, and the command that closes it, where one does.
    fn details(self) -> String {
        match self {
            Self::Everybody { mode } | Self::Group { mode, .. } => {
                format!(", mode {mode:04o} (`chmod go-w` closes it)")
            }
            Self::AccessList => " (`setfacl -b` removes it)".to_owned(),
            Self::Owner { .. } | Self::FuseMount { .. } | Self::Unmapped => String::new(),
        }
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, refusal)
    }
}
