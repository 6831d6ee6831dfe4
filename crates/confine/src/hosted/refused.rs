//! The error of a step that the kernel refused.

use std::io;

/// A step of isolation that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("failed to {step}")]
pub struct Refused {
    /// The step, in the infinitive.
    pub step: &'static str,
    /// The kernel's error.
    #[source]
    pub source: io::Error,
}

impl Refused {
    pub(super) fn at<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self { step, source: error.into() }
    }
}

impl From<Refused> for io::Error {
    /// An I/O error of the same kind, with the step in its message.
    fn from(refused: Refused) -> Self {
        Self::new(refused.source.kind(), format!("{}: {}", refused.step, refused.source))
    }
}
