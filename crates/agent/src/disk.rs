//! How full the writable file system of a sandbox is.

use protocol::DiskState;

/// How full the writable file system is.
pub(crate) fn disk_state() -> DiskState {
    let Ok(state) = rustix::fs::statvfs("/tmp") else { return DiskState::default() };
    DiskState {
        bytes_max: state.f_blocks * state.f_frsize,
        bytes_used: (state.f_blocks - state.f_bfree) * state.f_frsize,
        inodes_max: state.f_files,
        inodes_used: state.f_files - state.f_ffree,
    }
}
