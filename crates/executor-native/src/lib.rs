//! The native executor: sandboxes isolated by the host's own kernel.
//!
//! ```text
//! service ── control socket ──> launcher ── clone ──> sandbox: agent as pid 1 ─── asks ───┐
//!    │                          (one, single-threaded,      │                           v
//!    │                           already on the             │ adopts       template: packages imported
//!    │                           stage)                     v                           │
//!    └──── stream of each sandbox (the agent protocol) ──> interpreter <── forked into the sandbox
//! ```
//!
//! Without templates the agent starts the interpreter itself. Either way a sandbox is ready when its isolated
//! interpreter is idle; a warm pool pre-creates some.
//!
//! - `launcher` starts the launcher and requests sandboxes from it.
//! - `factory` makes a sandbox: stream, first process, cgroups, CPUs; and removes it.
//! - `sandbox` makes it the backing of an `executor::Sandbox`.
//! - `runtime_location` decides where the runtime's files are, and `disk_reads` limits reads from there.
//! - `start` checks what this host can enforce before anything runs.

mod container_options;
mod cpus;
mod disk_reads;
mod error;
mod executor;
mod factory;
mod hint;
mod launcher_client;
mod launcher_output;
mod runtime_location;
mod sandbox;
mod start;
mod users;

pub use ::executor::{COMMON, LEAN, TemplateSpec};
pub use cgroup::{Total, Totals};
pub use error::StartError;
pub use executor::NativeExecutor;
pub use factory::OriginCounts;
pub use hint::{apparmor_fix, apparmor_restricts};
pub use start::{NativeConfig, PROVIDER, host_view};
