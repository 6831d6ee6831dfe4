//! Why the native executor cannot work on this host.

use std::io;

/// Why no sandbox can be made here. Each message says how to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No usable cgroups, or a limit that the kernel does not accept.
    #[error("the host cannot limit memory, processes and CPU: {0}")]
    Cgroup(String),
    /// The kernel refused a step of making the root or a namespace.
    #[error("failed to {step}: {refusal} (hint: {hint})")]
    Refused {
        /// The step.
        step: String,
        /// The kernel's error. Not a `source`: it is part of the message, before the hint.
        refusal: io::Error,
        /// The usual fix.
        hint: String,
    },
    /// The launcher could not be started or went away.
    #[error("failed to start the launcher")]
    LauncherClient(#[source] io::Error),
    /// The first sandbox failed its check.
    #[error("the first sandbox failed: {0}")]
    SelfTest(String),
    /// The kernel lacks something that every sandbox needs.
    #[error("there is no {what} (hint: {hint})")]
    Kernel {
        /// What is missing.
        what: &'static str,
        /// The fix.
        hint: &'static str,
    },
}
