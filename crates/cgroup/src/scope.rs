//! Whether restarting below the user's own systemd would give this process the cgroups that it lacks.
//!
//! In a login session on cgroup v2 the own group is root's. The user's systemd (`user@<uid>.service`) has a
//! group that the user owns, and creates a scope in it on request: `systemd-run --user --scope -p
//! Delegate=yes`.

use std::path::Path;

use crate::detect::{FsView, HostView, OwnProc};
use crate::error::{DetectError, Reason};
use crate::layout::Layout;

/// Checks this host: true for an unprivileged user that does not own its v2 group.
///
/// False wherever a scope would not help: for root, on v1, in a unit (which needs its own `Delegate=yes`, or
/// its limits would be left), and if something else is missing.
#[must_use]
pub fn scope_helps(view: &HostView) -> bool {
    OwnProc::read().is_ok_and(|own| scope_helps_here(&own, view))
}

pub(crate) fn scope_helps_here(own: &OwnProc, view: &dyn FsView) -> bool {
    if view.euid() == 0 || view.is_unit() || !own.is_v2() {
        return false;
    }
    match Layout::detect(&own.cgroup, &own.mountinfo, view, None) {
        // A terminal's scope belongs to the user, too, but is managed by systemd: moving its processes would
        // violate the single-writer rule (systemd.io/CGROUP_DELEGATION).
        Ok(layout) => layout
            .hierarchies()
            .iter()
            .filter_map(|hierarchy| hierarchy.own.as_deref())
            .any(|own| is_of_user_manager(own, view.euid()) && !view.is_delegated(own)),
        Err(DetectError::Unusable { problems }) => {
            problems.iter().all(|problem| matches!(problem.reason, Reason::NotWritable { .. }))
        }
        Err(_) => false,
    }
}

fn is_of_user_manager(group: &Path, uid: u32) -> bool {
    let manager = format!("user@{uid}.service");
    group.iter().any(|part| part == manager.as_str())
}
