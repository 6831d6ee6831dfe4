//! Usage of a sandbox's writable file system.

use protocol::DiskState;

/// Reads the size and usage of the writable file system.
pub(crate) fn disk_state() -> DiskState {
    let Ok(state) = rustix::fs::statvfs("/tmp") else { return DiskState::default() };
    DiskState {
        bytes_max: state.f_blocks * state.f_frsize,
        bytes_used: (state.f_blocks - state.f_bfree) * state.f_frsize,
        inodes_max: state.f_files,
        inodes_used: state.f_files - state.f_ffree,
    }
}
