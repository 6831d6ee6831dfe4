//! The use cases: admit, validate, execute, store, report health. No HTTP.
//!
//! ```text
//! execute: bounds -> room? -> validator -> slot -> executor chain -> store -> answer
//!          422       503      400          503     503 / 500        (a file that is not kept is skipped)
//! ```
//! (The numbers are what the HTTP crate makes of the errors; here they are [`ExecuteError`]s.)
//!
//! # For the composition root
//! ```ignore
//! let service = Service::start(config, Chain::new(executors), Some(store));   // starts probes and cleaning
//! // ... serve ...
//! service.shut_down(grace).await;   // refuse new work, wait, then cancel; afterwards shut the executors down
//! ```
//!
//! # Stopping
//! ```text
//! open --shut_down--> closed: new work refused, what runs or waits goes on --all done--> stopped
//!                                                       | grace over: cancel ------------^
//! ```

mod admission;
mod command;
mod context;
mod execution;
mod health;
mod interpreter_env;
mod judge;
mod outputs;
mod paths;
mod service;
mod words;

pub use admission::Load;
pub use command::{Bounds, ExecuteCommand, InvalidField};
pub use context::{Principal, RequestContext};
pub use execution::{Artifact, ExecuteError, Execution, Finding, Selected, Skipped};
pub use executor::{
    Captured, Chain, Health, InputFile, OutcomeKind, Protection, ProviderStatus, Usage, Verdict,
};
pub use health::{HealthReport, Probed, Status, StorageStatus};
pub use service::{Service, ServiceConfig};
pub use storage::Store;

/// `Retry-After` while the service stops, in seconds: about what a new instance needs to start.
const RETRY_AFTER_STOP_S: u64 = 5;

/// Least `Retry-After` when no executor is usable, in seconds: the time between two probes.
const RETRY_AFTER_UNAVAILABLE_S: u64 = 5;

/// Most `Retry-After` then: what has not worked for a while will hardly work in the next seconds.
const RETRY_AFTER_UNAVAILABLE_S_MAX: u64 = 60;
