//! The native executor: sandboxes made of this kernel's own walls.
//!
//! ```text
//! service ── control socket ──> launcher ── clone ──> cell: agent as pid 1 ── fork, exec ──> interpreter
//!    │                          (one, single-threaded,                        (the program)
//!    │                           already inside the runtime's root)
//!    └───────── stream of each cell (the agent protocol) ───────────────────────┘
//! ```
//! - [`launcher`] starts the launcher and asks it for cells.
//! - [`cell`] is one cell: its stream, its first process, its cgroups, its CPUs; and how it is removed.
//! - [`sandbox`] runs a program in a cell and judges its end.
//! - [`start`] checks what this host can enforce before anything is run.

mod cell;
mod cpus;
mod error;
mod executor_impl;
mod launcher;
mod sandbox;
mod start;

pub use error::StartError;
pub use executor_impl::NativeExecutor;
pub use start::{NativeConfig, PROVIDER};
