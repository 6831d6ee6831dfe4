//! Where policies come from: the one of programs that is built in, or a text.

use super::model::Policy;
use super::parse::{self, BUILTIN, PolicyError};

impl Policy {
    /// The policy shipped with the program, `data/seccomp.policy`.
    pub fn builtin() -> Self {
        Self::parse(BUILTIN).expect("the embedded policy parses; a test holds it to that")
    }

    /// Reads a policy; the format is described at the head of `data/seccomp.policy`.
    ///
    /// # Errors
    /// The first fault, with its line, and what would have been allowed there.
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
        assert_eq!(policy.default, Action::Notify(1), "a refusal is reported, then EPERM");
    }
}
