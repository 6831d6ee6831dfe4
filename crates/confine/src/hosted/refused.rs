//! What the kernel refused, and at which step.

use std::io;

/// A step of isolation that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("failed to {step}")]
pub struct Refused {
    /// What was tried, in the infinitive.
    pub step: &'static str,
    /// The kernel's answer.
    #[source]
    pub source: io::Error,
}

impl Refused {
    pub(super) fn at<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self { step, source: error.into() }
    }
}

impl From<Refused> for io::Error {
    /// The kernel's kind of error, with the step in its words.
    fn from(refused: Refused) -> Self {
        Self::new(refused.source.kind(), format!("{}: {}", refused.step, refused.source))
    }
}
