//! The filter of a process of ours.

use super::refused::Refused;
use crate::install::install;
use seccomp::Insn;

/// Puts a filter on this process of one thread, for good, and on all that it starts. Wants no_new_privs, or CAP_SYS_ADMIN.
///
/// # Errors
/// seccomp(2).
pub fn filter_this_process(filter: &[Insn]) -> Result<(), Refused> {
    install(filter, false).map(drop).map_err(Refused::at("install the filter of system calls"))
}
