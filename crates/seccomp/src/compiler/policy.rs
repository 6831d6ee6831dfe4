//! Sources of policies: the built-in one of programs, or a text.

use super::model::Policy;
use super::parse::{self, BUILTIN, PolicyError};

impl Policy {
    /// The policy shipped with the program, `data/seccomp.policy`.
    pub fn builtin() -> Self {
        Self::parse(BUILTIN).expect("the embedded policy parses; a test checks that")
    }

    /// Parses a policy; the format is described at the head of `data/seccomp.policy`.
    ///
    /// # Errors
    /// The first error, with its line, and what would be allowed there.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        parse::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;

    #[test]
    fn builtin_parses() {
        let policy = Policy::parse(BUILTIN).unwrap_or_else(|err| panic!("{err}"));
        assert!(policy.rules.len() > 50);
        assert_eq!(
            policy.unknown,
            Action::Errno(38),
            "ENOSYS lets glibc fall back from calls of newer kernels"
        );
        assert_eq!(policy.default, Action::Notify(1), "a blocked call is reported, then EPERM");
    }
}
