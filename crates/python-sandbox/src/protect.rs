//! The service's own protections: no other process of its user can read its memory, which contains the link
//! key and every program; when the host runs out of memory the kernel kills programs before it; and it drops
//! the capabilities and system calls that neither it nor its children need.

use confine::{OomScore, Refused};
use seccomp::Helper;
use settings::Settings;
use std::io;

/// Of the service and its launcher; programs have 1000. Not -1000: a service that leaks memory must not take
/// down the host.
const OOM_SCORE: i32 = -500;

/// Protects this process as far as possible. Must run before threads are started: capabilities and filters
/// are per thread, and only inherited by what a thread starts.
pub(crate) fn this_process(settings: &Settings) {
    // First: the launcher inherits the score, and lowering it needs a capability.
    match confine::protect_from_oom(OOM_SCORE) {
        OomScore::Protected(score) => tracing::debug!(score, "protected from the out-of-memory killer"),
        // As an ordinary user: the limit on all sandboxes together has to do.
        OomScore::NotAllowed => {
            tracing::debug!("not protected from the out-of-memory killer: no CAP_SYS_RESOURCE")
        }
    }
    // The kernel then also lets only root open this process's files in /proc.
    if let Err(error) = confine::hide_from_others() {
        tracing::warn!(%error, "other processes of this user can read the service's memory");
    }
    let makes_sandboxes = compose::uses_native(settings);
    // The native executor needs the same calls: if the kernel refuses them here, that executor runs nothing
    // and reports why. Container executors continue, with the warning.
    for refused in confine::keep_service_capabilities(makes_sandboxes).into_iter().chain(filter_calls().err())
    {
        tracing::warn!(
            error = support::error_chain(&refused),
            "failed to drop privileges that the service does not need (hint: the seccomp filter of its unit or container may forbid seccomp(2) or prctl(2))"
        );
    }
}

/// Without Landlock: its rules on files would also forbid every mount in the launcher (the kernel's
/// Documentation/userspace-api/landlock.rst, "Filesystem topology modification").
fn filter_calls() -> Result<(), Refused> {
    let filter = Helper::Service.filter().map_err(|error| Refused {
        step: "compile the system call filter",
        source: io::Error::other(error),
    })?;
    confine::filter_this_process(filter.instructions())
}
