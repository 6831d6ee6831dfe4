//! The seccomp filter of one of our own processes.

use super::refused::Refused;
use crate::install::install;
use seccomp::Insn;

/// Installs a filter on this single-threaded process, irrevocably, and on everything it starts. Needs
/// no_new_privs or CAP_SYS_ADMIN.
///
/// # Errors
/// seccomp(2).
pub fn filter_this_process(filter: &[Insn]) -> Result<(), Refused> {
    install(filter, false).map(drop).map_err(Refused::at("install the filter of system calls"))
}
