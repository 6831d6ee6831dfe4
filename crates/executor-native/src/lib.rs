//! The native executor: sandboxes made of this kernel's own walls.
//!
//! ```text
//! service ── control socket ──> launcher ── clone ──> cell: agent as pid 1 ─── asks ───┐
//!    │                          (one, single-threaded,      │                           v
//!    │                           already on the             │ adopts       template: packages imported
//!    │                           stage)                     v                           │
//!    └──── stream of each cell (the agent protocol) ──> interpreter <── forked into the cell
//! ```
//!
//! Without templates the agent starts the interpreter itself. Either way a sandbox is ready when its interpreter waits
//! behind every wall; a warm pool keeps some that are.
//!
//! - `launcher` starts the launcher and asks it for cells.
//! - `cell` is one cell: its stream, its first process, its cgroups, its CPUs; and how it is removed.
//! - `sandbox` runs a program in a cell and judges its end.
//! - `runtime_place` is where the runtime's files lie, and `disk_reads` the limit on reads from there.
//! - `start` checks what this host can enforce before anything is run.

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
