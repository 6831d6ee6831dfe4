//! Moves what waits in the spool once, for an operator who does not want to wait for the mover.
//!
//! Safe beside running services: a file is moved under its claim, so each is moved by one process, and what another one
//! has claimed is left to it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use storage::{Clock, LocalStore, SpoolStatus};

use crate::config::{OpenError, S3Config};
use crate::mover::{Later, Tries, move_waiting};
use crate::request::Requests;
use crate::state::Core;

/// What became of the files that waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flushed {
    /// Files that the object store has now.
    pub moved: u64,
    /// Files that were removed because their link has expired.
    pub expired: u64,
    /// Attempts that failed; the log says why.
    pub failed: u64,
    /// What still waits: files that were not taken, that another process is moving, or that came meanwhile.
    pub waiting: SpoolStatus,
    /// What is wrong with the object store, with the setting that fixes it; `None` if it works. While it does not,
    /// nothing is moved.
    pub problem: Option<String>,
}

/// Checks the object store and, if it works, tries once to move each file that waits in `local`.
///
/// # Errors
/// [`FlushError`]
pub async fn flush(
    config: S3Config,
    local: LocalStore,
    clock: Arc<dyn Clock>,
) -> Result<Flushed, FlushError> {
    let requests = Requests::open(&config, Arc::clone(&clock))?;
    let core = Core::new(config, requests, local, clock);
    core.check(Duration::ZERO).await;
    move_waiting(&core, &mut Later::new(), Tries::Once).await?;
    let counts = core.counts();
    Ok(Flushed {
        moved: counts.moved,
        expired: counts.expired,
        failed: counts.failed,
        waiting: core.local.waiting().await?,
        problem: core.availability.away().map(|away| core.explain(&away.failure)),
    })
}

/// Why nothing could be moved.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// The settings are those of no object store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The spool cannot be listed.
    #[error("failed to list the files that wait for the object store")]
    List(#[from] io::Error),
}
