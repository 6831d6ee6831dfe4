//! The use cases: admit, validate, execute, store, report health. No HTTP.
//!
//! ```text
//! enter:   the caller's limits
//!          429, 503
//! execute: bounds -> full? -> validator -> slot -> executor chain -> store -> answer
//!          422       503      400          503     503 / 500        (a file that is not kept is skipped)
//! ```
//! (The numbers are the status codes that the HTTP crate gives the errors; here they are [`ExecuteError`]s.)
//!
//! Each execution is reported once, as an [`ExecutionRecord`], to the [`Observer`]; what there is now and what parts
//! count themselves is in [`Service::snapshot`].
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
//! open --shut_down--> closed: new work refused, running and queued work goes on --all done--> stopped
//!                                                       | grace over: cancel ------------^
//! ```

mod admission;
mod artifacts;
mod client_reason;
mod command;
mod context;
mod execution;
mod fair;
mod health;
mod interpreter_env;
mod observe;
mod paths;
mod phase;
mod recorder;
mod service;
mod snapshot;
mod summary;
#[cfg(test)]
mod tests;
mod ticket;
mod trace_context;
mod validation;

pub use access::{
    Denied, KeyRecord, Keyring, KeysHealth, KeysState, Limit, Limited, Limits, LimitsSnapshot, Over, Scope,
    Standing,
};
pub use admission::Load;
pub use command::{Bounds, ExecuteCommand, InvalidField};
pub use context::{Principal, RequestContext, Share};
pub use execution::{Artifact, ExecuteError, Execution, Finding, Selected, Skipped};
pub use executor::{
    Captured, Chain, Health, InputFile, OutcomeKind, Protection, ProviderStatus, Usage, Verdict,
};
pub use health::{HealthReport, Probed, Status, StorageStatus};
pub use observe::{CommandFacts, ExecutionRecord, NoObserver, Observer, Observers, RecordEnd};
pub use phase::{Phase, PhaseTime};
pub use service::{Service, ServiceConfig};
pub use snapshot::{ExecutorSnapshot, ServiceSnapshot, StorageSnapshot};
pub use storage::{ObjectStoreStats, Store, StoreOperation, StoreResult, StoredIn};
pub use summary::{Summary, SummarySlot};
pub use support::Subscriber;
pub use ticket::Ticket;
pub use trace_context::TraceContext;

/// `Retry-After` while the service stops, in seconds: about what a new instance needs to start.
const RETRY_AFTER_STOP_S: u64 = 5;

/// Minimum `Retry-After` if no executor is usable, in seconds: the interval between probes.
const RETRY_AFTER_UNAVAILABLE_S: u64 = 5;

/// Maximum `Retry-After` then: an executor that has been down for a while will hardly recover in the next
/// seconds.
const RETRY_AFTER_UNAVAILABLE_S_MAX: u64 = 60;
