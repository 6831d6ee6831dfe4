//! What the service does for its own safety: no other process of its user reads its memory, which holds the link key and
//! every program; when the host runs out of memory the kernel ends programs before it; and it gives up the capabilities and
//! system calls that neither it nor what it starts has a use for.

use confine::{OomScore, Refused};
use seccomp::Helper;
use settings::Settings;
use std::io;

/// Of the service and its launcher; programs have 1000. Not -1000: a service that grows without an end must not take the
/// host with it.
const OOM_SCORE: i32 = -500;

/// Protects this process, as far as it may. Before it has threads: capabilities and filters are a thread's own, and only
/// what a thread starts inherits them.
pub(crate) fn this_process(settings: &Settings) {
    // First: the launcher inherits the score, and to lower it takes a capability.
    match confine::protect_from_oom(OOM_SCORE) {
        OomScore::Protected(score) => tracing::debug!(score, "protected from the out-of-memory killer"),
        // An ordinary user's: the limit on all sandboxes together stands in.
        OomScore::NotAllowed => {
            tracing::debug!("not protected from the out-of-memory killer: no CAP_SYS_RESOURCE")
        }
    }
    // The kernel then also lets nobody but root open this process's files in /proc.
    if let Err(error) = confine::hide_from_others() {
        tracing::warn!(%error, "other processes of this user can read the service's memory");
    }
    let makes_cells = compose::uses_native(settings);
    // The native executor needs the same calls: where the kernel refuses them here, it runs nothing and says why. Those of
    // containers go on, with the warning.
    for refused in confine::keep_service_rights(makes_cells).into_iter().chain(filter_calls().err()) {
        tracing::warn!(
            error = executor::error_chain(&refused),
            "the service keeps rights that it has no use for (hint: a filter around it forbids seccomp(2) or prctl(2))"
        );
    }
}

/// Without landlock: its rules on files would forbid every mount to the launcher as well (the kernel's
/// Documentation/userspace-api/landlock.rst, "Filesystem topology modification").
fn filter_calls() -> Result<(), Refused> {
    let filter = Helper::Service.filter().map_err(|error| Refused {
        step: "compile the filter of system calls",
        source: io::Error::other(error),
    })?;
    confine::filter_this_process(filter.instructions())
}
