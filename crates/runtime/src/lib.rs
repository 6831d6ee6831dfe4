//! The runtime: the root file system that untrusted programs run in, and its preparation.
//!
//! [`setup()`] builds it once, from the machine's own CPython and the packages that the lock of one of two
//! lists ([`PackageList`]) pins; every sandbox of every executor then sees the same tree, read-only, as its
//! `/`. Nothing is downloaded at run time.
//!
//! ```text
//! <data_dir>/runtime/
//! setup.lock             held by a running set-up
//!   wheels/                downloaded packages, kept for the next set-up
//! <id>.partial/          a running set-up, or an interrupted one; the next one resumes it
//! <id>/runtime.json      the manifest: the contents of the tree, the environment of programs
//!   <id>/rootfs/           the tree
//! ```
//!
//! The `id` names the interpreter, the list and, by a digest, all inputs of the tree. A finished
//! directory appears under its name in one step and is never changed afterwards. Trees of both lists may
//! coexist.

mod command;
mod elf;
mod error;
mod inputs;
mod libraries;
mod list;
mod loaded;
mod lock;
mod manifest;
mod packages;
mod progress;
mod python;
mod setup;
mod smoke;
mod stdlib;
mod system_files;
mod tree;

#[cfg(fuzzing)]
pub mod fuzzing;

pub use command::CommandError;
pub use error::{LoadError, Rejected, Rejection, SetupError};
pub use list::{Cost, PackageList};
pub use loaded::Runtime;
pub use manifest::Package;
pub use progress::{Progress, Silent};
pub use python::NEWEST_PYTHON;
pub use setup::{SetupOptions, setup};

/// Raised whenever the same inputs give a different tree; older trees are then no longer used.
pub const BUILDER_VERSION: u32 = 2;
