//! Possible leftovers of sandboxes on a host: processes, mounts, cgroups, network namespaces; and the memory
//! that processes use.
//!
//! The difference between [`Snapshot`] before and after shows the leftovers. Doctor and bench look only at
//! what this process created ([`Scope::Own`]), since other services may run at the same time; tests look at
//! the whole host ([`Scope::Host`]).

mod cgroups;
mod memory;
mod mounts;
mod processes;
mod snapshot;

pub use memory::{available_bytes, mib, pss_bytes, rss_bytes, total_bytes};
pub use processes::{Process, descendants, pids_below};
pub use snapshot::{Scope, Snapshot};
