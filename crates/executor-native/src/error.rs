//! Why the native executor cannot work on this host.

use std::io;

/// Why no sandbox can be made here. Each text says what mends it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No place for cgroups, or a limit that the kernel does not take.
    #[error("the host cannot limit memory, processes and CPU: {0}")]
    Cgroup(String),
    /// The kernel refused a step of making the root or a namespace.
    #[error("failed to {step}: {source} ({hint})", hint = hint(step, source, *rootless))]
    Refused {
        /// The step.
        step: String,
        /// Its answer.
        source: io::Error,
        /// Whether we are an ordinary user.
        rootless: bool,
    },
    /// The launcher could not be started or went away.
    #[error("failed to start the launcher: {0}")]
    Launcher(#[source] io::Error),
    /// The first sandbox did not do what it must.
    #[error("the first sandbox failed: {0}")]
    SelfTest(String),
    /// The kernel lacks something that every sandbox needs.
    #[error("the kernel lacks {what} (hint: {hint})")]
    Kernel {
        /// What is missing.
        what: &'static str,
        /// What mends it.
        hint: &'static str,
    },
}

/// What usually mends a refused step.
fn hint(step: &str, source: &io::Error, rootless: bool) -> &'static str {
    let refused = matches!(source.raw_os_error(), Some(1 | 13));
    match (step, rootless) {
        ("make a user namespace", _) if source.raw_os_error() == Some(28) => {
            "hint: user namespaces are switched off; sysctl -w user.max_user_namespaces=15000, or run as root"
        }
        ("make a user namespace" | "map the user id" | "stop mounts from propagating", true) => {
            "hint: this host refuses user namespaces to ordinary users; run as root, or \
             sysctl -w kernel.unprivileged_userns_clone=1, and on Ubuntu \
             sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        }
        ("make /proc" | "mount /proc" | "make the cell's namespaces" | "mount", true) => {
            "hint: inside a container the kernel mounts /proc only where the container's own is whole; \
             run the container with --security-opt systempaths=unconfined --security-opt seccomp=unconfined, \
             or use another executor"
        }
        (_, false) if refused => {
            "hint: root without CAP_SYS_ADMIN, as in a container; run it with --privileged, or with \
             --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
        }
        _ => "hint: run `python-sandbox doctor`",
    }
}
