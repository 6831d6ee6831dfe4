//! The runtime: the root file system that untrusted programs run in, and how it is made.
//!
//! [`setup()`] builds it once, from the machine's own CPython and the packages that the lock of one of two lists
//! ([`PackageList`]) pins; every sandbox of every executor then sees the same tree, read-only, as its `/`.
//! Nothing is downloaded at run time.
//!
//! ```text
//! <data_dir>/runtime/
//!   setup.lock             held by the one set-up that works
//!   wheels/                downloaded packages, kept for the next set-up
//!   <id>.partial/          a set-up under way, or one that was interrupted; the next one goes on from it
//!   <id>/runtime.json      the manifest: what is in the tree, the environment that programs get
//!   <id>/rootfs/           the tree
//! ```
//!
//! The `id` names the interpreter, the list and, by a digest, everything that the tree is made from. A finished
//! directory appears under its name in one step and is never changed afterwards. Trees of both lists may stand
//! side by side.

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

/// Raised whenever the tree that the same inputs give changes; older trees are then no longer used.
pub const BUILDER_VERSION: u32 = 2;
