//! What the service does for its own safety: no other process of its user reads its memory, which holds the link key and
//! every program, and when the host runs out of memory the kernel ends programs before it.

use confine::OomScore;

/// Of the service and its launcher; programs have 1000. Not -1000: a service that grows without an end must not take the
/// host with it.
const OOM_SCORE: i32 = -500;

/// Protects this process, as far as it may.
pub(crate) fn this_process() {
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
}
