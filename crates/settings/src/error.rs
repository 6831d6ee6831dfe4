//! What can be wrong with the settings. All of it is reported at once.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command line, by this flag.
    CommandLine(&'static str),
    /// The process environment.
    Environment,
    /// A line of a file, counted from 1.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// Nobody set it.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(flag) => write!(f, "command line, {flag}"),
            Self::Environment => f.write_str("environment"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong. No variant ever holds the value of a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// A value that is not allowed.
    #[error("{name}{} ({origin}) {refusal}; allowed: {allowed}", .value.as_ref().map(|value| format!(" = `{value}`")).unwrap_or_default())]
    Value {
        /// The setting.
        name: &'static str,
        /// Its value; `None` for a secret.
        value: Option<String>,
        /// Where it was set.
        origin: Source,
        /// What is wrong with it.
        refusal: String,
        /// What would be right.
        allowed: String,
    },
    /// A name that no setting has.
    #[error("{name} ({origin}) is no setting{}", match .similar {
        Some(similar) => format!("; did you mean {similar}?"),
        None => "; `python-sandbox check-config` lists all of them".to_owned(),
    })]
    Unknown {
        /// The name.
        name: String,
        /// Where it was set.
        origin: Source,
        /// A setting with nearly this name.
        similar: Option<&'static str>,
    },
    /// A name that is set twice in one place.
    #[error("{name} ({origin}) was set before in the same file, as {first}")]
    Twice {
        /// The setting.
        name: &'static str,
        /// Where it was set again.
        origin: Source,
        /// How it was written first.
        first: String,
    },
    /// A line that cannot be read.
    #[error("{origin} {detail}")]
    Syntax {
        /// The line.
        origin: Source,
        /// What is wrong with it.
        detail: String,
    },
    /// `--set` without a name and a value.
    #[error("--set takes NAME=VALUE")]
    SetWithoutValue,
    /// A file that cannot be read.
    #[error("failed to read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// A file of the working directory that others can change, and that nobody named.
    #[error(
        "`{}` of the working directory is trusted only when nobody but root and this user can change it: {source} (hint: \
         {named} reads it all the same, {without} goes without)", path.display()
    )]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// Who can, and where.
        source: Box<ownership::Refusal>,
        /// The option that names it.
        named: String,
        /// The option that leaves it out.
        without: &'static str,
    },
    /// Settings that are good alone, and not together.
    #[error("{0}")]
    Together(String),
}

/// Everything that is wrong with the settings; at least one problem.
#[derive(Debug, thiserror::Error)]
pub struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "the settings are wrong: {one}"),
            many => {
                write!(f, "the settings are wrong in {} places:", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
            }
        }
    }
}
