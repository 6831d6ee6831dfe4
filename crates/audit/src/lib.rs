//! The audit log: who ran which program, when, and how it ended.
//!
//! ```text
//! service -> record of an execution -> AuditLog -> bounded queue -> thread "audit" -> file or standard error
//! ```
//! One JSON object per line, one write(2) per line, for each call of [`service::Service::execute`], however it ended.
//! A line has the digest of a program, never its text, its output, its input or the name of a file, unless
//! [`Config::programs`] adds text and output.
//!
//! The queue decouples requests from the disk: a disk that is full, slow or gone costs lines, never an execution. Lines
//! that were lost are counted, in metrics and in the log itself: a line `lost` stands in the gap.

mod directory;
mod entry;
mod file;
mod log;
mod queue;

pub use entry::KeyEvent;
pub use file::OpenError;
pub use log::{AuditLog, Config, Counts, append};

use std::path::PathBuf;

/// Where the lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Between the lines of the service's log.
    Stderr,
    /// Into this file.
    File(PathBuf),
}
