//! Errors as text.

use std::error::Error;

/// An error and all its causes in one line.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Debug)]
    struct Caused(&'static str, Option<Box<Caused>>);

    impl fmt::Display for Caused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Caused {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn every_cause_is_named_the_outermost_first() {
        let error = Caused("one", Some(Box::new(Caused("two", Some(Box::new(Caused("three", None)))))));
        assert_eq!(error_chain(&error), "one: two: three");
        assert_eq!(error_chain(&Caused("alone", None)), "alone");
    }
}
