//! What sandboxes could leave on a host: processes, mounts, control groups, network namespaces; and the memory that
//! processes use.
//!
//! [`Traces`] before and after tell what was left. Doctor and bench look at what this process made ([`Scope::Own`]), since
//! other services may work beside them; tests that own the host look at all of it ([`Scope::Host`]).

mod cgroups;
mod memory;
mod mounts;
mod processes;
mod traces;

pub use memory::{available_bytes, mib, pss_bytes, rss_bytes, total_bytes};
pub use processes::{Process, descendants, pids_below};
pub use traces::{Scope, Traces};
