//! The native executor: sandboxes isolated by the host's own kernel.
//!
//! ```text
//! service ── control socket ──> launcher ── clone ──> cell: agent as pid 1 ─── asks ───┐
//!    │                          (one, single-threaded,      │                           v
//!    │                           already on the             │ adopts       template: packages imported
//!    │                           stage)                     v                           │
//!    └──── stream of each cell (the agent protocol) ──> interpreter <── forked into the cell
//! ```
//!
//! Without templates the agent starts the interpreter itself. Either way a sandbox is ready when its isolated interpreter is
//! idle; a warm pool pre-creates some.
//!
//! - `launcher` starts the launcher and requests cells from it.
//! - `cell` is one cell: its stream, its first process, its cgroups, its CPUs; and its removal.
//! - `sandbox` makes a cell the backing of a sandbox.
//! - `runtime_place` decides where the runtime's files are, and `disk_reads` limits reads from there.
//! - `start` checks what this host can enforce before anything runs.

mod cell;
mod container;
mod cpus;
mod disk_reads;
mod error;
mod executor_impl;
mod hint;
mod launcher;
mod runtime_place;
mod sandbox;
mod start;
mod users;
mod words;

pub use cell::OriginCounts;
pub use cgroup::{Total, Totals};
pub use error::StartError;
pub use executor::{COMMON, LEAN, TemplateSpec};
pub use executor_impl::NativeExecutor;
pub use hint::{apparmor_fix, apparmor_restricts};
pub use start::{NativeConfig, PROVIDER, host_view};
